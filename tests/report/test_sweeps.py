"""Sweeps: drawn for a sampler that offers them, from its own latents, and shown on the page."""

import numpy as np
import pytest
import torch
from PIL import Image

import fewgan
from conftest import make_blobs, write_folder
from fewgan.report.grids import grid
from fewgan.report.page import page
from fewgan.report.sweeps import draw_sweeps
from fewgan.report.view import RunView

TINY = {"steps": 2, "batch_size": 8, "check_images": 20, "size": 16, "width": 4, "progress": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(make_blobs(), tmp_path_factory.mktemp("data") / "blobs")


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "info"
    codes = {"categorical": 3, "continuous": 2, "latent_dim": 8}
    return fewgan.train("infogan", str(folder), out=out, **codes, **TINY)


def test_each_code_gets_its_sheet(run):
    drawn = draw_sweeps(run)
    assert list(drawn) == ["c1", "c2", "noise"]
    sweep = run.sampler().sweeps(10, torch.Generator().manual_seed(0))["c2"]
    images = run.draw(sweep.latents.flatten(0, 1), torch.zeros(30, dtype=torch.long))
    expected = grid(images, 10, row_labels=sweep.rows, title=sweep.caption)
    assert drawn["c2"] == run.folder.samples / "sweep-c2.png"
    with Image.open(drawn["c2"]) as found:
        assert np.array_equal(np.asarray(found), np.asarray(expected))


def test_the_page_shows_them(run):
    for file in run.folder.samples.glob("sweep-*.png"):
        file.unlink()
    assert "What the codes do" not in page(RunView.read(run.path))
    draw_sweeps(run, "last")
    view = RunView.read(run.path)
    assert list(view.sweeps) == ["c1", "c2", "noise"]
    assert "What the codes do" in page(view)
    assert page(view).count("changing from left to right") == 3


def test_an_evaluation_draws_them(run):
    for file in run.folder.samples.glob("sweep-*.png"):
        file.unlink()
    data = run.folder.read_config().data
    asked = {"n": 10, "extractor": "random", "metrics": ["kid"], "progress": False}
    fewgan.evaluate(run, data, **asked)
    assert len(list(run.folder.samples.glob("sweep-*.png"))) == 3


def test_a_sampler_without_codes_has_none(folder, tmp_path):
    plain = fewgan.train("dcgan", str(folder), out=tmp_path / "run", **TINY)
    assert draw_sweeps(plain) == {}
    assert not list(plain.folder.samples.glob("sweep-*.png"))
