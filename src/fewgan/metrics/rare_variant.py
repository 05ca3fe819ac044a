"""Rare ways to write a digit, found by geometry: ones with a serif, sevens with a crossbar.

Does a generator keep the rare variant of a class, or only what is typical of it? The question needs
no classifier, whose eyes would be those that the biased losses please. A row of a digit is as wide
as its main piece of ink reaches from left to right. Slant and bend move rows sideways and leave
their width alone, so that it tells strokes that leave the stem:

- *serif* of a one (a flag at the top, a foot at the bottom): some row is wider by `SERIF` pixels or
  more than the row of median width, which is that of the stem;
- *crossbar* of a seven: below the top bar, some row is wider by `CROSSBAR` pixels or more than the
  narrowest row above it (from the top bar on) and than the narrowest below it.

The thresholds were fixed on sheets of the real training images of MNIST, before any generator was
measured. There 3.5 % of the ones have a serif and 11.4 % of the sevens a crossbar.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

INKED = 128  # grey level from which a pixel counts as ink
SERIF = 4  # pixels of a 32 x 32 image
CROSSBAR = 5
SIDE = 32
FAR = 99  # wider than any row: what an empty row counts as where the narrowest is sought
TOP_BAR = 0.4  # share of a seven's height in which its widest row is the top bar
LOWEST = 0.9  # share of its height below which no crossbar is looked for


def has_serif(images: Tensor) -> Tensor:
    """Which ones have a flag or a foot: bool [N].

    Args:
        images: Ones, uint8 [N, 1, 32, 32], light ink on black as in MNIST.

    Raises:
        ValueError: The shape or the type is another one.
    """
    width = row_widths(images).double()
    stem = width.where(width > 0, torch.nan).nanmedian(1).values
    return width.amax(1) - stem >= SERIF  # not where there is no ink: NaN compares as false


def has_crossbar(images: Tensor) -> Tensor:
    """Which sevens have a bar across the stem: bool [N].

    Args:
        images: Sevens, uint8 [N, 1, 32, 32], light ink on black as in MNIST.

    Raises:
        ValueError: The shape or the type is another one.
    """
    width = row_widths(images)
    rows, inked = torch.arange(SIDE), width > 0
    top = torch.where(inked, rows, SIDE).amin(1, keepdim=True)
    bottom = torch.where(inked, rows, -1).amax(1, keepdim=True)
    depth = (rows - top) / (bottom - top).clamp(min=1)
    bar = torch.where(inked & (depth <= TOP_BAR), width, -1).argmax(1, keepdim=True)
    finite = torch.where(inked, width, FAR)
    above = torch.where(rows >= bar, finite, FAR).cummin(1).values
    below = finite.flip(1).cummin(1).values.flip(1)
    bump = width - torch.maximum(above, below)
    return torch.where((rows > bar) & (depth <= LOWEST), bump, 0).amax(1) >= CROSSBAR


def row_widths(images: Tensor) -> Tensor:
    """Pixels from the first to the last of the main piece of ink in each row, int64 [N, 32].

    Args:
        images: uint8 [N, 1, 32, 32]; pieces hang together over edges and corners.

    Raises:
        ValueError: The shape or the type is another one.
    """
    if images.dtype != torch.uint8 or images.shape[1:] != (1, SIDE, SIDE):
        raise ValueError(f"images must be uint8 [N,1,32,32], got {tuple(images.shape)}")
    ink, columns = _main_piece(images[:, 0] >= INKED), torch.arange(SIDE)
    first = torch.where(ink, columns, SIDE).amin(2)
    last = torch.where(ink, columns, -1).amax(2)
    return (last - first + 1).clamp(min=0)


def _main_piece(ink: Tensor) -> Tensor:
    """The largest connected piece of each picture, bool [N, H, W]: specks do not count."""
    from scipy.ndimage import label

    within = torch.zeros(3, 3, 3, dtype=torch.bool)
    within[1] = True  # neighbours in the picture, none in the pictures before and after
    numbers, pieces = label(ink.numpy(), within.numpy())
    found = torch.from_numpy(numbers).long()
    size = torch.bincount(found.flatten(), minlength=pieces + 1)
    size[0] = 0
    area = size[found].flatten(1)
    # Of two pieces of one size, the one that comes first.
    main = found.flatten(1).gather(1, area.argmax(1, keepdim=True))
    return ink & (found == main[:, :, None])


class Share(NamedTuple):
    """A share with its 95 % interval, and the number of images that it is a share of."""

    value: float
    low: float
    high: float
    n: int


def share(flags: Tensor) -> Share:
    """Share of true `flags` (bool [N]) with the interval of Wilson (1927), good for small shares.

    Raises:
        ValueError: There are no flags.
    """
    n, z = len(flags), 1.959964
    if not n:
        raise ValueError("a share of no images")
    p = float(flags.double().mean())
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return Share(p, max(0.0, middle - reach), min(1.0, middle + reach), n)
