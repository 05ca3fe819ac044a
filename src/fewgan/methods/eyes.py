"""A fixed network that methods compare images by, where gradients are to pass through it.

Colour images are seen by the ImageNet network that comes with the installation, grey ones by the
fixed random one. Neither learns, and neither is kept in a checkpoint.
"""

import torch
from torch import Tensor

from fewgan.metrics.extractors import get_extractor, random_extractor
from fewgan.metrics.extractors.base import FeatureNetwork


class Eyes:
    """What a fixed network sees of images.

    Args:
        channels: 1 for grey images, 3 for colour.
    """

    def __init__(self, channels: int) -> None:
        grey = channels == 1
        extractor = random_extractor(1) if grey else get_extractor("imagenet-mid")
        self.name, self.network = extractor.name, extractor.network
        self._at = torch.device("cpu")

    def __call__(self, x: Tensor) -> list[Tensor]:
        """Maps [N,C_l,H_l,W_l] of every tap, first to last, of images x [N,C,S,S] in [-1, 1]."""
        network: FeatureNetwork = self.network
        if x.device != self._at:
            self._at = x.device
            network.to(x.device)
        return network.taps(network.prepare((x + 1) * 127.5))
