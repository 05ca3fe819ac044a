"""Fashion-MNIST: 70,000 articles of clothing, 28x28 grey, in MNIST's own files.

H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine
learning algorithms", arXiv:1708.07747 (2017). No npm package serves here: the one of that name
holds all images shuffled in one pile, so that the published test split cannot be told from it.
"""

from pathlib import Path

from fewgan.data import idx
from fewgan.data.carriers import Address, Debian
from fewgan.data.fetching import keep_tensors, read_stored
from fewgan.data.imageset import ImageSet
from fewgan.data.source import Request, Source, Split, Supply

LICENCE = "MIT"
CLASSES = (
    "T-shirt",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
CONTENTS: dict[Split, str] = {
    "train": "308c6213870624505959c710712dbe6debc9c2041d98fda2dccb47bcffbd3d84",
    "test": "b7f140f1222993c13e87dc8277a29fffab35bf5fa0777d972356122e7320f6c6",
}
_DEBIAN = "usr/share/datasets/fashion-mnist"


def decode(folder: Path, split: Split) -> ImageSet:
    """Read one split from a folder with the four IDX files."""
    images, labels = idx.read_split(folder, split)
    return ImageSet(images, labels, CLASSES, "fashion-mnist")


def read(request: Request) -> ImageSet:
    """The fetched set at its native 28 pixels; its shoes all point left, so it is not flipped."""
    return read_stored("fashion-mnist", request.split, licence=LICENCE)


SOURCE = Source(
    "fashion-mnist",
    "70,000 articles of clothing, 10 classes, 28x28 grey",
    LICENCE,
    read,
    padded=32,
    supply=Supply(
        keep=keep_tensors(decode, CONTENTS),
        places=(f"/{_DEBIAN}", "FashionMNIST/raw", "fashion-mnist"),
        carriers=(
            Debian("dataset-fashion-mnist", _DEBIAN),
            Address(
                "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
                idx.FILES,
            ),
        ),
        remedy=idx.REMEDY,
    ),
)
