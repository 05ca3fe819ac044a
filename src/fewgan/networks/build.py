"""Put trunk, label injection and head together from settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from fewgan.errors import InputError
from fewgan.networks import dcgan, resnet, stylegan2
from fewgan.networks.heads import Head, RealFake
from fewgan.networks.labels import LabelInjection, Labels, Norm
from fewgan.networks.norms import InstanceNorm
from fewgan.networks.precision import Mixed

DNorm = Literal["batch", "layer", "instance", "none"]


@dataclass(frozen=True)
class ImageSpec:
    """What a network must know of its images: channels (1 or 3), side in pixels, classes (or 0)."""

    channels: int
    size: int
    classes: int


class NetworkSettings(BaseModel):
    """The networks of a two-player method. A trunk, a way in for the label, and their sizes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    trunk: Literal["dcgan", "dcgan-selu", "resnet", "stylegan2"] = "dcgan"
    """Architecture of both networks: DCGAN, the same with self-normalising units, the residual
    networks of SNGAN, or StyleGAN2."""
    width: int = Field(32, ge=4, le=1024)
    """Base number of channels of the generator."""
    d_width: int | None = Field(None, ge=4, le=1024)
    """Base number of channels of the discriminator; that of the generator when left out."""
    latent_dim: int = Field(128, ge=1, le=4096)
    """Length of the latent vector, drawn from a standard normal."""
    labels: Labels = "norm"
    """How the label enters the generator."""
    norm: Norm = "batch"
    """Statistics of the generator's normalisation: over the batch, or per image."""
    d_norm: DNorm = "none"
    """Normalisation of the discriminator's maps; over a batch, real and fake maps differ in it."""
    spectral: bool = True
    """Spectral normalisation of the discriminator's trunk (Miyato et al. 2018)."""
    spectral_head: bool = False
    """That of its head too; a head without learns how steep its answers are."""


@dataclass(frozen=True)
class Trunk:
    """A pair of trunks, the image sizes that they are made for, and what they cannot be asked."""

    generator: Callable[..., nn.Module]
    discriminator: Callable[..., nn.Module]
    sizes: tuple[int, ...]
    needs: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Settings of networks that it knows few values of, and those values, the best one first."""


TRUNKS = {
    "dcgan": Trunk(dcgan.DCGANGenerator, dcgan.DCGANDiscriminator, (16, 32, 64, 128)),
    "dcgan-selu": Trunk(
        dcgan.SELUGenerator,
        dcgan.SELUDiscriminator,
        (16, 32, 64, 128),
        {"labels": ("embedding", "concat", "none"), "d_norm": ("none",)},
    ),
    "resnet": Trunk(resnet.ResNetGenerator, resnet.ResNetDiscriminator, (32, 64)),
    "stylegan2": Trunk(
        stylegan2.StyleGAN2Generator,
        stylegan2.StyleGAN2Discriminator,
        (32, 64, 128),
        {  # neither of its networks normalises anything
            "labels": ("embedding", "concat", "none"),
            "d_norm": ("none",),
            "spectral": (False,),
        },
    ),
}

D_NORMS: dict[DNorm, Callable[[int], nn.Module]] = {
    "none": lambda channels: nn.Identity(),
    "batch": nn.BatchNorm2d,
    "layer": lambda channels: nn.GroupNorm(1, channels),
    "instance": InstanceNorm,
}


def trunk_for(settings: NetworkSettings, size: int) -> Trunk:
    """The trunk of the settings, checked to exist at this size.

    Raises:
        InputError: The trunk is not made for images of `size` pixels, or not for these settings.
    """
    trunk = TRUNKS[settings.trunk]
    if size not in trunk.sizes:
        sizes = ", ".join(map(str, trunk.sizes))
        raise InputError(f"trunk {settings.trunk!r} has no size {size}: give --size one of {sizes}")
    given = settings.model_dump()
    lacking = {name: known[0] for name, known in trunk.needs.items() if given[name] not in known}
    if lacking:
        flags = [f"--no-{n}" if v is False else f"--{n} {v}" for n, v in lacking.items()]
        raise InputError(
            f"trunk {settings.trunk!r} normalises nothing, and a label cannot enter there: give "
            f"{' '.join(flags).replace('_', '-')}, and --r1 to hold the discriminator"
        )
    return trunk


class Generator(Mixed):
    """A trunk with a label's way in: (latent, class) to image.

    Its `classes` is the number of classes that it can be asked for, 0 when it is unconditional.

    Args:
        settings: The networks' settings.
        spec: The images to make.

    Raises:
        InputError: The trunk has no such size, or the labels need classes that the data lack.
    """

    def __init__(self, settings: NetworkSettings, spec: ImageSpec) -> None:
        super().__init__()
        _check_classes(settings.labels != "none", spec)
        self.latent_dim = settings.latent_dim
        self.classes = 0 if settings.labels == "none" else spec.classes
        self.labels = LabelInjection(settings.labels, spec.classes, settings.norm)
        self.trunk = trunk_for(settings, spec.size).generator(
            settings.latent_dim + self.labels.extra_dim,
            spec.channels,
            spec.size,
            settings.width,
            self.labels.make_norm,
        )
        channels_last(self)

    def latents(self, y: Tensor, generator: torch.Generator) -> Tensor:
        """Draw a latent [N,D] for each label in y int64 [N], on the CPU whatever the device."""
        return torch.randn(len(y), self.latent_dim, generator=generator)

    def forward(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Images [N,C,S,S] in [-1, 1] for latents z [N,D] and classes y int64 [N]."""
        with self.arithmetic(z):
            return self.trunk(self.labels.join(z, y), y).to(z.dtype)


