"""The adversarial game in its usual forms: pure functions of logits [N].

The generator's `bce` is the non-saturating one.

| form | discriminator | generator | source |
|---|---|---|---|
| `bce` | softplus(-D(x)) + softplus(D(G)) | softplus(-D(G)) | Goodfellow et al. 2014 |
| `hinge` | max(0, 1 - D(x)) + max(0, 1 + D(G)) | -D(G) | Miyato et al. 2018 |
| `least-squares` | (D(x) - 1)^2 + D(G)^2, halved | (D(G) - 1)^2, halved | Mao et al. 2017 |
| `wasserstein` | D(G) - D(x) | -D(G) | Arjovsky et al. 2017 |
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from torch import Tensor
from torch.nn.functional import relu, softplus

Form = Literal["bce", "hinge", "least-squares", "wasserstein"]


class Game(NamedTuple):
    """The losses of both players, to be minimised; each takes logits [N] and gives a scalar."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


def _bce(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-real).mean() + softplus(fake).mean()


def _hinge(real: Tensor, fake: Tensor) -> Tensor:
    return relu(1 - real).mean() + relu(1 + fake).mean()


def _least_squares(real: Tensor, fake: Tensor) -> Tensor:
    return 0.5 * ((real - 1).square().mean() + fake.square().mean())


def _wasserstein(real: Tensor, fake: Tensor) -> Tensor:
    return fake.mean() - real.mean()


GAMES: dict[Form, Game] = {
    "bce": Game(_bce, lambda fake: softplus(-fake).mean()),
    "hinge": Game(_hinge, lambda fake: -fake.mean()),
    "least-squares": Game(_least_squares, lambda fake: 0.5 * (fake - 1).square().mean()),
    "wasserstein": Game(_wasserstein, lambda fake: -fake.mean()),
}
