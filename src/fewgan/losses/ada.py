"""Adaptive discriminator augmentation (Karras et al., NeurIPS 2020): each change has a chance p.

Real and generated images go through the same random changes, in both players' updates. Each change
comes with probability p by itself, so that below about 0.8 the generator still learns images
without them: of all turns, for one, the upright one stays the most frequent. And p follows how far
the discriminator has learned its real images by heart (`adapt`).

The pipeline is the paper's `bgc`, in its order:

| group | changes |
|---|---|
| pixels | mirror, quarter turns, shifts by whole pixels up to 1/8 of the side |
| geometry | scale 2^N(0, 0.2), turn, stretch 2^N(0, 0.2), turn, shifts N(0, 1/8) of the side |
| colour | brightness N(0, 0.2), contrast 2^N(0, 0.5), inverted luma, hue, saturation 2^N(0, 1) |

All places are looked up in one step, bilinearly and with mirrored borders, where the authors also
filter against aliasing.
"""

from functools import reduce
from math import pi

import torch
from torch import Tensor
from torch.nn import functional as F

from fewgan.losses.diffaugment import Uniform


def ada(x: Tensor, p: float, uniform: Uniform) -> Tensor:
    """Change images x [N,C,H,W] in [-1, 1] at random; gradients pass through.

    Args:
        x: Images; C is 1 or 3.
        p: Chance of each change, in [0, 1]; at 0 nothing is changed or drawn.
        uniform: Where the randomness comes from.
    """
    if not p:
        return x
    places = F.affine_grid(_geometry(x, p, uniform)[:, :2], list(x.shape), align_corners=False)
    x = F.grid_sample(x, places.to(x), padding_mode="reflection", align_corners=False)
    change = _colour(x, p, uniform)
    if x.shape[1] == 1:  # of grey, what becomes of it on average
        scale, shift = change[:, :3, :3].sum((1, 2)) / 3, change[:, :3, 3].mean(1)
        x = torch.addcmul(shift[:, None, None, None], x, scale[:, None, None, None])
    else:
        x = torch.einsum("nij,njhw->nihw", change[:, :3, :3], x) + change[:, :3, 3, None, None]
    return x.contiguous(memory_format=torch.channels_last)


def adapt(
    p: float, sign: float, images: int, *, target: float = 0.6, reach: int = 100_000
) -> float:
    """The next chance, in [0, 1]: one step towards more augmentation, or towards less.

    Args:
        p: The present chance.
        sign: Mean sign of the discriminator's logits on real images, r_t of the paper: 1 when it
            knows them all, 0 when it cannot tell.
        images: Real images seen since the last step.
        target: The sign to hold.
        reach: Images in which p could rise from 0 to 1.
    """
    step = images / reach
    return min(1.0, max(0.0, p + (step if sign > target else -step)))


# --- geometry -----------------------------------------------------------------------------------


def _geometry(x: Tensor, p: float, uniform: Uniform) -> Tensor:
    """Matrices [N,3,3] from places in the new image to those in the old, each side [-1, 1]."""
    side = x.shape[-1]
    turn = 1 - (1 - p) ** 0.5  # two turns, and together they come with chance p
    u, on = uniform(10), uniform(8)
    mirror = torch.where((u[:, 0] < 0.5) & (on[:, 0] < p), -1.0, 1.0)
    quarters = (u[:, 1] * 4).floor() * (on[:, 1] < p)
    pixels = ((u[:, 2:4] * 2 - 1) / 8 * side).round() / side * 2 * (on[:, 2, None] < p)
    scale = _gated(_normal(u[:, 4]) * 0.2, on[:, 3] < p).exp2()
    before = _gated((u[:, 5] * 2 - 1) * pi, on[:, 4] < turn)
    stretch = _gated(_normal(u[:, 6]) * 0.2, on[:, 5] < p).exp2()
    after = _gated((u[:, 7] * 2 - 1) * pi, on[:, 6] < turn)
    parts = _normal(u[:, 8:10]) / 8 * 2 * (on[:, 7, None] < p)
    one = torch.ones_like(mirror)
    steps = (
        _scaled(mirror, one),
        _turned(quarters * pi / 2),
        _moved(pixels),
        _scaled(1 / scale, 1 / scale),
        _turned(before),
        _scaled(1 / stretch, stretch),
        _turned(after),
        _moved(parts),
    )
    return reduce(torch.matmul, steps)


def _scaled(across: Tensor, down: Tensor) -> Tensor:
    return torch.diag_embed(torch.stack([across, down, torch.ones_like(across)], 1))


def _turned(angle: Tensor) -> Tensor:
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], 1).view(-1, 3, 3)


def _moved(by: Tensor) -> Tensor:
    matrix = torch.eye(3, device=by.device).repeat(len(by), 1, 1)
    matrix[:, :2, 2] = by
    return matrix


# --- colour -------------------------------------------------------------------------------------


def _colour(x: Tensor, p: float, uniform: Uniform) -> Tensor:
    """Matrices [N,4,4] of red, green, blue and 1."""
    u, on = uniform(5), uniform(5) < p
    axis = torch.tensor([1.0, 1.0, 1.0, 0.0], device=x.device) / 3**0.5  # of luma
    along, whole = torch.outer(axis, axis), torch.eye(4, device=x.device)
    brightness = whole.repeat(len(x), 1, 1)
    brightness[:, :3, 3] = _gated(_normal(u[:, 0]) * 0.2, on[:, 0])[:, None]
    contrast = _gated(_normal(u[:, 1]) * 0.5, on[:, 1]).exp2()
    contrast_by = torch.diag_embed(torch.stack([contrast] * 3 + [torch.ones_like(contrast)], 1))
    inverted = _gated((u[:, 2] * 2).floor(), on[:, 2])
    hue = _gated((u[:, 3] * 2 - 1) * pi, on[:, 3])[:, None, None]
    a, b, c = axis[:3].tolist()
    cross = F.pad(torch.tensor([[0, -c, b], [c, 0, -a], [-b, a, 0]], device=x.device), (0, 1, 0, 1))
    flat = whole - along
    flat[3, 3] = 0
    turned = hue.cos() * flat + hue.sin() * cross + along
    turned[:, 3, 3] = 1
    saturation = _gated(_normal(u[:, 4]), on[:, 4]).exp2()[:, None, None]
    saturated = along + (whole - along) * saturation
    saturated[:, 3, 3] = 1
    flipped = whole - 2 * along * inverted[:, None, None]
    return saturated @ turned @ flipped @ contrast_by @ brightness  # brightness comes first


def _normal(uniform: Tensor) -> Tensor:
    """Standard normal numbers from uniform ones in [0, 1)."""
    return torch.special.ndtri(uniform.clamp(1e-6, 1 - 1e-6))


def _gated(value: Tensor, on: Tensor) -> Tensor:
    """The value where it is on, and else 0."""
    return value * on
