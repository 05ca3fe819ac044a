"""The DCGAN trunks (Radford, Metz & Chintala 2016) for square images of 16, 32, 64, ... pixels.

Every stage doubles or halves the side with a 4x4 kernel at stride 2, and halves or doubles the
channels. At 32 px and width w:

    generator      latent -> 4w@4 -> 2w@8 -> w@16 -> image@32
    discriminator  image@32 -> w@16 -> 2w@8 -> 4w@4 -> 64w features
"""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewgan.networks.labels import LabelNorm

Wrap = Callable[[nn.Module], nn.Module]


def stages(size: int) -> int:
    """Number of doublings from 4 px to `size` px."""
    return size.bit_length() - 3


def initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02), as in the paper; scales stay 1, shifts and biases 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def keep_spread(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Weights of spread 1 / sqrt(inputs), which is what self-normalising units ask for."""
    if isinstance(layer, nn.ConvTranspose2d):  # of its 16 taps, an output has 4 a channel
        inputs = 4 * layer.in_channels
    else:
        inputs = layer.weight[0].numel()
    nn.init.normal_(layer.weight, 0.0, inputs**-0.5)


class DCGANGenerator(nn.Module):
    """Latent to image by transposed convolutions.

    Args:
        latent_dim: Length D of the latent, with whatever joined it.
        channels: 1 or 3.
        size: Side of the image in pixels, a power of two from 16.
        width: Channels of the last hidden layer.
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
        n = stages(size)
        widths = [width << (n - 1 - i) for i in range(n)]
        self.project = nn.Linear(latent_dim, 16 * widths[0], bias=False)
        self.norms = nn.ModuleList([make_norm(w) for w in widths])
        self.ups = nn.ModuleList(
            [
                nn.ConvTranspose2d(a, b, 4, stride=2, padding=1, bias=b == channels)
                for a, b in itertools.pairwise([*widths, channels])
            ]
        )
        initialise(self)

    def forward(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Image [N,C,S,S] in [-1, 1] for latent z [N,D] and classes y int64 [N]."""
        # Filling 4x4 with channels innermost gives channels-last at no cost.
        h = self.project(z).view(len(z), 4, 4, -1).permute(0, 3, 1, 2)
        for norm, up in zip(self.norms, self.ups, strict=True):
            h = up(self.activate(norm, h, y))
        return torch.tanh(h)

    def activate(self, norm: nn.Module, h: Tensor, y: Tensor | None) -> Tensor:
        """Maps [N,C,H,W] between two layers: normalised, and rectified."""
        return F.relu_(norm(h, y))

    @property
    def hidden(self) -> list[nn.Module]:
        """What draws each of its maps."""
        return list(self.norms)


class DCGANDiscriminator(nn.Module):
    """Image to features by strided convolutions.

    Args:
        channels: 1 or 3.
        size: Side of the image in pixels, a power of two from 16.
        width: Channels of the first hidden layer.
        make_norm: Makes a normalisation layer; the first stage has none, as in the paper.
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
        n = stages(size)
        widths = [width << i for i in range(n)]
        self.stages = nn.ModuleList()
        for i, (a, b) in enumerate(zip([channels, *widths[:-1]], widths, strict=True)):
            inputs = a + (joined[1] if i == joined[0] else 0)
            conv = nn.Conv2d(inputs, b, 4, stride=2, padding=1)
            self.begin(conv)
            norm = make_norm(b) if i else nn.Identity()
            self.stages.append(nn.Sequential(wrap(conv), norm, self.activation()))
        self.features = 16 * widths[-1]
        self.places = 16

    def begin(self, conv: nn.Conv2d) -> None:
        """Draw the weights that a convolution begins with."""
        initialise(conv)

    def activation(self) -> nn.Module:
        """What stands after a convolution and its norm."""
        return nn.LeakyReLU(0.2, inplace=True)

    def pool(self, h: Tensor) -> Tensor:
        """Features [N,F] of the last stage's output: all of it, as the 4x4 places matter."""
        # Channels innermost is how the map lies in memory: no copy, and no other layout for the
        # gradient to come back in.
        return h.permute(0, 2, 3, 1).flatten(1)


# --- without normalisation ------------------------------------------------------------------------


class SELUGenerator(DCGANGenerator):
    """The same, with self-normalising units in place of norm and activation.

    Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017. No label enters by a norm.
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        size: int,
        width: int,
        make_norm: Callable[[int], LabelNorm],
    ) -> None:
        super().__init__(latent_dim, channels, size, width, make_norm)
        self.norms = nn.ModuleList(nn.Identity() for _ in self.norms)
        for layer in (self.project, *self.ups):
            keep_spread(layer)

    def activate(self, norm: nn.Module, h: Tensor, y: Tensor | None) -> Tensor:
        """Maps [N,C,H,W] between two layers: as they are, through a SELU."""
        return F.selu(norm(h))


class SELUDiscriminator(DCGANDiscriminator):
    """The same, with self-normalising units."""

    def begin(self, conv: nn.Conv2d) -> None:
        """Draw the weights that a convolution begins with."""
        keep_spread(conv)

    def activation(self) -> nn.Module:
        """What stands after a convolution."""
        return nn.SELU(inplace=True)
