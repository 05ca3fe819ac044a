import pytest
import torch

from fewgan.errors import InputError
from fewgan.metrics.distances import nearest
from fewgan.metrics.memorisation import memorisation, near_copies


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


# --- without held-out images --------------------------------------------------------------------


def spread_out(n=6, dim=8, seed=0):
    return 10 * torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))


def test_near_copies_are_told_from_new_images():
    train = spread_out()
    copies = train + 0.01 * torch.randn(train.shape, generator=torch.Generator().manual_seed(1))
    new = spread_out(30, seed=2)
    found = near_copies(torch.cat([new, copies]), train[:, None])
    assert found.copies == pytest.approx(6 / 36)
    assert set(found.pairs[:6, 0].tolist()) == set(range(30, 36))
    assert found.pairs[:6, 1].tolist() == [i - 30 for i in found.pairs[:6, 0].tolist()]
    assert near_copies(new, train[:, None]).copies == 0.0


def test_a_mirrored_copy_is_one_and_a_symmetric_image_is_its_own_twin():
    train = spread_out()
    mirror = train.flip(1)
    views = torch.stack([train, mirror], 1)
    assert near_copies(mirror, train[:, None]).copies < 1.0
    assert near_copies(mirror, views).copies == 1.0
    twins = torch.stack([train, train], 1)  # symmetric images: both views are equal
    assert near_copies(train, twins).copies == 1.0


def test_equal_training_images_hide_copies_and_the_ratio_says_so():
    train = spread_out(1).expand(3, -1)
    found = near_copies(train, train[:, None])
    assert (found.copies, found.ratio) == (0.0, 1.0)


def test_copies_cannot_be_told_with_one_training_image():
    with pytest.raises(InputError, match="two training images"):
        near_copies(spread_out(), spread_out(1)[:, None])
