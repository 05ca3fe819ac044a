"""sngan-projection: its losses by hand, spectral norm everywhere, and labels that count."""

import pytest
import torch

from conftest import make_blobs
from fewgan import methods
from fewgan.data.feed import Feed
from fewgan.methods.gan import Judged
from fewgan.networks.build import ImageSpec

X, Y = torch.zeros(2, 1, 16, 16), torch.tensor([0, 1])


def make(size=16, width=4, **settings):
    torch.manual_seed(0)
    kind = methods.find("sngan-projection")
    return kind(kind.Settings(width=width, latent_dim=8, **settings), ImageSpec(1, size, 2))


def feed(size=16, batch=8):
    return Feed(make_blobs(size=size), batch, torch.Generator().manual_seed(0))


def test_losses_by_hand():
    model = make()
    real, fake = Judged(torch.tensor([2.0, -0.5]), Y, X), Judged(torch.tensor([-3.0, 0.5]), Y, X)
    # (0 + 1.5) / 2 for the real logits, (0 + 1.5) / 2 for the fake ones, and -(-3 + 0.5) / 2.
    assert model.discriminator_losses(real, fake)["adversarial"].item() == 1.5
    assert model.generator_losses(fake)["adversarial"].item() == 1.25


@pytest.mark.parametrize("trunk", ["dcgan", "resnet"])
def test_every_weight_of_the_discriminator_has_norm_one(trunk):
    model = make(size=32, trunk=trunk)
    for _ in range(30):  # as many steps of the power iteration
        model.discriminator(torch.randn(2, 1, 32, 32), Y)
    judge = model.discriminator.eval()
    kinds = torch.nn.Conv2d, torch.nn.Linear, torch.nn.Embedding
    weighted = [m for m in judge.modules() if isinstance(m, kinds)]
    assert judge.head.embedding in weighted
    assert len(weighted) == {"dcgan": 3 + 2, "resnet": 4 * 2 + 2 + 2}[trunk]
    for layer in weighted:
        norm = torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
        assert norm == pytest.approx(1.0, abs=0.05), layer


@pytest.mark.parametrize("trunk", ["dcgan", "resnet"])
def test_a_step_updates_the_discriminator_five_times_and_reaches_every_layer(trunk):
    model, source = make(size=32, trunk=trunk), feed(size=32)
    assert set(model.step(source)) == {"d/adversarial", "g/adversarial"}
    assert source.seen == 5 * 8
    silent = {name for name, p in model.named_parameters() if not p.grad.any()}
    # All logits are inside the hinge's margin at first: there a shift of all of them gains nothing.
    assert silent <= {"discriminator.head.real.bias"}


def test_bands_are_learned_by_class():
    """A toy with a known answer: class 0 is bright above, class 1 below."""
    model, source = make(width=8, g_lr=5e-3, d_lr=1e-3, d_steps=2), feed(batch=16)
    for _ in range(150):
        model.step(source)
    y = torch.arange(40) % 2
    images = model.generator.eval()(torch.randn(40, 8), y)
    upper = images[:, 0, :8].mean((1, 2)) > images[:, 0, 8:].mean((1, 2))
    assert (upper == (y == 0)).float().mean() > 0.9
