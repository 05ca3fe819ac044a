"""The command line: parse, call the API, print. No logic lives here.

Nothing at the top of this file imports torch, so that help and errors of spelling come at once.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Group, Parameter
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from fewgan import __version__, methods
from fewgan.errors import FewganError, InputError, invalid
from fewgan.training.settings import RunSettings

Json = Annotated[bool, Parameter(name="--json", negative="")]
"""Print one JSON object instead of tables."""
Which = Literal["best", "last"]
DEFAULTS = RunSettings()

app = App(
    name="fewgan",
    help="GANs for few images, and an honest answer to whether the images help.",
    version=__version__,
    help_format="markdown",
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
    suppress_keyboard_interrupt=False,
)
data_app = App(name="data", help="Data sets: list, fetch, show.")
app.command(data_app)


# --- methods and data -------------------------------------------------------------------------


@app.command(name="methods")
def list_methods(*, as_json: Json = False) -> None:
    """List the methods by regime, one line each.

    Example: `fewgan methods`
    """
    infos = methods.available().values()
    rows = [{"method": i.name, "regime": i.regime, "summary": i.summary} for i in infos]
    _show(rows, as_json)


@data_app.command(name="list")
def list_data(*, as_json: Json = False) -> None:
    """List the named data sets, what they hold and how to get them.

    Example: `fewgan data list`
    """
    from fewgan import outputs

    _show(outputs.list_data(), as_json)


@data_app.command
def fetch(*names: str, source: Path | None = None, as_json: Json = False) -> None:
    """Bring data sets to this machine, once, checked by hash.

    Example: `fewgan data fetch mnist fashion-mnist`

    Args:
        names: Data sets to fetch.
        source: A folder or archive on this machine that holds the data set.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan import data

    if not names:
        raise InputError("name a data set to fetch: fewgan data fetch mnist")
    rows = []
    for name in names:
        found = data.fetch(name, source)
        rows.append({"data": name, "served by": found.served_by, "folder": str(found.path)})
    _show(rows, as_json)


@data_app.command
def show(
    name: str,
    *,
    size: int = 32,
    out: Path | None = None,
    skip_corrupt: bool = False,
    overwrite: bool = False,
    as_json: Json = False,
) -> None:
    """Show counts and classes of a data set or a folder, and draw a preview.

    Example: `fewgan data show my_photos --out preview.png`

    Args:
        name: A named data set or a folder of images.
        size: Side in pixels to show the images at.
        out: Picture to draw; `<name>-preview.png` in the current folder when left out.
        skip_corrupt: Leave out images that cannot be read.
        overwrite: Replace the picture if it exists.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan import outputs

    summary, rows = outputs.show_data(name, size, out, skip_corrupt, overwrite)
    if as_json:
        _show({**summary, "classes": rows}, True)
    else:
        _show(summary, False)
        _show(rows, False)


# --- training ---------------------------------------------------------------------------------


@app.command(help_flags=[], version_flags=[])
def train(*tokens: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> None:
    """Train METHOD on --data, and leave a run folder behind.

    Example: `fewgan train acgan --data mnist --steps 4000 --width 32`

    `fewgan train --help` shows what all methods share, `fewgan train METHOD --help` everything.
    """
    name = next(iter(tokens), "")
    if name.startswith("-") or not name:
        name = _method_of_config(tokens)
    else:
        tokens = tokens[1:]
    _train_app(name)(list(tokens))


def _method_of_config(tokens: Sequence[str]) -> str:
    """The method that a --config file names, or nothing when help was asked for."""
    if "--help" in tokens or "-h" in tokens:
        return ""
    if "--config" not in tokens or tokens[-1] == "--config":
        raise InputError("name a method: fewgan train METHOD --data NAME (see `fewgan methods`)")
    from fewgan import api

    method = api.read_config(tokens[tokens.index("--config") + 1]).get("method")
    if not method:
        raise InputError("--config names no method: fewgan train METHOD --config FILE")
    return str(method)


def _train_app(name: str) -> App:
    """The parser for one method: the run's settings and the method's own, as flags."""
    inner = App(
        name=f"fewgan train {name or 'METHOD'}",
        help=train.__doc__,
        help_format="markdown",
        version_flags=[],
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
    )
    general = Parameter(name="*", group=Group("Run", sort_key=1))

    if not name:

        @inner.default
        def overview(run: Annotated[RunSettings, general] = DEFAULTS) -> None: ...

        return inner
    kind = methods.find(name)
    own = Parameter(name="*", group=Group(f"Settings of {name}", sort_key=2))
    settings: Any = kind.Settings
    defaults = settings()

    def main(
        *,
        run: Annotated[RunSettings, general] = DEFAULTS,
        method: Annotated[settings, own] = defaults,
        config: Path | None = None,
        out: Path | None = None,
        as_json: Json = False,
    ) -> None:
        from fewgan import api

        values = api.read_config(config) if config else {}
        values.pop("method", None)
        for given in (run, method):
            values |= given.model_dump(exclude_unset=True)
        _show(api.summary(api.train(kind, out=out, **values)), as_json)

    inner.default(main)
    return inner


@app.command
def resume(run: Path, *, as_json: Json = False) -> None:
    """Go on with an interrupted run, exactly as if it had not been interrupted.

    Example: `fewgan resume runs/acgan-mnist`

    Args:
        run: The run folder.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan import api

    _show(api.summary(api.resume(run)), as_json)


