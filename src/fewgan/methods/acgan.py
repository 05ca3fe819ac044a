"""acgan (train): auxiliary classifier GAN, whose discriminator also names the class.

Odena, Olah & Shlens, "Conditional image synthesis with auxiliary classifier GANs", ICML 2017.
The discriminator has a source head S and a class head C:

    L_S = E log P(S = real | x) + E log P(S = fake | G(z, y))
    L_C = E log P(C = y | x)  [+ E log P(C = y | G(z, y))]
    D ascends L_S + w_D L_C,  G ascends w_G L_C - L_S      (non-saturating in L_S)

The term in brackets is the paper's, and is off by default for the discriminator: when the class
head also learns from fakes, the two players can agree on a code that has nothing to do with real
classes (seen on `digits`: 88 % agreement between the players, labels lost to the eye). What bounds
the slope of S is the gradient penalty R1 (`r1`), which left more variety than spectral norms did.

Its bias: the class head does not see what the generator does, so the generator is paid for
images that are easy to name, and variety inside a class suffers (TAC-GAN, Gong et al. 2019).
Look at coverage beside accuracy: at one image a class the accuracy is perfect.

A remedy, ours and on by default: pay the generator only while its images are harder to name than
real ones. With c and c_G the running means of -log P(C = y | x) on real and on generated images,

    G descends  -w_G [c_G > c] L_C - L_S

so that at the data nothing more is to be earned. The means are over many batches on purpose: held
to c batch by batch, the generator would be fined for each batch with a doubtful image in it, of
which real batches have some too. `g_class_target` set to `zero` is the paper's.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fewgan.methods.base import Terms, Weight
from fewgan.methods.gan import GAN, GANSettings, Judged
from fewgan.networks.build import ImageSpec
from fewgan.networks.heads import Auxiliary

RECENT = 0.01  # weight of the newest batch in the running means of the class loss


class ACGANSettings(GANSettings):
    """Settings of `acgan`: the weights of the class loss, and how far it goes."""

    spectral: bool = False
    """Spectral normalisation of the discriminator's trunk: the penalty does its work."""
    r1: Weight = 1.0
    """Weight gamma of the penalty on the discriminator's slope at real images (0 in the paper)."""
    d_class_weight: Weight = 1.0
    """Weight of the class loss for the discriminator, w_D."""
    g_class_weight: Weight = 0.3
    """Weight of the class loss for the generator, w_G (1 in the paper)."""
    g_class_target: Literal["real", "zero"] = "real"
    """How easy to name the generator's images must be: as real ones, or more and more (paper)."""
    classify: Literal["real", "real+fake"] = "real"
    """Images on which the discriminator learns the classes; the paper's is real+fake."""


class ACGAN(GAN):
    """A generator against a discriminator with a source head and a class head."""

    name = "acgan"
    Settings = ACGANSettings
    head = Auxiliary
    settings: ACGANSettings
    real_class_loss: Tensor
    fake_class_loss: Tensor
    harder: Tensor

    def __init__(self, settings: ACGANSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        self.register_buffer("real_class_loss", torch.tensor(0.0))
        self.register_buffer("fake_class_loss", torch.tensor(0.0))
        self.register_buffer("harder", torch.tensor(True))

    def discriminator_losses(self, real: Judged, fake: Judged) -> Terms:
        """Tell real from fake, and name the class."""
        class_loss = cross_entropy(real.verdict.classes, real.y)
        fake_loss = cross_entropy(fake.verdict.classes, fake.y)
        # Decided before this batch is counted: all processes have the same means of earlier ones.
        self.harder = self.fake_class_loss >= self.real_class_loss
        if self.settings.g_class_target == "real":
            self.real_class_loss.lerp_(class_loss.detach(), RECENT)
            self.fake_class_loss.lerp_(fake_loss.detach(), RECENT)
        if self.settings.classify == "real+fake":
            class_loss = class_loss + fake_loss
        return {
            "adversarial": self.game.discriminator(real.verdict.source, fake.verdict.source),
            "class": self.settings.d_class_weight * class_loss,
        }

    def generator_losses(self, fake: Judged) -> Terms:
        """Pass for real, and be named as the class asked for."""
        class_loss = cross_entropy(fake.verdict.classes, fake.y)
        return {
            "adversarial": self.game.generator(fake.verdict.source),
            "class": self.settings.g_class_weight * self.harder * class_loss,
        }
