"""Bars for what takes long in an evaluation: training classifiers, extracting features."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import TaskID

from fewgan.metrics.extractors.base import Progress


@contextmanager
def progress_bars(console: Console | None = None) -> Iterator[Progress]:
    """Yield a callback for `get_extractor` that shows a bar for each thing that it is told of.

    Args:
        console: Where to draw; standard error by default, so that output can be piped.
    """
    tasks: dict[str, TaskID] = {}
    bars = Bars(console=console or Console(stderr=True), transient=True)

    def told(what: str, done: int, total: int) -> None:
        if what not in tasks:
            bars.start()  # not before: bars that are never drawn must not leave an empty line
            tasks[what] = bars.add_task(what)
        bars.update(tasks[what], completed=done, total=total)

    try:
        yield told
    finally:
        if tasks:
            bars.stop()
