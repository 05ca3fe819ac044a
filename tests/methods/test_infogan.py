"""infogan: its losses by hand, who teaches Q, the bound below the entropy, and codes on a toy."""

import math

import pytest
import torch

from conftest import make_blobs
from fewgan import methods
from fewgan.data.feed import Feed
from fewgan.data.imageset import ImageSet
from fewgan.errors import InputError
from fewgan.methods.gan import Judged, frozen
from fewgan.metrics.purity import purity
from fewgan.networks.build import ImageSpec
from fewgan.networks.heads import SharedVerdict
from fewgan.training import checkpoint

X, Y = torch.zeros(2, 1, 16, 16), torch.tensor([-1, -1])


def make(width=4, classes=0, **settings):
    torch.manual_seed(0)
    kind = methods.find("infogan")
    small = {"latent_dim": 8, "categorical": 2, "continuous": 1, "q_hidden": 16}
    return kind(kind.Settings(width=width, **{**small, **settings}), ImageSpec(1, 16, classes))


def feed(batch=8):
    blobs = make_blobs()
    unlabelled = ImageSet(blobs.images, torch.full((40,), -1), (), "blobs", "made for tests")
    return Feed(unlabelled, batch, torch.Generator().manual_seed(0))


def judged(model, source):
    """Verdicts on real and on generated images; the latter know their latents."""
    (x, y), z = source.batch(), source.normal(8)
    fake = model.generator(z, y)
    return model._judge(source, x, y), model._judge(source, fake, y, z)


def test_losses_by_hand(monkeypatch):
    model = make(lambda_cat=2, lambda_cont=0.5)
    z = torch.zeros(2, 8)
    z[:, 1] = 1.0  # category 1
    z[0, 2] = 0.674490  # code 1/2: the upper quartile of a normal; in the second row 0
    logits, mean = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]]), torch.tensor([[0.0], [1.0]])
    monkeypatch.setattr(model.q, "forward", lambda features: (logits, mean))
    real = Judged(SharedVerdict(torch.zeros(2), X), Y, X)
    fake = Judged(SharedVerdict(torch.tensor([0.0, math.log(3)]), X), Y, X, z)
    # Q gives 3/4 and 1/2 to category 1, and misses the continuous code by 1/2 and 1.
    categorical = math.log(2) + (math.log(3 / 4) + math.log(1 / 2)) / 2
    continuous = math.log(2) - 0.5 * math.log(2 * math.pi) - (0.125 + 0.5) / 2
    information = {"categorical": -2 * categorical, "continuous": -0.5 * continuous}
    terms = {k: v.item() for k, v in model.discriminator_losses(real, fake).items()}
    source = math.log(2) + (math.log(2) + math.log(4)) / 2
    assert terms == pytest.approx({"adversarial": source} | information)
    terms = {k: v.item() for k, v in model.generator_losses(fake).items()}
    source = (math.log(2) + math.log(4 / 3)) / 2
    assert terms == pytest.approx({"adversarial": source} | information)


@pytest.mark.parametrize("learners", ["d", "g", "d+g"])
def test_q_learns_in_the_updates_that_are_named(learners):
    model, source = make(q_learns_from=learners), feed()
    for player, network in (("d", model.discriminator), ("g", model.generator)):
        before = {k: v.clone() for k, v in model.named_parameters()}
        real, fake = judged(model, source)
        if player == "d":
            fake = model._judge(source, fake.x.detach(), fake.y, fake.z)
            model.descend("d", model.discriminator_losses(real, fake))
        else:
            with frozen(model.discriminator):
                fake = model._judge(source, model.generator(fake.z, fake.y), fake.y, fake.z)
                model.descend("g", model.generator_losses(fake))
        moving = [network, *([model.q] if player in learners else [])]
        own = {id(p) for part in moving for p in part.parameters()}
        for key, parameter in model.named_parameters():
            same = torch.equal(before[key], parameter)
            assert same == (id(parameter) not in own), f"{player}: {key}"


def test_shared_layers_learn_from_codes_only_if_q_learns_there():
    alone, together = (make(q_learns_from=q, lambda_cat=5.0) for q in ("g", "d+g"))
    grads = []
    for model in (alone, together):
        real, fake = judged(model, feed())
        terms = model.discriminator_losses(real, fake)
        torch.stack(list(terms.values())).sum().backward()
        grads.append(next(model.discriminator.trunk.parameters()).grad)
    assert (grads[0] - grads[1]).abs().max() > 1e-4


def test_bound_stays_below_the_entropy_and_rises():
    model, source = make(), feed()
    bounds = [-model.step(source)["g/categorical"].item() for _ in range(60)]
    assert max(bounds) <= math.log(2)
    assert sum(bounds[-10:]) > sum(bounds[:10])


def test_codes_come_to_stand_for_the_two_bands():
    """A toy with a known answer: without labels, the two categories split into the two bands."""
    model, source = make(width=8, latent_dim=8, g_lr=1e-3, d_lr=1e-3), feed(16)
    for _ in range(200):
        model.step(source)
    sampler = model.sampler.eval()
    z = sampler.latents(torch.full((200,), -1), torch.Generator().manual_seed(1))
    images = sampler(z, None)
    upper = images[:, 0, :8].mean((1, 2)) > images[:, 0, 8:].mean((1, 2))
    assert purity(sampler.codes(z).categorical, upper.long(), 2, 2).overall > 0.9


def test_a_copy_made_from_its_state_goes_on_with_the_same_bits():
    model, source, again, copied = make(), feed(), make(), feed()
    for _ in range(3):
        model.step(source)
    again.load_state_dict(model.state_dict())
    copied.load_state_dict(source.state_dict())
    for name, optimizer in model.optimizers.items():
        state = checkpoint.optimizer_state(optimizer)
        checkpoint.load_optimizer_state(again.optimizers[name], *state)
    model.step(source)
    again.step(copied)
    ours, theirs = model.state_dict(), again.state_dict()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert any(name.startswith("q.") for name in ours)


def test_labelled_images_are_taken_as_they_are():
    model = make(classes=2)
    assert model.sampler.classes == 0
    terms = model.step(Feed(make_blobs(), 8, torch.Generator().manual_seed(0)))
    assert all(value.isfinite() for value in terms.values())


def test_more_codes_than_the_latent_holds_are_refused():
    with pytest.raises(InputError, match="give a larger --latent-dim"):
        make(categorical=8)
