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
    with Bars(console=console or Console(stderr=True), transient=True) as bars:

        def told(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what)
            bars.update(tasks[what], completed=done, total=total)

        yield told
