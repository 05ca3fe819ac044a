import pytest
import torch

from fewgan.errors import InputError
from fewgan.metrics.prdc import prdc


def normal(n, d=8, shift=0.0, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)).double() + shift


@pytest.mark.parametrize(("n", "m", "k"), [(200, 150, 5), (90, 130, 3), (60, 60, 1)])
def test_agrees_with_the_prdc_package(n, m, k):
    from prdc import compute_prdc

    real, fake = normal(n, seed=1), 0.8 * normal(m, shift=0.3, seed=2)
    theirs = compute_prdc(real.numpy(), fake.numpy(), nearest_k=k)
    ours = prdc(real, fake, k)._asdict()
    assert ours == {name: pytest.approx(value, rel=1e-6) for name, value in theirs.items()}


def test_blocks_change_nothing(monkeypatch):
    real, fake = normal(60, seed=1), normal(70, seed=2)
    whole = prdc(real, fake)
    monkeypatch.setattr("fewgan.metrics.distances.BLOCK", 500)
    assert prdc(real, fake) == whole


def test_identical_sets_are_perfect():
    real = normal(100)
    found = prdc(real, real.clone())
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)


def test_fresh_sets_have_the_expected_coverage():
    n, k = 1000, 5
    expected = 1.0
    for j in range(1, k + 1):
        expected *= (n - j) / (2 * n - j)
    assert prdc(normal(n, seed=1), normal(n, seed=2), k).coverage == pytest.approx(
        1 - expected, abs=0.02
    )


def test_dropped_mode_costs_recall_and_coverage_only():
    real = torch.cat([normal(200, seed=1), normal(200, shift=20, seed=2)])
    found = prdc(real, normal(400, seed=3))
    assert found.precision > 0.9
    assert found.recall < 0.55
    assert found.coverage < 0.55


def test_far_images_have_no_fidelity():
    assert prdc(normal(50), normal(50, shift=50)) == (0, 0, 0, 0)


@pytest.mark.parametrize("k", [0, 10])
def test_impossible_k_is_refused(k):
    with pytest.raises(InputError, match=f"k = {k}"):
        prdc(normal(20), normal(10), k)
