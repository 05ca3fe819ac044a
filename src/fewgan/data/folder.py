"""Any folder of images: one sub-folder a class, or images without classes.

A folder with `train/` beside a held-out folder uses them as its splits; other folders have no
test split of their own.
"""

import os
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from fewgan.data.imageset import ImageSet
from fewgan.data.pictures import SUFFIXES, read_pictures
from fewgan.data.source import Request, Source
from fewgan.errors import InputError

HELD_OUT = ("test", "val", "valid", "validation")
"""Names that mark a held-out folder beside `train/`, first found first used."""
_NAMED = 5  # how many files a message names before it counts the rest


def folder_source(root: Path) -> Source:
    """The source that reads the folder `root`.

    Raises:
        InputError: The folder may not be opened.
    """
    if not os.access(root, os.R_OK | os.X_OK):
        raise InputError(f"no permission to read {root}: change it or copy the folder")
    test = _held_out(root) is not None
    return Source(root.resolve().name, "folder of images", "unknown", partial(read, root), test)


def read(root: Path, request: Request) -> ImageSet:
    """Read the folder `root` in the size and channels asked for.

    Raises:
        InputError: It holds no images, one only, an empty class, a mix of images and class
            folders, or files that cannot be read and are not to be skipped.
    """
    held_out = _held_out(root)
    train = root / "train" if held_out else root
    classes = class_folders(train)
    name = root.resolve().name
    if request.split == "train":
        images = _read_listed(train, classes, request, name)
        _check_filled(train, images)
        return images
    if held_out is None:
        raise InputError(f"{root} has no test images of its own: it has no train/ and test/")
    strangers = sorted(set(class_folders(held_out)) - set(classes))
    if strangers:
        raise InputError(f"{held_out} has classes that {train} has not: {_some(strangers)}")
    return _read_listed(held_out, classes, request, name)


def _read_listed(folder: Path, classes: Sequence[str], request: Request, name: str) -> ImageSet:
    """The images below `folder`; label -1 throughout where `classes` is empty."""
    groups = enumerate(folder / c for c in classes) if classes else [(-1, folder)]
    listed = [(file, label) for label, place in groups for file in pictures_in(place)]
    if not listed:
        raise _no_images(folder)
    files = [file for file, _ in listed]
    pictures = read_pictures(files, folder, request.size, request.channels)
    judge(files, pictures.bad, folder, request.skip_corrupt)
    bad = set(pictures.bad)
    labels = torch.tensor([label for i, (_, label) in enumerate(listed) if i not in bad])
    return ImageSet(pictures.images, labels, tuple(classes), name)


def read_folder(
    root: Path, size: int, channels: int, skip_corrupt: bool = False
) -> tuple[list[Path], Tensor]:
    """Every readable picture below `root`, whatever the sub-folders: files and uint8 [N,C,S,S].

    Raises:
        InputError: There is no such folder, it holds no pictures, or some cannot be read and are
            not to be skipped.
    """
    if not root.is_dir():
        raise InputError(f"there is no folder {root}")
    files = pictures_in(root)
    if not files:
        raise _no_images(root)
    pictures = read_pictures(files, root, size, channels)
    judge(files, pictures.bad, root, skip_corrupt)
    bad = set(pictures.bad)
    return [file for i, file in enumerate(files) if i not in bad], pictures.images


def _held_out(root: Path) -> Path | None:
    present = [root / name for name in HELD_OUT if (root / name).is_dir()]
    return present[0] if present and (root / "train").is_dir() else None


def class_folders(root: Path) -> tuple[str, ...]:
    """Names of the sub-folders of `root`, sorted, unless it holds images itself and they do not.

    Raises:
        InputError: There are images both in `root` and in its sub-folders.
    """
    names = sorted(p.name for p in root.iterdir() if p.is_dir() and not _hidden(p.name))
    loose = [p for p in root.iterdir() if _is_picture(p)]
    if loose and any(pictures_in(root / name) for name in names):
        raise InputError(
            f"{root} has images such as {loose[0].name} beside class folders such as {names[0]}: "
            "move them into a class folder, or away"
        )
    return () if loose else tuple(names)


def pictures_in(folder: Path) -> list[Path]:
    """Every image file below `folder`, sorted; hidden files and folders are passed over."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _hidden(name)]
        found += [Path(place) / name for name in files if _is_picture(Path(place) / name)]
    return sorted(found)


def judge(files: Sequence[Path], bad: Sequence[int], root: Path, skip: bool) -> None:
    """Refuse files that could not be read, or warn that they were left out.

    Raises:
        InputError: There are such files, and they are not to be skipped.
    """
    if not bad:
        return
    names = _some([str(files[i].relative_to(root)) for i in bad])
    count = f"{len(bad)} of {len(files)} images in {root} cannot be read ({names})"
    if not skip:
        raise InputError(f"{count}: mend or remove them, or skip them with --skip-corrupt")
    warnings.warn(f"{count}; they were left out", stacklevel=2)


def _no_images(folder: Path) -> InputError:
    others = sorted(p.name for p in folder.rglob("*") if p.is_file())
    found = f"only {_some(others)}" if others else "it is empty"
    kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
    return InputError(f"no images in {folder}, {found}: put some there ({kinds})")


def _check_filled(folder: Path, images: ImageSet) -> None:
    """Refuse what nothing can be learnt from: a class without images, or one image in all."""
    empty = [n for n, count in zip(images.class_names, images.counts(), strict=False) if not count]
    if empty:
        raise InputError(
            f"class folders without images in {folder}: {_some(empty)}; fill or remove them"
        )
    if len(images) == 1:
        raise InputError(f"one image only in {folder}: at least 2 are needed")


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not _hidden(path.name) and path.is_file()


def _hidden(name: str) -> bool:
    return name.startswith((".", "__"))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
