"""Measuring some classes only: of generated and of real images, by a judge that knows them all."""

import pytest
import torch

import fewgan
from conftest import make_blobs, write_folder
from fewgan.benchmark.evaluation import _only, _places, real_images
from fewgan.cli import main
from fewgan.errors import InputError

SMALL = {"size": 16, "width": 4, "batch_size": 8, "steps": 2, "check_images": 40}
QUICK = {"progress": False, **SMALL}
ASKED = {"n": 60, "metrics": ["is", "kid", "accuracy"], "progress": False}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    novel = {"novel": "5,7", "shots": 4, "classes": "1,5,7,8"}
    return fewgan.train("acgan", "digits", out=out, class_balance=True, **novel, **QUICK)


def test_images_that_were_trained_on_are_no_strangers_in_another_folder(tmp_path):
    every = make_blobs(40)
    few = write_folder(every.take(torch.arange(10)), tmp_path / "few")
    run = fewgan.train("acgan", str(few), out=tmp_path / "run", holdout=0, **QUICK)
    whole = write_folder(every, tmp_path / "whole")
    reference = real_images(run, str(whole)).reference
    assert len(reference) == 30
    assert reference.name.endswith("without 10 that were trained on")
    again = write_folder(every.take(torch.arange(8)), tmp_path / "again")
    with pytest.raises(InputError, match=r"every image of .* was trained on"):
        real_images(run, str(again))


def test_what_was_skipped_in_training_is_skipped_again(tmp_path):
    folder = write_folder(make_blobs(40), tmp_path / "photos")
    (folder / "band 0" / "broken.png").write_bytes(b"no picture")
    with pytest.warns(UserWarning, match="left out"):
        run = fewgan.train("acgan", str(folder), out=tmp_path / "run", skip_corrupt=True, **QUICK)
    with pytest.warns(UserWarning, match="left out"):
        real = real_images(run, str(folder))
    assert len(real.reference) == 8


def figures_of(result):
    return {figure["name"]: figure for figure in result["figures"]}


def test_only_these_are_drawn_and_compared_with_their_own_kind(run):
    fake = run.imageset(60, label=["7", "5"])
    assert fake.labels.tolist() == [2, 1] * 30
    whole = real_images(run, "digits")
    places = _places(run, ["7", "5"], whole.reference.class_names)
    assert places == [2, 1]
    real, made = _only(run, places, "digits", whole, fake)
    assert real.reference.class_names == real.train.class_names == made.class_names == ("7", "5")
    assert made.labels.tolist() == [0, 1] * 30
    assert real.train.counts() == [4, 4]
    assert real.judge.class_names == tuple("0123456789")
    digits = fewgan.datasets.load("digits", "test", size=16)
    sevens = digits.images[digits.labels == 7]
    assert torch.equal(real.reference.images[real.reference.labels == 0], sevens)


def test_the_judge_may_answer_with_any_class_of_the_data(run):
    figures = figures_of(fewgan.evaluate(run, "digits", classes=["5", "7"], **ASKED))
    assert set(figures["accuracy"]["per_class"]) == {"5", "7"}
    assert figures["accuracy"]["real"] > 0.95
    note = figures["is"]["card"]["note"]
    assert note == "of 10 at most; 2 classes, each image sure of its own, score 2"
    assert figures["is"]["real"] < 2.2
    assert figures["kid"]["card"]["train"].endswith("8 images")


def test_what_knows_no_classes_is_measured_whole(tmp_path):
    options = {"classes": "5,7", "labels": "none", "out": tmp_path / "run"}
    run = fewgan.train("dcgan", "digits", **options, **QUICK)
    figures = figures_of(fewgan.evaluate(run, "digits", classes=["5"], **ASKED))
    assert figures["accuracy"]["value"] is None
    assert figures["kid"]["card"]["n_fake"] == 60
    assert figures["kid"]["card"]["n_real"] < 45  # test images of one class


def test_classes_that_a_run_has_not_learned_are_named(run, capsys):
    with pytest.raises(InputError, match="unknown class '2': choose from"):
        fewgan.evaluate(run, "digits", classes=["2"], **ASKED)
    words = f"evaluate {run.path} --data digits --classes 5,nine --n 40".split()
    assert main(words) == 2
    assert "'nine'" in capsys.readouterr().err


def test_a_twin_of_a_training_image_is_not_held_out(tmp_path):
    every = make_blobs(40)
    some = every.take(torch.cat([torch.arange(40), torch.arange(20)]))
    folder = str(write_folder(some, tmp_path / "photos"))
    run = fewgan.train("acgan", folder, out=tmp_path / "run", holdout=0.4, **QUICK)
    real = real_images(run, folder)
    seen = {image.numpy().tobytes() for image in real.train.images}
    assert 0 < len(real.reference) < 24
    assert not any(image.numpy().tobytes() in seen for image in real.reference.images)


def test_the_judge_of_few_images_learned_from_all_others(run):
    """Through a network that knows no classes, a classifier says which they are: a good one."""
    found = figures_of(fewgan.evaluate(run, "digits", extractor="random", **ASKED))
    judge, of_these = found["accuracy"]["card"]["about"], real_images(run, "digits").judge
    assert f"trained on {len(of_these)} images" in judge
    assert len(of_these) > 10 * len(real_images(run, "digits").train.of_classes([1]))
