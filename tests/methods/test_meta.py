"""Meta-learned GANs: who learns in a task, who moves, and what a new class asks for."""

import copy
import json

import pytest
import torch

import fewgan
from conftest import make_blobs
from fewgan import methods
from fewgan.cli import main
from fewgan.data.feed import Feed
from fewgan.data.imageset import to_float
from fewgan.methods import reptile_1mlp
from fewgan.networks.build import ImageSpec

META = [info.name for info in methods.available().values() if info.regime == "meta-train"]
META = [name for name in META if methods.find(name).adapted_by == "inner"]
REPTILE = ["reptile-1mlp", "reptile-2mlp"]
SMALL = {"width": 4, "latent_dim": 8, "inner_steps": 3}


def made(name, **settings):
    torch.manual_seed(0)
    kind = methods.find(name)
    return kind(kind.Settings(**SMALL | settings), ImageSpec(1, 16, 3)).train()


def feed_of(batch=8, n=30, classes=3):
    return Feed(make_blobs(n, classes), batch, torch.Generator().manual_seed(0))


def begun(name, **settings):
    method, feed = made(name, **settings), feed_of()
    method.begin(feed, copy.deepcopy(method.sampler))
    return method, feed


def state_of(module):
    return {name: value.detach().clone() for name, value in module.named_parameters()}


def moved(module, before):
    return {n for n, v in module.named_parameters() if not torch.equal(v, before[n])}


# --- outer iterations ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", REPTILE)
def test_learners_go_a_share_of_the_way_and_the_generator_keeps_its_step(name):
    method, feed = begun(name, epsilon=0.25)
    other, again = begun(name, epsilon=1.0)
    before = state_of(method)
    method.step(feed), other.step(again)
    whole, part = state_of(other), state_of(method)
    for key in before:
        if "generator." in key:
            torch.testing.assert_close(part[key], whole[key])
            continue
        torch.testing.assert_close(part[key] - before[key], 0.25 * (whole[key] - before[key]))
    assert any(key.startswith("shaped.generator.") for key in moved(method, before))


@pytest.mark.parametrize("name", REPTILE)
def test_inside_a_task_the_generator_gets_no_update(name):
    method, feed = begun(name)
    before = state_of(method)
    method.begin_task(feed)
    for _ in range(2):
        method.inner_step(feed, feed.batch_of(0), feed.batch_outside(0))
    now = moved(method, before)
    assert not any("generator." in key for key in now)
    assert any(key.startswith("discriminator.") for key in now)
    assert any(key.startswith("shaped.mlp.") for key in now)


@pytest.mark.parametrize("frozen", [False, True])
def test_the_second_mlp_learns_unless_it_is_frozen(frozen):
    method, feed = begun("reptile-2mlp", mlp_cls_frozen=frozen)
    before = state_of(method.shaped.mlp_cls)
    for _ in range(2):
        method.step(feed)
    assert bool(moved(method.shaped.mlp_cls, before)) is not frozen


def told_apart(d_norm):
    """How much what the generator is told differs over tasks, against how much it is."""
    torch.manual_seed(0)
    kind = methods.find("reptile-2mlp")
    method = kind(kind.Settings(width=16, d_norm=d_norm), ImageSpec(1, 16, 10))
    digits = fewgan.datasets.load("digits", size=16)
    told = []
    for task in range(10):
        method.look(to_float(digits.images[digits.labels == task]))
        told.append(method.shaped.mean.clone())
    return float((torch.stack(told).std(0) / torch.stack(told).abs().mean(0)).mean())


def test_what_the_generator_is_told_differs_over_tasks():
    # Means of maps say nothing over what these were normalised over: places, or a task's images.
    apart = {norm: told_apart(norm) for norm in ("layer", "instance", "batch")}
    assert apart["layer"] > 0.2
    assert max(apart["instance"], apart["batch"]) < 0.05


def test_an_mlp_passes_on_the_spread_of_its_latents():
    torch.manual_seed(0)
    made = reptile_1mlp.mlp(100, 100)(torch.randn(1000, 100)).detach()
    assert 0.8 < float(made.std(0).mean()) < 1.2


