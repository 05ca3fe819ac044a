"""The application, and how every command prints."""

import json
import os
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from fewgan import __version__

Json = Annotated[bool, Parameter(name="--json", negative="")]
"""Print one JSON object instead of tables."""
Which = Literal["best", "last"] | int

app = App(
    name="fewgan",
    help="GANs for few images, and an honest answer to whether the images help.",
    version=__version__,
    help_format="markdown",
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
    suppress_keyboard_interrupt=False,
)


def split_names(listed: str | None) -> list[str] | None:
    """The names in a list with commas; None when nothing was given."""
    return [name.strip() for name in listed.split(",")] if listed else None


def display(result: dict[str, Any] | list[dict[str, Any]], as_json: bool) -> None:
    """Print rows as a table, a mapping as name and value, or either as one JSON object."""
    if os.environ.get("RANK", "0") != "0":
        return  # under torchrun one process speaks for all
    if as_json:
        print(json.dumps({"rows": result} if isinstance(result, list) else result))
        return
    if isinstance(result, dict):
        result = [{"": name, " ": value} for name, value in result.items()]
    table = Table(box=None, pad_edge=False, show_header=bool(result and "" not in result[0]))
    for column in result[0] if result else ():
        table.add_column(column, overflow="fold")
    for row in result:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)
