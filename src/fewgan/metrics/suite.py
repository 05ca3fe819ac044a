"""Measure generated images: each figure with its card, beside the same figure of real images."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from pydantic import BaseModel, ConfigDict
from torch import Tensor

from fewgan.data.imageset import ImageSet
from fewgan.errors import InputError, unknown
from fewgan.metrics.extractors.base import Extractor
from fewgan.metrics.memorisation import Audit
from fewgan.metrics.table import METRICS, Better, Context, Value, audit


class Card(BaseModel):
    """What a figure must never be shown without: two figures compare if their cards agree."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    metric: str
    """Name of the metric that was asked for."""
    extractor: str
    """Name of the network that gave the features."""
    about: str = ""
    """What the network is, and how well it does on images it has not seen."""
    dim: int
    """Features an image."""
    n_fake: int
    """Generated images."""
    drawn: int | None = None
    """Images drawn, of which herding chose the generated ones; None where each draw counts."""
    n_real: int
    """Real images they were compared with."""
    reference: str
    """Data set of the held-out real images."""
    train: str
    """Data set and number of the images that the generator was trained on."""
    seed: int
    """Seed of every random choice of the metric."""
    k: int
    """Neighbours, where the metric asks for any."""
    note: str = ""
    """What a reader should know, such as why a figure is missing."""
    steps: int | None = None
    """Training steps of the generator; filled in by who knows the run."""
    images_seen: int | None = None
    """Real images that its training consumed; filled in by who knows the run."""


class Figure(BaseModel):
    """One number about generated images."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    name: str
    """What is measured, such as `kid` or `coverage`."""
    value: float | None
    """The number; None when there is none, and the card's note says why."""
    spread: float | None = None
    """How uncertain it is."""
    spread_is: str = ""
    """Which measure of uncertainty `spread` is."""
    better: Better
    """Which way is better."""
    real: float | None = None
    """The same figure for real images in place of generated ones: the honest ceiling."""
    per_class: dict[str, float | None] | None = None
    """The value of each class, where there are classes."""
    card: Card
    """How it was measured."""


def measure(
    fake: ImageSet,
    reference: ImageSet,
    train: ImageSet,
    metrics: Sequence[str],
    extractor: Extractor,
    *,
    seed: int = 0,
    k: int = 5,
    judge: ImageSet | None = None,
) -> list[Figure]:
    """Measure generated images by several metrics.

    A metric that cannot be had from these images (too few, no classes) gives a figure without a
    value and with the reason; FID with fewer images than features is replaced by KID, and said.

    Args:
        fake: Generated images, with the labels that were asked for.
        reference: Real images that the generator was not trained on.
        train: The real images that it was trained on.
        metrics: Names from `table.METRICS`, in the order wanted.
        extractor: The network whose features are compared.
        seed: Of every random choice.
        k: Neighbours for precision, recall, density and coverage.
        judge: What a classifier learns the classes from, where the extractor knows them not: all
            labelled images there are. The training images when left out.

    Raises:
        InputError: A metric is unknown, there are no images, or sizes or channels differ.
    """
    for name in metrics:
        if name not in METRICS:
            raise unknown("metric", name, METRICS)
    context = make_context(fake, reference, train, extractor, seed=seed, k=k)
    context = replace(context, judge=judge)
    kept: dict[str, Figure] = {}
    for name in dict.fromkeys(metrics):
        for figure in _figures(name, context):
            # KID may come twice, asked for and in place of FID: the one that says so stands.
            if figure.name not in kept or figure.card.note:
                kept[figure.name] = figure
    return list(kept.values())


def audit_images(
    fake: ImageSet, reference: ImageSet, train: ImageSet, extractor: Extractor, *, seed: int = 0
) -> Audit:
    """The memorisation audit with its pairs of indices, for the side-by-side sheet.

    Raises:
        InputError: There are no images, or sizes or channels differ.
    """
    return audit(make_context(fake, reference, train, extractor, seed=seed))


def make_context(
    fake: ImageSet,
    reference: ImageSet,
    train: ImageSet,
    extractor: Extractor,
    *,
    seed: int = 0,
    k: int = 5,
) -> Context:
    """Check that the three sets go together.

    Raises:
        InputError: One is empty, or sizes or channels differ.
    """
    for images in (fake, reference, train):
        if len(images) == 0:
            raise InputError(f"there are no images in {images.name}: nothing can be measured")
        if images.images.shape[1:] != fake.images.shape[1:]:
            raise InputError(
                f"{images.name} has {_form(images)} images and {fake.name} {_form(fake)}: "
                "load both in the same size and channels"
            )
    return Context(fake, reference, train, extractor, seed, k)


def _form(images: ImageSet) -> str:
    return f"{images.size}-pixel {'grey' if images.channels == 1 else 'colour'}"


def _figures(name: str, context: Context) -> list[Figure]:
    metric = METRICS[name]
    stand_in = metric.real(context)
    real = {v.name: v.value for v in _attempt(metric.compute, stand_in, name)}
    values = _attempt(metric.compute, context, name)
    return [_figure(name, v, real.get(v.name), context) for v in values]


def _attempt(compute: Callable[[Context], list[Value]], context: Context, name: str) -> list[Value]:
    try:
        return compute(context)
    except InputError as reason:
        return [Value(name, None, note=str(reason))]


def _figure(metric: str, value: Value, real: float | None, context: Context) -> Figure:
    network = value.extractor or context.extractor
    number = _finite(value.value)
    card = Card(
        metric=metric,
        extractor=network.name,
        about=network.notes,
        dim=network.dim,
        n_fake=len(context.fake),
        n_real=len(context.reference),
        reference=f"{context.reference.name}, held out",
        train=f"{context.train.name}, {len(context.train)} images",
        seed=context.seed,
        k=context.k,
        note=value.note or ("" if number is not None else "not defined for these images"),
    )
    return Figure(
        name=value.name,
        value=number,
        spread=_finite(value.spread),
        spread_is=value.spread_is,
        better=value.better,
        real=_finite(real),
        per_class=_by_class(value.per_class, context.fake.class_names),
        card=card,
    )


def _by_class(values: Tensor | None, names: Sequence[str]) -> dict[str, float | None] | None:
    if values is None or not names:
        return None
    return {name: _finite(v) for name, v in zip(names, values.tolist(), strict=True)}


def _finite(value: float | None) -> float | None:
    """None for what JSON has no number for."""
    return value if value is not None and math.isfinite(value) else None
