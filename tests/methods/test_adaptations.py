"""Methods that adapt a run to few images: what they begin with, hold, and leave alone."""

import copy
import json
import signal

import pytest
import torch
from scipy.stats import chisquare

import fewgan
from conftest import make_blobs, write_folder
from fewgan import methods
from fewgan.benchmark.correspondence import correspondence_figures
from fewgan.cli import main
from fewgan.data.feed import Feed
from fewgan.data.imageset import to_float
from fewgan.files import read_json
from fewgan.losses.fisher import elastic_penalty
from fewgan.methods.adaptation import Unlabelled
from fewgan.methods.base import Learned
from fewgan.methods.nst import gram
from fewgan.metrics.suite import Figure
from fewgan.networks.build import ImageSpec
from fewgan.training.loop import Listener

ADAPT = [info.name for info in methods.available().values() if info.regime == "adapt"]
ADAPT.remove("inner")  # which goes on from meta-trained runs only
ADAPT.remove("each")  # which is many of these
LEARN = [name for name in ADAPT if name != "nst"]
SOURCES = ["dcgan", "wgan-gp", "acgan", "2ngan", "sngan-projection", "tacgan", "mergan-ra:acgan"]
SMALL = {"size": 16, "width": 4, "latent_dim": 8, "batch_size": 8}
QUICK = {"steps": 3, "check_images": 40, "progress": False}


def make_source(name, **settings):
    torch.manual_seed(0)
    kind = methods.find(name)
    values = {"width": 4, "latent_dim": 8} | settings
    method = kind(kind.Settings(**values), ImageSpec(1, 16, 3))
    with torch.no_grad():
        for value in method.parameters():
            value.add_(0.05 * torch.randn_like(value))
    sampler = copy.deepcopy(method.sampler).eval()
    return Learned(sampler, method.eval(), sampler.classes)


def feed_of(batch=8):
    return Feed(make_blobs(10, 1), batch, torch.Generator().manual_seed(0))


def adapted(name, source="dcgan", **settings):
    """A method at the beginning of its adaptation, and the source."""
    learned = make_source(source)
    kind = methods.find(name).onto(type(learned.method))
    given = kind.inherited(learned.method.settings.model_dump(), learned.classes) | settings
    method = kind(kind.Settings(**given), ImageSpec(1, 16, 1)).train()
    method.adopt(learned)
    feed = feed_of()
    method.begin(feed, copy.deepcopy(method.sampler))
    return method, learned, feed


# --- what it begins with ------------------------------------------------------------------------


@pytest.mark.parametrize("source", SOURCES)
def test_at_first_it_draws_what_the_source_draws(source):
    method, learned, _ = adapted("finetune", source)
    z = method.sampler.latents(torch.zeros(12), torch.Generator().manual_seed(1))
    own, y = method.sampler.split(z)
    assert own.shape == (12, 8)
    assert (y is None) == (learned.classes == 0)
    drawn = method.sampler.eval()(z)
    assert torch.equal(drawn, learned.sampler(own, y))
    assert method.adopted is learned
    method.step(feed_of())
    assert method.adopted is None


@pytest.mark.parametrize("source", SOURCES)
def test_the_discriminator_keeps_its_trunk_and_a_head_that_knows_real_from_fake(source):
    method, learned, _ = adapted("finetune", source)
    theirs = learned.method.players.discriminator.state_dict()
    own = method.discriminator.state_dict()
    assert all(torch.equal(own[n], theirs[n]) for n in own if n.startswith("trunk."))
    head = [name for name in own if name.startswith("head.")]
    assert head
    kept = all(name in theirs for name in head)
    assert kept == (source != "2ngan")
    assert not kept or all(torch.equal(own[n], theirs[n]) for n in head)


def test_each_class_of_the_source_has_the_same_share_of_latents():
    sampler = Unlabelled(make_source("acgan").sampler, 3)
    z = sampler.latents(torch.zeros(3000), torch.Generator().manual_seed(0))
    assert z.shape == (3000, 9)
    assert chisquare(sampler.split(z)[1].bincount(minlength=3)).pvalue > 1e-3
    ends = torch.tensor([[-40.0], [40.0]]).expand(-1, 9)
    assert sampler.split(ends)[1].tolist() == [0, 2]


