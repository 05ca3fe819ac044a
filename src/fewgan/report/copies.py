"""Right after training on few images: does the run draw copies of them?

An evaluation has held-out images to compare with, and answers better. A person with ten pictures
of their own may have none left to hold out, and should be told before anything is shared.
"""

from typing import Any

import torch

from fewgan.data.imageset import ImageSet
from fewgan.files import read_json, write_json
from fewgan.metrics.extractors import random_extractor
from fewgan.metrics.memorisation import near_copies
from fewgan.report.grids import memorisation_sheet, save_png
from fewgan.training.run import Run

FEW = 500  # training images, up to which it is looked for
DRAWN = 100  # images
SHOWN = 24  # pairs in the picture
ALARM = 0.05  # share of copies above which a person is warned


def audit_copies(run: Run, images: ImageSet) -> None:
    """Write `copies.json` and a sheet of the most suspicious images beside their nearest ones.

    Args:
        run: A trained run.
        images: Its training images, at most `FEW`.
    """
    network = random_extractor(images.channels)
    drawn, shown = run.imageset(DRAWN).images, images.images.cpu()
    views = [shown, shown.flip(3)] if images.flip else [shown]
    found = near_copies(
        network.features(drawn), torch.stack([network.features(view) for view in views], 1)
    )
    made, nearest = found.pairs[:SHOWN].unbind(1)
    ratios = found.distances[:SHOWN]
    sheet = memorisation_sheet(drawn[made], shown[nearest], ratios, ratios < found.threshold)
    save_png(sheet, run.folder.samples / "memorisation.png")
    write_json(run.path / "copies.json", {"copies": found.copies, "drawn": DRAWN})


def copies_found(run: Run) -> dict[str, Any]:
    """What to tell of it; nothing where it was not looked for."""
    file = run.path / "copies.json"
    if not file.exists():
        return {}
    copies = read_json(file)["copies"]
    told: dict[str, Any] = {"copies of training images": copies}
    if copies > ALARM:
        told["warning"] = (
            f"{copies:.0%} of the images are near copies of training images: look at "
            f"{run.folder.samples / 'memorisation.png'} before you share any; fewer --steps help"
        )
    return told
