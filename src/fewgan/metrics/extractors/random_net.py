"""A fixed random network: features that cost little and were learnt from nothing.

Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", ICML 2020, section
3.3: where no pretrained network knows the images, distances in a random embedding still rank
generators. The training loop picks its best checkpoint with it, touching no test data.
"""

from torch import Tensor, nn

from fewgan.metrics.extractors.base import Extractor, FeatureNetwork, Outputs, seeded

SEED = 0
WIDTHS = (32, 64, 128)


class RandomNetwork(FeatureNetwork):
    """Three strided convolutions 32 -> 4 pixels, then a projection that keeps the layout."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.channels, self.dim, self.classes, self.side = channels, dim, 0, 32
        ins = (channels, *WIDTHS)
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 3, stride=2, padding=1), nn.LeakyReLU(0.2))
            for i, o in zip(ins, WIDTHS, strict=False)
        )
        self.project = nn.Linear(WIDTHS[-1] * 4 * 4, dim)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                # Orthogonal rows, scaled so that a layer keeps the size of its input.
                nn.init.orthogonal_(module.weight, gain=nn.init.calculate_gain("leaky_relu", 0.2))
                nn.init.zeros_(module.get_parameter("bias"))

    def forward(self, x: Tensor) -> Outputs:
        """Features [N, dim] and no class scores [N, 0]."""
        features = self.project(self.taps(x)[-1].flatten(1))
        return Outputs(features, features.new_empty(len(x), 0))


def random_extractor(channels: int, dim: int = 128) -> Extractor:
    """The fixed random network for grey (1) or colour (3) images, the same on every machine."""
    network = seeded(lambda: RandomNetwork(channels, dim), SEED)
    return Extractor("random", network, notes="fixed random network, no training", batch=500)
