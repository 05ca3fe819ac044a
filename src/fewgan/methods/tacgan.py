"""tacgan (train): acgan, and a twin of its class head that takes the bias back.

Gong, Xu, Li, Zhang & Batmanghelich, "Twin auxiliary classifiers GAN", NeurIPS 2019. Beside the
source head, with L_S as in acgan, and the class head C, which learns the classes of real images, a
twin C_mi learns those that fakes were made for:

    D descends  -L_S + w_D ( -E log C(y | x) - E log C_mi(y | G(z, y)) )
    G descends  -E log D(G(z, y)) + w_G ( -E log C(y | G(z, y)) + E log C_mi(y | G(z, y)) )

The first term of G alone is acgan's: make images that are easy to name, and lose the variety inside
a class. The twin names such images just as easily, and takes the reward away: with optimal heads
the two together are E log q(y|x) / p(y|x), the divergence of the generator's classes from those of
the data, which is 0 at the data and nowhere less. Both therefore have one weight.
"""

from torch.nn.functional import cross_entropy

from fewgan.methods.base import Terms, Weight
from fewgan.methods.gan import GAN, GANSettings, Judged
from fewgan.networks.heads import Twin


class TACGANSettings(GANSettings):
    """Settings of `tacgan`: the weights of the class losses."""

    d_class_weight: Weight = 1.0
    """Weight of both class heads for the discriminator, w_D."""
    g_class_weight: Weight = 1.0
    """Weight of the difference of the class heads for the generator, w_G."""


class TACGAN(GAN):
    """A generator against a discriminator with a source head and two class heads."""

    name = "tacgan"
    Settings = TACGANSettings
    head = Twin
    settings: TACGANSettings

    def discriminator_losses(self, real: Judged, fake: Judged) -> Terms:
        """Tell real from fake, name the class of real images, and with the twin that of fakes."""
        weight = self.settings.d_class_weight
        return {
            "adversarial": self.game.discriminator(real.verdict.source, fake.verdict.source),
            "class": weight * cross_entropy(real.verdict.classes, real.y),
            "twin": weight * cross_entropy(fake.verdict.twin, fake.y),
        }

    def generator_losses(self, fake: Judged) -> Terms:
        """Pass for real, and be no easier to name for the twin than for the class head."""
        weight = self.settings.g_class_weight
        return {
            "adversarial": self.game.generator(fake.verdict.source),
            "class": weight * cross_entropy(fake.verdict.classes, fake.y),
            "twin": -weight * cross_entropy(fake.verdict.twin, fake.y),
        }