# --- pictures ---------------------------------------------------------------------------------


@app.command
def sample(
    run: Path,
    *,
    out: Path,
    n: int = 64,
    label: str | None = None,
    seed: int = 0,
    checkpoint: Which = "best",
    overwrite: bool = False,
    as_json: Json = False,
) -> None:
    """Draw labelled images from a run: a grid, an archive of arrays, or a folder per class.

    Example: `fewgan sample runs/acgan-mnist --n 100 --label 7 --out sevens.npz`

    Args:
        run: The run folder; the data are not needed.
        out: FILE.png for a grid, FILE.npz for arrays, or a folder for one PNG each.
        n: Number of images.
        label: A class by name or number; all classes in equal shares when left out.
        seed: The same seed gives the same images.
        checkpoint: Which checkpoint draws.
        overwrite: Replace what stands at --out.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan import load, outputs

    _show(outputs.save_samples(load(run), out, n, label, seed, checkpoint, overwrite), as_json)


@app.command
def interpolate(
    run: Path,
    *,
    out: Path,
    label: str | None = None,
    seed: int = 0,
    checkpoint: Which = "best",
    overwrite: bool = False,
    as_json: Json = False,
) -> None:
    """Walk between latents on a great circle, the label held: a picture, or a moving one.

    Example: `fewgan interpolate runs/acgan-mnist --out walk.gif`

    Args:
        run: The run folder; the data are not needed.
        out: FILE.png or FILE.gif.
        label: A class by name or number; one class a row when left out.
        seed: The same seed gives the same walk.
        checkpoint: Which checkpoint draws.
        overwrite: Replace what stands at --out.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan import load, outputs

    _show(outputs.save_interpolation(load(run), out, label, seed, checkpoint, overwrite), as_json)


@app.command
def translate(
    run: Path,
    *,
    source: Annotated[Path, Parameter(name="--input")],
    out: Path,
    direction: Literal["a2b", "b2a"] = "a2b",
    panel: Path | None = None,
    checkpoint: Which = "best",
    skip_corrupt: bool = False,
    overwrite: bool = False,
    as_json: Json = False,
) -> None:
    """Translate a folder of images from one domain into the other, with a run of cyclegan.

    Example: `fewgan translate runs/cyclegan-emoji --input drawings --out translated`

    Args:
        run: The run folder; the training data are not needed.
        source: Folder with the images to translate.
        out: Folder for the translations, one PNG for each image, under its name.
        direction: From the run's first class to its second, or back.
        panel: FILE.png for ten images, their translations and the way back.
        checkpoint: Which checkpoint translates.
        skip_corrupt: Leave out images that cannot be read.
        overwrite: Replace what stands at --out and --panel.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan import load, outputs

    result = outputs.save_translation(
        load(run),
        source,
        out,
        direction,
        checkpoint,
        panel,
        skip_corrupt=skip_corrupt,
        overwrite=overwrite,
    )
    _show(result, as_json)


# --- figures ----------------------------------------------------------------------------------


@app.command
def evaluate(
    run: Path,
    *,
    data: str,
    metrics: str | None = None,
    n: int = 5000,
    extractor: str | None = None,
    weights: Path | None = None,
    k: int = 5,
    seed: int = 0,
    checkpoint: Which = "best",
    as_json: Json = False,
) -> None:
    """Measure a run against held-out real images; every figure comes with its card.

    Example: `fewgan evaluate runs/acgan-mnist --data mnist --metrics kid,prdc,accuracy`

    Args:
        run: The run folder.
        data: A named data set or a folder; images that were trained on are never the reference.
        metrics: From fid, kid, intra_fid, is, prdc, accuracy, cas, lpips, diversity, memorisation.
        n: Number of images to generate, and at most of real ones.
        extractor: Network that sees the images; what suits the data when left out.
        weights: File with the network's published weights, for those that need one.
        k: Neighbours for precision, recall, density and coverage.
        seed: Seed of the samples and of every draw in the metrics.
        checkpoint: Which checkpoint is measured.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan.benchmark import evaluation

    names = _names(metrics)
    result = evaluation.evaluate(
        run,
        data,
        metrics=names,
        n=n,
        extractor=extractor,
        weights=weights,
        k=k,
        seed=seed,
        which=checkpoint,
    )
    if as_json:
        _show(result, True)
    else:
        from fewgan.report.terminal import figures_table

        Console().print(figures_table(result["figures"]))


