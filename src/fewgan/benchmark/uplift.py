"""Do the images help? The same classifier, with and without them, on real images it never saw.

Each way of training sees the same labelled real images and makes the same number of updates from
the same initial weights; seed by seed, ways differ in nothing else, so that differences are taken
in pairs. What generated images bring is set against real images alone, and the best way with them
against the best without, since that is what a person would do instead.

Ravuri & Vinyals (NeurIPS 2019) found that figures such as FID do not foretell the answer.
"""

import contextlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fewgan.benchmark.classifiers import WAYS, Plan, named_right
from fewgan.benchmark.estimates import Estimate, estimate
from fewgan.benchmark.evaluation import real_images, unseen
from fewgan.data import splits
from fewgan.data.imageset import ImageSet
from fewgan.errors import InputError, validated
from fewgan.files import write_json
from fewgan.metrics.augment import AUGMENTS
from fewgan.metrics.extractors.base import Progress
from fewgan.metrics.progress import progress_bars
from fewgan.metrics.suite import Card, Figure
from fewgan.networks.wide_resnet import wide_resnet
from fewgan.report.card import write_card
from fewgan.report.view import RunView
from fewgan.training import selection
from fewgan.training.run import Checkpoint, Run

POOL = 5000  # generated images to draw from, at most
ENOUGH = 100  # images to test on, below which a card warns
ASKED = ("uplift", "classic_uplift", "uplift_over_classic")  # of the gains, those of a table


def uplift(
    run: Run | str | Path,
    data: str,
    *,
    shots: int | None = None,
    seeds: int = 3,
    which: Checkpoint = "best",
    flip: bool | None = None,
    progress: bool = True,
    **plan: Any,
) -> dict[str, Any]:
    """Ask whether a run's images help a classifier; write `uplift.json`.

    Args:
        run: A run that can be asked for classes, or its folder.
        data: The named data set or folder that it was trained on.
        shots: Real images of each class that the classifiers are trained on, of those that the run
            was trained on; all of them when left out.
        seeds: Classifiers of each way; intervals need 2 or more.
        which: The checkpoint that draws.
        flip: Whether a mirrored image is as likely, for the classic augmentations; as in training
            when left out.
        progress: Show a bar on standard error.
        **plan: Fields of `Plan`.

    Returns:
        `ways` (of each: `accuracy` and `recall` by class, with a value for each seed, mean and
        interval), `gains` (paired differences in points), `recall_gains` (by class, of generated
        images beside real ones alone), `verdict`, and the `card`.

    Raises:
        InputError: The run knows no classes, has fewer images, or a field of the plan is wrong.
    """
    run = run if isinstance(run, Run) else Run(run)
    began = time.perf_counter()
    settings = check_plan(plan)
    if seeds < 1:
        raise InputError(f"{seeds} seeds measure nothing: give --seeds 3")
    if not run.class_names:
        raise InputError(
            f"{run.path} knows no classes, and its images have no labels to learn from: "
            "train a conditional method, or adapt each class by each:METHOD"
        )
    taught = selection.shown_images(run.folder)
    reference = unseen(real_images(run, data).reference, taught)
    if flip is not None:
        taught = replace(taught, flip=flip)
    shown = _few(taught, shots)
    _check_filled(shown)
    found: dict[str, list[Tensor]] = {name: [] for name in WAYS}
    with progress_bars() if progress else contextlib.nullcontext() as told:
        for seed in range(seeds):
            pool = run.imageset(_pool_size(settings, run), seed=seed, which=which)
            for done, (name, way) in enumerate(WAYS.items(), seed * len(WAYS)):
                found[name].append(named_right(shown, pool, reference, way, settings, seed))
                _tell(told, name, done + 1, seeds * len(WAYS))
    hits = {name: torch.stack(each) for name, each in found.items()}
    result = _result(hits, reference.labels, reference.class_names)
    card = _card(run, reference, taught, shown)
    card |= {"checkpoint": which, "generated": _pool_size(settings, run), **settings.model_dump()}
    card |= {"seeds": seeds, "seconds": round(time.perf_counter() - began, 1)}
    result["card"] = card
    write_json(run.path / "uplift.json", result)
    write_card(RunView.read(run.path))
    return result


