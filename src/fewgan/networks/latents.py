"""Ways between latents."""

import torch
from torch import Tensor


def slerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """Spherical interpolation of rows a, b [N,D] at t in [0, 1] (Shoemake 1985; White 2016).

    Directions move along the great circle and lengths linearly; where two directions all but
    agree, the straight line takes over.

    Args:
        a: Where to begin.
        b: Where to end.
        t: How far, for all rows or one a row [N,1].
    """
    length_a, length_b = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    cosine = (a * b).sum(1, keepdim=True) / (length_a * length_b)
    angle = torch.arccos(cosine.clamp(-1, 1))
    sine = torch.sin(angle)
    direction = (
        torch.sin((1 - t) * angle) * a / length_a + torch.sin(t * angle) * b / length_b
    ) / sine.clamp(min=1e-12)
    curved = direction * ((1 - t) * length_a + t * length_b)
    return torch.where(sine < 1e-4, (1 - t) * a + t * b, curved)
