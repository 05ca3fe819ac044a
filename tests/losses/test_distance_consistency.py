"""Distance consistency: by hand, zero where nothing changed, blind to what it should not see."""

import pytest
import torch

from fewgan.losses.consistency import distance_consistency


def maps(n=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, 3, s, s, generator=generator) for s in (2, 4)]


LAYERS = torch.tensor([0, 1, 1, 0, 1])


def test_by_hand():
    source = [torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])]
    target = [torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])]
    half = 2**-0.5
    cosines = (
        ([0.0, half], [1.0, 0.0]),
        ([0.0, half], [1.0, 0.0]),
        ([half, half], [0.0, 0.0]),
    )
    expected = 0.0
    for p, q in cosines:
        p, q = torch.tensor(p).softmax(0), torch.tensor(q).softmax(0)
        expected += (p * (p / q).log()).sum().item() / 3
    found = distance_consistency(source, target, torch.zeros(3, dtype=torch.long))
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_zero_where_the_target_is_the_source_whatever_the_length_of_its_maps():
    assert distance_consistency(maps(), maps(), LAYERS).item() == pytest.approx(0, abs=1e-7)
    scaled = [3 * each for each in maps()]
    assert distance_consistency(maps(), scaled, LAYERS).item() == pytest.approx(0, abs=1e-7)
    assert distance_consistency(maps(), maps(seed=1), LAYERS).item() > 1e-4


def test_one_picture_for_all_latents_is_punished():
    same = [each[:1].expand_as(each) for each in maps(seed=1)]
    assert distance_consistency(maps(), same, LAYERS).item() > 1e-4


def test_gradients_reach_the_target_only():
    source, target = maps(), maps(seed=1)
    for each in [*source, *target]:
        each.requires_grad_()
    distance_consistency(source, target, LAYERS).backward()
    assert all(each.grad is None for each in source)
    assert all(each.grad.abs().sum() > 0 for each in target)


def test_each_sample_looks_at_its_own_layer():
    target = maps()
    target[1] = torch.randn_like(target[1])
    first = torch.zeros(5, dtype=torch.long)
    assert distance_consistency(maps(), target, first).item() == pytest.approx(0, abs=1e-7)
    assert distance_consistency(maps(), target, first + 1).item() > 1e-4
