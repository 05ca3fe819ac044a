"""The 2N-way game: one softmax over N real classes and N fake ones. Pure functions of logits.

Logits l are [B, 2N]: entry c is "real and of class c", entry N + c is "fake and of class c"; p is
their softmax. The discriminator names the class and whether it is real:

    D descends  -E log p[y](x) - E log p[N+y](G(z, y))

The generator has four ways to answer (`GENERATOR`). With an optimal discriminator p[y] is the
share that the data of class y have in all density at x, p[N+y] the share that the generator's
images of class y have, and l[y] - l[N+y] is the log-ratio of the two. Where each way ends on a toy
of three cells and two overlapping classes (the truth is .60 .30 .10 and its mirror image; the test
of this file repeats it):

| name | G descends | ends at | why |
|---|---|---|---|
| `cond_ns` | softplus(l[N+y] - l[y]) | .60 .30 .10 | at the truth the ratio is 1 everywhere |
| `logodds` | l[N+y] - l[y] | .60 .30 .10 | it is KL(q(x, y), p(x, y)) |
| `ns` | -log p[y] | .90 .10 .00 | at the truth it still pays for being easy to name |
| `sat` | +log p[N+y] | .35 .30 .35 | it pays for hiding among the other classes |

`ns` is -log P(real | x) - log P(y | x, real), so it ends where the auxiliary-classifier GAN ends.
`cond_ns` is the non-saturating GAN of each class, and its gradient in the logits is bounded.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, softplus

GeneratorLoss = Literal["cond_ns", "logodds", "ns", "sat"]


def log_ratio(logits: Tensor, y: Tensor) -> Tensor:
    """l[y] - l[N+y], [B]: by how much real speaks against fake, the class y being given."""
    real, fake = logits.chunk(2, 1)
    return (real - fake).gather(1, y[:, None]).squeeze(1)


def discriminator_loss(
    real: tuple[Tensor, Tensor], fake: tuple[Tensor, Tensor], smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy over 2N, the mean on real images plus the mean on fake ones.

    Args:
        real: Logits [B, 2N] of real images and their classes int64 [B].
        fake: Logits [B, 2N] of generated images and the classes asked for int64 [B].
        smoothing: Share in [0, 0.5) of a real image's target that goes to "fake, of the same class"
            (one-sided label smoothing, Salimans et al. 2016). Kept inside the class, it shifts
            the log-ratio at the truth by a constant; spread over all 2N it would bend it.
    """
    (logits, y), (fake_logits, fake_y) = real, fake
    n = logits.shape[1] // 2
    loss = cross_entropy(logits, y) + cross_entropy(fake_logits, n + fake_y)
    # Moving a share of the target from y to N + y changes the cross-entropy by the log-ratio.
    return loss + smoothing * log_ratio(logits, y).mean()


GENERATOR: dict[GeneratorLoss, Callable[[Tensor, Tensor], Tensor]] = {
    "cond_ns": lambda logits, y: softplus(-log_ratio(logits, y)).mean(),
    "logodds": lambda logits, y: -log_ratio(logits, y).mean(),
    "ns": lambda logits, y: cross_entropy(logits, y),
    "sat": lambda logits, y: -cross_entropy(logits, logits.shape[1] // 2 + y),
}
"""What the generator descends: logits [B, 2N] of its images and the classes asked for, to a scalar.

`logodds` and `sat` have no lower bound.
"""


def real_probability(logits: Tensor) -> Tensor:
    """P(real | x), [B], from logits [B, 2N]: the sum of p over the real half."""
    real, fake = logits.chunk(2, 1)
    return torch.sigmoid(real.logsumexp(1) - fake.logsumexp(1))


def class_posterior(logits: Tensor) -> Tensor:
    """P(class | x), [B, N], from logits [B, 2N]: real and fake of a class together."""
    real, fake = logits.softmax(1).chunk(2, 1)
    return real + fake


def class_realness(logits: Tensor) -> Tensor:
    """P(real | x, class), [B, N], from logits [B, 2N]: sigmoid of each class's log-ratio."""
    real, fake = logits.chunk(2, 1)
    return torch.sigmoid(real - fake)
