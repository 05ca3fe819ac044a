"""cdcgan (train): conditional DCGAN, the label being an extra input of both networks.

Mirza & Osindero, "Conditional generative adversarial nets", 2014, on DCGAN's networks:

    D descends  -E log D(x, y) - E log(1 - D(G(z, y), y))
    G descends  -E log D(G(z, y), y)                (non-saturating)

The generator gets y as a one-hot vector beside z, the discriminator as constant planes beside
the image. A known weakness: the discriminator sees y at its first layer only and may ignore it,
which gives much variety and some wrong classes. Two switches against it:

- `matching` (Reed et al., "Generative adversarial text to image synthesis", ICML 2016): a real
  image x with a wrong label y', drawn among all the others, counts as fake too,

      D descends  -E log D(x, y) - 1/2 E log(1 - D(G(z, y), y)) - 1/2 E log(1 - D(x, y'))

- `label_stage`: the planes join the trunk in its middle, beside many abstract
  features instead of a few channels of pixels, as in the `concat` baseline of Miyato & Koyama,
  ICLR 2018. Theirs joins a learned vector of length 128; one-hot planes do as well, since the
  convolution that follows gives each class a learned vector of its own.
"""

from typing import Any

from pydantic import Field
from torch import Tensor

from fewgan.data.feed import Feed
from fewgan.errors import InputError
from fewgan.methods.base import Rate, Terms
from fewgan.methods.gan import GAN, GANSettings, Judged
from fewgan.networks.build import Discriminator, DNorm, ImageSpec
from fewgan.networks.heads import Concat
from fewgan.networks.labels import Labels


class CDCGANSettings(GANSettings):
    """Settings of `cdcgan`: labels concatenated, the reference's normalisation and rates."""

    labels: Labels = "concat"
    """How the label enters the generator."""
    d_norm: DNorm = "batch"
    """Normalisation of the discriminator's maps."""
    spectral: bool = False
    """Spectral normalisation of the discriminator's trunk."""
    g_lr: Rate = 2e-4
    """Learning rate of the generator (Adam)."""
    d_lr: Rate = 2e-4
    """Learning rate of the discriminator (Adam)."""

    matching: bool = False
    """Show the discriminator real images with wrong labels too, as fakes."""
    label_stage: int = Field(0, ge=0)
    """Stage of the discriminator at which the label joins; 0 is the image."""


class CDCGAN(GAN):
    """A generator and a discriminator that both read the label.

    Raises:
        InputError: The trunk has no stage `label_stage`, or `matching` has no other class to name.
    """

    name = "cdcgan"
    Settings = CDCGANSettings
    head = Concat
    settings: CDCGANSettings

    @classmethod
    def make_discriminator(cls, settings: Any, spec: ImageSpec) -> Discriminator:
        """The discriminator, into which the label comes at the stage asked for."""
        if settings.matching and spec.classes < 2:
            raise InputError("matching needs wrong labels, and there is one class: leave it out")
        stage, plain = settings.label_stage, bool(settings.fade_to)
        judge = Discriminator(settings, spec, cls.head, plain=plain, stage=stage)
        last = len(judge.trunk.stages) - 1
        if stage > last:
            trunk = f"trunk {settings.trunk!r} at {spec.size} px"
            raise InputError(f"{trunk} has no stage {stage}: give --label-stage 0 to {last}")
        return judge

    def discriminator_losses(self, real: Judged, fake: Judged) -> Terms:
        """Tell real pairs (image, label) from fake ones."""
        share = 0.5 if self.settings.matching else 1.0
        return {"adversarial": share * self.game.discriminator(real.verdict, fake.verdict)}

    def generator_losses(self, fake: Judged) -> Terms:
        """Pass for a real image of the class asked for."""
        return {"adversarial": self.game.generator(fake.verdict)}

    def penalties(self, real: Judged, fake: Judged, feed: Feed) -> Terms:
        """Tell real pairs from real images with a wrong label: the other half of the game."""
        if not self.settings.matching:
            return {}
        wrong = self.discriminator(real.x, other_labels(real.y, self.spec.classes, feed.uniform()))
        share = 0.5 * self.discriminator.head.t  # as much as the labels count while they fade in
        return {"matching": share * self.game.discriminator(real.verdict, wrong)}


def other_labels(y: Tensor, classes: int, u: Tensor) -> Tensor:
    """Labels int64 [N] that differ from y int64 [N], all others being equally likely.

    Args:
        y: Labels in [0, classes).
        classes: Number of classes, 2 or more.
        u: Uniform noise [N] in [0, 1).
    """
    return (y + 1 + (u * (classes - 1)).long()) % classes