@app.command
def benchmark(
    protocol: str,
    *,
    budget: str | None = None,
    workers: int | None = None,
    address: str | None = None,
    out: Path | None = None,
    seeds: int | None = None,
    methods: str | None = None,
    data: str | None = None,
    as_json: Json = False,
) -> None:
    """Train and measure every method of a protocol at equal images seen, and write one table.

    Example: `fewgan benchmark conditional --budget cpu --workers 2 --out runs/table`

    What is done is kept, what was interrupted goes on, what failed is tried again.

    Args:
        protocol: A shipped protocol, such as conditional, or a YAML file.
        budget: One of the protocol's: smoke, cpu or full; cpu when left out.
        workers: Cells at a time; 1 when left out, or what the cluster has room for.
        address: Address of a Ray cluster (host:port), whose machines see --out at the same path.
        out: Folder of the runs and of table.md, .csv, .html, .json; runs/PROTOCOL-BUDGET else.
        seeds: That many seeds, from 0, in place of the protocol's.
        methods: Only these methods, separated by commas; of the protocol, or others as they come.
        data: Only these data sets, separated by commas; of the protocol, or others as they come.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan.benchmark import render, runner

    numbers = None if seeds is None else list(range(seeds))
    chosen = {"methods": _names(methods), "data": _names(data), "seeds": numbers}
    changes: dict[str, Any] = {name: v for name, v in chosen.items() if v is not None}
    results = runner.run_protocol(
        protocol, budget=budget, out=out, workers=workers, address=address, **changes
    )
    if as_json:
        _show(results.to_json(), True)
    else:
        Console().print(render.as_terminal(results))
    results.complain()


@app.command
def compare(
    *runs: Path, out: Path | None = None, variation: str | None = None, as_json: Json = False
) -> None:
    """Put evaluated runs side by side, and say where their figures cannot be compared.

    Example: `fewgan compare runs/acgan-mnist runs/cdcgan-mnist --out compare.html`

    Args:
        runs: Run folders.
        out: FILE.md for the table, or FILE.html for a page with curves and pictures as well.
        variation: Classes whose variety the page shows, such as 1,7; two when left out.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan import outputs

    rows, table = outputs.compare_runs(runs, out, _names(variation))
    if as_json:
        _show(rows, True)
    else:
        Console().print(table)


@app.command
def report(run: Path, *, as_json: Json = False) -> None:
    """Write report.html into the run folder: one page that opens from disk.

    Example: `fewgan report runs/acgan-mnist`

    Args:
        run: The run folder.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan import outputs

    _show(outputs.save_report(run), as_json)


# --- printing and leaving ---------------------------------------------------------------------


def _names(listed: str | None) -> list[str] | None:
    """The names in a list with commas; None when nothing was given."""
    return [name.strip() for name in listed.split(",")] if listed else None


def _show(result: dict[str, Any] | list[dict[str, Any]], as_json: bool) -> None:
    """Print rows as a table, a mapping as name and value, or either as one JSON object."""
    if os.environ.get("RANK", "0") != "0":
        return  # under torchrun one process speaks for all
    if as_json:
        print(json.dumps({"rows": result} if isinstance(result, list) else result))
        return
    if isinstance(result, dict):
        result = [{"": name, " ": value} for name, value in result.items()]
    table = Table(box=None, pad_edge=False, show_header=bool(result and "" not in result[0]))
    for column in result[0] if result else ():
        table.add_column(column, overflow="fold")
    for row in result:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)


def main(tokens: Sequence[str] | None = None) -> int:
    """Run one command; return 0 done, 1 failed, 2 bad input, 130 interrupted."""
    try:
        app(sys.argv[1:] if tokens is None else list(tokens))
    except (InputError, CycloptsError) as error:
        return _complain(_one_line(error), 2)
    except FewganError as error:
        return _complain(str(error), 1)
    except KeyboardInterrupt as error:
        return _complain(str(error) or "interrupted", 130)
    except BrokenPipeError:
        return 1
    except OSError as error:
        place = error.filename or "the output"
        return _complain(f"{place}: {error.strerror}; check the path, the space and the rights", 2)
    return 0


def _one_line(error: InputError | CycloptsError) -> str:
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        return str(invalid(cause))
    return " ".join(str(error).split())


def _complain(message: str, code: int) -> int:
    print(f"fewgan: {message}", file=sys.stderr)
    return code
