"""Curves of a run as SVG: losses, the keep-best figure, in-class variety."""

import io
from collections.abc import Callable
from typing import Any

GREY = "#808080"  # axes and words, legible on white and on black
COLOURS = ("#3b82c4", "#d9792b", "#4a9d5f", "#b5529e", "#8a7a2f", "#5d6ad1")


def loss_curves(losses: list[dict[str, Any]]) -> str:
    """Every loss term over the steps, as SVG text."""
    names = [n for n in losses[-1] if "/" in n]

    def draw(axes: Any) -> None:
        for name, colour in zip(names, COLOURS * 9, strict=False):
            steps = [line["step"] for line in losses]
            values = [line.get(name) for line in losses]
            axes.plot(steps, values, color=colour, lw=1.1, label=name)
        axes.set_ylabel("loss")

    return _chart(draw)


def figure_curve(checks: list[dict[str, Any]]) -> str:
    """The KID against training images over the steps, the best one marked, as SVG text."""

    def draw(axes: Any) -> None:
        steps, values = zip(*[(c["step"], c["kid"]) for c in checks], strict=True)
        axes.plot(steps, values, color=COLOURS[0], lw=1.4, marker="o", ms=3)
        best = min(checks, key=lambda check: check["kid"])
        axes.plot(
            best["step"], best["kid"], "o", ms=8, mfc="none", mec=COLOURS[1],
            label=f"best, step {best['step']}",
        )  # fmt: skip
        axes.set_ylabel("KID, training images")
        if min(values) > 0:
            axes.set_yscale("log")

    return _chart(draw)


def variety_curve(checks: list[dict[str, Any]]) -> str:
    """In-class variety relative to real images over the steps, as SVG text."""

    def draw(axes: Any) -> None:
        steps = [check["step"] for check in checks]
        mean, least = ([c[n] for c in checks] for n in ("diversity", "diversity_min"))
        axes.axhline(1, color=GREY, lw=0.8, ls=":")
        axes.plot(steps, mean, color=COLOURS[2], lw=1.4, marker="o", ms=3, label="mean")
        axes.plot(steps, least, color=COLOURS[3], lw=1.4, marker="o", ms=3, label="worst class")
        axes.set_ylabel("variety / real variety")
        axes.set_ylim(bottom=0)

    return _chart(draw)


def _chart(draw: Callable[[Any], None]) -> str:
    import matplotlib
    from matplotlib.figure import Figure

    # Words stay words, and the same curves give the same file.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "fewgan", "font.size": 9}):
        figure = Figure(figsize=(6.4, 2.9), layout="constrained")
        axes = figure.subplots()
        draw(axes)
        axes.set_xlabel("step")
        axes.tick_params(colors=GREY)
        axes.grid(color=GREY, alpha=0.2, lw=0.6)
        for word in (axes.xaxis.label, axes.yaxis.label):
            word.set_color(GREY)
        for side, spine in axes.spines.items():
            spine.set(color=GREY, visible=side in ("left", "bottom"))
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, labelcolor=GREY, ncols=3, fontsize=8)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
