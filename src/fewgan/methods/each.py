"""each (adapt): one adaptation for each class, so that the few images of several keep their labels.

An adaptation learns one new thing, and knows no classes. Here K of them begin at the same source,
each with networks of its own, and every one sees the images of its class only:

    G_1 .. G_K = source;   a step is one step of each G_c on the images of class c
    G(z, y) = G_y(z)

`each:ewc-few` says which way to adapt, `each:inner` goes on from a meta-trained run, and `each`
alone is `each:finetune`. K classes cost K times the time of one, and K generators are kept.
"""

from functools import cached_property
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from fewgan.data.feed import Around, Feed
from fewgan.data.imageset import ImageSet
from fewgan.errors import InputError
from fewgan.methods.base import Learned, Method, Terms, around
from fewgan.methods.finetune import Finetune, FinetuneSettings
from fewgan.networks.build import ImageSpec


class OneClass(Around):
    """A feed of one class, which it counts as the only one; all draws are those of the feed inside.

    Args:
        feed: Where images, latents and everything random come from.
        label: The class.
    """

    def __init__(self, feed: Feed, label: int) -> None:
        super().__init__(feed)
        self._label = label
        self.classes = torch.zeros(1, dtype=torch.long)

    @cached_property
    def images(self) -> ImageSet:  # type: ignore[override]
        """The images of the class."""
        return self._feed.images.of_classes([self._label])

    def labels(self) -> Tensor:
        """Zeros int64 [N]."""
        return torch.zeros(self.local_batch_size, dtype=torch.long, device=self.device)

    def batch(self) -> tuple[Tensor, Tensor]:
        """Next real images [N,C,H,W] in [-1, 1] of the class, and zeros int64 [N]."""
        return self._feed.batch_of(self._label), self.labels()


class Parts(nn.Module):
    """A sampler for each class, asked for as one that knows them all.

    Args:
        parts: Samplers with latents of one length.
    """

    def __init__(self, parts: list[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.classes = len(parts)

    def latents(self, y: Tensor, generator: torch.Generator) -> Tensor:
        """Draw a latent for each label in y int64 [N], on the CPU."""
        first: Any = self.parts[0]
        drawn: Tensor = first.latents(torch.zeros_like(y), generator)
        return drawn

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Images [N,C,S,S] in [-1, 1] for latents z, each from the sampler of its label in y."""
        order = y.argsort(stable=True)
        counts = torch.bincount(y, minlength=self.classes).tolist()
        chosen = zip(self.parts, z[order].split(counts), strict=True)
        drawn = [part(of, torch.zeros(len(of)).to(y)) for part, of in chosen if len(of)]
        return torch.cat(drawn)[order.argsort()]


class EachSettings(FinetuneSettings):
    """Settings of `each`: those of the adaptation that every class has."""


class Each(Method):
    """As many adaptations as there are classes, trained side by side."""

    name = "each"
    Settings = EachSettings
    adaptation: ClassVar[type[Method]] = Finetune
    adapts = True
    compared = False
    steps = Finetune.steps

    @classmethod
    def over(cls, learner: type[Method]) -> type[Self]:
        """One adaptation of this kind for each class.

        Raises:
            InputError: That adapts nothing, or keeps classes itself.
        """
        if not learner.adapts or issubclass(learner, Each):
            raise InputError(
                f"{cls.name} takes a way to adapt, such as {cls.name}:ewc-few, "
                f"which {learner.name} is not"
            )
        own: dict[str, Any] = {
            "adaptation": learner,
            "Settings": learner.Settings,
            "steps": learner.steps,
        }
        wrapped: type[Self] = around(Each, learner, f"{Each.name}:{learner.name}", **own)
        return wrapped

    @classmethod
    def onto(cls, source: type[Method]) -> type[Method]:
        """The same, of the adaptation as it goes on from a run."""
        return cls.over(cls.adaptation.onto(source))

    @classmethod
    def inherited(cls, settings: dict[str, Any], classes: int) -> dict[str, Any]:
        """What one adaptation takes over."""
        return cls.adaptation.inherited(settings, classes)

    @classmethod
    def batches(cls, settings: dict[str, Any]) -> int:
        """As many as one discriminator sees; there is one for each class."""
        return cls.adaptation.batches(settings)

    @classmethod
    def make_sampler(cls, settings: Any, spec: ImageSpec) -> Parts:
        """A sampler for each class."""
        one = ImageSpec(spec.channels, spec.size, 1)
        return Parts([cls.adaptation.make_sampler(settings, one) for _ in range(spec.classes)])

    def __init__(self, settings: Any, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        if not spec.classes:
            raise InputError(f"{self.name} needs labels: put the images in one sub-folder a class")
        one = ImageSpec(spec.channels, spec.size, 1)
        self.members = nn.ModuleList(self.adaptation(settings, one) for _ in range(spec.classes))
        self.optimizers = {
            f"{label}.{name}": optimizer
            for label, member in enumerate(self._members)
            for name, optimizer in member.optimizers.items()
        }

    @property
    def _members(self) -> list[Method]:
        members: Any = self.members
        return list(members)

    @property
    def sampler(self) -> nn.Module:
        """The samplers of all, as they are being trained."""
        return Parts([member.sampler for member in self._members])

    def adopt(self, learned: Learned) -> None:
        """Begin every one with the same source."""
        for member in self._members:
            member.adopt(learned)

    def check(self, images: ImageSet) -> None:
        """Make sure that each can learn from the images of its class."""
        for label, member in enumerate(self._members):
            member.check(images.of_classes([label]))

    def begin(self, feed: Feed, averaged: nn.Module) -> None:
        """Get every one ready."""
        parts: Any = averaged.parts
        for label, (member, part) in enumerate(zip(self._members, parts, strict=True)):
            member.begin(OneClass(feed, label), part)

    def step(self, feed: Feed) -> Terms:
        """One step of each on its class; the terms are means over classes."""
        terms = [m.step(OneClass(feed, label)) for label, m in enumerate(self._members)]
        return {name: torch.stack([t[name] for t in terms]).mean() for name in terms[0]}
