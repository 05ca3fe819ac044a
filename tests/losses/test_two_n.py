"""The 2N-way game: golden values, what it reduces to, and where each loss ends."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from fewgan.losses.adversarial import GAMES
from fewgan.losses.two_n import (
    GENERATOR,
    class_posterior,
    class_realness,
    discriminator_loss,
    log_ratio,
    real_probability,
)

# Two classes: p = (1, 2 | 3, 4) / 10 and (5, 1 | 1, 3) / 10.
P = torch.tensor([[1.0, 2, 3, 4], [5, 1, 1, 3]])
LOGITS = P.log() + torch.tensor([[7.0], [-2.0]])  # a softmax does not see what is added to all
Y = torch.tensor([1, 0])


def random_case(n=3, batch=6):
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, batch, 2 * n, generator=generator)
    return real, fake, *torch.randint(0, n, (2, batch), generator=generator)


def test_golden_values():
    real, fake = (LOGITS, Y), (LOGITS.flip(0), Y)
    expected = -(math.log(0.2) + math.log(0.5)) / 2 - (math.log(0.3) + math.log(0.3)) / 2
    assert discriminator_loss(real, fake).item() == pytest.approx(expected)
    # Log-ratios: log 2/4 for class 1 of the first image, log 5/1 for class 0 of the second.
    golden = {
        "cond_ns": (math.log(1 + 4 / 2) + math.log(1 + 1 / 5)) / 2,
        "logodds": (math.log(4 / 2) + math.log(1 / 5)) / 2,
        "ns": -(math.log(0.2) + math.log(0.5)) / 2,
        "sat": (math.log(0.4) + math.log(0.1)) / 2,
    }
    values = {name: loss(LOGITS, Y).item() for name, loss in GENERATOR.items()}
    assert values == pytest.approx(golden, rel=1e-5)


@pytest.mark.parametrize("n", [1, 2, 10])
def test_undecided_it_costs_log_2n(n):
    zero, y = torch.zeros(4, 2 * n), torch.arange(4) % n
    assert discriminator_loss((zero, y), (zero, y)).item() / 2 == pytest.approx(math.log(2 * n))
    golden = {"cond_ns": math.log(2), "logodds": 0, "ns": math.log(2 * n), "sat": -math.log(2 * n)}
    assert {k: loss(zero, y).item() for k, loss in GENERATOR.items()} == pytest.approx(golden)


def test_of_one_class_it_is_the_non_saturating_gan():
    real, fake, y, _ = random_case(n=1)
    ours = discriminator_loss((real, y), (fake, y))
    theirs = GAMES["bce"].discriminator(log_ratio(real, y), log_ratio(fake, y))
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(log_ratio(fake, y), fake[:, 0] - fake[:, 1])
    expected = GAMES["bce"].generator(fake[:, 0] - fake[:, 1])
    torch.testing.assert_close(GENERATOR["cond_ns"](fake, y), expected)
    torch.testing.assert_close(GENERATOR["ns"](fake, y), expected)


@pytest.mark.parametrize("name", ["discriminator", *GENERATOR])
def test_renaming_classes_renames_gradients(name):
    real, fake, y, fake_y = random_case(n=3)
    order = torch.tensor([2, 0, 1])  # the new class c is the old class order[c]
    columns = torch.cat([order, order + 3])

    def gradients(real, fake, y, fake_y):
        real, fake = real.clone().requires_grad_(), fake.clone().requires_grad_()
        if name == "discriminator":
            loss = discriminator_loss((real, y), (fake, fake_y), smoothing=0.1)
        else:
            loss = GENERATOR[name](fake, fake_y) + 0 * real.sum()
        return torch.autograd.grad(loss, [real, fake])

    before = gradients(real, fake, y, fake_y)
    renamed = order.argsort()
    after = gradients(real[:, columns], fake[:, columns], renamed[y], renamed[fake_y])
    for ours, theirs in zip(after, before, strict=True):
        torch.testing.assert_close(ours, theirs[:, columns])
    assert before[1].abs().sum() > 0


@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
def test_cond_ns_has_a_bounded_gradient_and_stays_with_its_class(scale):
    _, fake, _, y = random_case()
    fake = (scale * fake).requires_grad_()
    GENERATOR["cond_ns"](fake, y).backward()
    slope = torch.sigmoid(-log_ratio(fake.detach(), y)) / len(y)  # of a softplus, below 1 each
    rows = torch.arange(len(y))
    expected = torch.zeros_like(fake)
    expected[rows, y], expected[rows, 3 + y] = -slope, slope
    torch.testing.assert_close(fake.grad, expected)
    assert fake.grad.abs().max() <= 1 / len(y)


def test_ns_is_the_loss_of_the_auxiliary_classifier():
    _, fake, _, y = random_case()
    expected = cross_entropy(fake[:, :3], y) - real_probability(fake).log().mean()
    torch.testing.assert_close(GENERATOR["ns"](fake, y), expected)


def test_smoothing_moves_the_target_inside_the_class():
    real, fake, y, fake_y = random_case()
    target = torch.zeros(6, 6)
    target[torch.arange(6), y], target[torch.arange(6), 3 + y] = 0.8, 0.2
    expected = cross_entropy(real, target) + cross_entropy(fake, 3 + fake_y)
    ours = discriminator_loss((real, y), (fake, fake_y), smoothing=0.2)
    torch.testing.assert_close(ours, expected)


def test_what_can_be_read_from_the_logits():
    torch.testing.assert_close(real_probability(LOGITS), torch.tensor([0.3, 0.6]))
    torch.testing.assert_close(class_posterior(LOGITS), torch.tensor([[0.4, 0.6], [0.6, 0.4]]))
    expected = torch.tensor([[1 / 4, 2 / 6], [5 / 6, 1 / 4]])
    torch.testing.assert_close(class_realness(LOGITS), expected)
    for read in (real_probability, class_posterior, class_realness):
        assert torch.isfinite(read(1e4 * LOGITS)).all()


# --- where each loss ends ---------------------------------------------------------------------

TRUTH = torch.tensor([[0.6, 0.3, 0.1], [0.1, 0.3, 0.6]])
"""p(x | y) of two overlapping classes over three cells."""


def settle(name: str, smoothing: float = 0.0) -> torch.Tensor:
    """q(x | y) after descending a generator's loss against an optimal discriminator throughout."""
    start = torch.Generator().manual_seed(0)
    theta = torch.randn(2, 3, generator=start).requires_grad_()
    classes = torch.arange(2)
    for _ in range(2000):
        q = theta.softmax(1)
        densities = torch.cat([(1 - smoothing) * TRUTH, q.detach() + smoothing * TRUTH])
        logits = densities.clamp_min(1e-30).log().T  # [cells, 2N]: what the loss of D is least at
        paid = [GENERATOR[name](cell[None], y[None]) for y in classes for cell in logits]
        (slope,) = torch.autograd.grad((q * torch.stack(paid).view(2, 3)).sum(), theta)
        theta = (theta - 0.5 * slope).detach().requires_grad_()
    return theta.softmax(1).detach()


