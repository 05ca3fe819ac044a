"""Where each conditional GAN ends on a toy of two classes that overlap, its discriminator optimal.

    python benchmarks/toy_bias.py [--write]

Prints the table; `--write` also writes benchmarks/results/toy-bias.json and the figure
docs/images/toy-bias.png. Takes about ten seconds, and draws no random number but the starts.
"""

import argparse
import inspect
import json
from pathlib import Path

import torch

from fewgan.benchmark.toy import PLAYERS, TRUTH, begin, play

ROOT = Path(__file__).parent.parent
INK, TRUE, BIASED, GRID = "#3c424b", "#2563b0", "#c2570c", "#d9dbdf"
CLOSE = 1e-3  # what counts as having ended at the truth


def rows() -> list[dict]:
    """For each loss where it ends from each start."""
    found = []
    for title, player in PLAYERS.items():
        ends = play(player, begin())
        off = (ends - TRUTH).abs().max()
        found.append(
            {
                "loss": title,
                "method": player.method,
                "settings": dict(player.settings),
                "at_the_truth": bool(off < CLOSE),
                "off_by_at_most": round(float(off), 4),
                "starts_agree": bool((ends - ends[0]).abs().max() < CLOSE),
                "ends": [[[round(v, 4) for v in cells] for cells in end] for end in ends.tolist()],
            }
        )
    return found


def show(found: list[dict]) -> None:
    print(f"{'loss':20}  q(x|0)         q(x|1)         starts agree")
    for row in [{"loss": "truth", "ends": [TRUTH.tolist()], "starts_agree": True}, *found]:
        cells = "   ".join(" ".join(f"{v:.2f}" for v in line) for line in row["ends"][0])
        print(f"{row['loss']:20}  {cells}   {'yes' if row['starts_agree'] else 'no'}")


def draw(found: list[dict], path: Path) -> None:
    """A panel a loss: bars where the generator puts its images, outlines where the data lie."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.size": 9, "font.family": "sans-serif"}):
        figure = Figure(figsize=(10.4, 4.6), layout="constrained", dpi=144)
        panels = figure.subplots(2, len(found) // 2, sharex=True, sharey=True)
        for axes, row in zip(panels.flatten(), found, strict=True):
            colour = TRUE if row["at_the_truth"] else BIASED
            places = torch.tensor([0.0, 1, 2, 4, 5, 6])
            ends, truth = torch.tensor(row["ends"][0]).flatten(), TRUTH.flatten()
            axes.bar(places, ends, 0.84, color=colour, alpha=0.85, label="generator")
            axes.bar(places, truth, 0.84, fill=False, edgecolor=INK, linewidth=1.3, label="data")
            axes.set_title(row["loss"], loc="left", fontsize=10, color=INK)
            axes.set_xticks([1, 5], ["class 0", "class 1"], color=INK)
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.spines["bottom"].set_color(GRID)
            axes.tick_params(length=0, labelcolor=INK)
            axes.set_yticks([0, 0.5, 1], ["0", ".5", "1"])
            axes.grid(axis="y", color=GRID, linewidth=0.7)
            axes.set_axisbelow(True)
        figure.savefig(path, format="png")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    write = parser.parse_args().write
    found = rows()
    show(found)
    if not write:
        return
    defaults = {
        name: parameter.default
        for function in (begin, play)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    about = {"torch": torch.__version__, **defaults, "rows": []}
    lines = ",\n    ".join(map(json.dumps, found))
    text = json.dumps(about, indent=2).replace("[]", f"[\n    {lines}\n  ]")
    (ROOT / "benchmarks" / "results" / "toy-bias.json").write_text(text + "\n")
    draw(found, ROOT / "docs" / "images" / "toy-bias.png")


if __name__ == "__main__":
    main()
