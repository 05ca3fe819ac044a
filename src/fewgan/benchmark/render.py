"""The table of a protocol for people and programs: Markdown, HTML, CSV, JSON, and a terminal."""

import base64
import contextlib
import csv
import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fewgan.benchmark.estimates import Estimate
from fewgan.benchmark.table import CHECKPOINTS, Panel, Results, Row
from fewgan.errors import InputError
from fewgan.files import write_json, write_text
from fewgan.report import markdown
from fewgan.report.markup import Html, document, framed_table, section, tag
from fewgan.report.view import RunView, read_picture
from fewgan.report.words import NOTHING, gloss, number, plus_minus, title

LEGEND = (
    "Mean ± half of the 95 % interval over the seeds (Student's t); real images in place of "
    "generated ones stand in the last row. Among the rows of one checkpoint the best mean is bold, "
    "and ≈ marks those whose interval overlaps its own."
)
COST_TITLES = {"seconds": "Seconds of training", "memory": "Peak memory, MiB"}
THUMBNAIL = 240  # pixels a side at most
COLOURS = 64  # in a thumbnail's palette
NAME = "table"
FIXED = 4  # columns before the first figure
AT_ONCE = 4  # figures in one table of a terminal


def write_tables(results: Results, out: Path) -> None:
    """Write `table.md`, `table.csv`, `table.html` and `table.json` into a folder.

    Raises:
        InputError: They cannot be written.
    """
    write_text(out / f"{NAME}.md", as_markdown(results))
    write_text(out / f"{NAME}.csv", as_csv(results))
    write_text(out / f"{NAME}.html", as_page(results))
    write_json(out / f"{NAME}.json", results.to_json())


# --- what all of them say -------------------------------------------------------------------------


def heading(name: str) -> str:
    """The name of a column."""
    return COST_TITLES.get(name) or title(name)


def card_lines(results: Results) -> list[str]:
    """What holds for the whole table: the budget, the seeds, the machine, the command."""
    plan = results.protocol
    return [
        f"protocol {plan.name}" + (f", budget {results.budget}" if results.budget else ""),
        f"{plan.images:,} real images seen by each discriminator: steps x batch x updates a step",
        f"seeds {', '.join(map(str, plan.seeds))}",
        *(f"ran on {line}" for line in results.machines),
        f"made by: {results.command}",
    ]


def panel_lines(panel: Panel) -> list[str]:
    """The answers of a panel, how its figures were measured, and what single cards say."""
    several = len(panel.cards) > 1
    return [
        *panel.verdicts,
        *((f"{', '.join(map(title, n))}: " if several else "") + c for c, n in panel.cards.items()),
        *panel.notes,
    ]


def table_of(panel: Panel) -> tuple[list[str], Iterator[list[tuple[str, str]]]]:
    """Head and rows of a panel; each cell is its text, and a mark (`best`, `tied` or nothing)."""
    names = panel.figures
    head = ["Method", "Checkpoint", "Seeds", "Step", *map(heading, names)]

    def rows() -> Iterator[list[tuple[str, str]]]:
        marks = {(n, c): panel.marks(n, c) for n in names for c in CHECKPOINTS}
        for row in panel.rows:
            found = [
                (_text(row.estimates.get(n)), marks[n, row.checkpoint].get(row.label, ""))
                for n in names
            ]
            start = [row.label, row.checkpoint, _seeds(row), number(row.step and round(row.step))]
            yield [*((text, "") for text in start), *found]
        ceiling = [_text(panel.real.get(n)) for n in names]
        yield [(text, "") for text in ("real images", "", "", "", *ceiling)]

    return head, rows()


def _text(found: Estimate | None) -> str:
    return plus_minus(found.mean, found.half) if found else NOTHING


def _seeds(row: Row) -> str:
    """`3`, or `2, 1 failed`: how many cells the mean is over, and what became of the others."""
    others = [f"{row.counts[name]} {name}" for name in ("failed", "left") if row.counts[name]]
    return ", ".join([str(row.counts["done"]), *others])


# --- Markdown and CSV -----------------------------------------------------------------------------


