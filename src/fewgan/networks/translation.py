"""Networks from image to image: the residual generator and the patch discriminator of CycleGAN.

Zhu, Park, Isola & Efros, "Unpaired image-to-image translation using cycle-consistent adversarial
networks", ICCV 2017, section 4 and appendix 7.2; the residual generator after Johnson, Alahi &
Fei-Fei 2016, the patch discriminator after Isola et al. 2017. At width w and side S:

    generator      7x7 -> w@S -> 2w@S/2 -> 4w@S/4 -> residual blocks -> 2w@S/2 -> w@S -> 7x7, tanh
    discriminator  4x4 stride 2 -> w -> 2w -> ... (`layers` of them) -> stride 1 -> a logit a patch

A convolution before an instance norm has no bias: the norm would take it out again.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from fewgan.data.imageset import ImageSet, to_float
from fewgan.data.splits import by_class
from fewgan.networks.build import ImageSpec, channels_last
from fewgan.networks.dcgan import initialise
from fewgan.networks.norms import InstanceNorm
from fewgan.networks.precision import Mixed

Direction = Literal["a2b", "b2a"]
"""From the first domain to the second, or back."""
INTO: dict[int, Direction] = {0: "b2a", 1: "a2b"}
"""The direction that leads into each of the two domains."""
BACK: dict[Direction, Direction] = {"a2b": "b2a", "b2a": "a2b"}
"""The way back."""
SMALL = 128  # pixels up to which the paper takes 6 residual blocks, and 9 above


def blocks_for(size: int) -> int:
    """Number of residual blocks that the paper takes for images of `size` pixels."""
    return 6 if size <= SMALL else 9


def receptive_field(layers: int) -> int:
    """Side in pixels of the patch that one logit of the discriminator sees.

    Each 4x4 convolution at stride s makes f of what came after it s (f - 1) + 4; there are
    `layers` at stride 2, then two at stride 1: 16, 34, 70, 142 pixels for 1, 2, 3, 4 layers.
    """
    field = 1
    for stride in [1, 1] + [2] * layers:
        field = stride * (field - 1) + 4
    return field


def most_layers(size: int) -> int:
    """Most layers at stride 2 after which an image of `size` pixels has 4 places a side or more."""
    return size.bit_length() - 3


class Residual(nn.Module):
    """x + f(x): two reflection-padded 3x3 convolutions, each with instance norm, one ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=False)
            for _ in range(2)
        )
        self.norm = _norm(channels)

    def forward(self, h: Tensor) -> Tensor:
        """[N,C,H,W] to the same shape."""
        return h + self.norm(self.conv2(torch.relu(self.norm(self.conv1(h)))))


class TranslationGenerator(Mixed):
    """Image to image of the same size.

    Args:
        channels: 1 or 3.
        width: Channels of the first layer (64 in the paper).
        blocks: Residual blocks.
    """

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        w = width
        self.layers = nn.Sequential(
            nn.Conv2d(channels, w, 7, padding=3, padding_mode="reflect", bias=False),
            *_normed(w),
            nn.Conv2d(w, 2 * w, 3, stride=2, padding=1, bias=False),
            *_normed(2 * w),
            nn.Conv2d(2 * w, 4 * w, 3, stride=2, padding=1, bias=False),
            *_normed(4 * w),
            *(Residual(4 * w) for _ in range(blocks)),
            nn.ConvTranspose2d(4 * w, 2 * w, 3, stride=2, padding=1, output_padding=1, bias=False),
            *_normed(2 * w),
            nn.ConvTranspose2d(2 * w, w, 3, stride=2, padding=1, output_padding=1, bias=False),
            *_normed(w),
            nn.Conv2d(w, channels, 7, padding=3, padding_mode="reflect"),
            nn.Tanh(),
        )
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Images [N,C,S,S] in [-1, 1] to images [N,C,S,S] in [-1, 1]; S is a multiple of 4."""
        with self.arithmetic(x):
            return self.layers(x).to(x.dtype)


class PatchDiscriminator(Mixed):
    """One logit a patch: is this piece of the image real?

    Args:
        channels: 1 or 3.
        width: Channels of the first layer (64 in the paper); they double up to eightfold.
        layers: Convolutions at stride 2 (3 in the paper); see `receptive_field`.
    """

    def __init__(self, channels: int, width: int, layers: int) -> None:
        super().__init__()
        widths = [width * min(2**i, 8) for i in range(layers + 1)]
        parts: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1)]
        parts.append(nn.LeakyReLU(0.2, inplace=True))
        for i in range(1, layers + 1):
            stride = 2 if i < layers else 1
            parts.append(nn.Conv2d(widths[i - 1], widths[i], 4, stride, padding=1, bias=False))
            parts += [_norm(widths[i]), nn.LeakyReLU(0.2, inplace=True)]
        parts.append(nn.Conv2d(widths[-1], 1, 4, stride=1, padding=1))
        self.layers = nn.Sequential(*parts)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N,1,h,w] of overlapping patches of images x [N,C,S,S] in [-1, 1]."""
        with self.arithmetic(x):
            return self.layers(x).to(x.dtype)


