from dataclasses import replace

import pytest
import torch

from fewgan.metrics.extractors import random_extractor
from fewgan.metrics.features import FeatureCache


class Counting:
    """An extractor that counts how often it is asked."""

    def __init__(self, channels=1):
        self.inner, self.asked = random_extractor(channels), 0
        self.name, self.identity = self.inner.name, self.inner.identity

    def outputs(self, images):
        self.asked += 1
        return self.inner.outputs(images)


@pytest.fixture
def eyes():
    return Counting()


def test_asked_once_in_memory(eyes, blobs, tmp_path):
    cache = FeatureCache(tmp_path)
    first = cache.outputs(eyes, blobs)
    assert cache.outputs(eyes, replace(blobs, name="renamed")) is first
    assert eyes.asked == 1
    assert not list(tmp_path.iterdir())
    assert torch.equal(first.features, eyes.inner.features(blobs.images))


def test_kept_on_disk_for_real_images(eyes, blobs, tmp_path):
    first = FeatureCache(tmp_path).outputs(eyes, blobs, keep=True)
    second = FeatureCache(tmp_path).outputs(eyes, blobs)
    assert eyes.asked == 1
    assert torch.equal(first.features, second.features)
    assert second.logits.shape == (40, 0)


def test_other_pixels_or_another_network_are_other_features(eyes, blobs, tmp_path):
    cache = FeatureCache(tmp_path)
    cache.outputs(eyes, blobs, keep=True)
    cache.outputs(eyes, replace(blobs, images=255 - blobs.images), keep=True)
    cache.outputs(Counting(3), blobs, keep=True)
    assert eyes.asked == 2
    assert len(list(tmp_path.iterdir())) == 3


def test_a_damaged_file_is_made_again(eyes, blobs, tmp_path):
    FeatureCache(tmp_path).outputs(eyes, blobs, keep=True)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:-9])
    again = FeatureCache(tmp_path).outputs(eyes, blobs, keep=True)
    assert eyes.asked == 2
    assert again.features.shape == (40, 128)


def test_what_is_too_large_is_not_kept(eyes, blobs, tmp_path, monkeypatch):
    monkeypatch.setattr("fewgan.metrics.features.MOST_ON_DISK", 100)
    FeatureCache(tmp_path).outputs(eyes, blobs, keep=True)
    assert not list(tmp_path.iterdir())
