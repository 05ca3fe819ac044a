"""What the training loop asks of a method."""

from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from fewgan.data.feed import Feed
from fewgan.data.imageset import ImageSet
from fewgan.errors import InputError
from fewgan.networks.build import ImageSpec

# Ranges are part of the type, so that a method that only has another default keeps them.
Rate = Annotated[float, Field(gt=0, le=1)]
"""A learning rate."""
Decay = Annotated[float, Field(ge=0, lt=1)]
"""Decay of a running mean."""
Weight = Annotated[float, Field(ge=0)]
"""Weight of a term of a loss."""
Updates = Annotated[int, Field(ge=1, le=100)]
"""Updates of one player for each of the other."""

Terms = dict[str, Tensor]
"""Named terms of a loss, each a scalar and already weighted; their sum is what is descended."""


def logged(**players: Terms) -> Terms:
    """Terms of several players as they are logged: `d/adversarial`, `g/adversarial`."""
    return {
        f"{player}/{name}": term.detach()
        for player, terms in players.items()
        for name, term in terms.items()
    }


class Learned(NamedTuple):
    """What another run has learned, for a method that goes on from there."""

    sampler: nn.Module
    """Its averaged sampler."""
    method: "Method"
    """Its method, with all that it holds."""
    classes: int
    """Number of classes that it can be asked for."""


class MethodSettings(BaseModel):
    """Base of every method's settings: immutable, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Method(nn.Module):
    """A way to learn a generator.

    All that a method must remember to go on is in its `state_dict` (networks, and anything else
    as buffers) and in its `optimizers`; the loop saves both. All that is needed to *sample* is in
    its `sampler`, of which the loop keeps an exponential moving average.

    A method has a `name`, a class of `Settings`, and a file whose first line reads
    `name (regime): summary`.
    """

    name: ClassVar[str]
    Settings: ClassVar[type[MethodSettings]]
    streams: ClassVar[bool] = False
    """Whether it learns a stream of experiences, one after another."""
    together: ClassVar[bool] = False
    """Whether it is shown all experiences of a stream at once, as an upper bound is."""
    adapts: ClassVar[bool] = False
    """Whether it needs a run to go on from."""
    adapted_by: ClassVar[str | None] = None
    """The method that adapts a run of this one when none is named."""
    compared: ClassVar[bool] = True
    """Whether checks compete, by KID against the training images; else the latest is the best, as
    where these are so few that copies of them would win."""
    unlabelled: ClassVar[bool] = False
    """Whether it learns from images without labels too (`Feed.unlabelled`)."""
    shared_out: ClassVar[bool] = True
    """Whether several processes can train it together."""
    few_novel: ClassVar[bool] = True
    """Whether a few images of novel classes may be among those that it learns from."""
    as_they_are: ClassVar[bool] = False
    """Whether it must see its images as they are, neither mirrored nor bent."""
    steps: ClassVar[int] = 16000
    """Updates of the generator when neither steps nor minutes are given."""
    optimizers: dict[str, torch.optim.Optimizer]

    def __init__(self, settings: Any, spec: ImageSpec) -> None:
        super().__init__()
        self.settings, self.spec = settings, spec

    @classmethod
    def over(cls, learner: "type[Method]") -> type[Self]:
        """This way of learning around another method, for those that wrap one.

        Raises:
            InputError: It wraps nothing.
        """
        raise InputError(f"{cls.name} wraps no other method: leave out :{learner.name}")

    @classmethod
    def onto(cls, source: "type[Method]") -> "type[Method]":
        """This way of learning as it goes on from a run of another method.

        Raises:
            InputError: It begins anew, or that run is nothing to go on from.
        """
        raise InputError(f"{cls.name} begins anew: fewgan train {cls.name}")

    @classmethod
    def inherited(cls, settings: dict[str, Any], classes: int) -> dict[str, Any]:
        """What it takes over of the settings of a run that it goes on from.

        Args:
            settings: The method's settings of that run.
            classes: Number of classes that the run can be asked for.
        """
        return {name: settings[name] for name in cls.Settings.model_fields if name in settings}

    @classmethod
    def batches(cls, settings: dict[str, Any]) -> int:
        """Batches of real images that a step consumes, with these settings."""
        return int(settings.get("d_steps", 1))

    @property
    def remarks(self) -> dict[str, str]:
        """What it chose by itself and a person should know, in words; told when training ends."""
        return {}

    def adopt(self, learned: Learned) -> None:
        """Begin with what another run has learned, of the method that `onto` was given.

        Raises:
            InputError: Its networks are others than these.
        """

    @classmethod
    def make_sampler(cls, settings: Any, spec: ImageSpec) -> nn.Module:
        """Build, untrained, the network that sampling needs.

        It answers `latents(y, generator)` with a latent for each label in y int64 [N], drawn on
        the CPU, and `forward(z, y)` with images [N,C,H,W] in [-1, 1]; its `classes` is the number
        of classes that it can be asked for, 0 when it is unconditional.
        """
        raise NotImplementedError

    @property
    def sampler(self) -> nn.Module:
        """The sampler as it is being trained."""
        raise NotImplementedError

    def check(self, images: ImageSet) -> None:
        """Make sure that it can learn from these images, before anything is written.

        Raises:
            InputError: It cannot.
        """

    @property
    def players(self) -> "Method":
        """Who plays its game: itself, unless it wraps another."""
        return self

    @property
    def bytes_kept(self) -> int:
        """Bytes held for earlier experiences, beyond what one experience needs."""
        return 0

    def begin(self, feed: Feed, averaged: nn.Module) -> None:
        """Get ready for an experience, before its first step.

        Args:
            feed: What the experience is learned from; its `classes` are those of the experience.
            averaged: The averaged sampler as it stands after the experience before.
        """

    def step(self, feed: Feed) -> Terms:
        """Do one step of training on what `feed` gives, and return the terms to log."""
        raise NotImplementedError

    def descend(self, player: str, terms: Terms) -> None:
        """Update by the sum of `terms` what the optimiser named `player` holds."""
        optimizer = self.optimizers[player]
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()


def around(wrapper: Any, wrapped: Any, name: str, **members: Any) -> Any:
    """The class of a method that wraps another one, such as `mergan-ra:acgan`.

    Args:
        wrapper: Class of the method that wraps.
        wrapped: Class of the method inside.
        name: What both together are called.
        **members: What else the class has of its own; each can be hashed.
    """
    made: Any = _around  # a class is hashable, whatever its type says
    return made(wrapper, wrapped, name, **members)


@cache  # one class a pair, as for a method that is written down
def _around(wrapper: Any, wrapped: Any, name: str, **members: Any) -> Any:
    own = {"name": name, "__doc__": wrapper.__doc__, **members}
    return type(f"{wrapper.__name__}Around{wrapped.__name__}", (wrapper,), own)
