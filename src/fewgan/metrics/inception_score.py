"""Inception Score: are images sharp, and of many kinds?

Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016, section 4:
IS = exp(E_x KL(p(y|x) || p(y))), from 1 to the number of classes. It never looks at a real image.
"""

import torch
from torch import Tensor

from fewgan.errors import InputError
from fewgan.metrics.distances import double


def inception_score(logits: Tensor, *, splits: int = 10, seed: int = 0) -> tuple[float, float]:
    """Mean and standard deviation of the score over `splits` parts of the images.

    The images are shuffled first: generated sets often come sorted by class, and a part with one
    class scores 1. The deviation is the sample one (divisor `splits` - 1), 0 for a single part.

    Args:
        logits: Class scores before softmax, [N, K].
        splits: Parts of nearly equal size; tables mostly use 10.
        seed: Of the shuffle.

    Raises:
        InputError: There are no class scores, or fewer images than parts.
    """
    if logits.shape[1] < 2:
        raise InputError("the Inception Score needs class scores: choose another extractor")
    if len(logits) < splits:
        raise InputError(f"the Inception Score in {splits} parts needs as many images or more")
    order = torch.randperm(len(logits), generator=torch.Generator().manual_seed(seed))
    log_p = double(logits).log_softmax(1)[order.to(logits.device)]
    scores = torch.stack([_score(part) for part in log_p.chunk(splits)])
    return float(scores.mean()), float(scores.std()) if len(scores) > 1 else 0.0


def _score(log_p: Tensor) -> Tensor:
    """Exp of the mean KL of each row's distribution [n, K] from their mixture, a scalar."""
    p = log_p.exp()
    # A class that no image shows has p log p = 0, not NaN.
    entropy_of_mean = -torch.special.xlogy(p.mean(0), p.mean(0)).sum()
    mean_entropy = -torch.where(p > 0, p * log_p, 0).sum(1).mean()
    return (entropy_of_mean - mean_entropy).exp()