def test_an_adapted_run_can_be_adapted_again():
    first, _, feed = adapted("finetune", "acgan")
    first.step(feed)
    learned = Learned(copy.deepcopy(first.sampler).eval(), first, 0)
    kind = methods.find("finetune").onto(type(first))
    given = kind.inherited(first.settings.model_dump(), 0)
    assert given["source_classes"] == 3
    second = kind(kind.Settings(**given), ImageSpec(1, 16, 1))
    second.adopt(learned)
    z = second.sampler.latents(torch.zeros(4), torch.Generator().manual_seed(1))
    assert torch.equal(second.sampler.eval()(z), learned.sampler(z))


@pytest.mark.parametrize("name", ["minegan", "bsa", "adam-probe", "nst"])
def test_what_draws_by_more_than_a_generator_lends_nothing(name):
    first, _, _ = adapted(name)
    second = methods.find("finetune")
    given = second.inherited(first.settings.model_dump(), 0)
    with pytest.raises(fewgan.errors.InputError, match="the run that it went on from"):
        second(second.Settings(**given), ImageSpec(1, 16, 1)).adopt(
            Learned(first.sampler, first, 0)
        )


def test_the_penalty_goes_on_and_a_critic_becomes_a_judge():
    finetune, acgan, wgan = (methods.find(name) for name in ("finetune", "acgan", "wgan-gp"))
    assert finetune.inherited(acgan.Settings(r1=0.7).model_dump(), 3)["r1"] == 0.7
    assert wgan.Settings().game == "wasserstein"
    assert finetune.inherited(wgan.Settings().model_dump(), 3)["game"] == "bce"


@pytest.mark.parametrize("source", ["modulators", "dgr", "infogan", "cdcgan"])
def test_a_source_that_draws_or_judges_in_a_way_of_its_own_is_refused(source):
    with pytest.raises(fewgan.errors.InputError):
        adapted("finetune", source, **({"labels": "none"} if source == "infogan" else {}))


# --- what it holds ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LEARN)
def test_both_players_learn(name):
    at_once = {"minegan": {"mine_steps": 0}, "rick": {"warm_up": 0}}
    method, _, feed = adapted(name, **at_once.get(name, {}))
    before = copy.deepcopy(method.state_dict())
    terms = method.step(feed)
    played = "d" in method.optimizers
    assert {f"{player}/adversarial" for player in "dg" if played} <= set(terms)
    for player in ("generator.", "discriminator.") if played else ("generator.",):
        after = {n: v for n, v in method.state_dict().items() if n.startswith(player)}
        assert any(not torch.equal(v, before[n]) for n, v in after.items()), player


def test_frozen_stages_stay_and_the_others_do_not():
    method, _, feed = adapted("freezed", frozen=1)
    before = copy.deepcopy(method.discriminator.state_dict())
    method.step(feed)
    for name, value in method.discriminator.named_parameters():
        trained = not name.startswith("trunk.stages.0.")
        assert torch.equal(value, before[name]) != trained, name


@pytest.mark.parametrize("source", ["dcgan", "acgan", "2ngan", "sngan-projection"])
def test_springs_are_slack_at_the_source_and_pull_by_the_sources_own_information(source):
    method, learned, feed = adapted("ewc-few", source, fisher_samples=40, elastic=2.0)
    assert method.held(feed)["elastic"].item() == 0.0
    fisher = dict(method.springs.information.named_parameters())
    assert sum(float(f.sum()) for f in fisher.values()) == pytest.approx(
        sum(f.numel() for f in fisher.values()), rel=1e-3
    )
    anchor = dict(learned.sampler.named_parameters())
    method.step(feed)
    here = dict(method.lent.named_parameters())
    expected = elastic_penalty(here, anchor, fisher)
    assert expected > 0
    assert method.held(feed)["elastic"].item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_the_miner_learns_first_and_then_the_generator_too(norm):
    torch.manual_seed(0)
    learned = make_source("acgan", norm=norm)
    kind = methods.find("minegan")
    given = kind.inherited(learned.method.settings.model_dump(), 3) | {"mine_steps": 2}
    method = kind(kind.Settings(**given), ImageSpec(1, 16, 1)).train()
    method.adopt(learned)
    feed = feed_of()
    for step in range(4):
        before = copy.deepcopy(method.sampler.state_dict())
        method.step(feed)
        moved = {n for n, v in method.sampler.state_dict().items() if not torch.equal(v, before[n])}
        assert any(name.startswith("miner.") for name in moved)
        assert any(name.startswith("generator.") for name in moved) == (step >= 2)


