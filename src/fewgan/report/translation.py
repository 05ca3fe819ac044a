"""There and back: what a translator makes of an image, and what it makes of that."""

from collections.abc import Callable, Sequence

import torch
from PIL import Image
from torch import Tensor

from fewgan.data.imageset import to_bytes
from fewgan.networks.translation import BACK, Direction
from fewgan.report.grids import grid


def translation_panel(
    translate: Callable[[Tensor, Direction], Tensor],
    images: Tensor,
    direction: Direction,
    names: Sequence[str],
    answers: Tensor | None = None,
) -> Image.Image:
    """Rows of images x of one domain, G(x), F(G(x)), and the true counterparts if they are known.

    Args:
        translate: Takes images of the one domain and a direction, gives float [N,C,S,S].
        images: uint8 [N,C,S,S], a column each.
        direction: The way there.
        names: What the two domains are called, A and B.
        answers: The true counterparts, uint8 [N,C,S,S].

    Raises:
        ValueError: There is no image, or the shape is wrong.
    """
    start, end = names if direction == "a2b" else reversed(names)
    made = translate(images, direction)
    back = translate(made, BACK[direction])
    rows = {start: images, f"to {end}": to_bytes(made), f"and to {start}": to_bytes(back)}
    if answers is not None:
        rows[f"true {end}"] = answers
    return grid(torch.cat([*rows.values()]), len(images), row_labels=[*rows])
