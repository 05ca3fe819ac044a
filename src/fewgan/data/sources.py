"""The table of data sets, and the way in: any name or folder becomes one fitted image set.

To add a data set: one file with a `SOURCE` (or several `SOURCES`), and its name in the table.
"""

import os
from dataclasses import replace
from pathlib import Path

from fewgan.data import (
    celeba,
    cifar10,
    digits,
    emoji,
    emoji_pairs,
    faces,
    fashion_mnist,
    glyphs,
    mnist,
    omniglot,
)
from fewgan.data.fetching import Fetched, fetch_source
from fewgan.data.folder import folder_source
from fewgan.data.imageset import ImageSet
from fewgan.data.resize import check_form, fit
from fewgan.data.source import Request, Source, Split
from fewgan.errors import InputError, unknown

_TABLE = (
    *(m.SOURCE for m in (digits, glyphs, mnist, fashion_mnist, cifar10, omniglot, celeba)),
    *emoji.SOURCES,
    emoji_pairs.SOURCE,
    *faces.SOURCES,
)


def sources() -> dict[str, Source]:
    """Every named data set, by name."""
    return {source.name: source for source in _TABLE}


def load(
    name: str,
    split: Split = "train",
    *,
    size: int | None = None,
    channels: int | None = None,
    skip_corrupt: bool = False,
) -> ImageSet:
    """Load a data set as one tensor of bytes, fitted to a size and a number of channels.

    Args:
        name: A name of `sources()`, with options after a colon (`celeba:Smiling`), or a folder.
        split: The data set's own training or test images.
        size: Side in pixels, 4 to 1024; None keeps the native one.
        channels: 1 for grey or 3 for colour; None keeps the native number.
        skip_corrupt: Leave unreadable files of a folder out, with a warning that names them.

    Raises:
        InputError: The name, the size or the channels cannot be used, the set is not on this
            machine, or it holds nothing usable; the message says what to do.
    """
    check_form(size, channels)
    if split not in ("train", "test"):
        raise unknown("split", split, ("train", "test"))
    source, option = find(name)
    images = source.read(Request(split, option, size, channels, skip_corrupt))
    fitted = fit(images.images, size, channels, source.padded)
    return replace(images, images=fitted, name=f"{images.name}:{option}" if option else images.name)


def fetch(name: str, source: Path | None = None) -> Fetched:
    """Bring a named data set to this machine; does nothing when it is here already.

    Args:
        name: A name of `sources()`.
        source: A folder or archive that holds the set, when it lies in an unusual place.

    Raises:
        InputError: The name is unknown or the set cannot be had; the message names what was tried
            and what to do offline.
    """
    base = name.partition(":")[0]
    if base not in sources():
        raise unknown("data set", base, sources())
    return fetch_source(sources()[base], source)


def has_test_split(name: str) -> bool:
    """Whether a data set or folder has a test split of the same classes as its training split."""
    return find(name)[0].test_split


def find(name: str) -> tuple[Source, str]:
    """The source that a name stands for, and the option after its colon.

    Raises:
        InputError: There is no such data set and no such folder.
    """
    base, _, option = name.partition(":")
    if base in sources():
        return sources()[base], option
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder_source(folder), ""
    if folder.exists():
        raise InputError(f"{name} is a file: give the folder that holds the images")
    if os.sep in name or name.startswith((".", "~")):
        raise InputError(f"there is no folder {name}")
    raise unknown("data set", name, sources())
