"""A cell at work: train or go on, measure the best and the last checkpoint, write it all down.

The folder is the truth: whoever asks whether a cell is done reads its `cell.json`. So it does not
matter which process ran it, on which machine, or how often it was killed on the way.
"""

import os
import platform
import traceback
from pathlib import Path
from typing import Any

import torch

from fewgan import __version__, api
from fewgan.benchmark.evaluation import evaluate
from fewgan.benchmark.plan import Cell
from fewgan.benchmark.uplift import uplift, uplift_figures
from fewgan.errors import FewganError, InputError
from fewgan.files import read_json, write_json
from fewgan.report.card import write_card
from fewgan.report.view import RunView
from fewgan.training.folder import RunFolder
from fewgan.training.run import Run

Record = dict[str, Any]


def run_cell(cell: Cell, threads: int | None = None) -> None:
    """Bring a cell to its end, from wherever it stands; a failure is written into its record.

    Args:
        cell: The cell; nothing happens if it is done.
        threads: Threads of this process; as torch has them when left out.

    Raises:
        Interrupted: The process was asked to end; the state is saved.
    """
    if is_done(cell):
        return
    if threads:
        torch.set_num_threads(threads)
    try:
        record = _train(cell)
        write_json(record_file(cell), {"status": "trained", **record})
        record["checkpoints"] = _measure(cell)
        write_json(record_file(cell), {"status": "done", "measure": cell.measure, **record})
    except FewganError as error:
        write_failure(cell, str(error))
    except Exception as error:  # a bug of a method must not take the other cells with it
        write_failure(cell, f"{type(error).__name__}: {error}", traceback.format_exc())


def record_file(cell: Cell) -> Path:
    """Where a cell's record stands."""
    return cell.folder / "cell.json"


def read_record(cell: Cell) -> Record:
    """A cell's record; its `status` is `done`, `failed`, `trained`, or `left` if there is none."""
    try:
        return read_json(record_file(cell))
    except InputError:
        return {"status": "left"}


def is_done(cell: Cell) -> bool:
    """Whether a cell is trained and measured as the protocol now asks."""
    record = read_record(cell)
    return record["status"] == "done" and record["measure"] == cell.measure


def write_failure(cell: Cell, error: str, trace: str = "") -> None:
    """Write down that a cell failed, and why; the next call tries again."""
    error = " ".join(error.split())
    record = {**_kept(cell), "status": "failed", "error": error, "trace": trace}
    write_json(record_file(cell), record)


def check_unchanged(cell: Cell) -> None:
    """Make sure that the run in a cell's folder is the one that the protocol asks for.

    Raises:
        InputError: It was made with other settings.
    """
    folder = RunFolder(cell.folder)
    if not folder.model_file.exists():
        return
    try:
        had = _flat(folder.read_config().model_dump(mode="json"))
    except InputError:
        return  # damaged: the cell itself will say so, and the others go on
    wanted = _flat(cell.config.model_dump(mode="json"))
    for name in sorted(had.keys() & wanted.keys() - {"fewgan"}):
        if had[name] != wanted[name]:
            raise InputError(
                f"{cell.folder} was made with {name} {had[name]}, and the protocol now says "
                f"{wanted[name]}: give another --out, or delete that folder"
            )


# --- the two halves of a cell ---------------------------------------------------------------------


def _train(cell: Cell) -> Record:
    """Train, or go on, to the end of the budget; say what it cost."""
    kept = _kept(cell)
    if RunFolder(cell.folder).model_file.exists():
        run = api.resume(cell.folder, progress=False)
    else:
        record_file(cell).unlink(missing_ok=True)  # of an attempt that failed before it began
        values = _flat(cell.config.model_dump(exclude={"fewgan", "method", "known"}))
        run = api.train(cell.config.method, out=cell.folder, progress=False, **values)
    run.sampler("last")
    return {
        "steps": run.about["last"]["step"],
        "images": run.about["last"]["images"],
        "seconds": run.about["last"]["seconds"],
        "memory": max(kept.get("memory", 0.0), peak_memory()),
        "machine": _machine(),
    }


def _measure(cell: Cell) -> dict[str, Any]:
    """What `evaluate` says of both checkpoints; the best comes last and stays in the folder."""
    run = Run(cell.folder)
    for which in ("best", "last"):
        run.sampler(which)
    options = {**cell.measure, "progress": False}
    asked = options.pop("uplift", None)
    found = {}
    if run.about["best"]["step"] != run.about["last"]["step"]:
        found["last"] = evaluate(run, cell.config.data, which="last", **options)
    found["best"] = evaluate(run, cell.config.data, which="best", **options)
    if asked is not None:  # of the checkpoint that samples are drawn from
        answer = uplift(run, cell.config.data, progress=False, **asked)
        figures = [figure.model_dump(mode="json") for figure in uplift_figures(answer)]
        found["best"]["figures"] += figures
    found.setdefault("last", {**found["best"], "checkpoint": "last"})
    write_card(RunView.read(cell.folder))  # which now has figures to show
    return found


def _kept(cell: Cell) -> Record:
    """What a record of an earlier attempt says of the cost, which is not measured twice."""
    record = read_record(cell)
    return {name: record[name] for name in ("memory",) if name in record}


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    """The run's settings and the method's as one mapping."""
    return {k: v for k, v in config.items() if k != "settings"} | config["settings"]


def _machine() -> dict[str, Any]:
    """What a time and a peak of memory depend on, and nothing that names the machine."""
    return {
        "cores": available_cores(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "fewgan": __version__,
    }


def available_cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory() -> float:
    """Most memory in MiB that this process has held so far; 0 where nobody tells.

    Linux's own count of this program is asked first: the one of `getrusage` is handed down from
    the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="utf-8").splitlines()
        return next((int(x.split()[1]) / 1024 for x in lines if x.startswith("VmHWM:")), 0.0)
    try:
        import resource
    except ImportError:
        return 0.0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if platform.system() == "Darwin" else most / 2**10
