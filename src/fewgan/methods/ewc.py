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

import copy
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import logsigmoid

from fewgan.data.feed import Feed
from fewgan.losses.fisher import elastic_penalty, fisher_information, normalised
from fewgan.methods.base import Terms, Weight
from fewgan.methods.strategy import Strategy, StrategySettings
from fewgan.networks.build import ImageSpec


class EWCSettings(StrategySettings):
    """Settings of `ewc`: how firmly weights are held, and by which information."""

    elastic: Weight = 1000.0
    """Weight lambda of the elastic penalty."""
    fisher: Literal["last", "online"] = "last"
    """Information of the experience before, or of all earlier ones together."""
    fisher_norm: Literal["none", "mean1"] = "mean1"
    """Leave the information as it is, or divide it by its mean over all weights."""
    fisher_samples: int = Field(1000, ge=1)
    """Generated images whose gradients are squared."""


class EWC(Strategy):
    """The wrapped GAN, whose generator is tied to where it was, by springs of unequal strength."""

    name = "ewc"
    Own = EWCSettings
    taught = False

    def __init__(self, settings: EWCSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        self.anchor, self.information = (
            copy.deepcopy(self.sampler).requires_grad_(False) for _ in range(2)
        )
        for value in self.information.parameters():
            value.zero_()

    def begin(self, feed: Feed, averaged: nn.Module) -> None:
        """Ask what mattered, before the discriminator that knows it moves on."""
        super().begin(feed, averaged)
        if not self.old.any():
            return
        found = self._measure(feed)
        if self.settings.fisher_norm == "mean1":
            found = normalised(found)
        self.anchor.load_state_dict(self.sampler.state_dict())
        kept = {"last": 0.0, "online": 1.0}[self.settings.fisher]
        for name, value in self.information.named_parameters():
            value.mul_(kept).add_(found[name])

    def _measure(self, feed: Feed) -> dict[str, Tensor]:
        """Fisher information of the generator on what it draws of the classes learned before."""
        classes = self.old.nonzero().flatten()
        y = classes[
            torch.arange(self.settings.fisher_samples, device=classes.device) % len(classes)
        ]
        z = self.sampler.latents(y, feed.generator).to(feed.device)  # type: ignore[operator]
        generator, learner = self.sampler, self.learner

        def log_likelihood(weights: dict[str, Tensor], z: Tensor, y: Tensor) -> Tensor:
            image = functional_call(generator, weights, (z[None], y[None]))
            return logsigmoid(learner.realness(image, y[None])).sum()

        learner.eval()  # no batch to lean on, and no power iteration
        try:
            weights = {name: p.detach() for name, p in generator.named_parameters()}
            return fisher_information(log_likelihood, weights, z, y)
        finally:
            learner.train()

    def held(self, feed: Feed) -> Terms:
        """How far weights that mattered have moved."""
        if not self.old.any():
            return {}
        here, there, fisher = (
            dict(m.named_parameters()) for m in (self.sampler, self.anchor, self.information)
        )
        return {"elastic": self.settings.elastic / 2 * elastic_penalty(here, there, fisher)}
