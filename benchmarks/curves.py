"""Draw the curves of each method's page from the cells of a protocol's table.

    python benchmarks/curves.py TABLE [--data mnist] [--out docs/images]
    python benchmarks/curves.py RUN --name emoji-cyclegan

A picture a method, `OUT/<method>-<data>.png`: the figure that chooses the best checkpoint, the
variety inside classes, and the losses of the first cell. Entries of one method that differ in
settings are curves of one chart, each the mean over its seeds; a single entry shows every seed.
Of a single run, `OUT/<name>.png` has the same curves.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fewgan.report.curves import loss_charts, metric_charts, save_png, shared_charts
from fewgan.report.view import RunView

Lines = Sequence[Mapping[str, Any]]
FIGURES = ("kid", "diversity", "diversity_min")


def mean_over(runs: Sequence[Lines]) -> Lines:
    """The checks of several runs as those of one, each figure the mean at its step."""
    by_step: dict[int, list[Mapping[str, Any]]] = {}
    for line in (line for lines in runs for line in lines if "kid" in line):
        by_step.setdefault(line["step"], []).append(line)
    return [
        {"step": step, **{key: statistics.fmean(line[key] for line in lines) for key in FIGURES}}
        for step, lines in sorted(by_step.items())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--name")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    given = parser.parse_args()
    if given.name:
        lines = RunView.read(given.table).lines
        save_png(metric_charts(lines)[:2] + loss_charts(lines), given.out / f"{given.name}.png")
        return
    methods: dict[str, dict[str, list[RunView]]] = {}
    for folder in sorted(given.table.glob(f"*/{given.data}/*/*/")):
        if (folder / "model.json").exists():
            run, entry = RunView.read(folder), folder.relative_to(given.table).parts[0]
            methods.setdefault(run.method, {}).setdefault(entry, []).append(run)
    for method, entries in methods.items():
        if len(entries) == 1:
            (runs,) = entries.values()
            curves = {f"seed {run.config['seed']}": run.lines for run in runs}
        else:
            curves = {entry: mean_over([r.lines for r in runs]) for entry, runs in entries.items()}
        charts = shared_charts(curves) + loss_charts(next(iter(entries.values()))[0].lines)
        path = given.out / f"{method}-{given.data}.png"
        save_png(charts, path)
        print(path)


if __name__ == "__main__":
    main()
