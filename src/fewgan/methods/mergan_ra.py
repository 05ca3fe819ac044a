"""mergan-ra (keep learning): replay alignment: the new generator draws earlier classes as the old.

Wu, Herranz, Liu, Wang, van de Weijer & Raducanu, "Memory Replay GANs: learning to generate images
from new categories without forgetting", NeurIPS 2018, section 3.4. With G' the frozen generator of
the end of the experience before,

    G descends  L_GAN(present classes) + W E ||G(z, c) - G'(z, c)||^2 / pixels,

c drawn from the classes learned before. The discriminator sees present images only. What is held is
the instance: a latent keeps its very image through the stream.

The paper weights a sum of squares, divided by the number K of earlier classes: in units of the mean
that is W = 32.8 / K on digits, so that protection fades as there is more to protect. `schedule`
`replicate` does that, with W the weight at K = 1; `constant` holds it, and `growing` raises it as
W K, so that every class is protected as the first one was.

Teacher and student draw in the same mode, in which an image does not hang on its batch: with equal
weights the loss is exactly 0. A teacher in eval mode against a student in train mode differs from
it even then, and so the alignment would fight the normalisation instead of forgetting.
"""

from typing import Literal

from torch import Tensor
from torch.nn.functional import mse_loss

from fewgan.data.feed import Feed
from fewgan.methods.base import Terms, Weight
from fewgan.methods.strategy import Strategy, StrategySettings


class MerganRASettings(StrategySettings):
    """Settings of `mergan-ra`: how firmly earlier images are held."""

    alignment: Weight = 200.0
    """Weight W of the mean squared error between new and old images of earlier classes."""
    schedule: Literal["constant", "replicate", "growing"] = "constant"
    """W throughout, W / K as in the paper's code, or W K, after K earlier classes."""


class MerganRA(Strategy):
    """The wrapped GAN, whose generator must still draw what the teacher draws."""

    name = "mergan-ra"
    Own = MerganRASettings

    def held(self, feed: Feed) -> Terms:
        """How far the generator has moved from the teacher on earlier classes."""
        if not self.old.any():
            return {}
        y, z = self.remembered(feed)
        return {"alignment": self._weight() * self.moved(z, y)}

    def moved(self, z: Tensor, y: Tensor) -> Tensor:
        """Mean squared error between what generator and teacher draw of latents and labels."""
        generator = self.sampler
        training = generator.training
        generator.eval()
        try:
            return mse_loss(generator(z, y), self.recall(z, y))
        finally:
            generator.train(training)

    def _weight(self) -> float:
        earlier = int(self.old.sum())
        factor = {"constant": 1.0, "replicate": 1 / earlier, "growing": float(earlier)}
        return self.settings.alignment * factor[self.settings.schedule]
