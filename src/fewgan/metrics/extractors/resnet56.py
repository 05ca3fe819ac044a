"""CIFAR-10 ResNet-56 (He et al., CVPR 2016, section 4.2): features for colour images of 32 pixels.

Shortcuts have no weights (option A: every second pixel, zeros for the new channels). The file is of
the public CIFAR-10 reproduction by Y. Idelbayev, 93.39 % on the test set.
"""

from collections import OrderedDict
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewgan.metrics.extractors.base import (
    Extractor,
    FeatureNetwork,
    Outputs,
    match_channels,
    resize,
    seeded,
)
from fewgan.metrics.extractors.weights import Published, load_published

WEIGHTS = Published(
    "resnet56-4bfd9763.th",
    "4bfd9763",
    "https://raw.githubusercontent.com/akamaster/pytorch_resnet_cifar10/master/"
    "pretrained_models/resnet56-4bfd9763.th",
)
CLASS_NAMES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
BLOCKS = 9
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class Block(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    def __init__(self, ins: int, outs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(ins, outs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outs)
        self.conv2 = nn.Conv2d(outs, outs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outs)
        self.stride, self.added = stride, outs - ins

    def forward(self, x: Tensor) -> Tensor:
        """[N, ins, H, W] to [N, outs, H / stride, W / stride]."""
        kept = x[:, :, :: self.stride, :: self.stride]
        kept = F.pad(kept, (0, 0, 0, 0, self.added // 2, self.added // 2))
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + kept)


class ResNet56(FeatureNetwork):
    """Three rows of nine blocks, 16 to 64 channels; features are the pooled last map [N, 64]."""

    def __init__(self) -> None:
        super().__init__()
        self.channels, self.dim, self.classes, self.side = 3, 64, 10, 32
        stem = OrderedDict(
            conv1=nn.Conv2d(3, 16, 3, padding=1, bias=False), bn1=nn.BatchNorm2d(16), relu=nn.ReLU()
        )
        rows = [_row(f"layer{i + 1}", max(16, 8 * 2**i), 16 * 2**i) for i in range(3)]
        self.stages = nn.ModuleList([nn.Sequential(stem), *rows])
        self.linear = nn.Linear(64, 10)

    def prepare(self, images: Tensor) -> Tensor:
        """Bytes to 32 pixels of ImageNet's mean 0 and deviation 1, as the weights were trained."""
        x = resize(match_channels(images.float() / 255, 3), self.side)
        mean, std = (torch.tensor(v, device=x.device).view(1, 3, 1, 1) for v in (MEAN, STD))
        return ((x - mean) / std).contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Outputs:
        """Features [N, 64] and class scores [N, 10]."""
        features = self.taps(x)[-1].mean((2, 3))
        return Outputs(features, self.linear(features))


def _row(name: str, ins: int, outs: int) -> nn.Sequential:
    """Nine blocks under the published `name`; the first halves the side where channels double."""
    first = Block(ins, outs, stride=outs // ins)
    blocks = nn.Sequential(first, *(Block(outs, outs, stride=1) for _ in range(BLOCKS - 1)))
    return nn.Sequential(OrderedDict([(name, blocks)]))


def resnet56_extractor(weights: Path | None = None) -> Extractor:
    """The CIFAR-10 classifier, from a weights file that is given, cached or fetched.

    Raises:
        InputError: The weights cannot be had or are not the published ones.
    """
    network = seeded(ResNet56, 0)
    load_published(network, WEIGHTS.find(weights))
    notes = "CIFAR-10 ResNet-56, 93.4 % on its test set"
    return Extractor("cifar-resnet56", network, class_names=CLASS_NAMES, notes=notes)
