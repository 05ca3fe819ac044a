"""Measure adaptations every few hundred steps: the stopping point moves figures more than methods.

    python benchmarks/adaptation_curves.py SOURCE WORK --data faces-toon-head --extractor random

Adapts the run SOURCE by each method into WORK/<method>, keeps a snapshot every `--every` steps,
measures each against held-out images of the target, and writes `<--out>.json` and `<--out>.png`.
What is in WORK already is not made again. `--settings name=a,b,c` draws one curve for each value of
a setting instead, such as `--methods ewc-few --settings elastic=0.01,1,100`, beside which stands
how large the penalty is.
"""

import argparse
from pathlib import Path
from typing import Any

import yaml

import fewgan
from fewgan.files import read_json, write_json
from fewgan.report.curves import Chart, save_png
from fewgan.report.view import read_lines

CHARTS = {
    "kid": "KID to held-out images (lower is better)",
    "intra_lpips": "Intra-cluster LPIPS",
    "copies": "Share of copies",
    "correspondence": "Correspondence with the source (0.5 = none)",
    "penalty": "Elastic penalty, as a share of the adversarial loss",
}


def adapted(given: argparse.Namespace, name: str, method: str, **settings: Any) -> fewgan.Run:
    """The run of a curve, from its folder if it is there."""
    place = given.work / name
    if (place / "model.json").exists():
        return fewgan.resume(place)
    wanted = {"classes": given.classes, "shots": given.shots, "batch_size": 16, "seed": given.seed}
    wanted |= {"steps": given.steps, "check_every": given.every, "check_images": 200}
    # A snapshot in mid-run should be what a run that ends there would be.
    wanted |= {"snapshots": True, "lr_decay": 0.0}
    return fewgan.adapt(given.source, method, given.data, out=place, **wanted, **settings)


def penalty(losses: dict[str, float]) -> float | None:
    """How large the elastic term is beside what it holds against, where there is one."""
    return losses["g/elastic"] / losses["g/adversarial"] if "g/elastic" in losses else None


def measured(
    run: fewgan.Run, data: str, n: int, extractor: str | None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The figures of every snapshot, with the losses there; and the card of the first figure."""
    file, kept = run.path / "curve.json", run.folder.numbers
    if file.exists() and (points := read_json(file)["points"])[-1]["step"] == kept[-1]:
        return points, read_json(file)["card"]
    logged = read_lines(run.folder.log_file)
    terms = ({k: v for k, v in line.items() if "/" in k or k == "step"} for line in logged)
    losses = {line.pop("step"): line for line in terms if len(line) > 1}
    points = []
    for step in kept:
        metrics = ["kid", "intra_lpips", "memorisation"]
        found = fewgan.evaluate(
            run, data, which=step, n=n, metrics=metrics, extractor=extractor, seed=0
        )
        values = {f["name"]: f["value"] for f in found["figures"]}
        there = losses.get(step, {})
        values["penalty"] = penalty(there)
        figures = {name: values.get(name) for name in CHARTS}
        points.append({"step": step, **figures, "losses": there})
    card = found["figures"][0]["card"]
    write_json(file, {"points": points, "card": card})
    return points, card


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--classes")
    parser.add_argument("--methods", default="finetune,ewc-few,freezed,cdc")
    parser.add_argument("--settings", default="")
    parser.add_argument("--extractor")
    parser.add_argument("--shots", type=int, default=10)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--every", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("adaptation-curves"))
    given = parser.parse_args()
    key, _, values = given.settings.partition("=")
    entries = {
        f"{method}, {key} {v}" if v else method: (method, {key: yaml.safe_load(v)} if v else {})
        for method in given.methods.split(",")
        for v in (values.split(",") if values else [""])
    }
    curves = {}
    for name, (method, settings) in entries.items():
        run = adapted(given, name.replace(", ", "-").replace(" ", "-"), method, **settings)
        curves[name], of_one = measured(run, given.data, given.n, given.extractor)
    card = {"data": given.data, "classes": given.classes, "shots": given.shots, "n": given.n}
    card |= {"seed": given.seed, "steps": given.steps, "source": given.source.name}
    card |= {key: of_one[key] for key in ("extractor", "n_real", "train")}
    write_json(given.out.with_suffix(".json"), {"card": card, "curves": curves})
    charts = [
        Chart(
            title,
            {c: [(p["step"], p[f]) for p in points] for c, points in curves.items()},
            from_zero=f != "correspondence",
        )
        for f, title in CHARTS.items()
        if all(p[f] is not None for points in curves.values() for p in points)
    ]
    save_png(charts, given.out.with_suffix(".png"))
    print(given.out.with_suffix(".json"))


if __name__ == "__main__":
    main()
