"""What the codes of an infogan run stand for: purity against a judge's classes, and Q's bound.

python benchmarks/infogan_purity.py runs/infogan --data mnist [--n 5000] [--checkpoint last]

The judge is the classifier of the data that `fewgan evaluate` uses. The bound L_I, in nats, is that
of the run's own Q on images of the averaged generator; for the categorical code it is at most its
entropy log K.
"""

import argparse
import json
import math
from typing import Any

import torch

from fewgan import load, methods
from fewgan.benchmark.evaluation import real_images
from fewgan.data.imageset import to_bytes
from fewgan.losses.information import categorical_information, continuous_information
from fewgan.metrics.extractors.in_domain import in_domain_extractor
from fewgan.metrics.purity import purity
from fewgan.training import checkpoint
from fewgan.training.run import Checkpoint, Run


def read_method(run: Run, which: Checkpoint) -> Any:
    """The whole method of a checkpoint, Q and discriminator with it, in eval mode."""
    file = run.folder.best if which == "best" else run.folder.last
    kind: Any = methods.find(run.model["method"])
    method = kind(kind.Settings.model_validate(run.model["settings"]), run.spec)
    method.load_state_dict(checkpoint.within("method", checkpoint.read(file)[0]))
    return method.eval().requires_grad_(False)


def measure(run: Run, data: str, n: int, which: Checkpoint, seed: int = 0) -> dict[str, Any]:
    method, real = read_method(run, which), real_images(run, data)
    judge = in_domain_extractor(real.judge, test=real.reference, seed=seed)
    y = run.labels(n)
    z = method.sampler.latents(y, torch.Generator().manual_seed(seed))
    images, codes = run.draw(z, y, which), method.sampler.codes(z)
    seen = judge.outputs(to_bytes(images)).logits.argmax(1)
    values, classes = method.settings.categorical, len(real.judge.class_names)
    found = purity(codes.categorical, seen, values, classes)
    guesses = [method.q(method.discriminator.features(part, None)) for part in images.split(500)]
    logits, mean = (torch.cat(parts) for parts in zip(*guesses, strict=True))
    return {
        "run": run.path.name,
        "checkpoint": which,
        "images": n,
        "judge": judge.notes,
        "purity": found.overall,
        "class of each code": [real.judge.class_names[c] if c >= 0 else None for c in found.match],
        "entropy of the categorical code": math.log(values),
        "bound, categorical code": categorical_information(logits, codes.categorical).item(),
        "bound, continuous codes": continuous_information(mean, codes.continuous).item(),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--data", required=True)
    parser.add_argument("--n", type=int, default=5000)
    parser.add_argument("--checkpoint", choices=["best", "last"], default="best")
    given = parser.parse_args()
    found = measure(load(given.run), given.data, given.n, given.checkpoint)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
