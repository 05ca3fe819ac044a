"""The Python interface: what `import fewgan` offers, and all that the command line calls."""

import contextlib
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from fewgan import __version__, methods
from fewgan import data as datasets
from fewgan.data.imageset import ImageSet
from fewgan.data.splits import Division
from fewgan.errors import InputError, unknown, validated
from fewgan.methods.base import Learned, Method
from fewgan.methods.gan import GAN
from fewgan.networks.build import ImageSpec
from fewgan.networks.precision import resolve, set_precision
from fewgan.outputs import picture_of
from fewgan.report import copies
from fewgan.report.card import write_card
from fewgan.report.grids import save_png
from fewgan.report.view import RunView
from fewgan.training import checkpoint, selection
from fewgan.training.engine import Engine
from fewgan.training.folder import RunFolder, check_free
from fewgan.training.loop import Listener, Trainer, check_settings
from fewgan.training.progress import Bar, Tracker, check_tracker
from fewgan.training.run import Run
from fewgan.training.settings import RunConfig, RunSettings

NO_DATA = "no data were named: give --data NAME or --data FOLDER"


def train(
    method: str | type[Method],
    data: str | None = None,
    *,
    out: str | Path | None = None,
    progress: bool = True,
    **settings: Any,
) -> Run:
    """Train a method and return its run.

    Args:
        method: A method's name (see `fewgan methods`) or its class.
        data: A named data set or a folder of images.
        out: The run folder; `runs/<method>-<data>-<time>` when left out.
        progress: Show a bar on standard error.
        **settings: Any field of `RunSettings` and of the method's `Settings`.

    Raises:
        InputError: Something that was asked for cannot be done.
        Interrupted: Ctrl-C; the state is saved, and `resume` goes on.
    """
    kind = methods.find(method)
    config = make_config(kind, {"data": data, **settings})
    engine = Engine(config.device)
    check_settings(kind, config, engine.world)
    check_tracker(config.track)
    # Clocks differ between processes: one of them names the folder.
    path = Path(out or engine.share(str(default_out(kind.name, config.data))))
    if engine.main:
        check_free(path)
    source = selection.load_source(config)
    division = selection.choose(config, source)
    images = selection.training_images(source, division).to(engine.device)
    more = selection.unlabelled_images(config, source, division)
    with _seeded(config.seed):
        model = build(kind, config, images, engine)
        # Processors differ: one process chooses for all of them, and for every resume.
        precision = engine.share(resolve(config.precision, engine.device))
        set_precision(model, precision)
        _begin_with(model, config)
        model.check(images)
        if engine.main:
            described = describe(model, config, images, division) | {"precision": precision}
            RunFolder.create(path, config, described, division)
        engine.wait()
        return _fit(RunFolder(path), config, model, images, engine, progress, division, more)


def adapt(
    run: Run | str | Path,
    method: str | type[Method] | None = None,
    data: str | None = None,
    *,
    out: str | Path | None = None,
    progress: bool = True,
    **settings: Any,
) -> Run:
    """Go on from a trained run, with other images, and return the new run.

    A method that keeps learning adds the classes of `data` to those that the run knows: all of
    them as one experience, or those of `classes`, or a `stream`. It wraps the run's own GAN.

    Args:
        run: The run to go on from, or its folder; it is left as it is.
        method: A method's name (see `fewgan methods`) or its class; of a meta-trained run its own
            inner steps when left out.
        data: A named data set or a folder of images.
        out: The new run folder; `runs/<method>-<data>-<time>` when left out.
        progress: Show a bar on standard error.
        **settings: Any field of `RunSettings` and of the method's `Settings`; the run's networks
            and the size of its images are kept.

    Raises:
        InputError: Something that was asked for cannot be done.
        Interrupted: Ctrl-C; the state is saved, and `resume` goes on.
    """
    source = run if isinstance(run, Run) else Run(run)
    kind = onto(source, method)
    if kind.streams and settings.get("stream") is None:
        chosen = settings.pop("classes", None)
        settings["stream"] = chosen or ",".join(_classes_of(data, source, settings))
    lent = inherit(kind, source.model["settings"], source.spec, len(source.class_names))
    given = {"data": data, "source": str(source.path), **lent, **settings}
    return train(kind, out=out, progress=progress, **given)


def inherit(
    kind: type[Method], settings: dict[str, Any], spec: ImageSpec, classes: int
) -> dict[str, Any]:
    """Settings that a run takes over from the one that it goes on from.

    Args:
        kind: The method, as `onto` gave it.
        settings: The source's settings of its method.
        spec: Images of the source.
        classes: Number of classes that it can be asked for.
    """
    return kind.inherited(settings, classes) | {"size": spec.size, "channels": spec.channels}


def onto(source: Run, method: str | type[Method] | None) -> type[Method]:
    """The method as it goes on from a run: one that wraps a GAN wraps the run's.

    Raises:
        InputError: There is no such method, or it cannot go on from this run; or none was named,
            and the run has no way of its own.
    """
    begun = methods.find(source.model["method"])
    method = method or begun.adapted_by
    if method is None:
        raise InputError(
            f"{source.path} was trained by {begun.name}, which can be adapted in many ways: name "
            "one, as in fewgan adapt RUN ewc"
        )
    return methods.find(method).onto(begun)


