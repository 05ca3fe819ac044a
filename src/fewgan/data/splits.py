"""Splits are data: which images are held out, shown, asked about, or come with which experience.

Every function takes labels (int64 [N]) and returns int64 indices into them, drawn from the given
generator and sorted, so equal seeds give equal splits. A `Division` writes them down with the
digest of the image set they belong to.
"""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Generator, Tensor

from fewgan.data.imageset import ImageSet, class_index
from fewgan.errors import InputError, unknown
from fewgan.files import read_json, write_json

LEAST = 3  # images of a class of which one is held out, however small the share


class Task(NamedTuple):
    """A few-shot task: one class, `support` to learn from and `query` to be judged on."""

    class_index: int
    support: Tensor
    query: Tensor


# --- images -------------------------------------------------------------------------------------


def by_class(labels: Tensor, count: int | None = None) -> tuple[Tensor, ...]:
    """Indices of the images of each class, ascending; one sort, then lookups are free.

    Args:
        labels: int64 [N]; all of one value, as -1 for "no classes", make one group.
        count: Number of classes, when the last ones may be empty; else what the labels show.
    """
    labels = labels.cpu()
    labels = labels.clamp(min=0)
    sizes = torch.bincount(labels, minlength=count or 1)
    return labels.argsort(stable=True).split(sizes.tolist())


def holdout(
    labels: Tensor, fraction: float, generator: Generator, leave: int = 0
) -> tuple[Tensor, Tensor]:
    """Hold out floor(n_c * fraction) images of each class c, or as many as leave enough of it.

    Of a class of three or more it is one at the least: what is never asked about is never known.

    Args:
        labels: int64 [N].
        fraction: Share to hold out, in [0, 1).
        generator: Source of randomness.
        leave: Images of each class that are not held out, if it has as many.

    Returns:
        Indices kept and indices held out; together all of 0..N-1.

    Raises:
        InputError: `fraction` is out of range.
    """
    if not 0 <= fraction < 1:
        raise InputError(f"fraction {fraction} cannot be held out: choose one from 0 to below 1")
    held = []
    for members in by_class(labels):
        asked = math.floor(len(members) * fraction + 1e-9)
        if fraction and len(members) >= LEAST:
            asked = max(1, asked)
        held.append(_draw(members, min(asked, max(0, len(members) - leave)), generator))
    mask = torch.zeros(len(labels), dtype=torch.bool)
    mask[torch.cat(held)] = True
    return (~mask).nonzero().flatten(), mask.nonzero().flatten()


def shots(labels: Tensor, k: int, generator: Generator, class_names: Sequence[str] = ()) -> Tensor:
    """Draw k images of each class that occurs in `labels`.

    Returns:
        int64 [k * classes], ascending.

    Raises:
        InputError: k is not positive, or larger than a class, which is named.
    """
    groups = by_class(labels)
    present = [index for index, members in enumerate(groups) if len(members)]
    _check_shots(groups, present, k, class_names)
    drawn = [_draw(groups[index], k, generator) for index in present]
    return torch.cat(drawn).sort().values


