"""Run a protocol: every cell that is not done yet, then the table of all of them."""

import contextlib
import json
import shlex
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout
from rich.console import Console

from fewgan import data
from fewgan.benchmark.cells import check_unchanged, is_done, read_record, run_cell, write_failure
from fewgan.benchmark.display import bar
from fewgan.benchmark.executors import Cluster, Executor, Processes
from fewgan.benchmark.plan import Cell, cells, sources
from fewgan.benchmark.protocol import Protocol, load
from fewgan.benchmark.render import write_tables
from fewgan.benchmark.table import Results
from fewgan.errors import FewganError, InputError
from fewgan.files import write_text
from fewgan.training.loop import Interrupted


def run_protocol(
    protocol: str | Path,
    *,
    budget: str | None = None,
    out: str | Path | None = None,
    workers: int | None = None,
    address: str | None = None,
    progress: bool = True,
    **changes: Any,
) -> Results:
    """Train and measure every cell of a protocol, and write the table into `out`.

    Cells that are done are kept, those that were interrupted or killed go on, and those that
    failed are tried again. A script that calls this needs the usual `if __name__ == "__main__":`,
    since each cell runs in a process of its own.

    Args:
        protocol: Name of a shipped protocol, or a YAML file.
        budget: Name of one of its budgets; `cpu` when left out, if it has that.
        out: Folder of the runs and the table; `runs/<protocol>-<budget>` when left out.
        workers: Cells at a time; 1 when left out, or on a cluster what it has room for.
        address: A cluster's address; its machines must see `out` under the same path.
        progress: Show cells done and left on standard error.
        **changes: Fields of the protocol that are to be otherwise: `seeds=[0]`, `data=["mnist"]`.

    Raises:
        InputError: The protocol or something in it cannot be used, or `out` is in use, or holds
            runs with other settings.
        Interrupted: Ctrl-C; all is saved, and the same call goes on.
    """
    if workers is not None and workers < 1:
        raise InputError(f"{workers} workers cannot do anything: give --workers 1 or more")
    plan, chosen = load(protocol, budget, changes)
    out = Path(out or Path("runs") / "-".join(filter(None, [plan.name, chosen]))).resolve()
    planned, first = cells(plan, out), sources(plan, out)
    _check_data(plan, planned)
    for cell in [*first, *planned]:
        check_unchanged(cell)
    executor: Executor = Cluster(address, workers) if address else Processes(workers or 1)
    results = Results(plan, chosen, _command(str(protocol), chosen, changes), planned)
    with contextlib.closing(executor), _lock(out), _asked_to_end():
        write_text(out / "protocol.yaml", _as_yaml(plan))
        try:
            console = Console(stderr=True, quiet=not progress)
            if first:
                _work(executor, first, console)
                _check_sources(first)
            _work(executor, planned, console)
        except KeyboardInterrupt:
            raise _interrupted(planned) from None
        finally:
            write_tables(results, out)
    return results


def _work(executor: Executor, planned: Sequence[Cell], console: Console) -> None:
    left = [cell for cell in planned if not is_done(cell)]
    with contextlib.closing(executor.map(run_cell, left)) as ended, bar(planned, console) as told:
        for cell, death in ended:
            if death and not is_done(cell):
                write_failure(cell, f"{death}; what it saved is kept")
            told(cell)


def _check_sources(first: Sequence[Cell]) -> None:
    for cell in first:
        if not is_done(cell):
            error = read_record(cell).get("error", "it was not trained")
            raise FewganError(f"source {cell.data} failed, and others go on from it: {error}")


def _as_yaml(plan: Protocol) -> str:
    """The protocol as it was run, a file that can be run again."""
    return yaml.safe_dump(plan.model_dump(mode="json", exclude_none=True), sort_keys=False)


def _check_data(plan: Protocol, planned: Sequence[Cell]) -> None:
    """Make sure that every data set is here, before the first cell begins."""
    sizes = {(cell.config.data, cell.config.size, cell.config.channels) for cell in planned}
    for name, size, channels in sorted(sizes, key=str):
        data.load(name, "train", size=size, channels=channels)


def _command(protocol: str, budget: str, changes: dict[str, Any]) -> str:
    """What to type to make this table again."""
    words = ["fewgan", "benchmark", protocol, *(["--budget", budget] if budget else [])]
    changes = {**changes}
    if (seeds := changes.get("seeds")) is not None and list(seeds) == list(range(len(seeds))):
        words += ["--seeds", str(len(changes.pop("seeds")))]
    for name in ("methods", "data", "shots"):
        if isinstance(changes.get(name), list | tuple):
            words += [f"--{name}", ",".join(map(str, changes.pop(name)))]
    also = f", with {json.dumps(changes, default=str)}" if changes else ""
    return shlex.join(words) + also


def _interrupted(planned: Sequence[Cell]) -> Interrupted:
    done = sum(is_done(cell) for cell in planned)
    return Interrupted(
        f"interrupted with {done} of {len(planned)} cells done, all is saved: "
        "the same command goes on"
    )


@contextlib.contextmanager
def _lock(out: Path) -> Iterator[None]:
    """Take the folder for this process; it is freed when the process ends, however it ends."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with FileLock(out / ".lock", timeout=0):
            yield
    except Timeout:
        raise InputError(
            f"another benchmark is at work in {out}: wait for it, or stop it"
        ) from None


@contextlib.contextmanager
def _asked_to_end() -> Iterator[None]:
    """Take a request to end (a queue's time limit) for a Ctrl-C, so that the cells are saved."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
