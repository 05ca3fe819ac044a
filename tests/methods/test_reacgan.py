"""reacgan: its losses by hand on a circle, its settings, and a head that stays on the sphere."""

import math

import pytest
import torch

from fewgan import methods
from fewgan.methods.gan import Judged
from fewgan.networks.build import ImageSpec
from fewgan.networks.heads import ContrastVerdict

X, Y = torch.zeros(2, 1, 16, 16), torch.tensor([0, 1])


def make(width=4, **settings):
    torch.manual_seed(0)
    kind = methods.find("reacgan")
    return kind(kind.Settings(width=width, **settings), ImageSpec(1, 16, 2))


def test_losses_by_hand():
    model = make(d_class_weight=0.25, g_class_weight=2, margin=0.9, temperature=0.5)
    embedding = torch.tensor([[1.0, 0.0], [0.8, 0.6]])
    proxy = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    # Short of the margin by 0.3 and 0; beyond 0.1 of each other by 0.7; all over 0.5.
    near_first = 0.6 + math.log(math.exp(-0.6) + math.exp(1.4))
    near_second = math.log(1 + math.exp(1.4))
    both = (near_first + near_second) / 2
    # The other way round each image lies where the class of the other is.
    far = [0.9 - 0.8, 0.9 - (0.8 * 0.6 - 0.6 * 0.8)]
    swapped = sum(2 * d + math.log(math.exp(-2 * d) + math.exp(1.4)) for d in far) / 2
    real = Judged(ContrastVerdict(torch.zeros(2), embedding, proxy), Y, X)
    source = torch.tensor([0.0, math.log(3)])
    fake = Judged(ContrastVerdict(source, embedding, proxy.flip(0)), Y, X)
    terms = {k: v.item() for k, v in model.discriminator_losses(real, fake).items()}
    expected = math.log(2) + (math.log(2) + math.log(4)) / 2
    assert terms == pytest.approx({"adversarial": expected, "class": 0.25 * both})
    terms = {k: v.item() for k, v in model.generator_losses(fake).items()}
    expected = (math.log(2) + math.log(4 / 3)) / 2
    assert terms == pytest.approx({"adversarial": expected, "class": 2 * swapped})


def test_defaults_are_the_papers():
    settings = make().settings
    assert (settings.margin, settings.temperature, settings.embedding_dim) == (0.98, 0.5, 512)
    assert settings.d_class_weight == settings.g_class_weight == 0.5


@pytest.mark.parametrize(("asked", "given"), [(16, 16), (512, 128)])
def test_head_answers_on_the_sphere(asked, given):
    """At width 4 and 16 px the trunk has 128 features: a wider space would stay empty."""
    model = make(embedding_dim=asked)
    x, y = torch.randn(6, 1, 16, 16), torch.tensor([0, 1, 0, 1, 0, 0])
    source, embedding, proxy = model.discriminator(x, y)
    assert source.shape == (6,)
    assert embedding.shape == proxy.shape == (6, given)
    for rows in (embedding, proxy):
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(6))
    assert torch.equal(proxy[0], proxy[2])
    assert not torch.allclose(proxy[0], proxy[1])
