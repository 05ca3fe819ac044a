"""Metrics: features are extracted once; each metric is a pure function of them in its own file."""
