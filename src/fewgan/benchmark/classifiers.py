"""Classifiers that are trained alike but for what they are shown.

Ways of training that share a seed begin with the same weights and draw the same real images in the
same places, so that a difference between two of them is what the way makes. What an augmentation
does to them is drawn apart, since ways differ in how much they draw.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional as F

from fewgan.data import splits
from fewgan.data.imageset import ImageSet, to_float
from fewgan.errors import InputError
from fewgan.files import cache_folder, read_tensors, write_tensors
from fewgan.metrics.augment import AUGMENTS
from fewgan.metrics.extractors.base import seeded
from fewgan.networks.wide_resnet import wide_resnet
from fewgan.training.engine import Engine

Mix = Literal["sample", "batch"]
VERSION = 1  # raised when the same classifier would answer otherwise


class Plan(BaseModel):
    """How every classifier is trained."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    classifier: str = "wrn-10-1"
    """Its name."""
    updates: int = Field(600, ge=1)
    """Steps of the optimiser, the same for every way."""
    batch: int = Field(64, ge=2)
    """Images a step."""
    rate: float = Field(0.1, gt=0)
    """Highest learning rate, of SGD with Nesterov's momentum 0.9; it falls as a cosine."""
    weight_decay: float = Field(5e-4, ge=0)
    """Of all weights."""
    share: float = Field(0.5, gt=0, le=1)
    """How much of what is shown is generated."""
    mix: Mix = "sample"
    """Draw each image's kind by itself (`sample`), or that of a whole batch (`batch`)."""
    begin: float = Field(0.0, ge=0, lt=1)
    """Share of the updates after which generated images come in."""


@dataclass(frozen=True)
class Way:
    """One way of training: how what is shown is augmented, and whether some of it is generated."""

    augment: str | None = None
    generated: bool = False


WAYS: dict[str, Way] = {
    "real": Way(),
    **{name: Way(name) for name in AUGMENTS},
    "generated": Way(generated=True),
    **{f"generated+{name}": Way(name, generated=True) for name in AUGMENTS},
}
"""Ways by name: real images alone, with a classic augmentation, with generated ones, with both."""


def named_right(
    shown: ImageSet, pool: ImageSet, test: ImageSet, way: Way, plan: Plan, seed: int
) -> Tensor:
    """Which of the images `test` a classifier that was trained one way names right: bool [N].

    Without generated images the answer hangs on real ones only, which are those of any other run
    of the same split: it is kept on disk, and that classifier is not trained again.

    Args:
        shown: Labelled real images.
        pool: Generated images with the labels that were asked for.
        test: Labelled real images that nothing was trained on.
        way: What the classifier is shown.
        plan: How it is trained.
        seed: Of its initial weights and of what is drawn.
    """
    if way.generated:
        return right(train(shown, pool, way, plan, seed), test)
    place = _place(shown, test, way, plan, seed)
    kept = _kept(place)
    if kept is None:
        kept = right(train(shown, pool, way, plan, seed), test)
        write_tensors(place, {"right": kept}, {"data": shown.name, "way": way.augment or "real"})
    return kept


def _place(shown: ImageSet, test: ImageSet, way: Way, plan: Plan, seed: int) -> Path:
    parts = (shown.digest, shown.flip, test.digest, way, plan.model_dump_json(), seed)
    told = repr((VERSION, torch.__version__, *parts))
    name = hashlib.sha256(told.encode()).hexdigest()[:32]
    return cache_folder() / "uplift" / f"{name}.safetensors"


def _kept(place: Path) -> Tensor | None:
    """What was kept there; None when there is nothing, or it is damaged."""
    try:
        return read_tensors(place)[0]["right"] if place.is_file() else None
    except (InputError, KeyError):
        return None


def train(shown: ImageSet, pool: ImageSet, way: Way, plan: Plan, seed: int) -> torch.nn.Module:
    """Train a classifier one way.

    Args:
        shown: Labelled real images.
        pool: Generated images with the labels that were asked for.
        way: What it is shown.
        plan: How it is trained.
        seed: Of its initial weights, which all ways share, and of what is drawn.

    Returns:
        The classifier in eval mode, on the GPU where there is one.
    """
    device = Engine().device
    channels, classes = shown.channels, len(shown.class_names)
    network = seeded(lambda: wide_resnet(plan.classifier, channels, classes), seed)
    network = network.to(device).train()
    optimizer = torch.optim.SGD(
        network.parameters(), plan.rate, 0.9, weight_decay=plan.weight_decay, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, plan.updates)
    for x, y in _batches(shown, pool, way, plan, seed):
        loss = F.cross_entropy(network(to_float(x.to(device))), y.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def _batches(
    shown: ImageSet, pool: ImageSet, way: Way, plan: Plan, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Bytes and labels of every update; each class is as likely as any other."""
    generator, changes = (torch.Generator().manual_seed(seed + more) for more in (0, 2**32))
    real, made = (_by_class(images) for images in (shown, pool))
    for step in range(plan.updates):
        y = torch.randint(len(shown.class_names), (plan.batch,), generator=generator)
        kind = torch.rand(plan.batch if plan.mix == "sample" else 1, generator=generator)
        place = torch.rand(plan.batch, generator=generator)
        x = shown.images[_at(real, y, place)]
        if way.generated and step >= plan.begin * plan.updates:
            drawn = pool.images[_at(made, y, place)]
            x = torch.where((kind < plan.share)[:, None, None, None], drawn, x)
        if way.augment:
            x = AUGMENTS[way.augment](x, shown.flip, changes)
        yield x, y


def _by_class(images: ImageSet) -> tuple[Tensor, Tensor, Tensor]:
    """Indices sorted by class, where each class begins, and how many it has."""
    groups = splits.by_class(images.labels, len(images.class_names))
    counts = torch.tensor([len(group) for group in groups])
    return torch.cat(groups), counts.cumsum(0) - counts, counts


def _at(sorted_: tuple[Tensor, Tensor, Tensor], y: Tensor, place: Tensor) -> Tensor:
    order, start, count = sorted_
    return order[start[y] + (place * count[y]).long().clamp(max=count[y] - 1)]


@torch.inference_mode()
def right(network: torch.nn.Module, test: ImageSet) -> Tensor:
    """Of real images that nothing was trained on, which are named right: bool [N]."""
    device = next(network.parameters()).device
    parts = [network(to_float(part.to(device))).argmax(1).cpu() for part in test.images.split(500)]
    return torch.cat(parts) == test.labels
