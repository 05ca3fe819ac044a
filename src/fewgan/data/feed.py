"""What one training step draws: real images, latents and labels, all from one generator."""

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from fewgan.data.imageset import ImageSet, to_float
from fewgan.data.splits import by_class
from fewgan.data.warp import KNOTS
from fewgan.data.warp import warp as warped
from fewgan.errors import InputError

Prior = Literal["uniform", "data"]


class Epochs:
    """Draws from a pool of indices in shuffled epochs: each once before any comes again.

    Args:
        pool: The indices, int64 [M].
        generator: Shuffles; what it was before the last shuffle is part of the state.
    """

    def __init__(self, pool: Tensor, generator: torch.Generator) -> None:
        self.pool, self.generator = pool, generator
        self._before = generator.get_state()
        self._order, self._cursor = torch.empty(0, dtype=torch.long), 0

    def next(self, count: int) -> Tensor:
        """The next `count` indices, int64."""
        parts = []
        while count:
            if self._cursor == len(self._order):
                self._shuffle()
                self._cursor = 0
            part = self._order[self._cursor : self._cursor + count]
            self._cursor += len(part)
            count -= len(part)
            parts.append(part)
        return torch.cat(parts)

    def _shuffle(self) -> None:
        self._before = self.generator.get_state()
        self._order = self.pool[torch.randperm(len(self.pool), generator=self.generator)]

    def state(self) -> tuple[Tensor, list[int]]:
        """The generator before the last shuffle; how many were shuffled, and how many drawn."""
        return self._before, [len(self._order), self._cursor]

    def restore(self, before: Tensor, shuffled: int, drawn: int) -> None:
        """Go back to a `state`; the generator is left anywhere."""
        self._before, self._cursor = before, drawn
        if shuffled:
            self.generator.set_state(before)
            self._shuffle()


