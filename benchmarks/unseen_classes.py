"""Judge what a meta-trained run draws of classes it never saw, from a few images of each.

    python benchmarks/unseen_classes.py RUN... --data omniglot --shots 16 --classes 20 --out FILE

Each RUN is adapted to `--classes` of its novel classes (`splits.json`), one after another, by its
own inner steps; those that settings were chosen by are passed over with `--skip`. A run of a
conditional GAN instead learns each class as `sequential` does, by as many updates. All share the
k images of a class and the judge: a classifier of every class of the data. Per class: KID to the
drawings that were held out, in the judge's features; share of images that the judge finds right;
variety, as a share of that of the k and those held out together; share of near copies of the k.
Means over classes with 95 % intervals. Runs whose folders are named NAME-SEED are also put
together: means over seeds, and how far each NAME is from the first one, seed by seed. Pictures
beside FILE: a panel with a class a row (some of the k images, some of those held out, what is
drawn), and the first class at length.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch

import fewgan
from fewgan import methods
from fewgan.benchmark.estimates import estimate
from fewgan.data.imageset import ImageSet
from fewgan.files import write_json
from fewgan.metrics.diversity import diversity_ratio, in_class_diversity
from fewgan.metrics.extractors import Extractor, get_extractor, random_extractor
from fewgan.metrics.kid import kid
from fewgan.metrics.memorisation import near_copies
from fewgan.report.grids import grid, save_png

DRAWN = 64  # images of each class
SHOWN = 4  # of each kind, in the panel
ROWS = 8  # classes in the panel
LONG = 16  # images in a row of the picture of one class
FIGURES = ("kid", "accuracy", "variety", "copies")


def adapted(run: fewgan.Run, name: str, out: Path, given: argparse.Namespace) -> fewgan.Run:
    """The run after it learned one class."""
    own = methods.find(run.model["method"]).adapted_by
    few = {"classes": name, "shots": given.shots, "seed": given.seed, "progress": False}
    few |= {"check_images": 16, "steps": given.steps, "check_every": given.steps}
    few |= {"batch_size": given.shots, "ema_decay": 0.0, "lr_decay": 0.0}
    return fewgan.adapt(run, own or "sequential", given.data, out=out, **few)


def judged(
    run: fewgan.Run, name: str, real: ImageSet, judge: Extractor
) -> tuple[dict[str, float], torch.Tensor, torch.Tensor]:
    """Figures of one class, its row of the panel, and all of it at length."""
    label = name if run.class_names else None
    made = run.imageset(DRAWN, label=label, which="last").images
    division = run.folder.read_splits()
    support, held = (real.images[division.indices(part)] for part in ("train", "holdout"))
    seen, there = judge.outputs(made), judge.outputs(held)
    wanted = real.class_names.index(name)
    network = random_extractor(real.channels)
    drawn, shown = network.features(made), network.features(support)
    figures = {
        "kid": kid(seen.features, there.features),
        "accuracy": float((seen.logits.argmax(1) == wanted).double().mean()),
        "variety": variety(drawn, torch.cat([shown, network.features(held)])),
        "copies": near_copies(drawn, shown[:, None]).copies,
    }
    row = torch.cat([support[:SHOWN], held[:SHOWN], made[: 2 * SHOWN]])
    return figures, row, at_length(support, held, made)


def variety(made: torch.Tensor, real: torch.Tensor) -> float:
    """How far images of a class lie apart, against real ones; features [N,D] of both."""
    apart = [in_class_diversity(x, torch.zeros(len(x)).long(), 1) for x in (made, real)]
    return float(diversity_ratio(*apart))


def at_length(support: torch.Tensor, held: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
    """Rows of 16: the k images, those held out, and two rows of what is drawn."""
    rows = [support[:LONG], held[:LONG], made[:LONG], made[LONG : 2 * LONG]]
    blank = torch.full_like(made[:1], 255)
    return torch.cat([x for row in rows for x in (row, blank.expand(LONG - len(row), -1, -1, -1))])


def over_seeds(found: dict[str, Any]) -> dict[str, Any]:
    """Means of runs NAME-SEED over their seeds, and of their differences to the first NAME's."""
    named: dict[str, dict[str, dict[str, Any]]] = {}
    for place, run in found.items():
        name, _, seed = place.rpartition("-")
        if seed.isdecimal():
            named.setdefault(name, {})[seed] = run["mean"]
    first = next(iter(named.values()), {})
    summary: dict[str, Any] = {}
    for name, seeds in named.items():
        both = [seed for seed in seeds if seed in first]
        summary[name] = {
            figure: {
                "over seeds": estimate([run[figure]["mean"] for run in seeds.values()]).to_json(),
                "from the first": estimate(
                    [seeds[seed][figure]["mean"] - first[seed][figure]["mean"] for seed in both]
                ).to_json(),
            }
            for figure in FIGURES
        }
    return summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--data", default="omniglot")
    parser.add_argument("--shots", type=int, default=16)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    first = fewgan.load(given.runs[0])
    real = fewgan.datasets.load(given.data, size=first.spec.size)
    judge = get_extractor("in-domain", data=real)  # which saw every drawing, of every class
    found, panels, long = {}, {}, {}
    for path in given.runs:
        run = fewgan.load(path)
        novel = run.folder.read_splits().classes.get("novel", ())[given.skip :][: given.classes]
        if not novel:
            raise SystemExit(f"{path} kept no classes for later: train it with --novel-count")
        each, rows = [], []
        for index in novel:
            name = real.class_names[index]
            with tempfile.TemporaryDirectory() as place:
                learned = adapted(run, name, Path(place) / "run", given)
                figures, row, whole = judged(learned, name, real, judge)
            each.append({"class": name, **figures})
            rows.append(row)
            long.setdefault(path.name, whole)
        means = {}
        for figure in FIGURES:
            of = estimate([line[figure] for line in each])
            means[figure] = {"mean": of.mean, "low": of.low, "high": of.high}
        found[path.name] = {"method": run.model["method"], "mean": means, "classes": each}
        panels[path.name] = torch.cat(rows[:ROWS])
        print(path.name, {k: round(v["mean"], 4) for k, v in means.items()}, flush=True)
    card = {"data": given.data, "shots": given.shots, "steps": given.steps, "seed": given.seed}
    card |= {"drawn": DRAWN, "judge": judge.notes, "classes": given.classes, "skipped": given.skip}
    write_json(given.out, {"card": card, "summary": over_seeds(found), "runs": found})
    told = ["shots", "held out", "drawn", ""]
    for name, images in panels.items():
        save_png(grid(images, 4 * SHOWN), given.out.with_name(f"{given.out.stem}-{name}.png"))
        one = grid(long[name], LONG, row_labels=told)
        save_png(one, given.out.with_name(f"{given.out.stem}-{name}-one.png"))


if __name__ == "__main__":
    main()
