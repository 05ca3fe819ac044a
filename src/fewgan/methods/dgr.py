"""dgr (keep learning): deep generative replay: an unconditional GAN, and a solver that labels it.

Shin, Lee, Kim & Kim, "Continual learning with deep generative replay", NeurIPS 2017; as a baseline
in Wu et al., "Memory Replay GANs", NeurIPS 2018. The generator knows no classes. With G', S'
generator and solver at the end of the experience before, each batch of "real" images is

    present images (x, y)   and   (G'(z), S'(G'(z))),

half and half (`balance`); the GAN learns the images, and the solver, a classifier, the pairs. Asked
for a class, the sampler draws until the solver names an image so: a sample of what the solver finds
in that class. (The image of many that it is *surest* of would be an outlier: after the first
experience it calls everything the same, the strangest images loudest.)

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
from fewgan.methods.strategy import Balance, Replay, Strategy, StrategySettings, shares
from fewgan.metrics.extractors.in_domain import Classifier
from fewgan.networks.build import ImageSpec
from fewgan.networks.labels import Labels


class DGRSettings(StrategySettings):
    """Settings of `dgr`: the solver's, and how a class is asked for."""

    labels: Labels = "none"
    """How the label enters the generator: not at all, here."""
    balance: Balance = "task"
    """Half of what is fed for the present classes, or equal shares for all seen so far."""
    solver_lr: Rate = 1e-3
    """Learning rate of the solver (Adam)."""
    candidates: int = Field(32, ge=1, le=1024)
    """Images drawn at most for each that is asked for by class, until the solver names one so."""


class Solved(nn.Module):
    """A generator without classes that can be asked for one, since a solver looks at what it draws.

    Args:
        generator: Draws.
        solver: Names classes.
        candidates: Images M drawn at most for each one asked for.
    """

    def __init__(self, generator: Any, solver: Classifier, candidates: int) -> None:
        super().__init__()
        self.generator, self.solver, self.candidates = generator, solver, candidates
        self.classes, self.latent_dim = solver.classes, generator.latent_dim

    def latents(self, y: Tensor, generator: torch.Generator) -> Tensor:
        """Latents [N, M, D] of all candidates, on the CPU."""
        return torch.randn(len(y), self.candidates, self.latent_dim, generator=generator)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """For each row of z [N, M, D] its first image [C,S,S] that is named y int64 [N].

        Where none of the M is, the one that comes nearest to it.
        """
        images, nearest = self._drawn(z[:, 0], y)
        wanting = (nearest < 0).nonzero().squeeze(1)
        for i in range(1, z.shape[1]):
            if not len(wanting):
                break
            made, lead = self._drawn(z[wanting, i], y[wanting])
            better = lead > nearest[wanting]
            images[wanting[better]], nearest[wanting[better]] = made[better], lead[better]
            wanting = wanting[lead < 0]
        return images

    def _drawn(self, z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Images of latents z [N, D], and by how much class y leads the others' best, [N]."""
        images = self.generator(z, None)
        scores = self.named(images)
        own = scores.gather(1, y[:, None]).squeeze(1)
        others = scores.scatter(1, y[:, None], -torch.inf).amax(1)
        return images, own - others

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
        wanted = shares(self.old, self.now, self.settings.balance)
        fed = Replay(feed, wanted, self._recall, self.settings.latent_dim)
        terms = self.learner.step(fed)
        images, labels = fed.last
        loss = {"class": cross_entropy(self.sampler.named(images), labels)}
        self.descend("solver", loss)
        return terms | {"solver/class": loss["class"].detach()}

    @torch.no_grad()
    def _recall(self, z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        teacher = self.teacher.eval()
        images = teacher.generator(z, None)
        return images, teacher.named(images).argmax(1)
