"""Compare runs: as a table for whoever calls, as a Markdown file, or as a page with pictures."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fewgan.errors import InputError
from fewgan.files import write_text
from fewgan.report.comparison import Cell, Comparison
from fewgan.report.markdown import plain
from fewgan.report.markdown import table as markdown_table
from fewgan.report.markup import Html, document, framed_table, section, tag
from fewgan.report.side_by_side import pictures
from fewgan.report.view import RunView

LEGEND = (
    "Best of a row in bold; ≈ marks what differs from it by no more than their spreads. "
    "Nothing is marked where figures cannot be compared."
)


def compare(
    runs: Sequence[RunView], out: Path | None = None, classes: Sequence[str] | None = None
) -> Comparison:
    """Put runs side by side, and write them to `out` (`.md` or `.html`) if it is given.

    Args:
        runs: The runs.
        out: A Markdown file for the table, or a page for the pictures as well.
        classes: Classes whose variety the page shows; the first two that the runs share if None.

    Raises:
        InputError: There are no runs, `out` is of another kind or cannot be written, or a run has
            no such class.
    """
    if not runs:
        raise InputError("name the runs to compare: fewgan compare RUN RUN")
    if out and out.suffix.lower() not in WRITERS:
        raise InputError(f"--out {out}: give FILE.md or FILE.html")
    found = Comparison(tuple(runs))
    if out:
        write_text(out, WRITERS[out.suffix.lower()](found, classes))
    return found


def rows_of(runs: Sequence[RunView]) -> list[dict[str, Any]]:
    """One mapping a run: what it is, what it cost, and its figures by name."""
    return compare(runs).rows()


def write_comparison(
    runs: Sequence[RunView], out: Path, classes: Sequence[str] | None = None
) -> None:
    """Write the comparison as Markdown (`.md`) or as one self-contained page (`.html`).

    Raises:
        InputError: The suffix is another one, the file cannot be written, or a run has no such
            class.
    """
    compare(runs, out, classes)


def as_markdown(found: Comparison) -> str:
    """The table, the notes and the cards."""
    head = ["", *map(plain, found.names), "real"]
    rows = [[heading, *map(_markdown_cell, cells)] for heading, cells in found.table()]
    parts = ["# Runs compared", markdown_table(head, rows), LEGEND]
    for heading, lines in (("Notes", found.notes), ("Cards", found.cards)):
        if lines:
            parts += [f"## {heading}", "\n".join(f"- {plain(line)}" for line in lines)]
    return "\n\n".join(parts) + "\n"


def _markdown_cell(cell: Cell) -> str:
    text = plain(cell.text)
    return {"best": f"**{text}**", "tied": f"≈ {text}", "": text}[cell.mark]


def as_page(found: Comparison, classes: Sequence[str] | None = None) -> str:
    """A self-contained page: the notes, the table, the pictures side by side, the cards.

    Raises:
        InputError: A picture or a run is damaged, or a run has no such class.
    """
    heading = " and ".join(found.names) if len(found.names) < 3 else f"{len(found.names)} runs"
    head = ("", *found.names, "Real against real")
    rows = [
        tag("tr", tag("th", name, scope="row"), *map(_html_cell, cells))
        for name, cells in found.table()
    ]
    return document(
        f"{heading} compared",
        tag("p", "fewgan compare", class_="kicker"),
        tag("h1", f"{heading} compared"),
        _notes(found),
        section("Figures", framed_table(head, [tag("tbody", *rows)], "Runs compared"), _legend()),
        pictures(found, classes),
        section("Cards", tag("ul", *(tag("li", card) for card in found.cards))),
    )


def _legend() -> Html:
    return tag("p", LEGEND, class_="small below")


def _html_cell(cell: Cell) -> Html:
    if cell.mark == "best":
        return tag("td", cell.text, tag("span", " best", class_="unseen"), class_="best")
    return tag("td", f"≈ {cell.text}" if cell.mark == "tied" else cell.text)


def _notes(found: Comparison) -> Html:
    if not found.notes:
        return Html("")
    items = [tag("li", note) for note in found.notes]
    heading = tag("strong", "Before you compare")
    return tag("aside", heading, tag("ul", *items), class_="warning", aria_label="Notes")


WRITERS: dict[str, Callable[[Comparison, Sequence[str] | None], str]] = {
    ".md": lambda found, classes: as_markdown(found),
    ".html": as_page,
    ".htm": as_page,
}
