"""Extractors: the networks whose features the metrics compare, each in its own file.

To add one: a file with its network and a function that makes the `Extractor`, and a row here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fewgan.data.imageset import ImageSet
from fewgan.errors import InputError, unknown
from fewgan.metrics.extractors.base import Extractor, FeatureNetwork, Outputs, Progress
from fewgan.metrics.extractors.imagenet import imagenet_extractor, imagenet_mid_extractor
from fewgan.metrics.extractors.in_domain import in_domain_extractor
from fewgan.metrics.extractors.inception import inception_extractor
from fewgan.metrics.extractors.random_net import random_extractor
from fewgan.metrics.extractors.resnet56 import resnet56_extractor
from fewgan.metrics.extractors.vgg16 import vgg16_extractor

__all__ = [
    "EXTRACTORS",
    "Extractor",
    "FeatureNetwork",
    "Outputs",
    "Progress",
    "default_extractor",
    "get_extractor",
    "random_extractor",
]


@dataclass(frozen=True)
class Wanted:
    """What an extractor may be made from; each takes what it needs."""

    data: ImageSet | None
    test: ImageSet | None
    weights: Path | None
    seed: int
    progress: Progress | None


def _in_domain(wanted: Wanted) -> Extractor:
    if wanted.data is None:
        raise InputError("the in-domain extractor is trained on the data: name a data set")
    return in_domain_extractor(
        wanted.data, test=wanted.test, seed=wanted.seed, progress=wanted.progress
    )


EXTRACTORS: dict[str, Callable[[Wanted], Extractor]] = {
    "in-domain": _in_domain,
    "imagenet": lambda wanted: imagenet_extractor(),
    "imagenet-mid": lambda wanted: imagenet_mid_extractor(),
    "cifar-resnet56": lambda wanted: resnet56_extractor(wanted.weights),
    "inception": lambda wanted: inception_extractor(wanted.weights),
    "vgg16": lambda wanted: vgg16_extractor(wanted.weights),
    "random": lambda wanted: random_extractor(wanted.data.channels if wanted.data else 3),
}


def default_extractor(channels: int) -> str:
    """The extractor for grey (1) or colour (3) images that nobody chose one for.

    Grey images get a classifier of their own data. Colour images get the middle of an ImageNet
    network: its 112 features leave a Frechet distance something to measure with a few hundred
    images, where 1,280 would measure the sample count.
    """
    return {1: "in-domain", 3: "imagenet-mid"}[channels]


def get_extractor(
    name: str,
    *,
    data: ImageSet | None = None,
    test: ImageSet | None = None,
    weights: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Extractor:
    """Make an extractor by its name.

    Args:
        name: One of `EXTRACTORS`.
        data: The training split of the data set, which `in-domain` is trained on (once: it is
            cached) and `random` takes its channels from.
        test: Held-out images of that data set; the classifier's accuracy on them goes on cards.
        weights: A file of published weights, instead of the cached or fetched one.
        seed: Of the in-domain classifier's training.
        progress: Told of the training, and later of features as they are extracted.

    Raises:
        InputError: There is no such extractor, or what it needs cannot be had.
    """
    if name not in EXTRACTORS:
        raise unknown("extractor", name, EXTRACTORS)
    extractor = EXTRACTORS[name](Wanted(data, test, weights, seed, progress))
    extractor.progress = progress
    return extractor
