"""D2D-CE: by hand, against the log-ratio as the paper writes it, and where floats would give up."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from fewgan.losses.contrastive import d2d_ce


def sphere(n=12, classes=3, dim=5, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    rows = normalize(torch.randn(n + classes, dim, generator=generator, dtype=dtype))
    y = torch.arange(n) % classes
    return rows[:n], rows[n:][y], y


def log_ratio(f, v, y, margin, tau, shift=0.0):
    """The paper's equation, term by term; `shift` is taken from the exponents of the negatives."""
    losses = []
    for i in range(len(f)):
        near = torch.exp(torch.clamp(f[i] @ v[i] - margin, max=0) / tau)
        others = [torch.clamp(f[i] @ f[j] - (1 - margin), min=0) / tau for j in range(len(f))]
        far = sum(torch.exp(b - shift) for j, b in enumerate(others) if y[j] != y[i])
        losses.append(-torch.log(near / (near + far)))
    return torch.stack(losses).mean()


def test_two_images_by_hand():
    # Cosines: 0.6 and 1 with the class (margins 0.9), 0.8 between the two (margin 0.1).
    f = torch.tensor([[1.0, 0.0], [0.8, 0.6]])
    v = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    found = d2d_ce(f, v, torch.tensor([0, 1]), margin=0.9, tau=0.5)
    first = -math.log(math.exp(-0.6) / (math.exp(-0.6) + math.exp(1.4)))  # 2.126928
    second = -math.log(1 / (1 + math.exp(1.4)))  # 1.620417
    assert (first, second) == pytest.approx((2.126928, 1.620417), abs=1e-6)
    assert found.item() == pytest.approx((first + second) / 2, abs=1e-6)


@pytest.mark.parametrize(("margin", "tau"), [(0.98, 0.5), (0.5, 1.0), (0.7, 0.25), (0.0, 0.5)])
def test_is_the_log_ratio_of_the_paper(margin, tau):
    f, v, y = sphere()
    expected = log_ratio(f, v, y, margin, tau)
    torch.testing.assert_close(d2d_ce(f, v, y, margin, tau), expected, rtol=1e-12, atol=1e-12)


def test_negatives_shifted_alone_would_be_found_out():
    """A known slip: subtract the largest negative exponent before summing the negatives only."""
    f, v, y = sphere()
    shift = max(float(f[i] @ f[j]) - 0.02 for i in range(12) for j in range(12) if y[i] != y[j])
    slipped = log_ratio(f, v, y, 0.98, 0.5, shift / 0.5)
    assert abs(slipped - d2d_ce(f, v, y, 0.98, 0.5)) > 0.5


def test_large_exponents_stay_finite_and_right():
    f, v, y = sphere(seed=1)
    assert math.exp(0.9 / 0.01) > torch.finfo(torch.float32).max  # what a plain sum would meet
    single = f.float().requires_grad_()
    loss = d2d_ce(single, v.float(), y, 0.98, 0.01)
    loss.backward()
    assert loss.item() == pytest.approx(log_ratio(f, v, y, 0.98, 0.01).item(), rel=1e-5)
    assert single.grad.isfinite().all()
    assert single.grad.abs().max() > 0


def test_a_batch_of_one_class_costs_nothing_and_stays_finite():
    f, v, _ = sphere()
    f.requires_grad_()
    loss = d2d_ce(f, v, torch.zeros(12, dtype=torch.long), 0.98, 0.5)
    loss.backward()
    assert loss.item() == 0
    assert f.grad.abs().max() == 0


def test_met_margins_leave_images_alone():
    """At the class, and at right angles to the others: nothing left but the count of others."""
    f = torch.eye(3).requires_grad_()
    loss = d2d_ce(f, torch.eye(3), torch.arange(3), 0.98, 0.5)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(3))
    assert f.grad.abs().max() == 0
