"""How much of the rare variant of a class does a run draw: ones with a serif, crossed sevens?

    python benchmarks/rare_variant.py RUN... [--n 2000] [--herd 16] [--out FILE] [--sheet PNG]

Runs are trained on `mnist`. Each draws n images of a class; those that a classifier of MNIST takes
for another class are left out, so that a wrong digit is no rare variant, and so are such real
images. Of the rest the share that has the variant is told with its 95 % interval (Wilson). The
real training images stand beside the runs, and the test images, which others wrote. With `--herd`
the n images are chosen from so many times as many (`fewgan.report.herding`).

A RUN may also be a folder of runs that differ in their seed, such as TABLE/acgan/mnist/all of a
protocol: then the mean of their shares is told, with Student's interval over the seeds.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from fewgan import data
from fewgan.benchmark.estimates import estimate
from fewgan.data.imageset import ImageSet
from fewgan.metrics.extractors import Extractor, get_extractor
from fewgan.metrics.rare_variant import has_crossbar, has_serif, share
from fewgan.report.grids import grid, save_png
from fewgan.report.herding import drawn
from fewgan.training.run import Run


class Variant(NamedTuple):
    digit: int
    name: str
    found: Callable[[Tensor], Tensor]


VARIANTS = (
    Variant(1, "ones with a serif", has_serif),
    Variant(7, "sevens with a crossbar", has_crossbar),
)
Draw = Callable[[Run, str], ImageSet]
HEAD = f"{'':28} {'share':>7}  {'95 % interval':17} {'of train':>8}  {'images':>6}  {'right':>6}"


def sources(
    runs: Sequence[Path], digit: int, draw: Draw, real: dict[str, ImageSet]
) -> Iterator[tuple[str, list[Tensor]]]:
    """Names and images [N,1,32,32] of a digit: real ones, then those of each run or its seeds."""
    for split, images in real.items():
        yield f"real, {split}", [images.images[images.labels == digit]]
    for path in runs:
        single = (path / "model.json").exists()
        seeds = [path] if single else sorted(file.parent for file in path.glob("*/model.json"))
        yield str(path), [draw(Run(run), str(digit)).images for run in seeds]


def measure(
    variant: Variant, name: str, seeds: Sequence[Tensor], judge: Extractor
) -> tuple[dict, Tensor]:
    """The share of a variant among the images that the judge takes for the digit, and these."""
    taken = [images[judge.logits(images).argmax(1) == variant.digit] for images in seeds]
    images = torch.cat(taken)
    right = len(images) / sum(map(len, seeds))
    row = {"variant": variant.name, "of": name, "runs": len(seeds), "right": round(right, 4)}
    row |= {"images": len(images), "share": None, "low": None, "high": None}
    if not all(map(len, taken)):
        return row, images
    shares = [share(variant.found(part)) for part in taken]
    if len(shares) == 1:
        numbers = {"share": shares[0].value, "low": shares[0].low, "high": shares[0].high}
    else:
        mean = estimate([each.value for each in shares])
        numbers = {"share": mean.mean, "low": mean.low, "high": mean.high}
    return row | {key: round(value, 4) for key, value in numbers.items()}, images


def line(row: dict, train: float) -> str:
    if row["share"] is None:
        found = f"{'-':>7}  {'':17} {'':>8}"
    else:
        interval = f"{row['low']:.4f} to {row['high']:.4f}"
        found = f"{row['share']:>7.4f}  {interval:17} {row['share'] / train:>8.2f}"
    return f"{row['of'][-28:]:28} {found}  {row['images']:>6}  {row['right']:>6.4f}"


def sides(variant: Variant, images: Tensor, columns: int = 25) -> Tensor:
    """Two rows with the variant and two without, chosen with a fixed seed: for the eye to check."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    images = images[order]
    has, blank = variant.found(images), torch.zeros(2 * columns, *images.shape[1:]).byte()
    return torch.cat([torch.cat([images[side], blank])[: 2 * columns] for side in (has, ~has)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="*")
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", choices=("best", "last"), default="best")
    parser.add_argument("--herd", type=int)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--sheet", type=Path)
    given = parser.parse_args()
    real = {split: data.load("mnist", split, size=32, channels=1) for split in ("train", "test")}
    judge = get_extractor("in-domain", data=real["train"])

    def draw(run: Run, digit: str) -> ImageSet:
        asked = {"herd": given.herd, "seed": given.seed, "which": given.checkpoint}
        return drawn(run, given.n, digit, **asked)

    rows, shown = [], []
    for variant in VARIANTS:
        print(f"\n{variant.name}\n{HEAD}")
        train = 1.0
        for i, (name, seeds) in enumerate(sources(given.runs, variant.digit, draw, real)):
            row, images = measure(variant, name, seeds, judge)
            rows.append(row)
            train = row["share"] if i == 0 else train
            print(line(row, train))
            shown.append(sides(variant, images))
    if given.out:
        about = {"n": given.n, "seed": given.seed, "checkpoint": given.checkpoint}
        about |= {"herd": given.herd} if given.herd else {}
        body = ",\n    ".join(json.dumps(row) for row in rows)
        text = json.dumps({**about, "rows": []}, indent=2).replace("[]", f"[\n    {body}\n  ]")
        given.out.write_text(text + "\n")
    if given.sheet:
        names = [f"{row['of']}: with" for row in rows]
        labels = [label for name in names for label in (name, "", "without", "")]
        save_png(grid(torch.cat(shown), 25, scale=1, row_labels=labels), given.sheet)


if __name__ == "__main__":
    main()
