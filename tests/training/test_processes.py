"""Several processes under torchrun, against one process with the same global batch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fewgan.files import read_tensors

SCRIPT = """
import sys
import fewgan
from fewgan.files import write_tensors
from fewgan.training.loop import Trainer

out, options = sys.argv[1], {"steps": 6, "check_every": 3, **eval(sys.argv[2])}
run = Trainer.run

def run_and_dump(self):
    run(self)
    state = {"method." + k: v for k, v in self.method.state_dict().items()}
    state |= {"ema." + k: v for k, v in self.ema.module.state_dict().items()}
    write_tensors(f"{out}-rank{self.engine.rank}.safetensors", state, {"seen": self.feed.seen})

Trainer.run = run_and_dump
fewgan.train("acgan", "digits", out=out, progress=False, size=16, width=8, batch_size=16,
             check_images=20, device="cpu", **options)
"""


def launch(processes: int, tmp_path: Path, name: str, **options) -> list[dict[str, torch.Tensor]]:
    """Train under torchrun and give each rank's final tensors."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    subprocess.run(
        [*torchrun, f"--nproc-per-node={processes}", script, tmp_path / name, repr(options)],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        timeout=300,
    )
    files = [tmp_path / f"{name}-rank{rank}.safetensors" for rank in range(processes)]
    return [read_tensors(file)[0] for file in files]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return launch(2, tmp_path_factory.mktemp("two"), "run", norm="batch")


def test_ranks_with_different_data_end_bit_equal(two):
    first, second = two
    assert first.keys() == second.keys()
    assert any(k.startswith("method") and "running_mean" in k for k in first)
    assert [k for k in first if not torch.equal(first[k], second[k])] == []


def test_ranks_whose_clocks_differ_end_bit_equal(tmp_path):
    """Learning rates that fall with the minutes must fall alike."""
    first, second = launch(2, tmp_path, "run", steps=None, minutes=0.03, check_every=10**6)
    assert [k for k in first if not torch.equal(first[k], second[k])] == []


def test_two_processes_give_what_one_gives_without_batch_statistics(tmp_path):
    options = {"norm": "instance", "d_norm": "none", "precision": "fp32"}
    (one,) = launch(1, tmp_path, "one", **options)
    two = launch(2, tmp_path, "two", **options)[0]
    for name in one:
        torch.testing.assert_close(two[name], one[name], atol=2e-5, rtol=1e-4, msg=name)


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path):
    with pytest.raises(subprocess.CalledProcessError) as failure:
        launch(3, tmp_path, "run")
    assert b"cannot be shared by 3 processes" in failure.value.stderr
