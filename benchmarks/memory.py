"""Peak memory of training on MNIST and of sampling ten thousand images, each in its own process.

python benchmarks/memory.py [--data mnist] [--out benchmarks/results/memory.json]
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
from pathlib import Path
from typing import Any


def _train(data: str, folder: str) -> None:
    from fewgan.cli import main

    steps = ["--steps", "300", "--check-every", "150"]
    assert main(["train", "acgan", "--data", data, *steps, "--out", f"{folder}/run"]) == 0


def _sample(data: str, folder: str) -> None:
    from fewgan.cli import main

    assert main(["sample", f"{folder}/run", "--n", "10000", "--out", f"{folder}/ten.npz"]) == 0


def _measured(work: Any, data: str, folder: str, queue: Any) -> None:
    work(data, folder)
    queue.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def peak(work: Any, data: str, folder: str) -> float:
    """Largest resident memory of a fresh process that does `work`, in MiB."""
    spawn = multiprocessing.get_context("spawn")
    queue = spawn.Queue()
    process = spawn.Process(target=_measured, args=(work, data, folder, queue))
    process.start()
    mib = queue.get()
    process.join()
    return round(mib, 1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = {
            "data": given.data,
            "train_peak_mib": peak(_train, given.data, folder),
            "sample_10000_peak_mib": peak(_sample, given.data, folder),
        }
    print(json.dumps(result, indent=2))
    if given.out:
        given.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