class Discriminator(Mixed):
    """A trunk with a head: (image, class) to whatever the head answers.

    Args:
        settings: The networks' settings.
        spec: The images to judge.
        head: The kind of head, and keyword arguments for it.
        plain: Have a second head, `plain`, that tells real from fake whatever the class.

    Raises:
        InputError: The trunk has no such size, or the head needs classes that the data lack.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        spec: ImageSpec,
        head: type[Head],
        *,
        plain: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        _check_classes(head.labelled, spec)
        wrap = spectral_norm if settings.spectral else _as_is
        wrap_head = spectral_norm if settings.spectral and settings.spectral_head else _as_is
        width = settings.d_width or settings.width
        make = trunk_for(settings, spec.size).discriminator
        trunk: Any = make(
            spec.channels,
            spec.size,
            width,
            D_NORMS[settings.d_norm],
            wrap,
            head.joins(spec.classes, **options),
        )
        self.trunk = trunk
        self.head = head(trunk.features, spec.classes, wrap_head, **options)
        self.plain = RealFake(trunk.features, 0, wrap_head) if plain else None
        channels_last(self)

    def features(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Features [N,F] of images x [N,C,S,S] in [-1, 1]."""
        with self.arithmetic(x):
            h = x
            for i, stage in enumerate(self.trunk.stages):
                h = stage(self.head.join(h, y) if i == self.head.stage else h)
            return self.trunk.pool(h).to(x.dtype)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Any:
        """The head's answer for images x [N,C,S,S] in [-1, 1] and classes y int64 [N]."""
        return self.head(self.features(x, y), y)


def _check_classes(labelled: bool, spec: ImageSpec) -> None:
    if labelled and not spec.classes:
        raise InputError(
            "this method needs labelled images, and these have no classes: "
            "put them in one sub-folder a class, or use an unconditional method such as dcgan"
        )


def channels_last(module: nn.Module) -> None:
    """Lay out the weights of convolutions channels-last, which is faster on CPUs and new GPUs."""
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _as_is(module: nn.Module) -> nn.Module:
    return module
