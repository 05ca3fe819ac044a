"""Losses: pure functions of logits, features and parameters."""
