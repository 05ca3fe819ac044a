"""figr (meta-train): Reptile on both players of a Wasserstein game, with networks made for it.

Clouatre & Demers, "FIGR: few-shot image generation with Reptile", 2019. A task is a class, of which
a few images x are seen at every one of its inner steps; both players learn it by plain gradient
descent, and move towards where it left them by Adam on their displacement:

    D descends  (E D(G(z)) - E D(x)) / 2  +  10 E (‖grad D(x')‖ - 1)^2
    G descends  -E D(G(z))

No layer looks at a batch: layer norm and PReLU throughout, which a few images leave in peace. So a
new class is learned by the generator itself, in its inner steps; nothing is shared but a place to
begin. The slope is that of all pixels and channels of an image; the released code takes it over
channels alone (`--penalty-axes channels`). There the critic has the other sign, which is the same
game.
"""

import itertools
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import interpolate

from fewgan.data.feed import Feed
from fewgan.errors import InputError
from fewgan.losses.penalties import gradient_penalty
from fewgan.methods.base import Rate, Terms, Weight, logged
from fewgan.methods.gan import frozen
from fewgan.methods.meta import MetaMethod, MetaSettings
from fewgan.networks.build import ImageSpec
from fewgan.networks.precision import Mixed

SIZES = (16, 32, 64)


class FIGRSettings(MetaSettings):
    """Settings of `figr`: the width of its networks, and the paper's rates."""

    width: int = Field(16, ge=4, le=1024)
    """Channels next to the image (64 in the paper)."""
    latent_dim: int = Field(100, ge=1, le=4096)
    """Length of the latent vector, drawn from a standard normal."""
    inner_lr: Rate = 1e-3
    """Learning rate of both players inside a task (plain gradient descent)."""
    inner_steps: int = Field(10, ge=1, le=1000)
    """Steps in which a task is learned."""
    epsilon: Rate = 1e-4
    """Rate of the outer optimiser; it falls as learning rates do."""
    outer: Literal["sgd", "adam"] = "adam"
    """Outer optimiser: plain interpolation, or Adam on the displacement."""
    penalty_weight: Weight = 10.0
    """Weight of the gradient penalty."""
    penalty_axes: Literal["image", "channels"] = "image"
    """What a slope's norm is taken over: an image, or as in the released code each pixel's
    channels."""


class LayerNorm(nn.GroupNorm):
    """Layer norm over channels and places of a map, with a scale and a shift a channel."""

    def __init__(self, channels: int) -> None:
        super().__init__(1, channels)


class FIGRGenerator(Mixed):
    """Latent to image: convolutions 5x5, each after a PReLU and a layer norm, and doublings.

    Args:
        settings: The networks' settings.
        spec: The images to make.

    Raises:
        InputError: It has no such size.
    """

    classes = 0

    def __init__(self, settings: FIGRSettings, spec: ImageSpec) -> None:
        super().__init__()
        widths = _widths(settings, spec)[::-1]
        self.latent_dim, self.first = settings.latent_dim, widths[0]
        self.project = nn.Linear(settings.latent_dim, 4 * widths[0])
        self.begin = nn.Sequential(nn.PReLU(widths[0]), LayerNorm(widths[0]))
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 5, padding=2), nn.PReLU(b), LayerNorm(b))
            for a, b in itertools.pairwise(widths)
        )
        self.image = nn.Conv2d(widths[-1], spec.channels, 5, padding=2)

    def latents(self, y: Tensor, generator: torch.Generator) -> Tensor:
        """Draw a latent [N,D] for each place in y [N], on the CPU."""
        return torch.randn(len(y), self.latent_dim, generator=generator)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images [N,C,S,S] in [-1, 1] for latents z [N,D]."""
        with self.arithmetic(z):
            h = self.begin(self.project(z).view(-1, self.first, 2, 2))
            for stage in self.stages:
                h = interpolate(stage(h), scale_factor=2)
            return torch.tanh(self.image(h)).to(z.dtype)


class FIGRCritic(Mixed):
    """Image to value [N]: convolutions 5x5, each before a layer norm and a PReLU, and halvings."""

    def __init__(self, settings: FIGRSettings, spec: ImageSpec) -> None:
        super().__init__()
        widths = _widths(settings, spec)
        self.stages = nn.Sequential(*_stage(spec.channels, widths[0]))
        for a, b in itertools.pairwise(widths):
            self.stages.extend([*_stage(a, b), nn.AvgPool2d(2)])
        self.value = nn.Linear(4 * widths[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Values [N] of images [N,C,S,S] in [-1, 1]."""
        with self.arithmetic(x):
            h = self.stages(x).flatten(1)
        return self.value(h.to(x.dtype)).squeeze(1)


def _stage(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 5, padding=2), LayerNorm(outputs), nn.PReLU(outputs)]


def _widths(settings: FIGRSettings, spec: ImageSpec) -> list[int]:
    """Channels at each side from the image's to 2, doubling."""
    if spec.size not in SIZES:
        sizes = ", ".join(map(str, SIZES))
        raise InputError(f"figr has no size {spec.size}: give --size one of {sizes}")
    return [settings.width << i for i in range(spec.size.bit_length() - 1)]


class FIGR(MetaMethod):
    """Both players learn tasks."""

    name = "figr"
    Settings = FIGRSettings
    settings: FIGRSettings
    same_images = True

    def __init__(self, settings: FIGRSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        self.generator = self.make_sampler(settings, spec)
        self.critic = FIGRCritic(settings, spec)
        players = {"d": self.critic, "g": self.generator}
        rate = settings.inner_lr
        self.learn_tasks({n: torch.optim.SGD(p.parameters(), rate) for n, p in players.items()})

    @classmethod
    def make_sampler(cls, settings: Any, spec: ImageSpec) -> FIGRGenerator:
        """The generator."""
        return FIGRGenerator(settings, spec)

    @property
    def sampler(self) -> nn.Module:
        """The generator."""
        return self.generator

    @property
    def learners(self) -> dict[str, nn.Module]:
        """Both players."""
        return {"d": self.critic, "g": self.generator}

    def inner_step(self, feed: Feed, x: Tensor, other: Tensor | None) -> Terms:
        """A step of the critic, and one of the generator."""
        z = feed.normal(self.generator.latent_dim)
        made = self.generator(z)
        fake = made.detach()
        d_terms = {
            "adversarial": 0.5 * (self.critic(fake).mean() - self.critic(x).mean()),
            "penalty": self.settings.penalty_weight * self._penalty(feed, x, fake),
        }
        self.descend("d", d_terms)
        with frozen(self.critic):
            g_terms = {"adversarial": -self.critic(made).mean()}
            self.descend("g", g_terms)
        return logged(d=d_terms, g=g_terms)

    def _penalty(self, feed: Feed, x: Tensor, fake: Tensor) -> Tensor:
        axes = (1, 2, 3) if self.settings.penalty_axes == "image" else (1,)
        return gradient_penalty(self.critic, x, fake, feed.uniform(), axes=axes)
