"""reptile-2mlp (meta-train): reptile-1mlp, with a second MLP that tells the generator the class.

Fontanini, Pratico & Prati, "GAN and meta-learning", ICIAP 2022. The maps of the discriminator's
trunk F, averaged over places and over the real images of a task, are one vector f that says what
its images are like. From it a second network makes half of what the generator sees:

    x~ = G(MLP(z), MLP_cls(f)),   f = mean over images and places of F(x), a constant to all losses

so that all images of a task share MLP_cls(f), and the first half of the latent varies them. Both
MLPs learn in the inner steps and are moved by Reptile; all else is as in `reptile-1mlp`. In a
task's first step no image has been looked at, and noise stands in for MLP_cls(f).

The released code cuts the gradient to MLP_cls in every script, so that it stays a random
projection: `--mlp-cls-frozen` does as it does. When images are drawn, f is that of the few images
of the class; of a run that was not adapted to any, noise again.
"""

from typing import Any

import torch
from torch import Tensor, nn

from fewgan.data.feed import Feed
from fewgan.methods.base import Terms
from fewgan.methods.reptile_1mlp import Reptile1MLP, ReptileMLPSettings, Shaped, mlp
from fewgan.networks.build import Discriminator, Generator, ImageSpec
from fewgan.networks.heads import RealFake


class Reptile2MLPSettings(ReptileMLPSettings):
    """Settings of `reptile-2mlp`: whether its second MLP learns."""

    mlp_cls_frozen: bool = False
    """Leave the second MLP as it was drawn, as the released code does."""


class Told(Shaped):
    """A generator that is told a task's mean features beside the latent.

    Args:
        settings: The networks' settings.
        spec: The images to make.
        features: Length F of the mean features.
    """

    mean: Tensor
    looked: Tensor

    def __init__(self, settings: Any, spec: ImageSpec, features: int) -> None:
        super().__init__(settings, spec)
        d = settings.latent_dim
        self.latent_dim = 2 * d  # the second half stands in for a task that nobody looked at
        self.mlp_cls = mlp(features, d)
        twice = settings.model_copy(update={"latent_dim": 2 * d})
        self.generator = Generator(twice, ImageSpec(spec.channels, spec.size, 0))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("looked", torch.tensor(False))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images [N,C,S,S] in [-1, 1] for latents z [N,2D]; of the task, the second half unused."""
        own, noise = z.chunk(2, dim=1)
        told = self.mlp_cls(self.mean).expand_as(noise) if self.looked else noise
        images: Tensor = self.generator(torch.cat([self.mlp(own), told], 1), None)
        return images


class Reptile2MLP(Reptile1MLP):
    """As `reptile-1mlp`, and a second MLP which tells the task by the discriminator's features."""

    name = "reptile-2mlp"
    Settings = Reptile2MLPSettings
    settings: Reptile2MLPSettings
    shaped: Told

    @classmethod
    def make_sampler(cls, settings: Any, spec: ImageSpec) -> Told:
        """Both MLPs and the generator."""
        with torch.device("meta"):  # how many features there are, without their weights
            trunk = Discriminator(settings, spec, RealFake).trunk
        return Told(settings, spec, trunk.features // trunk.places)

    @property
    def learners(self) -> dict[str, nn.Module]:
        """The discriminator, the MLP, and the second one if it learns."""
        second = {} if self.settings.mlp_cls_frozen else {"mlp_cls": self.shaped.mlp_cls}
        return super().learners | second

    @property
    def shaping(self) -> list[nn.Parameter]:
        """Weights that shape the latent and tell the task."""
        second = [] if self.settings.mlp_cls_frozen else self.shaped.mlp_cls.parameters()
        return [*super().shaping, *second]

    def begin_task(self, feed: Feed) -> None:
        """Nobody has looked at the task yet."""
        super().begin_task(feed)
        self.shaped.looked.zero_()

    def step(self, feed: Feed) -> Terms:
        """One outer iteration, after which no task is at hand."""
        terms = super().step(feed)
        self.shaped.looked.zero_()
        return terms

    @torch.no_grad()
    def notice(self, features: Tensor) -> None:
        """Tell the generator what features [N,F] images of the task have, place by place."""
        places = features.unflatten(1, (self.discriminator.trunk.places, -1))
        self.shaped.mean.copy_(places.mean((0, 1)))
        self.shaped.looked.fill_(True)

    @torch.no_grad()
    def look(self, shown: Tensor) -> None:
        """Tell the generator what images [K,C,S,S] of the task are like."""
        self.notice(self.discriminator.features(shown, None))
