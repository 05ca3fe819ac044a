"""tacgan, adcgan, reacgan: every layer learns, each player alone, and a toy is learned by class."""

import pytest
import torch

from conftest import make_blobs
from fewgan import methods
from fewgan.data.feed import Feed
from fewgan.networks.build import ImageSpec

NAMES = ["tacgan", "adcgan", "reacgan"]
RATES = {"g_lr": 1e-3, "d_lr": 1e-3, "g_class_weight": 1, "d_class_weight": 1}
TOY = {
    "tacgan": RATES,
    "adcgan": RATES | {"spectral": False},
    "reacgan": RATES | {"temperature": 0.25},
}
"""Settings in which three hundred steps are enough for two bands."""


def make(name, width=4, **settings):
    torch.manual_seed(0)
    kind = methods.find(name)
    return kind(kind.Settings(width=width, latent_dim=8, **settings), ImageSpec(1, 16, 2))


def feed(batch=8, n=40):
    return Feed(make_blobs(n), batch, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", NAMES)
def test_each_player_moves_itself_only_and_every_parameter_learns(name):
    model, source = make(name), feed()
    for player, network in (("d", model.discriminator), ("g", model.generator)):
        before = {k: v.clone() for k, v in model.named_parameters()}
        (x, y), fake_y = source.batch(), source.labels()
        fake = model.generator(source.normal(8), fake_y)
        if player == "d":
            real, made = model._judge(source, x, y), model._judge(source, fake.detach(), fake_y)
            model.descend("d", model.discriminator_losses(real, made))
        else:
            model.descend("g", model.generator_losses(model._judge(source, fake, fake_y)))
        own = {id(p) for p in network.parameters()}
        for key, parameter in model.named_parameters():
            assert torch.equal(before[key], parameter) == (id(parameter) not in own), key


@pytest.mark.parametrize("name", NAMES)
def test_bands_are_learned_by_class(name):
    """A toy with a known answer: class 0 is bright above, class 1 below."""
    model, source = make(name, width=8, **TOY[name]), feed(16)
    for _ in range(300):
        model.step(source)
    y = torch.arange(40) % 2
    images = model.generator.eval()(torch.randn(40, 8), y)
    upper = images[:, 0, :8].mean((1, 2)) > images[:, 0, 8:].mean((1, 2))
    assert (upper == (y == 0)).float().mean() > 0.9


@pytest.mark.parametrize("name", NAMES)
def test_labels_can_fade_in(name):
    model, source = make(name, fade_from=1, fade_to=2), feed()
    terms = [model.step(source) for _ in range(2)]
    assert [t["d/class"].item() != 0 for t in terms] == [False, True]
    assert all(value.isfinite() for value in terms[1].values())
