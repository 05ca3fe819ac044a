"""A small classifier trained once on a data set: the extractor of choice for grey images.

ImageNet features mean little on handwriting, and the maintainers of the FID codes advise against
them there. Features of a classifier of the very data set do mean something, its class scores judge
whether a conditional generator draws the class that was asked for, and it trains in about a minute.
It is kept in the cache, sealed, under the content hash of the data and of the recipe.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewgan.data.imageset import ImageSet
from fewgan.errors import InputError
from fewgan.files import cache_folder, read_tensors, write_tensors
from fewgan.metrics.extractors.base import Extractor, FeatureNetwork, Outputs, Progress, seeded


@dataclass(frozen=True)
class Recipe:
    """How the classifier is trained.

    Attributes:
        epochs: Passes over the images, as long as that is not more than `most_images`.
        most_images: Images seen at most: 6 epochs of MNIST.
        least_steps: Optimiser steps at least, however few images there are.
        batch: Images a step.
        peak: Highest learning rate of the one-cycle schedule (Smith & Topin 2018).
        weight_decay: Decoupled weight decay of Adam.
        shift: Images are moved by up to this many pixels each way.
    """

    epochs: int = 20
    most_images: int = 360_000
    least_steps: int = 100
    batch: int = 128
    peak: float = 4e-3
    weight_decay: float = 0.02
    shift: int = 1

    def steps(self, images: int) -> int:
        """Optimiser steps for a set of `images` images."""
        return max(self.least_steps, min(images * self.epochs, self.most_images) // self.batch)


class Classifier(FeatureNetwork):
    """Convolutions 32 -> 4 pixels with batch norm; features are the pooled last map [N, 128]."""

    def __init__(self, channels: int, classes: int, width: int = 32) -> None:
        super().__init__()
        self.channels, self.classes, self.side = channels, classes, 32
        self.dim = 4 * width
        self.stages = nn.ModuleList(
            [
                _layer(channels, width, kernel=5, stride=2),
                _stage(width, 2 * width),
                _stage(2 * width, self.dim),
            ]
        )
        self.classify = nn.Linear(self.dim, classes)

    def forward(self, x: Tensor) -> Outputs:
        """Features [N, dim] and class scores [N, classes]."""
        features = self.taps(x)[-1].mean((2, 3))
        return Outputs(features, self.classify(features))


def _layer(ins: int, outs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(ins, outs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outs), nn.ReLU(inplace=True))


def _stage(ins: int, outs: int) -> nn.Sequential:
    return nn.Sequential(_layer(ins, outs, stride=2), _layer(outs, outs))


def train_classifier(
    data: ImageSet,
    *,
    seed: int = 0,
    recipe: Recipe | None = None,
    progress: Progress | None = None,
) -> Classifier:
    """Train the classifier on labelled images, on the device where they lie.

    Args:
        data: At least two images of at least two classes.
        seed: Of initial weights, order and shifts.
        recipe: How; `Recipe()` when not given.
        progress: Called after every step.

    Raises:
        InputError: The images have fewer than two classes, or there are fewer than two of them.
    """
    if len(data.class_names) < 2 or len(data) < 2:
        raise InputError(
            f"a classifier cannot be trained on {data.name}: it needs images of two classes or "
            "more; choose another extractor"
        )
    recipe = recipe or Recipe()
    steps = recipe.steps(len(data))
    network = seeded(lambda: Classifier(data.channels, len(data.class_names)), seed)
    network.train().to(data.images.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(
        network.parameters(), recipe.peak, weight_decay=recipe.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.peak, total_steps=steps)
    for step, (images, labels) in enumerate(_batches(data, recipe, seed), 1):
        loss = F.cross_entropy(network(network.prepare(images)).logits, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if progress:
            progress(f"classifier of {data.name}", step, steps)
    return network.eval()


def _batches(data: ImageSet, recipe: Recipe, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Augmented bytes and labels of every step; the last images of an epoch wait for another."""
    generator = torch.Generator().manual_seed(seed)
    size, left = min(recipe.batch, len(data)), recipe.steps(len(data))
    while left:
        order = torch.randperm(len(data), generator=generator)
        for index in order[: len(order) // size * size].split(size)[:left]:
            batch = data.take(index)
            images = shifted(batch.images, recipe.shift, generator)
            yield mirrored(images, generator) if data.flip else images, batch.labels
            left -= 1


def shifted(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Each of `images` [N,C,H,W] moved by its own whole number of pixels, edges repeated."""
    n, _, height, width = images.shape
    moves = torch.randint(-most, most + 1, (2, n, 1), generator=generator)
    rows = (torch.arange(height) + moves[0]).clamp(0, height - 1).to(images.device)
    columns = (torch.arange(width) + moves[1]).clamp(0, width - 1).to(images.device)
    image = torch.arange(n, device=images.device)[:, None, None]
    return images[image, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def mirrored(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each of `images` [N,C,H,W] mirrored left to right with probability one half."""
    chosen = torch.randint(2, (len(images), 1, 1, 1), generator=generator).bool()
    return torch.where(chosen.to(images.device), images.flip(3), images)


def in_domain_extractor(
    data: ImageSet,
    *,
    test: ImageSet | None = None,
    seed: int = 0,
    recipe: Recipe | None = None,
    progress: Progress | None = None,
) -> Extractor:
    """The classifier of a data set: read from the cache, or trained now and kept there.

    Args:
        data: The training split of the data set.
        test: Real images of the same classes it has not seen; its accuracy on them goes on cards.
        seed: Of the training.
        recipe: Of the training; `Recipe()` when not given.
        progress: Called after every step of the training.

    Raises:
        InputError: The images have fewer than two classes, or the cache cannot be written.
    """
    recipe = recipe or Recipe()
    path = _cache_path(data, seed, recipe)
    network = _read(path) or _train_and_keep(data, path, seed, recipe, progress)
    notes = f"classifier trained on {len(data)} images of {data.name}"
    extractor = Extractor("in-domain", network, class_names=data.class_names, notes=notes)
    if test is not None and len(test):
        right = extractor.logits(test.images).argmax(1) == test.labels.cpu()
        extractor.notes += f", {100 * right.double().mean():.2f} % right on {len(test)} held out"
    return extractor


def _cache_path(data: ImageSet, seed: int, recipe: Recipe) -> Path:
    told = json.dumps([data.digest, asdict(recipe), data.flip, seed])
    name = hashlib.sha256(told.encode()).hexdigest()[:24]
    return cache_folder() / "extractors" / f"in-domain-{name}.safetensors"


def _read(path: Path) -> Classifier | None:
    """The kept classifier; None when there is none or it is damaged, and is to be trained anew."""
    if not path.is_file():
        return None
    try:
        tensors, meta = read_tensors(path)
        network = seeded(lambda: Classifier(meta["channels"], meta["classes"]), 0)
        network.load_state_dict(tensors)
    except (InputError, KeyError, RuntimeError):
        return None
    return network


def _train_and_keep(
    data: ImageSet, path: Path, seed: int, recipe: Recipe, progress: Progress | None
) -> Classifier:
    network = train_classifier(data, seed=seed, recipe=recipe, progress=progress).cpu()
    meta = {
        "channels": data.channels,
        "classes": len(data.class_names),
        "data": data.name,
        "digest": data.digest,
        "recipe": asdict(Recipe()),
        "seed": seed,
    }
    write_tensors(path, network.state_dict(), meta)
    return network
