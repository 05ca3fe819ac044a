"""What a data set is to the house: an entry that says how to read it and where it comes from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from fewgan.data.imageset import ImageSet

Split = Literal["train", "test"]


class Unavailable(Exception):  # noqa: N818 - not an error yet: the next carrier may have it
    """This carrier cannot bring the data set; the message says why, in a few words."""


@dataclass(frozen=True)
class Request:
    """What is asked of a source when it is read.

    Attributes:
        split: Which of the data set's own splits.
        option: What stood after the colon of the name, as in `celeba:Smiling`; may be empty.
        size: Side in pixels that the caller wants; a source may serve its native size instead.
        channels: 1, 3 or None for the native number; a source may serve the native number.
        skip_corrupt: Leave unreadable files out, with a warning, instead of refusing the set.
    """

    split: Split = "train"
    option: str = ""
    size: int | None = None
    channels: int | None = None
    skip_corrupt: bool = False


class Carrier(Protocol):
    """A way to bring a data set's files to this machine."""

    @property
    def name(self) -> str:
        """What to call this way when it served or failed."""

    @property
    def network(self) -> bool:
        """Whether it needs the network; `FEWGAN_OFFLINE=1` passes over it then."""

    def bring(self, work: Path) -> Path:
        """Return a folder with the files, which may be `work` (empty, deleted afterwards).

        Raises:
            Unavailable: The files are not to be had this way.
        """


@dataclass(frozen=True)
class Supply:
    """Where a data set that is not embedded comes from.

    Attributes:
        keep: Takes a folder with the data set's files and this set's folder in the cache, checks
            the former and leaves in the latter what `read` needs; raises `Unavailable` when the
            folder does not hold the set, whole and unaltered.
        places: Folders where the set may already lie: absolute, or relative to `data/` in the
            home folder or in the current one, where other libraries put it.
        carriers: The ways to bring it, best first.
        remedy: What to do without a network: which file to put where.
    """

    keep: Callable[[Path, Path], None]
    places: tuple[str, ...] = ()
    carriers: tuple[Carrier, ...] = ()
    remedy: str = ""


@dataclass(frozen=True)
class Source:
    """One row of the table of data sets.

    Attributes:
        name: What a person types.
        summary: One line on what it holds.
        licence: Licence of the images.
        read: Reads the set; what it returns is then fitted to the size and channels asked for.
        test_split: It has a test split of the same classes.
        padded: Side to which the native images are zero-padded before any resizing; 0 for none.
        supply: Where it comes from; None when it is embedded in the installation.
    """

    name: str
    summary: str
    licence: str
    read: Callable[[Request], ImageSet]
    test_split: bool = True
    padded: int = 0
    supply: Supply | None = None

    @property
    def embedded(self) -> bool:
        """It needs no fetching."""
        return self.supply is None