def test_the_generator_is_told_what_a_task_is_like():
    method, feed = begun("reptile-2mlp")
    z = method.sampler.latents(torch.zeros(4), torch.Generator().manual_seed(0))
    sampler = method.sampler.eval()
    assert z.shape == (4, 16)
    noise = torch.cat([z[:, :8], torch.randn(4, 8)], 1)
    assert not torch.equal(sampler(z), sampler(noise))  # nobody looked: noise stands in
    method.look(feed.batch_of(0))
    told = sampler(z)
    assert torch.equal(told, sampler(noise))
    method.look(feed.batch_of(1))
    assert not torch.equal(told, sampler(z))
    features = method.discriminator.features(feed.batch_of(2), None)
    method.notice(features)
    by_hand = features.view(8, 4, 4, -1).mean((0, 1, 2))
    torch.testing.assert_close(method.shaped.mean, by_hand)
    method.step(feed)
    assert not method.shaped.looked


@pytest.mark.parametrize(
    ("updates", "order"), [(1, "dddg"), (2, "ddgdg"), (3, "dgdgdg"), (6, "dggdggdgg")]
)
def test_updates_of_the_generator_are_spread_over_a_task(updates, order, monkeypatch):
    method, feed = begun("reptile-1mlp", g_steps=updates)
    seen = []
    descend = method.descend
    monkeypatch.setattr(
        method, "descend", lambda who, terms: seen.append(who) or descend(who, terms)
    )
    method.step(feed)
    assert "".join(who for who in seen if who != "mlp") == order


def test_a_task_begins_with_fresh_moments_or_with_the_last_ones():
    for policy, steps in (("reset", 3), ("keep", 6)):
        method, feed = begun("reptile-1mlp", inner_moments=policy)
        for _ in range(2):
            method.step(feed)
        (weight, *_) = method.discriminator.parameters()
        assert method.inner["d"].state[weight]["step"].item() == steps


def test_inner_rates_do_not_fall_with_the_run():
    method, feed = begun("reptile-1mlp")
    for optimizer in method.optimizers.values():
        optimizer.param_groups[0]["lr"] = 1e-9  # as at the end of a run
    method.begin_task(feed)
    assert method.inner["d"].param_groups[0]["lr"] == method.settings.d_lr
    assert method.optimizers["g"].param_groups[0]["lr"] == 1e-9


def test_both_games_and_their_mixture():
    critic = {"game": "wasserstein", "d_steps": 2}
    names = {
        (): {"d/adversarial", "d/domain"},
        ("critic",): {"d/adversarial", "d/domain", "d/penalty", "d/domain penalty"},
        ("hybrid",): {"d/adversarial", "d/domain", "d/penalty"},
    }
    for key, terms in names.items():
        chosen = critic if key else {}
        chosen = chosen | ({"domain_game": "bce"} if key == ("hybrid",) else {})
        method, feed = begun("reptile-1mlp", **chosen)
        found = method.step(feed)
        assert {n for n in found if n.startswith("d/")} == terms
        assert all(value.isfinite() for value in found.values())


def test_figr_moves_both_players_by_adam_on_their_displacement():
    method, feed = begun("figr", epsilon=1e-3)
    before = state_of(method)
    method.step(feed)
    now = state_of(method)
    sizes = torch.cat([(now[n] - before[n]).abs().flatten() for n in before])
    sizes = sizes[sizes > 0]
    assert sizes.max() <= 1.001e-3
    assert sizes.median() == pytest.approx(1e-3, rel=0.01)  # Adam's first step
    assert moved(method.critic, {n[7:]: v for n, v in before.items() if n.startswith("critic.")})


@pytest.mark.parametrize(("name", "kinds"), [("figr", 1), ("reptile-1mlp", 3)])
def test_a_task_keeps_its_images_or_draws_the_next(name, kinds, monkeypatch):
    method, feed = begun(name)
    shown, inner_step = [], method.inner_step
    monkeypatch.setattr(
        method, "inner_step", lambda feed, x, other: shown.append(x) or inner_step(feed, x, other)
    )
    method.step(feed)
    assert len({tuple(x.flatten().tolist()) for x in shown}) == kinds
    assert feed.seen == SMALL["inner_steps"] * feed.batch_size


def test_what_is_not_of_a_task_is_shown_as_its_images_are():
    method, feed = begun("reptile-1mlp")
    state = feed.generator.get_state()
    plain = method.batch_outside(feed)
    feed.generator.set_state(state)
    feed.warp = 0.5
    assert (method.batch_outside(feed) - plain).abs().max() > 0.1


def test_images_of_meta_training_are_kept_for_what_comes_later():
    method, feed = begun("reptile-1mlp")
    assert method.others.shape == (256, 1, 16, 16)
    shown = {tuple(image.flatten().tolist()) for image in method.others}
    assert len(shown) == 30  # of thirty images, all
    assert method.batch_outside(feed).shape == (8, 1, 16, 16)
    assert begun("figr")[0].others.shape == (0, 1, 16, 16)


