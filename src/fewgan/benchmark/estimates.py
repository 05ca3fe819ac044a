"""A mean over seeds, and how sure it is.

The interval is Student's: mean +- t(0.975, n - 1) s / sqrt(n), over runs that differ in the seed
of everything random. It says how much another set of seeds would change the mean, and nothing of
what it would be on other data. One seed has no interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        mean: The mean; None without any value.
        half: Half the width of its 95 % interval; None with fewer than two values.
        values: What it is the mean of, in the order of the seeds.
        better: Which way is better.
    """

    mean: float | None
    half: float | None
    values: tuple[float, ...]
    better: str = "lower"

    @property
    def low(self) -> float | None:
        """Lower end of the interval."""
        return None if self.half is None or self.mean is None else self.mean - self.half

    @property
    def high(self) -> float | None:
        """Upper end of the interval."""
        return None if self.half is None or self.mean is None else self.mean + self.half

    def to_json(self) -> dict[str, Any]:
        """Mean, half the interval's width, and the values, as plain data."""
        return {"mean": self.mean, "half": self.half, "values": list(self.values)}

    def overlaps(self, other: "Estimate") -> bool:
        """Whether the two intervals have a point in common; False where either has none."""
        if None in (self.mean, self.half, other.mean, other.half):
            return False
        apart = abs((self.mean or 0.0) - (other.mean or 0.0))
        return apart <= (self.half or 0.0) + (other.half or 0.0)


def estimate(values: Sequence[float], better: str = "lower", level: float = 0.95) -> Estimate:
    """Mean of `values` and Student's interval of it, at `level`."""
    if not values:
        return Estimate(None, None, (), better)
    if len(values) < 2:
        return Estimate(values[0], None, tuple(values), better)
    from scipy.stats import t

    half = float(t.ppf((1 + level) / 2, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return Estimate(fmean(values), half, tuple(values), better)
