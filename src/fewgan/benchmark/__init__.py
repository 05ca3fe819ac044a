"""Evaluation and protocols: how a run is measured, so that every method is measured alike."""
