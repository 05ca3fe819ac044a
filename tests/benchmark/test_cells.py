"""A cell: trained and measured once, gone on with, tried again, and never mixed with another."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from benchmark.conftest import TINY
from conftest import make_blobs, write_folder
from fewgan.benchmark import cells as work
from fewgan.benchmark.cells import check_unchanged, is_done, read_record, run_cell
from fewgan.benchmark.plan import cells
from fewgan.benchmark.protocol import load
from fewgan.errors import FewganError, InputError
from fewgan.files import read_json
from fewgan.report.view import RunView


def make(path, out, number=0):
    return cells(load(path)[0], out)[number]


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.read_bytes())
        for p in folder.rglob("*")
        if p.is_file()
    }


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished cell, whose best checkpoint is not its last."""
    place = tmp_path_factory.mktemp("cell")
    (place / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    cell = make(place / "tiny.yaml", place / "out", 1)
    run_cell(cell, 1)
    return cell


def test_record_holds_both_checkpoints_and_the_cost(done):
    record = read_record(done)
    assert is_done(done)
    assert (record["steps"], record["images"]) == (8, 64)
    assert record["seconds"] > 0
    assert 100 < record["memory"] < 10_000
    assert record["machine"]["threads"] == 1
    best, last = (record["checkpoints"][which] for which in ("best", "last"))
    assert (best["checkpoint"], last["checkpoint"]) == ("best", "last")
    assert {f["name"] for f in best["figures"]} == {
        "kid", "precision", "recall", "density", "coverage"
    }  # fmt: skip
    assert last["figures"][0]["card"]["steps"] == 8
    marked = RunView.read(done.folder).best
    assert best["figures"][0]["card"]["steps"] == marked["step"]


def test_the_run_folder_shows_the_best_checkpoint(done):
    evaluation = read_json(done.folder / "evaluation.json")
    assert evaluation["checkpoint"] == "best"
    assert evaluation == read_record(done)["checkpoints"]["best"]
    assert "KID" in (done.folder / "README.md").read_text(encoding="utf-8")


def test_a_done_cell_is_never_redone(done):
    before = files(done.folder)
    run_cell(done, 1)
    assert files(done.folder) == before


def test_a_failure_is_written_down_and_tried_again(write, tmp_path, monkeypatch):
    cell = make(write(), tmp_path / "out")

    def refuse(*args, **options):
        raise FewganError("the weights are\nno longer finite")

    monkeypatch.setattr(work.api, "train", refuse)
    run_cell(cell)
    record = read_record(cell)
    assert (record["status"], record["error"]) == ("failed", "the weights are no longer finite")
    monkeypatch.undo()

    def crash(*args, **options):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(work, "evaluate", crash)  # trains, and fails after it
    run_cell(cell)
    record = read_record(cell)
    assert record["error"] == "ZeroDivisionError: by zero"
    assert "in crash" in record["trace"]
    memory = record["memory"]
    weights = (cell.folder / "checkpoint" / "last.safetensors").stat().st_mtime_ns
    monkeypatch.undo()

    monkeypatch.setattr(work, "peak_memory", lambda: 1.0)
    run_cell(cell)
    record = read_record(cell)
    assert record["status"] == "done"
    assert "error" not in record
    assert record["memory"] == memory  # of the process that trained
    assert (cell.folder / "checkpoint" / "last.safetensors").stat().st_mtime_ns == weights


def test_other_metrics_measure_again_and_do_not_train_again(write, tmp_path):
    cell = make(write(), tmp_path / "out")
    run_cell(cell)
    weights = (cell.folder / "checkpoint" / "last.safetensors").stat().st_mtime_ns
    again = make(write(metrics=["kid"]), tmp_path / "out")
    check_unchanged(again)
    assert not is_done(again)
    run_cell(again)
    assert is_done(again)
    assert len(read_record(again)["checkpoints"]["last"]["figures"]) == 1
    assert (cell.folder / "checkpoint" / "last.safetensors").stat().st_mtime_ns == weights


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"images": 128}, "check_every 4, and the protocol now says 8"),
        ({"data": {"digits": {"extractor": "random", "settings": {"width": 8}}}}, "width 4"),
    ],
    ids=["images", "width"],
)
def test_runs_with_other_settings_are_not_mixed_in(done, write, change, says):
    cell = make(write(**change), done.folder.parents[3], 1)
    assert cell.folder == done.folder
    with pytest.raises(InputError, match=says) as error:
        check_unchanged(cell)
    assert "give another --out" in str(error.value)


def test_a_folder_of_images_is_found_from_anywhere(write, tmp_path, monkeypatch):
    write_folder(make_blobs(), tmp_path / "blobs")
    monkeypatch.chdir(tmp_path)
    cell = make(write(data={"blobs": {"extractor": "random"}}), tmp_path / "out", 1)
    assert cell.config.data == str(tmp_path / "blobs")
    assert cell.folder == tmp_path / "out" / "acgan" / "blobs" / "all" / "0"
    run_cell(cell)
    assert read_record(cell)["status"] == "done"


def test_peak_of_memory_is_the_process_own_and_not_handed_down():
    script = (
        "import subprocess, sys\n"
        "from fewgan.benchmark.cells import peak_memory\n"
        "before = peak_memory()\n"
        "held = bytearray(400 * 2**20)\n"
        "held[::4096] = b'x' * len(held[::4096])\n"
        "print(before, peak_memory())\n"
        "child = 'from fewgan.benchmark.cells import peak_memory; print(peak_memory())'\n"
        "if len(sys.argv) > 1: subprocess.run([sys.executable, '-c', child])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "parent"], capture_output=True, text=True, check=True
    )
    before, fat, child = map(float, done.stdout.split())
    assert fat >= before + 399
    assert child < before + 200
