"""Sweeps: sheets on which one code of a generator changes and all else stays.

Any sampler that has `sweeps` is drawn; nobody asks which method it belongs to.
"""

from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from fewgan.networks.codes import Sweep
from fewgan.report.grids import grid, save_png
from fewgan.training.run import Checkpoint, Run

COLUMNS = 10


@runtime_checkable
class Sweeping(Protocol):
    """A sampler that can show what its codes do."""

    def sweeps(self, columns: int, generator: torch.Generator) -> dict[str, Sweep]:
        """Latents for each sheet, by the name of what changes along its rows."""
        ...


def draw_sweeps(run: Run, which: Checkpoint = "best", seed: int = 0) -> dict[str, Path]:
    """Draw `samples/sweep-NAME.png` for each sweep that the run's sampler offers.

    Args:
        run: The run.
        which: The best checkpoint, or the last.
        seed: Seed of what stays the same.

    Returns:
        The pictures by name; none where the sampler offers no sweeps.

    Raises:
        InputError: The weights cannot be read, or a picture cannot be written.
    """
    sampler = run.sampler(which)
    if not isinstance(sampler, Sweeping):
        return {}
    sweeps = sampler.sweeps(COLUMNS, torch.Generator().manual_seed(seed))
    return {name: _draw(run, name, sweep, which) for name, sweep in sweeps.items()}


def _draw(run: Run, name: str, sweep: Sweep, which: Checkpoint) -> Path:
    latents = sweep.latents.flatten(0, 1)
    images = run.draw(latents, torch.zeros(len(latents), dtype=torch.long), which)
    path = run.folder.samples / f"sweep-{name}.png"
    sheet = grid(images, sweep.latents.shape[1], row_labels=sweep.rows, title=sweep.caption)
    save_png(sheet, path)
    return path
