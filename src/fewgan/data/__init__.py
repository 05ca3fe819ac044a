"""Image sets: one uint8 tensor each, with labels, class names and a content hash."""

from fewgan.data.fetching import Fetched
from fewgan.data.imageset import ImageSet, class_index, to_bytes, to_float
from fewgan.data.source import Source
from fewgan.data.sources import fetch, has_test_split, load, sources

__all__ = [
    "Fetched",
    "ImageSet",
    "Source",
    "class_index",
    "fetch",
    "has_test_split",
    "load",
    "sources",
    "to_bytes",
    "to_float",
]
