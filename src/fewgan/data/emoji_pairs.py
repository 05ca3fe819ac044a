"""Pairs of emoji vendors: translation between two domains with a known answer.

`emoji-pairs:A,B` has two classes, which are the domains: emoji by vendor A and by vendor B. Names
that both draw are divided with a fixed seed into a held-out fifth and two halves of the rest.
Training shows the one half as A draws it and the other half as B draws it: no training image has
its counterpart in the set, so it is truly unpaired. The test images are the held-out emoji by A,
then the same ones in the same order by B: number i of the one domain is the answer to number i of
the other.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fewgan.data.emoji import SIDE, STYLES
from fewgan.data.fetching import fetch_source, is_here
from fewgan.data.imageset import ImageSet
from fewgan.data.source import Request, Source, Supply, Unavailable
from fewgan.errors import InputError, unknown

DEFAULT = "fluent-flat,openmoji"  # outlines against areas: a copy is a poor answer
_HELD_OUT = 5  # one in so many emoji is held out
_TONE = re.compile(r"-(medium-)?(light|medium|dark)(-skin-tone)?(?=-|$)")


def shared_names(a: Sequence[str], b: Sequence[str]) -> list[str]:
    """Names in both, sorted; variants of skin tone are left out, as they are nearly the same."""
    both = set(a) & set(b)
    return sorted(name for name in both if _TONE.sub("", name) not in both - {name})


def divide(names: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Names for training as A, for training as B, and held out: disjoint, drawn with seed 0."""
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(0)).tolist()
    held = len(names) // _HELD_OUT
    half = (len(names) + held) // 2
    parts = order[held:half], order[half:], order[:held]
    a, b, test = ([names[i] for i in sorted(part)] for part in parts)
    return a, b, test


def read(request: Request) -> ImageSet:
    """Two domains, A then B, each in the order of the names.

    Raises:
        InputError: The option is not `A,B`, a vendor is unknown, or its set is not here.
    """
    wanted = (request.option or DEFAULT).split(",")
    if len(wanted) != 2 or wanted[0] == wanted[1]:
        raise InputError(f"emoji-pairs:{request.option} is no pair: write it like {DEFAULT}")
    for name in wanted:
        if name not in STYLES:
            raise unknown("emoji style", name, STYLES)
    (images_a, all_a), (images_b, all_b) = (
        STYLES[name].drawn(request.size or SIDE) for name in wanted
    )
    names_a, names_b, test = divide(shared_names(all_a, all_b))
    if request.split == "test":
        names_a = names_b = test
    chosen = [_named(images_a, all_a, names_a), _named(images_b, all_b, names_b)]
    labels = torch.arange(2).repeat_interleave(torch.tensor([len(c) for c in chosen]))
    licence = "; ".join(f"{name}: {STYLES[name].licence}" for name in wanted)
    return ImageSet(torch.cat(chosen), labels, tuple(wanted), "emoji-pairs", licence)


def _named(images: Tensor, names: Sequence[str], wanted: Sequence[str]) -> Tensor:
    place = {name: i for i, name in enumerate(names)}
    return images[torch.tensor([place[name] for name in wanted])]


@dataclass(frozen=True)
class Others:
    """A carrier that fetches the data sets which another one is made of."""

    sources: tuple[Source, ...]
    network: bool = False  # each of them asks for itself

    @property
    def name(self) -> str:
        """The sets."""
        return " and ".join(source.name for source in self.sources)

    def bring(self, work: Path) -> Path:
        """Fetch what is not here yet."""
        for source in self.sources:
            fetch_source(source)
        return work


def keep(folder: Path, place: Path) -> None:
    """Keep nothing: the drawings lie with their own sets."""
    for name in DEFAULT.split(","):
        if not is_here(f"emoji-{name}"):
            raise Unavailable(f"it is no place for two sets: fetch emoji-{name} from it")


SOURCE = Source(
    "emoji-pairs",
    f"two domains to translate between, {DEFAULT} unless said (emoji-pairs:noto,twemoji)",
    "those of the two sets",
    read,
    supply=Supply(
        keep,
        carriers=(Others(tuple(STYLES[name].source for name in DEFAULT.split(","))),),
        remedy=f"fetch {' and '.join(f'emoji-{name}' for name in DEFAULT.split(','))} one by one",
    ),
)
