"""Inception-v3 in the variant that the Frechet Inception Distance is defined on.

The network of Szegedy et al. (CVPR 2016) in the TensorFlow graph of 2015-12-05, which Heusel et al.
measured with: 1,008 classes; average pooling that does not count the padding; maximum pooling in
the last block; images resized by TensorFlow 1's bilinear rule and scaled as (x - 128) / 128. The
Inception Score takes the class scores without their bias, as its authors' code does.

A branch of a block is written as data: `conv(64, 1)` is a convolution to 64 channels with a 1x1
kernel. Inside blocks, kernels of stride 1 keep the side and those of stride 2 have no padding.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewgan.metrics.extractors.base import (
    Extractor,
    FeatureNetwork,
    Outputs,
    match_channels,
    seeded,
)
from fewgan.metrics.extractors.weights import Published, load_published

WEIGHTS = Published(
    "pt_inception-2015-12-05-6726825d.pth",
    "6726825d",
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth",
)

Pool = Callable[[Tensor], Tensor]


class Conv(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(
        self, ins: int, outs: int, kernel: tuple[int, int], stride: int = 1, padded: bool = True
    ) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2) if padded else (0, 0)
        self.conv = nn.Conv2d(ins, outs, kernel, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(outs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """[N, ins, H, W] to [N, outs, H', W']."""
        return F.relu(self.bn(self.conv(x)))


class Step(NamedTuple):
    """One convolution of a branch."""

    outs: int
    kernel: tuple[int, int]
    stride: int = 1


class Fork(NamedTuple):
    """Two convolutions of the same input, side by side in the output."""

    a: Step
    b: Step


class Branch(NamedTuple):
    """A branch of a block: `pool` if there is one, then `steps`."""

    name: str
    steps: Sequence[Step | Fork] = ()
    pool: Pool | None = None


def conv(outs: int, height: int, width: int | None = None, stride: int = 1) -> Step:
    """A step with a kernel of `height` x `width` (square when one is given)."""
    return Step(outs, (height, width or height), stride)


def _average(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def _maximum(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, stride=1, padding=1)


def _halve(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, stride=2)


class Mixed(nn.Module):
    """A block: its branches see the same input, and their outputs are joined."""

    def __init__(self, ins: int, branches: Sequence[Branch]) -> None:
        super().__init__()
        self.paths: list[tuple[Pool | None, list[tuple[str, ...]]]] = []
        for branch in branches:
            width, names = ins, []
            for number, step in enumerate(branch.steps, 1):
                base = branch.name if len(branch.steps) == 1 else f"{branch.name}_{number}"
                named = (
                    {base + "a": step.a, base + "b": step.b}
                    if isinstance(step, Fork)
                    else {base: step}
                )
                for name, part in named.items():
                    self.add_module(name, Conv(width, *part, padded=part.stride == 1))
                width = sum(part.outs for part in named.values())
                names.append(tuple(named))
            self.paths.append((branch.pool, names))

    def forward(self, x: Tensor) -> Tensor:
        """[N, ins, H, W] to [N, outs of all branches, H', W']."""
        return torch.cat([self._walk(x, pool, names) for pool, names in self.paths], 1)

    def _walk(self, x: Tensor, pool: Pool | None, names: list[tuple[str, ...]]) -> Tensor:
        x = pool(x) if pool else x
        for parts in names:
            x = torch.cat([self.get_submodule(name)(x) for name in parts], 1)
        return x


def _block_a(ins: int, pooled: int) -> Mixed:
    return Mixed(
        ins,
        [
            Branch("branch1x1", [conv(64, 1)]),
            Branch("branch5x5", [conv(48, 1), conv(64, 5)]),
            Branch("branch3x3dbl", [conv(64, 1), conv(96, 3), conv(96, 3)]),
            Branch("branch_pool", [conv(pooled, 1)], _average),
        ],
    )


def _block_b(ins: int) -> Mixed:
    return Mixed(
        ins,
        [
            Branch("branch3x3", [conv(384, 3, stride=2)]),
            Branch("branch3x3dbl", [conv(64, 1), conv(96, 3), conv(96, 3, stride=2)]),
            Branch("branch_pool", pool=_halve),
        ],
    )


def _block_c(ins: int, c: int) -> Mixed:
    return Mixed(
        ins,
        [
            Branch("branch1x1", [conv(192, 1)]),
            Branch("branch7x7", [conv(c, 1), conv(c, 1, 7), conv(192, 7, 1)]),
            Branch(
                "branch7x7dbl",
                [conv(c, 1), conv(c, 7, 1), conv(c, 1, 7), conv(c, 7, 1), conv(192, 1, 7)],
            ),
            Branch("branch_pool", [conv(192, 1)], _average),
        ],
    )


def _block_d(ins: int) -> Mixed:
    return Mixed(
        ins,
        [
            Branch("branch3x3", [conv(192, 1), conv(320, 3, stride=2)]),
            Branch(
                "branch7x7x3",
                [conv(192, 1), conv(192, 1, 7), conv(192, 7, 1), conv(192, 3, stride=2)],
            ),
            Branch("branch_pool", pool=_halve),
        ],
    )


def _block_e(ins: int, pool: Pool) -> Mixed:
    fork = Fork(conv(384, 1, 3), conv(384, 3, 1))
    return Mixed(
        ins,
        [
            Branch("branch1x1", [conv(320, 1)]),
            Branch("branch3x3", [conv(384, 1), fork]),
            Branch("branch3x3dbl", [conv(448, 1), conv(384, 3), fork]),
            Branch("branch_pool", [conv(192, 1)], pool),
        ],
    )


class InceptionV3(FeatureNetwork):
    """Features pool3 [N, 2048] and class scores without bias [N, 1008]."""

    def __init__(self) -> None:
        super().__init__()
        self.channels, self.dim, self.classes, self.side = 3, 2048, 1008, 299
        three, one = (3, 3), (1, 1)
        self.stages = nn.ModuleList(
            [
                _stage(
                    Conv2d_1a_3x3=Conv(3, 32, three, stride=2, padded=False),
                    Conv2d_2a_3x3=Conv(32, 32, three, padded=False),
                    Conv2d_2b_3x3=Conv(32, 64, three),
                    pool=nn.MaxPool2d(3, stride=2),
                ),
                _stage(
                    Conv2d_3b_1x1=Conv(64, 80, one),
                    Conv2d_4a_3x3=Conv(80, 192, three, padded=False),
                    pool=nn.MaxPool2d(3, stride=2),
                ),
                _stage(
                    Mixed_5b=_block_a(192, 32),
                    Mixed_5c=_block_a(256, 64),
                    Mixed_5d=_block_a(288, 64),
                ),
                _stage(
                    Mixed_6a=_block_b(288),
                    Mixed_6b=_block_c(768, 128),
                    Mixed_6c=_block_c(768, 160),
                    Mixed_6d=_block_c(768, 160),
                    Mixed_6e=_block_c(768, 192),
                ),
                _stage(
                    Mixed_7a=_block_d(768),
                    Mixed_7b=_block_e(1280, _average),
                    Mixed_7c=_block_e(2048, _maximum),
                ),
            ]
        )
        self.fc = nn.Linear(2048, 1008)

    def prepare(self, images: Tensor) -> Tensor:
        """Bytes to 299 pixels in about [-1, 1], by TensorFlow 1's bilinear rule."""
        return resize_tf1(match_channels(images.float(), 3), self.side).sub(128).div(128)

    def forward(self, x: Tensor) -> Outputs:
        """Features [N, 2048] and class scores [N, 1008] of prepared images."""
        features = self.taps(x)[-1].mean((2, 3))
        return Outputs(features, F.linear(features, self.fc.weight))


def _stage(**modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(modules))


def resize_tf1(x: Tensor, side: int) -> Tensor:
    """Bilinear as TensorFlow 1 had it: output pixel i looks at i * old / side, corners on corners.

    Today's rule looks half a pixel further; a FID from the other rule is another figure.
    """
    for axis in (2, 3):
        length = x.shape[axis]
        place = torch.arange(side, device=x.device, dtype=x.dtype) * (length / side)
        low = place.long()
        share = (place - low).view(-1, 1) if axis == 2 else place - low
        high = (low + 1).clamp(max=length - 1)
        below, above = x.index_select(axis, low), x.index_select(axis, high)
        x = below + (above - below) * share
    return x


def inception_extractor(weights: Path | None = None) -> Extractor:
    """The network with the published weights, from a file that is given, cached or fetched.

    Raises:
        InputError: The weights cannot be had or are not the published ones.
    """
    path = WEIGHTS.find(weights)
    network = seeded(InceptionV3, 0)
    load_published(network, path)
    return Extractor("inception", network, notes="Inception-v3 2015-12-05 at 299 pixels", batch=25)
