"""Curves of a run, from the lines of `metrics.jsonl`: losses, keep-best figure, variety, speed.

Each chart is data (`Chart`), drawn by one function, as SVG for the page or as PNG on disk. Colours
of the page's charts are CSS variables, so that they follow its light and dark themes.
"""

import io
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewgan.files import atomic
from fewgan.report.view import finite
from fewgan.report.words import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Point = tuple[float, float]
INK, GRID, ALARM = "#3c424b", "#d9dbdf", "#c8281e"
SERIES = (
    *("#2563b0", "#c2570c", "#2f855a", "#7b4fb5"),
    *("#0f8b8d", "#a8890b", "#b83280", "#6b5b4b"),
)
VARIABLES = {INK: "--ink", GRID: "--line", ALARM: "--alarm"} | {
    colour: f"--series-{i}" for i, colour in enumerate(SERIES, start=1)
}
BINS = 160  # points drawn of a curve; more are averaged, with a band from least to most
FEW = 12  # points that are also drawn as dots
FONT: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9,
    "svg.fonttype": "none",
    "text.parse_math": False,
}


@dataclass(frozen=True)
class Chart:
    """One small chart over training steps, or whatever `unit` says.

    Attributes:
        title: What is drawn, and its unit.
        series: Points (step, value) by name; the order gives the colours.
        best: The best step and its value, marked with a dot.
        level: A value to draw a dotted line at, such as that of real images.
        alarms: Steps to mark.
        from_zero: The axis begins at zero, so that heights compare.
        unit: What the horizontal axis counts.
    """

    title: str
    series: Mapping[str, Sequence[Point]]
    best: Point | None = None
    level: float | None = None
    alarms: Sequence[int] = ()
    from_zero: bool = False
    unit: str = "step"

    def describe(self) -> str:
        """The chart in words, for who cannot see it."""
        ends = [
            f"{name} from {number(points[0][1])} to {number(points[-1][1])}"
            for name, points in self.series.items()
        ]
        best = f"; best {number(self.best[1])} at step {self.best[0]:,.0f}" if self.best else ""
        over = "training steps" if self.unit == "step" else self.unit
        return f"{self.title} over {over}: {', '.join(ends)}{best}"


# --- which charts -----------------------------------------------------------------------------


