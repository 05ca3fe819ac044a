"""cdc (adapt): what was alike in the source stays alike, and only patches must look real.

Ojha, Li, Lu, Efros, Lee, Shechtman & Zhang, "Few-shot image generation via cross-domain
correspondence", CVPR 2021. Two things keep ten images from becoming all that is drawn:

    G descends  -E log D(G(z)) + W L_dist(G_source, G)

L_dist (`fewgan.losses.consistency`): of a batch of latents, how alike the maps of two of them are
is to be as it was in the source. And the discriminator sees whole images only near k anchors,
latents drawn once; elsewhere it judges patches, of which ten images have many:

    every 4th step    z = anchor + N(0, 0.1^2),   D judges the image
    all others        z ~ N(0, I),                D judges each place of an early map

Where domains are far, the target is not to be alike in the way of the source, and plain fine-tuning
does better.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from fewgan.data.feed import Around, Feed
from fewgan.losses.consistency import distance_consistency
from fewgan.losses.diffaugment import diffaugment
from fewgan.methods.adaptation import Adaptation, AdaptationSettings, Unlabelled
from fewgan.methods.base import Learned, Terms, Weight
from fewgan.methods.gan import Judged
from fewgan.networks.build import Generator, ImageSpec

WHOLE_EVERY = 4  # steps from one look at whole images to the next
NEAR = 0.1  # standard deviation about an anchor


class CDCSettings(AdaptationSettings):
    """Settings of `cdc`: how firmly likenesses are held, and what a patch is."""

    consistency: Weight = 333.0
    """Weight W of the distance consistency: the paper's 1000, of a mean over the pairs of four
    images, is this."""
    anchors: int = Field(10, ge=1)
    """Latents near which whole images are judged; as many as there are images."""
    patch_stages: int = Field(2, ge=1)
    """Stages of the discriminator behind which each place of the map is judged."""


class Anchored(Around):
    """A feed whose latents lie near anchors; all else is that of the feed inside.

    Args:
        feed: Where everything random comes from.
        anchors: Latents [K, D].
    """

    def __init__(self, feed: Feed, anchors: Tensor) -> None:
        super().__init__(feed)
        self._anchors = anchors

    def normal(self, *shape: int) -> Tensor:
        """Latents [N, D], each about an anchor that is drawn for it."""
        chosen = (self._feed.uniform() * len(self._anchors)).long()
        return self._anchors[chosen] + NEAR * self._feed.normal(*shape)


class CDC(Adaptation):
    """The game on images near anchors and on patches elsewhere, with likenesses held."""

    name = "cdc"
    Settings = CDCSettings
    settings: CDCSettings
    anchors: Tensor

    def __init__(self, settings: CDCSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        self.origin = copy.deepcopy(self.lent).requires_grad_(False)
        with torch.no_grad():
            seen = torch.zeros(2, spec.channels, spec.size, spec.size)
            channels = copy.deepcopy(self._early())(seen).shape[1]
        self.patch = nn.Conv2d(channels, 1, 3, padding=1)
        self.optimizers["d"].add_param_group({"params": list(self.patch.parameters())})
        sampler = cast(Unlabelled, self.generator)
        self.register_buffer("anchors", torch.zeros(settings.anchors, sampler.latent_dim))

    def adopt(self, learned: Learned) -> None:
        """Keep the source's generator beside the one that is adapted."""
        super().adopt(learned)
        self.origin.load_state_dict(self.lent.state_dict())

    def begin(self, feed: Feed, averaged: nn.Module) -> None:
        """Draw the anchors."""
        sampler, places = cast(Unlabelled, self.generator), torch.zeros(len(self.anchors))
        self.anchors.copy_(sampler.latents(places, feed.generator))

    @property
    def whole(self) -> bool:
        """Whether whole images are judged in this step."""
        return int(self.steps_done) % WHOLE_EVERY == 0

    def step(self, feed: Feed, also: Any = None) -> Terms:
        """One step of the game, near anchors if whole images are judged in it."""
        # The step counts itself first.
        whole = (int(self.steps_done) + 1) % WHOLE_EVERY == 0
        fed = Anchored(feed, self.anchors) if whole else feed
        return super().step(fed, lambda: self.held(feed))

    def _judge(self, feed: Feed, x: Tensor, y: Tensor, z: Tensor | None = None) -> Judged:
        if self.whole:
            return super()._judge(feed, x, y, z)
        x = diffaugment(x, self.policy, feed.uniform)
        return Judged(self.patch(self._early()(x)).flatten(), y, x, z)

    def _early(self) -> nn.Sequential:
        stages = self.discriminator.trunk.stages
        return nn.Sequential(*stages[: self.settings.patch_stages])

    def held(self, feed: Feed) -> Terms:
        """How far likenesses have moved from those of the source."""
        sampler = cast(Unlabelled, self.generator)
        z, y = sampler.split(feed.normal(sampler.latent_dim))
        with torch.no_grad(), _maps(self.origin) as before:
            self.origin.eval()(z, y)
        # As the source's copy: in eval mode, where an image does not hang on its batch.
        training = self.lent.training
        with _maps(self.lent) as now:
            self.lent.eval()(z, y)
        self.lent.train(training)
        layers = (feed.uniform() * len(now)).long()
        loss = distance_consistency(before, now, layers)
        return {"consistency": self.settings.consistency * loss}


@contextmanager
def _maps(generator: Generator) -> Iterator[list[Tensor]]:
    """Gather the maps that a generator draws on the way to an image."""
    gathered: list[Tensor] = []
    drawers: Any = generator.trunk.hidden
    hooks = [
        drawer.register_forward_hook(lambda _, given, drawn: gathered.append(drawn))
        for drawer in drawers
    ]
    try:
        yield gathered
    finally:
        for hook in hooks:
            hook.remove()
