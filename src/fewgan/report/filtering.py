"""Labelled images to train on: drawn, tested, and only kept if nothing speaks against them.

Three tests, all by the few real images that the run was trained on and nothing else, since a person
has no more:

- **class**: a classifier of the training images is sure of the class that was asked for;
- **realness**: the image lies among training images of its class, as precision means it: no further
  from one of them than that one's k-th neighbour of its class (Kynkaanniemi et al. 2019);
- **copy**: it lies not much nearer to one training image, or to its mirror image where that is as
  likely, than to any other (Yoon et al. 2023).

With few images all three are weak, which the manifest says: how many were drawn, and why not kept.
"""

from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from fewgan import __version__
from fewgan.data.imageset import ImageSet
from fewgan.errors import InputError
from fewgan.files import sha256_file
from fewgan.metrics.distances import double
from fewgan.metrics.extractors import Extractor, random_extractor
from fewgan.metrics.extractors.in_domain import in_domain_extractor
from fewgan.metrics.memorisation import RATIO, nearness
from fewgan.training import selection
from fewgan.training.run import Checkpoint, Run

ROUND = 256  # images drawn at a time, of each class
PATIENCE = 20  # drawn for each image that is wanted, at most
TESTS = ("class", "realness", "copy")


class Filter(BaseModel):
    """What an image must pass."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    confidence: float = Field(0.5, ge=0, le=1)
    """Least probability of the class that was asked for."""
    neighbours: int = Field(5, ge=0)
    """k of the balls about training images; 0 leaves that test out."""
    copy_ratio: float = Field(RATIO, ge=0, le=1)
    """Distance to the nearest training image over that to the second, below which an image is a
    copy; 0 leaves that test out."""


class Sieve:
    """The three tests of one run.

    Args:
        train: The images that the run was trained on, labelled as the model counts.
        rules: What must be passed.

    Raises:
        InputError: The images have no classes.
    """

    def __init__(self, train: ImageSet, rules: Filter) -> None:
        if len(train.class_names) < 2:
            raise InputError(
                f"{train.name} has no classes to be sure of: filter a run that was trained on two "
                "or more"
            )
        self.rules = rules
        self.judge: Extractor = in_domain_extractor(train)
        self.eyes = random_extractor(train.channels)
        views = [train.images, train.images.flip(3)] if train.flip else [train.images]
        self.views = torch.stack([double(self.eyes.features(view)) for view in views], 1)
        features = self.views[:, 0]
        self.features = [features[train.labels == c] for c in range(len(train.class_names))]

    def passed(self, images: Tensor, label: int) -> dict[str, Tensor]:
        """Whether images uint8 [N,C,S,S] of a class pass each test: bool [N] by name."""
        p = self.judge.logits(images).softmax(1)[:, label]
        seen = double(self.eyes.features(images))
        return {
            "class": p >= self.rules.confidence,
            "realness": self._among(seen, self.features[label]),
            "copy": self._new(seen),
        }

    def _among(self, seen: Tensor, members: Tensor) -> Tensor:
        k = min(self.rules.neighbours, len(members) - 1)
        if k < 1:
            return torch.ones(len(seen), dtype=torch.bool)
        radius = torch.cdist(members, members).kthvalue(k + 1, 1).values
        return (torch.cdist(seen, members) <= radius).any(1)

    def _new(self, seen: Tensor) -> Tensor:
        if len(self.views) < 2 or not self.rules.copy_ratio:
            return torch.ones(len(seen), dtype=torch.bool)
        ratios, _ = nearness(seen, self.views)
        return ratios >= self.rules.copy_ratio


def filtered(
    run: Run,
    each: dict[str, int],
    *,
    rules: Filter | None = None,
    seed: int = 0,
    which: Checkpoint = "best",
) -> tuple[ImageSet, dict[str, Any]]:
    """Draw until so many images of each class have passed.

    Args:
        run: A run that knows classes, whose training images are at hand.
        each: How many of each class, by name.
        rules: What must be passed.
        seed: The same seed gives the same images.
        which: The checkpoint that draws.

    Returns:
        The images, labelled as the model counts, and the manifest: run, seed, rules, hashes of
        weights and of training images, and of each class how many were drawn, kept, and turned
        away by which test. Of a class that passes too seldom there are fewer than were asked for.

    Raises:
        InputError: The run knows no classes, or there is nobody to judge them.
    """
    if not run.class_names:
        raise InputError(f"{run.path} knows no classes: a filter asks whether a class is right")
    rules = rules or Filter()
    train = selection.shown_images(run.folder)
    tests = Sieve(train, rules)
    parts, told = [], {}
    for place, name in enumerate(run.class_names):
        images, counts = _draw(run, name, place, each.get(name, 0), tests, seed, which)
        parts.append(images)
        told[name] = counts
    labels = torch.cat([torch.full((len(x),), i) for i, x in enumerate(parts)])
    named = f"{run.model['method']} trained on {run.model['data']}"
    kept = ImageSet(torch.cat(parts), labels, run.class_names, named, run.model["licence"])
    before = run.folder.read_config().source
    manifest = {
        "run": run.path.name,
        "method": run.model["method"],
        "fewgan": __version__,
        "checkpoint": which,
        "seed": seed,
        "filter": rules.model_dump(),
        "judge": tests.judge.notes,
        "weights_sha256": sha256_file(run.weights_file(which)),
        "training_images_sha256": train.digest,
        "data": run.model["data"],
        "goes_on_from": before and Path(before).name,
        "licence": run.model["licence"],
        "classes": told,
    }
    return kept, manifest


def _draw(
    run: Run, name: str, place: int, wanted: int, tests: Sieve, seed: int, which: Checkpoint
) -> tuple[Tensor, dict[str, int]]:
    shape = (0, run.spec.channels, run.spec.size, run.spec.size)
    kept, counts = [torch.zeros(shape, dtype=torch.uint8)], {"wanted": wanted, "drawn": 0}
    refused = dict.fromkeys(TESTS, 0)
    have, turn = 0, 0
    while have < wanted and counts["drawn"] < PATIENCE * wanted:
        # Every class and round has latents of its own, whatever the number that is wanted.
        own = seed + 7919 * (place + 1) + 104729 * turn
        images = run.imageset(ROUND, name, own, which).images
        passed = tests.passed(images, place)
        good = torch.stack(list(passed.values())).all(0)
        for test, fine in passed.items():
            refused[test] += int((~fine).sum())
        kept.append(images[good][: wanted - have])
        have, turn = have + len(kept[-1]), turn + 1
        counts["drawn"] += ROUND
    counts |= {"kept": have, **{f"refused_by_{test}": n for test, n in refused.items()}}
    return torch.cat(kept), counts


def levelling(run: Run) -> dict[str, int]:
    """How many images each class lacks beside the largest one among the training images.

    Raises:
        InputError: The run knows no classes, or they are level.
    """
    if not run.class_names:
        raise InputError(f"{run.path} knows no classes to bring level")
    train = selection.shown_images(run.folder)
    counts = train.counts()
    if max(counts) == min(counts):
        raise InputError(
            f"the classes of {run.path} are level, with {max(counts)} training images each: "
            "give --n instead of --level"
        )
    return {n: max(counts) - c for n, c in zip(train.class_names, counts, strict=True)}