def loss_charts(lines: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """One chart for each loss term, such as `adversarial`, with a curve for each player of it."""
    terms: dict[str, dict[str, list[Point]]] = {}
    for line in lines:
        for key, value in line.items():
            player, slash, term = key.partition("/")
            if slash and finite(value):
                curve = terms.setdefault(term, {}).setdefault(player.upper(), [])
                curve.append((line["step"], value))
    alarms = _alarms(lines)
    return [Chart(f"Loss: {term}", curves, alarms=alarms) for term, curves in terms.items()]


def metric_charts(lines: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """The keep-best figure with its best step, the in-class variety, and the speed."""
    best = [line for line in lines if line.get("best") and finite(line.get("kid"))]
    mark = (best[-1]["step"], best[-1]["kid"]) if best else None
    alarms = _alarms(lines)
    kid = {"KID": _curve(lines, "kid")}
    variety = {"mean": _curve(lines, "diversity"), "worst class": _curve(lines, "diversity_min")}
    speed = {"images/s": _curve(lines, "images_per_second")}
    charts = [
        Chart("KID against training images (lower is better)", _filled(kid), mark, alarms=alarms),
        Chart("Variety inside classes (1 = as real)", _filled(variety), None, 1.0, alarms, True),
        Chart("Images per second", _filled(speed), alarms=alarms, from_zero=True),
    ]
    return [chart for chart in charts if chart.series]


def shared_charts(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Chart]:
    """The keep-best figure and the variety of several runs, a curve a run, from their lines."""
    told = {
        "kid": ("KID against training images (lower is better)", None, False),
        "diversity": ("Variety inside classes, mean (1 = as real)", 1.0, True),
        "diversity_min": ("Variety inside the worst class", 1.0, True),
    }
    curves = {key: {name: _curve(lines, key) for name, lines in runs.items()} for key in told}
    charts = [
        Chart(title, _filled(curves[key]), level=level, from_zero=from_zero)
        for key, (title, level, from_zero) in told.items()
    ]
    return [chart for chart in charts if chart.series]


def _curve(lines: Sequence[Mapping[str, Any]], key: str) -> list[Point]:
    return [(line["step"], line[key]) for line in lines if finite(line.get(key))]


def _filled(series: Mapping[str, Sequence[Point]]) -> dict[str, Sequence[Point]]:
    return {name: points for name, points in series.items() if points}


def _alarms(lines: Sequence[Mapping[str, Any]]) -> list[int]:
    return [line["step"] for line in lines if line.get("alarm")]


def loss_curves(lines: Sequence[Mapping[str, Any]], path: Path | None = None) -> list[str]:
    """Loss curves as SVG texts, one a term; also as one PNG at `path` if it is given.

    Raises:
        InputError: `path` cannot be written.
    """
    return _draw(loss_charts(lines), path)


def metric_curves(lines: Sequence[Mapping[str, Any]], path: Path | None = None) -> list[str]:
    """Keep-best figure, variety and speed as SVG texts; also as one PNG at `path` if given.

    Raises:
        InputError: `path` cannot be written.
    """
    return _draw(metric_charts(lines), path)


def _draw(charts: Sequence[Chart], path: Path | None) -> list[str]:
    if path and charts:
        save_png(charts, path)
    return [svg(chart) for chart in charts]


# --- how they are drawn -----------------------------------------------------------------------


def save_png(charts: Sequence[Chart], path: Path, columns: int = 2) -> None:
    """Draw charts side by side into one PNG, atomically.

    Raises:
        InputError: There is no space, or no permission to write.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = math.ceil(len(charts) / columns)
    with mpl.rc_context(FONT), atomic(path) as partial:
        figure = Figure(figsize=(5.2 * columns, 3.0 * rows), layout="constrained", dpi=144)
        axes = figure.subplots(rows, columns, squeeze=False).flatten()
        for place, chart in zip(axes, charts, strict=False):
            _plot(place, chart)
        for place in axes[len(charts) :]:
            place.set_axis_off()
        figure.savefig(partial, format="png")


def svg(chart: Chart) -> str:
    """A chart as an `<svg>` element for a page: no ids in common with another, no outside link."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({**FONT, "svg.hashsalt": chart.title}):
        figure = Figure(figsize=(5.2, 3.0), layout="constrained")
        figure.patch.set_visible(False)
        _plot(figure.subplots(), chart)
        return _inline(figure, chart)


def _plot(axes: "Axes", chart: Chart) -> None:
    for i, (name, points) in enumerate(chart.series.items()):
        _plot_curve(axes, points, SERIES[i % len(SERIES)], name)
    if chart.level is not None:
        axes.axhline(chart.level, color=INK, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
    for i, step in enumerate(chart.alarms):
        label = "alarm" if i == 0 else None
        axes.axvline(step, color=ALARM, linewidth=1, linestyle=(0, (4, 3)), label=label, zorder=1)
    if chart.best:
        best, value = chart.best
        label = f"best: {number(value)} at step {best:,.0f}"
        axes.plot([best], [value], "o", color=SERIES[2], markersize=6, label=label, zorder=4)
    _dress(axes, chart)


def _plot_curve(axes: "Axes", points: Sequence[Point], colour: str, name: str) -> None:
    steps, middle, low, high = binned(points)
    dots = "o" if len(steps) <= FEW else None
    style: dict[str, Any] = {"color": colour, "linewidth": 1.6, "marker": dots, "markersize": 3.5}
    axes.plot(steps, middle, label=name, zorder=3, **style)
    if low != high:
        axes.fill_between(steps, low, high, color=colour, alpha=0.18, linewidth=0, zorder=2)


def _dress(axes: "Axes", chart: Chart) -> None:
    """Axes that keep quiet: no box, a faint grid, thousands separated, a legend where needed."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_title(chart.title, loc="left", fontsize=10, color=INK, pad=8)
    axes.set_xlabel(chart.unit, color=INK, loc="right")
    axes.set_facecolor("none")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.tick_params(color=GRID, labelcolor=INK, length=3)
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    axes.set_xlim(0, max(1, *(points[-1][0] for points in chart.series.values())) * 1.02)
    values = [value for points in chart.series.values() for _, value in points]
    if chart.from_zero:
        axes.set_ylim(0, 1.08 * max([*values, chart.level or 0]) or 1)
    if exploded(values):
        axes.set_yscale("symlog", linthresh=_typical(values))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if len(chart.series) > 1 or chart.best or chart.alarms:
        axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, handlelength=1.4)


def exploded(values: Sequence[float]) -> bool:
    """Whether the largest values would hide all others on a linear axis; a zero hides nowhere."""
    return max(map(abs, values), default=0.0) > 200 * _typical(values)


def _typical(values: Sequence[float]) -> float:
    """The median size of those that are not zero, or 0."""
    sizes = sorted(abs(value) for value in values if value)
    return sizes[len(sizes) // 2] if sizes else 0.0


def binned(points: Sequence[Point]) -> tuple[list[float], list[float], list[float], list[float]]:
    """Steps, means, least and most of a curve in at most `BINS` stretches."""
    size = math.ceil(len(points) / BINS)
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    values = [[value for _, value in part] for part in parts]
    steps = [sum(step for step, _ in part) / len(part) for part in parts]
    means = [sum(part) / len(part) for part in values]
    return steps, means, [min(part) for part in values], [max(part) for part in values]


def _inline(figure: "Figure", chart: Chart) -> str:
    """The figure's SVG without prologue, with CSS variables for colours and ids of its own."""
    from html import escape

    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"|<style.*?</style>|font-family: [^;"]*;?', "", text)
    text = re.sub(r'\s(width|height)="[\d.]+pt"', "", text, count=2)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    prefix = f"c{zlib.crc32(chart.title.encode()):x}-"
    text = re.sub(r'(\sid="|xlink:href="#|url\(#)', rf"\g<1>{prefix}", text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    label = escape(chart.describe(), quote=True)
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
