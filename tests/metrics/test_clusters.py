"""Variety around few images: by hand, collapsed in two ways, and from pictures."""

import math

import pytest
import torch

from conftest import make_blobs
from fewgan.metrics.clusters import cluster_diversity
from fewgan.metrics.extractors import get_extractor
from fewgan.metrics.perceptual import lpips, perceptual_vectors
from fewgan.metrics.suite import measure

TRAINING = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])


def test_by_hand():
    generated = torch.tensor([[0.0, 1.0], [0.0, -1.0], [1.0, 0.0], [9.0, 0.0], [11.0, 0.0]])
    found = cluster_diversity(generated, TRAINING)
    assert found.sizes.tolist() == [3, 2, 0]
    first = (4 + 2 + 2) / 3  # squared distances of its three pairs
    assert found.per_cluster[:2].tolist() == pytest.approx([first, 4.0])
    assert math.isnan(found.per_cluster[2])
    assert found.mean == pytest.approx((first + 4) / 2)
    share = [3 / 5, 2 / 5]
    entropy = [-p * math.log10(p) for p in share]
    assert found.balanced == pytest.approx(entropy[0] * first + entropy[1] * 4)


def test_ten_equal_clusters_give_the_mean():
    centres = 100 * torch.arange(10.0)[:, None].expand(-1, 2)
    generated = (centres[:, None] + torch.randn(10, 20, 2)).reshape(-1, 2)
    found = cluster_diversity(generated, centres)
    assert found.balanced == pytest.approx(found.mean, rel=1e-6)


def test_one_image_each_has_no_variety_and_one_cluster_no_balance():
    copies = TRAINING.repeat(20, 1)
    assert cluster_diversity(copies, TRAINING).mean == 0
    huddled = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
    found = cluster_diversity(huddled, TRAINING)
    assert found.mean > 1
    assert found.balanced == 0


def test_members_are_drawn_with_the_seed():
    generated = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    one, same, other = (
        cluster_diversity(generated, TRAINING, members=5, seed=s).mean for s in (0, 0, 1)
    )
    assert one == same != other


def test_distances_are_lpips():
    images, network = make_blobs(6), get_extractor("random", data=make_blobs(6))
    vectors = perceptual_vectors(network, images.images)
    (taps,) = network.taps(images.images)
    pair = lpips([t[:1] for t in taps], [t[1:2] for t in taps]).item()
    found = cluster_diversity(vectors[:2], vectors[2:3])
    assert found.mean == pytest.approx(pair, rel=1e-4)


def test_a_suite_tells_the_sizes_and_refuses_many():
    few, rest = make_blobs(8, 1), make_blobs(60, 1, seed=1)
    network = get_extractor("random", data=few)
    mean, balanced = measure(rest, rest, few, ["intra_lpips"], network)
    assert mean.real is not None
    assert "images around each" in mean.card.note
    assert balanced.value <= mean.value + 1e-9
    (none,) = measure(rest, rest, make_blobs(200, 1), ["intra_lpips"], network)
    assert none.value is None
    assert "ask for lpips instead" in none.card.note
