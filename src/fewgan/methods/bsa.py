"""bsa (adapt): only scales and shifts of the normalisation learn, and there is no discriminator.

Noguchi & Harada, "Image generation from small datasets via batch statistics adaptation", ICCV 2019.
Each image x_i of the few gets a latent z_i of its own, and the generator's scales gamma and shifts
beta learn with them so that it draws it:

    descend   |G(z_i + e) - x_i|  +  a sum over taps |phi(G(z_i + e)) - phi(x_i)|
              + b EMD(z)  +  c [ mean (gamma - gamma_source)^2 + mean (beta - beta_source)^2 ]

with a little noise e, and phi the maps of a fixed network. EMD(z), which keeps the latents where
latents are drawn, is the mean squared distance of normal samples to their nearest z_i, and of each
z_i to its nearest sample. The source's statistics are frozen; samples come from near the middle,
where the z_i are: |z| below `truncation` in each number.

What no channel of the source draws cannot be drawn: it stays close to the source, and blurs.
"""

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from fewgan.data.feed import Feed
from fewgan.data.imageset import ImageSet, to_float
from fewgan.errors import InputError
from fewgan.methods.adaptation import Adaptation, AdaptationSettings, Unlabelled
from fewgan.methods.base import Rate, Terms, Weight, logged
from fewgan.methods.eyes import Eyes
from fewgan.networks.build import Generator, ImageSpec
from fewgan.networks.labels import LabelNorm

NOISE = 0.01  # deviation of e
SAMPLES = 10  # normal samples for each image, for the distance of the latents


class BSASettings(AdaptationSettings):
    """Settings of `bsa`: the weights of its terms, and how latents are drawn."""

    g_lr: Rate = 0.03
    """Learning rate of scales, shifts and latents (Adam)."""
    slots: int = Field(100, ge=1)
    """Images that there is room for."""
    perceptual: Weight = 1e-3
    """Weight a of the distance between maps."""
    earth_mover: Weight = 0.1
    """Weight b of the distance of latents from normal ones."""
    stay: Weight = 0.02
    """Weight c of the change of scales and shifts."""
    truncation: float = Field(0.3, gt=0)
    """Largest size of a number of a latent when samples are drawn."""


class Truncated(Unlabelled):
    """A generator whose latents are drawn from the middle of the normal distribution.

    Args:
        generator: The generator.
        classes: Its classes K, which are drawn with the latent, and whole.
        truncation: Largest size of a number of the generator's own latent.
    """

    lends = False
    tried: Tensor

    def __init__(self, generator: Generator, classes: int, truncation: float) -> None:
        super().__init__(generator, classes)
        self.truncation = truncation
        self.register_buffer("tried", torch.tensor(max(1, classes)))

    def split(self, z: Tensor) -> tuple[Tensor, Tensor | None]:
        """The generator's own latents [N,D] and classes int64 [N], of those that an image had."""
        own, y = super().split(z)
        return own, None if y is None else y % self.tried

    def latents(self, y: Tensor, generator: torch.Generator) -> Tensor:
        """Draw a latent [N,D] or [N,D+1] for each place in y [N], on the CPU."""
        low, high = torch.special.ndtr(torch.tensor([-self.truncation, self.truncation])).tolist()
        share = torch.rand(len(y), self.latent_dim, generator=generator)
        d = self.generator.latent_dim
        share[:, :d] = low + (high - low) * share[:, :d]
        return torch.special.ndtri(share.clamp(1e-6, 1 - 1e-6))


class BSA(Adaptation):
    """Scales and shifts, and a latent for each image, by reconstruction."""

    name = "bsa"
    Settings = BSASettings
    settings: BSASettings

    def __init__(self, settings: BSASettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        norms = [layer for layer in self.lent.modules() if isinstance(layer, LabelNorm)]
        if not norms:
            raise InputError(
                f"bsa learns scales and shifts, and trunk {settings.trunk!r} normalises nothing: "
                "adapt a run on another trunk, or by another method"
            )
        self.lent.requires_grad_(False)
        self.tables = [t for norm in norms for t in (norm.scale, norm.shift)]
        self.images = nn.Parameter(torch.zeros(settings.slots, self.lent.latent_dim))
        for i, table in enumerate(self.tables):
            table.requires_grad_(True)
            self.register_buffer(f"source{i}", table.detach().clone())
        learned = [*self.tables, self.images]
        self.optimizers = {"g": torch.optim.Adam(learned, settings.g_lr, fused=True)}
        self.see = Eyes(spec.channels)

    @property
    def remarks(self) -> dict[str, str]:
        """What it looks through."""
        return {"images are compared by": str(self.see)}

    @classmethod
    def make_sampler(cls, settings: Any, spec: ImageSpec) -> Truncated:  # type: ignore[override]
        """The source's generator, drawn from its middle."""
        plain = super().make_sampler(settings, spec)
        return Truncated(plain.generator, plain.drawn, settings.truncation)

    def check(self, images: ImageSet) -> None:
        """Make sure that each image finds a latent of its own."""
        if len(images) > self.settings.slots:
            raise InputError(
                f"{len(images)} images, and latents for {self.settings.slots}: give fewer "
                f"--shots, or --slots {len(images)}"
            )

    def begin(self, feed: Feed, averaged: nn.Module) -> None:
        """Remember the scales and shifts of the source, and how many of its classes are tried."""
        count: Any = min(max(1, self.settings.source_classes), len(feed.images))
        for sampler in (self.generator, averaged):
            sampler.tried.fill_(count)  # type: ignore[operator]
        for i, table in enumerate(self.tables):
            getattr(self, f"source{i}").copy_(table.detach())

    def step(self, feed: Feed, also: Any = None) -> Terms:
        """One step towards drawing the images."""
        self.adopted = None
        self.steps_done += 1
        shown = feed.images
        chosen = (feed.uniform() * len(shown)).long().to(shown.labels.device)
        feed.seen += feed.batch_size
        x = to_float(shown.images[chosen])
        z = self.images[chosen]
        # The classes of the source are tried in turn, each image with its own; each class has its
        # own scales and shifts, so that one which no image has would be drawn as in the source.
        y = chosen % self.settings.source_classes if self.settings.source_classes else None
        self.lent.eval()
        made = self.lent(z + NOISE * feed.normal(self.lent.latent_dim), y)
        seen, real = self.see(made), self.see(x)
        terms = {
            "pixel": (made - x).abs().mean(),
            "perceptual": self.settings.perceptual
            * torch.stack([(a - b).abs().sum() for a, b in zip(seen, real, strict=True)]).sum()
            / len(x),
            "earth-mover": self.settings.earth_mover * self._earth_mover(feed),
            "stay": self.settings.stay * self._moved(),
        }
        self.descend("g", terms)
        return logged(g=terms)

    def _earth_mover(self, feed: Feed) -> Tensor:
        """How far the latents in use are from normal ones."""
        used = self.images[: len(feed.images)]
        normal = torch.cat([feed.normal(used.shape[1]) for _ in range(SAMPLES)])
        distance = torch.cdist(normal[: SAMPLES * len(used)], used).square()
        return distance.amin(1).mean() + distance.amin(0).mean()

    def _moved(self) -> Tensor:
        """Mean squared change of scales and shifts, over layers."""
        pairs = ((table, getattr(self, f"source{i}")) for i, table in enumerate(self.tables))
        return torch.stack([(now - then).square().mean() for now, then in pairs]).mean()
