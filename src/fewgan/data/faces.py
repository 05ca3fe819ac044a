"""Drawn faces in six styles: avatars that DiceBear puts together from the parts of a designer.

The parts come as npm packages, and Node, which comes with npm, puts them together once, by the
face's number. Faces of one style lie alike in the square, as photographs of faces do: six thousand
are a source, and another style of them is a target. Rendered once a size, on white; no classes.
"""

import gzip
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from fewgan.data.carriers import Npm, client
from fewgan.data.fetching import require
from fewgan.data.imageset import ImageSet
from fewgan.data.source import Request, Source, Supply, Unavailable
from fewgan.data.svg import drawn
from fewgan.errors import InputError

COUNT = 6000  # faces of a style
SIDE = 64  # pixels, where no size is asked for
FILE = "faces.json.gz"

_CORE = Npm(
    "@dicebear/core",
    "9.4.3",
    "6ca7dae651c74ad547e548fbe7c41f49aaa377cf4617259277518389bf6b1a3d",
)
_PUT_TOGETHER = f"""
import {{ createAvatar }} from "@dicebear/core";
import {{ writeFileSync }} from "node:fs";
import {{ gzipSync }} from "node:zlib";
const [name, count] = process.argv.slice(1);
const style = await import(name);
const faces = Array.from({{ length: count }}, (_, i) =>
  createAvatar(style, {{ seed: String(i) }}).toString());
writeFileSync("{FILE}", gzipSync(JSON.stringify(faces)));
"""


@dataclass(frozen=True)
class Parts:
    """DiceBear and a designer's parts from the npm registry, put together by Node.

    Attributes:
        package: The package of the parts.
        count: Faces to make.
    """

    package: Npm
    count: int = COUNT
    network: bool = True

    @property
    def name(self) -> str:
        """Both packages."""
        return f"{_CORE.name} and {self.package.package}"

    def bring(self, work: Path) -> Path:
        """Pack, check and unpack both, and put the faces together."""
        for npm in (_CORE, self.package):
            place = work / "node_modules" / npm.package
            aside = work / "packed" / npm.package
            aside.mkdir(parents=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(npm.bring(aside), place)
        script = ["node", "--input-type=module", "--eval", _PUT_TOGETHER]
        client([*script, self.package.package, str(self.count)], work)
        return work


@dataclass(frozen=True)
class Style:
    """One designer's faces.

    Attributes:
        name: What stands after `faces-`.
        licence: Licence of the drawings.
        carrier: What brings them.
        sha256: Of the list of drawings as JSON, however it got here.
        summary: One line for the list of data sets.
    """

    name: str
    licence: str
    carrier: Parts
    sha256: str
    summary: str

    @property
    def source(self) -> Source:
        """The row of the table of data sets."""
        remedy = f"put {FILE}, from a machine that has it, in {{home}} and fetch again"
        supply = Supply(self.keep, carriers=(self.carrier,), remedy=remedy)
        name = f"faces-{self.name}"
        return Source(name, self.summary, self.licence, self.read, test_split=False, supply=supply)

    def keep(self, folder: Path, place: Path) -> None:
        """Keep the drawings, if they are the known ones."""
        if not (folder / FILE).is_file():
            raise Unavailable(f"it has no {FILE}")
        try:
            content = gzip.decompress((folder / FILE).read_bytes())
        except (OSError, EOFError):
            raise Unavailable(f"its {FILE} is damaged") from None
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise Unavailable(f"its {FILE} does not hold the known faces")
        if folder != place:
            shutil.copy(folder / FILE, place / FILE)

    def read(self, request: Request) -> ImageSet:
        """All faces at the size asked for."""
        name = f"faces-{self.name}"
        folder = require(name)

        def documents() -> dict[str, str]:
            try:
                faces = json.loads(gzip.decompress((folder / FILE).read_bytes()))
            except (OSError, EOFError, ValueError):
                raise InputError(
                    f"{folder / FILE} is missing or damaged: delete its folder and fetch again"
                ) from None
            return {str(i): face for i, face in enumerate(faces)}

        images, _ = drawn(folder, request.size or SIDE, documents)
        return ImageSet(images, torch.full((len(images),), -1), (), name, self.licence)


# --- the table --------------------------------------------------------------------------------

STYLES = (
    Style(
        "avataaars",
        "free for personal and commercial use (Pablo Stanley)",
        Parts(
            Npm(
                "@dicebear/avataaars",
                "9.4.3",
                "0faf2184c2013afbccfec08949b27e24c7e4c678eaec009752dd2b03b113f33d",
            )
        ),
        "1eb822511141a2dc37937d2b648860bfc011e56d56e0966eb9364759233cff76",
        "6,000 faces from the front, with hats, glasses and clothes, no classes",
    ),
    Style(
        "toon-head",
        "CC BY 4.0 (Johan Melin)",
        Parts(
            Npm(
                "@dicebear/toon-head",
                "9.4.3",
                "b9cd3b5def9fb2c37a9acba2e4b9bd00268b6eaff705d596756e8d921a4580c8",
            )
        ),
        "450aa6a24e2a7747cb9a05ed7889d5e22a8a36c909eca44e194d652cfce5c155",
        "6,000 faces from the front, softly coloured, no classes",
    ),
    Style(
        "adventurer",
        "CC BY 4.0 (Lisa Wischofsky)",
        Parts(
            Npm(
                "@dicebear/adventurer",
                "9.4.3",
                "6edeac04f94ef6177c946918dce012e530200dfcc274b4f954239e33ecbe590c",
            )
        ),
        "12bfa42ea2df27517514b13ea018ed4efb0b0ca3bbe5fe7de14ff39d42621ca3",
        "6,000 round heads with bold outlines, no classes",
    ),
    Style(
        "micah",
        "CC BY 4.0 (Micah Lanier)",
        Parts(
            Npm(
                "@dicebear/micah",
                "9.4.3",
                "b948931f01e97147ce8cdcfc4dfdad5c029bcb1ad57420dc0b22bc0aeb1d3fa7",
            )
        ),
        "b2d401a0194a5cd0d5ccb0d05a3a6fafd581a887de740e2c3c942050dfae538b",
        "6,000 busts turned to the right, flat colours, no classes",
    ),
    Style(
        "lorelei",
        "CC0 1.0 (Lisa Wischofsky)",
        Parts(
            Npm(
                "@dicebear/lorelei",
                "9.4.3",
                "78cbba0a6c4d14e1af7c62ffa9a73bd98a8cda02e28690110e199348cd6a9c06",
            )
        ),
        "c41ab56b7e74d4ec20d46af2aece30980d4493ad2ad4e312af13e985db6bb6b7",
        "6,000 heads as black lines on white, no classes",
    ),
    Style(
        "notionists",
        "CC0 1.0 (Zoish)",
        Parts(
            Npm(
                "@dicebear/notionists",
                "9.4.3",
                "edb28f4a346e50b9a810b754960cda924cfb2e05763cefddb4acb940dfb96445",
            )
        ),
        "9d230f29c54a72fce6b4891e5948b97a3ad457151cb3173008415e4282c323f9",
        "6,000 busts as black lines on white, no classes",
    ),
)

SOURCES = tuple(style.source for style in STYLES)
