"""minegan (adapt): first learn where in the latent space to draw from, then fine-tune as well.

Wang, Gonzalez-Garcia, Berga, Herranz, Khan & van de Weijer, "MineGAN: effective knowledge transfer
from GANs to target domains with few images", CVPR 2020. A small network M, the miner, turns the
latent before the source's generator sees it. In two stages,

    D        descends  -E log D(x) - E log(1 - D(G(M(z))))        throughout
    M        descends  -E log D(G(M(z)))                          for the first `mine_steps` steps
    M and G  descend   the same                                   from then on

so that what the source can draw already is found before anything of it is changed. Where the source
has classes, they are drawn as before, and the miner works inside each.

It mines what is there: of a target that the source draws nothing like, there is nothing to mine.
"""

from typing import Any

from pydantic import Field
from torch import Tensor, nn

from fewgan.data.feed import Feed
from fewgan.methods.adaptation import Adaptation, AdaptationSettings, Unlabelled
from fewgan.methods.base import Terms
from fewgan.networks.build import Generator, ImageSpec


class MineGANSettings(AdaptationSettings):
    """Settings of `minegan`: the miner, and when the generator begins to learn too."""

    miner_width: int = Field(128, ge=1, le=4096)
    """Hidden units of the miner."""
    mine_steps: int = Field(300, ge=0)
    """Steps in which the generator stays as it was."""


class Mined(Unlabelled):
    """A generator behind a miner of its latents.

    Args:
        generator: The generator.
        classes: Its classes K, which are drawn with the latent.
        width: Hidden units of the miner.
    """

    lends = False

    def __init__(self, generator: Generator, classes: int, width: int) -> None:
        super().__init__(generator, classes)
        d = generator.latent_dim
        self.miner = nn.Sequential(nn.Linear(d, width), nn.ReLU(), nn.Linear(width, d))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images [N,C,S,S] in [-1, 1] for latents z; labels y of the target are not looked at."""
        own, drawn = self.split(z)
        images: Tensor = self.generator(self.miner(own), drawn)
        return images


class MineGAN(Adaptation):
    """The game, in which at first only the miner learns for the generator."""

    name = "minegan"
    Settings = MineGANSettings
    settings: MineGANSettings

    @classmethod
    def make_sampler(cls, settings: Any, spec: ImageSpec) -> Mined:  # type: ignore[override]
        """The source's generator behind a miner."""
        plain = super().make_sampler(settings, spec)
        return Mined(plain.generator, plain.drawn, settings.miner_width)

    def step(self, feed: Feed, also: Any = None) -> Terms:
        """One step of the game, in the stage whose turn it is."""
        whole = int(self.steps_done) >= self.settings.mine_steps
        self.lent.requires_grad_(whole).train(whole)  # its running statistics wait as well
        return super().step(feed, also)
