"""What generated images bring, way by way, over the runs of one entry of `fewgan benchmark uplift`.

    python benchmarks/uplift_gains.py TABLE/glico --out FILE

Each run, with its own few images, gives one value (the mean over its classifiers); differences are
taken in pairs, run by run, and intervals are over runs.
"""

import argparse
from pathlib import Path
from typing import Any

from fewgan.benchmark.estimates import Estimate, estimate
from fewgan.files import read_json, write_json

PAIRS = (
    ("generated", "real"),
    ("generated", "cutout"),
    ("generated+flip-crop", "flip-crop"),
    ("generated+flip-crop", "cutout"),
    ("generated+cutout", "cutout"),
    ("generated+erasing", "erasing"),
    ("generated+randaugment", "randaugment"),
)


def main() -> None:
    """Print and write them, for each data set and number of shots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("entry", type=Path, help="folder of one entry of the table")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = []
    for folder in sorted(given.entry.glob("*/*"), key=lambda f: (f.parent.name, int(f.name))):
        runs = [read_json(file) for file in sorted(folder.glob("*/uplift.json"))]
        if runs:
            found.append({"data": folder.parent.name, "shots": int(folder.name), **of(runs)})
            tell(found[-1])
    if given.out:
        write_json(given.out, {"entry": given.entry.name, "panels": found})


def of(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Accuracy of every way, and the paired differences, in points over runs."""
    values = {
        way: [run["ways"][way]["accuracy"]["mean"] for run in runs] for way in runs[0]["ways"]
    }
    same = ("classifier", "updates", "batch", "share", "tested", "generated", "seeds")
    return {
        "runs": len(runs),
        "card": {name: runs[0]["card"][name] for name in same},
        "accuracy": {way: estimate(scores).to_json() for way, scores in values.items()},
        "gains": {f"{a} - {b}": paired(values[a], values[b]).to_json() for a, b in PAIRS},
    }


def paired(one: list[float], other: list[float]) -> Estimate:
    """Mean difference of two ways, run by run."""
    return estimate([a - b for a, b in zip(one, other, strict=True)], "higher")


def tell(one: dict[str, Any]) -> None:
    """Print one data set at one number of shots."""
    print(f"{one['data']}, {one['shots']} shots, {one['runs']} runs")
    for part in ("accuracy", "gains"):
        for name, value in one[part].items():
            half = "" if value["half"] is None else f" +- {value['half']:.1f}"
            print(f"  {name:32s} {value['mean']:+6.1f}{half}")


if __name__ == "__main__":
    main()
