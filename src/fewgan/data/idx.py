"""The IDX files of MNIST and its kin: a magic number, the dimensions, the bytes.

Format: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits": two zero
bytes, the type (8 for unsigned bytes), the number of dimensions, each as a 32-bit big-endian.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fewgan.data.source import Split, Unavailable

FILES = {
    f"{prefix}-{kind}-ubyte.gz": ""
    for prefix in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
}
"""The four files as they are published; packed again they differ, so only the content is pinned."""
REMEDY = f"put the four files {', '.join(FILES)} in {{home}} and fetch again"

_PREFIX: dict[Split, str] = {"train": "train", "test": "t10k"}
_GZIP = b"\x1f\x8b"


def read_idx(path: Path) -> Tensor:
    """The uint8 tensor in one IDX file, gzip-compressed or not.

    Raises:
        Unavailable: The file is unreadable, cut, or not an IDX file of bytes.
    """
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if data.startswith(_GZIP) else data
        zero, kind, rank = struct.unpack_from(">HBB", data)
        shape = struct.unpack_from(f">{rank}I", data, 4)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise Unavailable(f"{path.name} cannot be read ({error})") from None
    if (zero, kind) != (0, 8) or len(data) != 4 + 4 * rank + math.prod(shape):
        raise Unavailable(f"{path.name} is cut or is not an IDX file of bytes")
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * rank)
    return torch.from_numpy(values.reshape(shape).copy())


def read_split(folder: Path, split: Split) -> tuple[Tensor, Tensor]:
    """Images uint8 [N, 1, H, W] and labels int64 [N] of a folder with the four usual files.

    Raises:
        Unavailable: A file is missing or damaged.
    """
    images = read_idx(_find(folder, f"{_PREFIX[split]}-images", "idx3-ubyte"))
    labels = read_idx(_find(folder, f"{_PREFIX[split]}-labels", "idx1-ubyte"))
    if images.dim() != 3 or labels.shape != images.shape[:1]:
        raise Unavailable(f"the {split} images and labels in {folder} do not belong together")
    return images.unsqueeze(1), labels.long()


def _find(folder: Path, stem: str, kind: str) -> Path:
    """The file in `folder`, under any of the spellings in use, packed or not."""
    names = [f"{stem}{dot}{kind}{packed}" for dot in "-." for packed in ("", ".gz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise Unavailable(f"no {names[0]} in {folder}")
