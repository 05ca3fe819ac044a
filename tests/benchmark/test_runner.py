"""A protocol at work in processes: resumed, killed and interrupted without loss, never redone."""

import json
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock

import fewgan
from benchmark.conftest import ends_like, steps_logged
from conftest import make_blobs, write_folder
from fewgan.benchmark.cells import read_record
from fewgan.cli import main
from fewgan.files import read_json


def benchmark(path: Path, out: Path, *words: str) -> int:
    return main(["benchmark", str(path), "--out", str(out), *words])


def when_training(folder: Path, act) -> threading.Thread:
    """Do something as soon as a run has logged 30 steps."""

    def watch():
        while steps_logged(folder) < 30:
            time.sleep(0.002)
        act()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """The run of the first cell of `quick`, which nothing interrupted."""
    place = tmp_path_factory.mktemp("undisturbed")
    images = str(write_folder(make_blobs(), place / "blobs"))
    run = fewgan.train(
        "acgan", images, out=place / "run", progress=False, steps=200, check_every=100,
        size=16, width=4, batch_size=8, check_images=40, log_every=1, seed=0,
    )  # fmt: skip
    return run.path


def test_two_workers_make_a_table_that_is_not_made_twice(write, tmp_path, capsys):
    path, out = write(), tmp_path / "out"
    assert benchmark(path, out, "--workers", "2") == 0
    printed = capsys.readouterr()
    assert "acgan on digits, seed 0" in printed.err
    assert "0 left" in printed.err
    assert "Coverage" in printed.out
    for name in ("table.md", "table.csv", "table.html", "table.json", "protocol.yaml"):
        assert (out / name).stat().st_size > 0
    assert (out / "table.html").read_text().count("data:image/png") == 2
    runs = [p for p in out.glob("*/**/*") if p.is_file() and p.name != ".lock"]
    before = {p: p.stat().st_mtime_ns for p in runs}
    assert any(p.name == "cell.json" for p in runs)

    assert benchmark(path, out, "--json") == 0
    assert {p: p.stat().st_mtime_ns for p in runs} == before
    content = json.loads(capsys.readouterr().out)
    assert content["left"] == content["failed"] == []
    assert {row["method"] for row in content["rows"]} == {"dcgan", "acgan"}


def test_a_killed_worker_takes_no_other_cell_with_it_and_loses_nothing(
    quick, tmp_path, capsys, undisturbed
):
    out = tmp_path / "out"
    first = out / "acgan" / "blobs" / "all" / "0"
    watcher = when_training(
        first, lambda: [os.kill(p.pid, signal.SIGKILL) for p in multiprocessing.active_children()]
    )
    assert benchmark(quick, out) == 1
    watcher.join()
    error = capsys.readouterr().err
    assert "1 of 2 cells failed" in error
    assert "SIGKILL" in error
    assert read_json(first / "cell.json")["status"] == "failed"
    assert read_json(out / "dcgan/blobs/all/0/cell.json")["status"] == "done"
    assert "SIGKILL" in (out / "table.md").read_text()

    assert benchmark(quick, out) == 0
    assert read_json(first / "cell.json")["status"] == "done"
    assert ends_like(first, undisturbed)
    assert "SIGKILL" not in (out / "table.md").read_text()


def test_ctrl_c_saves_and_the_same_command_goes_on(quick, tmp_path, capsys, undisturbed):
    out = tmp_path / "out"
    first = out / "acgan" / "blobs" / "all" / "0"
    watcher = when_training(first, lambda: os.kill(os.getpid(), signal.SIGINT))
    assert benchmark(quick, out) == 130
    watcher.join()
    assert "0 of 2 cells done" in capsys.readouterr().err
    assert multiprocessing.active_children() == []
    saved = fewgan.load(first)
    saved.sampler("last")
    assert 30 <= saved.about["last"]["step"] < 200
    assert "Not finished yet" in (out / "table.md").read_text()
    assert not (out / "dcgan").exists()

    assert benchmark(quick, out, "--methods", "acgan") == 0
    assert ends_like(first, undisturbed)


def test_from_python_with_fields_changed(write, tmp_path):
    results = fewgan.run_protocol(
        write(), out=tmp_path / "out", progress=False, methods=["dcgan"], images=16, seeds=[3]
    )
    assert [cell.name for cell in results.cells] == ["dcgan on digits, seed 3"]
    assert results.failed == results.left == []
    assert read_record(results.cells[0])["steps"] == 2
    assert results.command.endswith('--methods dcgan, with {"images": 16, "seeds": [3]}')


WRONG = {
    "no protocol": (["conditonal"], "did you mean 'conditional'"),
    "no budget": (["conditional", "--budget", "cpus"], "did you mean 'cpu'"),
    "no method": (["conditional", "--methods", "acgan,dcgn"], "did you mean 'dcgan'"),
    "no data": (["conditional", "--data", "minst"], "unknown data set 'minst'"),
    "data not here": (["conditional", "--data", "mnist"], "fewgan data fetch mnist"),
    "no seeds": (["conditional", "--seeds", "0"], "seeds"),
    "no shots": (["conditional", "--shots", "0"], "give a number of 1 or more, or all"),
    "no workers": (["conditional", "--workers", "0"], "give --workers 1 or more"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_one_line_before_anything_begins(case, tmp_path, monkeypatch, capsys):
    words, says = WRONG[case]
    monkeypatch.setenv("FEWGAN_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    assert main(["benchmark", *words]) == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_two_benchmarks_do_not_work_in_one_folder(write, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    with FileLock(out / ".lock"):
        assert benchmark(write(), out) == 2
    assert "another benchmark is at work" in capsys.readouterr().err
