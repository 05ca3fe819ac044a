"""Extractors: the networks whose features the metrics compare, each in its own file."""

from fewgan.metrics.extractors.base import Extractor, FeatureNetwork, Outputs
from fewgan.metrics.extractors.random_net import random_extractor

__all__ = ["Extractor", "FeatureNetwork", "Outputs", "random_extractor"]
