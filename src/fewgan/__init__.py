"""fewgan: GANs for few images, side by side and proven.

    import fewgan

    run = fewgan.train("acgan", data="digits", steps=1000, seed=0)
    images = run.sample(64, label=3, seed=0)  # float32 [64, 1, 32, 32] in [-1, 1]

The heavy parts are imported when they are first used, so that `fewgan --help` is quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from fewgan import data as datasets
    from fewgan.api import adapt as adapt
    from fewgan.api import load as load
    from fewgan.api import resume as resume
    from fewgan.api import train as train
    from fewgan.benchmark.evaluation import evaluate as evaluate
    from fewgan.benchmark.runner import run_protocol as run_protocol
    from fewgan.benchmark.uplift import uplift as uplift
    from fewgan.training.run import Run as Run

_PUBLIC = {
    "train": "fewgan.api",
    "adapt": "fewgan.api",
    "resume": "fewgan.api",
    "load": "fewgan.api",
    "evaluate": "fewgan.benchmark.evaluation",
    "run_protocol": "fewgan.benchmark.runner",
    "uplift": "fewgan.benchmark.uplift",
    "Run": "fewgan.training.run",
    "datasets": "fewgan.data",
}
__all__ = [
    "Run",
    "adapt",
    "datasets",
    "evaluate",
    "load",
    "resume",
    "run_protocol",
    "train",
    "uplift",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'fewgan' has no attribute {name!r}")
    module = importlib.import_module(_PUBLIC[name])
    return module if name == "datasets" else getattr(module, name)
