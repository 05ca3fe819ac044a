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

    The search compares |b|^2 / 2 - a.b in float32 around the mean of `b`, which is quick. The N
    winning distances are then computed by subtraction in float64, so that a copy is at exactly 0.
    """
    centre = b.mean(0)
    queries, points = (a - centre).float(), (b - centre).float()
    half = points.square().sum(1) / 2
    step = max(1, BLOCK // max(1, len(b)))
    index = torch.cat([(half - rows @ points.T).argmin(1) for rows in queries.split(step)])
    return (a - b[index]).norm(dim=1), index


def kth_neighbour(points: Tensor, k: int) -> Tensor:
    """Distance [N] of each of `points` [N,D] to its `k`-th nearest other point."""
    # The nearest point is the point itself, hence k + 1. topk is ten times faster than kthvalue.
    found = (d.topk(k + 1, dim=1, largest=False) for _, d in blocks(points, points))
    return torch.cat([near.values[:, -1] for near in found])
