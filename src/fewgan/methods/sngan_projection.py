"""sngan-projection (train): spectral normalisation, and labels that meet features in a product.

Miyato, Kataoka, Koyama & Yoshida, "Spectral normalization for generative adversarial networks",
ICLR 2018; Miyato & Koyama, "cGANs with projection discriminator", ICLR 2018, eq. 4. With the
features f(x) of the trunk, a linear psi and a learned vector e_y for each class:

    D(x, y) = psi(f(x)) + <e_y, f(x)>
    D descends  E max(0, 1 - D(x, y)) + E max(0, 1 + D(G(z, y), y))
    G descends  -E D(G(z, y), y)

Every layer of the discriminator is spectrally normalised, the vectors e_y among them, by one step
of the power iteration a pass; it has no other normalisation. Where log p(y|x) is linear in f, D can
be the log-ratio of the joint densities of data and generator, so that nothing pays the generator
for images that are easy to name.

The papers update the discriminator five times for each update of the generator, at a rate of
2e-4, and so do the libraries that repeat them: it is the default here. On the `resnet` trunk, with
`width` 256, `d_width` 128 and `norm` batch, the networks are those of the authors' CIFAR-10 model
(whose psi has no bias); their generator's batch is twice as large.
"""

from fewgan.losses.adversarial import Form
from fewgan.methods.base import Decay, Rate, Terms, Updates
from fewgan.methods.gan import GAN, GANSettings, Judged
from fewgan.networks.heads import Projection


class SNGANProjectionSettings(GANSettings):
    """Settings of `sngan-projection`: the papers' game, optimiser and normalisation."""

    game: Form = "hinge"
    """Form of the adversarial loss."""
    d_steps: Updates = 5
    """Updates of the discriminator for each update of the generator."""
    spectral_head: bool = True
    """Spectral normalisation of the head too, as in the papers."""
    g_lr: Rate = 2e-4
    """Learning rate of the generator (Adam)."""
    d_lr: Rate = 2e-4
    """Learning rate of the discriminator (Adam)."""
    beta1: Decay = 0.0
    """Decay of Adam's first moment."""
    beta2: Decay = 0.9
    """Decay of Adam's second moment."""


class SNGANProjection(GAN):
    """A generator against a spectrally normalised discriminator with a projection head."""

    name = "sngan-projection"
    Settings = SNGANProjectionSettings
    head = Projection

    def discriminator_losses(self, real: Judged, fake: Judged) -> Terms:
        """Tell real pairs (image, label) from fake ones."""
        return {"adversarial": self.game.discriminator(real.verdict, fake.verdict)}

    def generator_losses(self, fake: Judged) -> Terms:
        """Pass for a real image of the class asked for."""
        return {"adversarial": self.game.generator(fake.verdict)}
