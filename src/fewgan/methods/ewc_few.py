"""ewc-few (adapt): fine-tune, with the weights that mattered to the source held where they were.

Li, Zhang, Lu & Shechtman, "Few-shot image generation with elastic weight consolidation", NeurIPS
2020; `fewgan adapt RUN ewc` means this one. With theta* the source's weights, and F their Fisher
information on what the source draws, as its own discriminator finds it real,

    G descends  -E log D(G(z)) + (lambda / 2) sum_i F_i (theta_i - theta*_i)^2
    F_i = (1/N) sum_n ( d/d theta_i  log sigma( r_source(G_source(z_n)) ) )^2

each sample's gradient squared by itself; the discriminator is free. The paper gives no lambda that
means anything beyond its own networks: with `fisher_norm` `mean1`, here the default, one lambda
serves all. Watch the elastic term beside the adversarial one.

What mattered to the source may not matter to the target. Where the domains are far, a strong spring
holds on to what should go, and plain fine-tuning does better.
"""

from typing import cast

import torch
from torch import nn

from fewgan.data.feed import Feed
from fewgan.methods.adaptation import Adaptation, AdaptationSettings, Unlabelled
from fewgan.methods.base import Terms, Weight
from fewgan.methods.elastic import ElasticSettings, Springs
from fewgan.methods.gan import GAN
from fewgan.networks.build import ImageSpec


class EWCFewSettings(AdaptationSettings, ElasticSettings):
    """Settings of `ewc-few`: how firmly the source is held."""

    elastic: Weight = 1.0
    """Weight lambda of the elastic penalty."""


class EWCFew(Adaptation):
    """The game, with springs on the generator."""

    name = "ewc-few"
    Settings = EWCFewSettings
    settings: EWCFewSettings

    def __init__(self, settings: EWCFewSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        self.springs = Springs(self.lent, settings)

    def begin(self, feed: Feed, averaged: nn.Module) -> None:
        """Ask the source what mattered to it."""
        assert self.adopted is not None, "an adaptation begins with a source"
        generator, judge = cast(Unlabelled, self.generator), cast(GAN, self.adopted.method.players)
        places = torch.zeros(self.settings.fisher_samples)
        z, y = generator.split(generator.latents(places, feed.generator).to(feed.device))
        judge.to(feed.device)
        self.generator.eval()
        self.springs.tie(self.lent, judge.realness, z, y)
        self.generator.train()

    def held(self, feed: Feed) -> Terms:
        """How far weights that mattered have moved."""
        return {"elastic": self.springs.tension(self.lent)}
