"""Features extracted once: kept in memory, and for real images on disk, by the content they are of.

The key holds the hash of the pixels and the hash of the extractor's weights, so a cached feature is
never of another picture or another network, and renaming or copying a data set loses nothing.
"""

import hashlib
from pathlib import Path

from fewgan.data.imageset import ImageSet
from fewgan.errors import InputError
from fewgan.files import cache_folder, read_tensors, write_tensors
from fewgan.metrics.extractors.base import Extractor, Outputs

VERSION = 1  # raised when an extractor gives other features from the same weights
MOST_ON_DISK = 2**28  # bytes; larger ones are extracted again


class FeatureCache:
    """The outputs of extractors on image sets.

    Args:
        folder: Where they are kept; `features` in fewgan's cache folder when not given.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder() / "features"
        self._held: dict[str, Outputs] = {}

    def outputs(self, extractor: Extractor, images: ImageSet, *, keep: bool = False) -> Outputs:
        """Features and class scores of every image, from memory, disk or the network.

        Args:
            extractor: Asked only when the answer is not here.
            images: The images.
            keep: They are real images, which will be asked for again: keep the answer on disk.
        """
        key = hashlib.sha256(f"{VERSION}|{images.digest}|{extractor.identity}".encode()).hexdigest()
        if key not in self._held:
            path = self.folder / f"{key[:32]}.safetensors"
            self._held[key] = _read(path) or _extract(extractor, images, path if keep else None)
        return self._held[key]


def _read(path: Path) -> Outputs | None:
    """What was kept at `path`; None when there is nothing, or it is damaged."""
    if not path.is_file():
        return None
    try:
        return Outputs(**read_tensors(path)[0])
    except (InputError, TypeError):
        return None


def _extract(extractor: Extractor, images: ImageSet, path: Path | None) -> Outputs:
    found = extractor.outputs(images.images)
    if path and sum(tensor.nbytes for tensor in found) <= MOST_ON_DISK:
        write_tensors(path, found._asdict(), {"extractor": extractor.name, "data": images.name})
    return found
