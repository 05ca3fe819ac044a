"""The two-player game that every conditional GAN here plays: only heads and losses differ."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn.utils.parametrize import cached

from fewgan.data.feed import Feed
from fewgan.errors import InputError
from fewgan.losses.adversarial import GAMES, Form
from fewgan.losses.diffaugment import diffaugment, parse_policy
from fewgan.losses.penalties import lazy_r1
from fewgan.methods.base import (
    Decay,
    Method,
    MethodSettings,
    Rate,
    Terms,
    Updates,
    Weight,
    around,
    logged,
)
from fewgan.networks.build import Discriminator, Generator, ImageSpec, NetworkSettings
from fewgan.networks.heads import Head, RealFake
from fewgan.networks.labels import fade


class GANSettings(NetworkSettings, MethodSettings):
    """Settings of a two-player method: the networks, the game and the optimisers."""

    game: Form = "bce"
    """Form of the adversarial loss."""
    d_steps: Updates = 1
    """Updates of the discriminator for each update of the generator."""
    g_lr: Rate = 1.5e-3
    """Learning rate of the generator (Adam)."""
    d_lr: Rate = 1.5e-3
    """Learning rate of the discriminator (Adam)."""
    beta1: Decay = 0.5
    """Decay of Adam's first moment."""
    beta2: Decay = 0.999
    """Decay of Adam's second moment."""
    r1: Weight = 0.0
    """Weight gamma of the penalty on the discriminator's slope at real images (Mescheder et al.
    2018); it falls as the learning rate does. Beside it, spectral normalisation can go."""
    augment: str = ""
    """DiffAugment for few images: any of color, translation, cutout, joined by commas."""
    fade_from: int = Field(0, ge=0)
    """Step at which labels begin to count (transitional conditioning)."""
    fade_to: int = Field(0, ge=0)
    """Step from which labels count in full; 0: from the start, without a fade."""

    @field_validator("augment")
    @classmethod
    def _known(cls, value: str) -> str:
        return ",".join(parse_policy(value))


class Judged(NamedTuple):
    """Images and what the discriminator says of them: all that a loss may look at."""

    verdict: Any
    """The head's answer."""
    y: Tensor
    """Labels int64 [N]: the true ones, or those that the images were made for."""
    x: Tensor
    """Images [N,C,H,W] in [-1, 1], as the discriminator saw them."""
    z: Tensor | None = None
    """Latents [N,D] of generated images."""
    plain: Tensor | None = None
    """Logit [N] of the head without labels, while labels fade in."""


