"""VGG-16 trained on ImageNet: the network of perceptual losses, and of LPIPS as published.

Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR
2015, configuration D, with torchvision's weights. Its taps are relu1_2, relu2_2,
relu3_3, relu4_3 and relu5_3, for which the authors of LPIPS published channel weights. Images keep
their own size, as there: distances of 64-pixel images are those of 64-pixel images.
"""

import re
from pathlib import Path

import torch
from torch import Tensor, nn

from fewgan.errors import InputError
from fewgan.metrics.extractors.base import (
    Extractor,
    FeatureNetwork,
    Outputs,
    match_channels,
    seeded,
)
from fewgan.metrics.extractors.weights import Published, read_state

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, and convolutions in a row
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

WEIGHTS = Published(
    "vgg16-397923af.pth",
    "397923af",
    remedy="torchvision.models.vgg16(weights='IMAGENET1K_V1') of torchvision fetches it, and it is "
    "found then; evaluate takes the file as --weights too",
)
LINEAR = Published(
    "lpips-vgg.pth",
    "a78928a0",
    "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1/"
    "vgg.pth",
)


class VGG16(FeatureNetwork):
    """The convolutions of VGG-16; features are the pooled last map [N, 512]."""

    def __init__(self) -> None:
        super().__init__()
        self.channels, self.dim, self.classes, self.side = 3, 512, 0, 0
        stages, before = [], 3
        for i, (channels, count) in enumerate(BLOCKS):
            layers: list[nn.Module] = [nn.MaxPool2d(2)] if i else []
            for _ in range(count):
                layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()]
                before = channels
            stages.append(nn.Sequential(*layers))
        self.stages = nn.ModuleList(stages)

    def prepare(self, images: Tensor) -> Tensor:
        """Bytes, or floats in their range, to ImageNet's mean 0 and deviation 1, at their size."""
        x = match_channels(images.float() / 255, 3)
        mean, std = (torch.tensor(v, device=x.device).view(1, 3, 1, 1) for v in (MEAN, STD))
        return ((x - mean) / std).contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Outputs:
        """Features [N, 512], and no class scores."""
        return Outputs(self.taps(x)[-1].mean((2, 3)), x.new_zeros(len(x), 0))

    def load(self, path: Path) -> None:
        """Take the convolutions of a file as torchvision writes it.

        Raises:
            InputError: The file is damaged, or of another network.
        """
        state = {
            n: v for n, v in read_state(path).items() if re.fullmatch(r"features\.\d+\.\w+", n)
        }
        # Both count convolutions first to last, each with its weight before its bias.
        theirs = sorted(state, key=lambda name: (int(name.split(".")[1]), name.endswith("bias")))
        ours = dict(self.named_parameters())
        if [state[name].shape for name in theirs] != [value.shape for value in ours.values()]:
            raise InputError(f"{path} holds the weights of another network")
        self.load_state_dict(dict(zip(ours, (state[name] for name in theirs), strict=True)))


def vgg16_extractor(weights: Path | None = None) -> Extractor:
    """The network from a weights file that is given, cached or fetched.

    Raises:
        InputError: The weights cannot be had or are not the published ones.
    """
    network = seeded(VGG16, 0)
    network.load(WEIGHTS.find(weights))
    return Extractor("vgg16", network, notes="VGG-16 of ImageNet", batch=50, lpips=LINEAR)
