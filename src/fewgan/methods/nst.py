"""nst (adapt): nothing is learned: images of the source are repainted in the style of the few.

Gatys, Ecker & Bethge, "Image style transfer using convolutional neural networks", CVPR 2016; as a
baseline of few-shot adaptation in Li et al., NeurIPS 2020. From the source's image s, an image x is
found by descent,

    |phi_c(x) - phi_c(s)|^2  +  W sum over taps |Gram(phi_l(x)) - Gram(phi_l(t))|^2

t being one of the few images, drawn with the latent, phi the maps of a fixed network, and Gram the
mean products of two channels over all places. Squares are means. Sampling takes `iterations` passes
through that network, forwards and back, for each image.

Colours and textures come from the few images, and everything else from the source.
"""

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from fewgan.data.feed import Feed
from fewgan.data.imageset import ImageSet, to_float
from fewgan.errors import InputError
from fewgan.methods.adaptation import Adaptation, AdaptationSettings, Unlabelled
from fewgan.methods.base import Rate, Terms, Weight
from fewgan.methods.eyes import Eyes, Seer
from fewgan.networks.build import Generator, ImageSpec

CONTENT = -2  # the tap that tells what is where: the last but one


class NSTSettings(AdaptationSettings):
    """Settings of `nst`: how much style, and how long an image is worked on."""

    style: Weight = 100.0
    """Weight W of the styles' distance."""
    iterations: int = Field(100, ge=1)
    """Steps of descent for each image."""
    paint_lr: Rate = 0.05
    """Learning rate of the pixels (Adam), which lie in [-1, 1]."""
    eyes: Seer = "auto"
    """Fixed network that compares: vgg16 as in the paper, imagenet (colour) or random (grey)."""
    slots: int = Field(100, ge=1)
    """Images that there is room for."""


class Painted(Unlabelled):
    """A generator whose images are repainted in the style of stored ones.

    Args:
        generator: The generator.
        classes: Its classes K, which are drawn with the latent.
        spec: The images.
        settings: How they are repainted.
    """

    styles: Tensor
    held: Tensor

    lends = False

    def __init__(
        self, generator: Generator, classes: int, spec: ImageSpec, settings: NSTSettings
    ) -> None:
        super().__init__(generator, classes)
        self.settings, self.see = settings, Eyes(spec.channels, settings.eyes)
        self.latent_dim += 1  # a number more: which style
        shape = (settings.slots, spec.channels, spec.size, spec.size)
        self.register_buffer("styles", torch.zeros(shape, dtype=torch.uint8))
        self.register_buffer("held", torch.tensor(0))

    def of_source(self, z: Tensor) -> Tensor:
        """All but which style."""
        return z[:, :-1]

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images [N,C,S,S] in [-1, 1] for latents z; labels y of the target are not looked at."""
        plain = super().forward(self.of_source(z))
        if not self.held:
            return plain
        chosen = (torch.special.ndtr(z[:, -1]) * self.held).long().clamp(max=int(self.held) - 1)
        return self.painted(plain.detach(), to_float(self.styles[chosen]))

    @torch.enable_grad()
    def painted(self, content: Tensor, style: Tensor) -> Tensor:
        """Images [N,C,S,S] with the content of some and the style of others."""
        places = self.see(content)[CONTENT].detach()
        grams = [gram(maps).detach() for maps in self.see(style)]
        x = content.clone().requires_grad_(True)
        # Each pixel has its own moments, so that an image does not hang on its batch.
        optimizer = torch.optim.Adam([x], self.settings.paint_lr)
        for _ in range(self.settings.iterations):
            maps = self.see(x)
            loss = (maps[CONTENT] - places).square().mean((1, 2, 3)).sum()
            for seen, wanted in zip(maps, grams, strict=True):
                distance = (gram(seen) - wanted).square().mean((1, 2)).sum()
                loss = loss + self.settings.style * distance
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return x.detach().clamp(-1, 1)


def gram(maps: Tensor) -> Tensor:
    """Mean products [N,C,C] of two channels of maps [N,C,H,W] over all places."""
    flat = maps.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


class NST(Adaptation):
    """The source, and a painter."""

    name = "nst"
    Settings = NSTSettings
    settings: NSTSettings
    steps = 1

    def __init__(self, settings: NSTSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        self.optimizers = {}

    @classmethod
    def make_sampler(cls, settings: Any, spec: ImageSpec) -> Painted:  # type: ignore[override]
        """The source's generator, repainted."""
        plain = super().make_sampler(settings, spec)
        return Painted(plain.generator, plain.drawn, spec, settings)

    @property
    def remarks(self) -> dict[str, str]:
        """What the painter looks through."""
        painter: Any = self.generator
        return {"images are painted by": str(painter.see)}

    def check(self, images: ImageSet) -> None:
        """Make sure that there is room for the images."""
        if len(images) > self.settings.slots:
            raise InputError(
                f"{len(images)} images, and room for {self.settings.slots}: give fewer --shots, "
                f"or --slots {len(images)}"
            )

    def begin(self, feed: Feed, averaged: nn.Module) -> None:
        """Store the few images, in the sampler and in its average."""
        shown = feed.images.images
        painters: Any = (self.generator, averaged)
        for painter in painters:
            painter.styles[: len(shown)] = shown
            painter.held.fill_(len(shown))

    def step(self, feed: Feed, also: Any = None) -> Terms:
        """Nothing is learned; the images count as seen."""
        self.adopted = None
        self.steps_done += 1
        feed.seen += feed.batch_size
        return {}
