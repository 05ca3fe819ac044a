"""Figures of one run, of several, and of a whole protocol."""

from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from fewgan.cli.base import Json, Which, app, display, split_names


@app.command
def evaluate(
    run: Path,
    *,
    data: str,
    metrics: str | None = None,
    n: int = 5000,
    extractor: str | None = None,
    weights: Path | None = None,
    k: int = 5,
    seed: int = 0,
    checkpoint: Which = "best",
    classes: str | None = None,
    herd: int | None = None,
    as_json: Json = False,
) -> None:
    """Measure a run against held-out real images; every figure comes with its card.

    Example: `fewgan evaluate runs/acgan-mnist --data mnist --metrics kid,prdc,accuracy`

    Args:
        run: The run folder.
        data: A named data set or a folder; images that were trained on are never the reference.
        metrics: From fid, kid, intra_fid, is, prdc, accuracy, cas, lpips, diversity, memorisation.
        n: Number of images to generate, and at most of real ones.
        extractor: Network that sees the images; what suits the data when left out.
        weights: File with the network's published weights, for those that need one.
        k: Neighbours for precision, recall, density and coverage.
        seed: Seed of the samples and of every draw in the metrics.
        checkpoint: Which checkpoint is measured: best, last, or the step of a snapshot.
        classes: Classes that are measured, such as 5,6,7; all that the run knows when left out.
        herd: Draw so many images for each one measured, and keep those that lie together as the
            training images do; each draw counts when left out.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan.benchmark import evaluation

    names = split_names(metrics)
    result = evaluation.evaluate(
        run,
        data,
        metrics=names,
        n=n,
        extractor=extractor,
        weights=weights,
        k=k,
        seed=seed,
        which=checkpoint,
        classes=split_names(classes),
        herd=herd,
    )
    if as_json:
        display(result, True)
    else:
        from fewgan.report.terminal import figures_table

        Console().print(figures_table(result["figures"]))


@app.command
def uplift(
    run: Path,
    *,
    data: str,
    shots: int | None = None,
    seeds: int = 3,
    classifier: str | None = None,
    updates: int | None = None,
    batch: int | None = None,
    rate: float | None = None,
    weight_decay: float | None = None,
    share: float | None = None,
    mix: Literal["sample", "batch"] | None = None,
    begin: float | None = None,
    flip: bool | None = None,
    checkpoint: Which = "best",
    as_json: Json = False,
) -> None:
    """Do the images help? Train classifiers with and without them, and say so in one sentence.

    Example: `fewgan uplift runs/few --data mnist --shots 10 --seeds 3`

    Args:
        run: The run folder; it must know classes.
        data: The named data set or folder that it was trained on.
        shots: Real images of each class, of those that the run was trained on; all when left out.
        seeds: Classifiers of each way.
        classifier: A wide residual network: wrn-10-1 when left out; wrn-16-8 where a GPU is.
        updates: Steps of each classifier; 600 when left out.
        batch: Images a step; 64 when left out.
        rate: Highest learning rate, of SGD with momentum; 0.1 when left out.
        weight_decay: Of all weights; 0.0005 when left out.
        share: How much of what is shown is generated; half of it when left out.
        mix: Draw the kind of each image by itself, or of a whole batch; sample when left out.
        begin: Share of the updates after which generated images come in; 0 when left out.
        flip: Whether a mirrored image is as likely, for the classic augmentations; as in training
            when left out.
        checkpoint: Which checkpoint draws.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan.benchmark.uplift import uplift as ask

    plan: dict[str, Any] = {"classifier": classifier, "updates": updates, "batch": batch}
    plan |= {"rate": rate, "weight_decay": weight_decay}
    plan |= {"share": share, "mix": mix, "begin": begin}
    result = ask(run, data, shots=shots, seeds=seeds, which=checkpoint, flip=flip, **plan)
    if as_json:
        display(result, True)
    else:
        from fewgan.report.terminal import uplift_table

        Console().print(uplift_table(result))


@app.command
def layers(
    run: Path,
    *,
    samples: int = 1000,
    seed: int = 0,
    out: Path | None = None,
    as_json: Json = False,
) -> None:
    """Say how far each layer of an adapted generator has moved, and how much it mattered before.

    Example: `fewgan layers runs/ewc-few-letters --out layers.png`

    Args:
        run: The folder of an adaptation, whose source is still there.
        samples: Images of the source whose gradients make the Fisher information.
        seed: Of their latents.
        out: FILE.png; `samples/layers.png` in the run folder when left out.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan.benchmark.layers import analyse_layers

    rows = analyse_layers(run, samples=samples, seed=seed, out=out)
    display(rows, as_json)


@app.command
def benchmark(
    protocol: str,
    *,
    budget: str | None = None,
    workers: int | None = None,
    address: str | None = None,
    out: Path | None = None,
    seeds: int | None = None,
    methods: str | None = None,
    data: str | None = None,
    shots: str | None = None,
    as_json: Json = False,
) -> None:
    """Train and measure every method of a protocol at equal images seen, and write one table.

    Example: `fewgan benchmark conditional --budget cpu --workers 2 --out runs/table`

    What is done is kept, what was interrupted goes on, what failed is tried again.

    Args:
        protocol: A shipped protocol, such as conditional, or a YAML file.
        budget: One of the protocol's: smoke, cpu or full; cpu when left out.
        workers: Cells at a time; 1 when left out, or what the cluster has room for.
        address: Address of a Ray cluster (host:port), whose machines see --out at the same path.
        out: Folder of the runs and of table.md, .csv, .html, .json; runs/PROTOCOL-BUDGET else.
        seeds: That many seeds, from 0, in place of the protocol's.
        methods: Only these methods, separated by commas; of the protocol, or others as they come.
        data: Only these data sets, separated by commas; of the protocol, or others as they come.
        shots: Training images of each class, separated by commas, such as 5,10,25 or 10,all.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan.benchmark import render, runner

    numbers = None if seeds is None else list(range(seeds))
    chosen = {
        "methods": split_names(methods),
        "data": split_names(data),
        "shots": split_names(shots),
        "seeds": numbers,
    }
    changes: dict[str, Any] = {name: v for name, v in chosen.items() if v is not None}
    results = runner.run_protocol(
        protocol, budget=budget, out=out, workers=workers, address=address, **changes
    )
    if as_json:
        display(results.to_json(), True)
    else:
        Console().print(render.as_terminal(results))
    results.complain()


@app.command
def compare(
    *runs: Path, out: Path | None = None, variation: str | None = None, as_json: Json = False
) -> None:
    """Put evaluated runs side by side, and say where their figures cannot be compared.

    Example: `fewgan compare runs/acgan-mnist runs/cdcgan-mnist --out compare.html`

    Args:
        runs: Run folders.
        out: FILE.md for the table, or FILE.html for a page with curves and pictures as well.
        variation: Classes whose variety the page shows, such as 1,7; two when left out.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan import outputs

    rows, table = outputs.compare_runs(runs, out, split_names(variation))
    if as_json:
        display(rows, True)
    else:
        Console().print(table)


@app.command
def report(run: Path, *, as_json: Json = False) -> None:
    """Write report.html into the run folder: one page that opens from disk.

    Example: `fewgan report runs/acgan-mnist`

    Args:
        run: The run folder.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan import outputs

    display(outputs.save_report(run), as_json)
