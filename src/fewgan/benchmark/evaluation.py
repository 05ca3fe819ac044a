"""Measure a run against real images that it was not trained on."""

import contextlib
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from fewgan import data
from fewgan.benchmark.correspondence import correspondence_figures
from fewgan.benchmark.stream import check_stream, measure_stream, stream_figures
from fewgan.data import splits
from fewgan.data.imageset import ImageSet, class_index
from fewgan.errors import InputError, unknown
from fewgan.files import write_json
from fewgan.metrics.extractors import Extractor, default_extractor, get_extractor
from fewgan.metrics.extractors.base import Progress
from fewgan.metrics.progress import progress_bars
from fewgan.metrics.suite import Figure, audit_images, measure
from fewgan.report.grids import by_class as images_by_class
from fewgan.report.grids import grid, memorisation_sheet, save_png, variation_panel
from fewgan.report.herding import drawn
from fewgan.report.sweeps import draw_sweeps
from fewgan.training import selection
from fewgan.training.run import Checkpoint, Run

METRICS = ("fid", "kid", "is", "prdc", "accuracy", "diversity", "memorisation")
"""Measured unless others are asked for; `cas` and `lpips` take longer."""


@dataclass(frozen=True)
class RealImages:
    """The real images of an evaluation, labelled as the model counts.

    Attributes:
        reference: Held out from training.
        train: Trained on; of a run that goes on from another, what the judge is trained on.
        judge: What an in-domain classifier is trained on: all of the data set's training split,
            or, where there is none, the images that the run was trained on. Of one class nothing
            can be learned, and the others of the training split are there too.
    """

    reference: ImageSet
    train: ImageSet
    judge: ImageSet


