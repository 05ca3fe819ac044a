"""Intra-class distances: closed forms, the generator that ignores labels, and what is refused."""

from dataclasses import replace

import pytest
import torch

from fewgan import data
from fewgan.errors import InputError
from fewgan.metrics.extractors import random_extractor
from fewgan.metrics.fid import fid
from fewgan.metrics.intra_class import Labelled, intra_class_fid, intra_class_kid
from fewgan.metrics.kid import kid
from fewgan.metrics.suite import measure


def two_classes(n=200, dim=4, gap=10.0, seed=0):
    """Features of two classes that lie `gap` apart in every dimension."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 2
    return Labelled(torch.randn(n, dim, generator=generator) + gap * labels[:, None], labels)


def test_it_is_the_mean_of_the_distances_of_each_class():
    fake, real = two_classes(seed=0), two_classes(seed=1)
    for inside, distance in ((intra_class_fid, fid), (intra_class_kid, kid)):
        found = inside(fake, real, 2)
        by_hand = [distance(fake.features[c::2], real.features[c::2]) for c in range(2)]
        assert found.per_class.tolist() == by_hand
        assert found.mean == sum(by_hand) / 2


def test_a_shift_of_one_class_has_a_closed_form():
    real = two_classes()
    moved = real.features + 3.0 * (real.labels == 1)[:, None]
    found = intra_class_fid(Labelled(moved, real.labels), real, 2)
    assert found.per_class.tolist() == pytest.approx([0.0, 4 * 9.0], abs=1e-6)  # dim x shift^2
    assert found.mean == pytest.approx(18.0)


def test_ignored_labels_show_inside_the_classes_and_not_in_the_whole():
    real = two_classes()
    swapped = Labelled(real.features, 1 - real.labels)
    assert fid(swapped.features, real.features) == pytest.approx(0.0, abs=1e-6)
    # Each class is compared with the other: the means are 10 apart in each of 4 dimensions.
    assert intra_class_fid(swapped, real, 2).mean == pytest.approx(400, rel=0.1)


def test_a_class_with_fewer_images_than_features_is_refused_and_kid_is_not():
    small = two_classes(n=10, dim=8)
    with pytest.raises(InputError, match="5 images for 8 features"):
        intra_class_fid(small, small, 2)
    assert intra_class_kid(small, small, 2).per_class.shape == (2,)
    with pytest.raises(InputError, match="KID needs 2 images"):
        intra_class_kid(small, small, 3)


@pytest.mark.parametrize("labels", [torch.full((10,), -1), torch.arange(10) - 1])
def test_images_without_classes_are_refused(labels):
    plain = Labelled(torch.randn(10, 2, generator=torch.Generator().manual_seed(0)), labels)
    for inside in (intra_class_fid, intra_class_kid):
        with pytest.raises(InputError, match="needs images with classes"):
            inside(plain, plain, 2)


def test_the_metric_falls_back_on_kid_and_says_so():
    train, test = (data.load("digits", split, size=16) for split in ("train", "test"))
    (found,) = measure(
        train.take(torch.arange(300)), test, train, ["intra_fid"], random_extractor(1)
    )
    assert found.name == "intra_kid"
    assert set(found.per_class) == set(train.class_names)
    assert "inside a class, FID needs at least as many images" in found.card.note
    assert found.real is not None
    plain = replace(train, labels=torch.full_like(train.labels, -1), class_names=())
    (missing,) = measure(plain, plain, plain, ["intra_fid"], random_extractor(1))
    assert missing.value is None
    assert "needs images with classes" in missing.card.note
