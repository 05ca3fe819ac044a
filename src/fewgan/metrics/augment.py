"""Classic augmentation: what generated images have to beat.

Each way takes bytes [N,C,H,W] and a generator, and gives as many images, each changed its own way.

| name | what is done | source |
|---|---|---|
| `flip-crop` | moved by up to 1/8 of the side; mirrored where that is as likely | usual |
| `cutout` | the same, and a square of half the side blackened | DeVries & Taylor 2017 |
| `erasing` | the same, and with probability 1/2 a rectangle filled with noise | Zhong et al. 2020 |
| `randaugment` | the same, after 2 of 14 changes of strength 9 of 30 | Cubuk et al. 2020 |
"""

import math
from collections.abc import Callable

import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor
from torch.nn import functional as F

Generator = torch.Generator
Augment = Callable[[Tensor, bool, Generator], Tensor]
"""Bytes [N,C,H,W], whether a mirrored image is as likely, and a generator, to bytes [N,C,H,W]."""

REACH = 8  # share of a side by which an image is moved at most: one in so many
STRENGTH = 9 / 30  # of RandAugment
CHANGES = 2  # changes a picture


def _flip_crop(images: Tensor, flip: bool, generator: Generator) -> Tensor:
    n, _, height, width = images.shape
    if flip:
        mirrored = torch.rand(n, generator=generator) < 0.5
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    reach = height // REACH
    padded = F.pad(images, (reach,) * 4)
    moves = torch.randint(2 * reach + 1, (2, n, 1), generator=generator)
    rows, columns = (moves[i] + torch.arange(side) for i, side in enumerate((height, width)))
    image = torch.arange(n)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[image, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def _stretch(first: Tensor, length: Tensor | int, side: int) -> Tensor:
    """Whether each of `side` places lies in a stretch from `first` [N] on: bool [N,side]."""
    place = torch.arange(side)[:, None]
    return ((place >= first) & (place < first + length)).T


def _cutout(images: Tensor, flip: bool, generator: Generator) -> Tensor:
    images = _flip_crop(images, flip, generator)
    n, _, height, width = images.shape
    rows, columns = (
        _stretch(torch.randint(side, (n,), generator=generator) - side // 4, side // 2, side)
        for side in (height, width)
    )
    hidden = rows[:, None, :, None] & columns[:, None, None, :]
    return images.masked_fill(hidden, 0)


def _erasing(images: Tensor, flip: bool, generator: Generator) -> Tensor:
    images = _flip_crop(images, flip, generator)
    n, _, height, width = images.shape
    area = (0.02 + 0.38 * torch.rand(n, generator=generator)) * height * width
    ratio = torch.exp((2 * torch.rand(n, generator=generator) - 1) * math.log(1 / 0.3))
    sides = (
        (area * ratio).sqrt().long().clamp(max=height - 1),
        (area / ratio).sqrt().long().clamp(max=width - 1),
    )
    rows, columns = (
        _stretch((torch.rand(n, generator=generator) * (side - length)).long(), length, side)
        for side, length in zip((height, width), sides, strict=True)
    )
    chosen = torch.rand(n, generator=generator) < 0.5
    hidden = rows[:, None, :, None] & columns[:, None, None, :] & chosen[:, None, None, None]
    noise = torch.randint(256, images.shape, generator=generator).to(torch.uint8)
    return torch.where(hidden, noise, images)


# --- RandAugment: changes of one picture by a signed strength in [-1, 1] --------------------------


def _moved(picture: Image.Image, **changed: float) -> Image.Image:
    """Pixel (x, y) is taken from (a x + b y + c, d x + e y + f)."""
    matrix = {"a": 1.0, "b": 0.0, "c": 0.0, "d": 0.0, "e": 1.0, "f": 0.0} | changed
    bilinear = Image.Resampling.BILINEAR
    return picture.transform(picture.size, Image.Transform.AFFINE, tuple(matrix.values()), bilinear)


def _enhanced(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> Callable[..., Image.Image]:
    return lambda picture, s: kind(picture).enhance(1 + 0.9 * s)


PICTURE_CHANGES: tuple[Callable[[Image.Image, float], Image.Image], ...] = (
    lambda picture, s: picture,
    lambda picture, s: ImageOps.autocontrast(picture),
    lambda picture, s: ImageOps.equalize(picture),
    lambda picture, s: picture.rotate(30 * s, Image.Resampling.BILINEAR),
    lambda picture, s: ImageOps.solarize(picture, round(256 * (1 - abs(s)))),
    lambda picture, s: ImageOps.posterize(picture, round(8 - 4 * abs(s))),
    _enhanced(ImageEnhance.Color),
    _enhanced(ImageEnhance.Contrast),
    _enhanced(ImageEnhance.Brightness),
    _enhanced(ImageEnhance.Sharpness),
    lambda picture, s: _moved(picture, b=0.3 * s),
    lambda picture, s: _moved(picture, d=0.3 * s),
    lambda picture, s: _moved(picture, c=0.45 * s * picture.width),
    lambda picture, s: _moved(picture, f=0.45 * s * picture.height),
)


def _randaugment(images: Tensor, flip: bool, generator: Generator) -> Tensor:
    n, channels = images.shape[:2]
    chosen = torch.randint(len(PICTURE_CHANGES), (n, CHANGES), generator=generator).tolist()
    signs = (2 * torch.randint(2, (n, CHANGES), generator=generator) - 1).tolist()
    changed = []
    for pixels, which, sign in zip(images, chosen, signs, strict=True):
        array = pixels.permute(1, 2, 0).contiguous().numpy()
        picture = Image.fromarray(array if channels == 3 else array[:, :, 0])
        for number, way in zip(which, sign, strict=True):
            picture = PICTURE_CHANGES[number](picture, way * STRENGTH)
        flat = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
        changed.append(flat.view(*images.shape[2:], channels).permute(2, 0, 1))
    return _flip_crop(torch.stack(changed), flip, generator)


AUGMENTS: dict[str, Augment] = {
    "flip-crop": _flip_crop,
    "cutout": _cutout,
    "erasing": _erasing,
    "randaugment": _randaugment,
}
