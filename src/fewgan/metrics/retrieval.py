"""Retrieval of the true counterpart: how a translation is judged where the answer is known.

For each translated image, all held-out images of the target domain are ranked by their distance
to it in a feature space, and the rank of the true counterpart is noted: 1 when nothing is nearer.
A translator that draws nonsense, or always the same, ranks in the middle, at (N + 1) / 2.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from fewgan.metrics.distances import blocks, double


class Retrieval(NamedTuple):
    """How well N translations point at their N counterparts.

    Attributes:
        median_rank: Median rank of the counterpart, 1 to N; lower is better.
        mean_rank: Mean rank, which the failures dominate.
        recall_1: Share of translations whose nearest image is the counterpart.
        recall_5: Share whose counterpart is among the nearest five.
        distance: Mean Euclidean distance to the counterpart.
        relative_distance: The same distance over the mean distance to all N images; 1 is chance.
    """

    median_rank: float
    mean_rank: float
    recall_1: float
    recall_5: float
    distance: float
    relative_distance: float


def ranks(made: Tensor, answers: Tensor) -> Tensor:
    """Rank of answer i among all answers by distance to what was made for it, float64 [N].

    Args:
        made: Features [N,D] of translations.
        answers: Features [N,D] of the true counterparts, in the same order.

    Returns:
        1 + the number of nearer answers; those exactly as near count one half each, so that equal
        features earn no rank that they do not deserve.

    Raises:
        ValueError: The shapes differ.
    """
    return _compare(made, answers)[0]


def retrieval(made: Tensor, answers: Tensor) -> Retrieval:
    """All figures for features [N,D] of translations and of their true counterparts.

    Raises:
        ValueError: The shapes differ.
    """
    rank, own, mean = _compare(made, answers)
    return Retrieval(
        # Of an even number, the mean of the two in the middle.
        float(rank.quantile(0.5)),
        float(rank.mean()),
        float((rank <= 1).double().mean()),
        float((rank <= 5).double().mean()),
        float(own.mean()),
        float(own.mean() / mean.mean()),
    )


def _compare(made: Tensor, answers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rank of each counterpart, distance to it, and mean distance to all answers: each [N]."""
    if made.shape != answers.shape or not len(made):
        raise ValueError(f"need features of equal shape, got {made.shape} and {answers.shape}")
    made, answers = double(made), double(answers)
    found = []
    for rows, distances in blocks(made, answers):
        # By subtraction, as the answer's distance must be exact where it is compared.
        own = (made[rows] - answers[rows]).norm(dim=1)
        place = torch.arange(rows.start, rows.stop)
        distances[place - rows.start, place] = own
        nearer = (distances < own[:, None]).sum(1)
        tied = (distances == own[:, None]).sum(1) - 1
        found.append(torch.stack([1 + nearer + tied / 2, own, distances.mean(1)]))
    rank, own, mean = torch.cat(found, 1)
    return rank, own, mean
