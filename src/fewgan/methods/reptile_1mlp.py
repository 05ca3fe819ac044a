"""reptile-1mlp (meta-train): Reptile on a discriminator and an MLP before the generator.

Fontanini, Pratico & Prati, "GAN and meta-learning", ICIAP 2022. A task is a class, and no label
enters any network: a second head M of the discriminator tells the class at hand from all others.
With z* = MLP(z), x of the class, x- of other classes and x~ = G(z*), a task is some steps of

    D    descends  -log A(x) - log(1 - A(x~))  -  log M(x) - log(1 - M(x-))
    MLP  descends  -log A(x~)                  -  log M(x~)

after which the generator, which learns no task, descends what the MLP does, once, against the
players as the task left them. Then D and MLP move by Reptile towards where they are, and the
generator keeps its step. So of a new class only a small network is asked to find out where in the
latent space its images lie, and the generator is that of all classes.

With `--game wasserstein` both heads are critics, each with its gradient penalty, and five steps of
D come before one of the MLP, on the same images (`--d-steps 5 --beta1 0 --beta2 0.9`, and rates of
1e-4). With `--domain-game bce` beside it, M stays a classifier: the paper's hybrid loss.

Unlike the paper, tasks are short: five steps at five times its rates, so that four times as many
tasks, and updates of the generator, take as long; a new class gets twenty. Unlike the released
code, images are in [-1, 1] as the generator's are; other classes are drawn in one lookup; and no
network normalises over a batch, which is of one class (`--norm batch --d-norm batch` is theirs).
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from fewgan.data.feed import Feed
from fewgan.losses.adversarial import GAMES, Form
from fewgan.losses.penalties import gradient_penalty
from fewgan.methods.base import Decay, Rate, Terms, Updates, Weight, logged
from fewgan.methods.gan import frozen
from fewgan.methods.meta import MetaMethod, MetaSettings
from fewgan.networks.build import Discriminator, DNorm, Generator, ImageSpec, NetworkSettings
from fewgan.networks.heads import Domain
from fewgan.networks.labels import Labels, Norm


class ReptileMLPSettings(NetworkSettings, MetaSettings):
    """Settings of `reptile-1mlp`: networks, games and rates."""

    inner_steps: int = Field(5, ge=1, le=1000)
    """Steps in which a task is learned; in the paper 20, at a fifth of the rates."""
    latent_dim: int = 100
    """Length of the latent vector, drawn from a standard normal."""
    labels: Labels = "none"
    """How the label enters the generator: it does not."""
    norm: Norm = "instance"
    """Statistics of the generator's normalisation: per image, or over the batch as in the paper."""
    d_norm: DNorm = "layer"
    """Normalisation of the discriminator's maps; the released code's is batch."""
    spectral: bool = False
    """Spectral normalisation of the discriminator's trunk."""
    game: Form = "bce"
    """Form of the adversarial loss."""
    domain_game: Form | None = None
    """Form of the loss of the domain head; that of the other one when left out."""
    penalty_weight: Weight = 10.0
    """Weight of the gradient penalty, of each head whose game is wasserstein."""
    d_steps: Updates = 1
    """Updates of the discriminator for each update of the MLP, on the same images."""
    g_steps: Updates = 1
    """Updates of the generator in a task: one after it as in the paper, or spread over it."""
    g_lr: Rate = 1e-3
    """Learning rate of the generator (Adam); it falls over the run."""
    d_lr: Rate = 1e-3
    """Learning rate of the discriminator inside a task (Adam)."""
    mlp_lr: Rate = 1e-3
    """Learning rate of the MLP inside a task (Adam)."""
    beta1: Decay = 0.5
    """Decay of Adam's first moment."""
    beta2: Decay = 0.999
    """Decay of Adam's second moment."""


