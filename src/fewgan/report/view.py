"""A run folder as the reports see it: read once, checked, and never written."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from fewgan.errors import InputError
from fewgan.files import read_json, sha256_file
from fewgan.metrics.suite import Figure

Line = dict[str, Any]
PNG = b"\x89PNG\r\n\x1a\n"
PICTURES = ("grid", "interpolation", "variation", "memorisation")


@dataclass(frozen=True)
class RunView:
    """What a run says about itself.

    Attributes:
        path: The run folder.
        config: All settings, from `config.yaml`.
        config_text: The same file as it stands.
        model: What `model.json` says: class names, channels, size, licence of the data.
        lines: `metrics.jsonl`, in the order of the steps.
        evaluation: What `evaluation.json` says, without the figures; empty before `evaluate`.
        figures: The figures with their cards.
        pictures: Named pictures of `samples/` that exist.
        snapshots: Grids of the fixed latents, by step.
        sweeps: Sheets on which one code changes, by its name.
        uplift: What `fewgan uplift` found; nothing before it was asked.
    """

    path: Path
    config: Mapping[str, Any]
    config_text: str
    model: Mapping[str, Any]
    lines: tuple[Line, ...] = ()
    evaluation: Mapping[str, Any] | None = None
    figures: tuple[Figure, ...] = ()
    pictures: Mapping[str, Path] | None = None
    snapshots: Mapping[int, Path] | None = None
    sweeps: Mapping[str, Path] | None = None
    uplift: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, path: str | Path) -> "RunView":
        """Read a run folder; a run that was not evaluated, or has just begun, is fine.

        Raises:
            InputError: This is no run folder, or one of its files is damaged.
        """
        path = Path(path)
        if not path.is_dir():
            raise InputError(f"there is no run folder {path}: check the path")
        for name in ("model.json", "config.yaml"):
            if not (path / name).is_file():
                raise InputError(
                    f"{path} is not a run folder: it has no {name}; give one that fewgan made"
                )
        model = read_json(path / "model.json")
        text, config = _read_config(path / "config.yaml", model)
        evaluation, figures = _read_evaluation(path / "evaluation.json")
        samples = path / "samples"
        named = {name: samples / f"{name}.png" for name in PICTURES}
        return cls(
            path,
            config,
            text,
            model,
            read_lines(path / "metrics.jsonl"),
            evaluation,
            figures,
            {name: file for name, file in named.items() if file.is_file()},
            dict(sorted(_snapshots(samples))),
            {
                file.stem.removeprefix("sweep-"): file
                for file in sorted(samples.glob("sweep-*.png"))
            },
            read_json(path / "uplift.json") if (path / "uplift.json").exists() else None,
        )

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name

    @property
    def method(self) -> str:
        """Name of the method."""
        return str(self.config.get("method") or self.model.get("method", "unknown method"))

    @property
    def data(self) -> str:
        """Name of the data set, or of the folder of images without the way to it."""
        data = str(self.model.get("data") or self.config.get("data", "unknown data"))
        return Path(data).name or data

    @property
    def licence(self) -> str:
        """Licence of the data."""
        return str(self.model.get("licence", "unknown"))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Classes that can be asked for; empty when the run is unconditional."""
        return tuple(str(name) for name in self.model.get("class_names", ()))

    @property
    def last(self) -> Line:
        """The last line of the log: how far training came."""
        return self.lines[-1] if self.lines else {"step": 0, "seconds": 0.0, "images": 0}

    @cached_property
    def best(self) -> Line | None:
        """The check that the best checkpoint comes from; None before the first."""
        marked = [line for line in self.lines if line.get("best")]
        return marked[-1] if marked else None

    @property
    def alarms(self) -> list[tuple[int, str]]:
        """Step and words of each alarm."""
        return [(line["step"], str(line["alarm"])) for line in self.lines if line.get("alarm")]

    @property
    def sample_picture(self) -> Path | None:
        """The grid to show first: a named one, else that of the best step, else the newest."""
        snapshots = self.snapshots or {}
        best = self.best["step"] if self.best else None
        newest = list(snapshots.values())[-1:]
        named = (self.pictures or {}).get("grid")
        return named or snapshots.get(best or 0) or (newest[0] if newest else None)


# --- reading ----------------------------------------------------------------------------------


def _read_config(path: Path, model: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Text and content of `config.yaml`, checked against the seal that `model.json` keeps."""
    seal = model.get("seals", {}).get(path.name)
    if seal and sha256_file(path) != seal:
        raise InputError(f"{path} is damaged or was edited: put the original back")
    try:
        text = path.read_text(encoding="utf-8")
        config = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise InputError(f"{path} is damaged: not the settings that fewgan writes")
    return text, config


def _read_evaluation(path: Path) -> tuple[Mapping[str, Any] | None, tuple[Figure, ...]]:
    if not path.exists():
        return None, ()
    content = read_json(path)
    try:
        figures = tuple(Figure.model_validate(entry) for entry in content.pop("figures"))
    except (ValidationError, KeyError, TypeError):
        raise InputError(
            f"{path} does not hold the figures of this fewgan: run `fewgan evaluate` again"
        ) from None
    return content, figures


def read_lines(path: Path) -> tuple[Line, ...]:
    """Read `metrics.jsonl`: one mapping a line with `step`, `seconds` and `images`.

    A last line without its end, from a write that was killed, is left out; lines that a resumed
    run wrote again stand in place of those before.

    Raises:
        InputError: A line is damaged, named by its number.
    """
    if not path.exists():
        return ()
    *whole, rest = path.read_bytes().split(b"\n")
    lines: list[Line] = []
    for place, data in enumerate(whole, start=1):
        line = _parse(data)
        if line is None:
            raise InputError(
                f"{path}, line {place} is damaged: not a line that fewgan logs; "
                "put the original back, or train again"
            )
        while lines and lines[-1]["step"] > line["step"]:
            lines.pop()
        lines.append(line)
    tail = _parse(rest)
    return (*lines, tail) if tail else tuple(lines)


def _parse(data: bytes) -> Line | None:
    """One line of the log, or None if it is none."""
    try:
        line = json.loads(data)
    except (ValueError, RecursionError):
        return None
    needed = ("step", "seconds", "images")
    if not isinstance(line, dict) or not all(finite(line.get(name)) for name in needed):
        return None
    return {**line, "step": int(line["step"])}


def finite(value: object) -> bool:
    """Whether a logged value is a number that can be drawn."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _snapshots(samples: Path) -> Iterator[tuple[int, Path]]:
    for file in samples.glob("step-*.png"):
        if (step := step_of(file)) is not None:
            yield step, file


def step_of(picture: Path) -> int | None:
    """The training step that a picture's name tells; None if it tells none."""
    digits = picture.stem.removeprefix("step-")
    return int(digits) if digits.isascii() and digits.isdigit() else None


def read_picture(path: Path) -> bytes:
    """The bytes of a PNG, checked to decode.

    Raises:
        InputError: It cannot be read, or is not a whole PNG.
    """
    from PIL import Image

    try:
        data = path.read_bytes()
        with Image.open(path) as image:
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "not a whole PNG picture"
        raise InputError(f"{path} cannot be shown: {reason}; delete it and draw it again") from None
    if not data.startswith(PNG):
        raise InputError(f"{path} is not a PNG picture: delete it and draw it again")
    return data
