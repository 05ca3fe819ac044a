"""Wide residual networks: the classifiers that generated images are to help.

Zagoruyko & Komodakis, "Wide residual networks", BMVC 2016: WRN-d-k has three rows of (d - 4) / 6
blocks with 16k, 32k and 64k channels; batch norm and ReLU stand before each convolution. WRN-16-8
and WRN-28-10 are those of the few-shot literature, WRN-10-1 learns in a minute on a CPU.
"""

import re

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewgan.errors import InputError

NAME = re.compile(r"wrn-(\d+)-(\d+)")


class Block(nn.Module):
    """Two convolutions added to their input.

    Args:
        a: Channels in.
        b: Channels out.
        stride: 2 halves the side.
    """

    def __init__(self, a: int, b: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(a), nn.BatchNorm2d(b)
        self.conv1 = nn.Conv2d(a, b, 3, stride=stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(b, b, 3, padding=1, bias=False)
        same = a == b and stride == 1
        self.short = nn.Identity() if same else nn.Conv2d(a, b, 1, stride=stride, bias=False)
        self.same = same

    def forward(self, x: Tensor) -> Tensor:
        """[N,a,H,W] to [N,b,H / stride,W / stride]."""
        h = F.relu(self.norm1(x))
        kept = self.short(x if self.same else h)
        added: Tensor = self.conv2(F.relu(self.norm2(self.conv1(h)))) + kept
        return added


class WideResNet(nn.Module):
    """WRN-d-k: images to class scores.

    Args:
        depth: d, 4 more than a multiple of 6.
        widen: k.
        channels: 1 or 3.
        classes: Number of classes.
    """

    def __init__(self, depth: int, widen: int, channels: int, classes: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        before = 16
        for row in range(3):
            width = 16 * widen << row
            for i in range((depth - 4) // 6):
                blocks.append(Block(before, width, 2 if row and not i else 1))
                before = width
        self.begin = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm2d(before)
        self.classify = nn.Linear(before, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        """Class scores [N,K] of images [N,C,S,S] in [-1, 1]."""
        maps = F.relu(self.norm(self.blocks(self.begin(x))))
        scores: Tensor = self.classify(maps.mean((2, 3)))
        return scores


def wide_resnet(name: str, channels: int, classes: int) -> WideResNet:
    """A network by its name, such as `wrn-16-8`.

    Raises:
        InputError: That is no such name, or the depth cannot be had.
    """
    match = NAME.fullmatch(name)
    depth, widen = map(int, match.groups()) if match else (0, 0)
    if depth < 10 or (depth - 4) % 6 or not widen:
        raise InputError(
            f"there is no classifier {name!r}: give wrn-D-K with D 10, 16, 22, 28 or so, such as "
            "wrn-10-1 or wrn-16-8"
        )
    network = WideResNet(depth, widen, channels, classes)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
