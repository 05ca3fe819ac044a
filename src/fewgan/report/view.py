"""A run as a report sees it: everything in its folder, read once and checked."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewgan.errors import InputError
from fewgan.files import read_json
from fewgan.training.run import Run

PICTURES = {
    "interpolation": "Walks from one latent to another on a great circle, the class held.",
    "variation": "In-class variation: real held-out images above, generated images below.",
    "memorisation": "The most suspicious generated images (left) beside their nearest training "
    "images (right), with their distance; red frames are copies.",
}
"""Pictures that an evaluation leaves in `samples/`, and what they show."""

LABELS = {
    "fid": "FID",
    "kid": "KID",
    "is": "Inception score",
    "accuracy": "class accuracy",
    "accuracy_worst_class": "accuracy, worst class",
    "cas": "classification accuracy score",
    "cas_worst_class": "classification accuracy score, worst class",
    "lpips": "in-class perceptual distance",
    "diversity": "in-class diversity",
    "diversity_worst_class": "in-class diversity, worst class",
    "copies": "share of copies",
    "copying_excess": "copying, in excess of real images",
    "nearest_ratio": "nearest-training over nearest-held-out distance",
}
"""What figures are called in words, where their name is not a word already."""


@dataclass(frozen=True)
class RunView:
    """What is in a run folder.

    Attributes:
        path: The folder.
        config: All settings, as in `config.yaml`.
        model: What `model.json` says.
        lines: Lines of `metrics.jsonl`.
        about: Step, images and seconds of the model that samples.
        evaluation: What the last `fewgan evaluate` wrote, or None.
    """

    path: Path
    config: dict[str, Any]
    model: dict[str, Any]
    lines: list[dict[str, Any]]
    about: dict[str, Any]
    evaluation: dict[str, Any] | None

    @classmethod
    def read(cls, path: str | Path) -> "RunView":
        """Read a run folder.

        Raises:
            InputError: This is no run folder, or a file of it is damaged.
        """
        run = Run(path)
        run.sampler("best")
        folder = run.folder
        evaluation = run.path / "evaluation.json"
        return cls(
            run.path,
            folder.read_config().model_dump(mode="json"),
            run.model,
            read_lines(folder.log_file),
            run.about["best"],
            read_json(evaluation) if evaluation.exists() else None,
        )

    @property
    def title(self) -> str:
        """Method and data in words."""
        return f"{self.model['method']} on {self.model['data']}"

    @property
    def figures(self) -> list[dict[str, Any]]:
        """The figures of the evaluation, each with its card; empty before there is one."""
        return self.evaluation["figures"] if self.evaluation else []

    @property
    def last_step(self) -> int:
        """The last step that was logged."""
        return self.lines[-1]["step"] if self.lines else self.about["step"]

    @property
    def losses(self) -> list[dict[str, Any]]:
        """Lines that carry losses."""
        return [line for line in self.lines if "images_per_second" in line]

    @property
    def checks(self) -> list[dict[str, Any]]:
        """Lines that carry the keep-best figure and the in-class variety."""
        return [line for line in self.lines if "kid" in line]

    @property
    def alarms(self) -> list[str]:
        """Alarms in words, each with its step."""
        return [f"step {line['step']}: {line['alarm']}" for line in self.lines if "alarm" in line]

    @property
    def grid(self) -> Path | None:
        """The grid of fixed latents nearest to the step of the best checkpoint."""
        grids = sorted((self.path / "samples").glob("step-*.png"))
        best = self.about["step"]
        return min(grids, key=lambda g: abs(int(g.stem[5:]) - best)) if grids else None

    @property
    def pictures(self) -> dict[str, Path]:
        """The pictures of the evaluation that exist, by name."""
        places = {name: self.path / "samples" / f"{name}.png" for name in PICTURES}
        return {name: place for name, place in places.items() if place.exists()}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Lines of a `metrics.jsonl`; a last line that a kill cut short is left out.

    Raises:
        InputError: The file is missing, or another line is damaged.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; is the folder complete?") from None
    rows = text.split("\n")[:-1]  # what follows the last newline is nothing, or cut short
    lines = []
    for number, row in enumerate(rows, 1):
        try:
            lines.append(json.loads(row))
            lines[-1]["step"]
        except (ValueError, TypeError, KeyError):
            raise InputError(f"{path}, line {number} is damaged: not what fewgan logs") from None
    return lines


def label(name: str) -> str:
    """A figure's name in words."""
    return LABELS.get(name, name)


def number(value: float | None) -> str:
    """A number as tables show it: four significant digits; a dash for none."""
    if value is None:
        return "-"
    return f"{value:.4f}" if 0.0001 <= abs(value) < 10 or value == 0 else f"{value:.4g}"


def with_spread(figure: dict[str, Any]) -> str:
    """A figure's value with its spread."""
    spread = figure.get("spread")
    return number(figure["value"]) + (f" ± {number(spread)}" if spread is not None else "")


def card_line(card: dict[str, Any]) -> str:
    """A card in one line: what any two figures must share to be compared."""
    parts = [
        f"{card['extractor']} features ({card['dim']})",
        f"{card['n_fake']:,} generated against {card['n_real']:,} real ({card['reference']})",
        f"trained on {card['train']}",
    ]
    if card.get("steps") is not None:
        parts.append(f"step {card['steps']:,}, {card['images_seen']:,} images seen")
    return "; ".join([*parts, f"k = {card['k']}", f"seed {card['seed']}"])
