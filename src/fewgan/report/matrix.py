"""A matrix of shares as a heat map with its numbers."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from fewgan.report.curves import FONT

LIGHT = 0.6  # shares above are written in white on the dark cell


def matrix(shares: Tensor, rows: Sequence[str], columns: Sequence[str]) -> Image.Image:
    """Draw shares [R,C] in [0, 1] as percentages, rows from the top.

    Args:
        shares: What to draw; NaN is left blank.
        rows: A label a row.
        columns: A label a column.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(FONT):
        figure = Figure(figsize=(1.6 + 0.5 * len(columns), 0.8 + 0.32 * len(rows)), dpi=120)
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        values = np.asarray(shares, dtype=float)
        axes.imshow(values, vmin=0, vmax=1, cmap="Blues", aspect="auto")
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(rows)), rows)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                colour = "white" if value > LIGHT else "black"
                text = f"{100 * value:.0f}"
                axes.text(column, row, text, ha="center", va="center", color=colour)
        figure.tight_layout()
        file = io.BytesIO()
        canvas.print_png(file)
    return Image.open(file).convert("RGB")
