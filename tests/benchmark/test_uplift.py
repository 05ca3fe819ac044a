"""Does it help? Pairs that differ in one thing only, and an answer that follows from figures."""

import dataclasses
import json
import math

import pytest
import torch

import fewgan
from conftest import make_blobs
from fewgan.benchmark import classifiers
from fewgan.benchmark import uplift as module
from fewgan.benchmark.classifiers import WAYS, Plan, Way, _batches, right, train
from fewgan.benchmark.estimates import estimate
from fewgan.benchmark.uplift import _check_filled, _result, gain, verdict
from fewgan.cli import main
from fewgan.errors import InputError
from fewgan.files import read_json
from fewgan.metrics.augment import AUGMENTS
from fewgan.report.page import page
from fewgan.report.view import RunView

QUICK = Plan(updates=6, batch=8)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    few = {"size": 16, "width": 4, "steps": 2, "batch_size": 8, "check_images": 40}
    return fewgan.train("acgan", "digits", out=out, shots=6, progress=False, **few)


def shown(**changes):
    return dataclasses.replace(make_blobs(40, 4), **changes)


def pool():
    """Images that no real one is: all of one shade, by class."""
    real = make_blobs(80, 4)
    shade = (real.labels[:, None, None, None] * 3 + 1).expand_as(real.images)
    return dataclasses.replace(real, images=shade.to(torch.uint8).contiguous())


# --- what a classifier is shown ------------------------------------------------------------------


def batches(way, plan=QUICK, seed=0):
    return list(_batches(shown(), pool(), way, plan, seed))


def test_ways_are_shown_the_same_real_images_and_labels():
    plain, half = batches(Way()), batches(Way(generated=True))
    kinds = []
    for (x, y), (other, labels) in zip(plain, half, strict=True):
        assert torch.equal(y, labels)
        alike = (x == other).flatten(1).all(1)
        made = (other.flatten(1) == (labels * 3 + 1)[:, None]).all(1)
        assert torch.equal(made, ~alike)
        kinds.append(made)
    assert 0.3 < torch.cat(kinds).float().mean() < 0.7


def test_augmentations_change_neither_labels_nor_which_images(monkeypatch):
    def spend(x, flip, generator):
        torch.rand(7, generator=generator)
        return x

    monkeypatch.setattr(classifiers, "AUGMENTS", dict.fromkeys(AUGMENTS, spend))
    plain, half = batches(Way()), batches(Way(generated=True))
    for name, way in WAYS.items():
        shown_plain = half if way.generated else plain
        for (x, y), (other, labels) in zip(shown_plain, batches(way), strict=True):
            assert torch.equal(y, labels), name
            assert torch.equal(x, other), name


def test_a_batch_can_be_all_of_one_kind_and_generated_ones_can_come_late():
    plan = QUICK.model_copy(update={"mix": "batch", "updates": 60})
    kinds = {
        (x.flatten(1) == (y * 3 + 1)[:, None]).all(1).sum().item()
        for x, y in batches(Way(generated=True), plan)
    }
    assert kinds == {0, 8}
    late = QUICK.model_copy(update={"share": 1.0, "begin": 0.5})
    made = [
        bool((x.flatten(1) == (y * 3 + 1)[:, None]).all())
        for x, y in batches(Way(generated=True), late)
    ]
    assert made == [False] * 3 + [True] * 3


def test_rare_classes_are_shown_as_often():
    real = make_blobs(400, 2)
    keep = torch.cat([(real.labels == 0).nonzero().flatten(), torch.tensor([1, 3])])
    plan = QUICK.model_copy(update={"updates": 100})
    labels = torch.cat([y for _, y in _batches(real.take(keep), pool(), Way(), plan, 0)])
    assert 0.4 < labels.float().mean() < 0.6


