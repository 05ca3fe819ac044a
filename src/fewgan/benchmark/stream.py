"""Measure a run on a stream: what was known after each experience, and what was kept of it."""

import math
from typing import Any

import torch
from torch import Tensor

from fewgan.data.imageset import ImageSet
from fewgan.errors import InputError
from fewgan.files import write_json
from fewgan.metrics.accuracy import accuracy
from fewgan.metrics.continual import continual
from fewgan.metrics.extractors import Extractor
from fewgan.metrics.intra_class import Labelled, intra_class_kid
from fewgan.metrics.suite import Card, Figure
from fewgan.metrics.table import Better
from fewgan.report.grids import grid, save_png
from fewgan.report.matrix import matrix
from fewgan.training import selection
from fewgan.training.run import Run

STREAM_FIGURES: dict[str, Better] = {
    "backward_transfer": "higher",
    "forward_transfer": "higher",
    "forgetting_from_best": "lower",
}
EACH = 500  # images generated of each class after each experience


def check_stream(run: Run, parts: list[list[int]], reference: ImageSet) -> None:
    """Make sure, before anything is measured, that a stream can be.

    Raises:
        InputError: It was not learned to its end, or a class has fewer than two real images.
    """
    for name, count in zip(run.class_names, reference.counts(), strict=True):
        if count < 2:
            raise InputError(
                f"class {name!r} has {count} of {len(reference)} real images, and the figures of a "
                "stream want 2: give a larger --n, or more images"
            )
    done = [stage for stage in range(1, len(parts) + 1) if run.folder.kept(stage).exists()]
    if run.folder.kept(0).exists() and len(done) < len(parts):
        raise InputError(
            f"{run.path} has learned {len(done)} of {len(parts)} experiences: fewgan resume it, or "
            "give --classes of those that it knows"
        )


def measure_stream(
    run: Run, reference: ImageSet, judge: Extractor, *, each: int = EACH, seed: int = 0
) -> dict[str, Any]:
    """Judge the sampler after every experience, class by class; write `stream.json` and pictures.

    Args:
        run: A run of a method that keeps learning.
        reference: Held-out real images, labelled as the model counts.
        judge: A classifier that training never saw, which names the classes.
        each: Images generated of each class.
        seed: Of the latents, which are the same after every experience.

    Returns:
        `experiences` (names of their classes; the first one is what a run knew that this one goes
        on from), `accuracy` and `kid` ([T + 1][K]: after so many
        experiences, of each class), `figures` over experiences, `bytes_kept` and `seconds` by
        experience, and the `card`.
    """
    parts = selection.stream(run.folder.read_splits())
    whole = not run.folder.kept(0).exists()  # shown together: one state, the last
    stages: list[Any] = ["last"] * (len(parts) + 1) if whole else list(range(len(parts) + 1))
    known = len(run.folder.read_config().known)
    if known:  # before the stream they were learned already, as its first experience
        parts, stages = [list(range(known)), *parts], [0, *stages]
    real = Labelled(judge.features(reference.images), reference.labels)
    seen = {stage: _by_class(run, stage, real, judge, each, seed) for stage in set(stages)}
    right, distance = (torch.stack([seen[stage][i] for stage in stages]) for i in (0, 1))
    scores = torch.stack([right[:, classes].mean(1) for classes in parts], 1)
    distances = torch.stack([distance[:, classes].mean(1) for classes in parts], 1)
    names = [[run.class_names[c] for c in part] for part in parts]
    about = [run.about[stage] for stage in stages]
    result = {
        "experiences": names,
        "accuracy": right.tolist(),
        "kid": distance.tolist(),
        "figures": {
            "accuracy": _figures(scores, whole, known),
            # A distance is better low, so that its negative is the score: forgetting is growth.
            "kid": _figures(-distances, whole, known) | {"final": float(distances[-1].mean())},
        },
        "bytes_kept": [a.get("bytes_kept", 0) for a in about],
        "seconds": [a["seconds"] for a in about],
        "images_seen": [a["images"] for a in about],
        "card": {
            "judge": judge.name,
            "about": judge.notes,
            "reference": f"{reference.name}, held out",
            "n_fake": each * len(run.class_names),
            "seed": seed,
        },
    }
    write_json(run.path / "stream.json", result)
    titles = [", ".join(part) for part in names]
    rows = ["before", *(f"after {title}" for title in titles)]
    shown = slice(1 if known else 0, None)  # of what is known there is no before
    picture = matrix(scores[shown], rows[shown], titles)
    save_png(picture, run.folder.samples / "stream-accuracy.png")
    if not whole:
        picture = _same_latents(run, stages[shown], rows[shown], seed)
        save_png(picture, run.folder.samples / "stream.png")
    return result


def stream_figures(result: dict[str, Any], card: Card) -> list[Figure]:
    """What a table shows of a stream beside the figures of its last generator.

    Args:
        result: What `measure_stream` found.
        card: How the run's other figures were measured.
    """
    found, about = result["figures"]["accuracy"], result["card"]
    values = {name: (found.get(name), better) for name, better in STREAM_FIGURES.items()}
    # Of all at once nothing has to be kept, as nothing is gone.
    kept = result["bytes_kept"][-1] if "backward_transfer" in found else None
    values["bytes_kept"] = (kept, "lower")
    card = card.model_copy(
        update={
            "metric": "stream",
            "extractor": about["judge"],
            "about": about["about"],
            "n_fake": about["n_fake"],
            "seed": about["seed"],
        }
    )
    return [Figure(name=n, value=v, better=better, card=card) for n, (v, better) in values.items()]


def _figures(scores: Tensor, whole: bool, known: int) -> dict[str, float]:
    """Those that are defined: of one experience, or of all at once, nothing is transferred.

    Nor is anything ahead of what is learned, where there is no untrained model to compare with.
    """
    found = {k: v for k, v in continual(scores)._asdict().items() if math.isfinite(v)}
    if known:
        found.pop("forward_transfer", None)
    return {"final": found["final"]} if whole else found


def _by_class(
    run: Run, stage: Any, real: Labelled, judge: Extractor, each: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Share of images that the judge finds right, and KID, of each class: float64 [K] both."""
    classes = len(run.class_names)
    made = run.imageset(each * classes, seed=seed, which=stage)
    judged = judge.outputs(made.images)
    recalls = accuracy(judged.logits, made.labels).per_class
    fake = Labelled(judged.features, made.labels)
    return recalls, intra_class_kid(fake, real, classes).per_class


def _same_latents(run: Run, stages: list[int], rows: list[str], seed: int) -> Any:
    """A row after each experience, a column a class: the same latent throughout."""
    classes = len(run.class_names)
    images = [run.sample(classes, seed=seed, which=stage) for stage in stages]
    return grid(torch.cat(images), classes, row_labels=rows)
