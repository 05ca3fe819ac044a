"""Exact resume: whatever interrupts a run, it ends with the same bits."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import fewgan
from fewgan.cli import main
from fewgan.files import read_tensors
from fewgan.training.loop import Interrupted, Listener, Trainer

# Batch norm and class-conditional batch norm, so that running statistics are resumed too.
SMALL = {
    "lr_decay": 0.5,
    "size": 16,
    "width": 8,
    "norm": "batch",
    "batch_size": 16,
    "check_images": 50,
}
STEPS = 60


def options(**more):
    given = {"data": "digits", "steps": STEPS, "check_every": 20, "log_every": 1} | SMALL | more
    return [word for k, v in given.items() for word in (f"--{k.replace('_', '-')}", str(v))]


def everything(run: Path):
    """All tensors of the last checkpoint, and what is counted beside them."""
    tensors, meta = read_tensors(run / "checkpoint" / "last.safetensors")
    kept = {k: meta[k] for k in ("step", "images", "best", "groups", "rng")}
    return tensors, kept


def assert_same_end(one: Path, other: Path):
    (tensors, meta), (tensors2, meta2) = everything(one), everything(other)
    assert meta == meta2
    assert tensors.keys() == tensors2.keys()
    different = [k for k in tensors if not torch.equal(tensors[k], tensors2[k])]
    assert different == []
    weights = [read_tensors(run / "model.safetensors")[0] for run in (one, other)]
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The run that nothing interrupted."""
    run = tmp_path_factory.mktemp("whole") / "run"
    assert main(["train", "acgan", *options(), "--out", str(run)]) == 0
    return run


def steps_logged(run: Path) -> int:
    file = run / "metrics.jsonl"
    return file.read_bytes().count(b'"images_per_second"') if file.exists() else 0


def start_and_kill(command: list[str], run: Path, after: int) -> None:
    """Start a command, and kill it once `after` more steps are logged."""
    before = steps_logged(run)
    process = subprocess.Popen(
        [sys.executable, "-m", "fewgan", *command],
        stderr=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # sums hang on it, and this process has one
    )
    while process.poll() is None and steps_logged(run) < before + after:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_killed_three_times_and_resumed_ends_bit_equal(whole, tmp_path):
    run = tmp_path / "run"
    moments = [random.randint(1, 18) for _ in range(3)]
    print("killed after", moments, "steps")  # shown when the test fails
    start_and_kill(["train", "acgan", *options(), "--out", str(run)], run, moments[0])
    for moment in moments[1:]:
        start_and_kill(["resume", str(run)], run, moment)
    assert main(["resume", str(run)]) == 0
    assert_same_end(whole, run)
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").open()]
    assert sorted(set(steps)) == list(range(1, STEPS + 1))
    assert len(steps) == STEPS + STEPS // 20  # no line twice


class PressCtrlC(Listener):
    """Sends the process what Ctrl-C sends, at one step."""

    def __init__(self, at: int) -> None:
        self.at = at

    def logged(self, line):
        if line["step"] == self.at and "kid" not in line:
            signal.raise_signal(signal.SIGINT)


def test_a_stream_killed_within_experiences_ends_bit_equal(tmp_path):
    given = options(stream="0,1/2/3", steps=STEPS // 3, width=4, d_norm="batch")
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert main(["train", "jtr+ra", *given, "--out", str(whole)]) == 0
    moments = [random.randint(5, 25) for _ in range(2)]
    print("killed after", moments, "steps")
    start_and_kill(["train", "jtr+ra", *given, "--out", str(run)], run, moments[0])
    start_and_kill(["resume", str(run)], run, moments[1])
    assert main(["resume", str(run)]) == 0
    assert_same_end(whole, run)
    for learned in range(4):
        ends = [read_tensors(r / "kept" / f"{learned}.safetensors")[0] for r in (whole, run)]
        assert all(torch.equal(ends[0][k], ends[1][k]) for k in ends[0])


def test_ctrl_c_saves_and_resume_ends_bit_equal(whole, tmp_path, monkeypatch):
    run = tmp_path / "run"
    original = fewgan.api._listeners
    monkeypatch.setattr("fewgan.api._listeners", lambda *a: [*original(*a), PressCtrlC(33)])
    assert main(["train", "acgan", *options(), "--out", str(run)]) == 130
    assert everything(run)[1]["step"] == 33
    monkeypatch.undo()
    assert main(["resume", str(run)]) == 0
    assert_same_end(whole, run)


def test_resume_of_a_finished_run_changes_nothing(whole):
    before = {p: p.read_bytes() for p in whole.rglob("*") if p.is_file()}
    assert main(["resume", str(whole)]) == 0
    assert {p: p.read_bytes() for p in whole.rglob("*") if p.is_file()} == before


def test_config_of_a_run_repeats_it(whole, tmp_path):
    again = tmp_path / "again"
    assert main(["train", "--config", str(whole / "config.yaml"), "--out", str(again)]) == 0
    assert_same_end(whole, again)


def test_learning_rates_fall_linearly_over_the_last_share(tmp_path):
    run = fewgan.train("dcgan", "digits", out=tmp_path / "r", steps=8, progress=False, **SMALL)
    (group,) = everything(run.path)[1]["groups"]["g"]
    assert group["lr"] == pytest.approx(2e-4 * (1 - 7 / 8) / 0.5)  # set before the eighth step


def test_minutes_end_a_run_that_can_be_sampled(tmp_path):
    run = fewgan.train(
        "dcgan", "digits", out=tmp_path / "run", minutes=1e-6, progress=False, **SMALL
    )
    assert everything(run.path)[1]["step"] == 1
    assert run.sample(3).shape == (3, 1, 16, 16)


def test_a_caller_keeps_its_random_numbers(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fewgan.train("dcgan", "digits", out=tmp_path / "r", steps=1, progress=False, **SMALL)
    assert torch.equal(torch.rand(3), expected)


def test_weights_that_are_no_longer_finite_never_reach_a_checkpoint(tmp_path, monkeypatch, capsys):
    run = tmp_path / "run"
    step = Trainer._log_losses

    def poison(self, since, rate):
        if self.step == 25:
            with torch.no_grad():
                next(self.method.parameters()).fill_(float("nan"))
        step(self, since, rate)

    monkeypatch.setattr(Trainer, "_log_losses", poison)
    assert main(["train", "acgan", *options(), "--out", str(run)]) == 1
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert "at step 25" in message
    assert "the best, of step 20, is kept" in message
    assert everything(run)[1]["step"] == 20
    assert fewgan.load(run).sample(2).isfinite().all()


def test_warm_start_begins_with_the_weights_of_another_run(whole, tmp_path):
    begun = fewgan.train(
        "acgan", "digits", out=tmp_path / "a", steps=1, warm_start=str(whole), progress=False,
        g_lr=1e-12, d_lr=1e-12, ema_decay=0, **SMALL,
    )  # fmt: skip
    old = read_tensors(whole / "checkpoint" / "best.safetensors")[0]
    new = everything(begun.path)[0]
    for name in (k for k in old if k.startswith("method.generator") and "running" not in k):
        torch.testing.assert_close(new[name].float(), old[name].float(), atol=1e-6, rtol=0)


def test_interrupted_is_a_keyboard_interrupt():
    assert issubclass(Interrupted, KeyboardInterrupt)