def as_markdown(results: Results) -> str:
    """The whole table as one Markdown file."""
    plan = results.protocol
    parts = [f"# {markdown.plain(plan.name)}", markdown.plain(plan.summary), LEGEND]
    for panel in results.panels:
        head, rows = table_of(panel)
        body = [[_markdown_cell(*cell) for cell in row] for row in rows]
        parts += [f"## {markdown.plain(panel.name)}", markdown.table(head, body)]
        parts += [_bullets(panel_lines(panel))]
    for name, lines in (
        ("Failed", [f"{cell}: {error}" for cell, error in results.failed]),
        ("Not finished yet", results.left),
        ("Card", card_lines(results)),
    ):
        if lines:
            parts += [f"## {name}", _bullets(lines)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _markdown_cell(text: str, mark: str) -> str:
    text = markdown.plain(text)
    return {"best": f"**{text}**", "tied": f"≈ {text}"}.get(mark, text)


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {markdown.plain(line)}" for line in lines)


def as_csv(results: Results) -> str:
    """One line for each figure of each method at each checkpoint; failed cells are counted."""
    text = io.StringIO()
    lines = [{**line, "values": " ".join(map(repr, line["values"]))} for line in results.lines()]
    writer = csv.DictWriter(text, lines[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


# --- the page -------------------------------------------------------------------------------------


def as_page(results: Results) -> str:
    """One self-contained page: what failed, the tables, a grid of each cell, the card."""
    plan = results.protocol
    return document(
        f"{plan.name}: fewgan benchmark",
        tag("p", "fewgan benchmark", class_="kicker"),
        tag("h1", plan.name),
        tag("p", plan.summary, class_="lead"),
        _warnings(results),
        *(_panel_section(results, panel) for panel in results.panels),
        section("Card", _list(card_lines(results)), tag("p", LEGEND, class_="small below")),
    )


def _warnings(results: Results) -> Html:
    lines = [f"Failed: {cell}: {error}" for cell, error in results.failed]
    lines += [f"Not finished yet: {cell}" for cell in results.left]
    if not lines:
        return Html("")
    return tag("aside", tag("strong", "Incomplete"), _list(lines), class_="warning")


def _list(lines: list[str]) -> Html:
    return tag("ul", *(tag("li", line, class_="small") for line in lines))


def _panel_section(results: Results, panel: Panel) -> Html:
    head, rows = table_of(panel)
    body = [
        tag("tr", tag("th", row[0][0], scope="row"), *(_html_cell(*cell) for cell in row[1:]))
        for row in rows
    ]
    glosses = [f"{heading(n)}: {gloss(n)}" for n in panel.figures if gloss(n)]
    return section(
        panel.name,
        framed_table(head, [tag("tbody", *body)], f"Methods on {panel.name}"),
        _list([*panel_lines(panel), *glosses]),
        tag("div", *_grids(results, panel), class_="several narrow"),
    )


def _html_cell(text: str, mark: str) -> Html:
    if mark == "best":
        return tag("td", text, tag("span", " best", class_="unseen"), class_="best")
    return tag("td", f"≈ {text}" if mark == "tied" else text)


def _grids(results: Results, panel: Panel) -> Iterator[Html]:
    for cell, record in results.records:
        if (cell.data, cell.shots) != (panel.data, panel.shots) or record["status"] != "done":
            continue
        name = f"{cell.label}, seed {cell.seed}"
        with contextlib.suppress(InputError):  # figures stand without their picture
            if picture := RunView.read(cell.folder).sample_picture:
                image = tag("img", src=_thumbnail(picture), alt=f"Images generated by {name}")
                yield tag("figure", image, tag("figcaption", name))


def _thumbnail(path: Path) -> str:
    """A small copy of a picture as a `data:` address, in few colours: there may be hundreds."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(read_picture(path))) as image:
        small = image.convert("RGB")
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    small.quantize(COLOURS).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


# --- a terminal -----------------------------------------------------------------------------------


def as_terminal(results: Results) -> RenderableType:
    """The first checkpoint of each data set, a few figures at a time; the files hold the rest."""
    parts: list[RenderableType] = []
    for panel in results.panels:
        head, rows = table_of(panel)
        kept = [row for row in rows if row[1][0] in (panel.rows[0].checkpoint, "")]
        for start in range(FIXED, len(head), AT_ONCE):
            columns = [0, 2, *range(start, min(start + AT_ONCE, len(head)))]
            table = Table(box=None, pad_edge=False, header_style="dim")
            for i in columns:
                name = Text(panel.name, style="bold") if i == 0 else Text(head[i])
                table.add_column(name, justify="right" if i else "left", no_wrap=i != 2)
            for row in kept:
                table.add_row(*(_styled(*row[i]) for i in columns))
            parts += [table, Text()]
        parts += [Text(line) for line in panel.verdicts]
    return Group(*parts, Text("* best   ≈ not told apart from it", style="dim"))


def _styled(text: str, mark: str) -> Text:
    sign, style = {"best": (" *", "bold green"), "tied": (" ≈", "green")}.get(mark, ("", ""))
    return Text(text + sign, style=style)
