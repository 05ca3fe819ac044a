"""DiffAugment (Zhao et al., NeurIPS 2020): show the discriminator changed images only, all of them.

Real and fake images go through the same random changes, in the discriminator's update and in the
generator's. Every change can be differentiated, so the generator still learns, and the
discriminator cannot learn the few real images by heart. Names, joined by commas, make a policy:

| name | what is changed | range |
|---|---|---|
| `color` | brightness, saturation, contrast | +- 0.5, x U(0, 2), x U(0.5, 1.5) |
| `translation` | place; what leaves is lost, zeros come in | +- 1/8 of the side |
| `cutout` | a square set to zero | half of the side |

All three suit hundreds of images; for large sets take fewer, or none.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from fewgan.errors import unknown

Uniform = Callable[..., Tensor]
"""Draws uniform noise [N, *shape] in [0, 1), as `Feed.uniform` does."""


def _color(x: Tensor, uniform: Uniform) -> Tensor:
    brightness, saturation, contrast = uniform(3)[:, :, None, None, None].unbind(1)
    x = x + (brightness - 0.5)
    x = torch.lerp(x.mean(1, keepdim=True), x, 2 * saturation)
    return torch.lerp(x.mean((1, 2, 3), keepdim=True), x, 0.5 + contrast)


def _translation(x: Tensor, uniform: Uniform) -> Tensor:
    n, _, height, width = x.shape
    reach = round(height / 8), round(width / 8)
    moves = [
        (share * (2 * most + 1)).long() for share, most in zip(uniform(2).T, reach, strict=True)
    ]
    # One gather from the image with a border of zeros: place (i, j) takes from (i + di, j + dj).
    padded = F.pad(x, (reach[1], reach[1], reach[0], reach[0]))
    rows = moves[0][:, None] + torch.arange(height, device=x.device)
    columns = moves[1][:, None] + torch.arange(width, device=x.device)
    image = torch.arange(n, device=x.device)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[image, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def _cutout(x: Tensor, uniform: Uniform) -> Tensor:
    _, _, height, width = x.shape
    kept = []
    for share, side in zip(uniform(2).T, (height, width), strict=True):
        # The centre may lie on any pixel; what sticks out of the image is cut off.
        centre = (share * side).long()[:, None]
        place = torch.arange(side, device=x.device)
        kept.append((place < centre - side // 4) | (place >= centre - side // 4 + side // 2))
    mask = kept[0][:, None, :, None] | kept[1][:, None, None, :]
    return x * mask.to(x.dtype)


CHANGES = {"color": _color, "translation": _translation, "cutout": _cutout}


def parse_policy(policy: str) -> tuple[str, ...]:
    """Names of the changes in a policy such as `color,translation`; none of them in ``.

    Raises:
        InputError: A name is not one of `CHANGES`.
    """
    names = tuple(name.strip() for name in policy.split(",") if name.strip())
    for name in names:
        if name not in CHANGES:
            raise unknown("augmentation", name, CHANGES)
    return names


def diffaugment(x: Tensor, policy: tuple[str, ...], uniform: Uniform) -> Tensor:
    """Change images x [N,C,H,W] in [-1, 1] at random, each its own way.

    Args:
        x: Images; gradients pass through.
        policy: Names from `CHANGES`, applied in this order.
        uniform: Where the randomness comes from.
    """
    for name in policy:
        x = CHANGES[name](x, uniform)
    return x.contiguous(memory_format=torch.channels_last) if policy else x
