"""What an adapted run has kept of its source: the same latents, drawn before and after."""

from pathlib import Path

import torch

from fewgan.data.imageset import to_bytes
from fewgan.errors import InputError
from fewgan.methods.adaptation import Unlabelled, lent_by
from fewgan.metrics.correspondence import correspondence
from fewgan.metrics.suite import Card, Figure
from fewgan.report.grids import grid, save_png
from fewgan.training.run import Checkpoint, Run

IMAGES = 200  # latents that are compared
SHOWN = 10  # latents in the picture


def correspondence_figures(
    run: Run, card: Card, *, which: Checkpoint = "best", seed: int = 0
) -> list[Figure]:
    """Compare an adapted generator with its source on the same latents; draw some of them.

    Args:
        run: Any run.
        card: How the run's other figures were measured.
        which: The checkpoint.
        seed: Of the latents.

    Returns:
        Nothing for a run that was not adapted, or whose source is gone.
    """
    source, sampler = run.folder.read_config().source, run.sampler(which)
    if not source or not isinstance(sampler, Unlabelled) or not Path(source).is_dir():
        return []
    try:
        before = lent_by(Run(source).sampler("best"), sampler.drawn)
    except InputError:
        return []
    y = torch.zeros(IMAGES, dtype=torch.long)
    z = sampler.latents(y, torch.Generator().manual_seed(seed))
    after = to_bytes(run.draw(z, y, which))
    with torch.no_grad():
        there = torch.cat([to_bytes(before(part)) for part in sampler.of_source(z).split(128)])
    picture = grid(torch.cat([there[:SHOWN], after[:SHOWN]]), SHOWN, row_labels=["before", "after"])
    save_png(picture, run.folder.samples / "correspondence.png")
    found = correspondence(there, after)
    note = f"edges by Sobel; to source images of other latents {found.unrelated:.3f}"
    about = {"extractor": "edges", "about": "", "dim": there[0, 0].numel(), "n_fake": IMAGES}
    card = card.model_copy(update={"metric": "correspondence", "seed": seed, "note": "", **about})
    return [
        Figure(name="correspondence", value=found.preference, better="higher", card=card),
        Figure(
            name="edge_similarity",
            value=found.similarity,
            better="higher",
            card=card.model_copy(update={"note": note}),
        ),
    ]
