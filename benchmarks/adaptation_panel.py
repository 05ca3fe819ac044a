"""Draw the same latents by every adaptation of a table: a row an entry, the few images below.

    python benchmarks/adaptation_panel.py TABLE --data near [--out docs/images]

`OUT/adaptation-<data>.png`, by the last checkpoint of the first seed; no latent is picked. The
first row is the source's.
"""

import argparse
from pathlib import Path

import torch

from fewgan import datasets
from fewgan.data.imageset import to_bytes
from fewgan.methods.adaptation import lent_by
from fewgan.report.grids import grid, save_png
from fewgan.training.run import Run

COLUMNS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--shots", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    given = parser.parse_args()
    folders = sorted(given.table.glob(f"*/{given.data}/{given.shots}/0"))
    runs = {folder.parts[-4]: Run(folder) for folder in folders}
    nobody, rows = torch.zeros(COLUMNS, dtype=torch.long), {}
    for name, run in runs.items():
        sampler = run.sampler("last")
        z = sampler.latents(nobody, torch.Generator().manual_seed(0))
        if not rows:
            config = run.folder.read_config()
            before = lent_by(Run(config.source).sampler("best"), sampler.drawn)
            with torch.no_grad():
                rows["the source"] = to_bytes(before(sampler.of_source(z)))
            shown = datasets.load(config.data, size=run.spec.size, channels=run.spec.channels)
            few = run.folder.read_splits().indices("train")
        rows[name] = to_bytes(run.draw(z, nobody, "last"))
    rows["the ten images"] = shown.images[few[:COLUMNS]]
    sheet = grid(torch.cat(list(rows.values())), COLUMNS, row_labels=list(rows))
    save_png(sheet, given.out / f"adaptation-{given.data}.png")


if __name__ == "__main__":
    main()
