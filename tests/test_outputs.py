"""What the commands leave on disk: samples, walks, previews; and what they print."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import fewgan
from fewgan import outputs
from fewgan.cli import main
from fewgan.data.imageset import to_bytes
from fewgan.networks.latents import slerp

OPTIONS = {"size": 16, "width": 4, "batch_size": 8, "check_images": 20, "steps": 4}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on three of the ten digits, so that the model's numbers are not the data set's."""
    out = tmp_path_factory.mktemp("outputs") / "run"
    return fewgan.train("acgan", "digits", classes="2,5,7", out=out, progress=False, **OPTIONS)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    out = tmp_path_factory.mktemp("outputs") / "run"
    return fewgan.train("dcgan", "digits", out=out, progress=False, **OPTIONS)


def test_arrays_carry_the_data_sets_own_labels(run, tmp_path):
    outputs.save_samples(run, tmp_path / "a.npz", n=9)
    with np.load(tmp_path / "a.npz") as arrays:
        images, labels = arrays["images"], arrays["labels"]
    assert images.dtype == np.uint8
    assert images.shape == (9, 16, 16, 1)
    assert labels.dtype == np.int64
    assert sorted(labels.tolist()) == [2, 2, 2, 5, 5, 5, 7, 7, 7]
    outputs.save_samples(run, tmp_path / "b.npz", n=4, label="5")
    with np.load(tmp_path / "b.npz") as arrays:
        assert arrays["labels"].tolist() == [5] * 4


def test_arrays_without_classes_have_label_minus_one(plain, tmp_path):
    outputs.save_samples(plain, tmp_path / "a.npz", n=3)
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["labels"].tolist() == [-1, -1, -1]


def test_a_folder_has_one_sub_folder_a_class_and_the_same_pixels(run, tmp_path):
    outputs.save_samples(run, tmp_path / "out", n=6)
    files = sorted((tmp_path / "out").rglob("*.png"))
    assert [f.parent.name for f in files] == ["2", "2", "5", "5", "7", "7"]
    expected = to_bytes(run.sample(6))
    for file in files:
        np.testing.assert_array_equal(np.asarray(Image.open(file)), expected[int(file.stem), 0])


def test_the_same_seed_gives_the_same_images_whatever_the_batch(run):
    whole = run.sample(50, seed=3)
    assert whole.shape == (50, 1, 16, 16)
    assert whole.dtype == torch.float32
    assert whole.abs().max() <= 1
    torch.testing.assert_close(run.sample(50, seed=3, batch=7), whole, atol=1e-5, rtol=0)
    assert not torch.equal(run.sample(50, seed=4), whole)


def test_sampling_needs_the_two_model_files_only(run, tmp_path):
    for name in ("model.json", "model.safetensors"):
        (tmp_path / name).write_bytes((run.path / name).read_bytes())
    torch.testing.assert_close(fewgan.load(tmp_path).sample(4), run.sample(4))


def test_best_and_last_are_different_models(tmp_path):
    run = fewgan.train(
        "acgan", "digits", out=tmp_path / "r", check_every=2, progress=False,
        ema_decay=0, g_lr=0.02, **OPTIONS | {"steps": 6},
    )  # fmt: skip
    best, last = run.sample(4), run.sample(4, which="last")
    assert run.about["last"]["step"] == 6
    same = run.about["best"]["step"] == 6
    assert torch.equal(best, last) == same


def test_slerp_keeps_to_the_circle_and_is_safe_at_angle_zero():
    a, b = torch.eye(4)[:2], torch.eye(4)[2:]
    middle = slerp(a, b, 0.5)
    torch.testing.assert_close(middle.norm(dim=1), torch.ones(2))
    torch.testing.assert_close((middle * a).sum(1), torch.full((2,), 0.5**0.5))
    torch.testing.assert_close(slerp(a, b, 0.0), a)
    torch.testing.assert_close(slerp(a, b, 1.0), b)
    torch.testing.assert_close(slerp(a, a, 0.3), a)
    torch.testing.assert_close(slerp(a, -a, 0.5), torch.zeros(2, 4))


def test_a_walk_ends_at_its_latents_and_holds_the_label(run):
    frames = run.interpolate(label="7", rows=2, columns=5, seed=1)
    y = run.labels(2, "7")
    generator = torch.Generator().manual_seed(1)
    for column in (0, 4):
        z = run.sampler().latents(y, generator)
        torch.testing.assert_close(frames[column::5], run.draw(z, y), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["w.png", "w.gif"])
def test_walks_are_written(run, tmp_path, name):
    outputs.save_interpolation(run, tmp_path / name)
    assert Image.open(tmp_path / name).size[0] > 50


JSON = {
    "methods": "methods --json",
    "data list": "data list --json",
    "data show": "data show digits --out {out}/p.png --json",
    "sample": "sample {run} --out {out}/s.png --json",
    "interpolate": "interpolate {run} --out {out}/i.png --json",
    "evaluate": "evaluate {run} --data digits --n 40 --extractor random --metrics kid --json",
    "compare": "compare {run} --json",
    "report": "report {run} --json",
    "resume": "resume {run} --json",
}


@pytest.mark.parametrize("verb", JSON)
def test_json_is_one_object(verb, run, tmp_path, capsys):
    if verb == "compare":
        fewgan.evaluate(run, "digits", n=40, extractor="random", metrics=["kid"], progress=False)
    words = [w.format(run=run.path, out=tmp_path) for w in JSON[verb].split()]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert isinstance(json.loads(printed), dict)
    assert len(printed.splitlines()) == 1


@pytest.mark.parametrize("line", [v.split(" --")[0].split(" {")[0] for v in JSON.values()])
def test_every_verb_has_help_with_an_example(line, capsys):
    words = line.replace("data show digits", "data show").split()
    assert main([*words, "--help"]) == 0
    assert "Example" in capsys.readouterr().out


def test_evaluation_reports_only_held_out_images(run):
    result = fewgan.evaluate(
        run, "digits", n=40, extractor="random", metrics=["kid", "prdc"], progress=False
    )
    assert json.loads((run.path / "evaluation.json").read_text())["figures"] == result["figures"]
    card = result["figures"][0]["card"]
    assert card["n_fake"] == card["n_real"] == 40
    assert card["images_seen"] == run.about["best"]["images"]


def test_the_command_and_the_module_say_the_same():
    printed = [
        subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
        for command in ([sys.executable, "-m", "fewgan"],)
    ]
    assert printed == [fewgan.__version__ + "\n"]


def test_help_does_not_import_torch():
    code = "import sys, fewgan.cli; fewgan.cli.main(['--help']); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    code = code.replace("['--help']", "['train', '--help']")
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
