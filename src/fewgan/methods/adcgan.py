"""adcgan (train): the class head also tells real from fake: an auxiliary discriminative classifier.

Hou, Cao, Shen, Pan & Cheng, "Conditional GANs with auxiliary discriminative classifier", ICML 2022.
Beside the source head, with L_S as in acgan, stands a classifier of 2K classes, each real or fake,
with logits l over [real 0 .. K-1 | fake K .. 2K-1] and their softmax p:

    D descends  -L_S + w_D ( -E log p[y](x) - E log p[K+y](G(z, y)) )
    G descends  -E log D(G(z, y)) + w_G E ( l[K+y] - l[y] )(G(z, y))

With an optimal classifier l[y] - l[K+y] is the log-ratio of the joint densities of data and
generator, so that what G descends is their divergence KL(q(x, y), p(x, y)): unlike acgan's it is
least at the data. Without the source head this is `2ngan` with the loss `logodds`.
"""

from fewgan.losses.two_n import discriminator_loss, log_ratio
from fewgan.methods.base import Terms, Weight
from fewgan.methods.gan import GAN, GANSettings, Judged
from fewgan.networks.heads import SourceTwoN


class ADCGANSettings(GANSettings):
    """Settings of `adcgan`: the weights of the class losses."""

    d_class_weight: Weight = 1.0
    """Weight of the 2K-way class loss for the discriminator, w_D."""
    g_class_weight: Weight = 1.0
    """Weight of the log-ratio of fake to real for the generator, w_G."""


class ADCGAN(GAN):
    """A generator against a discriminator with a source head and 2K classes."""

    name = "adcgan"
    Settings = ADCGANSettings
    head = SourceTwoN
    settings: ADCGANSettings

    def discriminator_losses(self, real: Judged, fake: Judged) -> Terms:
        """Tell real from fake, and name the class together with whether it is real."""
        pairs = (real.verdict.classes, real.y), (fake.verdict.classes, fake.y)
        return {
            "adversarial": self.game.discriminator(real.verdict.source, fake.verdict.source),
            "class": self.settings.d_class_weight * discriminator_loss(*pairs),
        }

    def generator_losses(self, fake: Judged) -> Terms:
        """Pass for real, and be a real y rather than a fake y."""
        log_odds = log_ratio(fake.verdict.classes, fake.y).mean()
        return {
            "adversarial": self.game.generator(fake.verdict.source),
            "class": -self.settings.g_class_weight * log_odds,
        }
