"""Strategies of continual learning: what each is fed, what it holds, and what it may look at."""

import copy
import hashlib
import json

import pytest
import torch

import fewgan
from conftest import make_blobs
from fewgan import methods
from fewgan.cli import main
from fewgan.data.feed import Feed
from fewgan.files import read_tensors
from fewgan.methods.elastic import importance
from fewgan.methods.modulators import WeightModulator
from fewgan.methods.strategy import Replay, shares
from fewgan.networks.build import ImageSpec

CLASSES = 4
STRATEGIES = [i.name for i in methods.available().values() if i.regime == "keep learning"]
LIKE = {"norm": "instance", "d_norm": "batch", "spectral": False}  # networks of a strategy
SMALL = {"size": 16, "width": 4, "batch_size": 8, "check_images": 40, "progress": False}


def make(name, **settings):
    torch.manual_seed(0)
    kind = methods.find(name)
    values = {"width": 4, "latent_dim": 8} | settings
    return kind(kind.Settings(**values), ImageSpec(1, 16, CLASSES)).train()


def feed_of(*classes, batch=16):
    images = make_blobs(80, CLASSES).of_classes(classes)
    return Feed(images, batch, torch.Generator().manual_seed(0))


def learned(name, old=(0, 1), now=(2,), **settings):
    """A strategy at the beginning of its second experience."""
    strategy = make(name, **settings)
    strategy.begin(feed_of(*old), strategy.sampler)
    strategy.step(feed_of(*old))
    strategy.begin(feed_of(*now), copy.deepcopy(strategy.sampler))
    return strategy


# --- alignment ----------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("gan", ["2ngan", "acgan", "sngan-projection", "tacgan"])
def test_at_equal_weights_the_alignment_is_exactly_zero(gan, norm):
    strategy = learned(f"mergan-ra:{gan}", norm=norm)
    terms = strategy.held(feed_of(2))
    assert terms["alignment"].item() == 0.0
    assert strategy.sampler.training  # and the mode is put back


def test_alignment_is_the_mean_squared_error_of_earlier_classes():
    strategy = learned("mergan-ra", alignment=3.0)
    with torch.no_grad():
        for weight in strategy.sampler.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    feed = feed_of(2)
    y, z = strategy.remembered(copy.deepcopy(feed))
    assert set(y.tolist()) == {0, 1}
    new, old = strategy.sampler.eval()(z, y), strategy.teacher.eval()(z, y)
    expected = 3.0 * (new - old).square().mean()
    assert strategy.held(feed)["alignment"].item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("schedule", "at_two"), [("constant", 6), ("replicate", 3), ("growing", 12)]
)
def test_schedules_of_the_weight(schedule, at_two):
    assert learned("mergan-ra", alignment=6.0, schedule=schedule)._weight() == at_two


def test_alignment_reaches_the_generator_and_not_the_teacher():
    strategy = learned("mergan-ra")
    before = copy.deepcopy(strategy.teacher.state_dict())
    terms = [strategy.step(feed_of(2)) for _ in range(2)]
    assert terms[1]["g/alignment"] > 0
    assert all(torch.equal(v, before[k]) for k, v in strategy.teacher.state_dict().items())


# --- replay -------------------------------------------------------------------------------------


def test_replay_mixes_present_images_with_what_is_recalled():
    feed, shares = feed_of(2, batch=4000), torch.tensor([1.0, 0.0, 2.0, 1.0])
    replay = Replay(
        feed, shares, lambda z, y: (y.float().view(-1, 1, 1, 1).expand(-1, 1, 16, 16), y), 8
    )
    images, labels = replay.batch()
    counts = labels.bincount(minlength=4) / 4000
    assert torch.allclose(counts, shares / 4, atol=0.03)
    gone = labels != 2
    assert torch.equal(images[gone][:, 0, 0, 0].long(), labels[gone])
    bright = images[~gone][:, 0, 8:12].mean((1, 2))  # the band of class 2
    assert (bright > images[~gone][:, 0, :8].mean((1, 2)) + 0.5).all()
    assert set(replay.labels().tolist()) == {0, 2, 3}
    assert replay.seen == feed.seen == 4000


