"""ada (adapt): fine-tune behind random changes, as strong as the discriminator's memory asks for.

Karras, Aittala, Hellsten, Laine, Lehtinen & Aila, "Training generative adversarial networks with
limited data", NeurIPS 2020; as a way to adapt, "TGAN+ADA" in the later literature. The
discriminator never sees an image as it is: real and generated ones go through changes T_p, each of
which comes with chance p (`fewgan.losses.ada`),

    D descends  -E log D(T_p(x)) - E log(1 - D(T_p(G(z))))
    G descends  -E log D(T_p(G(z)))

and every few steps p rises while the discriminator is too sure of its real images, and falls else:

    r = E sign(logit of D(T_p(x))),     p <- p +- (images seen since) / reach,   + if r > target.

For a fixed set of changes in every image, whatever the method: `--augment color,translation`.
"""

import torch
from pydantic import Field
from torch import Tensor

from fewgan.data.feed import Feed
from fewgan.losses.ada import ada, adapt
from fewgan.methods.adaptation import Adaptation, AdaptationSettings
from fewgan.methods.base import Terms
from fewgan.methods.gan import Judged
from fewgan.networks.build import ImageSpec

EVERY = 4  # steps from one change of p to the next, as the authors have it


class ADASettings(AdaptationSettings):
    """Settings of `ada`: how strong the changes become, and how fast."""

    ada_target: float = Field(0.6, ge=-1, le=1)
    """Mean sign of the logits on real images that is held: 0 unsure, 1 learned by heart."""
    ada_images: int = Field(100_000, ge=1)
    """Real images seen in which the chance could rise from 0 to 1."""


class ADA(Adaptation):
    """The game, behind changes whose chance adapts."""

    name = "ada"
    Settings = ADASettings
    settings: ADASettings
    chance: Tensor
    signs: Tensor

    def __init__(self, settings: ADASettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        self.register_buffer("chance", torch.tensor(0.0, dtype=torch.float64))
        self.register_buffer("signs", torch.tensor(0.0))

    def _judge(self, feed: Feed, x: Tensor, y: Tensor, z: Tensor | None = None) -> Judged:
        return super()._judge(feed, ada(x, float(self.chance), feed.uniform), y, z)

    def discriminator_losses(self, real: Judged, fake: Judged) -> Terms:
        """Tell real from fake, and remember how sure it was of the real ones."""
        self.signs += self.source(real.verdict, real.y).detach().sign().mean() / EVERY
        return super().discriminator_losses(real, fake)

    def held(self, feed: Feed) -> Terms:
        """Nothing; but the chance of a change follows what the discriminator remembers."""
        if int(self.steps_done) % EVERY == 0:
            images = EVERY * feed.batch_size * self.settings.d_steps
            sign = float(self.signs) / self.settings.d_steps
            chance = adapt(
                float(self.chance),
                sign,
                images,
                target=self.settings.ada_target,
                reach=self.settings.ada_images,
            )
            self.chance.fill_(chance)
            self.signs.zero_()
        return {}
