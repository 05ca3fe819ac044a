"""A fixed network that methods compare images by, where gradients are to pass through it.

Left to itself, colour images are seen by the ImageNet network that comes with the installation,
grey ones by the fixed random one. VGG-16, which the papers look through, is taken where it is asked
for and its weights are at hand; a Laplacian pyramid (Bojanowski et al., ICML 2018) needs none. None
of them learns, and none is kept in a checkpoint.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from fewgan.errors import InputError
from fewgan.metrics.extractors import get_extractor, random_extractor
from fewgan.metrics.extractors.base import FeatureNetwork

WORDS = {
    "vgg16": "VGG-16 of ImageNet",
    "imagenet": "EfficientNet-Lite0 of ImageNet",
    "random": "a fixed random network",
    "pyramid": "a Laplacian pyramid",
}
Seer = Literal["auto", "vgg16", "imagenet", "random", "pyramid"]


class Eyes:
    """What a fixed network sees of images.

    Args:
        channels: 1 for grey images, 3 for colour.
        name: Which network; `auto` is `random` for grey images, `imagenet` for colour.
        levels: Taps that are looked at, from the first; all of them when left out.

    Raises:
        InputError: The network's weights are not at hand, or it has fewer taps.
    """

    def __init__(self, channels: int, name: Seer = "auto", levels: int | None = None) -> None:
        if name == "auto":
            name = "random" if channels == 1 else "imagenet"
        self.name, self.levels = name, levels
        self.network: FeatureNetwork | None = None
        if name == "random":
            self.network = random_extractor(channels).network
        elif name != "pyramid":
            self.network = get_extractor({"imagenet": "imagenet-mid"}.get(name, name)).network
        taps = len(self.network.stages) if self.network else None
        if taps and levels and levels > taps:
            raise InputError(f"--eyes {name} has {taps} taps: give --levels {taps} or fewer")
        self._at = torch.device("cpu")

    def __str__(self) -> str:
        """What they are, in words."""
        return WORDS[self.name] + (f", {self.levels} taps" if self.levels else "")

    def __call__(self, x: Tensor) -> list[Tensor]:
        """Maps [N,C_l,H_l,W_l] of the taps, first to last, of images x [N,C,S,S] in [-1, 1]."""
        if self.network is None:
            return pyramid(x)[: self.levels]
        if x.device != self._at:
            self._at = x.device
            self.network.to(x.device)
        maps, given = self.network.prepare((x + 1) * 127.5), []
        for stage in self.network.stages[: self.levels]:
            maps = stage(maps)
            given.append(maps)
        return given


def pyramid(x: Tensor, smallest: int = 4) -> list[Tensor]:
    """The Laplacian pyramid of images [N,C,S,S]: what each halving loses, and what is left.

    Args:
        x: Images.
        smallest: Side in pixels at which it ends.
    """
    levels = []
    while x.shape[-1] > smallest:
        half = F.avg_pool2d(x, 2)
        levels.append(x - F.interpolate(half, scale_factor=2, mode="bilinear"))
        x = half
    return [*levels, x]