@pytest.mark.parametrize(
    ("balance", "expected"), [("class", [1, 1, 1, 0]), ("task", [0.5, 0.5, 1, 0])]
)
def test_shares_of_classes_and_of_tasks(balance, expected):
    old, now = torch.tensor([[True, True, False, False], [True, False, True, False]])
    assert shares(old, now, balance).tolist() == expected


def test_rounding_draws_no_class_that_there_is_not():
    """Of nine known classes and a new one the shares add up to a little less than 1 in float32."""
    old = torch.arange(10) < 9
    feed = feed_of(0)
    feed.uniform = lambda: torch.tensor([0.0, 0.7, 1 - 2**-24])
    labels = Replay(feed, shares(old, ~old, "task"), None, 8).labels()
    assert labels.tolist()[::2] == [0, 9]
    never = torch.tensor([1.0, 2.0, 0.0, 0.0])
    assert Replay(feed, never, None, 8).labels().max() == 1


def test_replayed_images_are_the_teachers():
    strategy = learned("mergan-jtr")
    images, labels = strategy.feed(feed_of(2)).batch()
    drawn = copy.deepcopy(feed_of(2))
    drawn.batch()
    often = shares(strategy.old, strategy.now, "class")
    wanted, z = Replay(drawn, often, None, 8).labels(), drawn.normal(8)
    gone = wanted != 2
    assert gone.any()
    assert torch.equal(labels, torch.where(gone, wanted, 2))
    assert torch.equal(images[gone], strategy.teacher.eval()(z[gone], wanted[gone]).detach())


def test_a_buffer_is_drawn_once_an_experience_and_then_kept():
    strategy = learned("mergan-jtr", buffer=3)
    kept = strategy.stored.clone()
    assert kept.shape == (CLASSES, 3, 1, 16, 16)
    assert kept[:2].flatten(2).float().std(2).min() > 0
    assert not kept[2:].any()
    images, labels = strategy.feed(feed_of(2)).batch()
    as_bytes = ((images + 1) * 127.5).round().to(torch.uint8)
    for image, label in zip(as_bytes, labels.tolist(), strict=True):
        if label != 2:
            assert any(torch.equal(image, stored) for stored in kept[label])
    strategy.step(feed_of(2))
    assert torch.equal(strategy.stored, kept)


def test_without_earlier_classes_a_strategy_is_the_gan_itself():
    for name in set(STRATEGIES) - {"dgr", "modulators"}:
        strategy, plain = make(name), make("2ngan", **LIKE)
        strategy.begin(feed_of(0, 1), strategy.sampler)
        for model in (strategy, plain):
            torch.manual_seed(1)
            model.step(feed_of(0, 1))
        ours, theirs = strategy.learner.state_dict(), plain.state_dict()
        assert all(torch.equal(ours[k], theirs[k]) for k in theirs), name


# --- a solver -----------------------------------------------------------------------------------


def test_solver_and_gan_learn_from_the_same_images(monkeypatch):
    strategy = make("dgr", candidates=3)
    strategy.begin(feed_of(0, 1), strategy.sampler)
    strategy.step(feed_of(0, 1))
    strategy.begin(feed_of(2), copy.deepcopy(strategy.sampler))
    shown = []
    judge = strategy.learner._judge
    monkeypatch.setattr(
        strategy.learner,
        "_judge",
        lambda feed, x, y, z=None: shown.append(x) or judge(feed, x, y, z),
    )
    prepare = strategy.solver.prepare
    monkeypatch.setattr(strategy.solver, "prepare", lambda x: shown.append(x) or prepare(x))
    terms = strategy.step(feed_of(2))
    assert set(terms) == {"d/adversarial", "g/adversarial", "solver/class"}
    real, seen_by_solver = shown[0], shown[-1]
    assert torch.equal(((real + 1) * 127.5).round().clamp(0, 255).to(torch.uint8), seen_by_solver)