class Shaped(nn.Module):
    """A generator whose latent is shaped by an MLP.

    Args:
        settings: The networks' settings.
        spec: The images to make.
    """

    classes = 0

    def __init__(self, settings: Any, spec: ImageSpec) -> None:
        super().__init__()
        self.latent_dim = settings.latent_dim
        self.mlp = mlp(settings.latent_dim, settings.latent_dim)
        self.generator = Generator(settings, ImageSpec(spec.channels, spec.size, 0))

    def latents(self, y: Tensor, generator: torch.Generator) -> Tensor:
        """Draw a latent [N,D] for each place in y [N], on the CPU."""
        return torch.randn(len(y), self.latent_dim, generator=generator)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images [N,C,S,S] in [-1, 1] for latents z [N,D]."""
        images: Tensor = self.generator(self.mlp(z), None)
        return images


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    """Two linear layers, which pass on the spread of what they are given (He et al. 2015).

    Drawn as PyTorch draws them, as the released code does, they leave a sixth of it.
    """
    layers = nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(), nn.Linear(outputs, outputs))
    for layer, gain in ((layers[0], 2.0), (layers[2], 1.0)):
        assert isinstance(layer, nn.Linear)
        nn.init.normal_(layer.weight, std=(gain / layer.in_features) ** 0.5)
        nn.init.zeros_(layer.bias)
    return layers


class Reptile1MLP(MetaMethod):
    """A discriminator with two heads and an MLP, which learn tasks, and a generator of all."""

    name = "reptile-1mlp"
    Settings = ReptileMLPSettings
    settings: ReptileMLPSettings
    outside = True
    longer = 4

    def __init__(self, settings: ReptileMLPSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        self.shaped = self.make_sampler(settings, spec)
        self.discriminator = Discriminator(settings, spec, Domain)
        self.games = GAMES[settings.game], GAMES[settings.domain_game or settings.game]
        betas = settings.beta1, settings.beta2
        self.learn_tasks(
            {
                "d": _adam(self.discriminator.parameters(), settings.d_lr, betas),
                "mlp": _adam(self.shaping, settings.mlp_lr, betas),
            }
        )
        self.optimizers["g"] = _adam(self.shaped.generator.parameters(), settings.g_lr, betas)

    @classmethod
    def make_sampler(cls, settings: Any, spec: ImageSpec) -> Shaped:
        """The MLP and the generator."""
        return Shaped(settings, spec)

    @property
    def sampler(self) -> nn.Module:
        """The MLP and the generator."""
        return self.shaped

    @property
    def learners(self) -> dict[str, nn.Module]:
        """The discriminator and the MLP."""
        return {"d": self.discriminator, "mlp": self.shaped.mlp}

    @property
    def shaping(self) -> list[nn.Parameter]:
        """Weights that shape the latent."""
        return list(self.shaped.mlp.parameters())

    @property
    def outer_steps(self) -> int:
        """Those of the generator."""
        return self.settings.g_steps

    def drawn(self, feed: Feed) -> Tensor:
        """Images [N,C,S,S] of new latents."""
        images: Tensor = self.shaped(feed.normal(self.shaped.latent_dim))
        return images

    def inner_step(self, feed: Feed, x: Tensor, other: Tensor | None) -> Terms:
        """The discriminator learns the task, and then the MLP learns from it."""
        assert other is not None, "a domain is told by what it is not"
        for _ in range(self.settings.d_steps):
            with torch.no_grad():
                made = self.drawn(feed)
            real, fake, off = (self.discriminator(images) for images in (x, made, other))
            adversarial, domain = self.games
            d_terms = {
                "adversarial": adversarial.discriminator(real.source, fake.source),
                "domain": domain.discriminator(real.domain, off.domain),
            }
            d_terms |= self._penalties(feed, x, made, other)
            self.descend("d", d_terms)
        self.notice(real.features)
        g_terms = self._pass(feed, self.shaped.generator)
        self.descend("mlp", g_terms)
        return logged(d=d_terms, mlp=g_terms)

    def notice(self, features: Tensor) -> None:
        """Take notice of features [N,F] that the discriminator sees in images of the task."""

    def outer_step(self, feed: Feed) -> Terms:
        """The generator's step, against the players as the task has made them."""
        terms = self._pass(feed, self.shaped.mlp)
        self.descend("g", terms)
        return logged(g=terms)

    def _pass(self, feed: Feed, still: nn.Module) -> Terms:
        """To pass for a real image of the task, while one part of the sampler stays as it is."""
        with frozen(self.discriminator), frozen(still):
            judged = self.discriminator(self.drawn(feed))
            adversarial, domain = self.games
            return {
                "adversarial": adversarial.generator(judged.source),
                "domain": domain.generator(judged.domain),
            }

    def _penalties(self, feed: Feed, x: Tensor, made: Tensor, other: Tensor) -> Terms:
        """Slopes near 1 of the heads that are critics, between what each one tells apart."""
        asked: dict[str, tuple[Form, Tensor, Callable[[Tensor], Tensor]]] = {
            "penalty": (self.settings.game, made, lambda x: self.discriminator(x).source),
            "domain penalty": (
                self.settings.domain_game or self.settings.game,
                other,
                lambda x: self.discriminator(x).domain,
            ),
        }
        weight = self.settings.penalty_weight
        return {
            name: weight * gradient_penalty(critic, x, against, feed.uniform())
            for name, (form, against, critic) in asked.items()
            if form == "wasserstein"
        }


def _adam(
    weights: Iterable[nn.Parameter], lr: float, betas: tuple[float, float]
) -> torch.optim.Adam:
    return torch.optim.Adam(weights, lr, betas, fused=True)
