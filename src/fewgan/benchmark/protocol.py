"""A protocol: methods x data x shots x seeds at equal images seen, as a file for people to read.

Two methods are compared fairly when the discriminators of both have seen as many real images, on
the same networks, with the same seeds, and were measured by the same eyes. So a protocol counts
images, not steps: a method that updates its discriminator five times a step takes a fifth of the
steps. A budget is a set of changes to the file it stands in, such as fewer images or other data.
"""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic import ValidationError as Invalid

from fewgan.errors import InputError, invalid, unknown

DEFAULT_BUDGET = "cpu"  # where a protocol has it and none was asked for


class Strict(BaseModel):
    """A part of a protocol: immutable, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class MethodEntry(Strict):
    """A method with what is particular to it in this protocol."""

    method: str | None = None
    """Name of the method; the entry's own name when left out."""
    source: str | None = None
    """Name of the source that it adapts; that of the data when left out."""
    images: int | None = Field(None, ge=1)
    """Real images that its discriminator sees, where a method is made for another number than all
    others; those of the protocol when left out."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of `fewgan train`; they win over those of the data and of the protocol."""


class SourceEntry(Strict):
    """A run that others go on from; it is trained first, once, with the first seed."""

    method: str
    """Name of the method."""
    data: str | None = None
    """Name of the data set, or a folder; when left out it is trained on each data set of the
    protocol that asks for it, for those methods that adapt it there."""
    images: int = Field(ge=1)
    """Real images that its discriminator sees."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of `fewgan train`; none of the protocol's hold here."""


class DataEntry(Strict):
    """A data set with what is particular to it in this protocol."""

    data: str | None = None
    """Name of the data set, or a folder; the entry's own name when left out."""
    source: str | None = None
    """Name of the source that is adapted to it."""
    extractor: str | None = None
    """Network that sees the images; what suits the data when left out."""
    weights: Path | None = None
    """File of that network's published weights, where they are not in the cache."""
    metrics: tuple[str, ...] | None = None
    """Metrics; those of the protocol when left out."""
    classes: tuple[str, ...] | None = None
    """Classes that are measured; all that a run knows when left out."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of `fewgan train`; they win over those of the protocol."""


def _entries(value: Any) -> Any:
    """A list of names, or names without anything particular, as a mapping of entries."""
    if isinstance(value, list | tuple):
        value = dict.fromkeys(map(str, value))
    if isinstance(value, Mapping):
        return {name: {} if entry is None else entry for name, entry in value.items()}
    return value


def _shots(value: Any) -> int | str:
    """A number of images, as it comes from a file or a command line, or `all`."""
    if value == "all":
        return "all"
    if str(value).isdecimal() and int(value) >= 1:
        return int(value)
    raise ValueError("give a number of 1 or more, or all")


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.+-]*$")]
Entries = BeforeValidator(_entries)
Shots = Annotated[int | Literal["all"], BeforeValidator(_shots)]


class Protocol(Strict):
    """What is compared, for how long, and how it is measured."""

    name: Name
    """What to call it."""
    summary: str
    """One line: what it asks."""
    methods: Annotated[dict[Name, MethodEntry], Entries, Field(min_length=1)]
    """Methods, as a list of names, or as entries that differ in settings."""
    sources: dict[Name, SourceEntry] = Field(default_factory=dict)
    """Runs that the methods adapt, where they go on from one."""
    data: Annotated[dict[str, DataEntry], Entries, Field(min_length=1)]
    """Data sets: names or folders, as a list or as entries."""
    shots: tuple[Shots, ...] = Field(("all",), min_length=1)
    """Training images of each class: numbers, or all of them."""
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field((0, 1, 2), min_length=1)
    """Seeds; each cell of the table is a mean over them."""
    images: int = Field(ge=1)
    """Real images that every discriminator sees: steps x batch x updates a step, and of a stream
    in all its experiences together."""
    checks: int = Field(10, ge=1)
    """Checks, spread evenly over a run; the best one is the best checkpoint."""
    n: int = Field(5000, ge=2)
    """Images generated for the figures, and at most of real ones."""
    metrics: tuple[str, ...] = ("fid", "kid", "intra_fid", "is", "prdc", "accuracy")
    """What is measured; `cas` takes longer."""
    uplift: dict[str, Any] | None = None
    """Ask too whether a run's images help a classifier: what `fewgan uplift` is to be told, such as
    {seeds: 3, updates: 600}."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of `fewgan train` that all cells share."""


# --- reading ------------------------------------------------------------------------------------


def shipped() -> dict[str, str]:
    """Protocols that come with fewgan: the text of each by name."""
    folder = files("fewgan.benchmark") / "protocols"
    found = (entry for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    return {e.name.removesuffix(".yaml"): e.read_text(encoding="utf-8") for e in found}


def load(
    protocol: str | Path, budget: str | None = None, changes: Mapping[str, Any] | None = None
) -> tuple[Protocol, str]:
    """Read a protocol in one of its budgets.

    Args:
        protocol: Name of a shipped protocol, or a YAML file.
        budget: Name of one of its budgets; `cpu` when left out, if it has that.
        changes: Fields of the protocol that are to be otherwise, after the budget's.

    Returns:
        The protocol, and the name of the budget (empty without one).

    Raises:
        InputError: There is no such protocol or budget, or the file is not a protocol.
    """
    content = _read(protocol)
    budgets = content.pop("budgets", None) or {}
    if not isinstance(budgets, dict) or not all(isinstance(b, dict) for b in budgets.values()):
        raise InputError(f"{protocol}: 'budgets' must map each name to what it changes")
    for name, change in budgets.items():
        _check(f"{protocol}, budget {name}", merged(content, change))
    budget = budget or (DEFAULT_BUDGET if DEFAULT_BUDGET in budgets else "")
    if budget and budget not in budgets:
        raise (
            unknown("budget", budget, budgets)
            if budgets
            else InputError(f"{protocol} has no budgets: leave out --budget")
        )
    whole = merged(merged(content, budgets.get(budget, {})), changes or {})
    return _check(str(protocol), whole), budget


def _read(protocol: str | Path) -> dict[str, Any]:
    known, path = shipped(), Path(protocol)
    if str(protocol) not in known and not path.suffix and not path.exists():
        raise unknown("protocol", str(protocol), known)
    try:
        text = known.get(str(protocol)) or path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except OSError as error:
        raise InputError(f"cannot read protocol {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise InputError(f"protocol {path} is not YAML: copy a shipped one and change it") from None
    if not isinstance(content, dict):
        raise InputError(f"protocol {path} is empty: copy a shipped one and change it")
    return content


def merged(base: Any, change: Any) -> Any:
    """What `base` becomes by a change.

    Mappings are joined key by key, a list chooses among the entries of a mapping (and adds those
    that it lacks), and anything else is replaced.
    """
    if isinstance(base, Mapping) and isinstance(change, Mapping):
        joined = {key: merged(base.get(key), value) for key, value in change.items()}
        return {**base, **joined}
    if isinstance(base, Mapping) and isinstance(change, list | tuple):
        return {name: base.get(name) for name in change}
    return change


def _check(where: str, content: dict[str, Any]) -> Protocol:
    try:
        return Protocol.model_validate(content)
    except Invalid as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        if first["type"] == "missing":
            raise InputError(f"protocol {where} lacks {field!r}: see docs/benchmark.md") from None
        if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
            raise unknown(f"entry of protocol {where},", field, Protocol.model_fields) from None
        raise InputError(f"protocol {where}: {invalid(error)}") from None
