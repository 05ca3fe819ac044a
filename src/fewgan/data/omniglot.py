"""Omniglot: 1,623 characters of 50 alphabets, each drawn once by 20 people, 105x105.

B. Lake, R. Salakhutdinov, J. Tenenbaum, "Human-level concept learning through probabilistic
program induction", Science 350 (2015). Training images are the background alphabets; the
evaluation alphabets, where present, are other classes and not a test split of the same ones.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fewgan.data.carriers import Address
from fewgan.data.fetching import read_stored, store
from fewgan.data.imageset import ImageSet
from fewgan.data.source import Request, Source, Split, Supply, Unavailable

LICENCE = "MIT"
SIDE = 105
_ROOTS: dict[Split, str] = {"train": "images_background*", "test": "images_evaluation*"}


def decode(folder: Path, split: Split) -> ImageSet:
    """Read `images_background*/ALPHABET/characterNN/*.png` below `folder`, ink white on black.

    An alphabet and character found in several such folders (the two small sets share Greek and
    Latin) is taken once. Classes are named `ALPHABET/characterNN`.

    Raises:
        Unavailable: There is no such folder, or a drawing is damaged.
    """
    characters = dict(sorted(_characters(folder, split)))
    images = [_ink(path) for paths in characters.values() for path in paths]
    if not images:
        raise Unavailable(f"no {_ROOTS[split]}/ALPHABET/characterNN/*.png in it")
    labels = [i for i, paths in enumerate(characters.values()) for _ in paths]
    return ImageSet(torch.stack(images), torch.tensor(labels), tuple(characters), "omniglot")


def _characters(folder: Path, split: Split) -> Iterator[tuple[str, list[Path]]]:
    """Class names and their drawings; for a name that comes twice, both are the same drawings."""
    for root in (folder, *sorted(folder.glob(_ROOTS[split]), reverse=True)):
        if root.match(_ROOTS[split]):
            for character in root.glob("*/character*"):
                if drawings := sorted(character.glob("*.png")):
                    yield f"{character.parent.name}/{character.name}", drawings


def _ink(path: Path) -> Tensor:
    """A drawing as uint8 [1, 105, 105], 255 where the ink is."""
    try:
        with Image.open(path) as image:
            paper = np.asarray(image.convert("L"))
    except (OSError, SyntaxError, ValueError):
        raise Unavailable(f"{path.name} cannot be read") from None
    if paper.shape != (SIDE, SIDE):
        raise Unavailable(f"{path.name} is not {SIDE}x{SIDE}")
    return torch.from_numpy(255 - paper).unsqueeze(0)


def keep(folder: Path, place: Path) -> None:
    """Store the background alphabets, and the evaluation alphabets if they are there."""
    store(decode(folder, "train"), place, "train")
    if folder.match(_ROOTS["test"]) or list(folder.glob(_ROOTS["test"])):
        store(decode(folder, "test"), place, "test")


def read(request: Request) -> ImageSet:
    """The fetched set at its native 105 pixels."""
    return read_stored("omniglot", request.split, licence=LICENCE)


SOURCE = Source(
    "omniglot",
    "handwritten characters of many alphabets, 20 drawings each, 105x105 grey",
    LICENCE,
    read,
    test_split=False,
    supply=Supply(
        keep,
        places=("omniglot-py", "omniglot", "omniglot/python"),
        carriers=(
            Address(
                "https://github.com/brendenlake/omniglot/raw/master/python/",
                {
                    "images_background.zip": "md5:68d2efa1b9178cc56df9314c21c6e718",
                    "images_evaluation.zip": "md5:6b91aef0f799c5bb55b94e3f2daec811",
                },
            ),
        ),
        remedy="put images_background.zip (or images_background_small1.zip and "
        "images_background_small2.zip) in {home} and fetch again",
    ),
)
