"""What the command line writes for a person: samples, walks, previews and reports."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fewgan import data
from fewgan.data.folder import read_folder
from fewgan.data.imageset import ImageSet
from fewgan.errors import InputError, validated
from fewgan.files import atomic, write_json
from fewgan.metrics.progress import progress_bars
from fewgan.networks.translation import Direction
from fewgan.report.card import write_card
from fewgan.report.compare import rows_of, write_comparison
from fewgan.report.filtering import TESTS, Filter, filtered, levelling
from fewgan.report.grids import class_grid, grid, picture, save_gif, save_png
from fewgan.report.herding import drawn
from fewgan.report.page import write_report
from fewgan.report.terminal import comparison_table
from fewgan.report.translation import translation_panel
from fewgan.report.view import RunView
from fewgan.training.run import Checkpoint, Run

EACH = 64  # images, or of each class where they are filtered
Writer = Callable[[Run, ImageSet, Path], None]
"""Writes images of a run to a place."""


def picture_of(
    images: torch.Tensor, labels: torch.Tensor, class_names: Sequence[str]
) -> Image.Image:
    """A grid with a row for each class, or a plain one when there is only one class or none."""
    if len(labels.unique()) > 1:
        return class_grid(images, labels, class_names)
    return grid(images, columns=min(10, len(images)))


def check_output(path: Path, overwrite: bool) -> None:
    """Make sure that an output may be written.

    Raises:
        InputError: Something stands there, or its folder does not exist.
    """
    if path.exists() and not overwrite and not (path.is_dir() and not any(path.iterdir())):
        raise InputError(f"{path} already exists: choose another --out, or give --overwrite")
    if path.is_dir() and path.suffix:
        raise InputError(f"{path} is a folder: choose another --out")
    if not path.parent.exists():
        raise InputError(
            f"there is no folder {path.parent} to write {path.name} into: make it first"
        )


def save_samples(
    run: Run,
    out: Path,
    n: int = EACH,
    label: str | None = None,
    seed: int = 0,
    which: Checkpoint = "best",
    overwrite: bool = False,
    herd: int | None = None,
) -> dict[str, Any]:
    """Draw samples into a grid (`.png`), arrays (`.npz`) or a folder with one sub-folder a class.

    An archive holds `images` uint8 [N,H,W,C] and `labels` int64 [N], the data set's own class
    numbers (-1 without classes). With `herd`, so many are drawn for each that is kept.

    Raises:
        InputError: The output exists, is of another kind, or cannot be written.
    """
    write = _writer(out, overwrite)
    with progress_bars() as bars:
        images = drawn(run, n, label, herd=herd, seed=seed, which=which, progress=bars)
    write(run, images, out)
    done = {"images": n, "checkpoint": which, "seed": seed, "out": str(out)}
    return done if herd is None else done | {"herded from": herd * n}


def save_filtered(
    run: Run,
    out: Path,
    each: int | None = None,
    label: str | None = None,
    level: bool = False,
    seed: int = 0,
    which: Checkpoint = "best",
    overwrite: bool = False,
    **rules: Any,
) -> dict[str, Any]:
    """Draw images of each class that pass the tests, with a manifest beside or among them.

    Args:
        run: The run.
        out: FILE.npz, FILE.png or a folder.
        each: How many of each class; `EACH` when left out.
        label: Only this class.
        level: In place of `each`, as many as bring each class level with the largest one of the
            training images.
        seed: The same seed gives the same images.
        which: The checkpoint that draws.
        overwrite: Replace what stands at `out`.
        **rules: Fields of `Filter`.

    Raises:
        InputError: The output cannot be written, the run cannot be filtered, or nothing passes.
    """
    if level and each is not None:
        raise InputError("--level says how many images of each class: leave out --n")
    if each is not None and each < 1:
        raise InputError(f"--n {each} asks for no images: ask for at least 1")
    sieve = validated(Filter, rules)
    write = _writer(out, overwrite)
    place = out / "manifest.json" if not out.suffix else out.with_suffix(".manifest.json")
    if out.suffix:
        check_output(place, overwrite)
    wanted = levelling(run) if level else dict.fromkeys(run.class_names, each or EACH)
    if label is not None:
        name = run.class_names[run.class_place(label)]
        wanted = {name: wanted[name]}
        if not wanted[name]:
            raise InputError(f"class {name!r} has as many images as any: leave out --label")
    images, manifest = filtered(run, wanted, rules=sieve, seed=seed, which=which)
    if not len(images):
        raise InputError(_none_passed(manifest["classes"]))
    write(run, images, out)
    write_json(place, manifest)
    short = [n for n, counts in manifest["classes"].items() if counts["kept"] < counts["wanted"]]
    done = {"images": len(images), "checkpoint": which, "seed": seed, "out": str(out)}
    done |= {"manifest": str(place)}
    return done | ({"too few passed of": ", ".join(short)} if short else {})


def _none_passed(classes: Mapping[str, Mapping[str, int]]) -> str:
    """That nothing is left, and why."""
    refused = {test: sum(c[f"refused_by_{test}"] for c in classes.values()) for test in TESTS}
    why = ", ".join(f"{n} by {test}" for test, n in refused.items())
    drawn = sum(counts["drawn"] for counts in classes.values())
    return f"no image of {drawn} passed (refused {why}): train for longer, or ask for less"


def _writer(out: Path, overwrite: bool) -> Writer:
    """How to write to an output, which may be written."""
    if out.suffix.lower() not in WRITERS:
        raise InputError(f"--out {out}: give FILE.png, FILE.npz or a folder")
    check_output(out, overwrite)
    return WRITERS[out.suffix.lower()]


def _write_grid(run: Run, images: ImageSet, out: Path) -> None:
    save_png(picture_of(images.images, images.labels, run.class_names), out)


def _write_arrays(run: Run, images: ImageSet, out: Path) -> None:
    pixels = images.images.permute(0, 2, 3, 1).contiguous().numpy()
    with atomic(out) as partial, partial.open("wb") as file:
        np.savez_compressed(file, images=pixels, labels=run.own_labels(images.labels).numpy())


def _write_folder(run: Run, images: ImageSet, out: Path) -> None:
    if (out / "manifest.json").exists():  # only an earlier export goes, never a person's pictures
        for before in (*out.glob(NUMBERED), *out.glob(f"*/{NUMBERED}")):
            before.unlink()
    for i, (pixels, label) in enumerate(zip(images.images, images.labels.tolist(), strict=True)):
        # A class name comes from a stranger's folder: keep it one plain path component.
        name = run.class_names[label] if run.class_names else ""
        safe = "".join(c if c.isalnum() or c in "-_ ." else "_" for c in name).strip(". ")
        save_png(picture(pixels), out / safe / f"{i:06d}.png")


NUMBERED = "[0-9]" * 6 + ".png"

WRITERS: dict[str, Writer] = {".png": _write_grid, ".npz": _write_arrays, "": _write_folder}
"""How images are written, by the ending of the output."""


def save_interpolation(
    run: Run,
    out: Path,
    label: str | None = None,
    seed: int = 0,
    which: Checkpoint = "best",
    overwrite: bool = False,
    to: Path | None = None,
) -> dict[str, Any]:
    """Draw a walk between latents: rows of a picture (`.png`), or a moving grid (`.gif`).

    With `to`, another run with the same networks, the walk is from this run's weights to that
    one's, a latent a row.

    Raises:
        InputError: The output exists, is of another kind, or cannot be written.
    """
    columns = {".png": 10, ".gif": 24}.get(out.suffix.lower())
    if columns is None:
        raise InputError(f"--out {out}: give FILE.png or FILE.gif")
    check_output(out, overwrite)
    rows = len(run.class_names) if run.class_names and label is None else 8
    if to is None:
        images = run.interpolate(label, rows, columns, seed, which)
    else:
        images = run.walk_to(Run(to), rows, columns, seed, which)
    if out.suffix.lower() == ".png":
        save_png(grid(images, columns), out)
    else:
        walk = images.unflatten(0, (rows, columns)).transpose(0, 1)
        # There and back, so that the loop has no jump.
        frames = [grid(frame, columns=min(rows, 5)) for frame in [*walk, *walk.flip(0)[1:-1]]]
        save_gif(frames, out)
    return {"pairs": rows, "checkpoint": which, "seed": seed, "out": str(out)}


def save_translation(
    run: Run,
    source: Path,
    out: Path,
    direction: Direction = "a2b",
    which: Checkpoint = "best",
    panel: Path | None = None,
    *,
    skip_corrupt: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Translate every picture below a folder into a PNG of the same name below `out`.

    Pictures are cropped to the middle square and resized to the run's size. With `panel`, the
    first ten are drawn there with their translations and the way back.

    Raises:
        InputError: The run does not translate, there are no pictures, some cannot be read, or an
            output exists or cannot be written.
    """
    run.translator(which)
    for place in (out, panel):
        if place:
            check_output(place, overwrite)
    if out.suffix:
        raise InputError(f"--out {out}: give a folder for the translations")
    if panel and panel.suffix.lower() != ".png":
        raise InputError(f"--panel {panel}: give FILE.png")
    files, pixels = read_folder(source, run.spec.size, run.spec.channels, skip_corrupt)
    names = [file.relative_to(source) for file in files]
    twins = Counter(name.with_suffix("") for name in names)
    for name, image in zip(names, run.translate(pixels, direction, which), strict=True):
        bare = name.with_suffix("")
        # a.jpg and a.png must not become one file.
        path = out / (bare if twins[bare] == 1 else name)
        save_png(picture(image), path.with_name(path.name + ".png"))
    if panel:
        save_png(translation_panel(run.translate, pixels[:10], direction, run.class_names), panel)
    into = run.class_names[direction == "a2b"]
    return {"images": len(files), "translated into": into, "checkpoint": which, "out": str(out)}


