"""How much an image tells about the code that it was made from, as seen by a network Q.

Chen et al., "InfoGAN", NeurIPS 2016, eq. 4: for a code c and an image G(z, c),

    L_I = E log Q(c | G(z, c)) + H(c)  <=  I(c; G(z, c))

whatever Q is, and with equality where Q is the true posterior. In nats; to be ascended.
"""

import math

from torch import Tensor
from torch.nn.functional import cross_entropy

GAUSSIAN_PEAK = -0.5 * math.log(2 * math.pi)
"""Log-density of a Gaussian of standard deviation 1 at its mean."""
UNIFORM_ENTROPY = math.log(2)
"""Entropy of U(-1, 1)."""


def categorical_information(logits: Tensor, code: Tensor) -> Tensor:
    """Bound L_I on what the images tell of a uniform code of K values: at most log K.

    Args:
        logits: Q's logits [N,K].
        code: The codes int64 [N] that the images were made from.
    """
    return math.log(logits.shape[1]) - cross_entropy(logits, code)


def continuous_information(mean: Tensor, code: Tensor) -> Tensor:
    """Bound L_I on M codes from U(-1, 1) under Gaussians of fixed standard deviation 1.

    So wide a Gaussian cannot follow a code of width 2: the bound is at most -0.226 a code and says
    nothing of the information itself. What it trains with is half the squared error.

    Args:
        mean: Q's means [N,M].
        code: The codes [N,M] that the images were made from.
    """
    peak = GAUSSIAN_PEAK + UNIFORM_ENTROPY
    return (peak - 0.5 * (code - mean).square()).sum(1).mean()
