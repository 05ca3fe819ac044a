"""SVG documents become pixels: rendered on white, once a size."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fewgan.files import read_tensors, write_tensors


def drawn(
    folder: Path, size: int, documents: Callable[[], Mapping[str, str]]
) -> tuple[Tensor, list[str]]:
    """All drawings of a set uint8 [N,3,size,size], and their names; rendered when first asked for.

    Args:
        folder: Where they are kept.
        size: Side in pixels.
        documents: Reads the SVG documents by name; called if they are not drawn yet.
    """
    cached = folder / f"drawn-{size}.safetensors"
    if not cached.exists():
        named = documents()
        images = torch.stack([render(text, size) for text in named.values()])
        write_tensors(cached, {"images": images}, {"names": list(named)})
    tensors, meta = read_tensors(cached)
    return tensors["images"], meta["names"]


def render(text: str, size: int) -> Tensor:
    """An SVG document on white as uint8 [3,size,size]."""
    import resvg_py

    # Without the system's fonts a drawing is the same on every machine.
    png = resvg_py.svg_to_bytes(
        svg_string=text, width=size, height=size, background="white", skip_system_fonts=True
    )
    pixels = np.array(Image.open(io.BytesIO(bytes(png))).convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
