"""Runs side by side: which figures may be compared, which run is best, and what differs.

Two figures compare if the same eyes looked at the same references in the same numbers. Where they
did not, the figures are shown and no best is named.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import hypot
from typing import Any, Literal

from fewgan.metrics.suite import Card, Figure
from fewgan.report.view import RunView
from fewgan.report.words import by_card, duration, number, plus_minus, title

Mark = Literal["", "best", "tied"]

# What must agree before two figures can be compared, and how it is told.
ASPECTS: dict[str, Callable[[Card], object]] = {
    "extractor": lambda card: f"{card.extractor} ({card.about})" if card.about else card.extractor,
    "number of features": lambda card: card.dim,
    "reference": lambda card: card.reference,
    "number of generated images": lambda card: card.n_fake,
    "images drawn for each": lambda card: (card.drawn or card.n_fake) // card.n_fake,
    "number of real images": lambda card: card.n_real,
    "k": lambda card: card.k if card.metric == "prdc" else None,
}
SIGNS = {"higher": 1, "lower": -1}


@dataclass(frozen=True)
class Cell:
    """One entry of the table: its text, and whether it is the best of its row or tied with it."""

    text: str
    mark: Mark = ""


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        runs: The runs, in the order given.
    """

    runs: tuple[RunView, ...]

    @cached_property
    def names(self) -> list[str]:
        """What to call each run: its folder's name, or its whole path where two have the same."""
        count = Counter(run.name for run in self.runs)
        return [run.name if count[run.name] == 1 else str(run.path) for run in self.runs]

    @cached_property
    def figures(self) -> dict[str, dict[int, Figure]]:
        """By name of the figure, in order of appearance: the figure of each run that has it."""
        found: dict[str, dict[int, Figure]] = {}
        for i, run in enumerate(self.runs):
            for figure in run.figures:
                found.setdefault(figure.name, {})[i] = figure
        return found

    def differences(self, name: str) -> list[str]:
        """Why a figure cannot be compared over these runs; empty if it can."""
        return [
            f"{aspect} differs ({self._who_has(values)})"
            for aspect, read in ASPECTS.items()
            if len(set((values := self._values(name, read)).values())) > 1
        ]

    def _values(self, name: str, read: Callable[[Card], object]) -> dict[int, object]:
        return {i: read(figure.card) for i, figure in self.figures[name].items()}

    def _who_has(self, values: Mapping[int, object]) -> str:
        """`a, b: 1,000; c: 500`."""
        holders: dict[str, list[str]] = {}
        for i, value in values.items():
            text = number(value) if isinstance(value, int) else str(value)
            holders.setdefault(text, []).append(self.names[i])
        return "; ".join(f"{', '.join(names)}: {text}" for text, names in holders.items())

    def marks(self, name: str) -> dict[int, Mark]:
        """The best run of a figure, and the runs whose difference from it lies within the spreads.

        Nothing is marked if the figure cannot be compared, or only one run has it.
        """
        known = {i: f for i, f in self.figures[name].items() if f.value is not None}
        sign = SIGNS.get(next(iter(self.figures[name].values())).better)
        if sign is None or len(known) < 2 or self.differences(name):
            return {}
        first = max(known, key=lambda i: sign * (known[i].value or 0.0))
        best = known[first]
        return {
            i: "best" if figure.value == best.value else "tied" if _close(figure, best) else ""
            for i, figure in known.items()
        }

    @cached_property
    def notes(self) -> list[str]:
        """What a reader must know before comparing."""
        reasons: dict[str, list[str]] = {}
        for name in self.figures:
            if why := "; ".join(self.differences(name)):
                reasons.setdefault(why, []).append(title(name))
        notes = [f"Not comparable: {', '.join(names)}: {why}." for why, names in reasons.items()]
        for i, run in enumerate(self.runs):
            if not run.figures:
                notes.append(f"{self.names[i]} has no figures: measure it with fewgan evaluate.")
        trained = {i: f"{run.data}, {_images(run)}" for i, run in enumerate(self.runs)}
        if len(set(trained.values())) > 1:
            notes.append(f"Trained on different images ({self._who_has(trained)}).")
        seen = {i: run.last["images"] for i, run in enumerate(self.runs)}
        if len(set(seen.values())) > 1:
            notes.append(f"Trained for different numbers of images seen ({self._who_has(seen)}).")
        return notes

    @cached_property
    def cards(self) -> list[str]:
        """The card of each run's figures."""
        return [
            f"{self.names[i]}, {', '.join(title(figure.name) for figure in members)}: {card}"
            for i, run in enumerate(self.runs)
            for card, members in by_card(run.figures)
        ]

    def table(self) -> list[tuple[str, list[Cell]]]:
        """Rows of a heading and a cell for each run; the last cell is that of real images."""
        facts = {
            "Method": [run.method for run in self.runs],
            "Data": [run.data for run in self.runs],
            "Steps": [number(run.last["step"]) for run in self.runs],
            "Images seen": [number(run.last["images"]) for run in self.runs],
            "Training time": [duration(run.last["seconds"]) for run in self.runs],
        }
        rows = [(name, [*map(Cell, values), Cell("")]) for name, values in facts.items()]
        return rows + [(title(name), self._cells(name)) for name in self.figures]

    def _cells(self, name: str) -> list[Cell]:
        having, marks = self.figures[name], self.marks(name)
        cells = [
            Cell(plus_minus(having[i].value, having[i].spread), marks.get(i, ""))
            if i in having
            else Cell(number(None))
            for i in range(len(self.runs))
        ]
        real = dict.fromkeys(number(figure.real) for figure in having.values())
        return [*cells, Cell(" / ".join(real))]

    def rows(self) -> list[dict[str, Any]]:
        """The same as plain data: one mapping a run, with its figures by name."""
        marks = {name: self.marks(name) for name in self.figures}
        return [
            {
                "run": str(run.path),
                "method": run.method,
                "data": run.data,
                "step": (run.best or run.last)["step"],
                "steps": run.last["step"],
                "images": run.last["images"],
                "seconds": run.last["seconds"],
                "figures": {
                    figure.name: figure.model_dump(mode="json")
                    | {
                        "best": marks[figure.name].get(i) == "best",
                        "tied": marks[figure.name].get(i) == "tied",
                        "comparable": not self.differences(figure.name),
                    }
                    for figure in run.figures
                },
            }
            for i, run in enumerate(self.runs)
        ]


def _close(figure: Figure, best: Figure) -> bool:
    """Whether two figures differ by no more than their spreads together."""
    if figure.spread is None or best.spread is None:
        return False
    return abs((figure.value or 0.0) - (best.value or 0.0)) <= hypot(figure.spread, best.spread)


def _images(run: RunView) -> str:
    count = run.model.get("train_images")
    return f"{number(count)} images" if count else "number not recorded"
