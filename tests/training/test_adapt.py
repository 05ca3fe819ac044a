"""Going on from a trained run with classes that it did not know."""

import pytest
import torch
from PIL import Image

import fewgan
from conftest import make_blobs, write_folder
from fewgan import api, methods
from fewgan.benchmark import evaluation
from fewgan.cli import main
from fewgan.files import read_tensors
from fewgan.methods.base import Learned
from fewgan.networks.build import ImageSpec
from fewgan.training import selection

SMALL = {"check_images": 40, "batch_size": 8, "progress": False}
NETWORKS = {"size": 16, "width": 4, "latent_dim": 8}


def trained(method, folder, data="digits", **settings):
    given = {"steps": 4} | SMALL | NETWORKS | settings
    return fewgan.train(method, data, out=folder, **given)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return trained("acgan", tmp_path_factory.mktemp("source") / "run", classes="0,1,2")


def grown(source, method, folder, **settings):
    given = {"data": "digits", "classes": "7,3", "steps": 4} | SMALL | settings
    return fewgan.adapt(source, method, out=folder, **given)


STRATEGIES = ["mergan-ra", "mergan-jtr", "jtr+ra", "sequential", "modulators"]


@pytest.mark.parametrize("method", STRATEGIES)
def test_new_classes_come_after_those_that_are_known(method, source, tmp_path):
    run = grown(source, method, tmp_path / "run")
    assert run.class_names == ("0", "1", "2", "3", "7")
    assert run.model["method"] == f"{method}:acgan"
    for label in ("0", "1", "2"):
        before = source.sample(6, label=label)
        assert torch.equal(run.sample(6, label=label, which=0), before)
        kept = torch.equal(run.sample(6, label=label), before)
        assert kept == (method == "modulators")
    before, after = run.sample(6, label="7", which=0), run.sample(6, label="7")
    assert not torch.equal(before, after)
    assert fewgan.load(source.path).class_names == ("0", "1", "2")  # which is left as it was


@pytest.mark.parametrize("method", ["mergan-ra", "modulators", "dgr"])
def test_a_run_that_keeps_learning_goes_on(method, tmp_path):
    first = trained(method, tmp_path / "a", stream="0/1/2")
    second = grown(first, method, tmp_path / "b", classes=None, stream="3/7")
    assert second.class_names == ("0", "1", "2", "3", "7")
    assert second.model["method"].partition(":")[0] == method
    z = first.sampler().latents(torch.tensor([1] * 6), torch.Generator().manual_seed(0))
    y = torch.ones(6, dtype=torch.long)
    if method != "dgr":  # whose solver sees what is unlike the classes it knows, too
        assert torch.equal(second.draw(z, y, 0), first.draw(z, y))
    if method == "modulators":
        assert second.sampler().number.tolist() == [0, 1, 2, 3, 4]
        assert torch.equal(second.draw(z, y), first.draw(z, y))


def test_images_of_known_classes_are_not_looked_at(source, tmp_path):
    run = grown(source, "mergan-ra", tmp_path / "run")
    division = run.folder.read_splits()
    labels = fewgan.datasets.load("digits", "train", size=16).labels[division.indices("train")]
    assert set(labels.tolist()) == {3, 7}


def test_what_was_known_is_measured_as_the_first_experience(source, tmp_path):
    run = grown(source, "modulators", tmp_path / "run", classes=None, stream="7/3")
    whole = fewgan.evaluate(run, "digits", n=100, metrics=["prdc", "accuracy"], progress=False)
    figures, result = {f["name"]: f for f in whole["figures"]}, whole["stream"]
    assert figures["recall"]["real"] > 0.8  # of all classes, and not of those that came last
    assert result["experiences"] == [["0", "1", "2"], ["7"], ["3"]]
    assert [len(row) for row in result["accuracy"]] == [5] * 4
    assert result["accuracy"][0] == result["accuracy"][1]  # there is no before
    assert result["figures"]["accuracy"]["backward_transfer"] == 0.0
    each = result["bytes_kept"][0]
    assert result["bytes_kept"] == [each, each, each, 2 * each]


