"""reacgan (train): rebooted acgan, whose classes are places on a sphere instead of logits.

Kang, Shim, Cho & Park, "Rebooting ACGAN: auxiliary classifier GANs with stable training", NeurIPS
2021. Beside the source head, with L_S as in acgan, a linear layer maps the features to a point
f on the unit sphere, and each class has a point v_y there:

    D descends  -L_S + w_D D2D-CE(f(x), v_y)
    G descends  -E log D(G(z, y)) + w_G D2D-CE(f(G(z, y)), v_y)

D2D-CE (`fewgan.losses.contrastive`) draws an image to its class and away from the images of other
classes in the batch, as far as the margins and no farther. The paper's two reasons: unit lengths
keep the gradient of the class loss from exploding early in training, and pairs of images give it
more to compare than the class alone. Real images and fakes are each compared among themselves.
"""

from typing import Any

from pydantic import Field
from torch import Tensor

from fewgan.losses.contrastive import d2d_ce
from fewgan.methods.base import Terms, Weight
from fewgan.methods.gan import GAN, GANSettings, Judged
from fewgan.networks.build import Discriminator, ImageSpec
from fewgan.networks.heads import Contrast


class ReACGANSettings(GANSettings):
    """Settings of `reacgan`: the paper's margin, temperature and weight for CIFAR-10."""

    embedding_dim: int = Field(512, ge=2, le=4096)
    """Dimensions of the sphere's space; no more than the discriminator has features."""
    margin: float = Field(0.98, ge=0, le=1)
    """Cosine m_p from which an image is near enough to its class; 1 - m_p keeps others apart."""
    temperature: float = Field(0.5, gt=0)
    """Temperature tau of the softmax over the batch."""
    d_class_weight: Weight = 0.5
    """Weight of D2D-CE for the discriminator, w_D."""
    g_class_weight: Weight = 0.5
    """Weight of D2D-CE for the generator, w_G."""


class ReACGAN(GAN):
    """A generator against a discriminator with a source head and a sphere of classes."""

    name = "reacgan"
    Settings = ReACGANSettings
    head = Contrast
    settings: ReACGANSettings

    @classmethod
    def make_discriminator(cls, settings: Any, spec: ImageSpec) -> Discriminator:
        """The discriminator, with a sphere of the dimensions asked for."""
        plain, dim = bool(settings.fade_to), settings.embedding_dim
        return Discriminator(settings, spec, cls.head, plain=plain, embedding_dim=dim)

    def discriminator_losses(self, real: Judged, fake: Judged) -> Terms:
        """Tell real from fake, and place real images by their class."""
        return {
            "adversarial": self.game.discriminator(real.verdict.source, fake.verdict.source),
            "class": self.settings.d_class_weight * self._class_loss(real),
        }

    def generator_losses(self, fake: Judged) -> Terms:
        """Pass for real, and be placed where the class asked for is."""
        return {
            "adversarial": self.game.generator(fake.verdict.source),
            "class": self.settings.g_class_weight * self._class_loss(fake),
        }

    def _class_loss(self, images: Judged) -> Tensor:
        _, embedding, proxy = images.verdict
        margin, tau = self.settings.margin, self.settings.temperature
        return d2d_ce(embedding, proxy, images.y, margin, tau)
