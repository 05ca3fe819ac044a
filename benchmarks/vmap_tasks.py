"""Is it faster to learn several tasks at once, by torch.func.vmap, than one after another?

    python benchmarks/vmap_tasks.py [--out benchmarks/results/vmap-tasks.json]

Four tasks of three inner steps each on batches of 16, for the discriminator of the DCGAN trunk at
32 pixels and width 32, and for a perceptron of the size of the MLPs of `reptile-2mlp`. Both ways
alternate within one process.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch
from torch import nn
from torch.func import functional_call

from fewgan.files import write_json
from fewgan.methods.meta_optimizer import MetaOptimizer, Task
from fewgan.networks.build import Discriminator, ImageSpec, NetworkSettings
from fewgan.networks.heads import RealFake

ROUNDS, TASKS, STEPS, BATCH = 7, 4, 3, 16


def discriminator() -> tuple[nn.Module, torch.Tensor]:
    settings = NetworkSettings(spectral=False, labels="none")
    network = Discriminator(settings, ImageSpec(1, 32, 0), RealFake)
    network.to(memory_format=torch.contiguous_format)  # vmap knows no other
    return network, torch.randn(TASKS, STEPS + 1, BATCH, 1, 32, 32)


def perceptron() -> tuple[nn.Module, torch.Tensor]:
    network = nn.Sequential(nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 100))
    return network, torch.randn(TASKS, STEPS + 1, BATCH, 100)


def measured(network: nn.Module, batches: torch.Tensor) -> dict[str, float]:
    """Seconds of an outer iteration, one by one and together, and their ratio; medians."""
    for module in network.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # vmap cannot write over what it was handed
    outer = torch.optim.SGD(network.parameters(), 0.1)
    over = MetaOptimizer({"m": network}, outer)

    def loss(weights, batch):
        inside = {name.removeprefix("m."): value for name, value in weights.items()}
        return functional_call(network, inside, (batch,)).square().mean()

    def one_by_one() -> None:
        for task in batches:
            over.unrolled(loss, Task(list(task[:STEPS]), task[STEPS]), 0.01, first_order=True)

    def together() -> None:
        support = [batches[:, i] for i in range(STEPS)]
        tasks = Task(support, batches[:, STEPS])
        over.unrolled_together(loss, tasks, 0.01, first_order=True)

    seconds: dict[str, list[float]] = {"one_by_one": [], "together": []}
    for _ in range(ROUNDS + 1):
        for name, way in (("one_by_one", one_by_one), ("together", together)):
            began = time.perf_counter()
            way()
            over.update()
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(times[1:]) for name, times in seconds.items()}
    return medians | {"ratio": medians["one_by_one"] / medians["together"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.manual_seed(0)
    found = {make.__name__: measured(*make()) for make in (discriminator, perceptron)}
    for name, figures in found.items():
        print(name, {key: round(value, 5) for key, value in figures.items()})
    if given.out:
        card = {"tasks": TASKS, "inner_steps": STEPS, "batch": BATCH, "rounds": ROUNDS}
        write_json(given.out, {"card": card | {"threads": torch.get_num_threads()}, **found})


if __name__ == "__main__":
    main()