class GAN(Method):
    """A generator against a discriminator with a head.

    A subclass names its `head` and writes `discriminator_losses` and `generator_losses`, pure
    functions of verdicts. One step is `d_steps` updates of the discriminator, then one of the
    generator on the last fakes.

    Labels can fade in (transitional conditioning: Shahbazi et al., ICLR 2022), which keeps few
    images a class from collapsing the game. The discriminator then has a second head that knows
    no labels; its game is played throughout, and the method's own terms are weighted by t, which
    rises from 0 to 1 between the steps `fade_from` and `fade_to`, as does the labels' strength.
    """

    head: ClassVar[type[Head]] = RealFake
    settings: GANSettings
    steps_done: Tensor

    def __init__(self, settings: GANSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        self.generator = self.make_sampler(settings, spec)
        self.discriminator = self.make_discriminator(settings, spec)
        self.game = GAMES[settings.game]
        self.policy = parse_policy(settings.augment)
        self.register_buffer("steps_done", torch.tensor(0))
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
        """The discriminator with the method's head, and a plain one if labels fade in."""
        return Discriminator(settings, spec, cls.head, plain=bool(settings.fade_to))

    @property
    def sampler(self) -> nn.Module:
        """The generator."""
        return self.generator

    def discriminator_losses(self, real: Judged, fake: Judged) -> Terms:
        """What the discriminator descends, from its verdicts on real and on generated images."""
        raise NotImplementedError

    def generator_losses(self, fake: Judged) -> Terms:
        """What the generator descends, from the verdict on its images."""
        raise NotImplementedError

    def penalties(self, real: Judged, fake: Judged, feed: Feed) -> Terms:
        """More for the discriminator to descend, if it takes more than two verdicts; or nothing."""
        return {}

    def step(self, feed: Feed, also: Callable[[], Terms] = dict) -> Terms:
        """Update the discriminator `d_steps` times, then the generator once.

        Args:
            feed: Source of images, latents and labels.
            also: More terms for the generator, for a method that wraps this one and holds
                something fast (replay alignment, elastic weights).
        """
        t = self._fade_in()
        for left in reversed(range(self.settings.d_steps)):
            x, y = feed.batch()
            fake_y, z = feed.labels(), feed.normal(self.generator.latent_dim)
            # Only the last fakes are used again, by the generator's own update.
            with torch.set_grad_enabled(left == 0):
                made = self.generator(z, fake_y)
            with cached():  # one power iteration an update, as all spectral norms stay the same
                real = self._judge(feed, x, y)
                fake = self._judge(feed, made.detach(), fake_y, z)
            d_terms = _weighted(self.discriminator_losses(real, fake), t)
            if real.plain is not None and fake.plain is not None:
                d_terms["unconditional"] = self.game.discriminator(real.plain, fake.plain)
            d_terms |= self.penalties(real, fake, feed) | self._r1(real)
            self.descend("d", d_terms)
        with frozen(self.discriminator):
            fake = self._judge(feed, made, fake_y, z)
            g_terms = _weighted(self.generator_losses(fake), t)
            if fake.plain is not None:
                g_terms["unconditional"] = self.game.generator(fake.plain)
            g_terms |= also()
            self.descend("g", g_terms)
        return logged(d=d_terms, g=g_terms)

    def source(self, verdict: Any, y: Any) -> Tensor:
        """How real an image is by a verdict, [N]: that part of it which the game is about."""
        return getattr(verdict, "source", verdict)

    def realness(self, x: Tensor, y: Tensor | None) -> Tensor:
        """How real the discriminator finds images x [N,C,H,W] of classes y int64 [N]: logits [N].

        All that the game is about, while labels fade in too.
        """
        judge = self.discriminator
        features = judge.features(x, y)
        value = self.source(judge.head(features, y), y)
        return judge.head.t * value + judge.plain(features, None) if judge.plain else value

    def _r1(self, real: Judged) -> Terms:
        """The penalty, gamma / 2 E ‖slope‖^2, now and then."""
        if not self.settings.r1:
            return {}
        # A steep discriminator is what the end of a run needs, and its beginning cannot bear.
        falling = self.optimizers["d"].param_groups[0]["lr"] / self.settings.d_lr
        slope = lazy_r1(lambda x: self.realness(x, real.y), real.x, int(self.steps_done))
        return {"r1": falling * self.settings.r1 / 2 * slope}

    def _judge(self, feed: Feed, x: Tensor, y: Tensor, z: Tensor | None = None) -> Judged:
        x = diffaugment(x, self.policy, feed.uniform)
        features = self.discriminator.features(x, y)
        plain = self.discriminator.plain
        verdict = self.discriminator.head(features, y)
        return Judged(verdict, y, x, z, plain(features, None) if plain else None)

    def _fade_in(self) -> float:
        """Count this step, and set how strongly labels count in it."""
        begin, end = self.settings.fade_from, self.settings.fade_to
        self.steps_done += 1
        if not end:
            return 1.0
        t = (int(self.steps_done) - begin) / max(1, end - begin)
        t = min(1.0, max(0.0, t))
        fade(self, t)
        return t


def around_gan(wrapper: type[Method], learner: type[Method]) -> Any:
    """The class of a method that wraps a two-player GAN, which it finds as its `gan`.

    Raises:
        InputError: That is no two-player method that is trained from its beginning.
    """
    if not issubclass(learner, GAN) or learner.adapts:
        raise InputError(f"{wrapper.name} wraps a two-player GAN, which {learner.name} is not")
    name = f"{wrapper.name.partition(':')[0]}:{learner.name}"
    return around(wrapper, learner, name, gan=learner)


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


def _weighted(terms: Terms, t: float) -> Terms:
    return terms if t == 1 else {name: t * term for name, term in terms.items()}


def _adam(module: nn.Module, lr: float, betas: tuple[float, float]) -> torch.optim.Adam:
    return torch.optim.Adam(module.parameters(), lr, betas, fused=True)
