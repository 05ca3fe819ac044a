import pytest
import torch

from fewgan.metrics.diversity import diversity_ratio, in_class_diversity


def test_worked_by_hand():
    features = torch.tensor([[0.0, 0], [3, 4], [0, 0], [1, 1], [1, 1], [7, 7]])
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    found = in_class_diversity(features, labels, 4)
    # Class 0: pairs at 5, 0, 5. Class 1: two equal images. Classes 2 and 3 have no pair.
    assert found[:2].tolist() == pytest.approx([10 / 3, 0])
    assert found[2:].isnan().all()


def test_more_images_do_not_change_its_expectation():
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(3000, 12, generator=generator)
    few = torch.stack([in_class_diversity(p, torch.zeros(5).long(), 1)[0] for p in points.split(5)])
    many = in_class_diversity(points, torch.zeros(3000).long(), 1)[0]
    assert few.mean() == pytest.approx(float(many), rel=0.02)


def test_collapse_is_seen_against_real_images():
    generator = torch.Generator().manual_seed(0)
    real, labels = torch.randn(60, 12, generator=generator), torch.arange(60) % 2
    fake = real.clone()
    fake[labels == 1] = fake[1] + 0.01 * torch.randn(30, 12, generator=generator)
    ratio = diversity_ratio(*(in_class_diversity(x, labels, 2) for x in (fake, real)))
    assert ratio[0] == pytest.approx(1)
    assert ratio[1] < 0.02


def test_no_real_variety_gives_no_ratio():
    ratio = diversity_ratio(torch.tensor([1.0, 1.0]), torch.tensor([0.0, torch.nan]))
    assert ratio.isnan().all()
