"""Precision and recall, density and coverage: fidelity and variety as two separate figures.

Precision is the share of generated images that lie inside the real manifold, recall the share of
real images inside the generated one; a manifold is the union of balls around its images that reach
to the k-th neighbour (Kynkaanniemi et al., NeurIPS 2019, equations 1 and 2). One outlier makes a
huge ball, so density counts the real balls around each generated image and coverage the real balls
that hold one (Naeem et al., ICML 2020, equations 3 and 4).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from fewgan.errors import InputError
from fewgan.metrics.distances import blocks, double, kth_neighbour


class PRDC(NamedTuple):
    """Precision, recall and coverage lie in 0..1; density may exceed 1, real images score 1."""

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(real: Tensor, fake: Tensor, k: int = 5) -> PRDC:
    """The four figures of features `real` [N,D] and `fake` [M,D].

    Expected coverage of a perfect generator is 1 - ((N-1)...(N-k)) / ((N+M-1)...(N+M-k)), 0.97 for
    N = M and k = 5: compare with real images in place of generated ones, not with 1.

    Raises:
        InputError: `k` is not in 1..min(N, M) - 1.
    """
    if not 1 <= k < min(len(real), len(fake)):
        raise InputError(
            f"prdc with k = {k} needs more than {k} images on each side, "
            f"got {len(real)} real and {len(fake)} generated: lower k or give more images"
        )
    real, fake = double(real), double(fake)
    real_radius, fake_radius = kth_neighbour(real, k), kth_neighbour(fake, k)
    balls = torch.zeros(len(fake), dtype=torch.float64, device=real.device)
    recalled, covered = [], []
    for rows, distances in blocks(real, fake):
        inside = distances < real_radius[rows, None]
        balls += inside.sum(0)
        covered.append(inside.any(1))
        recalled.append((distances < fake_radius).any(1))
    share = [x.double().mean() for x in (balls > 0, torch.cat(recalled), torch.cat(covered))]
    precision, recall, coverage = (float(x) for x in share)
    return PRDC(precision, recall, float(balls.mean() / k), coverage)