def _classes_of(name: str | None, source: Run, settings: dict[str, Any]) -> list[str]:
    """The classes of the images, which a method that keeps learning adds to those of the run."""
    if name is None:
        raise InputError(NO_DATA)
    skip = settings.get("skip_corrupt", False)
    images = datasets.load(name, "train", size=source.spec.size, skip_corrupt=skip)
    counted = zip(images.class_names, images.counts(), strict=True)
    named = [c for c, count in counted if count and c not in source.class_names]
    if images.class_names and not named:
        raise InputError(f"{source.path} knows all classes of {name}: give data with other ones")
    unclear = [c for c in named if "," in c]
    if unclear:
        raise InputError(f"class {unclear[0]!r} cannot stand in a stream: rename its folder")
    return named


def resume(path: str | Path, *, progress: bool = True) -> Run:
    """Go on with a run that was interrupted or killed, exactly as if it had not been.

    Raises:
        InputError: The folder is no run, is damaged or in use, or its data have changed.
        Interrupted: Ctrl-C; the state is saved again.
    """
    folder = RunFolder(path)
    described, config = folder.read_model(), folder.read_config()
    kind = methods.find(described["method"])
    engine = Engine(config.device)
    source = selection.load_source(config)
    division = folder.read_splits()
    images = selection.training_images(source, division).to(engine.device)
    more = selection.unlabelled_images(config, source, division)
    with _seeded(config.seed):
        model = build(kind, config, images, engine)
        set_precision(model, described.get("precision", "fp32"))
        if not folder.last.exists():
            _begin_with(model, config)
        return _fit(folder, config, model, images, engine, progress, division, more)


def load(path: str | Path) -> Run:
    """Open a run folder, to sample from it or to look at it.

    Raises:
        InputError: This is no run folder, or it is damaged or from a newer fewgan.
    """
    return Run(path)


def summary(run: Run) -> dict[str, Any]:
    """What a person wants to know when training has ended."""
    run.sampler("best")
    about = run.about["best"]
    best = about["best"] or {"step": about["step"], "kid": None}
    return {
        "run": str(run.path),
        "best step": best["step"],
        "KID against training images": best["kid"],
        "images seen": about["images"],
        "samples": str(run.folder.samples),
        **run.model.get("remarks", {}),
        **copies.copies_found(run),
    }


# --- settings ---------------------------------------------------------------------------------


def make_config(kind: type[Method], values: dict[str, Any]) -> RunConfig:
    """Sort settings into the run's and the method's, check them, and fill in the rest.

    Raises:
        InputError: A setting is unknown, missing, of the wrong type or out of range.
    """
    own, general = kind.Settings.model_fields, RunSettings.model_fields
    for name in values:
        if name not in own and name not in general:
            raise unknown("setting", name, [*general, *own])
    if values.get("data") is None:
        raise InputError(NO_DATA)
    settings = validated(kind.Settings, {k: v for k, v in values.items() if k in own})
    rest = {k: v for k, v in values.items() if k in general}
    rest["data"] = str(rest["data"])
    if kind.adapts and not rest.get("source"):
        raise InputError(f"{kind.name} goes on from a run: fewgan adapt RUN {kind.name}")
    _check_stream(kind, rest)
    if rest.get("unlabelled") is not None and not kind.unlabelled:
        raise InputError(f"{kind.name} learns from labelled images only: leave out --unlabelled")
    if rest.get("steps") is None and rest.get("minutes") is None:
        rest["steps"] = kind.steps
    fixed: dict[str, Any] = {"fewgan": __version__, "method": kind.name}
    fixed |= {"settings": settings.model_dump(), "known": _known(kind, rest.get("source"))}
    return validated(RunConfig, {**fixed, **rest})


def _known(kind: type[Method], source: str | None) -> tuple[str, ...]:
    """The classes of the source that a method keeps, beside those that it learns."""
    if not (source and kind.streams):
        return ()
    run = Run(source)
    if not run.class_names:
        raise InputError(
            f"{source} knows no classes, and {kind.name} adds classes to those of a run: "
            "train a conditional method first"
        )
    return run.class_names


def _check_stream(kind: type[Method], values: dict[str, Any]) -> None:
    stream = values.get("stream")
    if kind.streams and not stream:
        raise InputError(
            f"{kind.name} learns experiences one after another: say which, as --stream 0/1/2"
        )
    if stream and not kind.streams:
        wrap = f", or wrap it in a method that keeps learning, such as mergan-ra:{kind.name}"
        raise InputError(
            f"{kind.name} learns all classes at once: leave --stream out"
            + (wrap if issubclass(kind, GAN) else "")
        )
    if not stream and values.get("order_seed") is not None:
        raise InputError("--order-seed shuffles a stream, and there is none: give --stream too")
    for other in ("minutes", "classes", "snapshots", "novel", "novel_count"):
        if stream and values.get(other):
            raise InputError(f"--{other} does not go with --stream: leave one of them out")