def test_the_chance_of_a_change_rises_while_the_discriminator_is_sure(monkeypatch):
    method, _, feed = adapted("ada", ada_images=320)
    with torch.no_grad():
        method.discriminator.head.real.bias.fill_(50.0)  # all is real, for certain
    for _ in range(4):
        method.step(feed)
    assert method.chance.item() == pytest.approx(0.1)  # 4 steps of 8 images, of 320
    with torch.no_grad():
        method.discriminator.head.real.bias.fill_(-50.0)
    for _ in range(4):
        method.step(feed)
    assert method.chance.item() == 0.0


def test_whole_images_are_judged_near_anchors_and_patches_elsewhere(monkeypatch):
    method, _, feed = adapted("cdc", "acgan", patch_stages=1, anchors=3)
    assert method.anchors.shape == (3, 9)
    drawn, judged = [], []
    make, judge = method.generator.forward, method._judge
    monkeypatch.setattr(method.generator, "forward", lambda z, y: drawn.append(z) or make(z, y))
    monkeypatch.setattr(method, "_judge", lambda *a: judged.append(judge(*a)) or judged[-1])
    for step in range(1, 9):
        drawn.clear()
        judged.clear()
        method.step(feed)
        away = torch.cdist(drawn[0], method.anchors).amin(1)
        whole = step % 4 == 0
        assert (away < 1.0).all() == whole
        assert {len(j.verdict) for j in judged} == {8 if whole else 8 * 8 * 8}


def test_near_anchors_images_are_bent_and_counted_as_elsewhere():
    method, _, feed = adapted("cdc")
    feed.warp = 0.1
    for _ in range(4):
        method.step(feed)
    assert feed.seen == 4 * feed.batch_size


def test_likenesses_are_those_of_the_source_until_the_generator_moves():
    method, _, feed = adapted("cdc")
    assert method.held(copy.deepcopy(feed))["consistency"].item() == pytest.approx(0, abs=1e-4)
    before = copy.deepcopy(method.origin.state_dict())
    for _ in range(3):
        method.step(feed)
    assert method.held(feed)["consistency"].item() > 1e-4
    assert all(torch.equal(v, before[n]) for n, v in method.origin.state_dict().items())


def test_kernels_are_chosen_after_the_warm_up_and_then_held():
    settings = {"warm_up": 2, "estimate_every": 3, "estimate_batches": 1, "prune_below": 0.1}
    method, _, feed = adapted("rick", **settings)
    players = [(method.lent, method.of_g), (method.discriminator.trunk, method.of_d)]
    for step in range(7):
        before = [copy.deepcopy(player.state_dict()) for player, _ in players]
        method.step(feed)
        for (player, chosen), was in zip(players, before, strict=True):
            now, kept = dict(player.named_parameters()), dict(chosen.kept.named_parameters())
            for i, (name, axis) in enumerate(chosen.axes.items()):
                frozen, pruned = (getattr(chosen, f"{which}{i}") for which in ("frozen", "pruned"))
                here, there = (weights[name].movedim(axis, 0) for weights in (now, kept))
                if step < 2:
                    assert torch.equal(now[name], was[name]), name
                    assert not frozen.any()
                assert torch.equal(here[frozen & ~pruned], there[frozen & ~pruned])
                assert not here[pruned].any()
    of_g = torch.cat([getattr(method.of_g, f"frozen{i}") for i in range(len(method.of_g.axes))])
    assert of_g.float().mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("source", ["dcgan", "acgan", "sngan-projection"])
