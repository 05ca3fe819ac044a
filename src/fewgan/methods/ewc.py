"""ewc (keep learning): elastic weight consolidation: what mattered is held where it was.

Kirkpatrick et al., PNAS 2017; for continual GANs as the baseline of Wu et al., "Memory Replay
GANs", NeurIPS 2018; for ten images: Li et al., NeurIPS 2020. With theta* the generator's weights at
the end of the experience before, and F their Fisher information,

    G descends  L_GAN(present classes) + (lambda / 2) sum_i F_i (theta_i - theta*_i)^2
    F_i = (1/N) sum_n ( d/d theta_i  log sigma( r(G(z_n, c_n)) ) )^2,   c_n from classes learned,

r being how real the discriminator of that time finds an image. Each sample's gradient is squared
by itself. Nothing is replayed, and the discriminator is free.

The papers leave much open; here: `fisher` `last` is the information of the experience before, which
is what Wu et al. write, and `online` adds it up (gamma 1, Schwarz et al. 2018). `fisher_norm`
`mean1` divides by the mean of F, so that lambda means the same for every network; with `none`,
lambda is the papers' (1e9 and 5e8), and moves with the number of samples and the scale of r.

Its trap: importance is asked at the old weights only. On a stream of single classes the weights
that a new class needs are those that drew the old ones, and no lambda serves both.
"""

from typing import Literal

import torch
from torch import nn

from fewgan.data.feed import Feed
from fewgan.methods import find
from fewgan.methods.base import Method, Terms
from fewgan.methods.elastic import ElasticSettings, Springs
from fewgan.methods.strategy import Strategy, StrategySettings
from fewgan.networks.build import ImageSpec


class EWCSettings(StrategySettings, ElasticSettings):
    """Settings of `ewc`: how firmly weights are held, and by which information."""

    fisher: Literal["last", "online"] = "last"
    """Information of the experience before, or of all earlier ones together."""


class EWC(Strategy):
    """The wrapped GAN, whose generator is tied to where it was, by springs of unequal strength."""

    name = "ewc"
    Own = EWCSettings
    taught = False

    def __init__(self, settings: EWCSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        self.springs = Springs(self.sampler, settings)

    @classmethod
    def onto(cls, source: type[Method]) -> type[Method]:
        """A run is adapted to few images by `ewc-few`: here nothing new is to come."""
        return find("ewc-few").onto(source)

    def begin(self, feed: Feed, averaged: nn.Module) -> None:
        """Ask what mattered, before the discriminator that knows it moves on."""
        super().begin(feed, averaged)
        if not self.old.any():
            return
        classes = self.old.nonzero().flatten()
        place = torch.arange(self.settings.fisher_samples, device=classes.device)
        y = classes[place % len(classes)]
        z = self.sampler.latents(y, feed.generator).to(feed.device)  # type: ignore[operator]
        kept = {"last": 0.0, "online": 1.0}[self.settings.fisher]
        self.learner.eval()  # no batch to lean on, and no power iteration
        self.springs.tie(self.sampler, self.learner.realness, z, y, kept=kept)
        self.learner.train()

    def held(self, feed: Feed) -> Terms:
        """How far weights that mattered have moved."""
        return {"elastic": self.springs.tension(self.sampler)} if self.springs.tied else {}
