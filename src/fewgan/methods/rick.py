"""rick (adapt): kernels that mattered are kept, the least important are removed, the others learn.

Zhao, Du, Abdollahzadeh, Pang, Lin, Yan & Cheung, "Exploring incompatible knowledge transfer in
few-shot image generation", CVPR 2023 (removing in-compatible knowledge). A kernel is all weights
that draw one map. Every `estimate_every` steps, in the generator and in the discriminator's trunk
alike, each gets its Fisher information F, the mean over its weights, and by its rank among all of
its network's convolutions, or of its linear layers,

    the top  1 - keep_above     is frozen until the next estimate
    the last `prune_below`      is set to zero, for good
    all between                 is fine-tuned

so that what the source knew and the target needs stays, and what fits no target image goes. At
first only the discriminator's head learns, for `warm_up` steps.
"""

import copy
from collections.abc import Mapping
from typing import Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call

from fewgan.data.feed import Feed
from fewgan.methods.adaptation import Adaptation, AdaptationSettings, Unlabelled
from fewgan.methods.base import Terms
from fewgan.methods.elastic import importance, importance_to_judge
from fewgan.methods.kernels import kernel_axes, kernel_kinds, per_kernel, ranks, spread
from fewgan.networks.build import ImageSpec


class RICKSettings(AdaptationSettings):
    """Settings of `rick`: which kernels are kept, which go, and how often that is asked."""

    keep_above: float = Field(0.5, ge=0, le=1)
    """Rank above which kernels are frozen."""
    prune_below: float = Field(0.001, ge=0, le=1)
    """Rank below which kernels are set to zero."""
    estimate_every: int = Field(50, ge=1)
    """Steps from one estimate to the next."""
    estimate_batches: int = Field(5, ge=1)
    """Batches whose samples make an estimate."""
    warm_up: int = Field(250, ge=0)
    """Steps in which only the discriminator's head learns."""


class Chosen(nn.Module):
    """A network's kernels that are frozen, with their values, and those that are pruned.

    Args:
        network: The network.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.axes = kernel_axes(network)
        self.kept = copy.deepcopy(network).requires_grad_(False)
        weights = dict(network.named_parameters())
        self.places = list(self.axes)
        for i, name in enumerate(self.places):
            none = torch.zeros(weights[name].shape[self.axes[name]], dtype=torch.bool)
            self.register_buffer(f"frozen{i}", none)
            self.register_buffer(f"pruned{i}", none.clone())

    def choose(
        self, network: nn.Module, information: Mapping[str, Tensor], keep: float, prune: float
    ) -> None:
        """Freeze and prune by the information of a network's weights, from where it is now."""
        self.kept.load_state_dict(network.state_dict())
        place = ranks(per_kernel(information, self.axes), kernel_kinds(network))
        for i, name in enumerate(self.places):
            rank = place[name]
            getattr(self, f"frozen{i}").copy_(rank >= keep)
            getattr(self, f"pruned{i}").logical_or_(rank < prune)

    @torch.no_grad()
    def hold(self, network: nn.Module) -> None:
        """Put frozen kernels back to what they were, and pruned ones to zero."""
        weights, kept = dict(network.named_parameters()), dict(self.kept.named_parameters())
        for i, name in enumerate(self.places):
            weight, axis = weights[name], self.axes[name]
            frozen, pruned = (
                spread(getattr(self, f"{which}{i}"), weight, axis) for which in ("frozen", "pruned")
            )
            weight.copy_(torch.where(frozen, kept[name], weight).masked_fill_(pruned, 0.0))


class RICK(Adaptation):
    """The game, in which each kernel learns, stays or goes."""

    name = "rick"
    Settings = RICKSettings
    settings: RICKSettings

    def __init__(self, settings: RICKSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        self.of_g, self.of_d = Chosen(self.lent), Chosen(self.discriminator.trunk)

    def step(self, feed: Feed, also: Any = None) -> Terms:
        """One step of the game, and what was chosen put back."""
        done, settings = int(self.steps_done), self.settings
        learning = done >= settings.warm_up
        self.discriminator.trunk.requires_grad_(learning)
        if learning and (done - settings.warm_up) % settings.estimate_every == 0:
            self._estimate(feed)
        terms = super().step(feed, also)
        if learning:
            self.of_g.hold(self.lent)
            self.of_d.hold(self.discriminator.trunk)
        return terms

    def descend(self, player: str, terms: Terms) -> None:
        """Update a player; the generator waits until the discriminator's head is warm."""
        # This step has counted itself already.
        if player != "g" or int(self.steps_done) > self.settings.warm_up:
            super().descend(player, terms)

    def _estimate(self, feed: Feed) -> None:
        """Ask which kernels matter, on what is drawn and on the few images."""
        sampler = cast(Unlabelled, self.generator)
        batches = [
            (feed.batch()[0], feed.normal(sampler.latent_dim))
            for _ in range(self.settings.estimate_batches)
        ]
        real, latents = (torch.cat(parts) for parts in zip(*batches, strict=True))
        self.eval()
        z, y = sampler.split(latents)
        with torch.no_grad():
            made = sampler(latents)
        of_g = importance(self.lent, self.realness, z, y)
        judge = dict(self.discriminator.trunk.named_parameters())
        of_d = importance_to_judge(self._judged, judge, real, made)
        self.train()
        keep, prune = self.settings.keep_above, self.settings.prune_below
        self.of_g.choose(self.lent, of_g, keep, prune)
        self.of_d.choose(self.discriminator.trunk, of_d, keep, prune)

    def _judged(self, weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
        trunk = {f"trunk.{name}": value for name, value in weights.items()}
        verdict: Tensor = functional_call(self.discriminator, trunk, (x,))
        return verdict
