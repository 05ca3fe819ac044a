"""Glyphs: letters of many scripts, drawn from the fonts inside matplotlib and distorted.

The embedded set for meta-learning, in the manner of Omniglot: many classes, few drawings of each,
white ink on black. A class is a letter (or, when letters run out, a turned or mirrored one); a
drawing is one of its faces under a random affine map and an elastic distortion (P. Simard,
D. Steinkraus, J. Platt, "Best practices for convolutional neural networks applied to visual
document analysis", ICDAR 2003). Training and test drawings differ; nothing is fetched.
"""

import math
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Generator, Tensor

from fewgan.data.imageset import ImageSet
from fewgan.data.source import Request, Source, Split
from fewgan.data.warp import KNOTS, displacements
from fewgan.errors import InputError
from fewgan.files import cache_folder, read_tensors, write_tensors

LICENCE = "drawn from DejaVu, STIX and Computer Modern fonts (free font licences)"
CLASSES, DRAWINGS, SIDE = 400, 20, 64
_RECIPE = 1  # raise it whenever the same parameters would draw other pixels

# Unicode ranges by script, in the order in which classes are taken
SCRIPTS: dict[str, tuple[tuple[int, int], ...]] = {
    "Latin": ((0x41, 0x5A), (0x61, 0x7A)),
    "Greek": ((0x391, 0x3A9), (0x3B1, 0x3C9)),
    "Cyrillic": ((0x410, 0x44F),),
    "Armenian": ((0x531, 0x556), (0x561, 0x586)),
    "Georgian": ((0x10D0, 0x10F0), (0x10A0, 0x10C5)),
    "Hebrew": ((0x5D0, 0x5EA),),
    "Arabic": ((0x621, 0x63A), (0x641, 0x64A)),
    "Nko": ((0x7CA, 0x7EA),),
    "Tifinagh": ((0x2D30, 0x2D65),),
    "Lao": ((0xE81, 0xEAE),),
    "Canadian Syllabics": ((0x1401, 0x1676),),
    "Phonetic": ((0x250, 0x2AF),),
}
_STYLES = ("", "-Bold", "-Oblique", "-Italic", "-BoldOblique", "-BoldItalic")
FACES = (
    *(f"DejaVu{kind}{style}" for style in _STYLES for kind in ("Sans", "Serif", "SansMono")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
    *("cmr10", "cmss10", "cmtt10", "cmb10"),
)  # as far as they exist: the serif is italic where the others are oblique

_EM = 96  # pixels at which letters are rendered before they are scaled to their box
_BOX = 42  # longest side of a letter in a drawing of 64 pixels, before distortion
_ALIKE = 0.33  # share of differing ink below which two letters count as one
_ROTATION, _SHEAR, _STRETCH, _SHIFT = math.radians(12), 0.15, 0.15, 0.10  # half ranges
_ELASTIC = 0.05  # standard deviation of the knots of an elastic distortion (1 = half image)
_CHUNK = 1024  # drawings distorted at a time


@dataclass(frozen=True)
class Letter:
    """A class: a character, in how many quarter turns, mirrored or not."""

    script: str
    character: str
    turns: int = 0
    mirrored: bool = False

    @property
    def name(self) -> str:
        """Its name in ASCII, as in "Greek/small alpha" or "Latin/capital f turned 90"."""
        dropped = {"letter", "syllabics", *self.script.lower().split()}
        words = unicodedata.name(self.character).lower().split()
        kept = " ".join(word for word in words if word not in dropped)
        turned = f" turned {90 * self.turns}" if self.turns else ""
        return f"{self.script}/{kept}{turned}{' mirrored' if self.mirrored else ''}"


def draw(
    classes: int = CLASSES, drawings: int = DRAWINGS, split: Split = "train", seed: int = 0
) -> ImageSet:
    """Draw a set of 64x64 glyphs.

    Args:
        classes: How many classes; the first ones are the same for any number.
        drawings: How many drawings of each.
        split: The test drawings are other ones than the training drawings.
        seed: Of the distortions.

    Raises:
        InputError: A number is not positive, or there are not so many distinct letters.
    """
    if min(classes, drawings) < 1:
        raise InputError(f"{classes} classes of {drawings} glyphs cannot be drawn: at least 1 x 1")
    letters = _letters(classes)
    stencils = [_stencils(letter) for letter in letters]
    starts = torch.tensor([0, *(len(s) for s in stencils)]).cumsum(0)
    generator = Generator().manual_seed(2 * seed + (split == "test"))
    labels = torch.arange(classes).repeat_interleave(drawings)
    choice = torch.rand(len(labels), generator=generator)
    faces = starts[labels] + (choice * (starts[labels + 1] - starts[labels])).long()
    images = _distort(torch.cat(stencils), faces, generator)
    return ImageSet(images, labels, tuple(letter.name for letter in letters), "glyphs", LICENCE)


# --- letters ------------------------------------------------------------------------------------


@cache
def _fonts() -> dict[str, tuple[ImageFont.FreeTypeFont, frozenset[int]]]:
    """The faces that this matplotlib ships, each with the code points it can draw."""
    import matplotlib
    from matplotlib.ft2font import FT2Font

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    paths = {
        face: str(folder / f"{face}.ttf") for face in FACES if (folder / f"{face}.ttf").exists()
    }
    basic = ImageFont.Layout.BASIC
    return {
        face: (
            ImageFont.truetype(path, _EM, layout_engine=basic),
            frozenset(FT2Font(path).get_charmap()),
        )
        for face, path in paths.items()
    }


def _candidates() -> Iterator[Letter]:
    """Every letter upright, then turned and mirrored ones."""
    for mirrored, turns in ((False, 0), (False, 1), (False, 2), (False, 3), (True, 0), (True, 1)):
        for script, ranges in SCRIPTS.items():
            for code in (code for first, last in ranges for code in range(first, last + 1)):
                if unicodedata.category(chr(code)).startswith("L"):
                    yield Letter(script, chr(code), turns, mirrored)


def _letters(count: int) -> list[Letter]:
    """The first `count` letters that look different from all letters before them.

    Scripts share letters (Latin A, Greek Alpha, Cyrillic A), and scaling to one box makes "c" of
    "C": a class that cannot be told from another would only blur what is measured.
    """
    chosen: list[Letter] = []
    seen = torch.zeros(0, (SIDE // 4) ** 2)
    for letter in _candidates():
        if len(chosen) == count:
            return chosen
        stencils = _stencils(letter, only_first=True)
        if not len(stencils):
            continue
        ink = F.avg_pool2d(F.avg_pool2d(stencils, 3, 1, 1), 4).flatten(1)
        ink = ink / ink.sum()  # a bolder letter is no other letter
        differing = (seen - ink).abs().sum(1) / torch.maximum(seen, ink).sum(1)
        if bool((differing > _ALIKE).all()):
            chosen.append(letter)
            seen = torch.cat([seen, ink])
    if len(chosen) < count:
        raise InputError(f"{count} classes of glyphs were asked for, the fonts give {len(chosen)}")
    return chosen


def _stencils(letter: Letter, only_first: bool = False) -> Tensor:
    """The letter in each face that has it: float [faces, 1, 64, 64] in [0, 1], centred."""
    code = ord(letter.character)
    fonts = [
        font
        for face, (font, codes) in _fonts().items()
        if code in codes and (not face.startswith("cm") or code < 128)
    ]
    drawn = [_stencil(letter.character, font) for font in fonts[: 1 if only_first else None]]
    if not drawn:
        return torch.zeros(0, 1, SIDE, SIDE)
    stencils = torch.from_numpy(np.stack(drawn)).unsqueeze(1).float().div(255)
    stencils = stencils.flip(-1) if letter.mirrored else stencils
    return stencils.rot90(letter.turns, (-2, -1))


def _stencil(character: str, font: ImageFont.FreeTypeFont) -> np.ndarray:
    """One letter as uint8 [64, 64], its ink scaled to a box of fixed longest side."""
    left, top, right, bottom = font.getbbox(character)
    page = Image.new("L", (max(1, int(right - left)), max(1, int(bottom - top))))
    ImageDraw.Draw(page).text((-left, -top), character, fill=255, font=font)
    page = page.crop(page.getbbox())
    scale = _BOX / max(page.size)
    width, height = (max(1, round(side * scale)) for side in page.size)
    canvas = Image.new("L", (SIDE, SIDE))
    canvas.paste(page.resize((width, height)), ((SIDE - width) // 2, (SIDE - height) // 2))
    return np.asarray(canvas)


# --- distortion ---------------------------------------------------------------------------------


def _distort(stencils: Tensor, choice: Tensor, generator: Generator) -> Tensor:
    """Each chosen stencil under its own random map: uint8 [N, 1, 64, 64]."""
    out = torch.empty((len(choice), 1, SIDE, SIDE), dtype=torch.uint8)
    for start in range(0, len(choice), _CHUNK):
        chunk = stencils[choice[start : start + _CHUNK]]
        grid = F.affine_grid(_affine(len(chunk), generator), list(chunk.shape), align_corners=False)
        grid = grid + _elastic(len(chunk), generator)
        moved = F.grid_sample(chunk, grid, align_corners=False)
        out[start : start + _CHUNK] = moved.mul(255).round().to(torch.uint8)
    return out


def _affine(count: int, generator: Generator) -> Tensor:
    """Random maps from drawing to stencil, float [count, 2, 3]: turn, shear, stretch, shift."""
    uniform = torch.rand(count, 6, generator=generator) * 2 - 1
    angle, shear = uniform[:, 0] * _ROTATION, uniform[:, 1] * _SHEAR
    stretch = (uniform[:, 2:4] * _STRETCH).exp()
    cos, sin = angle.cos(), angle.sin()
    rows = torch.stack([cos, sin * -1 + shear * cos, sin, cos + shear * sin], 1).view(-1, 2, 2)
    shift = (uniform[:, 4:6] * _SHIFT).unsqueeze(2)
    return torch.cat([rows * stretch.unsqueeze(1), shift], 2)


def _elastic(count: int, generator: Generator) -> Tensor:
    """Smooth random displacements, float [count, 64, 64, 2]."""
    knots = torch.randn(count, 2, KNOTS, KNOTS, generator=generator) * _ELASTIC
    return displacements(knots, SIDE)


# --- the source ---------------------------------------------------------------------------------


def read(request: Request) -> ImageSet:
    """The drawings, from the cache when they were drawn before; `glyphs:100x5` sets the numbers.

    Raises:
        InputError: The option is not two numbers, or asks for more classes than there are.
    """
    import matplotlib

    option = re.fullmatch(r"(\d+)x(\d+)", request.option or f"{CLASSES}x{DRAWINGS}")
    if option is None:
        raise InputError(f"glyphs:{request.option} is not understood: write glyphs:400x20")
    classes, drawings = int(option[1]), int(option[2])
    stem = f"{classes}x{drawings}-{request.split}-{matplotlib.__version__}-{_RECIPE}"
    path = cache_folder() / "data" / "glyphs" / f"{stem}.safetensors"
    with suppress(InputError):  # not drawn yet, or damaged: draw it
        tensors, meta = read_tensors(path)
        names = tuple(meta["class_names"])
        return ImageSet(tensors["images"], tensors["labels"], names, "glyphs", LICENCE)
    images = draw(classes, drawings, request.split)
    with suppress(InputError):  # a cache that cannot be written costs time, nothing else
        tensors = {"images": images.images, "labels": images.labels}
        write_tensors(path, tensors, {"class_names": images.class_names})
    return images


SOURCE = Source(
    "glyphs",
    "letters of 12 scripts in 20 faces, distorted; 400 classes x 20 drawings, 64x64 grey "
    "(glyphs:CLASSESxDRAWINGS)",
    LICENCE,
    read,
)
