"""The pictures of a comparison, of runs that were really trained, for a few steps."""

import re
import shutil

import numpy as np
import pytest
import torch

import fewgan
from fewgan import data
from fewgan.cli import main
from fewgan.data.imageset import to_bytes
from fewgan.errors import InputError
from fewgan.files import write_json
from fewgan.report.compare import compare, write_comparison
from fewgan.report.curves import SERIES, shared_charts
from fewgan.report.grids import grid
from fewgan.report.side_by_side import pictures
from fewgan.report.variation import shared_classes, variation_sheet
from fewgan.report.view import RunView

from .conftest import FIGURES, log_lines, make_run

OPTIONS = {"width": 4, "batch_size": 8, "check_images": 20, "log_every": 2, "steps": 4}
OPTIONS["progress"] = False
CELL, GAP = 32, 2


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two conditional runs that share the classes 2 and 7, of different sizes, and a plain one."""
    folder = tmp_path_factory.mktemp("runs")
    made = {
        "acgan": fewgan.train(
            "acgan", "digits", classes="2,5,7", size=16, out=folder / "acgan", **OPTIONS
        ),
        "cdcgan": fewgan.train(
            "cdcgan", "digits", classes="2,7", size=32, out=folder / "cdcgan", **OPTIONS
        ),
        "dcgan": fewgan.train("dcgan", "digits", size=16, out=folder / "dcgan", **OPTIONS),
    }
    for run in made.values():
        content = {"data": "digits", "checkpoint": "best", "n": 9, "seed": 7, "figures": FIGURES}
        write_json(run.path / "evaluation.json", content)
    return made


def conditional(runs):
    return {name: run for name, run in runs.items() if run.class_names}


def row(sheet, number, cells):
    """The pixels of a row of a sheet, without its label."""
    top = 10 + number * (CELL + GAP)
    width = cells * (CELL + GAP) - GAP
    return np.asarray(sheet)[top : top + CELL, sheet.width - 10 - width : sheet.width - 10]


def pixels_of(images):
    """The same pixels as `grid` draws them: one row of images."""
    return row(grid(images, len(images), scale=32 // images.shape[2]), 0, len(images))


def test_a_sheet_has_a_row_of_real_images_and_one_for_each_run(runs):
    sheet = variation_sheet(conditional(runs), "7", columns=5, seed=3)
    source = data.load("digits", "train", size=16)
    sevens = source.images[source.labels == 7]
    shown = row(sheet, 0, 5)[::2, ::2]
    # A real image of the row is one of the sevens, to the pixel.
    first = torch.from_numpy(shown[:16, :16, 0].copy())
    assert any(torch.equal(first, seven[0]) for seven in sevens)
    small, large = (to_bytes(runs[n].sample(5, "7", seed=3)) for n in ("acgan", "cdcgan"))
    np.testing.assert_array_equal(row(sheet, 1, 5), pixels_of(small))
    np.testing.assert_array_equal(row(sheet, 2, 5), pixels_of(large))


def test_without_the_data_the_sheet_has_the_runs_alone(runs, monkeypatch):
    def gone(settings):
        raise InputError("the data are not here")

    monkeypatch.setattr("fewgan.training.selection.load_source", gone)
    sheet = variation_sheet({"acgan": runs["acgan"]}, "2", columns=4)
    assert sheet.height == CELL + 20
    np.testing.assert_array_equal(row(sheet, 0, 4), pixels_of(to_bytes(runs["acgan"].sample(4, 2))))


def test_a_class_with_few_real_images_leaves_places_blank(runs, tmp_path):
    run = fewgan.train("acgan", "digits", shots=2, size=16, out=tmp_path / "few", **OPTIONS)
    real = row(variation_sheet({"few": run}, "3", columns=4), 0, 4)
    edge = 2 * (CELL + GAP)
    assert (real[:, edge : edge + CELL] == 241).all()
    assert (real[:, :CELL] == 0).any()


def test_shared_classes_are_those_that_all_runs_know(runs):
    assert shared_classes(conditional(runs)) == ["2", "7"]
    assert shared_classes({"acgan": runs["acgan"]}) == ["2", "5"]


def test_the_page_holds_every_kind_of_picture_and_asks_nobody(runs, tmp_path):
    views = [RunView.read(run.path) for run in runs.values()]
    write_comparison(views, tmp_path / "c.html", ["7"])
    text = (tmp_path / "c.html").read_text()
    headings = re.findall(r"<h2[^>]*>([^<]*)", text)
    wanted = ["Figures", "Samples", "Variety inside a class", "Curves", "Losses"]
    assert [name for name in headings if name in wanted] == wanted
    assert "Class 7, a row for each run" in text
    assert "Class 2, a row for each run" not in text
    assert "acgan: loss: adversarial" in text
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    ids = re.findall(r'\sid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_the_command_takes_classes_by_name_and_refuses_those_that_a_run_has_not(
    runs, tmp_path, capsys
):
    paths = [str(run.path) for run in conditional(runs).values()]
    out = tmp_path / "c.html"
    assert main(["compare", *paths, "--out", str(out), "--variation", "7,2"]) == 0
    order = re.findall(r"Class (\d), a row", out.read_text())
    assert order == ["7", "2"]
    capsys.readouterr()
    assert main(["compare", *paths, "--out", str(out), "--variation", "5"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_runs_without_weights_or_classes_leave_the_rest_of_the_page(runs, tmp_path):
    bare = make_run(tmp_path / "bare")
    shutil.copytree(runs["dcgan"].path, tmp_path / "plain")
    text = pictures(compare([RunView.read(bare), RunView.read(tmp_path / "plain")]))
    assert "Variety inside a class" not in text
    assert "Losses" in text


def test_failures_stand_beside_the_best(run_folder):
    text = pictures(compare([RunView.read(run_folder)]))
    captions = re.findall(r"<figcaption>(Step[^<]*)", text)
    assert captions == [
        "Step 1,500: best check, KID 0.0100",
        "Step 2,000: worst check after the best, KID 0.0600",
    ]


def test_sweeps_and_walks_are_shown_under_the_name_of_their_run(run_folder):
    for name in ("sweep-c1", "interpolation"):
        shutil.copy(
            run_folder / "samples" / "variation.png", run_folder / "samples" / f"{name}.png"
        )
    text = pictures(compare([RunView.read(run_folder)]))
    assert "<figcaption>acgan-digits: c1 from left to right" in text
    assert '<h2 id="between-two-latents">' in text


def test_curves_of_several_runs_share_a_chart():
    found = shared_charts({"a": log_lines(), "b": log_lines(1000), "c": []})
    assert [list(chart.series) for chart in found] == [["a", "b"]] * 3
    assert found[0].series["b"][-1] == (1000, pytest.approx(0.06))
    assert len(set(SERIES)) == 8