def test_replays_carry_the_old_solvers_labels():
    strategy = make("dgr", candidates=3)
    strategy.begin(feed_of(0, 1), strategy.sampler)
    z, y = torch.randn(5, 8), torch.zeros(5, dtype=torch.long)
    images, labels = strategy._recall(z, y)
    assert torch.equal(images, strategy.teacher.generator.eval()(z, None))
    assert torch.equal(labels, strategy.teacher.named(images).argmax(1))


def test_asked_for_a_class_the_first_image_is_taken_that_the_solver_names_so():
    sampler = make("dgr", candidates=6).sampler.eval()
    y = torch.arange(4).repeat(2)
    z = sampler.latents(y, torch.Generator().manual_seed(0))
    assert z.shape == (8, 6, 8)
    drawn, found = sampler(z, y), set()
    for i in range(8):
        candidates = sampler.generator(z[i], None)
        scores = sampler.named(candidates)
        hits = (scores.argmax(1) == y[i]).nonzero()
        others = scores.clone()
        others[:, y[i]] = -torch.inf
        nearest = (scores[:, y[i]] - others.amax(1)).argmax()
        expected = hits[0, 0] if len(hits) else nearest
        assert torch.allclose(drawn[i], candidates[expected], atol=1e-5)
        found.add(len(hits) > 0)
    assert found == {True, False}  # some are named so, and some of no candidate


# --- elastic weights ----------------------------------------------------------------------------


@pytest.mark.parametrize("gan", ["2ngan", "acgan", "sngan-projection"])
def test_springs_are_slack_where_they_begin_and_pull_back(gan):
    strategy = learned(f"ewc:{gan}", fisher_samples=20, elastic=2.0)
    assert strategy.held(feed_of(2))["elastic"].item() == 0.0
    fisher = dict(strategy.springs.information.named_parameters())
    assert sum(f.sum() for f in fisher.values()) == pytest.approx(
        sum(f.numel() for f in fisher.values()), rel=1e-4
    )
    with torch.no_grad():
        for weight in strategy.sampler.parameters():
            weight.add_(0.5)
    expected = sum(float(f.sum()) for f in fisher.values()) * 0.25
    assert strategy.held(feed_of(2))["elastic"].item() == pytest.approx(expected, rel=1e-4)


def test_information_is_of_each_samples_own_gradient():
    strategy = learned("ewc", fisher_samples=6)
    y = torch.tensor([0, 1] * 3)
    z = strategy.sampler.latents(y, torch.Generator().manual_seed(0))
    strategy.learner.eval()
    found = importance(strategy.sampler, strategy.learner.realness, z, y)
    squares = {n: torch.zeros_like(p) for n, p in strategy.sampler.named_parameters()}
    for i in range(6):
        strategy.zero_grad()
        image = strategy.sampler(z[i : i + 1], y[i : i + 1])
        real = strategy.learner.realness(image, y[i : i + 1])
        torch.nn.functional.logsigmoid(real).sum().backward()
        for name, p in strategy.sampler.named_parameters():
            squares[name] += p.grad.square() / 6
    for name, square in squares.items():
        assert torch.allclose(found[name], square, rtol=1e-3, atol=1e-9), name


def test_rows_of_classes_not_learned_yet_stay_free():
    strategy = learned("ewc", fisher_samples=20)
    scale = dict(strategy.springs.information.named_parameters())["trunk.norms.0.scale"]
    assert (scale[:2].sum(1) > 0).all()
    assert not scale[2:].any()


def test_online_information_adds_up():
    one, two = (learned("ewc", fisher_samples=20, fisher=f) for f in ("last", "online"))
    for strategy in (one, two):
        first = copy.deepcopy(dict(strategy.springs.information.named_parameters()))
        strategy.begin(feed_of(3), strategy.sampler)
        now = dict(strategy.springs.information.named_parameters())
        if strategy is two:
            assert all((now[n] >= first[n]).all() for n in first)
            assert sum(f.sum() for f in now.values()) == pytest.approx(
                2 * sum(f.numel() for f in now.values()), rel=1e-4
            )


