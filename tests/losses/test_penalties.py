"""Gradient penalties: closed forms, and their own gradient against finite differences."""

import pytest
import torch

from fewgan.losses.penalties import gradient_penalty, r1
from fewgan.networks.build import Discriminator, ImageSpec, NetworkSettings
from fewgan.networks.heads import RealFake

REAL, FAKE = torch.tensor([[3.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0, 4.0], [0.0, 5.0]])
REAL, FAKE = REAL.view(2, 1, 1, 2), FAKE.view(2, 1, 1, 2)


def linear(w):
    return lambda x: (x * w).flatten(1).sum(1)


def half_square(x):
    """A critic whose slope is its image."""
    return 0.5 * x.square().flatten(1).sum(1)


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 8, 8)])
def test_of_a_linear_critic_it_is_the_distance_of_its_norm_from_one(shape):
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(shape, generator=generator)
    real, fake = torch.randn(2, 5, *shape, generator=generator)
    alpha = torch.rand(5, generator=generator)
    expected = (w.norm() - 1) ** 2
    torch.testing.assert_close(gradient_penalty(linear(w), real, fake, alpha), expected)
    flat = gradient_penalty(linear(w), real, fake, alpha, target=0)
    torch.testing.assert_close(flat, w.norm() ** 2)
    torch.testing.assert_close(r1(linear(w), real), w.norm() ** 2)


def test_golden_values():
    # A third of the way from (3, 0) to (0, 4) is (2, 4/3); half way from (0, 1) to (0, 5), (0, 3).
    alpha = torch.tensor([1 / 3, 1 / 2])
    expected = (((4 + 16 / 9) ** 0.5 - 1) ** 2 + (3 - 1) ** 2) / 2
    assert gradient_penalty(half_square, REAL, FAKE, alpha).item() == pytest.approx(expected)
    at_the_ends = torch.zeros(2), torch.ones(2)
    ends = [gradient_penalty(half_square, REAL, FAKE, a).item() for a in at_the_ends]
    assert ends == pytest.approx([((3 - 1) ** 2 + 0) / 2, ((4 - 1) ** 2 + (5 - 1) ** 2) / 2])
    assert r1(half_square, REAL).item() == pytest.approx((9 + 1) / 2)


def test_one_alpha_a_sample():
    with pytest.raises(ValueError, match=r"shape \(2, 1, 1, 2\)"):
        gradient_penalty(half_square, REAL, FAKE, torch.rand(2, 1, 1, 2))


def test_a_flat_critic_has_a_finite_gradient():
    w = torch.zeros(1, 1, 2, requires_grad=True)
    gradient_penalty(linear(w), REAL, FAKE, torch.rand(2)).backward()
    assert torch.isfinite(w.grad).all()


def test_images_stay_out_of_it():
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    w = torch.ones(1, 1, 2, requires_grad=True)
    (gradient_penalty(linear(w), real, fake, torch.rand(2)) + r1(linear(w), real)).backward()
    assert real.grad is None
    assert fake.grad is None
    plain = REAL.clone()
    r1(half_square, plain)
    assert not plain.requires_grad


@pytest.mark.parametrize("trunk", ["dcgan", "resnet"])
@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("penalty", ["gradient_penalty", "r1"])
def test_its_own_gradient_is_right_through_a_whole_trunk(trunk, spectral, penalty):
    """Twice through in-place activations, convolutions, pooling and spectral norm."""
    torch.manual_seed(0)
    settings = NetworkSettings(trunk=trunk, width=4, d_norm="none", spectral=spectral)
    critic = Discriminator(settings, ImageSpec(1, 32, 0), RealFake).double().eval()
    with torch.no_grad():  # weights of a size at which slopes are far from 0
        for parameter in critic.parameters():
            parameter.copy_(0.2 * torch.randn_like(parameter))
    real, fake = torch.rand(2, 3, 1, 32, 32, dtype=torch.double) * 2 - 1
    alpha = torch.rand(3, dtype=torch.double)

    def value():
        if penalty == "r1":
            return r1(critic, real)
        return gradient_penalty(critic, real, fake, alpha)

    parameters = list(critic.parameters())
    grads = torch.autograd.grad(value(), parameters, allow_unused=True)
    directions = [torch.randn_like(p) for p in parameters]
    slope = sum((g * d).sum() for g, d in zip(grads, directions, strict=True) if g is not None)
    eps, values = 1e-7, []
    for sign in (1, -2):  # there, and then back past the start
        with torch.no_grad():
            for parameter, direction in zip(parameters, directions, strict=True):
                parameter.add_(sign * eps * direction)
        values.append(value().item())
    assert slope.item() != 0
    assert (values[0] - values[1]) / (2 * eps) == pytest.approx(slope.item(), rel=1e-4)
