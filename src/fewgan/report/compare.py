"""Runs side by side, with a word where their figures cannot be compared."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fewgan.errors import InputError
from fewgan.files import write_text
from fewgan.report.page import page, picture, table
from fewgan.report.view import RunView, label, number

SAME = ("extractor", "dim", "n_fake", "n_real", "reference", "k")
"""What two cards must agree in before their figures compare."""


def rows_of(views: Sequence[RunView]) -> list[dict[str, Any]]:
    """One row for each run: what it is, what it cost, and its figures by name."""
    return [
        {
            "run": str(view.path),
            "method": view.model["method"],
            "data": view.model["data"],
            "step": view.about["step"],
            "images": view.about["images"],
            "seconds": round(view.about["seconds"], 1),
            "figures": {
                f["name"]: {k: f.get(k) for k in ("value", "spread")} for f in view.figures
            },
        }
        for view in views
    ]


def differences(views: Sequence[RunView]) -> list[str]:
    """Where cards disagree, in words: figures across such a difference do not compare."""
    words = []
    for field in SAME:
        found = {str(f["card"].get(field)) for view in views for f in view.figures}
        # One run may use two networks (features, and a judge of classes): compare run with run.
        by_run = {tuple(str(f["card"].get(field)) for f in view.figures) for view in views}
        if len(by_run) > 1:
            words.append(f"{field} differs ({', '.join(sorted(found))})")
    return words


def grid_of(views: Sequence[RunView]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table as text; the best value of each figure carries a star."""
    names = list(dict.fromkeys(f["name"] for view in views for f in view.figures))
    head = ["run", "method", "data", "step", "images seen", "minutes", *map(label, names)]
    best = {name: _best(views, name) for name in names}
    rows = []
    for view in views:
        values = {f["name"]: f["value"] for f in view.figures}
        cells = [
            number(values.get(n))
            + (" *" if best[n] is not None and values.get(n) == best[n] else "")
            for n in names
        ]
        about = view.about
        cost = [f"{about['step']:,}", f"{about['images']:,}", f"{about['seconds'] / 60:.1f}"]
        rows.append([view.path.name, view.model["method"], view.model["data"], *cost, *cells])
    return head, rows


def _best(views: Sequence[RunView], name: str) -> float | None:
    found = [f for v in views for f in v.figures if f["name"] == name and f["value"] is not None]
    if len(found) < 2:
        return None
    choose = max if found[0]["better"] == "higher" else min
    return choose(f["value"] for f in found)


def write_comparison(views: Sequence[RunView], out: Path) -> None:
    """Write the comparison as Markdown (`.md`) or as one self-contained page (`.html`).

    Raises:
        InputError: The suffix is another one, or the file cannot be written.
    """
    head, rows = grid_of(views)
    warnings = differences(views)
    if out.suffix == ".md":
        lines = [head, ["---"] * len(head), *rows]
        text = "\n".join(f"| {' | '.join(c.replace('|', '/') for c in line)} |" for line in lines)
        notes = "".join(f"\n\nNot comparable: {warning}." for warning in warnings)
        write_text(out, f"{text}\n\n\\* best of its column{notes}\n")
    elif out.suffix == ".html":
        notes = "".join(f'<p class="warn">Not comparable: {w}.</p>' for w in warnings)
        pictures = "".join(picture(v.grid, f"{v.path.name}: {v.title}") for v in views if v.grid)
        parts = [f"<h1>Comparison</h1>{notes}", table(head, rows), "<p>* best of its column</p>"]
        write_text(out, page("Comparison", [*parts, f'<div class="row">{pictures}</div>']))
    else:
        raise InputError(f"--out {out}: give FILE.md or FILE.html")
