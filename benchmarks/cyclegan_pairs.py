"""Translation scored on held-out pairs: does what was made for an emoji find its counterpart?

    python benchmarks/cyclegan_pairs.py RUN [--data emoji-pairs] [--out FILE.json] [--panel DIR]

RUN is a run of a translator on a set of pairs, whose test images are domain A and then, in the
same order, domain B. Each held-out image is translated, and candidates are ranked by their distance
to it: which rank has the true counterpart? Distances are of two kinds: between pooled features, and
LPIPS, which compares place by place. Candidates are all held-out images of the target domain; or
those of both domains but the one that is translated, where a translation must leave its own style
to find its counterpart first. The same is asked of an untrained generator, and of a copy of the
image itself, which among images of the target domain is a strong answer. Chance has a median rank
of half the candidates.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import fewgan
from fewgan import data, methods
from fewgan.data.imageset import ImageSet, to_bytes, to_float
from fewgan.errors import InputError
from fewgan.metrics.extractors import get_extractor
from fewgan.metrics.perceptual import perceptual_vectors
from fewgan.metrics.retrieval import Retrieval, retrieval
from fewgan.networks.translation import Direction, Translator
from fewgan.report.grids import save_png
from fewgan.report.translation import translation_panel
from fewgan.training.run import Run

Translate = Callable[[Tensor, Direction], Tensor]
Describe = Callable[[Tensor], Tensor]
COLUMNS = 12
BOTH = ", among both domains"


def pairs(images: ImageSet) -> tuple[Tensor, Tensor]:
    """Both domains of a test set, uint8 [N,C,S,S] each, counterparts at the same place."""
    a, b = (images.images[images.labels == domain] for domain in (0, 1))
    if len(images.class_names) != 2 or len(a) != len(b):
        raise InputError(f"{images.name} holds no pairs: give a set such as emoji-pairs")
    return a, b


def untrained(run: Run, seed: int = 0) -> Translate:
    """The run's translator before any training."""
    method: Any = methods.find(run.model["method"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        settings = method.Settings.model_validate(run.model["settings"])
        translator: Translator = method.make_sampler(settings, run.spec)

    @torch.no_grad()
    def translate(images: Tensor, direction: Direction) -> Tensor:
        parts = images.split(32)
        return torch.cat([translator.translate(to_float(part), direction) for part in parts])

    return translate


def score(
    translate: Translate, a: Tensor, b: Tensor, spaces: dict[str, Describe]
) -> dict[str, dict[str, Retrieval]]:
    """The figures of a translator: direction, space, figures."""
    ways: tuple[tuple[Direction, Tensor, Tensor], ...] = (("a2b", a, b), ("b2a", b, a))
    found: dict[str, dict[str, Retrieval]] = {}
    for way, source, target in ways:
        made = to_bytes(translate(source, way))
        found[way] = {}
        for name, of in spaces.items():
            x, answer, before = of(made), of(target), of(source)
            found[way][name] = retrieval(x, answer)
            found[way][name + BOTH] = retrieval(x, answer, before)
    return found


def measure(run: Run, name: str, extractor_name: str) -> dict[str, Any]:
    """Every translator's figures in both directions, with what they were measured on."""
    images = data.load(name, "test", size=run.spec.size, channels=run.spec.channels)
    a, b = pairs(images)
    extractor = get_extractor(extractor_name, data=images)
    translators: dict[str, Translate] = {
        "trained, best checkpoint": run.translate,
        "trained, last checkpoint": lambda x, way: run.translate(x, way, "last"),
        "untrained": untrained(run),
        "identity": lambda x, way: to_float(x),
    }
    spaces: dict[str, Describe] = {
        "features": extractor.features,
        "lpips": lambda x: perceptual_vectors(extractor, x),
    }
    figures = {
        who: {
            way: {space: found._asdict() for space, found in spaces_of.items()}
            for way, spaces_of in score(each, a, b, spaces).items()
        }
        for who, each in translators.items()
    }
    card = {
        "run": run.path.name,
        "data": name,
        "domains": list(images.class_names),
        "pairs": len(a),
        "chance_median_rank": (len(a) + 1) / 2,
        f"chance_median_rank{BOTH}": len(a),
        "extractor": extractor.name,
        "extractor_sha256": extractor.identity,
        "lpips": "uncalibrated: every channel of every tap of the extractor counts alike",
        "steps": {which: about["step"] for which, about in run.about.items()},
        "images": run.about["last"]["images"],
        "seconds": run.about["last"]["seconds"],
        "settings": run.model["settings"],
    }
    return {"card": card, "figures": figures}


def show(result: dict[str, Any]) -> None:
    card = result["card"]
    a, b = card["domains"]
    for way, title in (("a2b", f"{a} to {b}"), ("b2a", f"{b} to {a}")):
        words = f"{title}, {card['pairs']} held-out pairs, chance {card['chance_median_rank']:g}"
        table = Table(title=f"{words}, {card['extractor']}", box=None)
        for column in ("distance by", "translator"):
            table.add_column(column)
        for column in Retrieval._fields:
            table.add_column(column.replace("_", " "), justify="right")
        for space in (name + among for among in ("", BOTH) for name in ("features", "lpips")):
            for who, ways in result["figures"].items():
                told = (f"{value:.4g}" for value in ways[way][space].values())
                table.add_row(space.replace(BOTH, ", both"), who, *told)
        Console().print(table)


def save_panels(run: Run, name: str, folder: Path) -> None:
    """A->B->A and B->A->B of some held-out images, with the true counterparts."""
    images = data.load(name, "test", size=run.spec.size, channels=run.spec.channels)
    a, b = pairs(images)
    chosen = torch.arange(COLUMNS) * len(a) // COLUMNS
    ways: tuple[tuple[Direction, Tensor, Tensor], ...] = (("a2b", a, b), ("b2a", b, a))
    for way, source, answers in ways:
        panel = translation_panel(
            run.translate, source[chosen], way, images.class_names, answers[chosen]
        )
        save_png(panel, folder / f"{way}.png")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", help="set of pairs; the run's own when left out")
    parser.add_argument("--extractor", default="imagenet-mid")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--panel", type=Path)
    given = parser.parse_args()
    run = fewgan.load(given.run)
    name = given.data or run.folder.read_config().data
    result = measure(run, name, given.extractor)
    show(result)
    if given.out:
        given.out.write_text(json.dumps(result, indent=2) + "\n")
    if given.panel:
        save_panels(run, name, given.panel)


if __name__ == "__main__":
    main()
