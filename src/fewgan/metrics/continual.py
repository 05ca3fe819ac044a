"""What a learner of a stream keeps: accuracy, transfer and forgetting from one matrix.

R[t, i] is a score on experience i (columns, 0 to T-1) after t experiences (rows, 0 to T; row 0 is
before any). Higher is better: the share of generated images of the classes of experience i that a
judge finds right. For a distance such as FID, give its negative.

Lopez-Paz & Ranzato, "Gradient episodic memory", NeurIPS 2017 (accuracy and transfers; their code
divides the transfers by T, the paper and this file by T - 1); Chaudhry et al., "Riemannian walk",
ECCV 2018 (forgetting from the best score of the past).
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Continual(NamedTuple):
    """Figures of a stream of T experiences, from its matrix of scores.

    Attributes:
        final: Mean over all experiences at the end, (1/T) sum_i R[T, i]; of shares, the accuracy.
        backward_transfer: Mean change of the earlier experiences since each was learned,
            (1/(T-1)) sum_{i<T-1} R[T, i] - R[i+1, i]; negative is forgetting; NaN if T is 1.
        forward_transfer: Mean advance on experiences not learned yet over the untrained model,
            (1/(T-1)) sum_{i>0} R[i, i] - R[0, i]; NaN if T is 1.
        forgetting: First score minus last, mean over the earlier experiences: -backward_transfer.
        forgetting_from_best: Best score before the end minus last, mean over the earlier ones.
    """

    final: float
    backward_transfer: float
    forward_transfer: float
    forgetting: float
    forgetting_from_best: float


def continual(scores: Tensor) -> Continual:
    """All figures of a matrix of scores R [T + 1, T].

    Raises:
        ValueError: The matrix has another shape.
    """
    if scores.dim() != 2 or scores.shape[0] != scores.shape[1] + 1:
        raise ValueError(f"scores must be [T + 1, T], got {list(scores.shape)}")
    scores = scores.double()
    end, learned = scores[-1], scores[1:].diagonal()
    backward = (end - learned)[:-1].mean()
    # Row i is the model before it learned experience i.
    forward = (scores[:-1].diagonal() - scores[0])[1:].mean()
    # The best score of the past counts from when the experience was learned, and ends before T.
    unknown = torch.ones_like(scores[1:], dtype=torch.bool).triu(1)
    best = scores[1:].masked_fill(unknown, -torch.inf)[: max(1, len(end) - 1)].amax(0)
    return Continual(
        final=float(end.mean()),
        backward_transfer=float(backward),
        forward_transfer=float(forward),
        forgetting=float(0 - backward),
        forgetting_from_best=float((best - end)[:-1].mean()),
    )