def _card(run: Run, reference: ImageSet, taught: ImageSet, shown: ImageSet) -> dict[str, Any]:
    """What a reader must know of the images: tested on, shown to the generator, to classifiers."""
    counts = ", ".join(f"{n} {c}" for n, c in zip(shown.class_names, shown.counts(), strict=True))
    card = {
        "run": run.path.name,
        "method": run.model["method"],
        "shown": counts,
        "generator_saw": len(taught),
        "tested": len(reference),
        "tested_on": f"{reference.name}, held out",
        "interval": "95 % of paired differences: over classifiers, and over the images tested on",
        "favour": "the best ways, with and without generated images, are the best on these images",
        "flip": shown.flip,
    }
    config, notes = run.folder.read_config(), []
    if config.unlabelled == "test":
        card["tested_on"] += " from classifiers, but the generator saw them without labels"
    if len(reference) < ENOUGH:
        notes.append(f"{len(reference)} images to test on tell little: hold out more")
    if len(shown) < len(taught):
        notes.append("the generator was trained on more real images than the classifiers")
    if config.unlabelled is not None:
        notes.append(f"it was shown more without labels ({config.unlabelled})")
    if config.source:
        about = Run(config.source).model
        notes.append(f"it goes on from a run on {about['train_images']} images of {about['data']}")
    return card | ({"note": "; ".join(notes)} if notes else {})


def _check_filled(shown: ImageSet) -> None:
    empty = [c for c, count in zip(shown.class_names, shown.counts(), strict=True) if not count]
    if empty:
        raise InputError(
            f"{shown.name} has no images of class {empty[0]!r} to train a classifier with: give "
            "--data that have all classes of the run"
        )


def check_plan(given: Mapping[str, Any]) -> Plan:
    """How classifiers are trained, from fields of `Plan`; those that are None are left out.

    Raises:
        InputError: A field is unknown or wrong, or there is no such classifier.
    """
    plan = validated(Plan, {k: v for k, v in given.items() if v is not None})
    wide_resnet(plan.classifier, 1, 2)  # so that its name is checked before anything is done
    return plan


def _few(images: ImageSet, shots: int | None) -> ImageSet:
    if shots is None:
        return images
    generator = torch.Generator().manual_seed(0)
    chosen = splits.shots(images.labels.cpu(), shots, generator, images.class_names)
    return images.take(chosen)


def _pool_size(plan: Plan, run: Run) -> int:
    """As many images as will be shown, or `POOL`; one of each class at the least."""
    return max(len(run.class_names), min(POOL, round(plan.updates * plan.batch * plan.share)))


def _tell(told: Progress | None, name: str, done: int, total: int) -> None:
    if told:
        told(f"classifiers ({name})", done, total)


# --- what it says ---------------------------------------------------------------------------------


