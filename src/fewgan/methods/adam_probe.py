"""adam-probe (adapt): probe which kernels the target needs; those are modulated, the others learn.

Zhao, Chandrasegaran, Abdollahzadeh & Cheung, "Few-shot image generation via adaptation-aware kernel
modulation", NeurIPS 2022 (AdAM). Each weight W, of generator and discriminator, can be read through
a change of rank one, v having a number for each kernel (what draws one map) and u one for each of
its places:

    W * (1 + v u^T)

1. Probe, for `probe_steps`: only u, v, biases and the discriminator's head learn.
2. Ask: Fisher information of u and v on what is drawn; a kernel's is F_v plus the mean of F_u.
3. Adapt, from the source again: kernels above rank `modulate_above` keep W and learn u and v; the
   others learn W, and have no u and v.

In contrast to `rick` and `ewc-few`, what matters is asked of the *target*: the information is that
of weights that have begun to move towards it. The authors' code orders v by other indices than the
kernels' where kernels are larger than one place; here v is a kernel's own.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import logsigmoid

from fewgan.data.feed import Feed
from fewgan.losses.diffaugment import diffaugment
from fewgan.losses.fisher import fisher_information
from fewgan.methods.adaptation import Adaptation, AdaptationSettings, Unlabelled
from fewgan.methods.base import Rate, Terms
from fewgan.methods.elastic import importance_to_judge
from fewgan.methods.gan import Judged
from fewgan.methods.kernels import kernel_axes, kernel_kinds, ranks, spread
from fewgan.networks.build import Generator, ImageSpec

SMALL = 1e-7  # size of u and v at first, as the authors have it


class AdAMSettings(AdaptationSettings):
    """Settings of `adam-probe`: how long to probe, and which kernels are modulated."""

    probe_steps: int = Field(500, ge=1)
    """Steps of the probe, which come before those of the adaptation."""
    probe_samples: int = Field(1000, ge=1)
    """Samples whose gradients tell which kernels matter."""
    modulation_lr: Rate = 0.002
    """Learning rate of u and v (Adam), the paper's. What they change is their product, which at the
    rate of the weights would stay next to nothing."""
    modulate_above: float = Field(0.5, ge=0, le=1)
    """Rank above which a kernel is modulated, and not trained itself."""


class Modulation(nn.Module):
    """How a network's kernels are read: through u and v, or as they are.

    Args:
        network: The network.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.axes, self.kinds = kernel_axes(network), kernel_kinds(network)
        weights = dict(network.named_parameters())
        self.u, self.v = nn.ParameterList(), nn.ParameterList()
        for i, (name, axis) in enumerate(self.axes.items()):
            kernels = weights[name].shape[axis]
            self.u.append(SMALL * torch.randn(weights[name].numel() // kernels))
            self.v.append(SMALL * torch.randn(kernels))
            self.register_buffer(f"modulated{i}", torch.ones(kernels, dtype=torch.bool))

    def modulated(self, i: int) -> Tensor:
        """Which kernels of the i-th weight are modulated, bool [out]."""
        chosen: Tensor = getattr(self, f"modulated{i}")
        return chosen

    def read(
        self, network: nn.Module, factors: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """The network's weights as they are read; gradients reach what is to learn, and no more.

        Args:
            network: The network.
            factors: In place of `u.<i>` and `v.<i>`, by these names.
        """
        factors = factors or dict(self.named_parameters())
        weights, found = dict(network.named_parameters()), {}
        for i, (name, axis) in enumerate(self.axes.items()):
            weight, chosen = weights[name], spread(self.modulated(i), weights[name], axis)
            shape = weight.movedim(axis, 0).shape
            change = torch.outer(factors[f"v.{i}"], factors[f"u.{i}"])
            read = weight.detach() * (1 + change.view(shape).movedim(0, axis))
            found[name] = torch.where(chosen, read, weight)
        return found

    @torch.no_grad()
    def choose(self, information: Mapping[str, Tensor], above: float) -> None:
        """Go on with the kernels above a rank, and begin their modulation anew.

        Args:
            information: Of `u.<i>` and `v.<i>`, by these names.
            above: Rank in [0, 1].
        """
        kernels = {
            name: information[f"v.{i}"] + information[f"u.{i}"].mean()
            for i, name in enumerate(self.axes)
        }
        for i, rank in enumerate(ranks(kernels, self.kinds).values()):
            self.modulated(i).copy_(rank >= above)
            self.u[i].normal_(0, SMALL)
            self.v[i].normal_(0, SMALL)


class Probed(Unlabelled):
    """A generator whose kernels are read through their modulation."""

    lends = False

    def __init__(self, generator: Generator, classes: int) -> None:
        super().__init__(generator, classes)
        self.modulation = Modulation(generator)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images [N,C,S,S] in [-1, 1] for latents z; labels y of the target are not looked at."""
        images: Tensor = functional_call(
            self.generator, self.modulation.read(self.generator), self.split(z)
        )
        return images


class AdAM(Adaptation):
    """A probe, and then the game, in which each kernel learns or is modulated."""

    name = "adam-probe"
    Settings = AdAMSettings
    settings: AdAMSettings
    steps = 2000

    def __init__(self, settings: AdAMSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        self.of_d = Modulation(self.discriminator.trunk)
        rate = {"lr": settings.modulation_lr}
        self.optimizers["d"].add_param_group({"params": list(self.of_d.parameters()), **rate})
        groups: list[dict[str, Any]] = [
            {"params": self.lent.parameters()},
            {"params": self.of_g.parameters(), **rate},
        ]
        betas = settings.beta1, settings.beta2
        self.optimizers["g"] = torch.optim.Adam(groups, settings.g_lr, betas, fused=True)

    @classmethod
    def make_sampler(cls, settings: Any, spec: ImageSpec) -> Probed:  # type: ignore[override]
        """The source's generator, modulated."""
        plain = super().make_sampler(settings, spec)
        return Probed(plain.generator, plain.drawn)

    @property
    def of_g(self) -> Modulation:
        """How the generator's kernels are read."""
        return cast(Probed, self.generator).modulation

    def step(self, feed: Feed, also: Any = None) -> Terms:
        """One step of the probe or of the game; between the two, which kernels are modulated."""
        done, probe = int(self.steps_done), self.settings.probe_steps
        if done == probe:
            self._choose(feed)
        for network in (self.lent, self.discriminator.trunk):
            for name, value in network.named_parameters():
                value.requires_grad_(done >= probe or name.endswith("bias"))
        return super().step(feed, also)

    def _judge(self, feed: Feed, x: Tensor, y: Tensor, z: Tensor | None = None) -> Judged:
        x = diffaugment(x, self.policy, feed.uniform)
        return Judged(self.realness(x, y), y, x, z)

    def realness(self, x: Tensor, y: Tensor | None) -> Tensor:
        """How real the discriminator finds images x [N,C,H,W], through its modulation: [N]."""
        return self._judged(x, self.of_d.read(self.discriminator.trunk))

    def _judged(self, x: Tensor, read: Mapping[str, Tensor]) -> Tensor:
        weights = {f"trunk.{name}": value for name, value in read.items()}
        verdict: Tensor = functional_call(self.discriminator, weights, (x,))
        return verdict

    def _choose(self, feed: Feed) -> None:
        """Ask which kernels mattered to the probe, and forget the moments of its updates."""
        sampler, count = cast(Probed, self.generator), self.settings.probe_samples
        batches = range(ceil(count / feed.local_batch_size))
        drawn = [(feed.batch()[0], feed.normal(sampler.latent_dim)) for _ in batches]
        x, z = (torch.cat(parts)[:count] for parts in zip(*drawn, strict=True))
        self.eval()
        with torch.no_grad():
            made = sampler(z)
        self.of_g.choose(self._of_generator(z), self.settings.modulate_above)
        self.of_d.choose(self._of_discriminator(x, made), self.settings.modulate_above)
        self.train()
        for optimizer in self.optimizers.values():
            optimizer.state.clear()

    def _of_generator(self, z: Tensor) -> dict[str, Tensor]:
        """Information of the generator's u and v: how real its images are found."""
        sampler = cast(Probed, self.generator)
        judge = {n: w.detach() for n, w in self.of_d.read(self.discriminator.trunk).items()}

        def log_likelihood(factors: dict[str, Tensor], z: Tensor) -> Tensor:
            read = sampler.modulation.read(sampler.generator, factors)
            image = functional_call(sampler.generator, read, sampler.split(z[None]))
            return logsigmoid(self._judged(image, judge)).sum()

        factors = {name: value.detach() for name, value in self.of_g.named_parameters()}
        return fisher_information(log_likelihood, factors, z)

    def _of_discriminator(self, x: Tensor, made: Tensor) -> dict[str, Tensor]:
        """Information of the discriminator's u and v, on pairs of real and drawn images."""

        def judged(factors: Mapping[str, Tensor], x: Tensor) -> Tensor:
            return self._judged(x, self.of_d.read(self.discriminator.trunk, factors))

        return importance_to_judge(judged, dict(self.of_d.named_parameters()), x, made)