# --- modulators ---------------------------------------------------------------------------------


def shaken(module):
    """Every parameter moved at random."""
    with torch.no_grad():
        for value in module.parameters():
            value.add_(0.1 * torch.randn_like(value))


def test_the_first_experience_is_the_gan_itself_and_the_next_begins_there():
    strategy, plain = make("modulators"), make("2ngan", **LIKE)
    strategy.begin(feed_of(0, 1), strategy.sampler)
    for model in (strategy, plain):
        torch.manual_seed(1)
        model.step(feed_of(0, 1))
    theirs = plain.state_dict()
    for name, value in strategy.learner.state_dict().items():
        if "modulators" not in name and not name.endswith("number"):
            assert torch.equal(value, theirs[name.replace("generator.base", "generator")]), name
    strategy.begin(feed_of(2), copy.deepcopy(strategy.sampler))
    z, y = torch.randn(3, 8), torch.tensor([2, 2, 2])
    assert strategy.sampler.number.tolist() == [0, 0, 1, 0]
    assert torch.equal(strategy.sampler(z, y), plain.generator(z, y))


@pytest.mark.parametrize(("shape", "taps"), [((5, 3, 4, 4), (2, 3)), ((5, 3), (1,))])
def test_a_weight_is_normalised_then_scaled_and_shifted_as_in_the_paper(shape, taps):
    weight, modulator = torch.randn(shape), WeightModulator(torch.empty(shape), 0)
    shaken(modulator)
    std = weight.std(taps, correction=0, keepdim=True)
    mean = weight.mean(taps, keepdim=True)
    gamma = std + modulator.scale().view_as(std)
    beta = mean + modulator.shift().view_as(mean)
    assert torch.allclose(modulator(weight), gamma * (weight - mean) / std + beta, atol=1e-6)


def test_a_pointwise_kernel_is_only_shifted():
    weight, modulator = torch.randn(5, 3, 1, 1), WeightModulator(torch.empty(5, 3, 1, 1), 0)
    shaken(modulator)
    assert torch.allclose(modulator(weight)[:, :, 0, 0], weight[:, :, 0, 0] + modulator.shift())


def test_changes_of_low_rank_are_of_low_rank_and_smaller():
    modulator = WeightModulator(torch.empty(8, 6, 4, 4), 2)
    assert not modulator.shift().any()
    shaken(modulator)
    assert torch.linalg.matrix_rank(modulator.shift()) == 2
    assert sum(p.numel() for p in modulator.parameters()) == 2 * 2 * (8 + 6)


@pytest.mark.parametrize("gan", ["2ngan", "acgan", "sngan-projection", "tacgan"])
@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("keep_moments", [False, True])
def test_an_experience_changes_its_own_modulator_and_nothing_else(gan, norm, keep_moments):
    strategy = learned(f"modulators:{gan}", norm=norm, keep_moments=keep_moments)
    strategy.step(feed_of(2))
    strategy.begin(feed_of(3), copy.deepcopy(strategy.sampler))
    before = copy.deepcopy(strategy.sampler.state_dict())
    strategy.step(feed_of(3))
    moved = {k for k, v in strategy.sampler.state_dict().items() if not torch.equal(v, before[k])}
    assert moved
    assert all(name.startswith("modulators.1.") for name in moved)


def test_images_of_mixed_experiences_are_those_of_each():
    sampler = make("modulators").sampler
    sampler.number.copy_(torch.tensor([0, 2, 1, 0]))
    shaken(sampler)
    z, y = torch.randn(9, 8), torch.tensor([1, 2, 0, 3, 2, 1, 1, 0, 2])
    drawn = sampler(z, y)
    for i in range(9):
        assert torch.allclose(drawn[i], sampler(z[i : i + 1], y[i : i + 1])[0], atol=1e-5)
    assert not torch.allclose(drawn, sampler.base(z, y), atol=1e-3)


