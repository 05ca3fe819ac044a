"""What a person sees while a protocol runs: cells done and left, and how far each has come."""

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from fewgan.benchmark.cells import is_done, read_record
from fewgan.benchmark.plan import Cell
from fewgan.report.words import duration


class Underway(ProgressColumn):
    """The cells at work and how far each has come, read from their logs.

    Args:
        planned: All cells.
    """

    max_refresh = 1.0

    def __init__(self, planned: Sequence[Cell]) -> None:
        super().__init__()
        self.left = {cell.folder: cell for cell in planned}

    def render(self, task: Task) -> Text:
        """`acgan on mnist, seed 0: 45 %`, for each cell that has begun and has not ended."""
        begun = (cell for cell in self.left.values() if (cell.folder / "metrics.jsonl").exists())
        return Text("  ".join(f"{cell.name}: {_share(cell):.0%}" for cell in begun), style="dim")


def _share(cell: Cell) -> float:
    """Share of a cell's steps that its log tells of."""
    with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
        with (cell.folder / "metrics.jsonl").open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 4096))
            last = file.read().splitlines()[-1]
        return float(json.loads(last)["step"] / (cell.config.steps or 1))
    return 0.0


@contextlib.contextmanager
def bar(planned: Sequence[Cell], console: Console) -> Iterator[Callable[[Cell], None]]:
    """Yield what is to be told of each cell that came to its end."""
    underway = Underway([cell for cell in planned if not is_done(cell)])
    columns = (
        TextColumn("[bold]cells"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=False),
        underway,
    )
    count: Counter[str] = Counter()
    with Progress(*columns, console=console, refresh_per_second=1) as bar:
        task = bar.add_task("", total=len(planned), completed=len(planned) - len(underway.left))

        def told(cell: Cell) -> None:
            underway.left.pop(cell.folder, None)
            record = read_record(cell)
            count[record["status"]] += 1
            words = duration(record.get("seconds", 0.0))
            if record["status"] != "done":
                words = f"{record['status']}: {record.get('error', '')}"
            bar.advance(task)
            left = f"{len(underway.left)} left" + (
                f", {count['failed']} failed" if count["failed"] else ""
            )
            console.print(f"{cell.name}: {words} ({left})", highlight=False, markup=False)

        yield told
