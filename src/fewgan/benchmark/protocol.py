"""A protocol: methods x data x shots x seeds at equal images seen, as a file for people to read.

Two methods are compared fairly when the discriminators of both have seen as many real images, on
the same networks, with the same seeds, and were measured by the same eyes. So a protocol counts
images, not steps: a method that updates its discriminator five times a step takes a fifth of the
steps. A budget is a set of changes to the file it stands in, such as fewer images or other data.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import product
from math import ceil
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic import ValidationError as Invalid

from fewgan import api, methods
from fewgan.data.sources import find, sources
from fewgan.errors import InputError, invalid, unknown
from fewgan.metrics.extractors import EXTRACTORS
from fewgan.metrics.table import METRICS
from fewgan.training.settings import RunConfig

DEFAULT_BUDGET = "cpu"  # where a protocol has it and none was asked for
COUNTED = {
    "steps": "images",
    "minutes": "images",
    "check_every": "checks",
    "data": "data",
    "shots": "shots",
    "seed": "seeds",
}
"""Settings of a run that a protocol counts out itself, and the field that it takes them from."""


class Strict(BaseModel):
    """A part of a protocol: immutable, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class MethodEntry(Strict):
    """A method with what is particular to it in this protocol."""

    method: str | None = None
    """Name of the method; the entry's own name when left out."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of `fewgan train`; they win over those of the data and of the protocol."""


class DataEntry(Strict):
    """A data set with what is particular to it in this protocol."""

    extractor: str | None = None
    """Network that sees the images; what suits the data when left out."""
    weights: Path | None = None
    """File of that network's published weights, where they are not in the cache."""
    metrics: tuple[str, ...] | None = None
    """Metrics; those of the protocol when left out."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of `fewgan train`; they win over those of the protocol."""


def _entries(value: Any) -> Any:
    """A list of names, or names without anything particular, as a mapping of entries."""
    if isinstance(value, list | tuple):
        value = dict.fromkeys(map(str, value))
    if isinstance(value, Mapping):
        return {name: {} if entry is None else entry for name, entry in value.items()}
    return value


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.+-]*$")]
Entries = BeforeValidator(_entries)


class Protocol(Strict):
    """What is compared, for how long, and how it is measured."""

    name: Name
    """What to call it."""
    summary: str
    """One line: what it asks."""
    methods: Annotated[dict[Name, MethodEntry], Entries, Field(min_length=1)]
    """Methods, as a list of names, or as entries that differ in settings."""
    data: Annotated[dict[str, DataEntry], Entries, Field(min_length=1)]
    """Data sets: names or folders, as a list or as entries."""
    shots: tuple[Annotated[int, Field(ge=1)] | Literal["all"], ...] = Field(("all",), min_length=1)
    """Training images of each class: numbers, or all of them."""
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field((0, 1, 2), min_length=1)
    """Seeds; each cell of the table is a mean over them."""
    images: int = Field(ge=1)
    """Real images that every discriminator sees: steps x batch x updates a step."""
    checks: int = Field(10, ge=1)
    """Checks, spread evenly over a run; the best one is the best checkpoint."""
    n: int = Field(5000, ge=2)
    """Images generated for the figures, and at most of real ones."""
    metrics: tuple[str, ...] = ("fid", "kid", "intra_fid", "is", "prdc", "accuracy")
    """What is measured; `cas` takes longer."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of `fewgan train` that all cells share."""


@dataclass(frozen=True)
class Cell:
    """One run of a protocol, and how it is measured.

    Attributes:
        label: Name of the method's entry in the protocol.
        data: Data set.
        shots: Training images of each class, or `all`.
        seed: Seed of the run.
        config: Settings of the run, resolved and checked.
        measure: Arguments of `evaluate` that decide what the figures are.
        folder: The run folder.
    """

    label: str
    data: str
    shots: int | str
    seed: int
    config: RunConfig
    measure: dict[str, Any]
    folder: Path

    @property
    def name(self) -> str:
        """How the cell is told to a person: `acgan on mnist, seed 0`."""
        few = "" if self.shots == "all" else f", {self.shots} shots"
        return f"{self.label} on {Path(self.data).name}{few}, seed {self.seed}"


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


# --- from a protocol to its cells ---------------------------------------------------------------


def cells(protocol: Protocol, out: Path) -> list[Cell]:
    """Every cell of a protocol; a whole table of the first seed comes before the second seed.

    Args:
        protocol: The protocol.
        out: Folder that the run folders lie in, as `<method>/<data>/<shots>/<seed>`.

    Raises:
        InputError: A method, data set, metric, extractor or setting cannot be used.
    """
    for entry in (protocol, *protocol.data.values()):
        for metric in entry.metrics or ():
            if metric not in METRICS:
                raise unknown("metric", metric, METRICS)
    for data in protocol.data.values():
        if data.extractor is not None and data.extractor not in EXTRACTORS:
            raise unknown("extractor", data.extractor, EXTRACTORS)
    found = list(_cells(protocol, out))
    if len({cell.folder for cell in found}) < len(found):
        raise InputError(f"protocol {protocol.name}: two data sets or seeds have the same name")
    return found


def _cells(protocol: Protocol, out: Path) -> Iterator[Cell]:
    plan = product(protocol.seeds, protocol.data.items(), protocol.shots, protocol.methods.items())
    for seed, (data, about), shots, (label, entry) in plan:
        config = _config(
            protocol,
            entry.method or label,
            {**protocol.settings, **about.settings, **entry.settings},
            {"data": _place(data), "shots": None if shots == "all" else shots, "seed": seed},
        )
        measure = {
            "metrics": list(about.metrics or protocol.metrics),
            "n": protocol.n,
            "extractor": about.extractor,
            "weights": str(about.weights.resolve()) if about.weights else None,
        }
        folder = out / label / Path(data).name.replace(":", "-") / str(shots) / str(seed)
        yield Cell(label, data, shots, seed, config, measure, folder)


def _place(data: str) -> str:
    """The data set's name, or the whole path of a folder, which another machine can find.

    Raises:
        InputError: There is no such data set or folder.
    """
    find(data)
    return data if data.partition(":")[0] in sources() else str(Path(data).expanduser().resolve())


def _config(
    protocol: Protocol, method: str, settings: dict[str, Any], place: dict[str, Any]
) -> RunConfig:
    """The run's settings, with the steps in which its discriminator sees `protocol.images`."""
    for name in sorted(settings.keys() & COUNTED.keys()):
        raise InputError(
            f"protocol {protocol.name} has {name!r} among its settings: leave it out and give "
            f"{COUNTED[name]!r}"
        )
    config = api.make_config(methods.find(method), {**settings, **place, "steps": 1})
    a_step = config.batch_size * int(config.settings.get("d_steps", 1))
    steps = ceil(protocol.images / a_step)
    return config.model_copy(
        update={"steps": steps, "check_every": max(1, ceil(steps / protocol.checks))}
    )
