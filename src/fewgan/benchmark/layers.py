"""Which layers move when a generator is adapted, and which ones mattered: the analysis behind EWC.

Li, Zhang, Lu & Shechtman, "Few-shot image generation with elastic weight consolidation", NeurIPS
2020, section 3: with plenty of images of both domains, the first layers of a generator change most
and the last ones least, while Fisher information rises towards the last. So what few images cannot
tell the last layers is what they should keep.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fewgan.errors import InputError
from fewgan.files import write_json
from fewgan.methods.adaptation import Unlabelled, lent_by
from fewgan.methods.elastic import importance
from fewgan.methods.gan import GAN
from fewgan.methods.kernels import LAYERS
from fewgan.report.curves import Chart, save_png
from fewgan.training.run import Run


def analyse_layers(
    run: Run | str | Path, *, samples: int = 1000, seed: int = 0, out: Path | None = None
) -> list[dict[str, Any]]:
    """Compare an adapted generator with its source, layer by layer; write `layers.json`.

    Args:
        run: An adaptation, or its folder; its source must still be there.
        samples: Images of the source whose gradients make the information.
        seed: Of their latents.
        out: A picture to draw; `samples/layers.png` in the run folder when left out.

    Returns:
        For each layer from the latent to the image its `layer`, `rate`, which is the mean of
        |theta - theta_source| over that of |theta_source|, and `fisher`, the mean information of
        its weights at the source.

    Raises:
        InputError: The run is no adaptation, or its source is gone.
    """
    run = run if isinstance(run, Run) else Run(run)
    config, sampler = run.folder.read_config(), run.sampler("last")
    if not config.source or not isinstance(sampler, Unlabelled):
        raise InputError(f"{run.path} is no adaptation of a run: fewgan adapt RUN finetune")
    source = Run(config.source)
    fisher = _information(source, sampler.drawn, samples, seed)
    before = lent_by(source.sampler("best"), sampler.drawn).generator
    there, here = (dict(g.named_parameters()) for g in (before, sampler.generator))
    rows = []
    for name, layer in before.named_modules():
        if not isinstance(layer, LAYERS):
            continue
        own = [f"{name}.{part}" for part, _ in layer.named_parameters()]
        moved = _mean_size(here[n] - there[n] for n in own)
        rate = moved / max(_mean_size(there[n] for n in own), 1e-12)
        rows.append({"layer": name, "rate": rate, "fisher": _mean_size(fisher[n] for n in own)})
    about = {"source": config.source, "samples": samples, "seed": seed}
    write_json(run.path / "layers.json", {"layers": rows, **about})
    save_png(_charts(rows), out or run.folder.samples / "layers.png")
    return rows


def _information(source: Run, classes: int, samples: int, seed: int) -> dict[str, Tensor]:
    """Fisher information of the source's generator, as its own discriminator sees its images."""
    drawer, players = lent_by(source.sampler("best"), classes), source.method("best").players
    assert isinstance(players, GAN), "what was adapted has a discriminator"
    places = torch.zeros(samples)
    z, y = drawer.split(drawer.latents(places, torch.Generator().manual_seed(seed)))
    return importance(drawer.generator, players.realness, z, y)


def _mean_size(tensors: Any) -> float:
    """Mean of the absolute values of all numbers in some tensors."""
    return float(torch.cat([tensor.detach().flatten() for tensor in tensors]).abs().mean())


def _charts(rows: list[dict[str, Any]]) -> list[Chart]:
    unit = "layer, from the latent to the image"
    told = {"rate": "Change of the weights, relative", "fisher": "Mean Fisher information"}
    return [
        Chart(title, {title: [(i, row[key]) for i, row in enumerate(rows, 1)]}, unit=unit)
        for key, title in told.items()
    ]
