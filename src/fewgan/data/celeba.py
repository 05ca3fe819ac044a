"""CelebA: 202,599 faces with 40 yes-or-no attributes, 178x218 colour; attributes make the classes.

Z. Liu, P. Luo, X. Wang, X. Tang, "Deep learning face attributes in the wild", ICCV 2015. Its
licence forbids passing it on, so it has no carrier: it is read where it lies.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from fewgan.data.fetching import require
from fewgan.data.folder import judge
from fewgan.data.imageset import ImageSet
from fewgan.data.pictures import read_pictures
from fewgan.data.source import Request, Source, Split, Supply, Unavailable
from fewgan.errors import InputError, unknown
from fewgan.files import read_json, write_json

LICENCE = "non-commercial research only"
DEFAULT = "Male"
_IMAGES, _ATTRIBUTES, _PARTITION = (
    "img_align_celeba",
    "list_attr_celeba.txt",
    "list_eval_partition.txt",
)
_PART: dict[Split, str] = {"train": "0", "test": "2"}
_POINTER = "folder.json"


def read(request: Request) -> ImageSet:
    """The images of one partition, with 2^n classes for n attributes (`celeba:Smiling,Male`).

    Raises:
        InputError: The set has not been fetched or is incomplete, or an attribute is unknown.
    """
    folder = Path(read_json(require("celeba") / _POINTER)["folder"])
    names, rows = _attributes(folder)
    wanted = _wanted(request.option or DEFAULT, names)
    files = _partition(folder, request.split)
    pictures = read_pictures(files, folder, request.size, request.channels or 3)
    judge(files, pictures.bad, folder, request.skip_corrupt)
    bad = set(pictures.bad)
    labels = [_label(rows[f.name], wanted) for i, f in enumerate(files) if i not in bad]
    classes = class_names([names[i] for i in wanted])
    return ImageSet(pictures.images, torch.tensor(labels), classes, "celeba", LICENCE, flip=True)


def class_names(attributes: Sequence[str]) -> tuple[str, ...]:
    """Names of the 2^n classes: "not Male", "Male"; the first attribute is the highest bit."""
    names = [""]
    for attribute in attributes:
        names = [f"{n}+{a}" for n in names for a in (f"not {attribute}", attribute)]
    return tuple(name[1:] for name in names)


def _label(row: Sequence[str], wanted: Sequence[int]) -> int:
    return int("".join("1" if row[i] == "1" else "0" for i in wanted), 2)


def _wanted(option: str, names: Sequence[str]) -> list[int]:
    asked = [word.strip() for word in option.split(",")]
    for word in asked:
        if word not in names:
            raise unknown("attribute of celeba", word, names)
    if len(set(asked)) < len(asked):
        raise InputError(f"celeba:{option} names an attribute twice")
    return [names.index(word) for word in asked]


def _attributes(folder: Path) -> tuple[list[str], dict[str, list[str]]]:
    """Attribute names, and for each file its row of "1" and "-1"."""
    lines = _lines(folder / _ATTRIBUTES)[1:]  # the first line is a count
    rows = {words[0]: words[1:] for words in (line.split() for line in lines[1:]) if words}
    names = lines[0].split() if lines else []
    if not rows or any(len(row) != len(names) for row in rows.values()):
        raise InputError(f"{folder / _ATTRIBUTES} is cut or is not CelebA's table of attributes")
    return names, rows


def _partition(folder: Path, split: Split) -> list[Path]:
    pairs = (line.split() for line in _lines(folder / _PARTITION))
    listed = [pair[0] for pair in pairs if len(pair) == 2 and pair[1] == _PART[split]]
    files = [folder / _IMAGES / name for name in listed]
    missing = [file.name for file in files if not file.is_file()]
    if missing or not files:
        what = f"{len(missing)} {split} images, such as {missing[0]}" if missing else split
        raise InputError(f"{folder} lacks {what}: fetch celeba again from a complete folder")
    return files


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: fetch celeba again ({error})") from None


def keep(folder: Path, place: Path) -> None:
    """Note where the set lies; images that were unpacked into a passing folder move to `place`."""
    if not all((folder / part).exists() for part in (_IMAGES, _ATTRIBUTES, _PARTITION)):
        raise Unavailable(f"it lacks {_IMAGES}/, {_ATTRIBUTES} or {_PARTITION}")
    if place.resolve() in folder.resolve().parents:
        for part in (_IMAGES, _ATTRIBUTES, _PARTITION):
            (folder / part).rename(place / part)
        folder = place
    write_json(place / _POINTER, {"folder": str(folder.resolve())})


SOURCE = Source(
    "celeba",
    "202,599 faces, classes from attributes (celeba:Smiling,Male), 178 pixels colour",
    LICENCE,
    read,
    supply=Supply(
        keep,
        places=("celeba", "CelebA"),
        remedy=f"put {_IMAGES}/ (or its zip), {_ATTRIBUTES} and {_PARTITION} in {{home}}, or in "
        "data/celeba here, and fetch again",
    ),
)
