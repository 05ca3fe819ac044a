"""What a person sees while a run trains: a bar on a terminal, plain lines in a log file."""

from importlib.util import find_spec
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import Tensor

from fewgan.errors import InputError
from fewgan.training.loop import Listener


class Bar(Listener):
    """A progress bar with images a second and time left; checks and alarms are printed above it.

    Args:
        title: What is being trained.
        console: Where to draw; standard error by default, so that output can be piped.
    """

    def __init__(self, title: str, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("step {task.fields[step]}, {task.fields[rate]:,.0f} images/s"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            refresh_per_second=2,
        )
        self.task = self.bar.add_task(title, total=1.0, step=0, rate=0.0)

    def started(self, step: int, share: float) -> None:
        """Show the bar, at the step that training goes on from."""
        self.bar.reset(self.task)
        self.stepped(step, share, 0.0)
        self.bar.start()

    def stepped(self, step: int, share: float, images_per_second: float) -> None:
        """Move the bar."""
        self.bar.update(self.task, completed=share, step=step, rate=images_per_second)

    def logged(self, line: dict[str, Any]) -> None:
        """Print an alarm as soon as it is there."""
        if "alarm" in line:
            self.console.print(
                f"step {line['step']}: {line['alarm']}", style="bold red", highlight=False
            )

    def checked(self, line: dict[str, Any], pictures: Tensor, labels: Tensor) -> None:
        """Print the figure and the variety, marking a new best."""
        self.console.print(
            f"step {line['step']:>6}  KID {line['kid']:.4f}  in-class variety "
            f"{line['diversity']:.0%} of real (worst class {line['diversity_min']:.0%})"
            + ("  best so far" if line["best"] else ""),
            highlight=False,
        )

    def ended(self) -> None:
        """Take the bar away."""
        self.bar.stop()


class Tracker(Listener):
    """Sends what is logged to a tracker that accelerate knows: tensorboard, trackio or wandb.

    Args:
        name: The tracker.
        folder: Where a tracker that writes files puts them.
        config: The run's settings, shown by the tracker.
    """

    def __init__(self, name: str, folder: str, config: dict[str, Any]) -> None:
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        kind = LOGGER_TYPE_TO_CLASS[name]
        place = ("tracker", folder) if kind.requires_logging_directory else ("fewgan",)
        self.tracker = kind(*place)
        self.tracker.start()
        flat = {k: v for k, v in config.items() if isinstance(v, int | float | str | bool)}
        self.tracker.store_init_configuration(flat)

    def logged(self, line: dict[str, Any]) -> None:
        """Send the numbers of a line."""
        numbers = {k: v for k, v in line.items() if isinstance(v, int | float) and k != "step"}
        self.tracker.log(numbers, step=line["step"])

    def ended(self) -> None:
        """Finish what the tracker has open."""
        self.tracker.finish()


def check_tracker(name: str) -> None:
    """Make sure that a tracker is there before a run begins.

    Raises:
        InputError: It is not installed.
    """
    if name != "none" and find_spec(name) is None:
        raise InputError(
            f"the tracker {name} is not installed: pip install {name}, or leave out --track"
        )
