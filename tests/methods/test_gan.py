"""The conditional GANs: what is descended, by whom, and who is left alone."""

import pytest
import torch
from torch.nn.functional import cross_entropy, softplus
from torch.nn.utils.parametrize import cached

from conftest import make_blobs
from fewgan import methods
from fewgan.data.feed import Feed
from fewgan.methods.acgan import ACGAN, ACGANSettings
from fewgan.methods.cdcgan import CDCGAN, CDCGANSettings
from fewgan.methods.dcgan import DCGAN, DCGANSettings
from fewgan.methods.gan import Judged
from fewgan.networks.build import ImageSpec

SPEC = ImageSpec(1, 16, 2)
SMALL = {"width": 4, "latent_dim": 8}
TRAINED = ["dcgan", "cdcgan", "acgan", "2ngan"]


def make(name, **settings):
    torch.manual_seed(0)
    kind = methods.find(name)
    return kind(kind.Settings(**{**SMALL, **settings}), SPEC)


def feed(batch=8):
    return Feed(make_blobs(), batch, torch.Generator().manual_seed(0))


def value(terms):
    return {k: v.item() for k, v in terms.items()}


def judged(model, swap=False, seed=0):
    """Verdicts of a model on real and on generated images, with the labels swapped or not."""
    one = feed()
    one.generator.manual_seed(seed)
    x, y = one.batch()
    noise, fake_y = torch.rand(8, 1, 16, 16) * 2 - 1, one.labels()
    if swap:
        y, fake_y = 1 - y, 1 - fake_y
    return model._judge(one, x, y), model._judge(one, noise, fake_y)


def test_acgan_losses_are_those_of_the_paper():
    for classify in ("real", "real+fake"):
        weights = {"d_class_weight": 0.5, "g_class_weight": 0.1, "g_class_target": "zero"}
        model = make("acgan", game="bce", classify=classify, spectral=False, **weights)
        real, fake = judged(model)
        source = softplus(-real.verdict.source).mean() + softplus(fake.verdict.source).mean()
        classes = cross_entropy(real.verdict.classes, real.y)
        if classify == "real+fake":
            classes = classes + cross_entropy(fake.verdict.classes, fake.y)
        expected = {"adversarial": source.item(), "class": 0.5 * classes.item()}
        assert value(model.discriminator_losses(real, fake)) == pytest.approx(expected)
        expected = {
            "adversarial": softplus(-fake.verdict.source).mean().item(),
            "class": 0.1 * cross_entropy(fake.verdict.classes, fake.y).item(),
        }
        assert value(model.generator_losses(fake)) == pytest.approx(expected)


def test_acgan_pays_while_images_are_harder_to_name_than_real_ones():
    model = make("acgan", g_class_weight=0.5)
    real, fake = judged(model)
    before = value(model.generator_losses(fake))["class"]
    assert before == pytest.approx(0.5 * cross_entropy(fake.verdict.classes, fake.y).item())
    for _ in range(1000):
        model.discriminator_losses(real, fake)
    level = cross_entropy(real.verdict.classes, real.y).item()
    assert model.real_class_loss.item() == pytest.approx(level, rel=1e-3)

    def costing(share: float) -> Judged:
        # Logits (m, -m) for the right class cost softplus(-2m).
        margin = -torch.log(torch.expm1(torch.tensor(share * level))) / 2
        logits = margin * (2.0 * torch.nn.functional.one_hot(fake.y, 2) - 1)
        return fake._replace(verdict=fake.verdict._replace(classes=logits.requires_grad_()))

    for share in (0.5, 2.0):
        for _ in range(1000):
            model.discriminator_losses(real, costing(share))
        # What counts is many batches: one that is otherwise changes nothing.
        for now in (0.5, 2.0):
            batch = costing(now)
            model.discriminator_losses(real, batch)
            term = model.generator_losses(batch)["class"]
            pays = 0.5 * now * level if share > 1 else 0.0
            assert term.item() == pytest.approx(pays, rel=5e-3)
            term.backward()
            assert (batch.verdict.classes.grad.abs().sum() > 0) == (share > 1)


def test_cdcgan_judges_pairs():
    model = make("cdcgan", d_norm="none")
    real, fake = judged(model)
    right = value(model.discriminator_losses(real, fake))
    torch.manual_seed(0)
    wrong = value(model.discriminator_losses(judged(model, swap=True)[0], fake))
    assert right != wrong
    assert right["adversarial"] == pytest.approx(
        (softplus(-real.verdict).mean() + softplus(fake.verdict).mean()).item()
    )


def test_dcgan_ignores_labels():
    model = make("dcgan", d_norm="none")
    torch.manual_seed(0)
    one = model.discriminator_losses(*judged(model))
    torch.manual_seed(0)
    assert value(one) == value(model.discriminator_losses(*judged(model, swap=True)))


@pytest.mark.parametrize("name", TRAINED)
def test_each_player_moves_itself_only_and_every_layer_learns(name):
    model = make(name, game="bce")  # whose gradients never cancel, as those of the hinge may
    source = feed()
    moved = {"d": model.discriminator, "g": model.generator}
    for player, network in moved.items():
        before = {k: v.clone() for k, v in model.named_parameters()}
        x, y = source.batch()
        fake_y, z = source.labels(), source.normal(8)
        fake = model.generator(z, fake_y)
        real = model._judge(source, x, y)
        if player == "d":
            verdict = model._judge(source, fake.detach(), fake_y)
            model.descend("d", model.discriminator_losses(real, verdict))
        else:
            model.descend("g", model.generator_losses(model._judge(source, fake, fake_y)))
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
    again = make(name, d_lr=1e-9)
    x, y = source.batch()
    fake_y, z = source.labels(), source.normal(8)
    made = again.generator(z, fake_y).detach()
    with cached():
        real, fake = again._judge(source, x, y), again._judge(source, made, fake_y)
    terms = again.discriminator_losses(real, fake)
    torch.stack(list(terms.values())).sum().backward()
    for ours, theirs in zip(after_d, again.discriminator.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs.grad)


