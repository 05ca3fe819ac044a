import pytest
import torch

from fewgan.errors import InputError
from fewgan.metrics.distances import nearest
from fewgan.metrics.memorisation import memorisation


def normal(n, seed, d=6):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)).double()


TRAIN, HOLDOUT = normal(400, 1), normal(300, 2)


def test_copies_are_all_found_with_their_source():
    chosen = torch.randperm(400, generator=torch.Generator().manual_seed(0))[:50]
    found = memorisation(TRAIN[chosen], TRAIN, HOLDOUT)
    assert (found.copies, found.excess, found.ratio) == (1, 1, 0)
    assert (found.distances == 0).all()
    assert (chosen[found.pairs[:, 0]] == found.pairs[:, 1]).all()


def test_new_images_are_not_accused():
    found = memorisation(normal(2000, 3), TRAIN, HOLDOUT)
    assert found.copies == pytest.approx(0.01, abs=0.01)
    assert found.excess == pytest.approx(0, abs=0.1)


def test_typical_images_fall_below_the_distance_but_show_no_excess():
    found = memorisation(0.5 * normal(1000, 3), normal(3000, 1), normal(2000, 2))
    assert found.copies > 0.02
    assert found.excess == pytest.approx(0, abs=0.1)


def test_a_third_of_copies_is_measured_as_a_third():
    fake = torch.cat([TRAIN[:100] + 1e-3, normal(200, 3)])
    found = memorisation(fake, TRAIN, HOLDOUT)
    assert found.copies == pytest.approx(1 / 3, abs=0.02)
    assert found.excess == pytest.approx(1 / 3, abs=0.12)
    assert set(found.pairs[:100, 0].tolist()) == set(range(100))


def test_ten_training_images_are_enough():
    assert memorisation(TRAIN[:10], TRAIN[:10], HOLDOUT).copies == 1
    assert memorisation(normal(500, 3), TRAIN[:10], HOLDOUT).copies < 0.04


def test_images_in_both_sets_are_no_evidence():
    found = memorisation(HOLDOUT, torch.cat([TRAIN, HOLDOUT]), HOLDOUT)
    assert found.excess == pytest.approx(0, abs=1e-9)
    assert found.ratio == 1


def test_nearest_agrees_with_all_distances():
    a, b = normal(30, 4), normal(20, 5)
    distances, index = nearest(a, b)
    whole = (a[:, None] - b).norm(dim=2).min(1)
    assert torch.equal(index, whole.indices)
    assert torch.allclose(distances, whole.values, rtol=1e-12)


def test_empty_sets_are_refused():
    with pytest.raises(InputError, match="held-out images"):
        memorisation(TRAIN, TRAIN, HOLDOUT[:0])