def test_what_was_learned_comes_back_bit_by_bit(tmp_path):
    given = {"stream": "1,0/2/3", "steps": 4} | SMALL
    run = fewgan.train("modulators", "digits", out=tmp_path / "r", **given)

    def fingerprint(label, learned):
        images = run.sample(8, label=label, which=learned)
        return hashlib.sha256(images.numpy().tobytes()).hexdigest()

    for label, since in ((0, 1), (1, 1), (2, 2)):
        prints = {fingerprint(label, learned) for learned in range(since, 4)}
        assert len(prints) == 1, label
        assert fingerprint(label, since - 1) not in prints
    kept = [run.about[learned].get("bytes_kept") for learned in range(1, 4)]
    each = sum(p.nbytes for p in run.sampler(3).modulators[0].parameters())
    assert kept == [0, each, 2 * each]


# --- experiences --------------------------------------------------------------------------------


def test_an_experience_makes_what_was_learned_old_and_forgets_moments():
    strategy = learned("sequential")
    assert strategy.old.tolist() == [True, True, False, False]
    assert strategy.now.tolist() == [False, False, True, False]
    assert not any(optimizer.state for optimizer in strategy.optimizers.values())
    kept = learned("sequential", keep_moments=True)
    assert all(optimizer.state for optimizer in kept.optimizers.values())


def test_bytes_kept_are_those_of_teacher_and_buffer():
    generator = sum(t.nbytes for t in make("2ngan", norm="instance").sampler.state_dict().values())
    classes = 2 * CLASSES  # which are old, which are new
    assert make("sequential").bytes_kept == classes
    assert make("mergan-ra").bytes_kept == classes + generator
    images = 5 * 16 * 16
    assert make("mergan-jtr", buffer=5).bytes_kept == classes + generator
    assert learned("mergan-jtr", buffer=5).bytes_kept == classes + generator + 2 * images


def poisoned(monkeypatch, classes):
    """From now on, `digits` comes with noise in place of the images of some classes."""
    original = fewgan.api.selection.training_images

    def training_images(source, division):
        images = original(source, division)
        noise = torch.randint_like(images.images, 256)
        strange = torch.isin(images.labels, torch.tensor(classes))[:, None, None, None]
        object.__setattr__(images, "images", torch.where(strange, noise, images.images))
        return images

    monkeypatch.setattr("fewgan.api.selection.training_images", training_images)


@pytest.mark.parametrize("name", [s for s in STRATEGIES if s != "joint"])
def test_images_of_other_experiences_are_never_looked_at(name, tmp_path, monkeypatch):
    given = {"stream": "0/1/2", "steps": 4} | SMALL
    clean = fewgan.train(name, "digits", out=tmp_path / "clean", **given)
    poisoned(monkeypatch, [2])
    other = fewgan.train(name, "digits", out=tmp_path / "other", **given)

    def weights(run, learned):
        return read_tensors(run.folder.kept(learned))[0]

    for learned_ in (0, 1, 2):
        one, two = weights(clean, learned_), weights(other, learned_)
        assert all(torch.equal(one[k], two[k]) for k in one)
    one, two = weights(clean, 3), weights(other, 3)
    assert not all(torch.equal(one[k], two[k]) for k in one)


def test_joint_sees_all_images_for_as_many_steps(tmp_path):
    run = fewgan.train("joint", "digits", out=tmp_path / "r", stream="0/1/2", steps=4, **SMALL)
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").open()]
    assert lines[-1]["step"] == 12
    assert lines[-1]["images"] == 12 * 8
    assert not run.folder.kept(0).exists()


