"""One self-contained HTML page of a run, which opens from disk and asks nobody for anything."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import yaml

from fewgan.files import write_text
from fewgan.report.curves import figure_curve, loss_curves, variety_curve
from fewgan.report.view import PICTURES, RunView, card_line, label, number, with_spread

HEADLINE = ("accuracy", "coverage", "kid", "copies")
STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #62676e; --line: #dfe2e6;
  --ground: #fff; --panel: #f6f7f9; --warn: #a4351f }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e9eb; --soft: #a3a8af; --line: #34383e;
  --ground: #17191c; --panel: #1f2226; --warn: #ff9b85 } }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--ground);
  max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 5rem }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem }
h2 { font-size: 1.2rem; margin: 3rem 0 .8rem }
p, figcaption, .soft { color: var(--soft); max-width: 44rem }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .8rem;
  margin: 1.6rem 0 }
.cards div { background: var(--panel); border-radius: .6rem; padding: .9rem 1.1rem }
.cards b { display: block; font-size: 1.6rem; font-weight: 600 }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: .93rem }
th, td { text-align: left; padding: .5rem .9rem .5rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top }
th { font-weight: 600; white-space: nowrap } thead th { color: var(--soft); font-weight: 500 }
td.n { font-variant-numeric: tabular-nums; white-space: nowrap }
figure { margin: 0 0 2rem } img { max-width: 100%; height: auto; border-radius: .3rem;
  background: #fff } svg { max-width: 100%; height: auto; display: block }
.warn { color: var(--warn) } code, pre { font: .88rem/1.5 ui-monospace, monospace }
pre { background: var(--panel); padding: 1rem; border-radius: .6rem; overflow-x: auto }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1.5rem }
"""


def write_report(view: RunView, path: Path) -> Path:
    """Write the page of a run.

    Raises:
        InputError: It cannot be written.
    """
    parts = [
        _head(view),
        _alarms(view),
        _figures(view),
        _pictures(view),
        _curves(view),
        _settings(view),
    ]
    write_text(path, page(view.title, parts))
    return path


def page(title: str, parts: Sequence[str]) -> str:
    """A whole page from its parts."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def picture(path: Path, caption: str) -> str:
    """A picture inside the page, with its caption, which is also its text for those who listen."""
    data = base64.b64encode(path.read_bytes()).decode()
    words = escape(caption)
    return (
        f'<figure><img alt="{words}" src="data:image/png;base64,{data}">'
        f"<figcaption>{words}</figcaption></figure>"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text, escaped; the first column names the row."""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        # Numbers keep to one line; words may wrap.
        + "".join(f"<td{' class=n' if len(cell) < 20 else ''}>{escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead>{body}</table></div>'


def _head(view: RunView) -> str:
    about = view.about
    size = f"{view.model['size']} px, {'grey' if view.model['channels'] == 1 else 'colour'}"
    names = view.model["class_names"]
    classes = f", {len(names)} classes" if names else ""
    words = (
        f"{view.model['train_images']:,} training images ({size}{classes})."
        f" The model shown is that of step {about['step']:,} of {view.last_step:,}, picked by KID"
        f" against training images after {about['images']:,} images seen and"
        f" {about['seconds'] / 60:.1f} minutes; no test image had a say."
    )
    by_name = {figure["name"]: figure for figure in view.figures}
    cards = "".join(
        f"<div>{escape(label(n))}<b>{number(by_name[n]['value'])}</b>"
        f'<span class="soft">real images: {number(by_name[n]["real"])}</span></div>'
        for n in HEADLINE
        if n in by_name
    )
    return f'<h1>{escape(view.title)}</h1><p>{escape(words)}</p><div class="cards">{cards}</div>'


def _alarms(view: RunView) -> str:
    if not view.alarms:
        return ""
    items = "".join(f"<li>{escape(alarm)}</li>" for alarm in view.alarms)
    return f'<h2 class="warn">Alarms</h2><ul class="warn">{items}</ul>'


def _figures(view: RunView) -> str:
    if not view.figures:
        command = escape(f"fewgan evaluate {view.path} --data {view.config['data']}")
        return f"<h2>Figures</h2><p>Not measured yet: <code>{command}</code></p>"
    rows = [
        [
            label(figure["name"]),
            with_spread(figure),
            number(figure["real"]),
            figure["better"],
            "; ".join(filter(None, (figure.get("spread_is"), figure["card"].get("note")))),
        ]
        for figure in view.figures
    ]
    head = ["figure", "generated", "real images", "better", "note"]
    cards = sorted({card_line(figure["card"]) for figure in view.figures})
    lines = "".join(f"<p>{escape(line)}.</p>" for line in cards)
    abouts = sorted({figure["card"].get("about") or "" for figure in view.figures} - {""})
    lines += "".join(f"<p>{escape(about)}.</p>" for about in abouts)
    real = (
        "<p>The column <em>real images</em> gives the same figure for real images in the place of "
        "generated ones: it is what a perfect generator could hope for with these counts.</p>"
    )
    return f"<h2>Figures</h2>{table(head, rows)}{real}{lines}"


def _pictures(view: RunView) -> str:
    parts = []
    if view.grid:
        step = int(view.grid.stem[5:])
        parts.append(picture(view.grid, f"Fixed latents at step {step:,}, a row for each class."))
    parts += [picture(path, PICTURES[name]) for name, path in view.pictures.items()]
    return f"<h2>Pictures</h2>{''.join(parts)}" if parts else ""


def _curves(view: RunView) -> str:
    charts: list[tuple[str, str]] = []
    if view.checks:
        charts.append(("The figure that picks the best checkpoint", figure_curve(view.checks)))
        charts.append(
            ("Variety inside a class; 1 is as varied as life", variety_curve(view.checks))
        )
    if view.losses:
        charts.append(("Losses", loss_curves(view.losses)))
    figures = "".join(
        f'<figure role="img" aria-label="{escape(words)}">{svg}<figcaption>{escape(words)}.'
        "</figcaption></figure>"
        for words, svg in charts
    )
    return f'<h2>Curves</h2><div class="row">{figures}</div>' if charts else ""


def _settings(view: RunView) -> str:
    text: Any = yaml.safe_dump(view.config, sort_keys=False)
    command = f"fewgan train --config {view.path / 'config.yaml'} --out ANOTHER"
    return (
        f"<h2>Again</h2><pre>{escape(command)}</pre>"
        f"<details><summary>All settings</summary><pre>{escape(text)}</pre></details>"
        f"<p>Licence of the data: {escape(view.model['licence'])}. "
        f"Made with fewgan {escape(view.model['fewgan'])}.</p>"
    )
