"""A toy with a known answer: where each conditional GAN ends when classes overlap.

Two classes, three cells, and a truth p(x|y) in which every cell belongs to both classes. The
generator is a table of logits, q(x|y) = softmax(theta[y]); the discriminator is at its optimum for
(p, q) at every step, in closed form, so that nothing is left of a GAN but what its generator is
paid for. With joint densities p(x, y) = p(x|y) / 2 and q(x, y) = q(x|y) / 2 the optima are

| head | optimal answer at x |
|---|---|
| joint, D(x, y) | log p(x, y) - log q(x, y) |
| source | log p(x) - log q(x) |
| classes, learned on real images | log p(c, x) + constant |
| classes, learned on real and fake ones | log (p(c, x) + q(c, x)) + constant |
| classes, learned on fake images (twin) | log q(c, x) + constant |
| 2N classes | log p(c, x), log q(c, x), + constant |

The losses are not written down again here: each player is a method of fewgan, whose own
`generator_losses` says what an image costs.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import vmap

from fewgan import methods
from fewgan.methods.gan import GAN, Judged
from fewgan.networks.build import ImageSpec
from fewgan.networks.heads import TwinVerdict, Verdict

TRUTH = torch.tensor([[0.6, 0.3, 0.1], [0.1, 0.3, 0.6]], dtype=torch.float64)
"""p(x|y): a row a class, a column a cell."""

Optimum = Callable[[Tensor, Tensor], Any]
"""Joint densities p, q [..., K, X] to the optimal answer at each (y, x): tensors [..., K, X, *]."""


# --- the optimal discriminators ---------------------------------------------------------------


def joint(p: Tensor, q: Tensor) -> Tensor:
    """Logit of a head that judges the pair (x, y)."""
    return p.log() - q.log()


def source(p: Tensor, q: Tensor) -> Tensor:
    """Logit of a head that judges x alone."""
    return (p.sum(-2, keepdim=True).log() - q.sum(-2, keepdim=True).log()).expand_as(p)


def classes(density: Tensor) -> Tensor:
    """Class logits [..., K, X, C] of a classifier that learned on `density` [..., C, X].

    They are the same for every y, which it does not see.
    """
    answers = density.log().transpose(-1, -2).unsqueeze(-3)
    return answers.expand(*density.shape[:-2], TRUTH.shape[0], *answers.shape[-2:])


def two_n(p: Tensor, q: Tensor) -> Tensor:
    """Logits of 2N classes: the real ones, then the fake ones."""
    return classes(torch.cat([p, q], -2))


class Player(NamedTuple):
    """A method with the loss of its generator, and its discriminator at the optimum."""

    method: str
    settings: Mapping[str, Any]
    optimum: Optimum


AC = {"g_class_target": "zero"}

PLAYERS: Mapping[str, Player] = {
    "2N, ns": Player("2ngan", {"g_loss": "ns"}, two_n),
    "AC-GAN": Player(
        "acgan",
        AC | {"g_class_weight": 1.0},
        lambda p, q: Verdict(source(p, q), classes(p)),
    ),
    "AC-GAN, real+fake": Player(
        "acgan",
        AC | {"g_class_weight": 1.0, "classify": "real+fake"},
        lambda p, q: Verdict(source(p, q), classes(p + q)),
    ),
    "AC-GAN, w_G 0.3": Player(
        "acgan",
        AC | {"g_class_weight": 0.3},
        lambda p, q: Verdict(source(p, q), classes(p)),
    ),
    "2N, sat": Player("2ngan", {"g_loss": "sat"}, two_n),
    "2N, cond_ns": Player("2ngan", {"g_loss": "cond_ns"}, two_n),
    "2N, logodds": Player("2ngan", {"g_loss": "logodds"}, two_n),
    "ADC-GAN": Player("adcgan", {}, lambda p, q: Verdict(source(p, q), two_n(p, q))),
    "TAC-GAN": Player("tacgan", {}, lambda p, q: TwinVerdict(source(p, q), classes(p), classes(q))),
    # The optimum of the hinge game is a sign and has no gradient: this one plays `bce` here.
    "Projection": Player("sngan-projection", {"game": "bce"}, joint),
}
"""By title."""


# --- the game ---------------------------------------------------------------------------------


def build(player: Player) -> GAN:
    """The player's method; of its networks, which are tiny, nothing is used."""
    kind = methods.find(player.method)
    settings = kind.Settings.model_validate({"width": 4, **player.settings})
    with torch.random.fork_rng(devices=[]):
        method = kind(settings, ImageSpec(1, 16, len(TRUTH)))
    assert isinstance(method, GAN)
    return method


def costs(method: GAN, optimum: Optimum, q: Tensor) -> Tensor:
    """What an image of each cell costs a generator q(x|y) [S, K, X] under each label: [S, K, X]."""
    k, cells = TRUTH.shape
    verdicts = optimum((TRUTH / k).expand_as(q), q / k)
    y = torch.arange(k)[None, :, None].expand_as(q).flatten()
    # The losses take a batch and give its mean: a batch of one gives the cost of one.
    row = vmap(lambda verdict, label: _cost(method, verdict, label))
    return row(_each(verdicts, lambda answer: answer.flatten(0, 2)), y).view(-1, k, cells)


def _cost(method: GAN, verdict: Any, y: Tensor) -> Tensor:
    one = _each(verdict, lambda answer: answer[None])
    terms = method.generator_losses(Judged(one, y[None], torch.empty(1)))
    return torch.stack(list(terms.values())).sum()


def _each(verdict: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A verdict with each of its tensors changed."""
    return change(verdict) if isinstance(verdict, Tensor) else type(verdict)(*map(change, verdict))


def begin(starts: int = 4, spread: float = 0.1) -> Tensor:
    """Logits [S, K, X] of generators that know almost nothing, one for each of seeds 0 to S - 1."""
    draws = [torch.Generator().manual_seed(seed) for seed in range(starts)]
    shape, kind = TRUTH.shape, TRUTH.dtype
    return torch.stack([spread * torch.randn(shape, generator=g, dtype=kind) for g in draws])


def play(player: Player, theta: Tensor, steps: int = 1500, rate: float = 4.0) -> Tensor:
    """Let generators with logits theta [S, K, X] descend, and return where they end: q(x|y).

    One step descends E_y E_{x ~ q(.|y)} cost(x, y), the discriminator being held at its optimum;
    the gradient of E_q cost in the logits of a softmax q is q (cost - E_q cost).

    Args:
        player: Whose loss is descended.
        theta: Logits at the start.
        steps: Number of steps.
        rate: Length of a step, in units of the gradient.
    """
    method = build(player)
    for _ in range(steps):
        q = theta.softmax(-1)
        cost = costs(method, player.optimum, q)
        gradient = q * (cost - (q * cost).sum(-1, keepdim=True)) / len(TRUTH)
        theta = theta - rate * gradient
    return theta.softmax(-1)