def test_the_stream_is_measured_after_every_experience(tmp_path):
    run = fewgan.train("mergan-ra", "digits", out=tmp_path / "r", stream="1,0/2", steps=4, **SMALL)
    result = fewgan.evaluate(run, "digits", n=100, metrics=["accuracy"], progress=False)["stream"]
    assert result["experiences"] == [["1", "0"], ["2"]]
    assert [len(row) for row in result["accuracy"]] == [3, 3, 3]
    last = torch.tensor(result["accuracy"][-1])
    assert result["figures"]["accuracy"]["final"] == pytest.approx(
        float((last[:2].mean() + last[2]) / 2)
    )
    assert result["images_seen"] == [0, 32, 64]
    assert result["bytes_kept"][0] == result["bytes_kept"][2] > 0
    for picture in ("stream.png", "stream-accuracy.png"):
        assert (run.folder.samples / picture).exists()


def test_a_stream_that_has_not_ended_is_not_measured(tmp_path):
    run = fewgan.train("sequential", "digits", out=tmp_path / "r", stream="0/1", steps=2, **SMALL)
    with pytest.raises(fewgan.errors.InputError, match="real images, and the figures"):
        fewgan.evaluate(run, "digits", n=3, metrics=["accuracy"], progress=False)
    run.folder.kept(2).unlink()
    with pytest.raises(fewgan.errors.InputError, match="1 of 2 experiences: fewgan resume it"):
        fewgan.evaluate(run, "digits", n=100, metrics=["accuracy"], progress=False)


def test_of_all_at_once_nothing_is_transferred(tmp_path):
    run = fewgan.train("joint", "digits", out=tmp_path / "r", stream="0/1/2", steps=2, **SMALL)
    result = fewgan.evaluate(run, "digits", n=100, metrics=["accuracy"], progress=False)
    assert set(result["stream"]["figures"]["accuracy"]) == {"final"}
    values = {f["name"]: f["value"] for f in result["figures"]}
    assert values["forward_transfer"] is values["bytes_kept"] is None


@pytest.mark.parametrize(
    ("gan", "norm"),
    [("wgan-gp", "none"), ("acgan", "none"), ("2ngan", "batch"), ("sngan-projection", "batch")],
)
def test_beside_a_penalty_no_image_is_judged_by_its_batch(gan, norm):
    settings = methods.find(f"mergan-ra:{gan}").Settings()
    assert settings.d_norm == norm
    assert settings.norm == "instance"


# --- asked for wrongly --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mergan-ra"], "say which, as --stream 0/1/2"),
        (["acgan", "--stream", "0/1"], "mergan-ra:acgan"),
        (["acgan", "--order-seed", "1"], "there is none: give --stream too"),
        (["mergan-ra", "--stream", "0/1", "--minutes", "1"], "--minutes does not go with --stream"),
        (["mergan-ra", "--stream", "0/1", "--classes", "0"], "--classes does not go with"),
        (["mergan-ra", "--stream", "0/0"], "twice"),
        (["mergan-ra", "--stream", "0//1"], "empty place"),
        (["mergan-ra", "--stream", "0/zebra"], "zebra"),
        (
            ["mergan-ra:cyclegan", "--stream", "0/1"],
            "wraps a two-player GAN, which cyclegan is not",
        ),
        (["mergan-ra:mergan-jtr", "--stream", "0/1"], "wraps a two-player GAN"),
        (["sequential:ewc-few", "--stream", "0/1"], "wraps a two-player GAN"),
        (["mergan-ra", "--stream", "0/1", "--novel", "1"], "--novel does not go with --stream"),
        (["mergan-ra", "--stream", "0/1", "--novel-count", "1"], "does not go with --stream"),
        (["mergan-ra:dcgan", "--stream", "0/1", "--labels", "none"], "wrap a conditional GAN"),
        (["dgr:acgan", "--stream", "0/1", "--labels", "norm"], "a GAN that knows no classes"),
        (["acgan:2ngan"], "acgan wraps no other method"),
        (["mergan-ra:nothing", "--stream", "0/1"], "nothing"),
    ],
)
def test_one_line_says_what_is_wrong(words, said, tmp_path, capsys):
    code = main(["train", *words, "--data", "digits", "--out", str(tmp_path / "run")])
    lines = capsys.readouterr().err.strip().splitlines()
    assert (code, len(lines)) == (2, 1), lines
    assert said in lines[0]
    assert not (tmp_path / "run").exists()
