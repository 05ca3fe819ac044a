"""Fetch a data set: the first carrier that has it serves, and its content is checked.

What is kept lies in `cache_folder()/data/NAME/`. The record `fetched.json` is written last, so a
fetch that was interrupted leaves nothing that a later `load` would use.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from fewgan.data.carriers import Archives, Folder
from fewgan.data.imageset import ImageSet
from fewgan.data.source import Carrier, Source, Split, Supply, Unavailable
from fewgan.errors import InputError
from fewgan.files import cache_folder, read_json, read_tensors, write_json, write_tensors

RECORD = "fetched.json"
Decoder = Callable[[Path, Split], ImageSet]


@dataclass(frozen=True)
class Fetched:
    """Where a data set lies now, and what brought it."""

    path: Path
    served_by: str


def home(name: str) -> Path:
    """The folder of a data set in the cache."""
    return cache_folder() / "data" / name


def fetch_source(source: Source, given: Path | None = None) -> Fetched:
    """Bring a data set to this machine, unless it is here already.

    Args:
        source: The data set.
        given: A folder or an archive that holds it; nothing else is tried then.

    Raises:
        InputError: It is not to be had; the message names what was tried and what to do.
    """
    if source.supply is None:
        return Fetched(home(source.name), "embedded in the installation")
    if is_here(source.name) and given is None:
        return Fetched(home(source.name), "already here")
    if given and not given.exists():
        raise InputError(f"there is no {given} to take {source.name} from")
    carriers = local([given]) if given else candidates(source.name, source.supply)
    failures = []
    for carrier in carriers:
        try:
            _fetch_with(carrier, source.supply, home(source.name))
            return Fetched(home(source.name), carrier.name)
        except Unavailable as reason:
            failures.append(f"{carrier.name}: {reason}")
    tried = "; ".join(failures) or "no folder here holds it"
    remedy = source.supply.remedy.format(home=home(source.name))
    raise InputError(f"cannot fetch {source.name} ({tried}). Remedy: {remedy}")


def _fetch_with(carrier: Carrier, supply: Supply, place: Path) -> None:
    if carrier.network and os.environ.get("FEWGAN_OFFLINE", "0") not in ("", "0"):
        raise Unavailable("passed over, as FEWGAN_OFFLINE is set")
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=place) as work:
            supply.keep(carrier.bring(Path(work)), place)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"cannot write {place}: {reason}; free some space or set FEWGAN_HOME"
        ) from error
    write_json(place / RECORD, {"served_by": carrier.name})


def candidates(name: str, supply: Supply) -> Iterator[Carrier]:
    """The folders of this machine where the set may lie, then the set's carriers."""
    roots = (Path.home() / "data", Path("data").absolute())
    named = [root / place for place in supply.places for root in roots]
    folders = dict.fromkeys([home(name), *named])
    yield from local(folder for folder in folders if folder.is_dir())
    yield from supply.carriers


def local(places: Iterable[Path]) -> Iterator[Carrier]:
    """The folders among `places` that hold something, as they are and with archives unpacked."""
    for place in places:
        if place.is_dir() and any(not inside.name.startswith(".") for inside in place.iterdir()):
            yield Folder(place)
        if Archives(place).found():
            yield Archives(place)


def is_here(name: str) -> bool:
    """Whether a data set has been fetched."""
    return (home(name) / RECORD).is_file()


def require(name: str) -> Path:
    """The folder of a fetched data set.

    Raises:
        InputError: It has not been fetched.
    """
    if not is_here(name):
        raise InputError(f"{name} is not on this machine: run `fewgan data fetch {name}`")
    read_json(home(name) / RECORD)
    return home(name)


# --- sets that are kept as tensors --------------------------------------------------------------


def content_sha256(images: Tensor, labels: Tensor) -> str:
    """SHA-256 over the labels (one byte each) and the pixels: the same whatever file held them."""
    digest = hashlib.sha256(labels.byte().numpy().tobytes())
    for chunk in images.split(4096):
        digest.update(chunk.numpy().tobytes())
    return digest.hexdigest()


def keep_tensors(decode: Decoder, contents: Mapping[Split, str]) -> Callable[[Path, Path], None]:
    """A `Supply.keep` that decodes once into `{train,test}.safetensors`.

    Args:
        decode: Reads a split from a folder, or raises `Unavailable`.
        contents: The `content_sha256` of each split, as published.
    """

    def keep(folder: Path, place: Path) -> None:
        decoded = {split: decode(folder, split) for split in contents}
        for split, images in decoded.items():
            if content_sha256(images.images, images.labels) != contents[split]:
                raise Unavailable(f"its {split} images are not the published ones")
        for split, images in decoded.items():
            store(images, place, split)

    return keep


def store(images: ImageSet, place: Path, split: Split) -> None:
    """Write one split as a sealed tensor file."""
    tensors = {"images": images.images, "labels": images.labels}
    write_tensors(place / f"{split}.safetensors", tensors, {"class_names": images.class_names})


def read_stored(name: str, split: Split, **card: Any) -> ImageSet:
    """Read what `store` wrote for a fetched set; `card` goes to the `ImageSet` as it is.

    Raises:
        InputError: It has not been fetched, has no such split, or is damaged.
    """
    path = require(name) / f"{split}.safetensors"
    if not path.exists():
        raise InputError(f"{name} has no {split} images in {path.parent}")
    tensors, meta = read_tensors(path)
    names = tuple(meta["class_names"])
    return ImageSet(tensors["images"], tensors["labels"], names, name, **card)