def read_config(path: str | Path) -> dict[str, Any]:
    """Settings from a YAML file (a recipe, or a run's `config.yaml`), as one flat mapping.

    Returns:
        Settings by name; `method` is among them when the file names one.

    Raises:
        InputError: The file cannot be read, or is not a mapping.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read --config {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise InputError(f"--config {path} is not YAML: give a recipe or a config.yaml") from None
    if not isinstance(content, dict):
        raise InputError(f"--config {path} has no settings: give a recipe or a config.yaml")
    own = content.pop("settings", None) or {}
    if not isinstance(own, dict):
        raise InputError(f"--config {path}: 'settings' must be a mapping of name to value")
    for written in ("fewgan", "known"):  # which is worked out anew
        content.pop(written, None)
    return {**content, **own}


def default_out(method: str, data: str) -> Path:
    """`runs/<method>-<data>-<time>` below the current folder."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    name = f"{method}-{Path(data).name}".replace(":", "-")
    return Path("runs") / f"{name}-{stamp}"


# --- putting a run together -------------------------------------------------------------------


def build(kind: type[Method], config: RunConfig, images: ImageSet, engine: Engine) -> Method:
    """Build a method for these images, on the engine's device."""
    spec = ImageSpec(images.channels, images.size, len(images.class_names))
    method = kind(validated(kind.Settings, config.settings), spec)
    return method.to(engine.device).train()


def describe(
    method: Method, config: RunConfig, images: ImageSet, division: Division
) -> dict[str, Any]:
    """What `model.json` says: how to build the sampler, and what its classes are called."""
    conditional = bool(method.sampler.classes)
    return {
        "fewgan": __version__,
        "method": config.method,
        "settings": config.settings,
        "channels": images.channels,
        "size": images.size,
        "classes": method.spec.classes,
        "class_names": list(images.class_names) if conditional else [],
        "class_indices": list(division.classes["model"]) if conditional else [],
        "data": images.name,
        "licence": images.licence,
        "train_images": len(images),
        "remarks": method.remarks,
    }


def _fit(
    folder: RunFolder,
    config: RunConfig,
    method: Method,
    images: ImageSet,
    engine: Engine,
    progress: bool,
    division: Division,
    unlabelled: ImageSet | None,
) -> Run:
    lock = folder.lock() if engine.main else contextlib.nullcontext()
    listeners = _listeners(folder, config, images, progress) if engine.main else []
    with lock:
        stream = selection.stream(division)
        more = unlabelled.to(engine.device) if unlabelled else None
        trainer = Trainer(folder, config, method, images, engine, listeners, stream, more)
        trainer.load()
        if config.source and engine.main and not trainer.step:  # what it drew before
            before = Pictures(folder.samples, images.class_names)
            before.checked({"step": 0}, *trainer.pictures())
        trainer.run()
        engine.wait()
        if engine.main:
            if 2 <= len(images) <= copies.FEW and not trainer.streaming:
                copies.audit_copies(Run(folder.path), images)
            write_card(RunView.read(folder.path), folder.path / "README.md")
    return Run(folder.path)


def _listeners(
    folder: RunFolder, config: RunConfig, images: ImageSet, progress: bool
) -> list[Listener]:
    listeners: list[Listener] = [Pictures(folder.samples, images.class_names)]
    if progress:
        listeners.append(Bar(f"{config.method} on {images.name}"))
    if config.track != "none":
        listeners.append(Tracker(config.track, str(folder.path), config.model_dump(mode="json")))
    return listeners


class Pictures(Listener):
    """Draws the grid of fixed latents at each check.

    Args:
        folder: Where the pictures go.
        class_names: Names of the rows, for a conditional run.
    """

    def __init__(self, folder: Path, class_names: tuple[str, ...]) -> None:
        self.folder, self.class_names = folder, class_names

    def checked(self, line: dict[str, Any], pictures: Tensor, labels: Tensor) -> None:
        """Write `step-<step>.png`."""
        picture = picture_of(pictures, labels, self.class_names)
        save_png(picture, self.folder / f"step-{line['step']:07d}.png")


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Run with every global generator seeded, and put the caller's state back afterwards."""
    before = checkpoint.rng_state()
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        checkpoint.load_rng_state(*before)


def _begin_with(method: Method, config: RunConfig) -> None:
    """Put in what other runs have learned, where the settings name any."""
    if config.source:
        run = Run(config.source)
        learned = Learned(run.sampler("best"), run.method("best"), len(run.class_names))
        method.adopt(learned)
    if config.warm_start:
        _warm_start(method, config.warm_start)


def _warm_start(method: Method, source: str) -> None:
    run = Run(source)
    if (run.spec.channels, run.spec.size) != (method.spec.channels, method.spec.size):
        raise InputError(
            f"--warm-start {source} makes {run.spec.size} px images of {run.spec.channels} "
            f"channels, and these are {method.spec.size} px of {method.spec.channels}"
        )
    tensors, _ = checkpoint.read(run.folder.best)
    checkpoint.load_matching(method, checkpoint.within("method", tensors), source)
