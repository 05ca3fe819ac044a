"""Retrieval of the true counterpart: how a translation is judged where the answer is known.

For each translated image, all held-out images of the target domain are ranked by their distance
to it in a feature space, and the rank of the true counterpart is noted: 1 when nothing is nearer.
A translator that draws nonsense, or always the same, ranks in the middle, at (N + 1) / 2.

Among images of the target domain only, a copy of the source is a strong answer: all candidates
look alike in style, and content decides. A translator is to change the style too. So the held-out
images of the *source* domain can be candidates beside them, all but the one that is translated:
then a counterpart comes first only if what was made is nearer to it than to any other drawing of
either kind, and a copy finds its own kind.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from fewgan.metrics.distances import blocks, double


class Retrieval(NamedTuple):
    """How well N translations point at their N counterparts.

    Attributes:
        median_rank: Median rank of the counterpart, 1 to the number of candidates; lower is better.
        mean_rank: Mean rank, which the failures dominate.
        recall_1: Share of translations whose nearest candidate is the counterpart.
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


def ranks(made: Tensor, answers: Tensor, sources: Tensor | None = None) -> Tensor:
    """Rank of answer i among all candidates by distance to what was made for it, float64 [N].

    Args:
        made: Features [N,D] of translations.
        answers: Features [N,D] of the true counterparts, in the same order.
        sources: Features [N,D] of what was translated, in the same order, to be candidates too:
            for translation i all but source i.

    Returns:
        1 + the number of nearer candidates; those exactly as near count one half each, so that
        equal features earn no rank that they do not deserve.

    Raises:
        ValueError: The shapes differ.
    """
    return _compare(made, answers, sources)[0]


def retrieval(made: Tensor, answers: Tensor, sources: Tensor | None = None) -> Retrieval:
    """All figures for features [N,D] of translations and of their true counterparts.

    Args:
        made: Features of translations.
        answers: Features of the true counterparts, in the same order.
        sources: Features of what was translated, to be candidates for ranks and recalls too.

    Raises:
        ValueError: The shapes differ.
    """
    rank, own, mean = _compare(made, answers, sources)
    return Retrieval(
        # Of an even number, the mean of the two in the middle.
        float(rank.quantile(0.5)),
        float(rank.mean()),
        float((rank <= 1).double().mean()),
        float((rank <= 5).double().mean()),
        float(own.mean()),
        float(own.mean() / mean.mean()),
    )


def _compare(
    made: Tensor, answers: Tensor, sources: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Rank of each counterpart, distance to it, and mean distance to all answers: each [N]."""
    for candidates in (answers, sources):
        if candidates is not None and (candidates.shape != made.shape or not len(made)):
            raise ValueError(
                f"need features of equal shape, got {made.shape} and {candidates.shape}"
            )
    n, made = len(made), double(made)
    pool = double(answers if sources is None else torch.cat([answers, sources]))
    found = []
    for rows, distances in blocks(made, pool):
        # By subtraction, as the answer's distance must be exact where it is compared.
        own = (made[rows] - pool[rows]).norm(dim=1)
        place = torch.arange(rows.start, rows.stop)
        distances[place - rows.start, place] = own
        mean = distances[:, :n].mean(1)
        if sources is not None:  # what was translated is no candidate
            distances[place - rows.start, n + place] = torch.inf
        nearer = (distances < own[:, None]).sum(1)
        tied = (distances == own[:, None]).sum(1) - 1
        found.append(torch.stack([1 + nearer + tied / 2, own, mean]))
    rank, own, mean = torch.cat(found, 1)
    return rank, own, mean