def support_query(
    labels: Tensor, classes: Sequence[int], k: int, q: int, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Draw k support and q other query images of each of some classes: one k-shot episode.

    Returns:
        int64 [classes * k] and [classes * q]; class after class in the order of `classes`.

    Raises:
        InputError: k + q is larger than one of the classes, which is named.
    """
    groups = by_class(labels, max(classes, default=0) + 1)
    _check_shots(groups, classes, k + q)
    drawn = [groups[c][torch.randperm(len(groups[c]), generator=generator)] for c in classes]
    support = torch.cat([order[:k] for order in drawn])
    return support, torch.cat([order[k : k + q] for order in drawn])


def tasks(labels: Tensor, classes: Sequence[int], k: int, generator: Generator) -> Iterator[Task]:
    """Endless few-shot tasks: a class drawn with replacement, k support images, the rest as query.

    Raises:
        InputError: k is larger than one of the classes, which is named; raised on the call.
    """
    groups = by_class(labels, max(classes, default=0) + 1)
    if not classes:
        raise InputError("tasks need at least one class to draw from")
    _check_shots(groups, classes, k)
    return _tasks(groups, tuple(classes), k, generator)


def _tasks(
    groups: Sequence[Tensor], classes: tuple[int, ...], k: int, generator: Generator
) -> Iterator[Task]:
    while True:
        drawn = classes[int(torch.randint(len(classes), (), generator=generator))]
        members = groups[drawn]
        order = members[torch.randperm(len(members), generator=generator)]
        yield Task(drawn, order[:k].sort().values, order[k:].sort().values)


def _draw(members: Tensor, count: int, generator: Generator) -> Tensor:
    return members[torch.randperm(len(members), generator=generator)[:count]]


def _check_shots(
    groups: Sequence[Tensor], classes: Sequence[int], k: int, class_names: Sequence[str] = ()
) -> None:
    if k < 1:
        raise InputError(f"{k} images a class cannot be drawn: ask for at least 1")
    for index in classes:
        if len(groups[index]) < k:
            has, asked = len(groups[index]), f"images, {k} were asked for: ask for fewer"
            if len(groups) == 1 and not class_names:
                raise InputError(f"there are {has} {asked}")
            name = class_names[index] if index < len(class_names) else index
            raise InputError(f"class {name!r} has {has} {asked} or leave that class out")


# --- classes ------------------------------------------------------------------------------------


def base_novel(
    classes: int | Sequence[int], novel: int | Sequence[int], seed: int = 0
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Divide classes into base classes to learn from and novel classes to adapt to.

    Args:
        classes: The classes, or how many there are.
        novel: The novel ones, or how many to draw with `seed`.
        seed: For the draw.

    Returns:
        Base and novel class indices, both ascending.

    Raises:
        InputError: A novel class is not among the classes, or no base class would remain.
    """
    every = list(range(classes)) if isinstance(classes, int) else list(classes)
    if isinstance(novel, int):
        order = torch.randperm(len(every), generator=Generator().manual_seed(seed)).tolist()
        novel = [every[i] for i in order[: max(novel, 0)]]
    for index in novel:
        if index not in every:
            raise unknown("class", str(index), [str(c) for c in every])
    base = sorted(set(every) - set(novel))
    if not base or not novel:
        raise InputError(f"{len(every)} classes with {len(novel)} novel ones: each side needs one")
    return tuple(base), tuple(sorted(set(novel)))


def experiences(
    stream: str, class_names: Sequence[str], order_seed: int | None = None
) -> tuple[tuple[int, ...], ...]:
    """Read a stream of experiences such as "0,1/2,3/4": which classes come when.

    Args:
        stream: Experiences divided by "/", classes by ","; a class is its name or its number. A
            "/" within a class's name divides nothing.
        class_names: The classes there are.
        order_seed: Shuffles the classes over the experiences, whose sizes stay.

    Returns:
        Class indices, one tuple an experience.

    Raises:
        InputError: A class is unknown or comes twice, or an experience is empty.
    """
    parts = [_words(part) for part in _divided(stream, class_names)]
    if not all(word for part in parts for word in part):
        raise InputError(f"stream {stream!r} has an empty place: write it like 0,1/2,3/4")
    found = [[class_index(class_names, word) for word in part] for part in parts]
    flat = [index for part in found for index in part]
    for index in flat:
        if flat.count(index) > 1:
            raise InputError(f"stream {stream!r} has class {class_names[index]!r} twice")
    if order_seed is not None:
        generator = Generator().manual_seed(order_seed)
        flat = [flat[i] for i in torch.randperm(len(flat), generator=generator).tolist()]
    rest = iter(flat)
    return tuple(tuple(next(rest) for _ in part) for part in found)


def _divided(stream: str, class_names: Sequence[str]) -> list[str]:
    """The experiences of a stream; a "/" within a class's name divides nothing."""
    names = sorted((name for name in class_names if "/" in name), key=len, reverse=True)
    if not names:
        return stream.split("/")
    pattern = "|".join(map(re.escape, names))
    hidden = re.sub(pattern, lambda name: name[0].replace("/", "\0"), stream)
    return [part.replace("\0", "/") for part in hidden.split("/")]


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


# --- written down -------------------------------------------------------------------------------


class Division(BaseModel):
    """A split of one image set, to be written into a run folder and read again.

    Attributes:
        digest: `ImageSet.digest` of the set that the indices belong to.
        parts: Named indices as runs in text, "0-4,7": short, and readable by a person.
        classes: Named class indices, such as base and novel, or one entry an experience.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str
    parts: dict[str, str] = {}
    classes: dict[str, tuple[int, ...]] = {}

    @classmethod
    def of(
        cls,
        images: ImageSet,
        parts: dict[str, Tensor] | None = None,
        classes: dict[str, tuple[int, ...]] | None = None,
    ) -> "Division":
        """Write down index tensors and groups of classes of `images`."""
        runs = {name: to_runs(indices.tolist()) for name, indices in (parts or {}).items()}
        return cls(digest=images.digest, parts=runs, classes=classes or {})

    def indices(self, part: str) -> Tensor:
        """The indices of one part, int64, in the order they were given."""
        return torch.tensor(from_runs(self.parts[part]), dtype=torch.int64)

    def take(self, images: ImageSet, part: str) -> ImageSet:
        """The images of one part.

        Raises:
            InputError: `images` is not the set that was divided, or there is no such part.
        """
        if images.digest != self.digest:
            raise InputError(
                f"the split was made for other images than these of {images.name}: "
                "use the data, size and channels that the run was made with"
            )
        if part not in self.parts:
            raise unknown("part of the split", part, self.parts)
        return images.take(self.indices(part))

    def save(self, path: Path) -> None:
        """Write as sealed JSON, atomically."""
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def load(cls, path: Path) -> "Division":
        """Read what `save` wrote.

        Raises:
            InputError: The file is missing or damaged, or is not a split.
        """
        try:
            return cls.model_validate(read_json(path))
        except ValidationError as error:
            raise InputError(f"{path} is not a split that fewgan wrote") from error


def to_runs(numbers: Sequence[int]) -> str:
    """Write numbers in [0, inf) as ascending runs in their order: [3, 4, 5, 1] is "3-5,1"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{a}-{b}" if b > a else f"{a}" for a, b in runs)


def from_runs(text: str) -> list[int]:
    """Read what `to_runs` wrote."""
    ends = [[int(end) for end in run.split("-")] for run in text.split(",") if run]
    return [number for pair in ends for number in range(pair[0], pair[-1] + 1)]