def evaluate(
    run: Run | str | Path,
    data: str,
    *,
    metrics: Sequence[str] | None = None,
    n: int = 5000,
    extractor: str | None = None,
    weights: Path | None = None,
    k: int = 5,
    seed: int = 0,
    which: Checkpoint = "best",
    classes: Sequence[str | int] | None = None,
    herd: int | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Measure a run, write `evaluation.json` and the pictures that go with it.

    Args:
        run: A run or its folder.
        data: A named data set or a folder: its test split, what the run held out of it, or all of
            it when the run never saw it.
        metrics: Names of metrics; `METRICS` when left out.
        n: Number of images to generate, and at most of real images to compare with.
        extractor: Network that sees the images; what suits their channels when left out.
        weights: File of the extractor's weights, for those that need one.
        k: Neighbours for precision, recall, density and coverage.
        seed: Seed of the samples and of every draw in the metrics.
        which: The best checkpoint, or the last.
        classes: Classes that are measured, by name or by number in the data set; all that the run
            knows when left out. A judge of the data's own then knows all of its classes.
        herd: Draw so many images for each that is measured, and keep those that lie together as
            the training images do; see `fewgan.report.herding`. Each draw counts when left out.
        progress: Show bars on standard error.

    Returns:
        `figures` (each a mapping with its card), `data`, `checkpoint`, `n`, `herd`, `seed`,
        `seconds`.

    Raises:
        InputError: The run, the data, a metric or the extractor cannot be used as asked.
    """
    run = run if isinstance(run, Run) else Run(run)
    began = time.perf_counter()
    real = real_images(run, data)
    places = None if classes is None else _places(run, classes, real.reference.class_names)
    parts = selection.stream(run.folder.read_splits()) if run.class_names else []
    with progress_bars() if progress else contextlib.nullcontext() as bars:
        chosen = classes if run.class_names else None
        fake = drawn(run, n, chosen, herd=herd, seed=seed, which=which, progress=bars)
        if places is not None:
            real, fake = _only(run, places, data, real, fake)
        real = replace(real, reference=_at_most(real.reference, n, seed))
        eyes = _eyes(extractor or _default(run, real), real, weights, seed, bars)
        reference, train = _as_run(real.reference, run), _as_run(real.train, run)
        if parts and classes is None:
            check_stream(run, parts, reference)
        figures = measure(
            fake, reference, train, metrics or METRICS, eyes, seed=seed, k=k, judge=real.judge
        )
        _draw(run, RealImages(reference, train, real.judge), fake, eyes, which)
        stream, others = None, []
        if parts and classes is None:
            judge = eyes if eyes.class_names == run.class_names else _judge(real, seed, bars)
            stream = measure_stream(run, reference, judge, seed=seed)
            others = stream_figures(stream, figures[0].card) if figures else []
        if figures:
            others += correspondence_figures(run, figures[0].card, which=which, seed=seed)
    if herd is not None:  # of those that fake images were measured for, and no others
        figures = [_chosen_from(figure, herd * n) for figure in figures]
    result: dict[str, Any] = {
        "data": data,
        "checkpoint": which,
        "n": n,
        "herd": herd,
        "seed": seed,
        "seconds": round(time.perf_counter() - began, 1),
        "figures": [figure.model_dump(mode="json") for figure in figures + others],
    }
    if stream:
        result["stream"] = stream
    about = run.about[which]
    for figure in result["figures"]:
        figure["card"] |= {"steps": about["step"], "images_seen": about["images"]}
        figure["card"]["reference"] = _how_held(run, figure["card"]["reference"])
    write_json(run.path / "evaluation.json", result)
    return result


def _chosen_from(figure: Figure, drawn: int) -> Figure:
    """The figure with what its card says of images that were chosen from more."""
    return figure.model_copy(update={"card": figure.card.model_copy(update={"drawn": drawn})})


def _how_held(run: Run, reference: str) -> str:
    """What a card says of the real images: of a transductive run they were no strangers."""
    if run.folder.read_config().unlabelled == "test":
        return reference.replace("held out", "shown in training without labels")
    return reference


def real_images(run: Run, name: str) -> RealImages:
    """Find the real images to measure a run with, and make sure that none was trained on.

    Raises:
        InputError: They have other channels or classes than the run, or all were trained on.
    """
    config, division = run.folder.read_config(), run.folder.read_splits()
    source = selection.load_source(config)
    train = selection.training_images(source, division)
    size = run.spec.size
    if data.has_test_split(name):
        reference, judge = (
            data.load(name, split, size=size, channels=config.channels)
            for split in ("test", "train")
        )
        if len(train.class_names) > 1:  # of one class a classifier learns nothing: all, then
            judge = _shared(judge, train.class_names, name)
    else:
        skip = config.skip_corrupt
        reference = data.load(name, size=size, channels=config.channels, skip_corrupt=skip)
        reference = reference.after(config.known) if config.known else reference
        judge = train
        if reference.digest == division.digest:
            if "holdout" not in division.parts or not len(division.indices("holdout")):
                raise InputError(
                    f"no image of {name} was held out, so there is none to measure with: give "
                    "other --data, or train again with a --holdout"
                )
            reference = division.take(reference, "holdout")
    reference = unseen(reference, train)
    if reference.channels != run.spec.channels:
        kinds = {1: "grey", 3: "colour"}
        raise InputError(
            f"{name} has {kinds[reference.channels]} images and {run.path} makes "
            f"{kinds[run.spec.channels]} ones: give data of that kind"
        )
    if config.known and judge is train:
        judge, reference = _halves(reference, train, config.seed)
    # A run that goes on from another was shown the new classes only: the others came before.
    shown = judge if config.known else train
    return RealImages(_shared(reference, train.class_names, name), shown, judge)


def _halves(images: ImageSet, train: ImageSet, seed: int) -> tuple[ImageSet, ImageSet]:
    """Images of all classes divided in two: to teach a judge, beside those of training; to compare.

    The judge's are numbered as the model does.
    """
    generator = torch.Generator().manual_seed(seed)
    taught, held = splits.holdout(images.labels, 0.5, generator)
    half = _shared(images.take(taught), train.class_names, images.name)
    judge = replace(
        half,
        images=torch.cat([half.images, train.images]),
        labels=torch.cat([half.labels, train.labels]),
    )
    return judge, replace(images.take(held), name=f"half of {images.name}")


def unseen(reference: ImageSet, train: ImageSet) -> ImageSet:
    """The images that are not, pixel for pixel, among those that were trained on."""
    if reference.images.shape[1:] != train.images.shape[1:]:
        return reference
    seen = set(map(_fingerprint, train.images))
    new = [i for i, image in enumerate(reference.images) if _fingerprint(image) not in seen]
    if len(new) == len(reference):
        return reference
    if not new:
        raise InputError(
            f"every image of {reference.name} was trained on, so nothing is left to measure with: "
            "give other --data"
        )
    without = f"{reference.name} without {len(reference) - len(new)} that were trained on"
    return replace(reference.take(torch.tensor(new)), name=without)


def _fingerprint(image: torch.Tensor) -> bytes:
    return hashlib.blake2b(image.contiguous().numpy().tobytes(), digest_size=16).digest()


def _shared(images: ImageSet, class_names: tuple[str, ...], name: str) -> ImageSet:
    """The images of the classes that were trained on, numbered as the model does."""
    if not class_names or not images.class_names:
        return images
    counts = dict(zip(images.class_names, images.counts(), strict=True))
    missing = [c for c in class_names if not counts.get(c)]
    if missing:
        raise InputError(
            f"{name} has no images of class {missing[0]!r} that the run has not seen: give data "
            "that have them, or train again with a larger --holdout"
        )
    places = [images.class_names.index(c) for c in class_names]
    return selection.as_model(images.of_classes(places), places)


def _places(run: Run, classes: Sequence[str | int], named: Sequence[str]) -> list[int]:
    """Where the model counts some classes."""
    known = run.folder.read_splits().classes["model"]
    names = selection.load_source(run.folder.read_config()).class_names
    wanted = list(dict.fromkeys(class_index(names, label) for label in classes))
    for index in wanted:
        if index not in known:
            raise unknown("class", names[index], named)
    return [known.index(index) for index in wanted]


def _only(
    run: Run, places: list[int], name: str, real: RealImages, fake: ImageSet
) -> tuple[RealImages, ImageSet]:
    """The images of some classes of a run, and a judge that knows all of the data set's.

    What a run draws that knows no classes cannot be told apart, and stays whole.
    """
    reference, train = (
        selection.as_model(images.of_classes(places), places)
        for images in (real.reference, real.train)
    )
    if run.class_names:
        fake = selection.as_model(fake, places)
    judge = real.judge
    if data.has_test_split(name):
        channels = run.folder.read_config().channels
        judge = data.load(name, "train", size=run.spec.size, channels=channels)
    return RealImages(reference, train, judge), fake


def _as_run(images: ImageSet, run: Run) -> ImageSet:
    """The images without their classes when the run knows none."""
    if run.class_names:
        return images
    return replace(images, labels=torch.full_like(images.labels, -1), class_names=())


def _default(run: Run, real: RealImages) -> str:
    """The extractor that suits the channels, where it can be made from these images."""
    name = default_extractor(run.spec.channels)
    return name if len(real.judge.class_names) > 1 or name != "in-domain" else "random"


def _eyes(
    name: str, real: RealImages, weights: Path | None, seed: int, progress: Progress | None
) -> Extractor:
    """The extractor of that name, made from these images where it is made from any."""
    alike = real.judge.class_names == real.reference.class_names
    test = real.reference if alike else None
    return get_extractor(
        name, data=real.judge, test=test, weights=weights, seed=seed, progress=progress
    )


def _judge(real: RealImages, seed: int, progress: Progress | None) -> Extractor:
    """The classifier of these classes, for when the figures are seen by another network."""
    return get_extractor("in-domain", data=real.judge, seed=seed, progress=progress)


def _at_most(images: ImageSet, n: int, seed: int) -> ImageSet:
    if len(images) <= n:
        return images
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return images.take(order[:n].sort().values)


def _draw(
    run: Run, real: RealImages, fake: ImageSet, eyes: Extractor, which: Checkpoint, pairs: int = 24
) -> None:
    """Draw the pictures of the report: interpolation, in-class variation, memorisation sheet."""
    rows = len(run.class_names) or 8
    save_png(
        grid(run.interpolate(rows=rows, which=which), 10), run.folder.samples / "interpolation.png"
    )
    draw_sweeps(run, which)
    if run.class_names:
        ours, theirs = (
            images_by_class(s.images, s.labels, s.class_names) for s in (fake, real.reference)
        )
        save_png(variation_panel(theirs, ours), run.folder.samples / "variation.png")
    audit = audit_images(fake, real.reference, real.train, eyes)
    generated, nearest = audit.pairs[:pairs].unbind(1)
    distances = audit.distances[:pairs]
    sheet = memorisation_sheet(
        fake.images[generated],
        real.train.images[nearest],
        distances,
        distances <= audit.threshold,
    )
    save_png(sheet, run.folder.samples / "memorisation.png")
