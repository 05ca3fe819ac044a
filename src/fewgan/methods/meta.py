"""What meta-learned methods share: an outer iteration learns a task, and then moves the weights.

A task is a class of the training images. What is learned is where to begin: `fewgan adapt RUN` goes
on from there with a few images of a class that was never seen, by the same inner steps.
"""

from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from fewgan.data.feed import Feed
from fewgan.data.imageset import ImageSet
from fewgan.errors import InputError
from fewgan.methods.base import Method, MethodSettings, Rate, Terms, Updates
from fewgan.methods.meta_optimizer import MetaOptimizer
from fewgan.networks.build import ImageSpec

OTHERS = 256  # training images that are kept, to be what a later task's images are not


class MetaSettings(MethodSettings):
    """Settings that all meta-learned methods share."""

    inner_steps: int = Field(20, ge=1, le=1000)
    """Steps in which a task is learned."""
    inner_moments: Literal["reset", "keep"] = "reset"
    """Begin each task with fresh moments of the inner optimisers, or with the last task's."""
    meta: Literal["reptile", "fomaml"] = "reptile"
    """What a task asks for: its whole displacement, or that of its last step."""
    meta_batch: Updates = 1
    """Tasks that are learned from the same weights before these move."""
    epsilon: Rate = 0.1
    """Rate of the outer optimiser; it falls as learning rates do."""
    outer: Literal["sgd", "adam"] = "sgd"
    """Outer optimiser: plain interpolation, or Adam on the displacement."""


class MetaMethod(Method):
    """A method whose step is an outer iteration over tasks.

    A subclass names the modules that learn tasks (`learners`), their optimisers (`inner`, with
    their rates), and writes `inner_step`; `outer_step` updates what learns in the ordinary way.
    """

    settings: Any
    steps = 3000
    adapted_by = "inner"
    compared = False  # what is drawn before a task is learned says little
    few_novel = False
    inner: dict[str, torch.optim.Optimizer]
    others: Tensor
    outside: ClassVar[bool] = False
    """Whether a task is also told by what it is not, so that training images are kept for later."""
    longer: ClassVar[int] = 1
    """Steps in which a class that is new is learned, for each one of a task's."""
    same_images: ClassVar[bool] = False
    """Whether all inner steps of a task see one batch of its images, or each the next one."""

    def __init__(self, settings: Any, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        count = OTHERS if self.outside else 0
        shape = (count, spec.channels, spec.size, spec.size)
        self.register_buffer("others", torch.zeros(shape, dtype=torch.uint8))

    @property
    def outer_steps(self) -> int:
        """Updates in a task of what is no learner, spread evenly over the inner steps."""
        return 1

    @property
    def learners(self) -> dict[str, nn.Module]:
        """The modules that learn a task, by name."""
        raise NotImplementedError

    def learn_tasks(self, inner: dict[str, torch.optim.Optimizer]) -> None:
        """Take the optimisers of the inner steps, and set up the outer one."""
        self.inner = inner
        self._rates = {name: inner[name].param_groups[0]["lr"] for name in inner}
        weights = [p for module in self.learners.values() for p in module.parameters()]
        make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[self.settings.outer]
        outer = make(weights, lr=self.settings.epsilon)
        self.optimizers = {**inner, "meta": outer}
        self.over_tasks = MetaOptimizer(self.learners, outer, self.settings.meta)

    @classmethod
    def batches(cls, settings: dict[str, Any]) -> int:
        """One for each inner step."""
        return int(settings["inner_steps"] * settings["meta_batch"])

    def check(self, images: ImageSet) -> None:
        """Make sure that there are tasks."""
        if len(images.class_names) < 2:
            raise InputError(
                f"{self.name} learns from many classes, and there are {len(images.class_names)}: "
                "give data with one sub-folder a class, such as --data glyphs"
            )

    def begin(self, feed: Feed, averaged: nn.Module) -> None:
        """Keep some training images, spread over all of them."""
        shown = feed.images.images
        places = torch.linspace(0, len(shown) - 1, len(self.others)).round().long()
        self.others.copy_(shown[places.to(shown.device)])

    def step(self, feed: Feed) -> Terms:
        """One outer iteration."""
        for _ in range(self.settings.meta_batch):
            drawn = torch.randint(len(feed.classes), (), generator=feed.generator)
            task = int(feed.classes[drawn])
            with self.over_tasks.task():
                self.begin_task(feed)
                x = feed.batch_of(task)
                for i in range(1, self.settings.inner_steps + 1):
                    if i == self.settings.inner_steps:
                        self.over_tasks.last_step()
                    other = feed.batch_outside(task) if self.outside else None
                    terms = self.inner_step(feed, x, other)
                    for _ in range(self._due(i) - self._due(i - 1)):
                        terms |= self.outer_step(feed)
                    if i < self.settings.inner_steps:
                        x = feed.again(x) if self.same_images else feed.batch_of(task)
        self.over_tasks.update()
        return terms

    def _due(self, i: int) -> int:
        """Updates of what is no learner that are due after i inner steps."""
        return i * self.outer_steps // int(self.settings.inner_steps)

    def begin_task(self, feed: Feed) -> None:
        """Get the inner optimisers ready for a task."""
        for name, optimizer in self.inner.items():
            for group in optimizer.param_groups:
                group["lr"] = self._rates[name]  # of which the run's schedule is not
            if self.settings.inner_moments == "reset":
                optimizer.state.clear()

    def inner_step(self, feed: Feed, x: Tensor, other: Tensor | None) -> Terms:
        """Learn for one step from images of a task.

        Args:
            feed: Source of latents.
            x: Images [N,C,S,S] of the task, in [-1, 1].
            other: Images of other tasks, for a method that asks for them (`outside`).
        """
        raise NotImplementedError

    def outer_step(self, feed: Feed) -> Terms:
        """Update what is no learner, by what the learners are in a task by now; or nothing."""
        return {}

    def look(self, shown: Tensor) -> None:
        """Take notice of all images [K,C,S,S] of a task, for when images of it are drawn."""

    def batch_outside(self, feed: Feed) -> Tensor:
        """Images [N,C,S,S] in [-1, 1] of the tasks of meta-training, for one that came later."""
        chosen = (feed.uniform() * len(self.others)).long()
        return feed.show(self.others[chosen])