def test_equal_seeds_begin_alike_and_learn():
    plan = QUICK.model_copy(update={"updates": 40, "batch": 16})
    test = make_blobs(60, 4, seed=5)
    one, again = (train(shown(), pool(), Way(), plan, 3) for _ in range(2))
    assert all(map(torch.equal, one.state_dict().values(), again.state_dict().values()))
    assert right(one, test).float().mean() > 0.9
    confused = dataclasses.replace(
        pool(), labels=(pool().labels + 1) % 4, images=shown().images.repeat(2, 1, 1, 1)
    )
    bad = plan.model_copy(update={"share": 1.0})
    assert right(train(shown(), confused, Way(generated=True), bad, 3), test).float().mean() < 0.3


def test_a_classifier_of_real_images_only_is_trained_once(monkeypatch, tmp_path):
    monkeypatch.setenv("FEWGAN_HOME", str(tmp_path))
    trained = []
    monkeypatch.setattr(classifiers, "train", lambda *given: trained.append(given) or train(*given))
    test = make_blobs(30, 4, seed=9)

    def ask(way=Way(), plan=QUICK, seed=0, of=shown(), made=pool()):  # noqa: B008
        before = len(trained)
        hits = classifiers.named_right(of, made, test, way, plan, seed)
        assert hits.shape == (30,)
        assert hits.dtype == torch.bool
        return hits, len(trained) - before

    first, times = ask()
    assert times == 1
    again, times = ask(made=make_blobs(80, 4, seed=5))  # other generated images: nothing to it
    assert times == 0
    assert torch.equal(first, again)
    others = [{"seed": 1}, {"way": Way("cutout")}, {"of": shown(flip=True)}]
    others += [{"plan": QUICK.model_copy(update={"updates": 7})}, {"of": make_blobs(44, 4)}]
    assert [ask(**other)[1] for other in others] == [1] * 5
    assert [ask(Way(generated=True))[1] for _ in range(2)] == [1, 1]
    for file in tmp_path.rglob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:-3])
    again, times = ask()
    assert times == 1
    assert torch.equal(first, again)


# --- what it says ---------------------------------------------------------------------------------


def test_an_interval_is_over_classifiers_and_over_test_images():
    by_seed = torch.tensor([1.0, 2.0, 1.0])[:, None]
    found = gain(by_seed.expand(3, 50))  # alike on all images
    assert found.mean == pytest.approx(4 / 3)
    over_seeds = 4.3027 * (1 / 3) ** 0.5 / 3**0.5
    assert found.half == pytest.approx(over_seeds, rel=1e-4)
    by_image = torch.randn(50, generator=torch.Generator().manual_seed(1))
    both = gain(by_seed + by_image)
    assert both.half == pytest.approx(math.hypot(over_seeds, 1.96 * by_image.std() / 50**0.5), 1e-4)


def test_classifiers_that_agree_on_seven_images_prove_nothing():
    one_in_seven = torch.tensor([100.0] + [0.0] * 6).expand(3, 7)
    found = gain(one_in_seven)
    assert found.mean == pytest.approx(100 / 7)
    assert found.low < 0
    assert verdict(found, found, "both", "cutout").startswith("not shown")


@pytest.mark.parametrize(
    ("alone", "beyond", "answer", "advice"),
    [
        (
            [3.0, 3.2, 3.1],
            [1.0, 1.1, 1.2],
            "yes: +3.1 +- 0.2 points",
            "both +1.1 +- 0.2 over cutout: use both",
        ),
        ([3.0, 3.2, 3.1], [-2, -2.1, -2.2], "not enough: +3.1 +- 0.2 points", "use cutout"),
        ([-1.0, -1.4, -1.2], [-2, -2.1, -2.2], "no: -1.2 +- 0.5 points", "use cutout"),
        ([-1.0, 1.4, 0.2], [0.1, -0.1, 0.1], "not shown: ", "neither is shown to be better"),
        ([2.0], [1.0], "not shown: +2.0 points", "neither is shown to be better"),
    ],
)
def test_the_answer_follows_from_the_intervals(alone, beyond, answer, advice):
    sentence = verdict(estimate(alone), estimate(beyond), "both", "cutout")
    assert sentence.startswith(answer)
    assert sentence.endswith(advice)


LABELS = torch.arange(100) % 2  # of images tested on: half of them are of class a


