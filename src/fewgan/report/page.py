"""The report of a run: one page that opens from disk, asks nobody for anything, and shows it all.

It holds the figures with their cards, the pictures, the curves, the alarms, the settings and the
commands that repeat the run.
"""

import shlex
from pathlib import Path

from fewgan.files import write_text
from fewgan.metrics.suite import Figure
from fewgan.report.curves import loss_curves, metric_curves
from fewgan.report.markup import (
    Html,
    anchor,
    document,
    framed_table,
    join,
    picture,
    section,
    table,
    tag,
)
from fewgan.report.view import RunView, step_of
from fewgan.report.words import (
    by_card,
    commands,
    count,
    gloss,
    number,
    plus_minus,
    remarks,
    summary,
    title,
)

KEY_FIGURES = ("fid", "kid", "coverage", "accuracy", "diversity", "copies")
ALARMS_SHOWN = 5
SNAPSHOTS_SHOWN = 4
GENERATED, REAL, BETTER = "Generated", "Real against real", "Better"


def write_report(run: RunView, path: Path | None = None) -> Path:
    """Write the page to `path`, by default `report.html` in the run folder, and return its path.

    Raises:
        InputError: A picture of the run is damaged, or the page cannot be written.
    """
    path = path or run.path / "report.html"
    write_text(path, page(run))
    return path


def page(run: RunView) -> str:
    """The report as HTML.

    Raises:
        InputError: A picture of the run is damaged.
    """
    sections = {
        "Figures": _figures(run),
        "Does it help?": _uplift(run),
        "Samples": _samples(run),
        "Variety": _variety(run),
        "Memorisation": _memorisation(run),
        "Curves": _curves(run),
        "Data and licence": _data(run),
        "Settings": tag("details", tag("summary", "config.yaml"), tag("pre", run.config_text)),
        "Repeat": _repeat(run),
    }
    shown = {name: body for name, body in sections.items() if body}
    links = [tag("a", name, href=f"#{anchor(name)}") for name in shown]
    return document(
        f"{run.method} on {run.data}",
        tag(
            "header",
            tag("p", f"fewgan report of {run.name}", class_="kicker"),
            tag("h1", f"{run.method} on {run.data}"),
            tag("p", summary(run), class_="lead"),
            _tiles(run.figures),
            tag("nav", *links, aria_label="Contents"),
        ),
        _warnings(run),
        *(section(name, body) for name, body in shown.items()),
    )


# --- first things first ------------------------------------------------------------------------


def _tiles(figures: tuple[Figure, ...]) -> Html:
    """The figures that say most, large, each beside that of real images."""
    known = [f for name in KEY_FIGURES for f in figures if f.name == name and f.value is not None]
    tiles = [
        tag(
            "div",
            tag("dt", title(figure.name)),
            tag("dd", plus_minus(figure.value, figure.spread), class_="value"),
            tag("dd", f"real {number(figure.real)} · better: {figure.better}", class_="small"),
        )
        for figure in known
    ]
    return tag("dl", *tiles, class_="tiles") if tiles else Html("")


def _warnings(run: RunView) -> Html:
    """Alarms of the training, in words, the first few open to see."""
    if not run.alarms:
        return Html("")
    items = [tag("li", f"Step {number(step)}: {words}") for step, words in run.alarms]
    body = [tag("ul", *items[:ALARMS_SHOWN])]
    if rest := items[ALARMS_SHOWN:]:
        body.append(tag("details", tag("summary", f"{len(rest)} more"), tag("ul", *rest)))
    heading = tag("strong", f"Training raised {count(len(items), 'alarm')}")
    return tag("aside", heading, *body, class_="warning", aria_label="Warnings")


# --- figures ----------------------------------------------------------------------------------


def _figures(run: RunView) -> Html:
    if not run.figures:
        command = f"fewgan evaluate {shlex.quote(run.name)} --data NAME"
        return join([tag("p", "None yet. Measure the run with:"), tag("pre", command)])
    about = tag(
        "p",
        "Each figure stands under its card, which says how it was measured: figures compare only "
        "where their cards agree. Beside it is the same figure of real images in place of "
        "generated ones, which is as good as it gets.",
    )
    return join([about, figures_table(run.figures), _per_class(run.figures)])


def _uplift(run: RunView) -> Html:
    """What a classifier learned from generated images, if that was asked."""
    if not run.uplift:
        return Html("")
    scores = {name: way["accuracy"] for name, way in run.uplift["ways"].items()}
    rows = [
        tag("tr", tag("th", way, scope="row"), tag("td", plus_minus(score["mean"], score["half"])))
        for way, score in scores.items()
    ]
    table = framed_table(("Shown to it", "Accuracy, %"), [tag("tbody", *rows)], "Ways of training")
    card = "; ".join(f"{name} {value}" for name, value in run.uplift["card"].items())
    return join([tag("p", run.uplift["verdict"]), table, tag("p", card, class_="small below")])


