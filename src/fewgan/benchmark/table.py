"""The table of a protocol: means over seeds of each figure, at the best and last checkpoint."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from fewgan import __version__
from fewgan.benchmark.cells import Record, is_done, read_record
from fewgan.benchmark.estimates import Estimate, estimate
from fewgan.benchmark.plan import Cell
from fewgan.benchmark.protocol import Protocol
from fewgan.benchmark.uplift import verdict
from fewgan.errors import FewganError
from fewgan.metrics.suite import Card, Figure
from fewgan.report.comparison import SIGNS, Mark
from fewgan.report.words import count, eyes

CHECKPOINTS = ("best", "last")
WITH, WITHOUT = "the best way with generated images", "the best without"
COSTS = ("seconds", "memory")


@dataclass(frozen=True)
class Row:
    """A method on a data set, at one checkpoint, over all seeds.

    Attributes:
        label: Name of the method's entry in the protocol.
        checkpoint: `best` or `last`.
        counts: How many cells are `done`, `failed` and `left`.
        step: Mean step of the checkpoint; None if no cell is done.
        images: Mean number of real images that training had consumed there.
        estimates: Figures by name, then what it cost.
    """

    label: str
    checkpoint: str
    counts: Mapping[str, int]
    step: float | None
    images: float | None
    estimates: Mapping[str, Estimate]


@dataclass(frozen=True)
class Panel:
    """The rows of one data set at one number of shots.

    Attributes:
        data: Data set.
        shots: Training images of each class, or `all`.
        rows: All methods at their best checkpoints, then all at their last; these alone where the
            best is always the last.
        real: Figures of real images in place of generated ones.
        cards: How the figures were measured: for each card, in words, the figures that it is of.
        notes: What the cards of single figures say, such as why one is missing.
    """

    data: str
    shots: int | Literal["all"]
    rows: tuple[Row, ...]
    real: Mapping[str, Estimate]
    cards: Mapping[str, Sequence[str]]
    notes: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """The data set, without the way to a folder, and the shots if they are counted."""
        data = Path(self.data).name
        return data if self.shots == "all" else f"{data}, {self.shots} shots"

    @property
    def figures(self) -> list[str]:
        """Names of all figures and costs, in order of appearance, the costs at the end."""
        found = dict.fromkeys(name for row in self.rows for name in row.estimates)
        return [*(n for n in found if n not in COSTS), *(n for n in found if n in COSTS)]

    @property
    def verdicts(self) -> list[str]:
        """Of each method whose images were put to use: whether they help, over all its runs."""
        asked = [row for row in self.rows if "uplift" in row.estimates]
        return [
            f"{row.label}: "
            + verdict(row.estimates["uplift"], row.estimates["uplift_over_classic"], WITH, WITHOUT)
            for row in asked
            if row.checkpoint == asked[0].checkpoint
        ]

    def marks(self, name: str, checkpoint: str) -> dict[str, Mark]:
        """By method: the best mean of a figure, and those whose interval overlaps that one's.

        Nothing is marked where the figure is a cost, or was measured with several cards.
        """
        known = {
            row.label: row.estimates[name]
            for row in self.rows
            if row.checkpoint == checkpoint
            and name in row.estimates
            and row.estimates[name].mean is not None
        }
        sign = SIGNS.get(next(iter(known.values())).better) if known else None
        unlike = sum(name in names for names in self.cards.values()) > 1
        if sign is None or name in COSTS or len(known) < 2 or unlike:
            return {}
        best = max(known.values(), key=lambda found: sign * (found.mean or 0.0))
        return {
            label: "best" if e.mean == best.mean else "tied" if e.overlaps(best) else ""
            for label, e in known.items()
        }


@dataclass(frozen=True)
class Results:
    """What a protocol has found so far, read from its cells.

    Attributes:
        protocol: The protocol.
        budget: Name of its budget, empty without one.
        command: What to type to make the table again.
        cells: Every cell.
    """

    protocol: Protocol
    budget: str
    command: str
    cells: Sequence[Cell]

    @cached_property
    def records(self) -> list[tuple[Cell, Record]]:
        """Each cell with its record; one whose measures have changed counts as left."""
        return [(cell, _record(cell)) for cell in self.cells]

    @property
    def failed(self) -> list[tuple[str, str]]:
        """Name and error of each failed cell."""
        return [(c.name, str(r["error"])) for c, r in self.records if r["status"] == "failed"]

    @property
    def left(self) -> list[str]:
        """Names of the cells that are neither done nor failed."""
        return [c.name for c, r in self.records if r["status"] not in ("done", "failed")]

    def complain(self) -> None:
        """Raise what a program should notice.

        Raises:
            FewganError: A cell failed.
        """
        if self.failed:
            name, error = self.failed[0]
            raise FewganError(
                f"{len(self.failed)} of {len(self.cells)} cells failed ({name}: {error}); "
                "the same command tries again"
            )

    @cached_property
    def panels(self) -> list[Panel]:
        """A panel for each data set and number of shots, in the order of the protocol."""
        place = {data: i for i, data in enumerate(self.protocol.data)}
        shots = {few: i for i, few in enumerate(self.protocol.shots)}
        order = sorted(self.records, key=lambda r: (place[r[0].data], shots[r[0].shots]))
        grouped = groupby(order, key=lambda r: (r[0].data, r[0].shots))
        return [_panel(self.protocol, data, few, list(group)) for (data, few), group in grouped]

    @property
    def machines(self) -> list[str]:
        """What the cells ran on, a line for each kind."""
        found = (r["machine"] for _, r in self.records if r["status"] == "done")
        return list(dict.fromkeys(map(_machine, found)))

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data: the card, a row for each estimate, the failed and the left."""
        return {
            "protocol": self.protocol.model_dump(mode="json"),
            "budget": self.budget,
            "command": self.command,
            "fewgan": __version__,
            "machines": self.machines,
            "cards": {panel.name: panel.cards for panel in self.panels},
            "verdicts": {panel.name: panel.verdicts for panel in self.panels},
            "rows": list(self.lines()),
            "failed": [{"cell": name, "error": error} for name, error in self.failed],
            "left": self.left,
        }

    def lines(self) -> Iterator[dict[str, Any]]:
        """A mapping for each figure of each method; one with no figure where no cell is done."""
        for panel in self.panels:
            for row in panel.rows:
                place: dict[str, Any] = {
                    "data": Path(panel.data).name,
                    "shots": panel.shots,
                    "method": row.label,
                }
                place |= {"checkpoint": row.checkpoint, **row.counts}
                place |= {"step": row.step, "images": row.images}
                for name, found in (row.estimates or {"": estimate(())}).items():
                    real = panel.real[name].mean if name in panel.real else None
                    yield place | {
                        "figure": name,
                        "better": found.better if name else "",
                        "mean": found.mean,
                        "low": found.low,
                        "high": found.high,
                        "values": list(found.values),
                        "real": real,
                    }


