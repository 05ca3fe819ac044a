"""In-class variation of several runs: one class, a row a run, below real images of it."""

from collections.abc import Iterator, Mapping

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from fewgan.data.imageset import to_bytes
from fewgan.errors import InputError
from fewgan.report.grids import grid
from fewgan.training import selection
from fewgan.training.run import Run

COLUMNS = 24
SIDE = 32  # pixels of an image at least, so that a row fits on a page
BLANK = 241  # where a class has fewer real images than a row has places


def variation_sheet(
    runs: Mapping[str, Run], label: str | int, columns: int = COLUMNS, seed: int = 0
) -> Image.Image:
    """A row of each run's images of a class, none of them picked; real ones above, if at hand.

    Args:
        runs: Conditional runs by the name to show.
        label: A class by name, or by its number in the data set.
        columns: Images to a row.
        seed: Of the latents; runs of one latent length get the same.

    Raises:
        InputError: A run has no such class, or is damaged.
    """
    made = {name: to_bytes(run.sample(columns, label, seed)) for name, run in runs.items()}
    rows = {**dict(_real(runs, label, columns)), **made}
    side = max(images.shape[2] for images in rows.values())
    images = torch.cat([_filled(_alike(images, side), columns) for images in rows.values()])
    return grid(images, columns, scale=max(1, SIDE // side), row_labels=[*rows])


def shared_classes(runs: Mapping[str, Run], most: int = 2) -> list[str]:
    """The first class names that all runs know."""
    known = [run.class_names for run in runs.values()]
    return [name for name in known[0] if all(name in names for names in known)][:most]


def _real(runs: Mapping[str, Run], label: str | int, columns: int) -> Iterator[tuple[str, Tensor]]:
    """Training images of the class, evenly spaced: a row for each data set that is at hand."""
    first: dict[str, Run] = {}
    for run in runs.values():
        first.setdefault(str(run.model["data"]), run)
    for data, run in first.items():
        try:
            source = selection.load_source(run.folder.read_config())
            images = selection.training_images(source, run.folder.read_splits())
        except InputError:
            continue  # a run can be looked at without its data
        members = (images.labels == run.class_place(label)).nonzero().flatten()
        chosen = members[torch.arange(min(columns, len(members))) * len(members) // columns]
        if len(chosen):
            yield f"real {data}", images.images[chosen]


def _alike(images: Tensor, side: int) -> Tensor:
    """Bytes [N,C,H,W] as bytes [N,3,side,side], enlarged without smoothing."""
    colour = images.expand(-1, 3, -1, -1)
    return interpolate(colour, size=(side, side), mode="nearest")


def _filled(images: Tensor, n: int) -> Tensor:
    """Bytes [M,C,H,W], M <= n, as [n,C,H,W]."""
    return torch.cat([images, images.new_full((n - len(images), *images.shape[1:]), BLANK)])