# --- runs ---------------------------------------------------------------------------------------

QUICK = {"steps": 2, "size": 16, "batch_size": 8, "check_images": 40, "progress": False}


@pytest.fixture(scope="module", params=META)
def source(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("source") / "run"
    return fewgan.train(request.param, "digits", out=folder, classes="0,1,2,3", **SMALL, **QUICK)


def test_a_run_learns_a_new_class_by_its_own_steps(source, tmp_path, capsys):
    words = ["adapt", str(source.path), "--data", "digits", "--classes", "7", "--shots", "8"]
    words += ["--check-images", "40", "--batch-size", "8", "--check-every", "1"]
    assert main([*words, "--out", str(tmp_path / "run"), "--json"]) == 0
    steps = SMALL["inner_steps"] * methods.find(source.model["method"]).longer
    assert json.loads(capsys.readouterr().out)["best step"] == steps
    run = fewgan.load(tmp_path / "run")
    assert run.model["method"] == f"inner:{source.model['method']}"
    pictures = sorted(p.name for p in run.folder.samples.glob("step-*.png"))
    assert pictures == [f"step-{step:07d}.png" for step in range(1 + steps)]
    same = run.sample(4), run.sample(4, which="last")
    assert torch.equal(*same)  # nothing is averaged
    assert not torch.equal(run.sample(4), source.sample(4))
    scores = fewgan.evaluate(run, "digits", n=40, metrics=["kid"], progress=False)
    assert scores["figures"][0]["card"]["n_real"] > 10


def test_one_image_is_a_task(source, tmp_path):
    given = {"data": "digits", "classes": "7", "shots": 1, "check_images": 40, "progress": False}
    run = fewgan.adapt(source, out=tmp_path / "run", **given)
    assert run.model["train_images"] == 1
    assert not torch.equal(run.sample(4), source.sample(4))


def test_several_classes_are_several_tasks(source, tmp_path, capsys):
    words = ["adapt", str(source.path), "--data", "digits", "--classes", "7,8", "--shots", "8"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 2
    assert "2 classes are as many tasks" in capsys.readouterr().err


def test_novel_classes_come_later(source, tmp_path, capsys):
    words = ["train", source.model["method"], "--data", "digits", "--novel", "7", "--shots", "5"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 2
    assert "novel ones come with fewgan adapt" in capsys.readouterr().err


def test_one_learned_class_becomes_another(source, tmp_path, capsys):
    given = {"data": "digits", "shots": 8, "steps": 2, "check_images": 40, "progress": False}
    one, two = (fewgan.adapt(source, classes=c, out=tmp_path / c, **given) for c in ("7", "8"))
    walk = one.walk_to(two, rows=3, columns=5).unflatten(0, (3, 5))
    z = one.sampler().latents(torch.zeros(3), torch.Generator().manual_seed(0))
    torch.testing.assert_close(walk[:, 0], one.draw(z, torch.zeros(3)))
    torch.testing.assert_close(walk[:, -1], two.draw(z, torch.zeros(3)))
    out = tmp_path / "walk.png"
    assert main(["interpolate", str(one.path), "--to", str(two.path), "--out", str(out)]) == 0
    assert out.exists()
    other = fewgan.train("dcgan", "digits", out=tmp_path / "plain", width=4, **QUICK)
    words = ["interpolate", str(one.path), "--to", str(other.path), "--out"]
    assert main([*words, str(tmp_path / "no.png")]) == 2
    assert "have other networks" in capsys.readouterr().err


def test_an_adapted_run_goes_on_from_where_it_is(source, tmp_path):
    given = {"data": "digits", "classes": "7", "shots": 8, "check_images": 40, "progress": False}
    first = fewgan.adapt(source, out=tmp_path / "a", steps=2, **given)
    second = fewgan.adapt(first, out=tmp_path / "b", steps=2, **given)
    assert second.model["method"] == first.model["method"]


def test_what_cannot_be_done_is_said(source, tmp_path, capsys):
    name = source.model["method"]
    words = ["--steps", "1", "--size", "16", "--width", "4", "--out", str(tmp_path / "run")]
    one = ["train", name, "--data", "digits", "--classes", "3"]
    assert main([*one, *words]) == 2
    assert f"{name} learns from many classes, and there are 1" in capsys.readouterr().err
    plain = fewgan.train("dcgan", "digits", out=tmp_path / "plain", width=4, **QUICK)
    for given in ([], ["inner"]):
        assert main(["adapt", str(plain.path), *given, "--data", "digits"]) == 2
        assert "name a" in capsys.readouterr().err or given == []
