"""A small classifier trained once on a data set: the extractor of choice for grey images.

ImageNet features mean little on handwriting, and the maintainers of the FID codes advise against
them there. Features of a classifier of the very data set do mean something, its class scores judge
whether a conditional generator draws the class that was asked for, and it trains in about a minute.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewgan.data.imageset import ImageSet
from fewgan.metrics.extractors.base import FeatureNetwork, Outputs, seeded

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Recipe:
    """How the classifier is trained.

    Attributes:
        epochs: Passes over the images, unless that is more than `most_images`.
        most_images: Images seen at most.
        batch: Images a step, fewer when there are fewer.
        peak: Highest learning rate of the one-cycle schedule (Smith & Topin 2018).
        weight_decay: Decoupled weight decay of Adam.
        shift: Images are moved by up to this many pixels each way.
    """

    epochs: int = 30
    most_images: int = 180_000
    batch: int = 128
    peak: float = 4e-3
    weight_decay: float = 0.02
    shift: int = 2

    def steps(self, images: int) -> int:
        """Optimiser steps for a set of `images` images."""
        return max(100, min(images * self.epochs, self.most_images) // self.batch)


class Classifier(FeatureNetwork):
    """Convolutions 32 -> 4 pixels with batch norm; the pooled last map [N, 128] are the features."""

    def __init__(self, channels: int, classes: int, width: int = 32) -> None:
        super().__init__()
        self.channels, self.classes, self.side = channels, classes, 32
        self.dim = 4 * width
        self.stages = nn.ModuleList(
            [
                _stage(channels, width, kernel=5, stride=2),
                nn.Sequential(_stage(width, 2 * width), _stage(2 * width, 2*width), nn.MaxPool2d(2)),
                nn.Sequential(_stage(2 * width, self.dim), _stage(self.dim, self.dim), nn.MaxPool2d(2)),
            ]
        )
        self.classify = nn.Linear(self.dim, classes)

    def forward(self, x: Tensor) -> Outputs:
        """Features [N, dim] and class scores [N, classes]."""
        features = self.taps(x)[-1].mean((2, 3))
        return Outputs(features, self.classify(features))


def _stage(ins: int, outs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(ins, outs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outs), nn.ReLU(inplace=True))


def train_classifier(
    data: ImageSet, *, seed: int = 0, recipe: Recipe | None = None, progress: Progress | None = None
) -> Classifier:
    recipe = recipe or Recipe()
    network = seeded(lambda: Classifier(data.channels, len(data.class_names)), seed)
    network = network.train().to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(seed)
    steps = recipe.steps(len(data))
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.peak, weight_decay=recipe.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.peak, total_steps=steps)
    order = torch.empty(0, dtype=torch.long)
    for step in range(steps):
        if len(order) < min(recipe.batch, len(data)):
            order = torch.randperm(len(data), generator=generator)
        index, order = order.split([min(recipe.batch, len(order)), max(0, len(order) - recipe.batch)])
        images = shifted(data.images[index], recipe.shift, generator)
        loss = F.cross_entropy(network(network.prepare(images)).logits, data.labels[index])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if progress:
            progress(step + 1, steps)
    return network.eval()


def shifted(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Each of `images` [N,C,H,W] moved by its own whole number of pixels, edges repeated."""
    n, _, height, width = images.shape
    moves = torch.randint(-most, most + 1, (2, n, 1), generator=generator)
    rows = (torch.arange(height) + moves[0]).clamp(0, height - 1)
    columns = (torch.arange(width) + moves[1]).clamp(0, width - 1)
    picked = images[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)
