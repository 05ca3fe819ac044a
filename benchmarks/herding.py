"""What is gained by drawing in surplus and choosing: figures of large sets, lessons of small ones.

    python benchmarks/herding.py RUN... --data mnist [--times 16] [--each 5,20,100] [--out FILE]

Each run draws n images and, of `--times` as many, herds n (see `fewgan.report.herding`). Both sets
are measured against as many test images; so are training images, n at random, and n herded from
all. Then classifiers learn from so many of each class and are tried on all test images: generated
and real ones, drawn and herded from as large a surplus. Runs should differ in their seed alone:
means and 95 % intervals are over them, gains in pairs. `--panel FILE.png --label 7` only draws a
row of training images, a row as the first run draws them, and a herded one.
"""

import argparse
from pathlib import Path

import torch

from fewgan import data
from fewgan.benchmark.estimates import Estimate, estimate
from fewgan.data.imageset import ImageSet
from fewgan.files import write_json
from fewgan.metrics.cas import classification_accuracy_score
from fewgan.metrics.extractors import Extractor, get_extractor
from fewgan.metrics.suite import Figure, measure
from fewgan.report.grids import grid, save_png
from fewgan.report.herding import choose, eyes_of, herded
from fewgan.training import selection
from fewgan.training.run import Run

METRICS = ("fid", "kid", "prdc", "accuracy", "cas", "diversity", "memorisation")


def spread_out(images: ImageSet, each: int, seed: int) -> ImageSet:
    """So many images of each class, drawn at random, their classes in turn."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images), generator=generator)
    labels = images.labels[order]
    classes = range(len(images.class_names))
    columns = [order[labels == label][:each] for label in classes]
    return images.take(torch.stack(columns, 1).flatten())


def of_set(fake: ImageSet, test: ImageSet, train: ImageSet, eyes: Extractor) -> list[Figure]:
    """Every figure of a large set, against as many test images."""
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))
    return measure(fake, test.take(order[: len(fake)]), train, METRICS, eyes)


def lessons(
    run: Run, each: int, times: int, seed: int, train: ImageSet, test: ImageSet
) -> dict[str, float]:
    """Accuracy on test images of classifiers that learned from so many of each class."""
    n = each * len(train.class_names)
    real = spread_out(train, each * times, seed)
    sets = {
        "drawn": run.imageset(n, seed=seed),
        "herded": herded(run, n, times=times, seed=seed),
        "real": real.take(torch.arange(n)),
        "real, herded": choose(real, train, real.labels[:n], eyes_of(train)),
    }
    return {
        way: classification_accuracy_score(images, test, seed=seed).overall
        for way, images in sets.items()
    }


def over_runs(found: list[dict[str, float]]) -> dict[str, Estimate]:
    """Means over runs, and the gain of herding in pairs."""
    values = {name: [one[name] for one in found] for name in found[0]}
    gain = [b - a for a, b in zip(values["drawn"], values["herded"], strict=True)]
    return {name: estimate(v, "higher") for name, v in (values | {"gain": gain}).items()}


def tell(name: str, row: dict[str, Estimate]) -> None:
    """A line for a person."""
    parts = [f"{way} {e.mean:.4f} +- {e.half or float('nan'):.4f}" for way, e in row.items()]
    print(f"{name:24} " + "  ".join(parts), flush=True)


def panel(run: Run, label: str, times: int, train: ImageSet, out: Path, columns: int = 24) -> None:
    """A row each of training images at random, of images as they are drawn, and herded."""
    real = train.take((train.labels == run.class_place(label)).nonzero().flatten())
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))
    rows = {
        "training": real.take(order[:columns]),
        "drawn": run.imageset(columns, label),
        f"herded, {times} x": herded(run, columns, label, times=times),
    }
    images = torch.cat([row.images for row in rows.values()])
    save_png(grid(images, columns, row_labels=list(rows)), out)


def main() -> None:
    """Print and write both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--data", required=True)
    parser.add_argument("--times", type=int, default=16)
    parser.add_argument("--each", default="5,20,100")
    parser.add_argument("--n", type=int, default=5000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--panel", type=Path)
    parser.add_argument("--label", default="7")
    given = parser.parse_args()
    runs = [Run(path) for path in given.runs]
    train = selection.shown_images(runs[0].folder)
    if given.panel:
        return panel(runs[0], given.label, given.times, train, given.panel)
    test = data.load(given.data, "test", size=runs[0].spec.size)
    eyes = get_extractor("in-domain", data=train, test=test)
    best = choose(train, train, runs[0].labels(given.n), eyes_of(train))
    ceiling = {figure.name: figure.value for figure in of_set(best, test, train, eyes)}
    cards: dict[str, dict] = {}
    figures: dict[str, list[dict[str, float]]] = {}
    for seed, run in enumerate(runs):
        sets = {
            "drawn": run.imageset(given.n, seed=seed),
            "herded": herded(run, given.n, times=given.times, seed=seed),
        }
        measured = {way: of_set(images, test, train, eyes) for way, images in sets.items()}
        for drawn, chosen in zip(measured["drawn"], measured["herded"], strict=True):
            row = {"drawn": drawn.value, "herded": chosen.value}
            row |= {"real": drawn.real} if drawn.real is not None else {}
            row["real, herded"] = ceiling[drawn.name]
            figures.setdefault(drawn.name, []).append(row)
            cards[drawn.name] = drawn.card.model_dump(exclude={"seed", "drawn"}, exclude_none=True)
    table = {name: over_runs(rows) for name, rows in figures.items()}
    for name, row in table.items():
        tell(name, row)
    taught = {}
    for each in map(int, given.each.split(",")):
        scores = [lessons(r, each, given.times, s, train, test) for s, r in enumerate(runs)]
        taught[each] = over_runs(scores)
        tell(f"{each} of each class", taught[each])
    if given.out:
        said = {
            "runs": len(runs),
            "times": given.times,
            "figures": {
                name: {way: e.to_json() for way, e in row.items()} | {"card": cards[name]}
                for name, row in table.items()
            },
            "accuracy of classifiers by images of each class": {
                each: {way: e.to_json() for way, e in row.items()} for each, row in taught.items()
            },
        }
        write_json(given.out, said)


if __name__ == "__main__":
    main()
