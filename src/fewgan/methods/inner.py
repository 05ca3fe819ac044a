"""inner (adapt): the inner steps of a meta-learned run, on a few images of a class it never saw.

What `reptile-1mlp`, `reptile-2mlp` and `figr` learn is where to begin. From there this takes the
same steps that a task of theirs took, with k images of a new class, and leaves what it then draws.
It is what `fewgan adapt RUN --shots 16 --classes X` does to such a run when no method is named.

Nothing is averaged, and rates do not fall: the last of these steps is what meta-training aimed at.
"""

from typing import Any, ClassVar, Self

from torch import Tensor, nn

from fewgan.data.feed import Feed
from fewgan.data.imageset import ImageSet, to_float
from fewgan.errors import InputError
from fewgan.methods.base import Learned, Method, MethodSettings, Terms, around
from fewgan.methods.meta import MetaMethod
from fewgan.networks.build import ImageSpec

AS_TRAINED = {"ema_decay": 0.0, "lr_decay": 0.0, "log_every": 1, "check_every": 5}


class InnerSettings(MethodSettings):
    """Settings of `inner`: those of the run that it goes on from."""


class Inner(Method):
    """A meta-learned method that learns one task, and stays there."""

    name = "inner"
    Settings = InnerSettings
    learned_by: ClassVar[type[MetaMethod] | None] = None
    adapts = True
    adapted_by = "inner"
    compared = False
    steps = 20

    @classmethod
    def over(cls, learner: type[Method]) -> type[Self]:
        """The inner steps of another method.

        Raises:
            InputError: It has none.
        """
        if not issubclass(learner, MetaMethod):
            raise InputError(
                f"a run of {learner.name} has no inner steps: name a way to adapt it, such as "
                "fewgan adapt RUN ewc"
            )
        own: dict[str, Any] = {"learned_by": learner, "Settings": learner.Settings}
        wrapped: type[Self] = around(cls, learner, f"inner:{learner.name}", **own)
        return wrapped

    @classmethod
    def onto(cls, source: type[Method]) -> type[Method]:
        """The inner steps of the run's own method."""
        return cls.over(getattr(source, "learned_by", None) or source)

    @classmethod
    def inherited(cls, settings: dict[str, Any], classes: int) -> dict[str, Any]:
        """All of them, and a run that is as long as a task or so, and ends with its last step."""
        assert cls.learned_by is not None, "inner steps are some method's"
        steps = cls.learned_by.longer * settings["inner_steps"]
        return {**settings, **AS_TRAINED, "steps": steps}

    @classmethod
    def batches(cls, settings: dict[str, Any]) -> int:
        """One: a step is an inner step."""
        return 1

    @classmethod
    def make_sampler(cls, settings: Any, spec: ImageSpec) -> nn.Module:
        """That of the run's method."""
        assert cls.learned_by is not None, "inner steps are some method's"
        return cls.learned_by.make_sampler(settings, spec)

    def __init__(self, settings: Any, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        if self.learned_by is None:
            raise InputError("inner steps are those of a meta-learned run: fewgan adapt RUN inner")
        self.learner = self.learned_by(settings, spec)
        self.optimizers = self.learner.inner

    @property
    def sampler(self) -> nn.Module:
        """That of the run's method."""
        return self.learner.sampler

    @property
    def players(self) -> Method:
        """The run's method."""
        return self.learner

    def adopt(self, learned: Learned) -> None:
        """Begin where meta-training ended, with the averaged sampler."""
        self.learner.load_state_dict(learned.method.players.state_dict())
        self.sampler.load_state_dict(learned.sampler.state_dict())

    def check(self, images: ImageSet) -> None:
        """Make sure that there is one task.

        Raises:
            InputError: There are several classes.
        """
        tasks = sum(count > 0 for count in images.counts())
        if tasks > 1:
            raise InputError(
                f"{tasks} classes are as many tasks: give --classes one of them, or learn each by "
                "itself: fewgan adapt RUN each:inner"
            )

    def begin(self, feed: Feed, averaged: nn.Module) -> None:
        """A task begins."""
        self.learner.begin_task(feed)

    def step(self, feed: Feed) -> Terms:
        """One inner step."""
        x, _ = feed.batch()
        other = self.learner.batch_outside(feed) if self.learner.outside else None
        terms = self.learner.inner_step(feed, x, other)
        self.learner.look(_shown(feed))
        return terms


def _shown(feed: Feed) -> Tensor:
    """The few images, at most a batch of 256: what a task is told by when images are drawn."""
    return to_float(feed.images.images[:256])
