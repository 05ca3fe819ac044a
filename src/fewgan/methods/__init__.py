"""The methods, one file each, found by what their files say of themselves.

A method's file begins with `name (regime): summary`. Methods of this package are found by
listing its folder; methods of other packages by the entry-point group `fewgan.methods`, where the
entry's name is the method's and its value is the module or the class. Listing imports nothing,
so that `fewgan methods` answers at once.
"""

import ast
import importlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewgan.errors import InputError, unknown

if TYPE_CHECKING:
    from fewgan.methods.base import Method

REGIMES = ("train", "adapt", "meta-train", "keep learning")
_HEADER = re.compile(rf"(?P<name>[\w+-]+) \((?P<regime>{'|'.join(REGIMES)})\): (?P<summary>.+)")


@dataclass(frozen=True)
class MethodInfo:
    """A method as it is listed: its name, regime, one-line summary and module."""

    name: str
    regime: str
    summary: str
    module: str


def _read_header(path: Path, module: str) -> MethodInfo | None:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    match = _HEADER.match(text)
    return MethodInfo(**match.groupdict(), module=module) if match else None


def _outside(entry: EntryPoint) -> MethodInfo:
    spec = find_spec(entry.module)
    if spec is None or spec.origin is None:
        raise InputError(f"method {entry.name!r}: its module {entry.module!r} cannot be found")
    info = _read_header(Path(spec.origin), entry.module)
    return info or MethodInfo(entry.name, "train", f"from {entry.module}", entry.module)


@cache
def available() -> dict[str, MethodInfo]:
    """Every method by name, in the order of the regimes and then of the alphabet."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    infos = [_read_header(file, f"{__name__}.{file.stem}") for file in files]
    infos += [_outside(entry) for entry in entry_points(group="fewgan.methods")]
    found = [info for info in infos if info is not None]
    found.sort(key=lambda info: (REGIMES.index(info.regime), info.name))
    return {info.name: info for info in found}


def find(method: "str | type[Method]") -> "type[Method]":
    """The class of a method given by name; a class is handed back as it is.

    A method that wraps another may name it: `mergan-ra:acgan`.

    Raises:
        InputError: There is no such method (with the nearest name suggested), or it wraps none.
    """
    if not isinstance(method, str):
        return method
    if ":" in method:
        wrapper, _, wrapped = method.partition(":")
        return find(wrapper).over(find(wrapped))
    if method not in available():
        raise unknown("method", method, available())
    module: Any = importlib.import_module(available()[method].module)
    classes = [c for c in vars(module).values() if isinstance(c, type)]
    return next(c for c in classes if c.__dict__.get("name") == method)
