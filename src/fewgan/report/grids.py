"""Pictures made of pictures: grids, class rows, real beside generated, interpolations.

Images are tensors [N,C,H,W], uint8 in 0..255 or float in [-1, 1], C 1 (grey) or 3 (colour). Every
sheet is an RGB `PIL.Image` on white paper; small images are enlarged by whole pixels (nearest), so
that what is seen is what the generator made.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from fewgan.data.imageset import to_bytes
from fewgan.errors import InputError
from fewgan.files import atomic

PAPER, EMPTY, INK, FAINT, RED = "#ffffff", "#f1f1ee", "#22252a", "#6b7078", "#d92d20"
CELL = 64  # pixels that one image should fill at least, once enlarged
GUTTER = 2  # between two images
MARGIN = 10  # around a sheet, and between its text and its images
TEXT = 15  # height of letters
LONGEST_LABEL = 180  # pixels; longer names are cut

Row = Sequence[Image.Image | None]


# --- public sheets ----------------------------------------------------------------------------


def grid(
    images: Tensor,
    columns: int,
    *,
    scale: int | None = None,
    row_labels: Sequence[str] | None = None,
    title: str | None = None,
) -> Image.Image:
    """Images [N,C,H,W] row by row, `columns` to a row.

    Args:
        images: What to show, in order; the last row may stay short.
        columns: Images to a row, at least 1.
        scale: Whole factor of enlargement; by default an image fills about 64 pixels.
        row_labels: One name a row, written at its left.
        title: One line above.

    Raises:
        ValueError: There is no image, the shape is wrong, or `columns` is below 1.
    """
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    cells = _cells(images, scale)
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    return _sheet(rows, row_labels, title)


def by_class(images: Tensor, labels: Tensor, class_names: Sequence[str]) -> dict[str, Tensor]:
    """Images [N,C,H,W] with labels [N] as one tensor a class name, in the order of the classes."""
    return {name: images[labels == index] for index, name in enumerate(class_names)}


def class_grid(
    images: Tensor, labels: Tensor, class_names: Sequence[str], columns: int = 10
) -> Image.Image:
    """One labelled row a class: its first `columns` images [N,C,H,W]; what is missing stays empty.

    Args:
        images: What to show.
        labels: int64 [N], indices into `class_names`.
        class_names: One name a class.
        columns: Most images to a row.

    Raises:
        ValueError: No image belongs to a class, or the shape is wrong.
    """
    if not ((labels >= 0) & (labels < len(class_names))).any():
        raise ValueError(f"no image of {len(labels)} belongs to any of {len(class_names)} classes")
    chosen = (images[labels == index][:columns] for index in range(len(class_names)))
    return _sheet([_cells(each) if len(each) else [] for each in chosen], class_names)


def variation_panel(
    real: Mapping[str, Tensor], fake: Mapping[str, Tensor], columns: int = 12
) -> Image.Image:
    """In-class variation: for each class a row of real images above a row of generated ones.

    A generator that has collapsed inside a class shows it here at once, however good each single
    image and its class accuracy are.

    Args:
        real: Real images [N,C,H,W] by class name, as `by_class` gives them.
        fake: Generated images by class name; classes without any are left out.
        columns: Most images to a row.

    Raises:
        ValueError: No class has both real and generated images.
    """
    shared = [name for name in real if len(real[name]) and len(fake.get(name, ()))]
    if not shared:
        raise ValueError("no class has both real and generated images")
    blocks = [
        _sheet(
            [_cells(real[name][:columns]), _cells(fake[name][:columns])],
            ["real", "generated"],
            name,
        )
        for name in shared
    ]
    return _stack(blocks)


def memorisation_sheet(
    fakes: Tensor, nearest_train: Tensor, distances: Tensor, flags: Tensor, columns: int = 6
) -> Image.Image:
    """Pairs of a generated image (left) and its nearest training image (right), closest first.

    Args:
        fakes: Generated images [N,C,H,W].
        nearest_train: The nearest training image of each, [N,C,H,W].
        distances: Distance of each pair [N], written under it.
        flags: bool [N]: this one counts as a copy, and is framed in red.
        columns: Pairs to a row.

    Raises:
        ValueError: There is no image, or the shapes are wrong.
    """
    left, right = _cells(fakes), _cells(nearest_train)
    order = torch.argsort(distances, stable=True).tolist()
    pairs: list[Image.Image | None] = [
        _pair(left[i], right[i], f"{float(distances[i]):.3g}", bool(flags[i])) for i in order
    ]
    rows = [pairs[start : start + columns] for start in range(0, len(pairs), columns)]
    copies = int(flags.sum())
    title = f"generated | nearest training image, closest first: {copies} of {len(pairs)} copied"
    return _sheet(rows, None, title, gutter=MARGIN)


def strip(images: Tensor) -> Image.Image:
    """Interpolations: frames [N,C,H,W] as one row, or [R,N,C,H,W] as R rows of N frames.

    Raises:
        ValueError: There is no image, or the shape is wrong.
    """
    rows = images.unsqueeze(0) if images.dim() == 4 else images
    return grid(rows.flatten(0, 1), rows.shape[1])


def picture(pixels: Tensor) -> Image.Image:
    """One image [C,H,W], uint8 or float in [-1, 1], as it is: grey or RGB, not enlarged."""
    pixels = to_bytes(pixels) if pixels.is_floating_point() else pixels
    plane = pixels[0] if len(pixels) == 1 else pixels.permute(1, 2, 0)
    return Image.fromarray(plane.contiguous().numpy())


# --- files ------------------------------------------------------------------------------------


def save_png(image: Image.Image, path: Path) -> None:
    """Write a picture as PNG, atomically.

    Raises:
        InputError: There is no space, or no permission to write.
    """
    with atomic(path) as partial:
        image.save(partial, format="PNG", optimize=True)


def save_gif(frames: Tensor | Sequence[Image.Image], path: Path, *, milliseconds: int = 80) -> None:
    """Write frames ([N,C,H,W], or pictures of one size) as an endless GIF, atomically.

    Raises:
        InputError: There are no frames, no space, or no permission to write.
    """
    cells = _cells(frames) if isinstance(frames, Tensor) and len(frames) else list(frames)
    if not cells:
        raise InputError(f"cannot write {path}: there are no frames; ask for at least one")
    with atomic(path) as partial:
        cells[0].save(
            partial,
            format="GIF",
            save_all=True,
            append_images=cells[1:],
            duration=milliseconds,
            loop=0,
        )


# --- how a sheet is laid out ------------------------------------------------------------------


def _cells(images: Tensor, scale: int | None = None) -> list[Image.Image]:
    """Images [N,C,H,W] as enlarged RGB pictures."""
    if images.dim() != 4 or not len(images) or images.shape[1] not in (1, 3):
        raise ValueError(f"images must be [N,C,H,W] with C 1 or 3, got {tuple(images.shape)}")
    if images.is_floating_point():  # a generator that has blown up is shown, as grey
        images = to_bytes(images.nan_to_num(nan=0.0))
    height, width = images.shape[2:]
    scale = scale or max(1, round(CELL / max(height, width)))
    pixels = images.cpu().expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous().numpy()
    size = (width * scale, height * scale)
    return [Image.fromarray(each).resize(size, Image.Resampling.NEAREST) for each in pixels]


def _sheet(
    rows: Sequence[Row],
    labels: Sequence[str] | None = None,
    title: str | None = None,
    gutter: int = GUTTER,
) -> Image.Image:
    """Lay out rows of equal cells with labels at the left and a title above."""
    first = next(cell for row in rows for cell in row if cell is not None)
    columns = max(len(row) for row in rows)
    names = [_cut(name) for name in labels or ()]
    left = MARGIN + max((_width(name) + MARGIN for name in names), default=0)
    top = MARGIN + (TEXT + MARGIN if title else 0)
    step_x, step_y = first.width + gutter, first.height + gutter
    width = left + columns * step_x - gutter + MARGIN
    if title:
        width = max(width, _width(title) + 2 * MARGIN)
    sheet = Image.new("RGB", (width, top + len(rows) * step_y - gutter + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((MARGIN, top - MARGIN), _one_line(title), INK, _font(), anchor="ls")
    for r, row in enumerate(rows):
        y = top + r * step_y
        if r < len(names):
            at = (left - MARGIN, y + first.height // 2)
            draw.text(at, names[r], FAINT, _font(), anchor="rm")
        for c in range(columns):
            cell = row[c] if c < len(row) else None
            sheet.paste(cell or Image.new("RGB", first.size, EMPTY), (left + c * step_x, y))
    return sheet


def _pair(left: Image.Image, right: Image.Image, caption: str, copied: bool) -> Image.Image:
    """Two cells side by side in a frame, with a caption underneath."""
    frame = 4
    width = left.width + right.width + GUTTER + 2 * frame
    pair = Image.new("RGB", (width, left.height + 2 * frame + TEXT + 4), PAPER)
    draw = ImageDraw.Draw(pair)
    if copied:
        draw.rectangle((0, 0, width - 1, left.height + 2 * frame - 1), RED)
    pair.paste(left, (frame, frame))
    pair.paste(right, (frame + left.width + GUTTER, frame))
    ink = RED if copied else FAINT
    words = f"{caption} copy" if copied else caption
    draw.text((width // 2, pair.height - 2), words, ink, _font(13), anchor="ms")
    return pair


def _stack(sheets: Sequence[Image.Image]) -> Image.Image:
    """Sheets under one another, flush left."""
    size = (max(sheet.width for sheet in sheets), sum(sheet.height for sheet in sheets))
    whole = Image.new("RGB", size, PAPER)
    y = 0
    for sheet in sheets:
        whole.paste(sheet, (0, y))
        y += sheet.height
    return whole


# --- letters ----------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _font(size: int = TEXT) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans, which knows many scripts, out of matplotlib's folder; else Pillow's own."""
    spec = find_spec("matplotlib")  # finds the folder without the second that importing takes
    if spec and spec.origin:
        path = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if path.exists():
            return ImageFont.truetype(path, size)
    return ImageFont.load_default(size)


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def _width(text: str) -> int:
    return int(_font().getlength(_one_line(text))) + 1


def _cut(text: str) -> str:
    """`text` on one line, cut with an ellipsis where it is too long for a label."""
    text = _one_line(text)
    if _width(text) <= LONGEST_LABEL:
        return text
    while text and _width(text + "…") > LONGEST_LABEL:
        text = text[:-1]
    return text.rstrip() + "…"
