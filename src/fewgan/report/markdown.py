"""Markdown in which texts from strangers stay texts."""

import re
from collections.abc import Iterable, Sequence


def plain(text: str) -> str:
    """`text` on one line, with every sign that Markdown or HTML would act on taken literally."""
    one_line = " ".join(str(text).split())
    return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", one_line.replace("&", "&amp;"))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is set to the left; cells are Markdown already."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def code(lines: Iterable[str]) -> str:
    """Lines as an indented block, which nothing inside can end."""
    return "\n".join("    " + " ".join(line.split("\n")) for line in lines)
