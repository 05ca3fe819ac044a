"""adcgan: its losses by hand, and a class term that is the log-ratio of two densities."""

import math

import pytest
import torch

from fewgan import methods
from fewgan.methods.gan import Judged
from fewgan.networks.build import ImageSpec
from fewgan.networks.heads import Verdict

X = torch.zeros(2, 1, 16, 16)
P = torch.tensor([[1.0, 2, 3, 4], [5, 1, 1, 3]])  # real 0, real 1, fake 0, fake 1; tenths


def make(classes=2, **settings):
    torch.manual_seed(0)
    kind = methods.find("adcgan")
    return kind(kind.Settings(width=4, **settings), ImageSpec(1, 16, classes))


def test_losses_by_hand():
    model = make(d_class_weight=0.5, g_class_weight=2)
    real = Judged(Verdict(torch.zeros(2), P.log()), torch.tensor([1, 0]), X)
    fake = Judged(Verdict(torch.tensor([0.0, math.log(3)]), P.log()), torch.tensor([0, 1]), X)
    terms = {k: v.item() for k, v in model.discriminator_losses(real, fake).items()}
    source = math.log(2) + (math.log(2) + math.log(4)) / 2
    classes = -(math.log(0.2) + math.log(0.5)) / 2 - (math.log(0.3) + math.log(0.3)) / 2
    assert terms == pytest.approx({"adversarial": source, "class": 0.5 * classes})
    terms = {k: v.item() for k, v in model.generator_losses(fake).items()}
    source = (math.log(2) + math.log(4 / 3)) / 2
    log_odds = (math.log(3 / 1) + math.log(3 / 1)) / 2  # fake y over real y
    assert terms == pytest.approx({"adversarial": source, "class": 2 * log_odds})


def test_class_term_is_a_difference_of_two_cross_entropies():
    model, logits = make(classes=3), torch.randn(5, 6)
    y = torch.tensor([0, 1, 2, 0, 1])
    terms = model.generator_losses(Judged(Verdict(torch.zeros(5), logits), y, X))
    cross = torch.nn.functional.cross_entropy
    torch.testing.assert_close(terms["class"], cross(logits, y) - cross(logits, 3 + y))


def test_an_optimal_classifier_pays_the_log_ratio_of_the_densities():
    """Two classes that overlap on three images; at the data the term is 0 on each of them."""
    p = torch.tensor([[0.6, 0.3, 0.1], [0.1, 0.3, 0.6]])
    sharp = torch.tensor([[0.9, 0.08, 0.02], [0.02, 0.08, 0.9]])
    for q in (p, sharp):
        optimal = torch.cat([p, q]).T.log()  # of image x: log p(x, y), then log q(x, y)
        for x in range(3):
            for y in range(2):
                verdict = Verdict(torch.zeros(1), optimal[x : x + 1])
                terms = make().generator_losses(Judged(verdict, torch.tensor([y]), X))
                expected = math.log(q[y, x] / p[y, x])
                assert terms["class"].item() == pytest.approx(expected, abs=1e-6)
