"""dcgan (train): deep convolutional GAN, the unconditional baseline.

Radford, Metz & Chintala, "Unsupervised representation learning with deep convolutional
generative adversarial networks", ICLR 2016; the game is that of Goodfellow et al. 2014:

    D descends  -E log D(x) - E log(1 - D(G(z)))
    G descends  -E log D(G(z))                      (non-saturating)

Labels are not looked at. On CIFAR-10 expect the figures to peak and then decay: keep the best.
"""

from fewgan.methods.base import Rate, Terms
from fewgan.methods.gan import GAN, GANSettings, Judged
from fewgan.networks.build import DNorm
from fewgan.networks.labels import Labels


class DCGANSettings(GANSettings):
    """Settings of `dcgan`: the paper's batch normalisation and learning rate."""

    labels: Labels = "none"
    """How the label enters the generator: not at all."""
    d_norm: DNorm = "batch"
    """Normalisation of the discriminator's maps."""
    spectral: bool = False
    """Spectral normalisation of the discriminator's trunk."""
    g_lr: Rate = 2e-4
    """Learning rate of the generator (Adam)."""
    d_lr: Rate = 2e-4
    """Learning rate of the discriminator (Adam)."""


class DCGAN(GAN):
    """A generator and a discriminator that know nothing of classes."""

    name = "dcgan"
    Settings = DCGANSettings

    def discriminator_losses(self, real: Judged, fake: Judged) -> Terms:
        """Tell real from fake."""
        return {"adversarial": self.game.discriminator(real.verdict, fake.verdict)}

    def generator_losses(self, fake: Judged) -> Terms:
        """Pass for real."""
        return {"adversarial": self.game.generator(fake.verdict)}
