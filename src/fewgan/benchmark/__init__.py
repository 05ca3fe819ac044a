"""Protocols: how a run is measured, so that every method is measured alike."""