def test_images_that_were_trained_on_are_never_measured_with(source, tmp_path):
    folder = tmp_path / "photos"
    images = fewgan.datasets.load("digits", "train", size=16)
    for label in (7, 8):
        (folder / f"new {label}").mkdir(parents=True)
        for i in (images.labels == label).nonzero().flatten()[:30].tolist():
            Image.fromarray(images.images[i, 0].numpy()).save(folder / f"new {label}" / f"{i}.png")
    run = grown(source, "mergan-ra", tmp_path / "run", data=str(folder), classes=None)
    assert run.class_names == ("0", "1", "2", "new 7", "new 8")
    assert len(run.folder.read_splits().indices("train")) == 2 * 24  # a fifth is held out
    with pytest.raises(fewgan.errors.InputError, match="no images of class '0'"):
        fewgan.evaluate(run, str(folder), n=50, progress=False)


def test_a_folder_of_all_classes_teaches_the_judge_and_is_compared_with(source, tmp_path):
    everything = make_folder(tmp_path / "all", "0", "1", "2", "new 7")
    few = make_folder(tmp_path / "few", "new 7")
    run = grown(source, "mergan-ra", tmp_path / "run", data=str(few), classes=None)
    real = evaluation.real_images(run, str(everything))
    assert real.judge.counts() == [25, 25, 25, 45]  # of the new class, all but a few were shown
    assert real.reference.counts() == [25, 25, 25, 5]
    both = torch.cat([real.judge.images, real.reference.images]).flatten(1)
    assert len(both.unique(dim=0)) == len(both)  # none is in both


def make_folder(folder, *names):
    images = fewgan.datasets.load("digits", "train", size=16)
    for name in names:
        (folder / name).mkdir(parents=True)
        for i in (images.labels == int(name[-1])).nonzero().flatten()[:50].tolist():
            Image.fromarray(images.images[i, 0].numpy()).save(folder / name / f"{i}.png")
    return folder


def test_known_classes_are_not_learned_again(source, tmp_path, capsys):
    words = ["adapt", str(source.path), "modulators", "--data", "digits", "--out"]
    assert main([*words, str(tmp_path / "r"), "--stream", "7/1"]) == 2
    assert "class '1' is known" in capsys.readouterr().err
    run = grown(source, "modulators", tmp_path / "all", classes=None)
    assert set(run.folder.read_splits().classes["experience 0"]) == set(range(3, 10))
    with pytest.raises(fewgan.errors.InputError, match="knows all classes of digits"):
        grown(run, "modulators", tmp_path / "none", classes=None)


def test_an_experience_without_images_is_refused_at_once():
    config = api.make_config(methods.find("sequential"), {"data": "x", "stream": "band 0/band 1"})
    with pytest.raises(fewgan.errors.InputError, match="'band 1' has no images in x"):
        selection.choose(config, make_blobs(20, 2).of_classes([0]))


def test_a_stream_that_has_not_ended_is_nothing_to_go_on_from(tmp_path):
    run = trained("sequential", tmp_path / "run", stream="0/1")
    method = run.method("best")
    method.now.zero_(), method.old.copy_(torch.tensor([True, False]))
    sampler = run.sampler("best")
    later = type(method)(method.settings, ImageSpec(1, 16, 3))
    with pytest.raises(fewgan.errors.InputError, match="fewgan resume it first"):
        later.adopt(Learned(sampler, method, 2))


