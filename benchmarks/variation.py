"""Draw the in-class variation of every conditional entry of a table: one class, a row an entry.

    python benchmarks/variation.py TABLE [--data mnist] [--classes 1,7] [--shots all] [--out FOLDER]

`OUT/variation-<data>-<class>.png`, by the last checkpoint of the first seed; none of the images is
picked. It is the figure of `fewgan compare --variation`, for a page of the documentation.
"""

import argparse
from pathlib import Path

from fewgan.report.grids import save_png
from fewgan.report.variation import variation_sheet
from fewgan.training.run import Run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--classes", default="1,7")
    parser.add_argument("--shots", default="all")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    given = parser.parse_args()
    folders = sorted(given.table.glob(f"*/{given.data}/{given.shots}/0"))
    runs = {folder.parts[-4]: Run(folder) for folder in folders}
    runs = {name: run for name, run in runs.items() if run.class_names}
    for label in given.classes.split(","):
        sheet = variation_sheet(runs, label)
        save_png(sheet, given.out / f"variation-{given.data}-{label}.png")


if __name__ == "__main__":
    main()
