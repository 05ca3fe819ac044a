"""Run folders made by hand, with real handwriting in the pictures: no training is needed."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from sklearn.datasets import load_digits

from fewgan.data.imageset import ImageSet
from fewgan.files import sha256_file, write_json
from fewgan.report.grids import by_class, class_grid, memorisation_sheet, save_png, variation_panel

NAMES = tuple(str(digit) for digit in range(10))


@pytest.fixture(scope="session")
def digits() -> ImageSet:
    """Three hundred real handwritten digits, 8 x 8."""
    found = load_digits()
    images = torch.tensor(found.images[:300] * 255 / 16).round().to(torch.uint8)[:, None]
    return ImageSet(images, torch.tensor(found.target[:300]), NAMES, "digits")


def figure(name: str, value: float | None, better: str = "higher", **more) -> dict:
    """A figure as `evaluation.json` holds it; `card` among `more` changes the card."""
    card = {
        "metric": name, "extractor": "in-domain", "about": "a classifier of digits", "dim": 64,
        "n_fake": 1000, "n_real": 355, "reference": "digits, held out",
        "train": "digits, 1442 images", "seed": 7, "k": 5, "note": "", "steps": 2000,
        "images_seen": 128000,
    } | more.pop("card", {})  # fmt: skip
    plain = {"spread": None, "spread_is": "", "real": 0.9, "per_class": None}
    return {"name": name, "value": value, "better": better, "card": card} | plain | more


FIGURES = [
    figure("kid", 0.0573, "lower", spread=0.0251, spread_is="bootstrap interval", real=-0.0111),
    figure("coverage", 0.8127, card={"metric": "prdc"}),
    figure("accuracy", 0.82, spread=0.01, spread_is="error", per_class={"0": 0.9, "1": 0.5}),
    figure("lpips", None, card={"note": "no weights here"}),
    figure("copies", 0.0, "lower", card={"extractor": "random", "about": ""}),
]  # fmt: skip


def log_lines(steps: int = 2000, every: int = 500) -> list[dict]:
    """A log with losses at every step that is logged, and a check at some of them."""
    lines = []
    for step in range(50, steps + 1, 50):
        shared = {"step": step, "seconds": step / 20, "images": step * 64}
        losses = {"d/adversarial": 0.5, "g/adversarial": 4 - step / 1000, "g/class": 100 / step}
        lines.append(shared | losses | {"images_per_second": 1280.0})
        if step % every == 0:
            check = {"kid": abs(step - 1500) / 1e4 + 0.01, "diversity": 0.9, "diversity_min": 0.7}
            lines.append(shared | check | {"best": step <= 1500})
    return lines


def make_run(path: Path, *, figures=FIGURES, lines=None, names=NAMES, **config) -> Path:
    """A run folder without pictures."""
    path.mkdir(parents=True)
    settings = {"data": "digits", "steps": 2000, "seed": 0, "fewgan": "0.1.0", "method": "acgan"}
    (path / "config.yaml").write_text(
        yaml.safe_dump(settings | config | {"settings": {"width": 8}})
    )
    model = {
        "method": settings["method"], "data": config.get("data", "digits"), "channels": 1,
        "size": 8, "class_names": list(names), "licence": "CC BY 4.0", "train_images": 1442,
        "seals": {"config.yaml": sha256_file(path / "config.yaml")},
    }  # fmt: skip
    write_json(path / "model.json", model)
    rows = log_lines() if lines is None else lines
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if figures:
        content = {"data": "digits", "checkpoint": "best", "n": 1000, "seed": 7, "figures": figures}
        write_json(path / "evaluation.json", content)
    return path


@pytest.fixture
def run_folder(tmp_path: Path, digits: ImageSet) -> Path:
    """An evaluated run with all its pictures."""
    path = make_run(tmp_path / "acgan-digits")
    images, labels = digits.images, digits.labels
    for step in (500, 1000, 1500, 2000):
        picture = class_grid(images[:100], labels[:100], NAMES)
        save_png(picture, path / "samples" / f"step-{step:07d}.png")
    classes = by_class(images, labels, NAMES)
    save_png(variation_panel(classes, classes, 6), path / "samples" / "variation.png")
    far = torch.linspace(0.1, 1, 6)
    sheet = memorisation_sheet(images[:6], images[6:12], far, far < 0.2)
    save_png(sheet, path / "samples" / "memorisation.png")
    return path