def test_d_steps_and_extra_terms():
    model, source = make("acgan", d_steps=3), feed()
    terms = model.step(
        source, also=lambda: {"hold": model.generator.trunk.project.weight.square().sum()}
    )
    assert source.seen == 24
    named = {"d/adversarial", "d/class", "d/r1", "g/adversarial", "g/class", "g/hold"}
    assert set(terms) == named
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


@pytest.mark.parametrize("name", ["cdcgan", "acgan", "2ngan"])
def test_bands_are_learned_by_class(name):
    """A toy with a known answer: class 0 is bright above, class 1 below."""
    weight = {"g_class_weight": 1.0} if name == "acgan" else {}  # the toy is short
    model = make(name, width=8, g_lr=1e-3, d_lr=1e-3, d_norm="none", **weight)
    source = feed(16)
    for _ in range(300):
        model.step(source)
    y = torch.arange(40) % 2
    model.generator.eval()
    images = model.generator(torch.randn(40, 8), y)
    upper = images[:, 0, :8].mean((1, 2)) > images[:, 0, 8:].mean((1, 2))
    assert (upper == (y == 0)).float().mean() > 0.9


def test_labels_fade_in():
    """Transitional conditioning: without labels, then with them by and by, then in full."""
    model = make("acgan", fade_from=2, fade_to=4)
    source, y = feed(), torch.tensor([0, 1])
    z = torch.randn(1, 8).expand(2, 8)
    for norm in model.generator.trunk.norms:  # labels that would change the image if they counted
        norm.scale.data[1] = 3.0
    apart, weights = [], []
    for _ in range(5):
        terms = model.step(source)
        weights.append(terms["d/class"].item() > 0)
        zero, one = model.generator(z, y).detach()
        apart.append((zero - one).abs().max().item())
        assert {"d/unconditional", "g/unconditional"} <= set(terms)
    assert weights == [False, False, True, True, True]
    assert apart[0] == apart[1] == 0 < apart[2] < apart[4]
    assert {m.t for m in model.modules() if hasattr(m, "t")} == {1.0}


def test_a_fade_goes_on_where_a_checkpoint_left_it():
    model = make("acgan", fade_from=2, fade_to=4)
    source = feed()
    for _ in range(3):
        model.step(source)
    again = make("acgan", fade_from=2, fade_to=4)
    again.load_state_dict(model.state_dict())
    assert again._fade_in() == 1.0 == model._fade_in()


@pytest.mark.parametrize("name", TRAINED)
def test_every_image_that_the_discriminator_sees_is_augmented(name, monkeypatch):
    from fewgan.methods import gan

    seen = []
    monkeypatch.setattr(gan, "diffaugment", lambda x, policy, uniform: seen.append(policy) or x)
    make(name, augment="translation, color", d_steps=2).step(feed())
    assert seen == [("translation", "color")] * 5  # twice real and fake, and once for the generator


def slope(model, real):
    """E ‖d realness / d image‖^2, one image at a time."""
    total = 0.0
    for x, y in zip(real.x, real.y, strict=True):
        x = x.detach().clone().requires_grad_()
        model.realness(x[None], y[None]).sum().backward()
        total += x.grad.square().sum().item()
    return total / len(real.x)


R1_WITH = ["dcgan", "cdcgan", "acgan", "2ngan", "sngan-projection", "tacgan", "adcgan", "reacgan"]


@pytest.mark.parametrize("name", R1_WITH)
def test_r1_comes_on_one_step_in_sixteen_and_falls_with_the_learning_rate(name):
    gamma = 0.25
    model = make(name, spectral=False, d_norm="none", r1=gamma)
    real, _ = judged(model)
    for step in (1, 15, 17, 31):
        model.steps_done.fill_(step)
        assert value(model._r1(real)) == {"r1": 0}
    expected = 16 * gamma / 2 * slope(model, real)
    for step in (16, 32):
        model.steps_done.fill_(step)
        assert value(model._r1(real)) == pytest.approx({"r1": expected}, rel=1e-4)
    model.optimizers["d"].param_groups[0]["lr"] /= 4
    assert value(model._r1(real)) == pytest.approx({"r1": expected / 4}, rel=1e-4)
    model.descend("d", model._r1(real))
    assert slope(model, real) < expected / (16 * gamma / 2)
    assert make(name, r1=0)._r1(real) == {}


def test_realness_is_what_the_game_is_about():
    source, both = make("acgan"), make("2ngan")
    real, _ = judged(source)
    torch.testing.assert_close(source.realness(real.x, real.y), real.verdict.source)
    real, _ = judged(both)
    n, rows = SPEC.classes, torch.arange(8)
    of_class = real.verdict[rows, real.y] - real.verdict[rows, n + real.y]
    torch.testing.assert_close(both.realness(real.x, real.y), of_class)
    fading = make("acgan", fade_to=10)
    fading.eval()
    real, _ = judged(fading)
    fading.discriminator.head.t = 0.25
    expected = 0.25 * real.verdict.source + real.plain
    torch.testing.assert_close(fading.realness(real.x, real.y), expected)
