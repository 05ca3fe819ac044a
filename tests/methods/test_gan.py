"""The conditional GANs: what is descended, by whom, and who is left alone."""

import pytest
import torch
from torch.nn.functional import cross_entropy, softplus

from conftest import make_blobs
from fewgan import methods
from fewgan.data.feed import Feed
from fewgan.methods.acgan import ACGAN, ACGANSettings
from fewgan.methods.cdcgan import CDCGAN, CDCGANSettings
from fewgan.methods.dcgan import DCGAN, DCGANSettings
from fewgan.networks.build import ImageSpec

SPEC = ImageSpec(1, 16, 2)
SMALL = {"width": 4, "latent_dim": 8}
TRAINED = ["dcgan", "cdcgan", "acgan"]


def make(name, **settings):
    torch.manual_seed(0)
    kind = methods.find(name)
    return kind(kind.Settings(**{**SMALL, **settings}), SPEC)


def feed(batch=8):
    return Feed(make_blobs(), batch, torch.Generator().manual_seed(0))


def batches():
    one = feed()
    x, y = one.batch()
    return x, y, torch.rand(8, 1, 16, 16) * 2 - 1, one.labels()


def value(terms):
    return {k: v.item() for k, v in terms.items()}


def test_acgan_losses_are_those_of_the_paper():
    x, y, fake, fake_y = batches()
    for classify in ("real", "real+fake"):
        weights = {"d_class_weight": 0.5, "g_class_weight": 0.1}
        model = make("acgan", classify=classify, spectral=False, **weights)
        real_v, fake_v = model.discriminator(x), model.discriminator(fake)
        source = softplus(-real_v.source).mean() + softplus(fake_v.source).mean()
        classes = cross_entropy(real_v.classes, y)
        if classify == "real+fake":
            classes = classes + cross_entropy(fake_v.classes, fake_y)
        expected = {"adversarial": source.item(), "class": 0.5 * classes.item()}
        assert value(model.discriminator_losses(x, y, fake, fake_y)) == pytest.approx(expected)
        expected = {
            "adversarial": softplus(-fake_v.source).mean().item(),
            "class": 0.1 * cross_entropy(fake_v.classes, fake_y).item(),
        }
        assert value(model.generator_losses(fake, fake_y)) == pytest.approx(expected)


def test_cdcgan_judges_pairs():
    x, y, fake, fake_y = batches()
    model = make("cdcgan", d_norm="none")
    right = value(model.discriminator_losses(x, y, fake, fake_y))
    wrong = value(model.discriminator_losses(x, 1 - y, fake, fake_y))
    assert right != wrong
    real, made = model.discriminator(x, y), model.discriminator(fake, fake_y)
    assert right["adversarial"] == pytest.approx(
        (softplus(-real).mean() + softplus(made).mean()).item()
    )


def test_dcgan_ignores_labels():
    x, y, fake, fake_y = batches()
    model = make("dcgan", d_norm="none")
    one = model.discriminator_losses(x, y, fake, fake_y)
    assert value(one) == value(model.discriminator_losses(x, 1 - y, fake, 1 - fake_y))


@pytest.mark.parametrize("name", TRAINED)
def test_each_player_moves_itself_only_and_every_layer_learns(name):
    model = make(name)
    source = feed()
    moved = {"d": model.discriminator, "g": model.generator}
    for player, network in moved.items():
        before = {k: v.clone() for k, v in model.named_parameters()}
        x, y = source.batch()
        fake_y = source.labels()
        fake = model.generator(source.normal(8), fake_y)
        if player == "d":
            model._descend("d", model.discriminator_losses(x, y, fake.detach(), fake_y))
        else:
            model._descend("g", model.generator_losses(fake, fake_y))
        own = {id(p) for p in network.parameters()}
        for key, parameter in model.named_parameters():
            same = torch.equal(before[key], parameter)
            assert same == (id(parameter) not in own), f"{player}: {key}"


@pytest.mark.parametrize("name", TRAINED)
def test_a_step_leaves_no_gradient_of_the_generators_update_in_the_discriminator(name):
    model = make(name, d_lr=1e-9)
    model.step(feed())
    after_d = [p.grad.clone() for p in model.discriminator.parameters()]
    source = feed()
    x, y = source.batch()
    fake_y = source.labels()
    again = make(name, d_lr=1e-9)
    fake = again.generator(source.normal(8), fake_y).detach()
    terms = again.discriminator_losses(x, y, fake, fake_y)
    torch.stack(list(terms.values())).sum().backward()
    for ours, theirs in zip(after_d, again.discriminator.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs.grad)


def test_d_steps_and_extra_terms():
    model, source = make("acgan", d_steps=3), feed()
    terms = model.step(
        source, also=lambda: {"hold": model.generator.trunk.project.weight.square().sum()}
    )
    assert source.seen == 24
    assert set(terms) == {"d/adversarial", "d/class", "g/adversarial", "g/class", "g/hold"}
    adam = model.optimizers
    assert next(iter(adam["d"].state.values()))["step"] == 3
    assert next(iter(adam["g"].state.values()))["step"] == 1


@pytest.mark.parametrize(
    "kind", [(DCGAN, DCGANSettings), (CDCGAN, CDCGANSettings), (ACGAN, ACGANSettings)]
)
def test_methods_are_found_by_name(kind):
    method, settings = kind
    assert methods.find(method.name) is method
    assert methods.find(method) is method
    assert method.Settings is settings
    assert methods.available()[method.name].regime == "train"


@pytest.mark.parametrize("name", ["cdcgan", "acgan"])
def test_bands_are_learned_by_class(name):
    """A toy with a known answer: class 0 is bright above, class 1 below."""
    weight = {"g_class_weight": 1.0} if name == "acgan" else {}
    model = make(name, width=8, g_lr=1e-3, d_lr=1e-3, d_norm="none", **weight)
    source = feed(16)
    for _ in range(300):
        model.step(source)
    y = torch.arange(40) % 2
    model.generator.eval()
    images = model.generator(torch.randn(40, 8), y)
    upper = images[:, 0, :8].mean((1, 2)) > images[:, 0, 8:].mean((1, 2))
    assert (upper == (y == 0)).float().mean() > 0.9
