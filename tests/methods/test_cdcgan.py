"""cdcgan's switches: wrong labels that count as fakes, and labels that join in the middle."""

import pytest
import torch
from torch.nn.functional import relu, softplus

from conftest import make_blobs
from fewgan import methods
from fewgan.data.feed import Feed
from fewgan.errors import InputError
from fewgan.methods.cdcgan import other_labels
from fewgan.methods.gan import GAN
from fewgan.networks.build import ImageSpec


def make(classes=2, size=16, **settings) -> GAN:
    torch.manual_seed(0)
    kind = methods.find("cdcgan")
    settings = {"width": 4, "latent_dim": 8, "d_norm": "none", **settings}
    return kind(kind.Settings(**settings), ImageSpec(1, size, classes))


def feed(classes=2):
    return Feed(make_blobs(classes=classes), 8, torch.Generator().manual_seed(0))


def test_other_labels_are_all_others_alike():
    y = torch.arange(4).repeat_interleave(3000)
    u = torch.rand(12000, generator=torch.Generator().manual_seed(0))
    wrong = other_labels(y, 4, u)
    counts = torch.bincount(4 * y + wrong, minlength=16).view(4, 4)
    assert counts.diagonal().tolist() == [0] * 4
    assert ((counts - 1000).abs() < 120)[~torch.eye(4, dtype=torch.bool)].all()
    largest = torch.tensor(1 - 2**-24)  # below 1 by the least that a float can be
    for classes in (2, 3, 10, 100, 1000):
        assert other_labels(torch.tensor([0]), classes, largest).item() == classes - 1


@pytest.mark.parametrize("game", ["bce", "hinge"])
def test_matching_is_three_terms_with_weights_one_half_half(game):
    fake_loss = {"bce": softplus, "hinge": lambda logit: relu(1 + logit)}[game]
    real_loss = {"bce": lambda logit: softplus(-logit), "hinge": lambda logit: relu(1 - logit)}
    model, source = make(matching=True, game=game), feed()
    x, y = source.batch()
    real, fake = model._judge(source, x, y), model._judge(source, -x, y)
    terms = model.discriminator_losses(real, fake) | model.penalties(real, fake, source)
    wrong = model.discriminator(x, 1 - y)
    expected = (
        real_loss[game](real.verdict).mean()
        + fake_loss(fake.verdict).mean() / 2
        + fake_loss(wrong).mean() / 2
    )
    torch.testing.assert_close(terms["adversarial"] + terms["matching"], expected)


def test_without_the_switch_nothing_is_added_or_drawn():
    model, source = make(), feed()
    assert set(model.step(source)) == {"d/adversarial", "g/adversarial"}
    judged = model._judge(source, *source.batch())
    before = source.generator.get_state()
    assert model.penalties(judged, judged, source) == {}
    assert torch.equal(source.generator.get_state(), before)


def test_wrong_labels_count_as_much_as_labels_do_while_they_fade_in():
    model, source = make(matching=True, fade_from=2, fade_to=4), feed()
    terms = [model.step(source)["d/matching"].item() for _ in range(3)]
    assert terms[:2] == [0, 0]
    assert terms[2] > 0


def test_matching_teaches_the_discriminator_which_label_is_right():
    """Nothing but the third term tells a right label from a wrong one on the real images."""
    apart = {}
    for matching in (False, True):
        model, source = make(matching=matching, g_lr=1e-9, d_lr=1e-3), feed()
        for _ in range(100):
            model.step(source)
        x, y = source.batch()
        right, wrong = model.discriminator(x, y), model.discriminator(x, 1 - y)
        apart[matching] = (right - wrong).mean().item()
    assert apart[True] > 5 * max(1, abs(apart[False]))


@pytest.mark.parametrize(("trunk", "size", "stages"), [("dcgan", 16, 2), ("resnet", 32, 4)])
def test_labels_join_at_the_stage_asked_for_and_reach_the_verdict(trunk, size, stages):
    for stage in range(stages):
        model = make(trunk=trunk, size=size, label_stage=stage)
        x = torch.randn(2, 1, size, size)
        first = model.discriminator(x, torch.tensor([0, 0]))
        assert not torch.allclose(first, model.discriminator(x, torch.tensor([1, 1])))
        entries = [
            next(m for m in s.modules() if isinstance(m, torch.nn.Conv2d)).in_channels
            for s in model.discriminator.trunk.stages
        ]
        plain = [
            next(m for m in s.modules() if isinstance(m, torch.nn.Conv2d)).in_channels
            for s in make(trunk=trunk, size=size, label_stage=0).discriminator.trunk.stages
        ]
        plain[0] -= 2
        assert [a - b for a, b in zip(entries, plain, strict=True)] == [
            2 * (i == stage) for i in range(stages)
        ]


def test_switches_that_cannot_be_are_refused_in_words():
    with pytest.raises(InputError, match=r"no stage 2: give --label-stage 0 to 1$"):
        make(label_stage=2)
    with pytest.raises(InputError, match="'resnet' at 32 px has no stage 4"):
        make(trunk="resnet", size=32, label_stage=4)
    with pytest.raises(InputError, match="matching needs wrong labels"):
        make(classes=1, matching=True)


def test_bands_are_learned_with_both_switches():
    model = make(width=8, matching=True, label_stage=1, g_lr=1e-3, d_lr=1e-3)
    source = feed()
    for _ in range(300):
        model.step(source)
    y = torch.arange(40) % 2
    images = model.generator.eval()(torch.randn(40, 8), y)
    upper = images[:, 0, :8].mean((1, 2)) > images[:, 0, 8:].mean((1, 2))
    assert (upper == (y == 0)).float().mean() > 0.9