# --- from records to panels -----------------------------------------------------------------------


def _record(cell: Cell) -> Record:
    record = read_record(cell)
    return record if is_done(cell) or record["status"] == "failed" else {"status": "left"}


def _panel(
    protocol: Protocol, data: str, shots: int | Literal["all"], found: list[tuple[Cell, Record]]
) -> Panel:
    done = [record for _, record in found if record["status"] == "done"]
    figures = [f for r in done for c in CHECKPOINTS for f in _figures(r, c)]
    real: dict[str, list[float]] = {}
    for figure in figures:
        if figure.real is not None:
            real.setdefault(figure.name, []).append(figure.real)
    rows = tuple(
        _row(label, checkpoint, [record for cell, record in found if cell.label == label])
        for checkpoint in (CHECKPOINTS if any(map(_competed, done)) else CHECKPOINTS[1:])
        for label in protocol.methods
    )
    cards: dict[str, list[str]] = {}
    for name, card in dict.fromkeys((f.name, _card(f.card)) for f in figures):
        cards.setdefault(card, []).append(name)
    notes: dict[str, list[str]] = {}
    for figure in figures:
        notes.setdefault(figure.name, []).append(figure.card.note)
    means = {name: estimate([fmean(values)]) for name, values in real.items()}
    shared = tuple(f"{name}: {_in_common(said)}" for name, said in notes.items() if any(said))
    return Panel(data, shots, rows, means, cards, shared)


def _competed(record: Record) -> bool:
    """Whether another checkpoint than the last was kept as the best."""
    best, last = (record["checkpoints"][checkpoint]["figures"] for checkpoint in CHECKPOINTS)
    return bool(best != last)


def _in_common(notes: Sequence[str]) -> str:
    """What the notes of all cells say, part by part, and where the rest is."""
    parts = [note.split("; ") for note in notes]
    alike = [part for part in dict.fromkeys(parts[0]) if part and all(part in p for p in parts)]
    rest = [] if all(p == parts[0] for p in parts) else ["more in each evaluation.json"]
    return "; ".join(alike + rest)


def _figures(record: Record, checkpoint: str) -> list[Figure]:
    return [Figure.model_validate(f) for f in record["checkpoints"][checkpoint]["figures"]]


def _row(label: str, checkpoint: str, records: list[Record]) -> Row:
    done = [record for record in records if record["status"] == "done"]
    failed = sum(record["status"] == "failed" for record in records)
    counts = {"done": len(done), "failed": failed, "left": len(records) - len(done) - failed}
    found: dict[str, list[Figure]] = {}
    for record in done:
        for figure in _figures(record, checkpoint):
            found.setdefault(figure.name, []).append(figure)
    estimates = {
        name: estimate([f.value for f in each if f.value is not None], each[0].better)
        for name, each in found.items()
    }
    estimates |= {name: estimate([r[name] for r in done]) for name in COSTS if done}
    cards = [each[0].card for each in (_figures(r, checkpoint) for r in done) if each]
    step, images = ([getattr(c, name) or 0 for c in cards] for name in ("steps", "images_seen"))
    return Row(
        label,
        checkpoint,
        counts,
        fmean(step) if step else None,
        fmean(images) if images else None,
        estimates,
    )


def _card(card: Card) -> str:
    """What must agree before two figures of one data set are compared, in one line."""
    neighbours = f"k = {card.k} · " if card.k else ""
    return (
        f"{eyes(card)} · {card.n_fake:,} generated against "
        f"{card.n_real:,} real images of {card.reference} · generator trained on {card.train} · "
        f"{neighbours}seed of the measurement {card.seed}"
    )


def _machine(machine: Mapping[str, Any]) -> str:
    gpu = f", {machine['gpu']}" if machine["gpu"] else ""
    return (
        f"{machine['cores']} cores, {count(machine['threads'], 'thread')} a cell{gpu}, "
        f"fewgan {machine['fewgan']}, torch {machine['torch']}, Python {machine['python']}"
    )