def hits(**points):
    """Right answers of two classifiers of each way, first of class a; those not named have 50."""
    order = torch.argsort(LABELS, stable=True)
    found = {}
    for name in WAYS:
        had = torch.zeros(2, 100, dtype=torch.bool)
        for seed, share in enumerate(
            points.get(name.replace("+", "_").replace("-", "_"), (50, 50))
        ):
            had[seed, order[:share]] = True
        found[name] = had
    return found


def test_the_best_with_is_set_against_the_best_without():
    harmful = hits(real=(90, 90), cutout=(80, 81), generated=(85, 85), generated_cutout=(84, 84))
    found = _result(harmful, LABELS, ["a", "b"])
    last = found["gains"]["uplift_over_classic"]
    assert (last["of"], last["over"], last["mean"]) == ("generated", "real", pytest.approx(-5))
    assert found["verdict"].endswith("over real: use real")
    helpful = hits(randaugment=(91, 92), generated_randaugment=(93, 94), generated=(70, 71))
    found = _result(helpful, LABELS, ["a", "b"])
    last = found["gains"]["uplift_over_classic"]
    assert (last["of"], last["over"]) == ("generated+randaugment", "randaugment")
    assert last["values"] == pytest.approx([2, 2])
    assert found["gains"]["uplift_randaugment"]["mean"] == pytest.approx(2)
    assert found["ways"]["generated"]["recall"]["a"]["mean"] == pytest.approx(100)
    assert found["ways"]["generated"]["recall"]["b"]["mean"] == pytest.approx(41)
    assert found["recall_gains"]["a"]["mean"] == pytest.approx(0)
    assert found["recall_gains"]["b"]["mean"] == pytest.approx(41)


# --- as a command ---------------------------------------------------------------------------------


def test_every_way_is_measured_on_images_held_out(run, monkeypatch, capsys):
    monkeypatch.setattr(module, "POOL", 50)
    words = f"uplift {run.path} --data digits --seeds 2 --updates 3 --shots 4"
    assert main(words.split()) == 0
    printed = capsys.readouterr().out
    assert "points over real images alone" in " ".join(printed.split())
    result = read_json(run.path / "uplift.json")
    assert set(result["ways"]) == set(WAYS)
    assert [len(way["accuracy"]["values"]) for way in result["ways"].values()] == [2] * len(WAYS)
    assert set(result["ways"]["real"]["recall"]) == set("0123456789")
    assert result["verdict"] in (run.path / "README.md").read_text()
    assert result["verdict"] in page(RunView.read(run.path))
    card = result["card"]
    assert card["tested"] == 355
    assert card["shown"].startswith("0 4, 1 4")
    assert card["generator_saw"] == 60
    assert "more real images than the classifiers" in card["note"]
    assert main([*words.split(), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == result["verdict"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"shots": 7}, "6 images"),
        ({"seeds": 0}, "give --seeds 3"),
        ({"share": 0.0}, "setting share = 0.0"),
        ({"begin": 1.0}, "setting begin = 1.0"),
        ({"updates": 0}, "setting updates = 0"),
        ({"updates": "x"}, "setting updates = 'x'"),
        ({"mix": "foo"}, "setting mix = 'foo'"),
        ({"rate": -1.0}, "setting rate = -1.0"),
        ({"classifier": "vgg"}, "there is no classifier 'vgg'"),
        ({"speed": 3}, "unknown setting 'speed'"),
    ],
)
def test_what_cannot_be_measured_is_refused(run, given, said):
    with pytest.raises(InputError, match=said):
        fewgan.uplift(run, "digits", progress=False, **given)


def test_a_class_without_images_is_refused():
    whole = make_blobs(20, 2)
    _check_filled(whole)
    with pytest.raises(InputError, match="no images of class 'band 0'"):
        _check_filled(whole.take((whole.labels == 1).nonzero().flatten()))


def test_images_without_labels_teach_nothing(tmp_path):
    few = {"size": 16, "width": 4, "steps": 1, "batch_size": 8, "check_images": 40}
    bare = fewgan.train("dcgan", "digits", out=tmp_path, labels="none", progress=False, **few)
    with pytest.raises(InputError, match="have no labels"):
        fewgan.uplift(bare, "digits", progress=False)