def test_it_begins_again_where_nothing_was_saved_yet(source, tmp_path):
    whole = grown(source, "mergan-ra", tmp_path / "whole")
    other = grown(source, "mergan-ra", tmp_path / "other")
    folder = other.folder
    folder.last.unlink()
    folder.best.unlink(missing_ok=True)
    folder.log_file.write_text("")
    fewgan.resume(other.path, progress=False)
    one, two = (read_tensors(run.folder.weights_file)[0] for run in (whole, other))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_its_config_repeats_it(source, tmp_path, capsys):
    run = grown(source, "mergan-ra", tmp_path / "run")
    config = str(run.folder.config_file)
    assert main(["train", "--config", config, "--out", str(tmp_path / "again")]) == 0
    one, two = (read_tensors(p / "model.safetensors")[0] for p in (run.path, tmp_path / "again"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_command_says_what_it_did(source, tmp_path, capsys):
    words = ["adapt", str(source.path), "mergan-ra", "--data", "digits", "--classes", "8"]
    words += ["--steps", "2", "--check-images", "40", "--out", str(tmp_path / "run")]
    assert main([*words, "--json"]) == 0
    assert '"best step": 2' in capsys.readouterr().out
    assert fewgan.load(tmp_path / "run").class_names == ("0", "1", "2", "8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a run and a method"),
        (["{run}"], "can be adapted in many ways: name one"),
        (["{run}", "acgan"], "acgan begins anew: fewgan train acgan"),
        (["{run}", "joint"], "fewgan train joint"),
        (["{run}", "mergan-raa"], "mergan-ra"),
        (["nowhere", "mergan-ra"], "no run folder"),
        (["{run}", "mergan-ra", "--data", "nowhere"], "nowhere"),
        (["{run}", "mergan-ra"], "no data were named"),
        (["{run}", "mergan-ra", "--data", "digits", "--classes", "x"], "'x'"),
        (["{run}", "mergan-ra", "--data", "digits", "--width", "8"], "leave trunk, width"),
        (["{run}", "mergan-ra", "--data", "digits", "--minutes", "1"], "--minutes does not go"),
        (["{run}", "dgr", "--data", "digits"], "a GAN that knows no classes"),
        (["{plain}", "mergan-ra", "--data", "digits"], "knows no classes"),
    ],
)
def test_one_line_says_what_is_wrong(words, said, source, tmp_path, capsys):
    plain = tmp_path / "plain"
    if "{plain}" in words:
        trained("dcgan", plain, labels="none")
    given = [word.format(run=source.path, plain=plain) for word in words]
    code = main(["adapt", *given, "--out", str(tmp_path / "run")])
    lines = capsys.readouterr().err.strip().splitlines()
    assert (code, len(lines)) == (2, 1), lines
    assert said in lines[0]
    assert not (tmp_path / "run").exists()


# --- classes that come later --------------------------------------------------------------------


def chosen(**settings):
    kind = fewgan.methods.find("acgan")
    config = api.make_config(kind, {"data": "digits", "size": 16, **settings})
    source = selection.load_source(config)
    division = selection.choose(config, source)
    return source, division, selection.training_images(source, division)


def test_novel_classes_are_left_out_or_shown_a_few_images_of():
    _, division, images = chosen(novel="7,3")
    assert division.classes["novel"] == (3, 7)
    assert images.class_names == tuple("01245689")
    _, division, images = chosen(novel="7,3", shots=5)
    assert images.class_names == tuple("0123456789")
    counts = torch.tensor(images.counts())
    assert counts[[3, 7]].tolist() == [5, 5]
    assert counts[[0, 1, 2, 4, 5, 6, 8, 9]].min() > 100


def test_a_number_of_novel_classes_is_drawn_with_the_seed():
    drawn = [chosen(novel_count=4, seed=seed)[1].classes for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]["novel"]) == 4
    assert sorted([*drawn[0]["novel"], *drawn[0]["model"]]) == list(range(10))
    with pytest.raises(fewgan.errors.InputError, match="each side needs one"):
        chosen(novel_count=10)
    with pytest.raises(fewgan.errors.InputError, match="unknown class 'x'"):
        chosen(novel="x")


def test_of_data_without_a_test_split_all_that_is_not_shown_is_held_out(tmp_path):
    folder = str(write_folder(make_blobs(40, 4), tmp_path / "blobs"))
    few = {"data": folder, "novel": "band 1", "size": 16}
    source, division, _ = chosen(**few)
    held = source.labels[division.indices("holdout")]
    assert held.bincount(minlength=4).tolist() == [2, 0, 2, 2]  # a fifth of the base classes
    source, division, _ = chosen(**few, shots=3)
    shown, held = (source.labels[division.indices(part)] for part in ("train", "holdout"))
    assert shown.bincount().tolist() == [8, 3, 8, 8]
    assert held.bincount().tolist() == [2, 7, 2, 2]


def test_all_of_a_folder_can_be_the_few_images(tmp_path):
    folder = str(write_folder(make_blobs(10, 1), tmp_path / "photos"))
    for shots, held in ((10, 0), (9, 1), (5, 5)):
        _, division, images = chosen(data=folder, shots=shots)
        assert (len(images), len(division.indices("holdout"))) == (shots, held)
    with pytest.raises(fewgan.errors.InputError, match="10 images, 11 were asked for"):
        chosen(data=folder, shots=11)
