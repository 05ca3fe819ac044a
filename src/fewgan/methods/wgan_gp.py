"""wgan-gp (train): Wasserstein GAN whose critic is kept from being steep by a gradient penalty.

Gulrajani, Ahmed, Arjovsky, Dumoulin & Courville, "Improved training of Wasserstein GANs", NeurIPS
2017, with one place a in [0, 1] drawn for each pair of a real image x and a fake one:

    x' = x + a (G(z, y) - x)
    D descends  E D(G(z, y)) - E D(x) + 10 E (‖grad D(x')‖ - 1)^2  + w_D E -log P(C = y | x)
    G descends  -E D(G(z, y))                                      + w_G E -log P(C = y | G(z, y))

The norm is over all pixels and channels of an image. The second column is there when the data have
classes and the generator reads them: labels enter the generator, and a class head beside the
critic learns them from real images, with the weights of the authors' code for CIFAR-10, 1 and
0.1. Without classes it is the plain game.

The critic has no batch norm, as the penalty is each image's own. It is updated five times for each
update of the generator, with Adam at beta1 = 0. The authors' code also adds noise of 1/128 to real
images and doubles the generator's batch; both are left out here.
"""

from functools import partial

from torch.nn.functional import cross_entropy

from fewgan.data.feed import Feed
from fewgan.losses.adversarial import Form
from fewgan.losses.penalties import gradient_penalty
from fewgan.methods.base import Decay, Rate, Terms, Updates, Weight
from fewgan.methods.gan import GAN, GANSettings, Judged
from fewgan.networks.build import Discriminator, Generator, ImageSpec
from fewgan.networks.heads import Auxiliary, RealFake, Verdict


class WGANGPSettings(GANSettings):
    """Settings of `wgan-gp`: the paper's optimiser, and a critic without normalisation."""

    game: Form = "wasserstein"
    """Form of the adversarial loss."""
    d_steps: Updates = 5
    """Updates of the critic for each update of the generator."""
    g_lr: Rate = 2e-4
    """Learning rate of the generator (Adam)."""
    d_lr: Rate = 2e-4
    """Learning rate of the critic (Adam)."""
    beta1: Decay = 0.0
    """Decay of Adam's first moment."""
    beta2: Decay = 0.9
    """Decay of Adam's second moment."""
    spectral: bool = False
    """Spectral normalisation of the critic's trunk: not beside the penalty."""

    penalty_weight: Weight = 10.0
    """Weight of the gradient penalty."""
    d_class_weight: Weight = 1.0
    """Weight of the class loss for the critic, w_D; on real images."""
    g_class_weight: Weight = 0.1
    """Weight of the class loss for the generator, w_G."""


class WGANGP(GAN):
    """A generator against a critic of bounded slope, with a class head where there are classes."""

    name = "wgan-gp"
    Settings = WGANGPSettings
    settings: WGANGPSettings

    @classmethod
    def make_sampler(cls, settings: GANSettings, spec: ImageSpec) -> Generator:
        """The generator, which reads labels if the data have classes."""
        if not spec.classes:
            settings = settings.model_copy(update={"labels": "none"})
        return Generator(settings, spec)

    @classmethod
    def make_discriminator(cls, settings: GANSettings, spec: ImageSpec) -> Discriminator:
        """The critic, with a class head if the generator reads labels."""
        reads = spec.classes and settings.labels != "none"
        head = Auxiliary if reads else RealFake
        return Discriminator(settings, spec, head, plain=bool(settings.fade_to))

    def discriminator_losses(self, real: Judged, fake: Judged) -> Terms:
        """Value real above fake, and name the class of real images."""
        values = (self.source(judged.verdict, judged.y) for judged in (real, fake))
        value = self.game.discriminator(*values)
        return {"adversarial": value, **_class_loss(real, self.settings.d_class_weight)}

    def generator_losses(self, fake: Judged) -> Terms:
        """Be valued as real images are, and be named as the class asked for."""
        value = self.game.generator(self.source(fake.verdict, fake.y))
        return {"adversarial": value, **_class_loss(fake, self.settings.g_class_weight)}

    def penalties(self, real: Judged, fake: Judged, feed: Feed) -> Terms:
        """Keep the critic's slope near 1 between real and fake images."""
        critic = partial(self.realness, y=None)
        penalty = gradient_penalty(critic, real.x, fake.x, feed.uniform())
        return {"penalty": self.settings.penalty_weight * penalty}


def _class_loss(judged: Judged, weight: float) -> Terms:
    if not isinstance(judged.verdict, Verdict):
        return {}
    return {"class": weight * cross_entropy(judged.verdict.classes, judged.y)}
