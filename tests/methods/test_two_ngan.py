"""2ngan: the losses of `losses/two_n.py` on the verdicts and labels that they are meant for."""

import math

import pytest
import torch

from fewgan import methods
from fewgan.errors import InputError
from fewgan.methods.gan import Judged
from fewgan.networks.build import ImageSpec

X = torch.zeros(2, 1, 16, 16)
P = torch.tensor([[1.0, 2, 3, 4], [5, 1, 1, 3]])  # real 0, real 1, fake 0, fake 1


def make(classes=2, **settings):
    torch.manual_seed(0)
    kind = methods.find("2ngan")
    return kind(kind.Settings(width=4, latent_dim=8, **settings), ImageSpec(1, 16, classes))


def test_losses_by_hand():
    model = make()
    real = Judged(P.log(), torch.tensor([1, 0]), X)
    fake = Judged(P.log(), torch.tensor([0, 0]), X)
    expected = -(math.log(0.2) + math.log(0.5)) / 2 - (math.log(0.3) + math.log(0.1)) / 2
    assert model.discriminator_losses(real, fake)["adversarial"].item() == pytest.approx(expected)
    expected = (math.log(1 + 3) + math.log(1 + 1 / 5)) / 2
    assert model.generator_losses(fake)["adversarial"].item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("g_loss", "expected"),
    [
        ("logodds", (math.log(3) - math.log(5)) / 2),
        ("ns", -(math.log(0.1) + math.log(0.5)) / 2),
        ("sat", (math.log(0.3) + math.log(0.1)) / 2),
    ],
)
def test_the_generator_has_three_other_losses(g_loss, expected):
    fake = Judged(P.log(), torch.tensor([0, 0]), X)
    losses = make(g_loss=g_loss).generator_losses(fake)
    assert losses["adversarial"].item() == pytest.approx(expected, rel=1e-5)


def test_smoothing_reaches_the_loss():
    real, fake = Judged(P.log(), torch.tensor([1, 0]), X), Judged(P.log(), torch.tensor([0, 0]), X)
    hard, soft = (
        make(smoothing=s).discriminator_losses(real, fake)["adversarial"].item() for s in (0, 0.1)
    )
    # A tenth of the target moves from real to fake: log-ratios log 2/4 and log 5/1.
    assert soft - hard == pytest.approx(0.1 * (math.log(2 / 4) + math.log(5)) / 2)


def test_images_without_classes_are_refused_in_words():
    with pytest.raises(InputError, match="needs labelled images"):
        make(classes=0)
