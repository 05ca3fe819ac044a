"""cdcgan (train): conditional DCGAN, the label being an extra input of both networks.

Mirza & Osindero, "Conditional generative adversarial nets", 2014, on DCGAN's networks:

    D descends  -E log D(x, y) - E log(1 - D(G(z, y), y))
    G descends  -E log D(G(z, y), y)                (non-saturating)

The generator gets y as a one-hot vector beside z, the discriminator as constant planes beside
the image. A known weakness: the discriminator sees y at its first layer only and may ignore it,
which gives much variety and some wrong classes.
"""

from fewgan.methods.base import Terms
from fewgan.methods.gan import GAN, GANSettings, Judged
from fewgan.networks.heads import Concat
from fewgan.networks.labels import Labels, Norm


class CDCGANSettings(GANSettings):
    """Settings of `cdcgan`: labels concatenated, the reference's normalisation and rates."""

    labels: Labels = "concat"
    """How the label enters the generator."""
    norm: Norm = "batch"
    """Statistics of the generator's normalisation: per image, or over the batch."""
    g_lr: float = 2e-4
    """Learning rate of the generator (Adam)."""
    d_lr: float = 2e-4
    """Learning rate of the discriminator (Adam)."""


class CDCGAN(GAN):
    """A generator and a discriminator that both read the label."""

    name = "cdcgan"
    Settings = CDCGANSettings
    head = Concat

    def discriminator_losses(self, real: Judged, fake: Judged) -> Terms:
        """Tell real pairs (image, label) from fake ones."""
        return {"adversarial": self.game.discriminator(real.verdict, fake.verdict)}

    def generator_losses(self, fake: Judged) -> Terms:
        """Pass for a real image of the class asked for."""
        return {"adversarial": self.game.generator(fake.verdict)}