def list_data() -> list[dict[str, Any]]:
    """The named data sets: name, content, licence, and how to get them."""
    return [
        {
            "data": source.name,
            "content": source.summary,
            "licence": source.licence,
            "get it": "embedded" if source.embedded else f"fewgan data fetch {source.name}",
        }
        for source in data.sources().values()
    ]


def show_data(
    name: str, size: int, out: Path | None, skip_corrupt: bool, overwrite: bool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Counts of a data set, and a preview of it drawn to `out`.

    Returns:
        What the set is, and one row for each class.
    """
    images = data.load(name, size=size, skip_corrupt=skip_corrupt)
    out = out or Path(f"{Path(name).name.replace(':', '-')}-preview.png")
    check_output(out, overwrite)
    chosen = _preview(images)
    save_png(picture_of(chosen.images, chosen.labels, images.class_names), out)
    summary = {
        "data": images.name,
        "images": len(images),
        "classes": len(images.class_names),
        "shown at": f"{images.size} px, {'colour' if images.channels == 3 else 'grey'}",
        "licence": images.licence,
        "sha256": images.digest,
        "preview": str(out),
    }
    counts = zip(images.class_names, images.counts(), strict=True)
    rows = [{"number": i, "class": c, "images": n} for i, (c, n) in enumerate(counts)]
    return summary, rows


def _preview(images: ImageSet, rows: int = 20, columns: int = 10) -> ImageSet:
    """Up to ten images of each of the first twenty classes, or a hundred images without classes."""
    if not images.class_names:
        return images.take(torch.arange(min(len(images), rows * columns // 2)))
    classes = [c for c, n in enumerate(images.counts()) if n][:rows]
    firsts = [(images.labels == c).nonzero().flatten()[:columns] for c in classes]
    return images.take(torch.cat(firsts))


def save_report(path: Path) -> dict[str, Any]:
    """Write `report.html` and the card `README.md` into a run folder.

    Raises:
        InputError: This is no run folder, or it is damaged.
    """
    view = RunView.read(path)
    report = write_report(view, view.path / "report.html")
    return {"report": str(report), "card": str(write_card(view, view.path / "README.md"))}


def compare_runs(
    paths: Sequence[Path], out: Path | None, classes: Sequence[str] | None = None
) -> tuple[list[dict[str, Any]], Any]:
    """Put runs side by side; write the comparison to `out` if it is given.

    Args:
        paths: The run folders.
        out: FILE.md or FILE.html.
        classes: Classes whose variety the page shows; the first two that the runs share if None.

    Returns:
        A row for each run, and a table for a terminal.

    Raises:
        InputError: There are no runs, or one is damaged or was not evaluated.
    """
    if not paths:
        raise InputError("name the runs to compare: fewgan compare RUN RUN")
    views = [RunView.read(path) for path in paths]
    for view in views:
        if not view.figures:
            raise InputError(
                f"{view.path} was not evaluated: "
                f"fewgan evaluate {view.path} --data {view.config['data']}"
            )
    if out:
        write_comparison(views, out, classes)
    return rows_of(views), comparison_table(views)
