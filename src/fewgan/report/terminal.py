"""Tables for a terminal."""

from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from fewgan.report.compare import differences, grid_of
from fewgan.report.view import RunView, card_line, label, number, with_spread


def figures_table(figures: Sequence[dict[str, Any]]) -> Group:
    """Figures with their spread, the same for real images, and below them their cards."""
    table = Table(box=None, pad_edge=False)
    for column in ("figure", "generated", "real images", "better", "note"):
        table.add_column(column, overflow="fold")
    for figure in figures:
        note = figure["card"].get("note") or figure.get("spread_is") or ""
        cells = label(figure["name"]), with_spread(figure), number(figure["real"])
        table.add_row(*cells, figure["better"], Text(note, style="dim"))
    cards = sorted({card_line(figure["card"]) for figure in figures})
    return Group(table, *(Text(line, style="dim") for line in cards))


def comparison_table(views: Sequence[RunView]) -> Group:
    """Runs as columns and figures as rows, so that many figures fit a terminal."""
    head, rows = grid_of(views)
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for row in rows:
        table.add_column(row[0], overflow="fold")
    for name, *cells in list(zip(head, *rows, strict=True))[1:]:
        table.add_row(name, *cells)
    warnings = [Text(f"not comparable: {w}", style="bold red") for w in differences(views)]
    return Group(table, Text("* best of its row", style="dim"), *warnings)
