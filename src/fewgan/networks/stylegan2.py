"""StyleGAN2's trunks in plain PyTorch, for 32 to 128 px.

Karras, Laine, Aittala, Hellsten, Lehtinen & Aila, "Analyzing and improving the image quality of
StyleGAN", CVPR 2020. A latent becomes a style w, and every convolution of the generator is
modulated by it: with s = A(w), one scale for each input channel,

    weights  W_oi s_i,   demodulated:  W_oi s_i / sqrt( sum over i and taps of (W_oi s_i)^2 )

which is computed here as a scaling of the maps before and after one shared convolution: the same
numbers, and no convolution of its own for each image. With width w, at 32 px:

    generator      latent -> style;  constant 8w@4 -> 4w@8 -> 2w@16 -> w@32, each adds to the image
    discriminator  image@32 -> w@32 -> 2w@16 -> 4w@8 -> 8w@4, residual -> 8w features

What differs from the paper: noise is a constant of each place, drawn once, with a learned strength,
so that an image hangs on nothing but its latent and its label; and tanh bounds the image.
"""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewgan.errors import InputError
from fewgan.networks.labels import LabelNorm

Wrap = Callable[[nn.Module], nn.Module]
GAIN = 2**0.5  # a leaky ReLU of slope 0.2 about halves the variance
LARGEST = 8  # channels at most, in units of the width


