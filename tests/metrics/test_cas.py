from dataclasses import replace

import pytest
import torch

from conftest import make_blobs
from fewgan.errors import InputError
from fewgan.metrics.cas import ceiling, classification_accuracy_score
from fewgan.metrics.extractors.in_domain import Recipe

SHORT = Recipe(least_steps=30, epochs=10, batch=20)


def test_good_images_teach_and_wrong_labels_teach_the_wrong_thing():
    train, test = make_blobs(80), make_blobs(60, seed=1)
    assert classification_accuracy_score(train, test, recipe=SHORT).overall == 1
    swapped = replace(train, labels=1 - train.labels)
    assert classification_accuracy_score(swapped, test, recipe=SHORT).overall == 0


def test_a_lost_class_shows_in_its_recall():
    train, test = make_blobs(90, classes=4), make_blobs(60, classes=4, seed=1)
    images = train.images.clone()
    lost = train.labels == 2
    images[lost] = train.images[train.labels == 1][: int(lost.sum())]
    found = classification_accuracy_score(replace(train, images=images), test, recipe=SHORT)
    assert found.per_class[2] < 0.5
    assert found.per_class[[0, 3]].min() > 0.9
    assert found.overall == pytest.approx(float(found.per_class.mean()))


def test_it_repeats_by_seed():
    train, test = make_blobs(40), make_blobs(40, seed=1)
    noisy = replace(
        train, labels=torch.randperm(40, generator=torch.Generator().manual_seed(0)) % 2
    )
    one, two = (classification_accuracy_score(noisy, test, recipe=SHORT, seed=3) for _ in "ab")
    assert torch.equal(one.per_class, two.per_class)


def test_other_classes_are_refused():
    with pytest.raises(InputError, match="same classes"):
        classification_accuracy_score(make_blobs(8), make_blobs(8, classes=4))


def test_the_ceiling_is_the_same_score_and_is_trained_once(monkeypatch, tmp_path):
    monkeypatch.setenv("FEWGAN_HOME", str(tmp_path))
    train, test = make_blobs(64), make_blobs(32)
    found = ceiling(train, test)
    assert found.overall == classification_accuracy_score(train, test).overall
    monkeypatch.setattr("fewgan.metrics.extractors.in_domain.train_classifier", None)
    assert ceiling(train, test).overall == found.overall
