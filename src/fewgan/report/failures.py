"""What went wrong while a run trained: the grids of its alarms, or of its worst late check."""

from typing import NamedTuple

from fewgan.report.view import Line, RunView, finite
from fewgan.report.words import number


class Failure(NamedTuple):
    """A check whose grid shows something wrong: its step, and what is wrong in words."""

    step: int
    said: str


def failures(run: RunView) -> list[Failure]:
    """Up to three checks of a run at which something went wrong and of which there is a grid.

    These are the checks with an alarm: the first, the worst and the last. Without any it is the
    check of highest KID after the best one, if it is worse than the best; a young generator before
    the best is no failure. Empty for a run that only got better.
    """
    checks = [line for line in run.lines if line["step"] in (run.snapshots or {})]
    alarmed = {line["step"]: line for line in checks if line.get("alarm")}
    if alarmed:
        steps = {min(alarmed), max(alarmed), max(alarmed, key=lambda step: _kid(alarmed[step]))}
        return [Failure(step, str(alarmed[step]["alarm"])) for step in sorted(steps)]
    best = run.best
    late = [line for line in checks if best and line["step"] > best["step"] and "kid" in line]
    worst = max(late, key=_kid, default=None)
    if worst is None or best is None or _kid(worst) <= _kid(best):
        return []
    return [Failure(worst["step"], f"worst check after the best, KID {number(worst['kid'])}")]


def _kid(line: Line) -> float:
    """KID of a check; infinite where it is no number, since nothing is worse."""
    kid = line.get("kid")
    return float(kid) if finite(kid) else float("inf")  # type: ignore[arg-type]
