"""The table of metrics: how each is asked of generated images, and what stands in for perfection.

To add a metric: one file with a pure function of features, and one row in `METRICS` whose function
hands it what it needs from the `Context`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import sqrt
from typing import Literal

import torch
from torch import Tensor

from fewgan.data.imageset import ImageSet
from fewgan.errors import InputError
from fewgan.metrics.accuracy import Accuracy, accuracy
from fewgan.metrics.cas import ceiling, classification_accuracy_score
from fewgan.metrics.clusters import AT_MOST, cluster_diversity
from fewgan.metrics.diversity import diversity_ratio, in_class_diversity
from fewgan.metrics.extractors.base import Extractor, Outputs
from fewgan.metrics.extractors.in_domain import in_domain_extractor
from fewgan.metrics.extractors.random_net import random_extractor
from fewgan.metrics.features import FeatureCache
from fewgan.metrics.fid import fid
from fewgan.metrics.inception_score import inception_score
from fewgan.metrics.intra_class import Labelled, intra_class_fid, intra_class_kid
from fewgan.metrics.kid import kid, kid_interval, kid_subsets
from fewgan.metrics.memorisation import Audit, memorisation
from fewgan.metrics.perceptual import calibration, perceptual_diversity, perceptual_vectors
from fewgan.metrics.prdc import prdc

Better = Literal["higher", "lower", "near 1"]
FEW = 20  # images; with fewer, a KID is little more than a sign
BOOTSTRAP_AT_MOST = 2000  # images a side; beyond, the spread of KID comes from subsets of 1,000
CLUSTERED = 1000  # images that are gathered around the training images, as in the literature
SPLIT_FROM = 1000  # images; below, the Inception Score is not split


@dataclass(frozen=True)
class Context:
    """Everything that a metric may look at.

    Attributes:
        fake: Generated images, or the real ones that stand in for them.
        reference: Held-out real images.
        train: The images that the generator was trained on.
        extractor: Gives the features.
        seed: Of every random choice.
        k: Neighbours for precision, recall, density and coverage.
        judge: What a classifier learns the classes from, where the extractor knows them not; the
            training images when left out.
        stand_in: `fake` holds real images.
        cache: Keeps what the extractor gave.
    """

    fake: ImageSet
    reference: ImageSet
    train: ImageSet
    extractor: Extractor
    seed: int = 0
    k: int = 5
    judge: ImageSet | None = None
    stand_in: bool = False
    cache: FeatureCache = field(default_factory=FeatureCache)

    def outputs(self, images: ImageSet, extractor: Extractor | None = None) -> Outputs:
        """Features and class scores; those of real images are kept on disk."""
        real = self.stand_in or images is not self.fake
        return self.cache.outputs(extractor or self.extractor, images, keep=real)

    def pair(self) -> tuple[Tensor, Tensor]:
        """Features of the generated and of the held-out images."""
        return self.outputs(self.fake).features, self.outputs(self.reference).features


@dataclass(frozen=True)
class Value:
    """One number that a metric gives; the fields are those of `suite.Figure`."""

    name: str
    value: float | None
    better: Better = "higher"
    spread: float | None = None
    spread_is: str = ""
    per_class: Tensor | None = None
    note: str = ""
    extractor: Extractor | None = None  # where it was not the context's


@dataclass(frozen=True)
class Metric:
    """A row of the table.

    Attributes:
        compute: The figures for the context's generated images.
        real: The context with real images in place of the generated ones, for the honest ceiling.
    """

    compute: Callable[[Context], list[Value]]
    real: Callable[[Context], Context]


# --- what stands in for the generated images ----------------------------------------------------


def _train_images(context: Context) -> Context:
    """As many training images as there are generated ones, or all of them."""
    generator = torch.Generator().manual_seed(context.seed)
    chosen = torch.randperm(len(context.train), generator=generator)[: len(context.fake)]
    return replace(context, fake=context.train.take(chosen), stand_in=True)


def _held_out_images(context: Context) -> Context:
    """The held-out images, which the judge has not seen either."""
    return replace(context, fake=context.reference, stand_in=True)


def _half_held_out(context: Context) -> Context:
    """One half of the held-out images, to be set against the other."""
    generator = torch.Generator().manual_seed(context.seed)
    order = torch.randperm(len(context.reference), generator=generator)
    one, other = order.chunk(2) if len(order) > 1 else (order, order)
    fake, reference = context.reference.take(one), context.reference.take(other)
    return replace(context, fake=fake, reference=reference, stand_in=True)


# --- the metrics --------------------------------------------------------------------------------


def _fid(context: Context) -> list[Value]:
    try:
        return [Value("fid", fid(*context.pair()), "lower")]
    except InputError as reason:
        return [replace(v, note=f"in place of FID: {reason}") for v in _kid(context)]


def _kid(context: Context) -> list[Value]:
    a, b = context.pair()
    # The real column shows no spread, which takes far longer than the figure.
    spread, what = (None, "") if context.stand_in else _kid_spread(a, b, context.seed)
    fewest = min(len(a), len(b))
    note = f"only {fewest} images on one side: too few to rank anything by" if fewest < FEW else ""
    return [Value("kid", kid(a, b), "lower", spread, what, note=note)]


def _kid_spread(a: Tensor, b: Tensor, seed: int) -> tuple[float, str]:
    if max(len(a), len(b)) > BOOTSTRAP_AT_MOST:
        return kid_subsets(a, b, seed=seed)[1], "std over 100 subsets of 1,000"
    interval = kid_interval(a, b, seed=seed)
    return (interval.high - interval.low) / 2, "half of the 95 % bootstrap interval"


def _intra_fid(context: Context) -> list[Value]:
    if not context.fake.class_names:
        raise InputError("intra-class FID needs images with classes")
    fake, real = (
        Labelled(context.outputs(images).features, images.labels)
        for images in (context.fake, context.reference)
    )
    classes = len(context.fake.class_names)
    try:
        found = intra_class_fid(fake, real, classes)
        return [Value("intra_fid", found.mean, "lower", per_class=found.per_class)]
    except InputError as reason:
        found = intra_class_kid(fake, real, classes)
        note = f"in place of intra-class FID: inside a class, {reason}"
        return [Value("intra_kid", found.mean, "lower", per_class=found.per_class, note=note)]


def _inception_score(context: Context) -> list[Value]:
    logits = context.outputs(context.fake).logits
    splits = 10 if len(logits) >= SPLIT_FROM else 1
    mean, std = inception_score(logits, splits=splits, seed=context.seed)
    spread, what = (std, "std over 10 splits") if splits > 1 else (None, "")
    known, asked = logits.shape[1], len(context.fake.class_names)
    note = f"of {known} at most"
    if 0 < asked < known:
        note += f"; {asked} classes, each image sure of its own, score {asked}"
    return [Value("is", mean, "higher", spread, what, note=note)]


def _prdc(context: Context) -> list[Value]:
    fake, real = context.pair()
    return [Value(name, v) for name, v in prdc(real, fake, context.k)._asdict().items()]


def _accuracy(context: Context) -> list[Value]:
    judge = _judge(context)
    places = torch.tensor([judge.class_names.index(name) for name in context.fake.class_names])
    logits = context.outputs(context.fake, judge).logits
    found = accuracy(logits, places[context.fake.labels])
    asked = found._replace(per_class=found.per_class[places.to(found.per_class.device)])
    return _accuracy_values("accuracy", asked, len(context.fake), judge)


def _judge(context: Context) -> Extractor:
    """The extractor if it knows these classes, among others perhaps; else a classifier of them."""
    if not context.fake.class_names:
        raise InputError("class accuracy needs images with classes")
    if {*context.fake.class_names} <= {*context.extractor.class_names}:
        return context.extractor
    taught = context.judge or context.train
    return in_domain_extractor(
        taught,
        test=context.reference if context.reference.class_names == taught.class_names else None,
        seed=context.seed,
        progress=context.extractor.progress,
    )


def _cas(context: Context) -> list[Value]:
    score = ceiling if context.stand_in else classification_accuracy_score
    found = score(
        context.fake, context.reference, seed=context.seed, progress=context.extractor.progress
    )
    return _accuracy_values("cas", found, len(context.reference))


def _accuracy_values(
    name: str, found: Accuracy, n: int, judge: Extractor | None = None
) -> list[Value]:
    error = sqrt(found.overall * (1 - found.overall) / n)
    return [
        Value(name, found.overall, "higher", error, "standard error", found.per_class, "", judge),
        Value(f"{name}_worst_class", _least(found.per_class), extractor=judge),
    ]


def _lpips(context: Context) -> list[Value]:
    weights, what = calibration(context.extractor)
    found = perceptual_diversity(
        context.extractor, context.fake, weights=weights, seed=context.seed
    )
    note = f"mean over 50 pairs inside each class; {what}"
    return [Value("lpips", float(found.nanmean()), per_class=found, note=note)]


def _intra_lpips(context: Context) -> list[Value]:
    shown, drawn = context.train, context.fake.take(torch.arange(len(context.fake))[:CLUSTERED])
    if len(shown) > AT_MOST:
        raise InputError(
            f"variety around each training image is for {AT_MOST} of them at most, and there are "
            f"{len(shown)}: ask for lpips instead"
        )
    weights, what = calibration(context.extractor)
    vectors = [perceptual_vectors(context.extractor, s.images, weights) for s in (drawn, shown)]
    found = cluster_diversity(*vectors, seed=context.seed)
    sizes = ", ".join(map(str, sorted(found.sizes.tolist(), reverse=True)))
    note = f"{what}; images around each: {sizes}"
    return [
        Value("intra_lpips", found.mean, note=note),
        Value("balanced_lpips", found.balanced),
    ]


def _diversity(context: Context) -> list[Value]:
    fake, real = (_diversity_of(context, images) for images in (context.fake, context.reference))
    ratio = diversity_ratio(fake, real)
    return [
        Value("diversity", float(ratio.nanmean()), "near 1", per_class=ratio),
        Value("diversity_worst_class", _least(ratio), "near 1"),
    ]


def _diversity_of(context: Context, images: ImageSet) -> Tensor:
    features = context.outputs(images).features
    return in_class_diversity(features, images.labels.clamp(min=0), len(images.class_names) or 1)


def _memorisation(context: Context) -> list[Value]:
    found = audit(context)
    network = random_extractor(context.fake.channels)
    error = sqrt(found.copies * (1 - found.copies) / len(context.fake))
    return [
        Value("copies", found.copies, "lower", error, "standard error", extractor=network),
        Value("copying_excess", found.excess, "lower", extractor=network),
        Value("nearest_ratio", found.ratio, "near 1", extractor=network),
    ]


def audit(context: Context) -> Audit:
    """The memorisation audit of the context's images, with the pairs for the side-by-side sheet.

    It looks through the random network whatever the extractor: a classifier's features tell classes
    apart and forget which image of a class they saw, copies with a little noise included. Where the
    training mirrored its images, a mirrored copy counts as one.
    """
    network = random_extractor(context.fake.channels)
    fake = context.outputs(context.fake, network).features
    train, holdout = (
        torch.cat([context.outputs(images, network).features for images in _mirrors(real)])
        for real in (context.train, context.reference)
    )
    found = memorisation(fake, train, holdout)
    found.pairs[:, 1] %= len(context.train)
    return found


def _mirrors(images: ImageSet) -> list[ImageSet]:
    """The images, and their mirror images where those are as likely."""
    mirrored = [replace(images, images=images.images.flip(3))] if images.flip else []
    return [images, *mirrored]


def _least(per_class: Tensor) -> float:
    """The smallest value that is one; NaN when none is."""
    known = per_class[~per_class.isnan()]
    return float(known.min()) if len(known) else float("nan")


METRICS: dict[str, Metric] = {
    "fid": Metric(_fid, _train_images),
    "kid": Metric(_kid, _train_images),
    "intra_fid": Metric(_intra_fid, _train_images),
    "is": Metric(_inception_score, _train_images),
    "prdc": Metric(_prdc, _train_images),
    "accuracy": Metric(_accuracy, _held_out_images),
    "cas": Metric(_cas, _train_images),
    "lpips": Metric(_lpips, _train_images),
    "intra_lpips": Metric(_intra_lpips, _held_out_images),
    "diversity": Metric(_diversity, _train_images),
    "memorisation": Metric(_memorisation, _half_held_out),
}
