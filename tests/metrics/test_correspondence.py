"""Whether an adapted generator kept the outlines of its source: cases with a known answer."""

import pytest
import torch

from fewgan.metrics.correspondence import correspondence, edges, similarity


def noise(n=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, 16, 16), generator=generator, dtype=torch.uint8)


def test_equal_images_and_their_negatives_correspond_wholly():
    images = noise()
    for other in (images, 255 - images, images.roll(1, 1)):  # brightness up, down, other colours
        found = correspondence(images, other)
        assert found.similarity == pytest.approx(1.0)
        assert found.preference == 1.0
        assert found.unrelated < 0.9


def test_unrelated_images_are_at_chance():
    found = correspondence(noise(400), noise(400, seed=1))
    assert found.preference == pytest.approx(0.5, abs=0.05)
    assert found.similarity == pytest.approx(found.unrelated, abs=0.01)


def test_images_that_are_all_alike_are_at_chance_however_similar():
    found = correspondence(noise(), noise(1).expand(12, 3, 16, 16))
    assert found.preference == pytest.approx(0.5)
    same = noise(1).expand(12, 3, 16, 16)
    assert correspondence(same, same).preference == 0.5  # ties
    assert correspondence(same, same).similarity == pytest.approx(1.0)


def test_edges_of_a_step_and_of_nothing():
    step = torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    step[..., 2:] = 255
    size = edges(step).view(4, 4)
    assert size[:, 1:3].eq(4.0).all()  # Sobel's kernel answers 1 + 2 + 1 beside a step of 1
    assert size[:, [0, 3]].eq(0.0).all()
    blank = edges(torch.zeros(2, 1, 4, 4, dtype=torch.uint8))
    assert blank.eq(0).all()
    assert similarity(blank, blank).eq(1.0).all()
    assert similarity(blank, size.view(1, -1)).eq(0.0).all()
