"""Fit images to the size and the channels a run wants: once on load, never in the loop."""

import torch
import torch.nn.functional as F
from torch import Tensor

from fewgan.errors import InputError

SIZES = range(4, 1025)
"""Sides in pixels that images may be given."""
CHANNELS = (1, 3)
_CHUNK = 2**26  # bytes of input at a time, which bounds what luma and resizing need beside it
_LUMA = (19595, 38470, 7471)  # ITU-R BT.601 in 16-bit fixed point: 0.299, 0.587, 0.114


def check_form(size: int | None, channels: int | None) -> None:
    """Refuse a size or a number of channels that no image set can have.

    Raises:
        InputError: `size` is not in 4..1024 or `channels` is neither 1 nor 3 (None is fine).
    """
    if size is not None and size not in SIZES:
        raise InputError(
            f"size {size!r} cannot be used: choose a number of pixels from "
            f"{SIZES.start} to {SIZES.stop - 1}"
        )
    if channels is not None and channels not in CHANNELS:
        raise InputError(f"channels {channels!r} cannot be used: choose 1 (grey) or 3 (colour)")


def fit(images: Tensor, size: int | None, channels: int | None, padded: int = 0) -> Tensor:
    """Images of another size or number of channels, unchanged where they already fit.

    Args:
        images: uint8 [N, C, H, H], C 1 or 3.
        size: Wanted side; None keeps the native one.
        channels: Wanted number: 1 is the luma, 3 repeats the grey value; None keeps.
        padded: Zero-pad to this side before resizing, unless the native side is what is wanted;
            28-pixel digits become 32-pixel digits without a blurred stroke.

    Returns:
        uint8 [N, channels, size, size], contiguous.
    """
    native = images.shape[-1]
    size, channels = size or native, channels or images.shape[1]
    if (size, channels) == (native, images.shape[1]):
        return images.contiguous()
    out = torch.empty((len(images), channels, size, size), dtype=torch.uint8)
    step = max(1, _CHUNK // max(1, images[:1].numel()))
    for start in range(0, len(images), step):
        chunk = images[start : start + step]
        chunk = luma(chunk) if channels < chunk.shape[1] else chunk
        chunk = pad(chunk, padded) if size != native else chunk
        out[start : start + step] = resize(chunk, size)  # broadcasting repeats grey into colour
    return out


def luma(images: Tensor) -> Tensor:
    """Brightness (ITU-R BT.601) of colour images: uint8 [N, 3, H, W] to uint8 [N, 1, H, W]."""
    weights = torch.tensor(_LUMA, dtype=torch.int32).view(1, 3, 1, 1)
    total = (images.to(torch.int32) * weights).sum(1, keepdim=True) + 2**15
    return (total >> 16).to(torch.uint8)


def pad(images: Tensor, side: int) -> Tensor:
    """Zero-pad images on all sides to `side` pixels; larger ones are returned as they are."""
    missing = max(0, side - images.shape[-1])
    before = missing // 2
    return F.pad(images, (before, missing - before, before, missing - before))


def resize(images: Tensor, side: int) -> Tensor:
    """Antialiased bicubic resizing of uint8 [N, C, H, H] to uint8 [N, C, side, side]."""
    if images.shape[-1] == side or not len(images):
        return images
    return F.interpolate(images, size=(side, side), mode="bicubic", antialias=True)
