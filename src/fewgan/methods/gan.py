"""The two-player game that every conditional GAN here plays: only heads and losses differ."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from fewgan.data.feed import Feed
from fewgan.losses.adversarial import GAMES, Form
from fewgan.methods.base import Method, MethodSettings, Terms
from fewgan.networks.build import Discriminator, Generator, ImageSpec, NetworkSettings
from fewgan.networks.heads import Head, RealFake


class GANSettings(NetworkSettings, MethodSettings):
    """Settings of a two-player method: the networks, the game and the optimisers."""

    game: Form = "bce"
    """Form of the adversarial loss."""
    d_steps: int = Field(1, ge=1, le=100)
    """Updates of the discriminator for each update of the generator."""
    g_lr: float = Field(4e-4, gt=0, le=1)
    """Learning rate of the generator (Adam)."""
    d_lr: float = Field(4e-4, gt=0, le=1)
    """Learning rate of the discriminator (Adam)."""
    beta1: float = Field(0.5, ge=0, lt=1)
    """Decay of Adam's first moment."""
    beta2: float = Field(0.999, ge=0, lt=1)
    """Decay of Adam's second moment."""


class GAN(Method):
    """A generator against a discriminator with a head.

    A subclass names its `head` and writes `discriminator_losses` and `generator_losses`. One step
    is `d_steps` updates of the discriminator, then one of the generator on the last fakes.
    """

    head: ClassVar[type[Head]] = RealFake
    settings: GANSettings

    def __init__(self, settings: GANSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        self.generator = self.make_sampler(settings, spec)
        self.discriminator = self.make_discriminator(settings, spec)
        self.game = GAMES[settings.game]
        betas = settings.beta1, settings.beta2
        self.optimizers = {
            "d": _adam(self.discriminator, settings.d_lr, betas),
            "g": _adam(self.generator, settings.g_lr, betas),
        }

    @classmethod
    def make_sampler(cls, settings: GANSettings, spec: ImageSpec) -> Generator:
        """The generator."""
        return Generator(settings, spec)

    @classmethod
    def make_discriminator(cls, settings: GANSettings, spec: ImageSpec) -> Discriminator:
        """The discriminator with the method's head."""
        return Discriminator(settings, spec, cls.head)

    @property
    def sampler(self) -> nn.Module:
        """The generator."""
        return self.generator

    def discriminator_losses(self, x: Tensor, y: Tensor, fake: Tensor, fake_y: Tensor) -> Terms:
        """What the discriminator descends.

        Args:
            x: Real images [N,C,H,W] in [-1, 1], and y their labels int64 [N].
            y: See `x`.
            fake: Generated images, detached, and fake_y the labels that they were made for.
            fake_y: See `fake`.
        """
        raise NotImplementedError

    def generator_losses(self, fake: Tensor, y: Tensor) -> Terms:
        """What the generator descends, for fakes [N,C,H,W] made for labels y int64 [N]."""
        raise NotImplementedError

    def step(self, feed: Feed, also: Callable[[], Terms] = dict) -> Terms:
        """Update the discriminator `d_steps` times, then the generator once.

        Args:
            feed: Source of images, latents and labels.
            also: More terms for the generator, for a method that wraps this one and holds
                something fast (replay alignment, elastic weights).
        """
        for left in reversed(range(self.settings.d_steps)):
            x, y = feed.batch()
            fake_y = feed.labels()
            # Only the last fakes are used again, by the generator's own update.
            with torch.set_grad_enabled(left == 0):
                fake = self.generator(feed.normal(self.settings.latent_dim), fake_y)
            d_terms = self.discriminator_losses(x, y, fake.detach(), fake_y)
            self._descend("d", d_terms)
        with frozen(self.discriminator):
            g_terms = self.generator_losses(fake, fake_y) | also()
            self._descend("g", g_terms)
        return {f"d/{k}": v.detach() for k, v in d_terms.items()} | {
            f"g/{k}": v.detach() for k, v in g_terms.items()
        }

    def _descend(self, player: str, terms: Terms) -> None:
        optimizer = self.optimizers[player]
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Let gradients pass through `module` without reaching its parameters."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def _adam(module: nn.Module, lr: float, betas: tuple[float, float]) -> torch.optim.Adam:
    return torch.optim.Adam(module.parameters(), lr, betas, fused=True)
