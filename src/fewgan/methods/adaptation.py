"""What methods share that adapt a trained generator to a few images of another domain.

A source run lends its generator and its discriminator; the classes of the source, if it has any,
become part of the latent, so that all it could draw is still drawn. The target has no classes: the
game is the plain one of real against fake, which a subclass adds something to.
"""

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from fewgan.data.feed import Feed
from fewgan.errors import InputError
from fewgan.methods.base import Learned, Method, Terms
from fewgan.methods.dcgan import DCGAN, DCGANSettings
from fewgan.methods.gan import GAN, GANSettings
from fewgan.networks.build import Discriminator, Generator, ImageSpec, NetworkSettings
from fewgan.networks.grow import grow


class AdaptationSettings(DCGANSettings):
    """Settings that all methods share which adapt: those of the plain game, with its low rates."""

    source_classes: int = Field(0, ge=0)
    """Classes of the source that become part of the latent; `fewgan adapt` fills it in."""


class Unlabelled(nn.Module):
    """A generator whose class, if it has any, is drawn with the latent.

    Of the D + 1 normal numbers of a latent the last one chooses the class: each class has the same
    share of the normal distribution.

    Args:
        generator: The generator.
        classes: Its classes K; 0 when it has none, and the latent is its own.
    """

    classes = 0
    lends: ClassVar[bool] = True
    """Whether the generator alone draws what this draws, so that others can go on from it."""

    def __init__(self, generator: Generator, classes: int) -> None:
        super().__init__()
        self.generator, self.drawn = generator, classes
        self.latent_dim = generator.latent_dim + (1 if classes else 0)

    def latents(self, y: Tensor, generator: torch.Generator) -> Tensor:
        """Draw a latent [N,D] or [N,D+1] for each place in y [N], on the CPU."""
        return torch.randn(len(y), self.latent_dim, generator=generator)

    def split(self, z: Tensor) -> tuple[Tensor, Tensor | None]:
        """The generator's own latents [N,D] and classes int64 [N] of latents z."""
        if not self.drawn:
            return z, None
        share = torch.special.ndtr(z[:, -1])
        return z[:, :-1], (share * self.drawn).long().clamp(max=self.drawn - 1)

    def of_source(self, z: Tensor) -> Tensor:
        """The latents of the source among latents z, without what an adaptation adds to them."""
        return z

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images [N,C,S,S] in [-1, 1] for latents z; labels y of the target are not looked at."""
        images: Tensor = self.generator(*self.split(z))
        return images


def lent_by(sampler: nn.Module, classes: int) -> Unlabelled:
    """What an adaptation begins with: a source's generator, its classes drawn with the latent.

    Args:
        sampler: The source's sampler, which may be of an adaptation itself.
        classes: Classes of the generator.
    """
    generator: Any = sampler.generator if isinstance(sampler, Unlabelled) else sampler
    return Unlabelled(generator, classes)


class Adaptation(DCGAN):
    """The plain game, begun with the networks of a source run.

    A subclass may override `begin`, which still has the source at hand (`adopted`), `held`, further
    terms of the generator's loss, and whatever a GAN has.
    """

    settings: AdaptationSettings
    adapts = True
    compared = False
    steps = 1500
    adopted: Learned | None = None
    """The source, until the first step; after a resume it is gone."""

    @classmethod
    def onto(cls, source: type[Method]) -> type[Method]:
        """The same method, whatever GAN the source was trained by."""
        return cls

    @classmethod
    def inherited(cls, settings: dict[str, Any], classes: int) -> dict[str, Any]:
        """Networks, form of the game and the gradient penalty; the optimisers are of its own.

        A critic is held by a penalty that no adaptation has: its game goes on as that of logits.
        """
        kept = {*NetworkSettings.model_fields, "game", "r1"} & settings.keys()
        lent = {name: settings[name] for name in kept}
        if lent.get("game") == "wasserstein":
            lent["game"] = "bce"
        return lent | {"source_classes": settings.get("source_classes", classes)}

    @classmethod
    def make_sampler(cls, settings: Any, spec: ImageSpec) -> Unlabelled:  # type: ignore[override]
        """The source's generator, whose classes are drawn."""
        of_source = ImageSpec(spec.channels, spec.size, settings.source_classes)
        return Unlabelled(Generator(settings, of_source), settings.source_classes)

    @classmethod
    def make_discriminator(cls, settings: GANSettings, spec: ImageSpec) -> Discriminator:
        """The source's discriminator, whose head asks for nothing but real or fake."""
        return Discriminator(settings, spec, cls.head)

    @property
    def lent(self) -> Generator:
        """The source's generator, as it is being adapted."""
        unlabelled: Any = self.generator
        generator: Generator = unlabelled.generator
        return generator

    def adopt(self, learned: Learned) -> None:
        """Begin with the averaged generator and the discriminator of a run.

        A head that tells real from fake by a logit of its own comes along; of another kind of
        head nothing does, and this one begins anew.
        """
        players = learned.method.players
        generator: Any = lent_by(learned.sampler, self.settings.source_classes).generator
        alone = getattr(learned.sampler, "lends", True)
        if not isinstance(players, GAN) or type(generator) is not Generator or not alone:
            raise InputError(
                f"a run of {learned.method.name} draws in a way of its own: "
                "adapt one of a GAN, of a strategy that keeps the GAN's own generator, or the run "
                "that it went on from"
            )
        theirs = players.discriminator.state_dict()
        own = self.discriminator.state_dict()
        trunk = {name: value for name, value in own.items() if name.startswith("trunk.")}
        grow(trunk, theirs, 1, 1)
        if all(name in theirs for name in own):
            grow(own, theirs, 1, 1)
        grow(self.lent.state_dict(), generator.state_dict(), 1, 1)
        self.adopted = learned

    def step(self, feed: Feed, also: Any = None) -> Terms:
        """One step of the game, and what `held` adds to it."""
        self.adopted = None
        return super().step(feed, also or (lambda: self.held(feed)))

    def held(self, feed: Feed) -> Terms:
        """More terms for the generator to descend, which hold what it knew; or nothing."""
        return {}
