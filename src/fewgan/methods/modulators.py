"""modulators (keep learning): one frozen base, and small weight modulators for each experience.

Cong, Zhao, Li, Wang & Carin, "GAN memory with no forgetting", NeurIPS 2020. The first experience
trains the base. From then on the base is frozen, and an experience learns only how to read it:

    W_e = W + Ŵ G_e + B_e     for weights,   Ŵ = (W - mean) / std over the taps of each kernel
    b_e = b + o_e             for all else: biases, scales and shifts of the normalisation

with one number of G_e and B_e for each pair of channels (for each row of a fully connected layer),
all 0 at first, so that an experience begins at the base. In the paper's terms Γ = std + G and
β = mean + B. With `rank` r, G_e and B_e are products of factors of rank r, and smaller still.

The discriminator is carried on. What earlier experiences read with is never touched again: their
images come back bit by bit, and backward transfer is exactly 0. The price is memory for each
experience, and a base that has only seen the first one.
"""

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call

from fewgan.data.feed import Feed
from fewgan.methods.strategy import Strategy, StrategySettings
from fewgan.networks.build import Generator, ImageSpec
from fewgan.networks.grow import grow


class ModulatorsSettings(StrategySettings):
    """Settings of `modulators`: how much an experience may change."""

    rank: int = Field(0, ge=0)
    """Rank of the changes of each layer, over pairs of channels; 0: any."""


class Change(nn.Module):
    """A tensor that starts at 0; of a matrix, optionally the product of two factors.

    Args:
        shape: Its shape.
        rank: Rank of the product, for a matrix; 0 for the tensor itself.
    """

    def __init__(self, shape: torch.Size, rank: int) -> None:
        super().__init__()
        self.factored = len(shape) == 2 and 0 < rank < min(shape)
        if self.factored:
            self.left = nn.Parameter(torch.zeros(shape[0], rank))
            self.right = nn.Parameter(torch.randn(rank, shape[1]) / rank**0.5)
        else:
            self.whole = nn.Parameter(torch.zeros(shape))

    def forward(self) -> Tensor:
        """The tensor."""
        return self.left @ self.right if self.factored else self.whole


class WeightModulator(nn.Module):
    """How one experience reads a weight [A,B,k,k] of a convolution, or [A,B] of a linear layer."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        self.taps = tuple(range(weight.ndim))[max(1, weight.ndim - 2) :]
        shape = weight.shape[: self.taps[0]]
        self.scale, self.shift = Change(shape, rank), Change(shape, rank)

    def forward(self, weight: Tensor) -> Tensor:
        """The weight as this experience reads it."""
        std, mean = torch.std_mean(weight, self.taps, correction=0, keepdim=True)
        scale, shift = (change().view_as(mean) for change in (self.scale, self.shift))
        # Of a 1x1 kernel the deviation is 0, and so is what it is divided into.
        return torch.addcmul(weight + shift, (weight - mean) / (std + 1e-8), scale)


class Offset(Change):
    """How one experience reads any other parameter: moved."""

    def forward(self, value: Tensor) -> Tensor:  # type: ignore[override]
        """The parameter as this experience reads it."""
        return value + self.whole


class Modulator(nn.Module):
    """All that one experience adds to a base, which it reads and never changes."""

    def __init__(self, base: nn.Module, rank: int) -> None:
        super().__init__()
        weights = {
            f"{name}.weight"
            for name, layer in base.named_modules()
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
        }
        self.names = [name for name, _ in base.named_parameters()]
        self.parts = nn.ModuleList(
            WeightModulator(value, rank) if name in weights else Offset(value.shape, 0)
            for name, value in base.named_parameters()
        )

    def forward(self, base: nn.Module) -> dict[str, Tensor]:
        """The parameters of the base by name, as this experience reads them."""
        values = dict(base.named_parameters())
        pairs = zip(self.names, self.parts, strict=True)
        return {name: part(values[name].detach()) for name, part in pairs}


class Modulated(nn.Module):
    """A generator that is read differently by each experience; the first one reads it as it is.

    Args:
        base: The generator.
        rank: Rank of the changes.
    """

    number: Tensor

    def __init__(self, base: Generator, rank: int) -> None:
        super().__init__()
        self.base, self.classes, self.latent_dim = base, base.classes, base.latent_dim
        # No stream has more experiences than classes, and the first one needs no modulator.
        self.modulators = nn.ModuleList(Modulator(base, rank) for _ in range(base.classes - 1))
        self.register_buffer("number", torch.zeros(base.classes, dtype=torch.long))

    def latents(self, y: Tensor, generator: torch.Generator) -> Tensor:
        """Those of the base."""
        return self.base.latents(y, generator)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Images [N,C,S,S] for latents z [N,D] and classes y int64 [N], each by its experience."""
        numbers, order = self.number[y].sort(stable=True)
        present, counts = (part.tolist() for part in numbers.unique(return_counts=True))
        parts = zip(present, z[order].split(counts), y[order].split(counts), strict=True)
        return torch.cat([self._drawn(*part) for part in parts])[order.argsort()]

    def _drawn(self, number: int, z: Tensor, y: Tensor) -> Tensor:
        read = self.modulators[number - 1](self.base) if number else {}
        self.base.train(self.training and not number)  # running statistics are frozen as well
        images: Tensor = functional_call(self.base, read, (z, y))
        return images


class Modulators(Strategy):
    """The wrapped GAN, whose generator is frozen after the first experience, and modulated."""

    name = "modulators"
    Own = ModulatorsSettings
    taught = False

    def __init__(self, settings: ModulatorsSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        learner: Any = self.learner
        learner.generator = Modulated(learner.generator, settings.rank)
        added = self.sampler.modulators.parameters()
        self.optimizers["g"].add_param_group({"params": list(added)})

    @property
    def sampler(self) -> Modulated:
        """The wrapped GAN's, modulated."""
        modulated: Any = self.learner.sampler
        return modulated

    @classmethod
    def make_sampler(cls, settings: Any, spec: ImageSpec) -> Modulated:
        """The wrapped GAN's, modulated."""
        return Modulated(cls.gan.make_sampler(settings, spec), settings.rank)

    def recollect(self, sampler: nn.Module, old: int, new: int) -> None:
        """A plain generator becomes the base; of a modulated one the modulators come with it."""
        theirs, own = sampler.state_dict(), self.sampler
        into = own.state_dict() if isinstance(sampler, Modulated) else own.base.state_dict()
        later = [n for n in into if n.startswith("modulators.") and n not in theirs]
        grow({n: value for n, value in into.items() if n not in later}, theirs, old, new)

    def begin(self, feed: Feed, averaged: nn.Module) -> None:
        """Freeze what samples are drawn from, and give new classes a modulator of their own."""
        super().begin(feed, averaged)
        number = self.sampler.number
        if self.old.any():
            self.sampler.load_state_dict(averaged.state_dict())
            number[self.now & ~self.old] = number.max() + 1

    @property
    def bytes_kept(self) -> int:
        """The modulators that are in use."""
        used = self.sampler.modulators[: int(self.sampler.number.max())]
        return sum(value.nbytes for value in used.parameters())
