"""`fewgan translate` and `run.translate`: folders, panels, and what cannot be translated."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import fewgan
from conftest import make_blobs
from fewgan.cli import main
from fewgan.data.imageset import to_bytes, to_float
from fewgan.errors import InputError
from fewgan.report.translation import translation_panel

TINY = {"size": 16, "width": 4, "batch_size": 1, "check_images": 20, "progress": False}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("translate") / "run"
    own = {"blocks": 1, "d_layers": 1, "kept": 10}
    return fewgan.train("cyclegan", "digits", classes="3,8", out=out, steps=3, **own, **TINY)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Grey and colour, large and small, in sub-folders, two of one name."""
    folder = tmp_path / "pictures"
    (folder / "sub").mkdir(parents=True)
    for name, mode, size in (
        ("one.png", "L", (16, 16)),
        ("two.png", "RGB", (40, 30)),
        ("two.jpg", "RGB", (20, 20)),
        ("sub/one.png", "RGBA", (8, 8)),
    ):
        colour = 90 if mode == "L" else (90, 120, 30, 255)[: len(mode)]
        Image.new(mode, size, colour).save(folder / name)
    return folder


def digits() -> torch.Tensor:
    return make_blobs(6).images


def test_a_run_translates_without_its_data_and_whatever_the_batch(run):
    images = digits()
    made = run.translate(images)
    assert made.shape == (6, 1, 16, 16)
    assert made.dtype == torch.float32
    assert made.abs().max() <= 1
    torch.testing.assert_close(run.translate(images, batch=4), made)
    torch.testing.assert_close(run.translate(to_float(images)), made)
    assert not torch.equal(run.translate(images, "b2a"), made)


def test_other_sizes_and_channels_are_fitted(run):
    large = digits().repeat_interleave(2, 2).repeat_interleave(2, 3).expand(-1, 3, -1, -1)
    close = run.translate(large)
    assert close.shape == (6, 1, 16, 16)
    torch.testing.assert_close(run.translate(to_float(large)), close)


def test_samples_are_translations_of_kept_images(run):
    """Grids, `sample` and the keep-best figure all draw through latents."""
    kept = run.sampler().images
    y = run.labels(10, "8")
    z = run.sampler().latents(y, torch.Generator().manual_seed(0))
    expected = run.translate(kept[0][z.argmax(1)], "a2b")
    torch.testing.assert_close(run.sample(10, "8"), expected, atol=1e-5, rtol=0)
    assert list((run.path / "samples").glob("*.png"))


def test_a_folder_becomes_a_folder_of_the_same_names(run, pictures, tmp_path, capsys):
    out, panel = tmp_path / "out", tmp_path / "panel.png"
    words = ["translate", str(run.path), "--input", str(pictures), "--out", str(out)]
    assert main([*words, "--direction", "b2a", "--panel", str(panel), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["images"], told["translated into"]) == (4, "3")
    names = sorted(str(p.relative_to(out)) for p in out.rglob("*.png"))
    assert names == ["one.png", "sub/one.png", "two.jpg.png", "two.png.png"]
    grey = torch.from_numpy(np.array(Image.open(pictures / "one.png")))[None, None]
    expected = to_bytes(run.translate(grey, "b2a"))[0, 0].numpy()
    np.testing.assert_array_equal(np.asarray(Image.open(out / "one.png")), expected)
    assert Image.open(panel).size[1] > 3 * 64
    assert main(words) == 2
    assert "already exists" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0


def test_a_panel_goes_there_and_back():
    calls = []

    def translate(x, direction):
        calls.append(direction)
        x = to_float(x) if x.dtype == torch.uint8 else x
        return -x if direction == "b2a" else x / 2 - 0.5

    images = torch.full((3, 1, 64, 64), 255, dtype=torch.uint8)
    sheet = translation_panel(translate, images, "b2a", ("ink", "chalk"), 255 - images)
    assert calls == ["b2a", "a2b"]
    column = np.asarray(sheet.convert("L"))[:, -20]  # within the last image of each row
    middles = [column[10 + 32 + row * 66] for row in range(4)]
    assert middles == [255, 0, 0, 0]  # 1, -1, -1, and the answer


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("translate {run} --input {pictures}/none --out {out}", "there is no folder"),
        ("translate {run} --input {empty} --out {out}", "no images in"),
        ("translate {run} --input {pictures} --out {out}.png", "give a folder"),
        ("translate {run} --input {pictures} --out {out} --panel {out}.jpg", "give FILE.png"),
        ("translate {run} --input {pictures} --out {out} --direction a2c", "a2c"),
        ("translate {run} --input {broken} --out {out}", "bad.png"),
        ("translate {plain} --input {pictures} --out {out}", "does not translate them"),
        ("train cyclegan --data digits --size 16 --out {out}", "choose two with --classes"),
    ],
)
def test_what_cannot_be_translated_gets_one_line(run, pictures, tmp_path, capsys, words, says):
    places = {"run": run.path, "pictures": pictures, "out": tmp_path / "out"}
    places |= {"empty": tmp_path / "empty", "broken": tmp_path / "broken"}
    for name in ("empty", "broken"):
        places[name].mkdir()
    (places["broken"] / "bad.png").write_bytes(b"no picture")
    Image.new("L", (8, 8)).save(places["broken"] / "good.png")
    if "{plain}" in words:
        places["plain"] = tmp_path / "plain"
        fewgan.train("dcgan", "digits", out=places["plain"], steps=1, **TINY)
    assert main(words.format(**places).split()) == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert "\n" not in error
    assert not (tmp_path / "out").exists()


def test_unreadable_pictures_can_be_skipped(run, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    Image.new("L", (8, 8)).save(tmp_path / "good.png")
    words = ["translate", str(run.path), "--input", str(tmp_path), "--out", str(tmp_path / "out")]
    with pytest.warns(UserWarning, match="left out"):
        assert main([*words, "--skip-corrupt"]) == 0
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["good.png"]


@pytest.mark.parametrize(
    ("images", "direction", "says"),
    [
        (torch.zeros(2, 1, 16, 8), "a2b", r"shape \[2, 1, 16, 8\]"),
        (torch.zeros(2, 2, 16, 16), "a2b", "C 1 or 3"),
        (torch.zeros(1, 16, 16), "a2b", "cannot be translated"),
        (torch.zeros(2, 1, 16, 16), "b2c", "unknown direction 'b2c'"),
    ],
)
def test_python_gets_one_line_too(run, images, direction, says):
    with pytest.raises(InputError, match=says):
        run.translate(images, direction)
