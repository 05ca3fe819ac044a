import pytest
import torch

from fewgan.errors import InputError
from fewgan.metrics.kid import kernel, kid, kid_error, kid_interval, kid_subsets


def normal(n, d=16, shift=0.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) + shift


def test_worked_by_hand():
    # d = 1, k(x, y) = (xy + 1)^3. Within {0, 1}: k = 1; within {2, 3}: k = 343;
    # between: k(0, .) = 1 twice, k(1, 2) = 27, k(1, 3) = 64, mean 93 / 4.
    a, b = torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [3.0]])
    assert kid(a, b) == pytest.approx(1 + 343 - 2 * 93 / 4)


def test_agrees_with_torchmetrics():
    from torchmetrics.image.kid import poly_mmd

    a, b = normal(300, seed=1), normal(300, shift=0.3, seed=2)
    assert kid(a, b) == pytest.approx(float(poly_mmd(a, b)), rel=1e-6)


def test_blocks_change_nothing(monkeypatch):
    a, b = normal(70, seed=1), normal(50, seed=2)
    whole = kid(a, b)
    monkeypatch.setattr("fewgan.metrics.kid.KERNEL_BLOCK", 7)
    assert kid(a, b) == pytest.approx(whole, rel=1e-12)


def test_expectation_is_zero_for_one_distribution_at_any_count():
    for n in (3, 30):
        values = torch.tensor([kid(normal(n, seed=s), normal(n, seed=999 + s)) for s in range(400)])
        assert abs(values.mean()) < 3 * values.std() / 20
        assert values.min() < 0 < values.max()


def test_sets_of_different_size():
    a, b = normal(5, seed=1), normal(8, seed=2)
    inside = [kernel(x, x).fill_diagonal_(0).sum() / (len(x) * (len(x) - 1)) for x in (a, b)]
    assert kid(a, b) == pytest.approx(float(sum(inside) - 2 * kernel(a, b).mean()))


def test_subsets_of_everything_are_the_whole():
    a, b = normal(40, seed=1), normal(40, shift=0.2, seed=2)
    mean, std = kid_subsets(a, b, subsets=3, size=1000)
    assert mean == pytest.approx(kid(a, b))
    assert std == pytest.approx(0, abs=1e-9)


def test_subsets_are_unbiased_and_repeat_by_seed():
    a, b = normal(400, seed=1), normal(400, shift=0.3, seed=2)
    first = kid_subsets(a, b, size=100, seed=3)
    assert first == kid_subsets(a, b, size=100, seed=3)
    assert first != kid_subsets(a, b, size=100, seed=4)
    assert first[0] == pytest.approx(kid(a, b), abs=3 * first[1] / 10)


def test_bootstrap_interval_covers_the_truth():
    truth = kid(normal(4000, seed=1), normal(4000, shift=0.4, seed=2))
    covered = 0
    for seed in range(40):
        a, b = normal(50, seed=100 + seed), normal(50, shift=0.4, seed=500 + seed)
        interval = kid_interval(a, b, resamples=200, seed=seed)
        assert interval.low < kid(a, b) < interval.high
        covered += interval.low <= truth <= interval.high
    assert covered >= 34


def test_bootstrap_interval_repeats_by_seed_and_tells_sets_apart():
    a, b = normal(60, seed=1), normal(60, shift=1.0, seed=2)
    assert kid_interval(a, b, seed=5) == kid_interval(a, b, seed=5)
    assert kid_interval(a, b).low > 0
    same = kid_interval(a, normal(60, seed=3))
    assert same.low < 0 < same.high


def test_one_image_is_refused():
    with pytest.raises(InputError, match="2 images on each side"):
        kid(normal(1), normal(9))


def test_standard_error_is_the_spread_over_draws():
    b = normal(100, seed=1)
    draws = [normal(100, shift=0.3, seed=s) for s in range(2, 402)]
    spread = torch.tensor([kid(a, b) for a in draws]).std()
    told = torch.tensor([kid_error(a, b) for a in draws[:50]]).mean()
    assert 0.85 < told / spread < 1.15