def figures_table(figures: tuple[Figure, ...]) -> Html:
    """The figures under the cards that they share."""
    bodies = []
    for card, members in by_card(figures):
        shared = tag("tr", tag("th", card, colspan=4, scope="rowgroup", class_="shared"))
        bodies.append(tag("tbody", shared, *(_figure_row(figure) for figure in members)))
    head = ("Figure", GENERATED, REAL, BETTER)
    return framed_table(head, bodies, "Figures with their cards", "stacks")


def _figure_row(figure: Figure) -> Html:
    said = (gloss(figure.name), remarks(figure))
    words = (tag("span", part, class_="gloss") for part in said if part)
    return tag(
        "tr",
        tag("th", title(figure.name), *words, scope="row"),
        tag("td", plus_minus(figure.value, figure.spread), data_label=GENERATED),
        tag("td", number(figure.real), data_label=REAL),
        tag("td", figure.better, data_label=BETTER),
    )


def _per_class(figures: tuple[Figure, ...]) -> Html:
    """The figures that are known for each class, one row a class."""
    known = [(title(figure.name), figure.per_class) for figure in figures if figure.per_class]
    if not known:
        return Html("")
    names = list(dict.fromkeys(name for _, values in known for name in values))
    rows = [[name, *(number(values.get(name)) for _, values in known)] for name in names]
    inside = table(["Class", *(heading for heading, _ in known)], rows, "Figures of each class")
    return tag("details", tag("summary", "Class by class"), inside)


# --- pictures ---------------------------------------------------------------------------------


def _samples(run: RunView) -> Html:
    parts: list[str] = []
    if run.sample_picture:
        rows = f", a row a class: {', '.join(run.class_names)}" if run.class_names else ""
        step = step_of(run.sample_picture)
        when = "" if step is None else f" at step {number(step)}"
        parts.append(
            picture(
                run.sample_picture,
                f"Grid of generated images{rows}",
                f"Generated images{when}. None was picked: the latents are fixed by the seed.",
            )
        )
    parts.append(_growth(run))
    if file := (run.pictures or {}).get("interpolation"):
        parts += [
            tag("h3", "Between two latents"),
            picture(
                file,
                "Rows of generated images that change step by step",
                "Each row walks from one latent to another on a great circle, the class held. A "
                "generator that has learnt changes smoothly; one that has memorised jumps.",
            ),
        ]
    parts.append(_sweeps(run))
    return join(parts)


def _sweeps(run: RunView) -> Html:
    """What each code of the generator does."""
    sheets = [
        picture(
            file,
            f"Grid of generated images, {name} changing from left to right",
            f"{name} changes from left to right, the categorical code from row to row.",
        )
        for name, file in (run.sweeps or {}).items()
    ]
    return join([tag("h3", "What the codes do"), *sheets]) if sheets else Html("")


def _growth(run: RunView) -> Html:
    """A few snapshots of the same latents, from the first to the last."""
    steps = list(run.snapshots or {})
    if len(steps) < 2:
        return Html("")
    wanted = min(SNAPSHOTS_SHOWN, len(steps))
    chosen = [steps[i * (len(steps) - 1) // (wanted - 1)] for i in range(wanted)]
    figures = [
        picture(run.snapshots[step], f"The same latents at step {step}", f"Step {number(step)}")
        for step in chosen
        if run.snapshots
    ]
    heading = tag("h3", "The same latents while training")
    return join([heading, tag("div", *figures, class_="several narrow")])


def _variety(run: RunView) -> Html:
    file = (run.pictures or {}).get("variation")
    if not file:
        return Html("")
    return picture(
        file,
        "For each class a row of real images above a row of generated ones",
        "Variety inside each class, real above generated. Look for rows that repeat one image: a "
        "collapsed class can still be perfectly accurate.",
    )


def _memorisation(run: RunView) -> Html:
    file = (run.pictures or {}).get("memorisation")
    if not file:
        return Html("")
    return picture(
        file,
        "Pairs of a generated image and its nearest training image, closest first",
        "The most suspicious generated images, each beside its nearest training image, with their "
        "distance. A red frame marks pairs that are closer than real images come to each other.",
    )


def _curves(run: RunView) -> Html:
    charts = [
        tag("figure", Html(text)) for text in (*metric_curves(run.lines), *loss_curves(run.lines))
    ]
    return tag("div", *charts, class_="several") if charts else Html("")


# --- where it comes from ----------------------------------------------------------------------


def _data(run: RunView) -> Html:
    count = run.model.get("train_images")
    rows = [
        ("Data", run.data),
        ("Licence of the data", run.licence),
        ("Training images", number(count) if count else "not recorded"),
        ("Classes", ", ".join(run.class_names) or "none"),
        ("Method", run.method),
        ("Made with", f"fewgan {run.config.get('fewgan', '')}"),
    ]
    body = [
        tag("tr", tag("th", name, scope="row"), tag("td", value, class_="words"))
        for name, value in rows
    ]
    return framed_table((), [tag("tbody", *body)], "Data and licence")


def _repeat(run: RunView) -> Html:
    words = "In the folder that holds the run folder: train it again, measure it, draw from it."
    return join([tag("p", words), tag("pre", "\n".join(commands(run)))])
