"""Euclidean distances between two sets of features, in float64 and in blocks that fit in memory."""

from collections.abc import Iterator

import torch
from torch import Tensor

BLOCK = 2**23  # distances held at once: 64 MB in float64


def double(features: Tensor) -> Tensor:
    """Features [N, ...] flattened to [N, D] in float64, which every metric computes in.

    Apple's GPUs have no float64, so features that lie there come to the CPU.
    """
    home = "cpu" if features.device.type == "mps" else features.device
    return features.detach().to(home).to(torch.float64).flatten(1)


def blocks(a: Tensor, b: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield the distances of `a` [N,D] to `b` [M,D] some rows at a time: (rows, [rows, M])."""
    step = max(1, BLOCK // max(1, len(b)))
    for start in range(0, len(a), step):
        rows = slice(start, min(start + step, len(a)))
        yield rows, torch.cdist(a[rows], b)


def nearest(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """For each row of `a` [N,D] the distance to its nearest row of `b` [M,D], and that row's index.

    The N winning distances are computed once more by subtraction, so that a copy is at exactly 0:
    the fast matrix form of a distance leaves rounding noise there.
    """
    index = torch.cat([distances.argmin(1) for _, distances in blocks(a, b)])
    return (a - b[index]).norm(dim=1), index


def kth_neighbour(points: Tensor, k: int) -> Tensor:
    """Distance [N] of each of `points` [N,D] to its `k`-th nearest other point."""
    # The nearest point is the point itself, hence k + 1.
    return torch.cat([d.kthvalue(k + 1, dim=1).values for _, d in blocks(points, points)])