def test_the_probe_moves_no_weight_and_then_each_kernel_learns_or_is_modulated(source):
    method, _, feed = adapted("adam-probe", source, probe_steps=3, probe_samples=10)
    players = [(method.lent, method.of_g), (method.discriminator.trunk, method.of_d)]
    begun = [copy.deepcopy(dict(network.named_parameters())) for network, _ in players]
    for _ in range(3):
        method.step(feed)
    for (network, modulation), was in zip(players, begun, strict=True):
        now = dict(network.named_parameters())
        assert all(torch.equal(now[name], was[name]) for name in modulation.axes)
        assert all(v.abs().max() > 1e-5 for v in modulation.v)
        assert all(modulation.modulated(i).all() for i in range(len(modulation.axes)))
    for _ in range(3):
        method.step(feed)
    for (network, modulation), was in zip(players, begun, strict=True):
        now, share = dict(network.named_parameters()), []
        for i, (name, axis) in enumerate(modulation.axes.items()):
            chosen = modulation.modulated(i)
            here, there = (weights[name].movedim(axis, 0) for weights in (now, was))
            assert torch.equal(here[chosen], there[chosen])
            assert (~chosen).sum() == 0 or not torch.equal(here[~chosen], there[~chosen])
            assert modulation.v[i][~chosen].abs().sum() < 1e-5
            share.append(chosen)
        assert torch.cat(share).float().mean() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("source", ["dcgan", "acgan"])
def test_only_scales_shifts_and_latents_learn_until_the_images_are_drawn(source):
    method, _, feed = adapted("bsa", source, perceptual=0.0, slots=12)
    before = copy.deepcopy(dict(method.named_parameters()))
    terms = [method.step(feed) for _ in range(150)]
    for name, value in method.named_parameters():
        moved = not torch.equal(value, before[name])
        assert moved == ("scale" in name or "shift" in name or name == "images"), name
    assert method.images[10:].abs().max() < 1e-3  # of ten images, the other latents stay
    assert terms[-1]["g/pixel"] < 0.8 * terms[0]["g/pixel"]
    assert terms[0]["g/stay"] == 0 < terms[-1]["g/stay"]


def test_classes_that_no_image_had_are_not_drawn():
    method, _, feed = adapted("bsa", "acgan")
    few = copy.copy(feed)
    few.images = feed.images.take(torch.arange(2))
    averaged = copy.deepcopy(method.sampler)
    method.begin(few, averaged)
    for sampler in (method.sampler, averaged):
        z = sampler.latents(torch.zeros(60), torch.Generator().manual_seed(0))
        assert sampler.split(z)[1].unique().tolist() == [0, 1]


def test_latents_come_from_the_middle_and_classes_from_everywhere():
    method, _, _ = adapted("bsa", "acgan", truncation=0.3)
    z = method.sampler.latents(torch.zeros(900), torch.Generator().manual_seed(0))
    assert z[:, :-1].abs().max() <= 0.3
    assert z[:, -1].abs().max() > 1
    assert chisquare(method.sampler.split(z)[1].bincount(minlength=3)).pvalue > 1e-3


