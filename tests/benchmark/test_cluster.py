"""The cluster engine on loopback: two machines of one core each, and a worker killed in mid-run."""

import os
import signal
import threading
import time

import pytest

import fewgan
from benchmark.conftest import steps_logged
from fewgan.benchmark import executors
from fewgan.benchmark.cells import read_record
from fewgan.benchmark.runner import run_protocol
from fewgan.cli import main
from fewgan.training.loop import Interrupted

NO_RAY = "the cluster engine is not installed: pip install 'fewgan[cluster]'"


@pytest.fixture(scope="module")
def cluster():
    pytest.importorskip("ray", reason=NO_RAY)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    yield made
    made.shutdown()


def workers() -> list[int]:
    """Process numbers of this test's own cluster workers that are at a cell."""
    psutil = pytest.importorskip("psutil")
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if any("run_cell" in word for word in process.cmdline()[:1]):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def test_a_worker_killed_in_mid_run_loses_nothing(cluster, quick, tmp_path):
    out, killed = tmp_path / "out", []
    folders = [out / m / "blobs" / "all" / "0" for m in ("dcgan", "acgan")]

    def kill_one():
        while not any(steps_logged(folder) >= 30 for folder in folders):
            time.sleep(0.005)
        killed.append(workers()[0])
        os.kill(killed[0], signal.SIGKILL)

    watcher = threading.Thread(target=kill_one, daemon=True)
    watcher.start()
    results = run_protocol(quick, out=out, address=cluster.address, progress=False)
    watcher.join()
    assert len(killed) == 1
    assert results.failed == results.left == []
    for cell in results.cells:
        record = read_record(cell)
        assert (record["steps"], record["images"]) == (200, 1600)
        assert record["machine"]["threads"] == 1
        lines = (cell.folder / "metrics.jsonl").read_text().splitlines()
        assert len(lines) == 202  # 200 steps and two checks: none twice, none missing


def test_ctrl_c_saves_what_the_cluster_was_at(cluster, quick, tmp_path):
    out = tmp_path / "out"
    folder = out / "acgan" / "blobs" / "all" / "0"

    def interrupt():
        while steps_logged(folder) < 30:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    options = {"out": out, "address": cluster.address, "progress": False}
    options |= {"methods": ["acgan"], "images": 24000}  # the engine takes its time to cancel
    with pytest.raises(Interrupted, match="0 of 1 cells done"):
        run_protocol(quick, **options)
    saved = fewgan.load(folder)
    saved.sampler("last")
    assert 30 <= saved.about["last"]["step"] < 3000
    assert run_protocol(quick, **options).left == []


def test_no_cluster_at_the_address(write, tmp_path, capsys):
    pytest.importorskip("ray", reason=NO_RAY)
    words = ["benchmark", str(write()), "--out", str(tmp_path / "out")]
    assert main([*words, "--address", "127.0.0.1:1"]) == 2
    error = capsys.readouterr().err.strip()
    assert "no cluster answers at --address 127.0.0.1:1" in error
    assert len(error.splitlines()) == 1


def test_without_the_engine_the_remedy_is_named(write, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(executors, "find_spec", lambda name: None)
    words = ["benchmark", str(write()), "--out", str(tmp_path / "out"), "--address", "auto"]
    assert main(words) == 2
    assert "pip install 'fewgan[cluster]'" in capsys.readouterr().err