def channels_at(side: int, size: int, width: int) -> int:
    """Channels of the maps of some side: the width at the image's, twice as many each halving."""
    return width * min(LARGEST, size // side)


def activate(h: Tensor) -> Tensor:
    """Leaky ReLU that keeps the variance."""
    return F.leaky_relu(h, 0.2) * GAIN


class EqualLinear(nn.Module):
    """A linear layer with weights from N(0, 1), scaled as they are used (equalised learning rate).

    Args:
        inputs: Length of the input.
        outputs: Length of the output.
        bias: What the bias begins with.
        rate: Learning rate in units of that of the other layers.
    """

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.scale, self.rate = rate / inputs**0.5, rate

    def forward(self, h: Tensor) -> Tensor:
        """[N,inputs] to [N,outputs]."""
        return F.linear(h, self.weight * self.scale, self.bias * self.rate)


class EqualConv2d(nn.Module):
    """A convolution with weights from N(0, 1), scaled as they are used."""

    def __init__(self, a: int, b: int, kernel: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(b, a, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(b)) if bias else None
        self.scale, self.padding = 1 / (a * kernel**2) ** 0.5, kernel // 2

    def forward(self, h: Tensor) -> Tensor:
        """[N,a,S,S] to [N,b,S,S]."""
        return F.conv2d(h, self.weight * self.scale, self.bias, padding=self.padding)


class Modulated(nn.Module):
    """A convolution whose weights are scaled by a style for each image.

    Args:
        a: Input channels.
        b: Output channels.
        kernel: Side of the kernel.
        style: Length of a style.
        demodulate: Bring each output map back to variance 1, whatever the style.
    """

    def __init__(self, a: int, b: int, kernel: int, style: int, demodulate: bool = True) -> None:
        super().__init__()
        self.affine = EqualLinear(style, a, bias=1.0)
        self.conv = EqualConv2d(a, b, kernel, bias=False)
        self.demodulate = demodulate

    def forward(self, h: Tensor, w: Tensor) -> Tensor:
        """[N,a,S,S] and styles w [N,D] to [N,b,S,S]."""
        s = self.affine(w)
        h = self.conv(h * s[:, :, None, None])
        if not self.demodulate:
            return h
        power = (self.conv.weight * self.conv.scale).square().sum((2, 3))
        norm = torch.rsqrt(s.square() @ power.T + 1e-8)
        return h * norm[:, :, None, None]


class Layer(nn.Module):
    """A modulated 3x3 convolution, noise, bias and activation; upsampling first if asked to."""

    noise: Tensor

    def __init__(self, a: int, b: int, side: int, style: int, up: bool) -> None:
        super().__init__()
        self.conv, self.up = Modulated(a, b, 3, style), up
        self.register_buffer("noise", torch.randn(1, 1, side, side))
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(b))

    def forward(self, h: Tensor, w: Tensor) -> Tensor:
        """[N,a,S,S], or half of that side, to [N,b,S,S]."""
        h = self.conv(upsample(h) if self.up else h, w)
        return activate(h + self.strength * self.noise + self.bias[:, None, None])


class StyleGAN2Generator(nn.Module):
    """Latent to style, and style to an image that grows from side to side.

    Args:
        latent_dim: Length D of the latent, with whatever joined it; a style is as long.
        channels: 1 or 3.
        size: 32, 64 or 128.
        width: Channels at the side of the image.
        make_norm: Not asked: there is no normalisation.
        depth: Layers from latent to style.
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        size: int,
        width: int,
        make_norm: Callable[[int], LabelNorm],
        depth: int = 2,
    ) -> None:
        super().__init__()
        sides = [4 << i for i in range(size.bit_length() - 2)]
        widths = [channels_at(side, size, width) for side in sides]
        d = latent_dim
        self.mapping = nn.ModuleList([EqualLinear(d, d, rate=0.01) for _ in range(depth)])
        self.constant = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        self.first = Layer(widths[0], widths[0], 4, d, up=False)
        steps = zip(itertools.pairwise(widths), sides[1:], strict=True)
        self.layers = nn.ModuleList()
        for (a, b), side in steps:
            self.layers += [Layer(a, b, side, d, up=True), Layer(b, b, side, d, up=False)]
        self.to_image = nn.ModuleList([Modulated(c, channels, 1, d, False) for c in widths])
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Image [N,C,S,S] in [-1, 1] for latent z [N,D]; a label has joined it already."""
        w = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for layer in self.mapping:
            w = activate(layer(w))
        h = self.first(self.constant.expand(len(z), -1, -1, -1), w)
        image = self.to_image[0](h, w)
        pairs = zip(self.layers[::2], self.layers[1::2], list(self.to_image)[1:], strict=True)
        for up, keep, to_image in pairs:
            h = keep(up(h, w), w)
            image = upsample(image) + to_image(h, w)
        return torch.tanh(image + self.bias)

    @property
    def hidden(self) -> list[nn.Module]:
        """What draws each of its maps."""
        return [self.first, *self.layers]


class DownBlock(nn.Module):
    """Two 3x3 convolutions and a halving, with a 1x1 skip; the first block reads the image."""

    def __init__(self, a: int, b: int, first: int) -> None:
        super().__init__()
        self.from_image = EqualConv2d(first, a, 1) if first else None
        self.conv1, self.conv2 = EqualConv2d(a, a, 3), EqualConv2d(a, b, 3)
        self.skip = EqualConv2d(a, b, 1, bias=False)

    def forward(self, h: Tensor) -> Tensor:
        """[N,a,S,S] to [N,b,S/2,S/2]."""
        if self.from_image is not None:
            h = activate(self.from_image(h))
        r = activate(self.conv2(downsample(activate(self.conv1(h)))))
        return (r + self.skip(downsample(h))) / GAIN


class StyleGAN2Discriminator(nn.Module):
    """Image to features by residual blocks, the spread of a batch, and one more layer.

    Args:
        channels: 1 or 3.
        size: 32, 64 or 128.
        width: Channels at the side of the image.
        make_norm: Not asked: there is no normalisation.
        wrap: Not asked: a gradient penalty (`r1`) holds this discriminator.
        joined: (stage, planes): extra input channels that a head joins to the first stage.
        group: Images whose spread is told together.

    Raises:
        InputError: A head joins planes to another stage.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        width: int,
        make_norm: Callable[[int], nn.Module],
        wrap: Wrap,
        joined: tuple[int, int] = (0, 0),
        group: int = 4,
    ) -> None:
        super().__init__()
        if joined[0] and joined[1]:
            raise InputError("trunk 'stylegan2' reads label planes beside the image only")
        sides = [size >> i for i in range(size.bit_length() - 2)]
        widths = [channels_at(side, size, width) for side in sides]
        self.stages = nn.ModuleList()
        for i, (a, b) in enumerate(itertools.pairwise(widths)):
            read = channels + joined[1] if i == 0 else 0
            self.stages.append(DownBlock(a, b, read))
        self.features, self.places, self.group = widths[-1], 1, group
        self.last = EqualConv2d(widths[-1] + 1, widths[-1], 3)
        self.dense = EqualLinear(16 * widths[-1], widths[-1])

    def pool(self, h: Tensor) -> Tensor:
        """Features [N,F] of the last stage's maps [N,F,4,4]."""
        h = activate(self.last(torch.cat([h, self._spread(h)], 1)))
        return activate(self.dense(h.flatten(1)))

    def _spread(self, h: Tensor) -> Tensor:
        """Standard deviation within groups of images, averaged over all maps: a map [N,1,4,4].

        Groups are images that lie len(h) / group apart; where that does not go up, all are one.
        """
        n = len(h)
        size = self.group if n % self.group == 0 else n
        groups = h.float().reshape(size, n // size, -1)
        deviation = (groups.var(0, correction=0) + 1e-8).sqrt().mean(1)
        return deviation.repeat(size).to(h.dtype)[:, None, None, None].expand(-1, 1, *h.shape[2:])


# --- sides --------------------------------------------------------------------------------------


def _blur(h: Tensor) -> Tensor:
    """Each map smoothed by [1, 2, 1] / 4 both ways."""
    taps = torch.tensor([1.0, 2.0, 1.0], device=h.device, dtype=h.dtype) / 4
    kernel = torch.outer(taps, taps).expand(h.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(h, (1, 1, 1, 1), mode="replicate"), kernel, groups=h.shape[1])


def upsample(h: Tensor) -> Tensor:
    """Twice the side, bilinearly: what a [1, 3, 3, 1] filter after zero-stuffing gives."""
    return F.interpolate(h, scale_factor=2, mode="bilinear", align_corners=False)


def downsample(h: Tensor) -> Tensor:
    """Half the side, each place the mean of what lies around it, by a [1, 3, 3, 1] filter."""
    return F.avg_pool2d(_blur(h), 2)