def test_style_comes_from_the_few_images_and_content_from_the_source():
    method, learned, _ = adapted("nst", "acgan", iterations=60, slots=12)
    painter = method.sampler.eval()
    assert int(painter.held) == 10
    z = painter.latents(torch.zeros(4), torch.Generator().manual_seed(0))
    assert z.shape == (4, 10)
    own, y = painter.split(z[:, :-1])
    plain, drawn = learned.sampler(own, y), painter(z)
    chosen = (torch.special.ndtr(z[:, -1]) * 10).long()
    styles = to_float(painter.styles[chosen])

    def off(x):
        pairs = zip(painter.see(x), painter.see(styles), strict=True)
        return sum((gram(a) - gram(b)).square().mean() for a, b in pairs)

    assert off(drawn) < 0.5 * off(plain)
    assert drawn.abs().max() <= 1
    alone = torch.cat([painter(z[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(drawn, alone, atol=0.05, rtol=0)


def test_a_gram_matrix_by_hand():
    maps = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])
    assert gram(maps)[0].tolist() == [[2.5, 0.5], [0.5, 5.0]]


def test_both_players_see_changed_images_only():
    method, _, feed = adapted("ada")
    method.chance.fill_(1.0)
    x, y = feed.batch()
    assert not torch.allclose(method._judge(feed, x, y).x, x)


# --- runs ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source") / "run"
    return fewgan.train("acgan", "digits", out=folder, classes="0,1,2", **SMALL, **QUICK)


@pytest.mark.parametrize("name", ADAPT)
def test_a_run_is_adapted_measured_and_sampled(name, source, tmp_path):
    run = fewgan.adapt(source, name, "digits", classes="7", shots=10, out=tmp_path / "r", **QUICK)
    assert len(run.folder.read_splits().indices("train")) == 10
    assert run.class_names == ()
    assert run.sample(5, seed=1).shape == (5, 1, 16, 16)
    assert run.about["best"]["step"] == 3  # the latest: by KID to ten images copies would win
    scores = fewgan.evaluate(run, "digits", n=50, metrics=["kid"], progress=False)
    figures = {figure["name"]: figure for figure in scores["figures"]}
    assert figures["kid"]["card"]["n_real"] > 10
    assert 0 <= figures["edge_similarity"]["value"] <= 1
    assert (run.folder.samples / "correspondence.png").exists()


def test_what_was_hardly_adapted_still_corresponds_and_what_was_drawn_anew_does_not(tmp_path):
    given = SMALL | QUICK | {"steps": 60, "g_lr": 0.01, "d_lr": 0.01, "spectral": False}
    drawn = [fewgan.train("dcgan", "digits", out=tmp_path / c, classes=c, **given) for c in "18"]
    few = {"data": "digits", "classes": "8", "shots": 10} | QUICK
    run = fewgan.adapt(drawn[0], "finetune", out=tmp_path / "run", **few | {"steps": 1})
    scores = fewgan.evaluate(run, "digits", n=20, metrics=["kid"], progress=False)
    figures = {figure["name"]: figure["value"] for figure in scores["figures"]}
    assert figures["correspondence"] > 0.9
    sampler = run.sampler()
    sampler.generator.load_state_dict(drawn[1].sampler().state_dict())
    card = Figure.model_validate(scores["figures"][0]).card
    found = {f.name: f.value for f in correspondence_figures(run, card)}
    assert found["correspondence"] < 0.75  # young generators are bright where a latent is long
    assert found["edge_similarity"] < figures["edge_similarity"]


def test_copies_of_ones_own_pictures_are_shown_and_warned_of(source, tmp_path, capsys, monkeypatch):
    folder = write_folder(make_blobs(10, 1), tmp_path / "pictures")
    words = ["adapt", str(source.path), "finetune", "--data", str(folder), "--holdout", "0"]
    words += ["--steps", "2", "--check-images", "40", "--json"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["copies of training images"] == 0
    assert "warning" not in told

    def copies(self, n=64, *_, **__):  # what a generator draws that knows nothing else
        shown = make_blobs(10, 1)
        return shown.take(torch.arange(n) % 10)

    monkeypatch.setattr(fewgan.training.run.Run, "imageset", copies)
    assert main([*words, "--out", str(tmp_path / "copies")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["copies of training images"] == 1
    assert "100% of the images are near copies" in told["warning"]
    assert (tmp_path / "copies" / "samples" / "memorisation.png").exists()


def test_snapshots_can_be_drawn_from_and_measured(source, tmp_path, capsys):
    given = {"data": "digits", "classes": "7", "shots": 10, **QUICK, "steps": 4, "check_every": 2}
    run = fewgan.adapt(source, "finetune", out=tmp_path / "run", snapshots=True, **given)
    assert run.folder.numbers == [2, 4]
    assert torch.equal(run.sample(4, which=4), run.sample(4))
    assert not torch.equal(run.sample(4, which=2), run.sample(4))
    out = str(tmp_path / "two.png")
    assert main(["sample", str(run.path), "--checkpoint", "2", "--out", out]) == 0
    capsys.readouterr()
    other = str(tmp_path / "three.png")
    assert main(["sample", str(run.path), "--checkpoint", "3", "--out", other]) == 2
    assert "kept no checkpoint 3; it kept 2, 4" in capsys.readouterr().err


class PressCtrlC(Listener):
    """Sends the process what Ctrl-C sends, after the third step."""

    def logged(self, line):
        if line["step"] == 3:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("name", ADAPT)
def test_an_adaptation_goes_on_exactly(name, source, tmp_path, monkeypatch):
    given = {"data": "digits", "classes": "7", "shots": 10, **QUICK, "steps": 6, "log_every": 1}
    whole = fewgan.adapt(source, name, out=tmp_path / "whole", **given)
    monkeypatch.setattr("fewgan.api._listeners", lambda *a: [PressCtrlC()])
    with pytest.raises(KeyboardInterrupt):
        fewgan.adapt(source, name, out=tmp_path / "part", **given)
    monkeypatch.undo()
    part = fewgan.resume(tmp_path / "part", progress=False)
    one, two = (run.method("last").state_dict() for run in (whole, part))
    assert all(torch.equal(one[n], two[n]) for n in one)


@pytest.mark.parametrize("again", [False, True])
def test_layers_are_told_how_far_they_moved_and_what_they_mattered(again, source, tmp_path):
    given = {"data": "digits", "classes": "7", "shots": 10, **QUICK}
    first = fewgan.adapt(source, "finetune", out=tmp_path / "first", **given)
    run = fewgan.adapt(first, "finetune", out=tmp_path / "run", **given) if again else first
    before = first.sampler() if again else source.sampler()
    assert main(["layers", str(run.path), "--samples", "20", "--json"]) == 0
    rows = read_json(run.path / "layers.json")["layers"]
    assert [row["layer"] for row in rows] == ["trunk.project", "trunk.ups.0", "trunk.ups.1"]
    there = (before.generator if again else before).trunk.project.weight
    here = run.sampler("last").generator.trunk.project.weight
    rate = (here - there).abs().mean() / there.abs().mean()
    assert rows[0]["rate"] == pytest.approx(rate.item(), rel=1e-4)
    assert all(row["fisher"] > 0 for row in rows)
    assert (run.folder.samples / "layers.png").exists()


def test_layers_of_what_is_no_adaptation_are_refused(source, capsys):
    assert main(["layers", str(source.path)]) == 2
    assert "is no adaptation of a run" in capsys.readouterr().err


def test_adapting_by_ewc_is_that_of_few_images(source, tmp_path):
    run = fewgan.adapt(source, "ewc", "digits", classes="7", shots=10, out=tmp_path / "r", **QUICK)
    assert run.model["method"] == "ewc-few"


@pytest.mark.parametrize("name", ADAPT)
def test_it_is_not_trained_from_nothing(name, capsys):
    assert main(["train", name, "--data", "digits"]) == 2
    assert f"fewgan adapt RUN {name}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bsa", "--slots", "3"], "give fewer --shots, or --slots 4"),
        (["freezed", "--frozen", "9"], "give --frozen 1 or less"),
        (["finetune", "--width", "8"], "leave trunk, width"),
        (["finetune", "--stream", "0/1"], "leave --stream out"),
    ],
)
def test_one_line_says_what_is_wrong(words, said, source, tmp_path, capsys):
    given = ["--data", "digits", "--classes", "7", "--shots", "4", "--out", str(tmp_path / "run")]
    code = main(["adapt", str(source.path), *words, *given])
    lines = capsys.readouterr().err.strip().splitlines()
    assert (code, len(lines)) == (2, 1), lines
    assert said in lines[0]
    assert not (tmp_path / "run").exists()
