"""Pictures from a run folder alone."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from fewgan.cli.base import Json, Which, app, display


@app.command
def sample(
    run: Path,
    *,
    out: Path,
    n: int | None = None,
    label: str | None = None,
    seed: int = 0,
    checkpoint: Which = "best",
    herd: int | None = None,
    filter_: Annotated[bool, Parameter(name="--filter", negative="")] = False,
    level: Annotated[bool, Parameter(negative="")] = False,
    confidence: float | None = None,
    neighbours: int | None = None,
    copy_ratio: float | None = None,
    overwrite: bool = False,
    as_json: Json = False,
) -> None:
    """Draw labelled images from a run: a grid, an archive of arrays, or a folder per class.

    Example: `fewgan sample runs/acgan-mnist --n 100 --label 7 --out sevens.npz`

    Args:
        run: The run folder; the data are needed for --herd and --filter only.
        out: FILE.png for a grid, FILE.npz for arrays, or a folder for one PNG each.
        n: Number of images; 64 when left out.
        label: A class by name or number; all classes in equal shares when left out.
        seed: The same seed gives the same images.
        checkpoint: Which checkpoint draws: best, last, or the step of one that --snapshots kept.
        herd: Draw so many images for each that is kept, and keep those that lie together as the
            training images do.
        filter_: Keep images only that are of their class, real enough and no copies, by the run's
            training images; --n is then of each class, and a manifest says what was turned away.
        level: With --filter and in place of --n, as many as each class lacks beside the largest.
        confidence: With --filter, the least probability of the class that was asked for; 0.5 when
            left out.
        neighbours: With --filter, k of the balls about training images in one of which an image
            must lie; 5 when left out, and 0 leaves that test out.
        copy_ratio: With --filter, distance to the nearest training image over that to the second,
            below which an image is a copy; 1/3 when left out, and 0 leaves that test out.
        overwrite: Replace what stands at --out.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan import load, outputs
    from fewgan.errors import InputError

    rules = {"confidence": confidence, "neighbours": neighbours, "copy_ratio": copy_ratio}
    given = {name: rule for name, rule in rules.items() if rule is not None}
    if (level or given) and not filter_:
        name = "level" if level else next(iter(given)).replace("_", "-")
        raise InputError(f"--{name} goes with --filter: give that too")
    if filter_ and herd is not None:
        raise InputError("--herd chooses among all that is drawn: leave it or --filter out")
    if filter_:
        done = outputs.save_filtered(
            load(run), out, n, label, level, seed, checkpoint, overwrite, **given
        )
    else:
        n = outputs.EACH if n is None else n
        done = outputs.save_samples(load(run), out, n, label, seed, checkpoint, overwrite, herd)
    display(done, as_json)


@app.command
def interpolate(
    run: Path,
    *,
    out: Path,
    label: str | None = None,
    seed: int = 0,
    checkpoint: Which = "best",
    to: Path | None = None,
    overwrite: bool = False,
    as_json: Json = False,
) -> None:
    """Walk between latents on a great circle, the label held: a picture, or a moving one.

    Example: `fewgan interpolate runs/acgan-mnist --out walk.gif`

    Args:
        run: The run folder; the data are not needed.
        out: FILE.png or FILE.gif.
        label: A class by name or number; one class a row when left out.
        seed: The same seed gives the same walk.
        checkpoint: Which checkpoint draws: best, last, or the step of one that --snapshots kept.
        to: Another adaptation of the same run: walk from the weights of this one to those.
        overwrite: Replace what stands at --out.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan import load, outputs

    done = outputs.save_interpolation(load(run), out, label, seed, checkpoint, overwrite, to)
    display(done, as_json)


@app.command
def translate(
    run: Path,
    *,
    source: Annotated[Path, Parameter(name="--input")],
    out: Path,
    direction: Literal["a2b", "b2a"] = "a2b",
    panel: Path | None = None,
    checkpoint: Which = "best",
    skip_corrupt: bool = False,
    overwrite: bool = False,
    as_json: Json = False,
) -> None:
    """Translate a folder of images from one domain into the other, with a run of cyclegan.

    Example: `fewgan translate runs/cyclegan-emoji --input drawings --out translated`

    Args:
        run: The run folder; the training data are not needed.
        source: Folder with the images to translate.
        out: Folder for the translations, one PNG for each image, under its name.
        direction: From the run's first class to its second, or back.
        panel: FILE.png for ten images, their translations and the way back.
        checkpoint: Which checkpoint translates.
        skip_corrupt: Leave out images that cannot be read.
        overwrite: Replace what stands at --out and --panel.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan import load, outputs

    result = outputs.save_translation(
        load(run),
        source,
        out,
        direction,
        checkpoint,
        panel,
        skip_corrupt=skip_corrupt,
        overwrite=overwrite,
    )
    display(result, as_json)
