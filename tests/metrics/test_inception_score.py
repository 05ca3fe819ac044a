import math

import pytest
import torch

from fewgan.errors import InputError
from fewgan.metrics.inception_score import inception_score


def test_confident_and_balanced_scores_the_number_of_classes():
    logits = 1000 * torch.eye(7).repeat(20, 1)
    assert inception_score(logits, splits=1) == (pytest.approx(7), 0.0)


def test_one_class_or_no_idea_scores_one():
    assert inception_score(1000 * torch.eye(7)[:1].repeat(20, 1))[0] == pytest.approx(1)
    assert inception_score(torch.zeros(20, 7))[0] == pytest.approx(1)


def test_worked_by_hand():
    # p(y|x) is (0.8, 0.2) or (0.2, 0.8); the mixture is even.
    logits = torch.tensor([[0.8, 0.2], [0.2, 0.8]]).double().log()
    kl = 0.8 * math.log(0.8 / 0.5) + 0.2 * math.log(0.2 / 0.5)
    assert inception_score(logits, splits=1)[0] == pytest.approx(math.exp(kl))


@pytest.mark.filterwarnings("ignore::UserWarning")  # of torchmetrics, on memory and one split
@pytest.mark.parametrize("splits", [1, 4, 10])
def test_agrees_with_torchmetrics(monkeypatch, splits):
    from torchmetrics.image.inception import InceptionScore

    logits = 3 * torch.randn(203, 9, generator=torch.Generator().manual_seed(0)).double()
    # Both shuffle; each in its own order, which is taken away from both.
    monkeypatch.setattr(torch, "randperm", lambda n, **_: torch.arange(n))
    theirs = InceptionScore(feature=torch.nn.Identity(), splits=splits)
    theirs.update(logits)
    mean, std = theirs.compute()
    ours = inception_score(logits, splits=splits)
    assert ours[0] == pytest.approx(float(mean), rel=1e-6)
    assert splits == 1 or ours[1] == pytest.approx(float(std), rel=1e-6)


def test_sets_sorted_by_class_are_shuffled_first():
    logits = 1000 * torch.eye(10).repeat_interleave(100, dim=0)
    mean, std = inception_score(logits, seed=1)
    assert mean > 9
    assert 0 < std < 0.5
    assert inception_score(logits, seed=1) == (mean, std)


def test_no_class_scores_and_too_few_images_are_refused():
    with pytest.raises(InputError, match="class scores"):
        inception_score(torch.zeros(5, 0))
    with pytest.raises(InputError, match="10 parts"):
        inception_score(torch.zeros(9, 3))
