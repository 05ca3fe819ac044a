"""From a protocol to its cells: one run each, with its settings resolved and its folder named.

Where methods adapt a source, the source is a cell too, trained before the others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, product
from math import ceil
from pathlib import Path
from typing import Any, Literal, NamedTuple

from fewgan import api, methods
from fewgan.benchmark.protocol import DataEntry, MethodEntry, Protocol
from fewgan.benchmark.uplift import check_plan
from fewgan.data.sources import find
from fewgan.data.sources import sources as datasets
from fewgan.errors import InputError, unknown
from fewgan.methods.base import Method
from fewgan.metrics.extractors import EXTRACTORS
from fewgan.metrics.table import METRICS
from fewgan.networks.build import ImageSpec
from fewgan.training import selection
from fewgan.training.settings import RunConfig

COUNTED = {
    "steps": "images",
    "minutes": "images",
    "check_every": "checks",
    "data": "data",
    "shots": "shots",
    "seed": "seeds",
}
"""Settings of a run that a protocol counts out itself, and the field that it takes them from."""


@dataclass(frozen=True)
class Cell:
    """One run of a protocol, and how it is measured.

    Attributes:
        label: Name of the method's entry in the protocol.
        data: Name of the data set's entry in the protocol.
        shots: Training images of each class, or `all`.
        seed: Seed of the run.
        config: Settings of the run, resolved and checked.
        measure: Arguments of `evaluate` that decide what the figures are.
        folder: The run folder.
    """

    label: str
    data: str
    shots: int | Literal["all"]
    seed: int
    config: RunConfig
    measure: dict[str, Any]
    folder: Path

    @property
    def name(self) -> str:
        """How the cell is told to a person: `acgan on mnist, seed 0`."""
        few = "" if self.shots == "all" else f", {self.shots} shots"
        return f"{self.label} on {Path(self.data).name}{few}, seed {self.seed}"


class Lender(NamedTuple):
    """A source, as those see it that go on from it."""

    cell: Cell
    """Its cell, which may not be trained yet."""
    spec: ImageSpec
    """Its images."""
    classes: int
    """Classes that it can be asked for."""


def cells(protocol: Protocol, out: Path) -> list[Cell]:
    """Every cell of a protocol; a whole table of the first seed comes before the second seed.

    Args:
        protocol: The protocol.
        out: Folder that the run folders lie in, as `<method>/<data>/<shots>/<seed>`.

    Raises:
        InputError: A method, data set, metric, extractor or setting cannot be used.
    """
    for metric in chain(protocol.metrics, *(d.metrics or () for d in protocol.data.values())):
        if metric not in METRICS:
            raise unknown("metric", metric, METRICS)
    for data in protocol.data.values():
        if data.extractor is not None and data.extractor not in EXTRACTORS:
            raise unknown("extractor", data.extractor, EXTRACTORS)
    lenders = {cell.folder: _lender(cell) for cell in sources(protocol, out)}
    found = list(_cells(protocol, out, lenders))
    if len({cell.folder for cell in found}) < len(found):
        raise InputError(f"protocol {protocol.name}: two data sets or seeds have the same name")
    return found


def sources(protocol: Protocol, out: Path) -> list[Cell]:
    """The runs that others go on from, as cells whose `data` is the name of the source.

    Raises:
        InputError: A method, data set or setting cannot be used.
    """
    pairs = product(protocol.data.items(), protocol.methods.items())
    found = (_source(protocol, data, entry, out) for data, (_, entry) in pairs)
    return list({cell.folder: cell for cell in found if cell}.values())


def _source(
    protocol: Protocol, data: tuple[str, DataEntry], method: MethodEntry, out: Path
) -> Cell | None:
    """The run that a method goes on from on a data set, if it goes on from any."""
    label, about = data
    name = method.source or about.source
    if name is None:
        return None
    if name not in protocol.sources:
        raise unknown("source", name, protocol.sources)
    entry, seed = protocol.sources[name], protocol.seeds[0]
    place = {"data": _place(entry.data or about.data or label), "seed": seed}
    if entry.data is None:
        name = f"{name}-{_folder_name(label)}"
    config = _config(protocol, methods.find(entry.method), entry.settings, place, entry.images)
    measure = {"metrics": ["kid", "prdc"], "n": protocol.n, "extractor": None, "weights": None}
    return Cell("source", name, "all", seed, config, measure, out / "sources" / name)


def _folder_name(data: str) -> str:
    return Path(data).name.replace(":", "-")


def _cells(protocol: Protocol, out: Path, lenders: Mapping[Path, Lender]) -> Iterator[Cell]:
    plan = product(protocol.seeds, protocol.data.items(), protocol.shots, protocol.methods.items())
    for seed, (data, about), shots, (label, entry) in plan:
        few = None if shots == "all" else shots
        kind = methods.find(entry.method or label)
        settings = {**protocol.settings, **about.settings, **entry.settings}
        place = {"data": _place(about.data or data), "shots": few, "seed": seed}
        if first := _source(protocol, (data, about), entry, out):
            lender = lenders[first.folder]
            source = lender.cell.config
            kind = kind.onto(methods.find(source.method))
            lent = api.inherit(kind, source.settings, lender.spec, lender.classes)
            lent = {name: value for name, value in lent.items() if name not in COUNTED}
            settings = {**lent, **settings}
            place["source"] = str(lender.cell.folder)
        config = _config(protocol, kind, settings, place, entry.images or protocol.images)
        measure: dict[str, Any] = {
            "metrics": list(about.metrics or protocol.metrics),
            "n": protocol.n,
            "extractor": about.extractor,
            "weights": str(about.weights.resolve()) if about.weights else None,
        }
        if protocol.uplift is not None:
            check_plan({k: v for k, v in protocol.uplift.items() if k not in ("seeds", "shots")})
            measure["uplift"] = protocol.uplift
        if about.classes:
            measure["classes"] = list(about.classes)
        folder = out / label / _folder_name(data) / str(shots) / str(seed)
        yield Cell(label, data, shots, seed, config, measure, folder)


def _lender(cell: Cell) -> Lender:
    """What a source will be once it is trained: its images, and the classes that it knows."""
    config, kind = cell.config, methods.find(cell.config.method)
    images = selection.load_source(config)
    classes = len(selection.choose(config, images).classes["model"])
    spec = ImageSpec(images.channels, images.size, classes)
    method = kind(kind.Settings.model_validate(config.settings), spec)
    return Lender(cell, spec, int(method.sampler.classes))  # type: ignore[arg-type]


def _place(data: str) -> str:
    """The data set's name, or the whole path of a folder, which another machine can find.

    Raises:
        InputError: There is no such data set or folder.
    """
    find(data)
    return data if data.partition(":")[0] in datasets() else str(Path(data).expanduser().resolve())


def _config(
    protocol: Protocol,
    kind: type[Method],
    settings: dict[str, Any],
    place: dict[str, Any],
    images: int,
) -> RunConfig:
    """The run's settings, with the steps in which its discriminator sees so many images."""
    for name in sorted(settings.keys() & COUNTED.keys()):
        raise InputError(
            f"protocol {protocol.name} has {name!r} among its settings: leave it out and give "
            f"{COUNTED[name]!r}"
        )
    config = api.make_config(kind, {**settings, **place, "steps": 1})
    a_step = config.batch_size * kind.batches(config.settings)
    experiences = config.stream.count("/") + 1 if config.stream else 1
    steps = ceil(images / a_step / experiences)
    check_every = max(1, ceil(steps * experiences / protocol.checks))
    return config.model_copy(update={"steps": steps, "check_every": check_every})
