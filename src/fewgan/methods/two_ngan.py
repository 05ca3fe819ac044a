"""2ngan (train): the discriminator tells 2N classes, each one real or fake.

One softmax p over [real 0 .. N-1 | fake N .. 2N-1] says at once what an image shows and whether it
is real:

    D descends  -E log p[y](x) - E log p[N+y](G(z, y))
    G descends  E softplus(l[N+y] - l[y])           (`cond_ns`; l are the logits)

The loss of the discriminator is that of the class head of Hou et al., "Conditional GANs with
auxiliary discriminative classifier", ICML 2022, without their second, binary head. What the
generator makes of it decides everything: `ns`, the natural reading "be called real and y", sharpens
classes as the auxiliary classifier does, and rare variants inside a class go; `cond_ns` and
`logodds` rest at the data. `fewgan.losses.two_n` has the four forms and where each of them ends.
"""

from pydantic import Field
from torch import Tensor

from fewgan.losses.adversarial import Form
from fewgan.losses.two_n import GENERATOR, GeneratorLoss, discriminator_loss, log_ratio
from fewgan.methods.base import Terms
from fewgan.methods.gan import GAN, GANSettings, Judged
from fewgan.networks.heads import TwoN


class TwoNGANSettings(GANSettings):
    """Settings of `2ngan`: what the generator descends, and how sure the discriminator may be."""

    game: Form = "bce"
    """Form of the game without labels, played beside the other one while labels fade in."""
    g_loss: GeneratorLoss = "cond_ns"
    """What the generator descends; ns and sat are biased where classes overlap."""
    smoothing: float = Field(0.0, ge=0, lt=0.5)
    """Share of a real image's target that goes to "fake, of the same class"."""


class TwoNGAN(GAN):
    """A generator against a classifier of 2N classes."""

    name = "2ngan"
    Settings = TwoNGANSettings
    head = TwoN
    settings: TwoNGANSettings

    def source(self, verdict: Tensor, y: Tensor) -> Tensor:
        """How real an image is if it is of class y, [N]: a log-ratio."""
        return log_ratio(verdict, y)

    def discriminator_losses(self, real: Judged, fake: Judged) -> Terms:
        """Name the class, and whether it is real."""
        pairs = (real.verdict, real.y), (fake.verdict, fake.y)
        return {"adversarial": discriminator_loss(*pairs, self.settings.smoothing)}

    def generator_losses(self, fake: Judged) -> Terms:
        """Be called real, of the class asked for."""
        return {"adversarial": GENERATOR[self.settings.g_loss](fake.verdict, fake.y)}
