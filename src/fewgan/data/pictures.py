"""Picture files to one tensor of bytes: decoded once, kept in the cache, mapped when large.

The cache holds the pixels as they lie in memory and a sealed record beside them. It is keyed by
the files' paths, sizes and times, the form asked for and the recipe below, so any change of these
decodes again. Labels are no part of it.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from fewgan.data.resize import SIZES
from fewgan.errors import InputError
from fewgan.files import atomic, cache_folder, read_json, sha256_file, write_json

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pnm")
)
MEMORY_LIMIT = 2 * 2**30
"""Bytes of pixels above which a set is mapped from its file instead of being read into memory."""
_RECIPE = 1  # raise it whenever the same file would decode to other bytes
_CHUNK = 512  # pictures decoded before they are written out
T = TypeVar("T")
_GREY_MODES = ("1", "L", "LA", "La", "I", "F")


@dataclass(frozen=True)
class Pictures:
    """Decoded files.

    Attributes:
        images: uint8 [M, C, S, S], of the readable files in their order.
        bad: Positions of the files that cannot be read, ascending.
    """

    images: Tensor
    bad: tuple[int, ...]


def read_pictures(
    files: Sequence[Path], root: Path, size: int | None, channels: int | None
) -> Pictures:
    """Decode files, centre-cropped to a square and resized (antialiased), or take them from cache.

    Args:
        files: The picture files; transparent ones are laid on white, 16-bit ones scaled, rotated
            ones turned as their EXIF data says.
        root: Folder above them all; the cache survives its moving.
        size: Side in pixels; None takes the shortest side of the smallest picture.
        channels: 1 or 3; None takes 1 if every picture is grey, else 3.

    Raises:
        InputError: No file at all can be read, or the cache cannot be written.
    """
    path = cache_folder() / "data" / "pictures" / _key(files, root, size, channels)
    record, pixels = path.with_suffix(".json"), path.with_suffix(".bytes")
    if not (record.is_file() and _whole(record, pixels)):
        size = size or _native_size(files)
        grey = channels is None and all(_or_none(partial(_is_grey, f)) is not False for f in files)
        channels = channels or (1 if grey else 3)
        write_json(record, _decode_into(pixels, files, size, channels))
    content = read_json(record)
    return Pictures(_open(pixels, content["shape"]), tuple(content["bad"]))


def _key(files: Sequence[Path], root: Path, size: int | None, channels: int | None) -> str:
    stats = [(str(f.relative_to(root)), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    text = json.dumps([_RECIPE, size, channels, stats])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _whole(record: Path, pixels: Path) -> bool:
    """Whether the cached pixels are those that were written; a damaged cache is made again."""
    try:
        return read_json(record)["pixels"] == sha256_file(pixels)
    except (InputError, OSError, KeyError):
        return False


def _open(pixels: Path, shape: Sequence[int]) -> Tensor:
    """The pixels; a large file is mapped privately, so that writing to the tensor leaves it be."""
    count = int(np.prod(shape))
    mapped = torch.from_file(str(pixels), shared=False, size=count, dtype=torch.uint8)
    return (mapped if count > MEMORY_LIMIT else mapped.clone()).view(*shape)


def _decode_into(
    pixels: Path, files: Sequence[Path], size: int, channels: int
) -> dict[str, object]:
    """Decode all files into `pixels`, chunk by chunk; returns what the record says of them."""
    digest, bad = hashlib.sha256(), []
    with atomic(pixels) as unfinished, unfinished.open("wb") as out:
        for position, image in enumerate(_decoded(files, size, channels)):
            if image is None:
                bad.append(position)
                continue
            out.write(image)
            digest.update(image)
        if len(bad) == len(files):
            names = ", ".join(file.name for file in files[:3])
            raise InputError(f"none of the {len(files)} images can be read ({names}...)")
    shape = [len(files) - len(bad), channels, size, size]
    return {"shape": shape, "bad": bad, "pixels": digest.hexdigest()}


def _decoded(files: Sequence[Path], size: int, channels: int) -> Iterator[bytes | None]:
    """The pixels of each file in order, None for a bad one; Pillow works outside Python's lock."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(files), _CHUNK):
            chunk = files[start : start + _CHUNK]
            yield from pool.map(
                lambda file: _or_none(lambda: decode(file, size, channels).tobytes()), chunk
            )


def _or_none(read: Callable[[], T]) -> T | None:
    """What `read` returns, or None: a broken file makes Pillow's readers raise anything at all."""
    try:
        return read()
    except Exception:
        return None


def decode(path: Path, size: int, channels: int) -> np.ndarray:
    """One picture as uint8 [channels, size, size]: upright, on white, centre-cropped."""
    with Image.open(path) as image:
        plain = _plain(image).convert("L" if channels == 1 else "RGB")
    side = min(plain.size)
    left, top = (plain.width - side) // 2, (plain.height - side) // 2
    box = (left, top, left + side, top + side)
    square = plain.resize((size, size), Image.Resampling.BICUBIC, box, reducing_gap=3.0)
    pixels = np.asarray(square).reshape(size, size, channels)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _plain(image: Image.Image) -> Image.Image:
    """A picture as L or RGB, upright: 16 bits scaled to 8, transparency laid on white."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        deep = np.asarray(image).astype(np.float64)
        return Image.fromarray((deep.clip(0, 65535) / 257).round().astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return (
        image if image.mode == "L" else image.convert("L" if image.mode in _GREY_MODES else "RGB")
    )


def _is_grey(path: Path) -> bool:
    """Whether a picture shows no colour, however it is stored."""
    with Image.open(path) as image:
        if image.mode.partition(";")[0] in _GREY_MODES:
            return True
        red, green, blue = _plain(image).convert("RGB").split()
    return red.tobytes() == green.tobytes() == blue.tobytes()


def _shorter_side(path: Path) -> int:
    with Image.open(path) as image:
        return min(image.size)


def _native_size(files: Iterable[Path]) -> int:
    """The shorter side of the smallest picture, no more than an image set may have."""
    sides = [_or_none(partial(_shorter_side, file)) for file in files]
    return min([side for side in sides if side], default=SIZES.stop - 1)
