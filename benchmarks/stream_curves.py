"""Draw what is known after each experience of a stream, from the cells of a protocol's table.

    python benchmarks/stream_curves.py TABLE [--data mnist] [--out docs/images]

`OUT/continual-<data>.png`: over the real images that the discriminator has seen, the share of
generated images that the judge finds right, of the classes learned so far. Each curve is the mean
over the seeds of an entry; the dotted line is that of training on all classes at once.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

from fewgan.files import read_json
from fewgan.report.curves import Chart, save_png

A_CHART = 5  # curves


def known(stream: dict[str, Any], classes: list[list[int]]) -> list[tuple[float, float]]:
    """Images seen, and the mean accuracy of the classes learned so far, after each experience."""
    points = []
    for t in range(1, len(classes) + 1):
        row, learned = stream["accuracy"][t], classes[:t]
        score = statistics.fmean(statistics.fmean(row[c] for c in part) for part in learned)
        points.append((stream["images_seen"][t], score))
    return points


def mean_of(folders: list[Path]) -> list[tuple[float, float]]:
    """The curve of an entry: the mean over its seeds."""
    curves = []
    for folder in folders:
        stream = read_json(folder / "stream.json")
        names = read_json(folder / "model.json")["class_names"]
        classes = [[names.index(name) for name in part] for part in stream["experiences"]]
        curves.append(known(stream, classes))
    return [
        (points[0][0], statistics.fmean(score for _, score in points))
        for points in zip(*curves, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    given = parser.parse_args()
    entries: dict[str, list[Path]] = {}
    for file in sorted(given.table.glob(f"*/{given.data}/*/*/stream.json")):
        entries.setdefault(file.relative_to(given.table).parts[0], []).append(file.parent)
    curves = {name: mean_of(folders) for name, folders in entries.items()}
    joint = curves.pop("joint", None)
    names = sorted(curves, key=lambda name: -curves[name][-1][1])
    charts = [
        Chart(
            "Accuracy of the classes learned so far",
            {name: curves[name] for name in names[i : i + A_CHART]},
            level=joint[-1][1] if joint else None,
            from_zero=True,
            unit="real images seen",
        )
        for i in range(0, len(names), A_CHART)
    ]
    path = given.out / f"continual-{given.data}.png"
    save_png(charts, path, columns=min(2, len(charts)))
    print(path)


if __name__ == "__main__":
    main()
