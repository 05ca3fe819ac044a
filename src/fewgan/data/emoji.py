"""Emoji in six styles, by four vendors.

Each style's drawings come as one npm package of SVG (Iconify's JSON form) and are rendered once a
size, on white. Classes are the emoji categories, where the package carries them.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fewgan.data.carriers import Npm
from fewgan.data.fetching import require
from fewgan.data.imageset import ImageSet
from fewgan.data.source import Request, Source, Supply, Unavailable
from fewgan.data.svg import drawn
from fewgan.errors import InputError
from fewgan.files import sha256_file

SIDE = 64  # pixels, where no size is asked for


@dataclass(frozen=True)
class Style:
    """One vendor's drawings.

    Attributes:
        name: What stands after `emoji-`.
        licence: Licence of the drawings.
        carrier: The package that carries them.
        sha256: Of the file `icons.json`, however it got here.
        summary: One line for the list of data sets.
    """

    name: str
    licence: str
    carrier: Npm
    sha256: str
    summary: str

    @property
    def source(self) -> Source:
        """The row of the table of data sets."""
        name = f"emoji-{self.name}"
        remedy = f"put the file of npm package {self.carrier.package} in {{home}} and fetch again"
        supply = Supply(self.keep, carriers=(self.carrier,), remedy=remedy)
        return Source(name, self.summary, self.licence, self.read, test_split=False, supply=supply)

    def keep(self, folder: Path, place: Path) -> None:
        """Keep the drawings and what is said of them, if they are the published ones."""
        inside = folder / "package" if (folder / "package").is_dir() else folder
        if not (inside / "icons.json").is_file():
            raise Unavailable("it has no icons.json")
        if sha256_file(inside / "icons.json") != self.sha256:
            raise Unavailable("its icons.json is not the published one")
        for file in ("icons.json", "metadata.json"):
            if inside != place:
                shutil.copy(inside / file, place / file)

    def read(self, request: Request) -> ImageSet:
        """All drawings at the size asked for; with categories, those that are in one."""
        name = f"emoji-{self.name}"
        images, names = self.drawn(request.size or SIDE)
        content = _read(require(name) / "metadata.json").get("categories", {})
        place = {icon: i for i, icons in enumerate(content.values()) for icon in icons}
        kept = [i for i, icon in enumerate(names) if icon in place or not content]
        labels = torch.tensor([place.get(names[i], -1) for i in kept])
        taken = images[torch.tensor(kept)]
        return ImageSet(taken, labels, tuple(content), name, self.licence)

    def drawn(self, size: int) -> tuple[Tensor, list[str]]:
        """Every drawing uint8 [N,3,size,size], and its name; rendered when first asked for.

        Raises:
            InputError: The set has not been fetched, or is damaged.
        """
        folder = require(f"emoji-{self.name}")

        def documents() -> dict[str, str]:
            collection = _read(folder / "icons.json")
            names = sorted(n for n, icon in collection["icons"].items() if not icon.get("hidden"))
            return {name: svg(collection, name) for name in names}

        return drawn(folder, size, documents)


def svg(collection: Mapping[str, Any], name: str) -> str:
    """One icon of an Iconify collection as an SVG document, centred in a square."""
    icon = collection["icons"][name]
    left, top, width, height = (
        icon.get(key, collection.get(key, default))
        for key, default in (("left", 0), ("top", 0), ("width", 16), ("height", 16))
    )
    side = max(width, height)
    box = f"{left - (side - width) / 2} {top - (side - height) / 2} {side} {side}"
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {spaces} viewBox="{box}">{icon["body"]}</svg>'


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(
            f"{path} is missing or damaged: delete its folder and fetch again"
        ) from None


# --- the table --------------------------------------------------------------------------------

STYLES = {
    style.name: style
    for style in (
        Style(
            "noto",
            "Apache-2.0",
            Npm(
                "@iconify-json/noto",
                "1.2.9",
                "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad",
            ),
            "9eac6ef4e7ec122b6f0e7ac281d61008afdbc720d0ce861e398b939daaa347c6",
            "3,729 emoji by Google, shaded, 9 classes",
        ),
        Style(
            "fluent",
            "MIT",
            Npm(
                "@iconify-json/fluent-emoji",
                "1.2.7",
                "8044210dbf11e016d4de85f15d01a243423bd832457e7e2491df1b751c0e272b",
            ),
            "87f3336be6f46747d40d046a15ffa8b23809ff7a1a280b5d3521d3782fb85de7",
            "3,174 emoji by Microsoft, modelled and lit, no classes",
        ),
        Style(
            "fluent-flat",
            "MIT",
            Npm(
                "@iconify-json/fluent-emoji-flat",
                "1.2.6",
                "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
            ),
            "f5f4cf457c0db2ad5a2e42e033e02e0c87d10e43d0164cfffb3bb84914970a63",
            "3,139 emoji by Microsoft, flat areas of colour, 9 classes",
        ),
        Style(
            "fluent-high-contrast",
            "MIT",
            Npm(
                "@iconify-json/fluent-emoji-high-contrast",
                "1.2.6",
                "0b92d48c90d2200bd499e3cdd09a127ca6a8c8ddefd34c35eb5a1e4994012ae0",
            ),
            "c522fb74fef65ccef67b38dfdbf0f3dcd4353339e4b8faec4aa45faf83ed4739",
            "1,595 emoji by Microsoft, black shapes on white, 9 classes",
        ),
        Style(
            "openmoji",
            "CC BY-SA 4.0",
            Npm(
                "@iconify-json/openmoji",
                "1.2.29",
                "03181e2c156cab35cf4a62f1f7886bd971d59212e75ac3f189d5a4cae3930fc5",
            ),
            "7075331faab544067dbff4236471dd378bb5410aa05799a8a343c9ebf5c5984c",
            "4,544 emoji of OpenMoji, outlined, 11 classes",
        ),
        Style(
            "twemoji",
            "CC BY 4.0",
            Npm(
                "@iconify-json/twemoji",
                "1.2.5",
                "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7",
            ),
            "5d5d820790565b764f2728675d487c9ee4c1fc83916d8567d5aca8ba7527c242",
            "3,988 emoji of Twitter, flat, 9 classes",
        ),
    )
}

SOURCES = tuple(style.source for style in STYLES.values())
