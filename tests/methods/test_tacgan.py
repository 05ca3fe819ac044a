"""tacgan: its losses by hand, and a generator that rests at the data where classes overlap."""

import math

import pytest
import torch

from fewgan import methods
from fewgan.methods.gan import Judged
from fewgan.networks.build import ImageSpec
from fewgan.networks.heads import TwinVerdict

X, Y = torch.zeros(2, 1, 16, 16), torch.tensor([0, 1])
C = torch.tensor([[3.0, 1.0], [1.0, 1.0]]).log()  # 3/4 and 1/2 for the classes of Y
TWIN = torch.tensor([[1.0, 4.0], [2.0, 3.0]]).log()  # 1/5 and 3/5


def make(**settings):
    torch.manual_seed(0)
    kind = methods.find("tacgan")
    return kind(kind.Settings(width=4, **settings), ImageSpec(1, 16, 2))


def test_losses_by_hand():
    model = make(d_class_weight=0.5, g_class_weight=2)
    real = Judged(TwinVerdict(torch.zeros(2), C, TWIN), Y, X)
    fake = Judged(TwinVerdict(torch.tensor([0.0, math.log(3)]), TWIN, C), Y, X)
    on_c, on_twin = -math.log(3 / 4 * 1 / 2) / 2, -math.log(1 / 5 * 3 / 5) / 2
    terms = {k: v.item() for k, v in model.discriminator_losses(real, fake).items()}
    # Half of the logits say 1/2 on either side; log 3 takes a fake for real with 3/4.
    source = math.log(2) + (math.log(2) + math.log(4)) / 2
    expected = {"adversarial": source, "class": 0.5 * on_c, "twin": 0.5 * on_c}
    assert terms == pytest.approx(expected)
    terms = {k: v.item() for k, v in model.generator_losses(fake).items()}
    source = (math.log(2) + math.log(4 / 3)) / 2
    assert terms == pytest.approx({"adversarial": source, "class": 2 * on_twin, "twin": -2 * on_c})


def test_the_discriminator_learns_no_class_from_fakes_and_no_twin_from_real_images():
    model = make()
    real, fake = (
        Judged(
            TwinVerdict(*(torch.randn(2, *d, requires_grad=True) for d in ((), (2,), (2,)))), Y, X
        )
        for _ in range(2)
    )
    torch.stack(list(model.discriminator_losses(real, fake).values())).sum().backward()
    grads = [v.grad is not None for j in (real, fake) for v in (j.verdict.classes, j.verdict.twin)]
    assert grads == [True, False, False, True]


def test_optimal_heads_pay_nothing_at_the_data():
    """Two classes that overlap on three images: p(x|y) = (.6 .3 .1) and its mirror image."""
    p = torch.tensor([[0.6, 0.3, 0.1], [0.1, 0.3, 0.6]])
    model, posterior = make(), (p / p.sum(0)).T.log()  # what both heads learn if q = p
    paid, acgan = [], []
    for x in range(3):
        for y in range(2):
            row = posterior[x : x + 1]
            verdict = TwinVerdict(torch.zeros(1), row, row)
            terms = model.generator_losses(Judged(verdict, torch.tensor([y]), X))
            paid.append((terms["class"] + terms["twin"]).item())
            acgan.append(terms["class"].item())
    assert paid == pytest.approx([0.0] * 6, abs=1e-7)
    assert max(acgan) - min(acgan) > 1  # without the twin, some images are worth more than others
