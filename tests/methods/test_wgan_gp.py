"""wgan-gp: its losses worked by hand, a slope that is held, with classes and without."""

import pytest
import torch

from conftest import make_blobs
from fewgan import methods
from fewgan.data.feed import Feed
from fewgan.data.imageset import ImageSet
from fewgan.losses.penalties import gradient_penalty
from fewgan.methods.gan import Judged
from fewgan.networks.build import ImageSpec
from fewgan.networks.heads import Auxiliary, RealFake, Verdict

X, Y = torch.zeros(2, 1, 16, 16), torch.tensor([0, 1])


def make(classes=2, **settings):
    torch.manual_seed(0)
    kind = methods.find("wgan-gp")
    return kind(kind.Settings(width=4, latent_dim=8, **settings), ImageSpec(1, 16, classes))


def feed(classes=2):
    images = make_blobs()
    if not classes:
        images = ImageSet(images.images, torch.full_like(images.labels, -1), (), "blobs", "tests")
    return Feed(images, 8, torch.Generator().manual_seed(0))


def test_losses_by_hand():
    def even(value):  # undecided between two classes: log 2 each
        return Judged(Verdict(torch.tensor(value), torch.zeros(2, 2)), Y, X)

    model, log2 = make(), 0.6931472
    losses = model.discriminator_losses(even([2.0, 4.0]), even([-1.0, 0.5]))
    assert {k: v.item() for k, v in losses.items()} == pytest.approx(
        {"adversarial": -0.25 - 3, "class": log2}
    )
    losses = model.generator_losses(even([-1.0, 0.5]))
    assert {k: v.item() for k, v in losses.items()} == pytest.approx(
        {"adversarial": 0.25, "class": 0.1 * log2}
    )


def test_penalty_is_that_of_the_critic_at_places_drawn_from_the_feed():
    model, source = make(penalty_weight=3.0), feed()
    x, y = source.batch()
    real, fake = model._judge(source, x, y), model._judge(source, torch.rand(8, 1, 16, 16), y)
    state = source.generator.get_state()
    penalty = model.penalties(real, fake, source)["penalty"]
    source.generator.set_state(state)
    alpha = source.uniform()
    expected = gradient_penalty(lambda x: model.discriminator(x).source, x, fake.x, alpha)
    torch.testing.assert_close(penalty, 3 * expected)


def test_a_step_updates_the_critic_five_times_and_reaches_every_layer():
    model, source = make(), feed()
    terms = model.step(source)
    assert source.seen == 5 * 8
    assert set(terms) == {"d/adversarial", "d/penalty", "d/class", "g/adversarial", "g/class"}
    silent = {name for name, p in model.named_parameters() if not p.grad.any()}
    assert silent <= {"discriminator.head.real.bias"}  # only differences of values count


@pytest.mark.parametrize(("weight", "low", "high"), [(10.0, 0.0, 0.5), (0.0, 2.0, torch.inf)])
def test_the_slope_stays_near_one_if_it_is_held(weight, low, high):
    model, source = make(penalty_weight=weight, d_lr=1e-3), feed()
    for _ in range(40):
        model.step(source)
    x, y = source.batch()
    made = model.generator(source.normal(8), y).detach()
    away = gradient_penalty(lambda x: model.discriminator(x).source, x, made, source.uniform())
    assert low <= away < high


@pytest.mark.parametrize("given", [{"classes": 0}, {"labels": "none"}])
def test_without_classes_the_game_is_plain(given):
    model = make(**given)
    assert isinstance(model.discriminator.head, RealFake)
    assert not isinstance(model.discriminator.head, Auxiliary)
    assert model.sampler.classes == 0
    terms = model.step(feed(given.get("classes", 2)))
    assert set(terms) == {"d/adversarial", "d/penalty", "g/adversarial"}
    z = torch.randn(3, 8)
    assert model.sampler(z, torch.full((3,), -1)).shape == (3, 1, 16, 16)


def test_while_labels_fade_in_the_penalty_holds_what_is_played():
    """At first the game is that of the plain head alone, and so must the slope be."""
    model, source = make(fade_from=3, fade_to=5), feed()
    model._fade_in()
    x, y = source.batch()
    judged = model._judge(source, x, y)

    def plain(x):
        return model.discriminator.plain(model.discriminator.features(x, None), None)

    def both(x):
        return plain(x) + 0.5 * model.discriminator(x).source

    for critic, steps in ((plain, 0), (both, 3)):
        for _ in range(steps):
            model._fade_in()
        state = source.generator.get_state()
        penalty = model.penalties(judged, judged, source)["penalty"]
        source.generator.set_state(state)
        expected = 10 * gradient_penalty(critic, x, x, source.uniform())
        torch.testing.assert_close(penalty, expected)


def test_bands_are_learned_by_class():
    """A toy with a known answer: class 0 is bright above, class 1 below."""
    model, source = make(g_lr=4e-3, d_lr=2e-3, g_class_weight=1.0), feed()
    for _ in range(150):
        model.step(source)
    y = torch.arange(40) % 2
    images = model.generator.eval()(torch.randn(40, 8), y)
    upper = images[:, 0, :8].mean((1, 2)) > images[:, 0, 8:].mean((1, 2))
    assert (upper == (y == 0)).float().mean() > 0.9