def _norm(channels: int) -> nn.Module:
    return InstanceNorm(channels, affine=False)


def _normed(channels: int) -> tuple[nn.Module, nn.Module]:
    return _norm(channels), nn.ReLU(inplace=True)


class Translator(nn.Module):
    """Both generators, and some images of each domain, so that samples need no data.

    To the rest of the house it is a generator of two classes: class 0 is domain A, class 1 domain
    B. A latent says which kept image of the *other* domain to translate into the class asked for:
    it is a row of weights over them, one of them 1 when it is drawn. A mixture of two rows shows a
    cross-fade of their images, so walks between latents mean something too.

    Args:
        spec: The images.
        width: Channels of a generator's first layer.
        blocks: Residual blocks of a generator.
        kept: Images to keep of each domain, K.
    """

    classes = 2
    images: Tensor

    def __init__(self, spec: ImageSpec, width: int, blocks: int, kept: int) -> None:
        super().__init__()
        self.generators = nn.ModuleDict(
            {name: TranslationGenerator(spec.channels, width, blocks) for name in INTO.values()}
        )
        shape = (2, kept, spec.channels, spec.size, spec.size)
        self.register_buffer("images", torch.zeros(shape, dtype=torch.uint8))
        channels_last(self.generators)

    def keep(self, images: ImageSet) -> None:
        """Keep K training images of each domain, evenly spaced over those there are."""
        kept = self.images.shape[1]
        for domain, members in enumerate(by_class(images.labels, 2)):
            chosen = members[torch.arange(kept) * len(members) // kept]
            self.images[domain] = images.images[chosen.to(images.images.device)]

    def translate(self, x: Tensor, direction: Direction) -> Tensor:
        """Images x [N,C,S,S] in [-1, 1] of one domain as images of the other."""
        return self.generators[direction](x)

    def latents(self, y: Tensor, generator: torch.Generator) -> Tensor:
        """Weights [N,K] for each class in y int64 [N]: every kept image once before any twice."""
        kept = self.images.shape[1]
        rows = torch.empty(len(y), dtype=torch.long)
        for domain in INTO:
            wanted = (y == domain).nonzero().flatten()
            rounds = -(-len(wanted) // kept)
            orders = [torch.randperm(kept, generator=generator) for _ in range(rounds)]
            rows[wanted] = torch.cat([*orders, rows.new_empty(0)])[: len(wanted)]
        return nn.functional.one_hot(rows, kept).float()

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Images [N,C,S,S] in [-1, 1] of domains y int64 [N], from what z [N,K] points at."""
        shape = self.images.shape[2:]
        made = torch.empty((len(y), *shape), device=z.device)
        for domain, direction in INTO.items():
            mine = y == domain
            if mine.any():
                kept = to_float(self.images[1 - domain]).flatten(1)
                x = (z[mine] / z[mine].sum(1, keepdim=True)) @ kept
                x = x.view(-1, *shape).contiguous(memory_format=torch.channels_last)
                made[mine] = self.translate(x, direction)
        return made
