"""The residual trunks of SNGAN (Miyato et al. 2018, tables 3 to 5) for 32 and 64 px."""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewgan.networks.labels import LabelNorm

Wrap = Callable[[nn.Module], nn.Module]

# Channels of each level in units of the width, from 4 px up for the generator, from the image
# down for the discriminator, and which of the discriminator's blocks halve the side.
GENERATOR = {32: (1, 1, 1, 1), 64: (16, 8, 4, 2, 1)}
DISCRIMINATOR = {32: (1, 1, 1, 1), 64: (1, 2, 4, 8, 16)}
HALVES = {32: (True, True, False, False), 64: (True, True, True, True, True)}


def initialise(module: nn.Module) -> None:
    """Glorot-uniform weights, zero biases; sqrt(2) larger on the residual path as in the paper."""
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            gain = 2**0.5 if "conv" in name else 1.0
            nn.init.xavier_uniform_(layer.weight, gain)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class UpBlock(nn.Module):
    """Norm, ReLU, upsample, 3x3, norm, ReLU, 3x3, with an upsampled 1x1 skip."""

    def __init__(self, a: int, b: int, make_norm: Callable[[int], LabelNorm]) -> None:
        super().__init__()
        self.norm1, self.norm2 = make_norm(a), make_norm(b)
        self.conv1 = nn.Conv2d(a, b, 3, padding=1)
        self.conv2 = nn.Conv2d(b, b, 3, padding=1)
        self.skip = nn.Conv2d(a, b, 1)

    def forward(self, h: Tensor, y: Tensor | None) -> Tensor:
        """[N,a,S,S] to [N,b,2S,2S]."""
        r = F.interpolate(F.relu(self.norm1(h, y)), scale_factor=2)
        r = self.conv2(F.relu(self.norm2(self.conv1(r), y)))
        # A 1x1 convolution commutes with nearest upsampling: doing it first costs a quarter.
        return r + F.interpolate(self.skip(h), scale_factor=2)


class ResNetGenerator(nn.Module):
    """Latent to image by residual up-sampling blocks.

    Args:
        latent_dim: Length D of the latent, with whatever joined it.
        channels: 1 or 3.
        size: 32 or 64.
        width: Channels at the last level (256 in the paper at 32 px, 64 at 64 px).
        make_norm: Makes the normalisation layer for a number of channels.
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        size: int,
        width: int,
        make_norm: Callable[[int], LabelNorm],
    ) -> None:
        super().__init__()
        widths = [width * m for m in GENERATOR[size]]
        self.project = nn.Linear(latent_dim, 16 * widths[0])
        pairs = itertools.pairwise(widths)
        self.blocks = nn.ModuleList([UpBlock(a, b, make_norm) for a, b in pairs])
        self.norm = make_norm(widths[-1])
        self.to_image = nn.Conv2d(widths[-1], channels, 3, padding=1)
        initialise(self)

    def forward(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Image [N,C,S,S] in [-1, 1] for latent z [N,D] and classes y int64 [N]."""
        h = self.project(z).view(len(z), 4, 4, -1).permute(0, 3, 1, 2)
        for block in self.blocks:
            h = block(h, y)
        return torch.tanh(self.to_image(F.relu(self.norm(h, y))))

    @property
    def hidden(self) -> list[nn.Module]:
        """What draws each of its maps."""
        return list(self.blocks)


class DownBlock(nn.Module):
    """ReLU, 3x3, ReLU, 3x3 and average pooling, with a 1x1 skip; the first block has no first ReLU.

    The first block of the trunk sees pixels: it keeps their sign, and pools its skip before the
    1x1 convolution ("optimised block" in the authors' code).
    """

    def __init__(
        self,
        a: int,
        b: int,
        halve: bool,
        first: bool,
        make_norm: Callable[[int], nn.Module],
    ) -> None:
        super().__init__()
        self.halve, self.first = halve, first
        self.norm1 = nn.Identity() if first else make_norm(a)
        self.norm2 = make_norm(b)
        self.conv1 = nn.Conv2d(a, b, 3, padding=1)
        self.conv2 = nn.Conv2d(b, b, 3, padding=1)
        self.skip = nn.Conv2d(a, b, 1) if halve or a != b else nn.Identity()

    def forward(self, h: Tensor) -> Tensor:
        """[N,a,S,S] to [N,b,S/2,S/2], or [N,b,S,S] when the block does not halve."""
        r = h if self.first else F.relu(self.norm1(h))
        r = self.conv2(F.relu(self.norm2(self.conv1(r))))
        if not self.halve:
            return r + self.skip(h)
        # Pooling and a 1x1 convolution commute: pooling first costs a quarter.
        return F.avg_pool2d(r, 2) + self.skip(F.avg_pool2d(h, 2))


class ResNetDiscriminator(nn.Module):
    """Image to features by residual blocks and a global sum.

    Args:
        channels: 1 or 3.
        size: 32 or 64.
        width: Channels at the first level (128 in the paper at 32 px, 64 at 64 px).
        make_norm: Makes a normalisation layer (the paper uses none).
        wrap: Applied to each convolution; spectral normalisation or nothing.
        joined: (stage, planes): extra input channels that a head joins to one stage.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        width: int,
        make_norm: Callable[[int], nn.Module],
        wrap: Wrap,
        joined: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__()
        widths = [width * m for m in DISCRIMINATOR[size]]
        self.stages = nn.ModuleList()
        pairs = zip([channels, *widths[:-1]], widths, HALVES[size], strict=True)
        for i, (a, b, halve) in enumerate(pairs):
            inputs = a + (joined[1] if i == joined[0] else 0)
            self.stages.append(DownBlock(inputs, b, halve, i == 0, make_norm))
        self.features = widths[-1]
        self.places = 1
        initialise(self)
        for block in self.stages:
            for name, layer in list(block.named_children()):
                if isinstance(layer, nn.Conv2d):
                    setattr(block, name, wrap(layer))

    def pool(self, h: Tensor) -> Tensor:
        """Features [N,F] of the last stage's output: the sum over places after a ReLU."""
        return F.relu(h).sum((2, 3))