class Feed:
    """Everything random that a training step consumes.

    Each draw is made for the whole (global) batch on the CPU, from one generator that is in the
    same state in every process; a process then keeps its own share, every `world`-th sample. So
    the numbers depend neither on the device nor on the number of processes, and one saved state
    resumes them all.

    Args:
        images: The training images, on the training device. Labels count the model's classes.
        batch_size: Size of the global batch, a multiple of `world`.
        generator: A CPU generator; it is advanced by every draw.
        flip: Mirror each image with probability one half.
        warp: Bend each image elastically, by so many half sides on average; 0 leaves it.
        prior: Labels of fakes are `uniform` over the classes that have images here, or follow
            their shares in the `data`.
        balance: Draw the class of each real image first, all alike, and then an image of it.
        unlabelled: More images, whose labels nobody tells.
        rank: Number of this process.
        world: Number of processes.
    """

    def __init__(
        self,
        images: ImageSet,
        batch_size: int,
        generator: torch.Generator,
        *,
        flip: bool = False,
        warp: float = 0.0,
        prior: Prior = "uniform",
        balance: bool = False,
        unlabelled: ImageSet | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.images, self.batch_size, self.generator = images, batch_size, generator
        self.flip, self.warp, self.rank, self.world = flip, warp, rank, world
        self.device = images.images.device
        self.seen = 0
        self._counts = images.counts() or [len(images)]  # without classes, one group
        counts = torch.tensor(self._counts, dtype=torch.float)
        self.classes = counts.nonzero().flatten()
        """Classes that have images here, int64, ascending."""
        self._prior = counts if prior == "data" else (counts > 0).float()
        self._all = Epochs(torch.arange(len(images)), generator)
        self.unlabelled = unlabelled
        self._without = Epochs(torch.arange(len(unlabelled or ())), generator)
        self._balance = balance and len(self.classes) > 1
        self._of: dict[int, Epochs] = {}
        self._sorted: Tensor | None = None

    @property
    def local_batch_size(self) -> int:
        """Number of samples that this process draws at once."""
        return self.batch_size // self.world

    def batch(self) -> tuple[Tensor, Tensor]:
        """Next real images [N,C,H,W] in [-1, 1] and their labels int64 [N], in shuffled epochs."""
        return self._shown(self._drawn())

    def batch_of(self, label: int) -> Tensor:
        """Next real images [N,C,H,W] in [-1, 1] of one class, in shuffled epochs of that class.

        Raises:
            InputError: The class has no images.
        """
        return self._shown(self._next(self._of_class(label)))[0]

    def batch_outside(self, label: int) -> Tensor:
        """Real images [N,C,H,W] in [-1, 1] of all classes but one, each image as likely.

        Raises:
            InputError: There are no others.
        """
        if self._sorted is None:
            self._sorted = torch.cat(by_class(self.images.labels))
        before, inside = sum(self._counts[:label]), self._counts[label]
        others = len(self._sorted) - inside
        if not others:
            raise InputError(f"there are no images but those of class {label}: give more classes")
        # A place among the others; those after the class are further on by its size.
        place = (torch.rand(self.batch_size, generator=self.generator) * others).long()
        place += inside * (place >= before)
        return self._at(self._sorted[self._mine(place, move=False)])[0]

    def indexed(self) -> tuple[Tensor, Tensor, Tensor]:
        """Next real images [N,C,H,W] in [-1, 1], labels int64 [N], and their places among all.

        They are shown as they are, neither mirrored nor bent.
        """
        self.seen += self.batch_size
        index = self._mine(self._drawn(), move=False).to(self.device)
        return to_float(self.images.images[index]), self.images.labels[index], index

    def indexed_unlabelled(self) -> tuple[Tensor, Tensor]:
        """Next images [N,C,H,W] without labels as they are, and their places behind all others."""
        assert self.unlabelled is not None, "there are none"
        index = self._mine(self._next(self._without), move=False).to(self.device)
        return to_float(self.unlabelled.images[index]), len(self.images) + index

    def _drawn(self) -> Tensor:
        return self._next_balanced() if self._balance else self._next(self._all)

    def _next(self, epochs: Epochs) -> Tensor:
        return epochs.next(self.batch_size)

    def _next_balanced(self) -> Tensor:
        """Indices int64 [N] of images, each class as likely as any other."""
        drawn = torch.randint(len(self.classes), (self.batch_size,), generator=self.generator)
        labels = self.classes[drawn]
        index = torch.empty(self.batch_size, dtype=torch.long)
        for label in labels.unique().tolist():
            places = labels == label
            index[places] = self._of_class(label).next(int(places.sum()))
        return index

    def _shown(self, index: Tensor) -> tuple[Tensor, Tensor]:
        self.seen += self.batch_size
        return self._at(self._mine(index, move=False))

    def _at(self, index: Tensor) -> tuple[Tensor, Tensor]:
        index = index.to(self.images.labels.device)
        return self.show(self.images.images[index]), self.images.labels[index]

    def show(self, images: Tensor) -> Tensor:
        """Images uint8 [N,C,H,W] as this feed shows them: in [-1, 1], mirrored or bent if it does.

        N is `local_batch_size`.
        """
        if self.flip:
            mirrored = self.uniform() < 0.5
            images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
        shown = to_float(images)
        if self.warp:
            shown = warped(shown, self.warp * self.normal(2, KNOTS, KNOTS))
        return shown

    def again(self, x: Tensor) -> Tensor:
        """The same real images once more: they count as seen, and nothing is drawn."""
        self.seen += self.batch_size
        return x

    def normal(self, *shape: int) -> Tensor:
        """Standard normal noise [N, *shape]."""
        return self._mine(torch.randn(self.batch_size, *shape, generator=self.generator))

    def uniform(self, *shape: int) -> Tensor:
        """Uniform noise [N, *shape] in [0, 1)."""
        return self._mine(torch.rand(self.batch_size, *shape, generator=self.generator))

    def labels(self) -> Tensor:
        """Labels int64 [N] for images to be generated; all -1 when there are no classes."""
        if not len(self._prior):
            return torch.full((self.local_batch_size,), -1, device=self.device)
        draw = torch.multinomial(self._prior, self.batch_size, True, generator=self.generator)
        return self._mine(draw)

    def state_dict(self) -> dict[str, Tensor]:
        """Generator, places in the current epochs and images seen, as tensors."""
        before, place = self._all.state()
        state = {
            "generator": self.generator.get_state(),
            "epoch": before,
            "place": torch.tensor([*place, self.seen]),
        }
        if self.unlabelled is not None:
            before, place = self._without.state()
            state |= {"epoch_without": before, "place_without": torch.tensor(place)}
        for label, epochs in self._of.items():
            before, place = epochs.state()
            state |= {f"epoch.{label}": before, f"place.{label}": torch.tensor(place)}
        return state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go back to the place that `state_dict` described."""
        *place, self.seen = state["place"].tolist()
        self._all.restore(state["epoch"], *place)
        if self.unlabelled is not None:
            self._without.restore(state["epoch_without"], *state["place_without"].tolist())
        for label in [int(name[6:]) for name in state if name.startswith("place.")]:
            self._of[label] = self._epochs_of(label)
            self._of[label].restore(state[f"epoch.{label}"], *state[f"place.{label}"].tolist())
        self.generator.set_state(state["generator"])

    def _of_class(self, label: int) -> Epochs:
        if label not in self._of:
            self._of[label] = self._epochs_of(label)
        return self._of[label]

    def _epochs_of(self, label: int) -> Epochs:
        members = by_class(self.images.labels, label + 1)[label]
        if not len(members):
            raise InputError(f"class {label} has no training images: leave it out, or add some")
        return Epochs(members, self.generator)

    def _mine(self, draw: Tensor, move: bool = True) -> Tensor:
        share = draw[self.rank :: self.world]
        return share.to(self.device, non_blocking=True) if move else share


if TYPE_CHECKING:
    _LikeFeed = Feed
else:
    _LikeFeed = object  # inherited methods would look past those of the feed inside


class Around(_LikeFeed):
    """A feed around another one: whatever a subclass does not change is that of the feed inside.

    Args:
        feed: Where everything random comes from; its state is the state of both.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._feed, name)

    @property
    def seen(self) -> int:
        """Real images that were seen; what is counted here is counted inside."""
        return self._feed.seen

    @seen.setter
    def seen(self, count: int) -> None:
        self._feed.seen = count
