"""dgr (keep learning): deep generative replay: an unconditional GAN, and a solver that labels it.

Shin, Lee, Kim & Kim, "Continual learning with deep generative replay", NeurIPS 2017; as a baseline
in Wu et al., "Memory Replay GANs", NeurIPS 2018. The generator knows no classes. With G', S'
generator and solver at the end of the experience before, each batch of "real" images is

    present images (x, y)   and   (G'(z), S'(G'(z))),

of which earlier classes have their share together; the GAN learns the images, and the solver, a
classifier, the pairs. Asked for a class, the sampler draws `candidates` images and takes the one
that the solver is surest of.

Its trap: what the solver mistakes it teaches to its successor, and classes that the generator draws
seldom are replayed seldomer still; nothing says how often each class is to come.
"""

import copy
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fewgan.data.feed import Feed
from fewgan.data.imageset import to_bytes
from fewgan.errors import InputError
from fewgan.methods.base import Rate, Terms
from fewgan.methods.dcgan import DCGAN
from fewgan.methods.strategy import Replay, Strategy, StrategySettings
from fewgan.metrics.extractors.in_domain import Classifier
from fewgan.networks.build import ImageSpec
from fewgan.networks.labels import Labels


class DGRSettings(StrategySettings):
    """Settings of `dgr`: the solver's, and how a class is asked for."""

    labels: Labels = "none"
    """How the label enters the generator: not at all, here."""
    solver_lr: Rate = 1e-3
    """Learning rate of the solver (Adam)."""
    candidates: int = Field(32, ge=1, le=1024)
    """Images drawn for each that is asked for by class; the solver chooses."""


class Solved(nn.Module):
    """A generator without classes that can be asked for one, since a solver looks at what it draws.

    Args:
        generator: Draws.
        solver: Names classes.
        candidates: Images M drawn for each one asked for.
    """

    def __init__(self, generator: Any, solver: Classifier, candidates: int) -> None:
        super().__init__()
        self.generator, self.solver, self.candidates = generator, solver, candidates
        self.classes, self.latent_dim = solver.classes, generator.latent_dim

    def latents(self, y: Tensor, generator: torch.Generator) -> Tensor:
        """Latents [N, M, D] of all candidates, on the CPU."""
        return torch.randn(len(y), self.candidates, self.latent_dim, generator=generator)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """For each row of z [N, M, D] the image [C,S,S] that looks most like class y int64 [N]."""
        n, m = z.shape[:2]
        images = self.generator(z.flatten(0, 1), None)
        chance = self.named(images).log_softmax(1).view(n, m, -1)
        best = chance[torch.arange(n), :, y].argmax(1)
        return images[torch.arange(n, device=best.device) * m + best]

    def named(self, images: Tensor) -> Tensor:
        """Class scores [N, K] of images [N,C,S,S] in [-1, 1]."""
        logits: Tensor = self.solver(self.solver.prepare(to_bytes(images))).logits
        return logits


class DGR(Strategy):
    """An unconditional GAN and a solver, both fed with what both remember."""

    name = "dgr"
    Own = DGRSettings
    gan = DCGAN
    labelled = False
    taught = False  # by a generator alone: the solver teaches too

    def __init__(self, settings: DGRSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        if self.learner.sampler.classes or not spec.classes:
            raise InputError(
                f"{self.name} needs labelled images and a GAN that knows no classes: "
                f"give {self.gan.name} --labels none, or leave out :{self.gan.name}"
            )
        self.solver = Classifier(spec.channels, spec.classes)
        self.teacher = copy.deepcopy(self.sampler).requires_grad_(False)
        rate, weights = settings.solver_lr, self.solver.parameters()
        self.optimizers["solver"] = torch.optim.Adam(weights, rate, fused=True)

    @classmethod
    def make_sampler(cls, settings: Any, spec: ImageSpec) -> Solved:
        """A generator that can be asked for a class."""
        solver = Classifier(spec.channels, spec.classes)
        return Solved(cls.gan.make_sampler(settings, spec), solver, settings.candidates)

    @property
    def sampler(self) -> Solved:
        """Generator and solver as they are being trained."""
        return Solved(self.learner.sampler, self.solver, self.settings.candidates)

    def step(self, feed: Feed) -> Terms:
        """One step of the GAN, and one of the solver on the very same images."""
        fed = Replay(feed, self._shares(), self._recall, self.settings.latent_dim)
        terms = self.learner.step(fed)
        images, labels = fed.last
        loss = {"class": cross_entropy(self.sampler.named(images), labels)}
        self.descend("solver", loss)
        return terms | {"solver/class": loss["class"].detach()}

    def _shares(self) -> Tensor:
        return (self.old | self.now).float()

    @torch.no_grad()
    def _recall(self, z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        teacher = self.teacher.eval()
        images = teacher.generator(z, None)
        return images, teacher.named(images).argmax(1)
