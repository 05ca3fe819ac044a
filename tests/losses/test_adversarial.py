import math

import pytest
import torch

from fewgan.losses.adversarial import GAMES

REAL, FAKE = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])


def sp(x):
    return math.log1p(math.exp(x))


GOLDEN = {
    "bce": ((sp(-2) + sp(1)) / 2 + (sp(0.5) + sp(-3)) / 2, (sp(-0.5) + sp(3)) / 2),
    "hinge": ((0 + 2) / 2 + (1.5 + 0) / 2, (-0.5 + 3) / 2),
    "least-squares": (0.5 * ((1 + 4) / 2 + (0.25 + 9) / 2), 0.5 * (0.25 + 16) / 2),
    "wasserstein": (-1.25 - 0.5, 1.25),
}


@pytest.mark.parametrize("form", GAMES)
def test_golden_values(form):
    discriminator, generator = GOLDEN[form]
    assert GAMES[form].discriminator(REAL, FAKE).item() == pytest.approx(discriminator, rel=1e-6)
    assert GAMES[form].generator(FAKE).item() == pytest.approx(generator, rel=1e-6)


@pytest.mark.parametrize("form", GAMES)
def test_directions(form):
    """The discriminator wants real up and fake down, the generator fake up."""
    # Short of every form's target, where each still has something to win.
    real = torch.tensor([0.5, -1.0], requires_grad=True)
    fake = torch.tensor([0.5, -0.3], requires_grad=True)
    GAMES[form].discriminator(real, fake).backward()
    assert (real.grad <= 0).all()
    assert real.grad.sum() < 0
    assert fake.grad.sum() > 0
    fake.grad = None
    GAMES[form].generator(fake).backward()
    assert (fake.grad < 0).all()


def test_bce_at_the_optimal_discriminator_is_the_jensen_shannon_divergence():
    """With D* = log p/q, the value is 2 log 2 - 2 JSD(p, q), here on two cells."""
    p, q = torch.tensor([0.7, 0.3]), torch.tensor([0.2, 0.8])
    logit = (p / q).log()
    expected = (p * -torch.log(p / (p + q))).sum() + (q * -torch.log(q / (p + q))).sum()
    # Draw each cell as often as its probability says.
    real = torch.cat([logit[:1].repeat(7), logit[1:].repeat(3)])
    fake = torch.cat([logit[:1].repeat(2), logit[1:].repeat(8)])
    torch.testing.assert_close(GAMES["bce"].discriminator(real, fake), expected)
