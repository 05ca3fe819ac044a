"""Figures and comparisons as tables for a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fewgan.metrics.suite import Figure
from fewgan.report.comparison import Cell, Comparison
from fewgan.report.view import RunView
from fewgan.report.words import by_card, number, plus_minus, remarks, title

STYLES = {"best": "bold green", "tied": "green", "": ""}
CLASSES = 20  # told one by one; the rest are in the file
SIGNS = {"best": " *", "tied": " ≈", "": ""}


def figures_table(figures: Iterable[Figure | Mapping[str, Any]]) -> RenderableType:
    """Figures with spread, beside real images; their cards stand below, under letters.

    Args:
        figures: As `suite.measure` gives them, or as `evaluation.json` holds them.
    """
    table = _table("Figure", "Generated", "Real", "Better", "Card")
    table.add_column("Remarks", style="dim", overflow="fold")
    cards = []
    for i, (card, members) in enumerate(by_card(map(Figure.model_validate, figures))):
        letter = _letter(i)
        cards.append(Text(f"{letter}  {card}", style="dim"))
        for figure in members:
            value = plus_minus(figure.value, figure.spread)
            cells = (title(figure.name), value, number(figure.real), figure.better, letter)
            table.add_row(*map(Text, cells), Text(remarks(figure)))
    return Group(table, Text(), *cards)


def uplift_table(result: Mapping[str, Any]) -> RenderableType:
    """What `uplift` found: a way a row, what generated images bring, and the answer."""
    table = _table("Way", "Accuracy, %", "Lowest recall, %")
    for name, way in result["ways"].items():
        accuracy, recall = way["accuracy"], way["recall"]
        lowest = min(recall, key=lambda name: recall[name]["mean"])
        cells = (
            name,
            plus_minus(accuracy["mean"], accuracy["half"]),
            f"{number(recall[lowest]['mean'])} ({lowest})",
        )
        table.add_row(*map(Text, cells))
    gains = _table("Paired difference", "Points")
    for found in result["gains"].values():
        pair = f"{found['of']} over {found['over']}"
        gains.add_row(Text(pair), Text(plus_minus(found["mean"], found["half"])))
    classes = _table("Recall, generated over real", "Points")
    for name, found in list(result["recall_gains"].items())[:CLASSES]:
        classes.add_row(Text(name), Text(plus_minus(found["mean"], found["half"])))
    card = "; ".join(f"{name} {value}" for name, value in result["card"].items())
    verdict, about = Text(result["verdict"], style="bold"), Text(card, style="dim")
    return Group(table, Text(), gains, Text(), classes, Text(), verdict, Text(), about)


def comparison_table(runs: Sequence[RunView]) -> RenderableType:
    """Runs side by side, the best of each row marked; the notes and the cards stand below."""
    found = Comparison(tuple(runs))
    table = _table("", *found.names, "Real")
    for heading, cells in found.table():
        table.add_row(Text(heading), *map(_cell, cells))
    legend = Text("* best of the row   ≈ within the spreads of the best", style="dim")
    notes = [Text(note, style="yellow") for note in found.notes]
    cards = [Text(card, style="dim") for card in found.cards]
    return Group(table, Text(), legend, *notes, *cards)


def _table(*columns: str) -> Table:
    """An open table; the first column is set to the left, the others to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for i, column in enumerate(columns):
        table.add_column(Text(column), justify="right" if i else "left", overflow="fold")
    return table


def _cell(cell: Cell) -> Text:
    return Text(cell.text + SIGNS[cell.mark], style=STYLES[cell.mark])


def _letter(index: int) -> str:
    return chr(ord("a") + index) if index < 26 else str(index + 1)
