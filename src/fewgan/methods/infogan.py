"""infogan (train): without labels, the generator's codes become readable off its images.

Chen, Duan, Houthooft, Schulman, Sutskever & Abbeel, "InfoGAN: interpretable representation learning
by information maximizing generative adversarial nets", NeurIPS 2016. Beside noise the generator
gets a code c = (c_cat, c_1 .. c_M) with c_cat ~ Cat(K) and c_i ~ U(-1, 1). A network Q on the
features of the discriminator guesses the code that an image was made from:

    L_I = E log Q(c | G(z, c)) + H(c)  <=  I(c; G(z, c))          (eq. 4, 5)
    D descends  -E log D(x) - E log(1 - D(G(z, c)))  [- lambda L_I]
    G descends  -E log D(G(z, c)) - lambda L_I

Q(c_cat | x) is a softmax, Q(c_i | x) a Gaussian of standard deviation 1 around a learned mean.

Who learns to guess is read in two ways. The released code subtracts lambda L_I from the losses of
both players, and updates Q, with the layers it shares, in the discriminator's step only
(`q_learns_from: d`); PyTorch-StudioGAN keeps L_I out of the discriminator's loss and updates Q with
the generator (`g`), so that the shared layers learn nothing from codes. Here both (`d+g`), unless
asked otherwise.

Labels are not looked at: in the paper, ten values of c_cat come to stand for the digits of MNIST.
"""

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from fewgan.losses.information import categorical_information, continuous_information
from fewgan.methods.base import Rate, Terms, Weight
from fewgan.methods.gan import GAN, GANSettings, Judged
from fewgan.networks.build import ImageSpec
from fewgan.networks.codes import CodedGenerator
from fewgan.networks.heads import Shared
from fewgan.networks.labels import Labels, Norm


class InfoGANSettings(GANSettings):
    """Settings of `infogan`: codes and learning rates of the paper's MNIST run.

    The networks are without batch statistics: where Q learns in the discriminator's update, batch
    norm let the networks agree on codes that no eye sees.
    """

    labels: Labels = "none"
    """How the label enters the generator: not at all."""
    norm: Norm = "instance"
    """Statistics of the generator's normalisation: per image, or over the batch."""
    g_lr: Rate = 1e-3
    """Learning rate of the generator (Adam), and of Q."""
    d_lr: Rate = 2e-4
    """Learning rate of the discriminator (Adam)."""

    categorical: int = Field(10, ge=2, le=1024)
    """Number of values K of the categorical code."""
    continuous: int = Field(2, ge=0, le=64)
    """Number M of continuous codes."""
    lambda_cat: Weight = 1.0
    """Weight of the information about the categorical code."""
    lambda_cont: Weight = 1.0
    """Weight of the information about the continuous codes."""
    q_learns_from: Literal["d", "g", "d+g"] = "d+g"
    """Updates in which Q learns: the discriminator's, the generator's, or both."""
    q_hidden: int = Field(128, ge=1, le=4096)
    """Units of Q's hidden layer."""


class Recogniser(nn.Module):
    """Q: guesses the code that an image was made from, out of the discriminator's features.

    Args:
        features: Length F of the features.
        hidden: Units of the hidden layer.
        categorical: Number of values K of the categorical code.
        continuous: Number M of continuous codes.
    """

    def __init__(self, features: int, hidden: int, categorical: int, continuous: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(features, hidden), nn.LeakyReLU(0.2))
        self.categorical = nn.Linear(hidden, categorical)
        self.continuous = nn.Linear(hidden, continuous)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [N,K] of the categorical code and means [N,M] of the others, from features."""
        h = self.hidden(features)
        return self.categorical(h), self.continuous(h)


class InfoGAN(GAN):
    """A generator with codes, a discriminator, and Q, who belongs to neither of them."""

    name = "infogan"
    Settings = InfoGANSettings
    head = Shared
    settings: InfoGANSettings
    generator: CodedGenerator

    def __init__(self, settings: InfoGANSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        features, sizes = self.discriminator.trunk.features, self.generator.code_sizes
        self.q = Recogniser(features, settings.q_hidden, *sizes)
        weights, betas = self.q.parameters(), (settings.beta1, settings.beta2)
        self.optimizers["q"] = torch.optim.Adam(weights, settings.g_lr, betas, fused=True)

    @classmethod
    def make_sampler(cls, settings: Any, spec: ImageSpec) -> CodedGenerator:
        """The generator with its codes."""
        return CodedGenerator(settings, spec, settings.categorical, settings.continuous)

    def discriminator_losses(self, real: Judged, fake: Judged) -> Terms:
        """Tell real from fake, and help Q to guess the codes if it learns here."""
        source = self.game.discriminator(real.verdict.source, fake.verdict.source)
        guessed = self._information(fake) if "d" in self.learners else {}
        return {"adversarial": source, **guessed}

    def generator_losses(self, fake: Judged) -> Terms:
        """Pass for real, and let the codes be seen."""
        return {"adversarial": self.game.generator(fake.verdict.source), **self._information(fake)}

    @property
    def learners(self) -> list[str]:
        """The players in whose updates Q learns."""
        return self.settings.q_learns_from.split("+")

    def _information(self, fake: Judged) -> Terms:
        """-lambda L_I for each kind of code: what is logged, over -lambda, is the bound in nats."""
        assert fake.z is not None, "codes are read off latents"
        codes, (logits, mean) = self.generator.codes(fake.z), self.q(fake.verdict.features)
        categorical = categorical_information(logits, codes.categorical)
        continuous = continuous_information(mean, codes.continuous)
        return {
            "categorical": -self.settings.lambda_cat * categorical,
            "continuous": -self.settings.lambda_cont * continuous,
        }

    def descend(self, player: str, terms: Terms) -> None:
        """Update a player, and Q with it where Q learns from that player's terms."""
        self.optimizers["q"].zero_grad()
        super().descend(player, terms)
        if player in self.learners:
            self.optimizers["q"].step()
