"""Filtered samples: each test refuses what it is for, and the manifest tells it all."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

import fewgan
from conftest import make_blobs
from fewgan.cli import main
from fewgan.errors import InputError
from fewgan.files import read_json, sha256_file
from fewgan.report.filtering import Filter, Sieve, filtered, levelling
from fewgan.training import selection


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    small = {"size": 16, "width": 16, "steps": 500, "batch_size": 16, "check_images": 40}
    few = {"classes": "0,1", "check_every": 500, "progress": False}
    return fewgan.train("acgan", "digits", out=out, **small, **few)


@pytest.fixture(scope="module")
def tests():
    return Sieve(make_blobs(60, 2), Filter(confidence=0.9))


def test_an_image_of_another_class_is_refused(tests):
    other = make_blobs(20, 2, seed=5)
    for asked in (0, 1):
        passed = tests.passed(other.images, asked)["class"]
        assert torch.equal(passed, other.labels == asked)


def test_an_image_far_from_all_is_refused_and_new_ones_are_not(tests):
    zeros = make_blobs(60, 2, seed=7)
    zeros = zeros.images[zeros.labels == 0]
    passed = tests.passed(zeros, 0)
    assert passed["realness"].float().mean() > 0.6
    assert passed["copy"].all()
    black = torch.zeros(3, 1, 16, 16, dtype=torch.uint8)
    assert not tests.passed(black, 0)["realness"].any()


def test_a_copy_is_refused_even_with_some_noise(tests):
    shown = make_blobs(60, 2).images[:6]
    noisy = (shown.int() + torch.randint(-2, 3, shown.shape)).clamp(0, 255).to(torch.uint8)
    for images in (shown, noisy):
        assert not tests.passed(images, 0)["copy"].any()
    lenient = Sieve(make_blobs(60, 2), Filter(copy_ratio=0, neighbours=0))
    assert all(lenient.passed(shown, 0)[test].all() for test in ("copy", "realness"))


def test_a_copy_in_the_mirror_is_refused_where_training_mirrors():
    images = make_blobs(60, 2).images.clone()
    images[:, :, :, :8] += 40  # left is not right
    shown = dataclasses.replace(make_blobs(60, 2), images=images)
    turned = images[:6].flip(3)
    for flip in (True, False):
        sieve = Sieve(dataclasses.replace(shown, flip=flip), Filter())
        assert set(sieve.passed(turned, 0)["copy"].tolist()) == {not flip}


def test_what_is_kept_passes_and_is_the_same_for_the_same_seed(run):
    kept, manifest = filtered(run, {"0": 7, "1": 3}, rules=Filter(confidence=0.2))
    counts = manifest["classes"]
    assert kept.counts() == [counts["0"]["kept"], counts["1"]["kept"]] == [7, 3]
    source = selection.load_source(run.folder.read_config())
    train = selection.training_images(source, run.folder.read_splits())
    again = Sieve(train, Filter(confidence=0.2))
    for label in (0, 1):
        passed = again.passed(kept.images[kept.labels == label], label)
        assert all(test.all() for test in passed.values())
    same, _ = filtered(run, {"0": 7, "1": 3}, rules=Filter(confidence=0.2))
    assert torch.equal(kept.images, same.images)
    assert manifest["weights_sha256"] == sha256_file(run.folder.weights_file)
    _, of_last = filtered(run, {"0": 1}, rules=Filter(confidence=0.2), which="last")
    assert of_last["weights_sha256"] == sha256_file(run.folder.last)
    assert manifest["training_images_sha256"] == train.digest
    assert counts["0"]["drawn"] >= 7


def only_ones(sieve, images, label):
    """In place of the tests: what was asked to be a one passes, and nothing else."""
    fine = torch.ones(len(images), dtype=torch.bool)
    return {"class": fine & bool(label), "realness": fine, "copy": fine}


def test_a_class_that_passes_too_seldom_ends_short_and_is_named(run, monkeypatch, tmp_path, capsys):
    out = tmp_path / "kept"
    monkeypatch.setattr(Sieve, "passed", only_ones)
    words = f"sample {run.path} --n 2 --filter --out {out} --json"
    assert main(words.split()) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["too few passed of"] == "0"
    counts = read_json(out / "manifest.json")["classes"]["0"]
    assert (counts["kept"], counts["refused_by_class"]) == (0, counts["drawn"])


def test_an_export_has_its_manifest_beside_or_within(run, tmp_path):
    words = f"sample {run.path} --n 4 --filter --confidence 0.2 --seed 3 --out".split()
    assert main([*words, str(tmp_path / "few.npz")]) == 0
    arrays = np.load(tmp_path / "few.npz")
    assert arrays["images"].shape == (8, 16, 16, 1)
    assert arrays["labels"].tolist() == [0] * 4 + [1] * 4
    assert read_json(tmp_path / "few.manifest.json")["seed"] == 3
    assert main([*words, str(tmp_path / "few")]) == 0
    assert len(list((tmp_path / "few" / "1").glob("*.png"))) == 4
    assert Image.open(next((tmp_path / "few" / "1").glob("*.png"))).size == (16, 16)
    assert read_json(tmp_path / "few" / "manifest.json")["classes"]["1"]["kept"] == 4
    (tmp_path / "few" / "1" / "notes.txt").write_text("mine")
    words[words.index("--n") + 1] = "2"
    assert main([*words, str(tmp_path / "few"), "--overwrite"]) == 0
    left = sorted(path.name for path in (tmp_path / "few" / "1").iterdir())
    assert left == ["000002.png", "000003.png", "notes.txt"]  # none of the export before


def test_pictures_of_ones_own_are_not_taken_for_an_earlier_export(run, tmp_path):
    mine = tmp_path / "photos" / "1" / "000099.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    words = (
        f"sample {run.path} --n 2 --filter --confidence 0.2 --overwrite --out {tmp_path / 'photos'}"
    )
    assert main(words.split()) == 0
    assert mine.read_bytes() == b"mine"


def test_classes_are_brought_level(run, monkeypatch, tmp_path, capsys):
    training_images = selection.training_images

    def unequal(*given):
        images = training_images(*given)
        ones = (images.labels == 1).nonzero().flatten()[3:]
        keep = torch.ones(len(images), dtype=torch.bool)
        keep[ones] = False
        return images.take(keep.nonzero().flatten())

    monkeypatch.setattr(selection, "training_images", unequal)
    lacking = levelling(run)
    assert lacking["0"] == 0
    assert lacking["1"] > 100
    words = f"sample {run.path} --filter --level --confidence 0 --out {tmp_path / 'a'}"
    assert main(words.split()) == 0
    counts = read_json(tmp_path / "a" / "manifest.json")["classes"]
    assert counts["0"]["wanted"] == 0
    assert counts["1"]["wanted"] == lacking["1"]


def test_classes_that_are_level_have_nothing_to_bring(tmp_path):
    few = {"size": 16, "width": 4, "steps": 1, "batch_size": 8, "check_images": 40}
    level = fewgan.train("acgan", "digits", out=tmp_path, shots=4, progress=False, **few)
    with pytest.raises(InputError, match="are level, with 4 training images each"):
        levelling(level)


def test_runs_without_classes_or_judges_are_refused(run, tmp_path, capsys):
    with pytest.raises(InputError, match="no classes to be sure of"):
        Sieve(dataclasses.replace(make_blobs(), class_names=()), Filter())
    assert main(f"sample {run.path} --level --out {tmp_path / 'x.npz'}".split()) == 2
    assert "goes with --filter" in capsys.readouterr().err
    assert main(f"sample {run.path} --filter --out {tmp_path / 'x.jpg'}".split()) == 2


def test_nothing_that_stands_is_lost_and_nothing_to_draw_is_said(
    run, monkeypatch, tmp_path, capsys
):
    (tmp_path / "few.manifest.json").write_text("mine")
    words = f"sample {run.path} --n 2 --filter --confidence 0.2 --out {tmp_path / 'few.npz'}"
    assert main(words.split()) == 2
    assert "few.manifest.json already exists" in capsys.readouterr().err
    assert (tmp_path / "few.manifest.json").read_text() == "mine"
    assert not (tmp_path / "few.npz").exists()
    monkeypatch.setattr(Sieve, "passed", only_ones)
    words = f"sample {run.path} --n 2 --filter --label 0 --out {tmp_path / 'few.png'}"
    (tmp_path / "few.manifest.json").unlink()
    assert main(words.split()) == 2
    assert "refused 256 by class" in capsys.readouterr().err
    assert not (tmp_path / "few.manifest.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--n 0", "--n 0 asks for no images"),
        ("--level --n 9", "leave out --n"),
        ("--confidence 1.5", "setting confidence = 1.5"),
        ("--confidence nan", "setting confidence = nan"),
        ("--neighbours -1", "setting neighbours = -1"),
    ],
)
def test_what_no_image_can_pass_is_refused(run, tmp_path, capsys, words, said):
    assert main(f"sample {run.path} --filter {words} --out {tmp_path / 'a.npz'}".split()) == 2
    assert said in capsys.readouterr().err
