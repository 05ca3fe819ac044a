"""HTML that is safe by construction: every text is escaped unless `tag` itself made it."""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from PIL import Image

from fewgan.report.view import read_picture

# No scripts, no fonts, no requests: whatever a page holds, the browser asks nobody for anything.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Html(str):
    """Text that is HTML already."""


def tag(name: str, /, *children: str, **attributes: str | int | None) -> Html:
    """An element; children that are not `Html` are escaped, attributes always.

    Args:
        name: Name of the element.
        *children: What stands inside.
        **attributes: Attributes; `_` stands for `-`, and a `_` at the end is dropped (`class_`).
            None leaves one out.
    """
    pairs = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in ("img", "meta", "link", "br"):
        return Html(f"<{name}{pairs}>")
    return Html(f"<{name}{pairs}>{join(children)}</{name}>")


def join(children: Iterable[str]) -> Html:
    """Children one after another, escaped where they are plain text."""
    return Html("".join(c if isinstance(c, Html) else escape(str(c)) for c in children))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> Html:
    """A table whose first column names the row; other columns are numbers, set to the right."""
    body = [
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:]))
        for row in rows
    ]
    return framed_table(head, [tag("tbody", *body)], caption)


def framed_table(
    head: Sequence[str], bodies: Iterable[Html], caption: str, look: str | None = None
) -> Html:
    """A table of ready bodies, in a frame that scrolls sideways where the screen is narrow."""
    names = tag("tr", *(tag("th", name, scope="col") for name in head))
    top = tag("thead", names) if head else Html("")
    whole = tag("table", tag("caption", caption, class_="unseen"), top, *bodies, class_=look)
    return tag("div", whole, class_="scroll", role="region", aria_label=caption, tabindex=0)


def picture(path: Path, alt: str, caption: str) -> Html:
    """A PNG inside the page, with its caption.

    Raises:
        InputError: It cannot be read, or is not a whole PNG.
    """
    return _figure(read_picture(path), alt, caption)


def drawn(image: Image.Image, alt: str, caption: str) -> Html:
    """A picture that was just drawn, inside the page as a PNG, with its caption."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return _figure(buffer.getvalue(), alt, caption)


def _figure(png: bytes, alt: str, caption: str) -> Html:
    data = base64.b64encode(png).decode()
    image = tag("img", src=f"data:image/png;base64,{data}", alt=alt)
    return tag("figure", image, tag("figcaption", caption))


def section(heading: str, *children: str) -> Html:
    """A titled section that the contents can link to; nothing when it is empty."""
    if not any(children):
        return Html("")
    name = anchor(heading)
    return tag("section", tag("h2", heading, id=name), *children, aria_labelledby=name)


def anchor(heading: str) -> str:
    """The id of a heading."""
    return "-".join(heading.lower().split())


def document(title: str, *body: str) -> str:
    """A whole page that needs nothing outside itself."""
    style = (files("fewgan.report") / "page.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name_="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Html(style)),
    )
    whole = tag("html", head, tag("body", tag("main", *body)), lang="en")
    return f"<!DOCTYPE html>\n{whole}\n"