ENDS = {
    "cond_ns": TRUTH,
    "logodds": TRUTH,
    "ns": torch.tensor([[0.9, 0.1, 0.0], [0.0, 0.1, 0.9]]),
    "sat": torch.tensor([[0.35, 0.3, 0.35], [0.35, 0.3, 0.35]]),
}


@pytest.mark.parametrize("name", GENERATOR)
def test_fixed_points_are_those_of_the_table(name):
    torch.testing.assert_close(settle(name), ENDS[name], atol=5e-3, rtol=0)


def test_smoothing_inside_the_class_leaves_the_fixed_point():
    torch.testing.assert_close(settle("cond_ns", smoothing=0.2), TRUTH, atol=5e-3, rtol=0)


def test_the_optimal_discriminator_of_the_toy_is_optimal():
    """No other logits cost less than log-densities on cells drawn as often as these say."""
    q = torch.tensor([[0.2, 0.2, 0.6], [0.5, 0.3, 0.2]])
    cells, classes = torch.meshgrid(torch.arange(3), torch.arange(2), indexing="ij")
    repeats = [(10 * density.T).round().long().flatten() for density in (TRUTH, q)]
    (real_x, real_y), (fake_x, fake_y) = (
        (cells.flatten().repeat_interleave(r), classes.flatten().repeat_interleave(r))
        for r in repeats
    )
    logits = torch.cat([TRUTH, q]).log().T.requires_grad_()
    discriminator_loss((logits[real_x], real_y), (logits[fake_x], fake_y)).backward()
    torch.testing.assert_close(logits.grad, torch.zeros(3, 4), atol=1e-6, rtol=0)