def _result(
    hits: Mapping[str, Tensor], labels: Tensor, class_names: Sequence[str]
) -> dict[str, Any]:
    """What is said of hits bool [S,N] of S classifiers of each way on N images of labels [N]."""
    points = {name: 100 * found.double() for name, found in hits.items()}
    members = [labels == c for c in range(len(class_names))]
    ways = {
        name: {
            "accuracy": over_seeds(found).to_json(),
            "recall": {
                c: over_seeds(found[:, of]).to_json()
                for c, of in zip(class_names, members, strict=True)
            },
        }
        for name, found in points.items()
    }

    def best_of(names: Sequence[str]) -> str:
        return max(names, key=lambda name: float(points[name].mean()))

    best, without = (
        best_of([n for n, way in WAYS.items() if way.generated is made]) for made in (True, False)
    )
    pairs = {
        "uplift": ("generated", "real"),
        "classic_uplift": (best_of(list(AUGMENTS)), "real"),
        "uplift_over_classic": (best, without),
        **{f"uplift_{name}": (f"generated+{name}", name) for name in AUGMENTS},
    }
    gains = {figure: gain(points[one] - points[other]) for figure, (one, other) in pairs.items()}
    alone = points["generated"] - points["real"]
    return {
        "ways": ways,
        "gains": {
            figure: {"of": one, "over": other, **gains[figure].to_json()}
            for figure, (one, other) in pairs.items()
        },
        "recall_gains": {
            c: gain(alone[:, of]).to_json() for c, of in zip(class_names, members, strict=True)
        },
        "verdict": verdict(gains["uplift"], gains["uplift_over_classic"], best, without),
    }


def over_seeds(points: Tensor) -> Estimate:
    """Mean of points [S,N] of S classifiers on N images, and its interval over classifiers."""
    return estimate(points.mean(1).tolist(), "higher")


def gain(differences: Tensor) -> Estimate:
    """Mean of paired differences, and an interval for other classifiers and other test images.

    Args:
        differences: [S,N], of two ways with the same seed on the same image.

    Returns:
        The mean, with Student's interval over seeds and the normal one over images, whose squares
        add up. Seeds alone would be sure of themselves on seven images, where three classifiers
        may well agree.
    """
    seeds = over_seeds(differences)
    if seeds.half is None or differences.shape[1] < 2:
        return replace(seeds, half=None)
    images = 1.96 * float(differences.mean(0).std()) / differences.shape[1] ** 0.5
    return replace(seeds, half=math.hypot(seeds.half, images))


def uplift_figures(result: Mapping[str, Any]) -> list[Figure]:
    """What `uplift` found, as figures of a table: gains in points, paired over classifiers."""
    told = result["card"]
    card = Card(
        metric="uplift",
        extractor=told["classifier"],
        about=f"{told['updates']} updates of {told['batch']}, {told['share']:.0%} generated",
        dim=0,
        n_fake=told["generated"],
        n_real=told["tested"],
        reference=told["tested_on"],
        train=f"{told['generator_saw']} images",
        seed=0,
        k=0,
    )
    figures = [
        Figure(
            name=name,
            value=found["mean"],
            spread=found["half"],
            spread_is="half of the 95 % interval over classifiers",
            better="higher",
            card=card,
        )
        for name, found in result["gains"].items()
        if name in ASKED
    ]
    said = "; ".join(filter(None, (result["verdict"], told["favour"], told.get("note"))))
    figures[0] = figures[0].model_copy(update={"card": card.model_copy(update={"note": said})})
    return figures


def verdict(alone: Estimate, beyond: Estimate, best: str, without: str) -> str:
    """The answer in one sentence.

    Args:
        alone: What generated images bring over real ones alone, in points.
        beyond: What the best way with generated images brings over the best without.
        best: Name of the best way with them.
        without: Name of the best way without.
    """
    answer = {1: "yes", 0: "not shown", -1: "no"}[_sign(alone)]
    if answer == "yes" and _sign(beyond) < 0:
        answer = "not enough"
    then = {1: f"use {best}", 0: "neither is shown to be better", -1: f"use {without}"}
    return (
        f"{answer}: {_points(alone)} points over real images alone; {best} "
        f"{_points(beyond)} over {without}: {then[_sign(beyond)]}"
    )


def _sign(value: Estimate) -> int:
    """1 where the whole interval is above 0, -1 where it is below, 0 where nobody can tell."""
    if value.low is None or value.high is None:
        return 0
    return int(value.low > 0) - int(value.high < 0)


def _points(value: Estimate) -> str:
    spread = "" if value.half is None else f" +- {value.half:.1f}"
    return f"{value.mean:+.1f}{spread}"
