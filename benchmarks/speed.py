"""How fast a training step is, beside what the machine can do and beside a plain loop.

    python benchmarks/speed.py [--out benchmarks/results/speed.json]

Three questions, each answered by runs that alternate within this one process:

1. Which share of the machine's own fp32 matrix-product rate does a DCGAN-32 step reach?
   The step does 11 forward-equivalents: the generator forward (1) and backward (2); the
   discriminator forward and backward on real (3) and on fake images (3), and forward and
   backward to its input for the generator (2).
2. How much faster is it than a plain loop on the same networks, written with the library's own
   layers (their outputs are compared first): a DataLoader over a PIL data set, the default Adam,
   the default memory format? Once in fp32, which the plain loop has too, and once in the
   arithmetic that training takes on this machine.
3. Which share of a step at width 32 is not network arithmetic: data, averaging, logging, bar?
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from torch import nn
from torch.nn.functional import softplus
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from fewgan import api
from fewgan.data.feed import Feed
from fewgan.data.imageset import ImageSet
from fewgan.methods.dcgan import DCGAN, DCGANSettings
from fewgan.networks.build import ImageSpec
from fewgan.networks.precision import resolve, set_precision
from fewgan.training.engine import Engine
from fewgan.training.folder import Log, RunFolder
from fewgan.training.loop import Trainer
from fewgan.training.progress import Bar

BATCH, ROUNDS, STEPS = 64, 11, 20
SPEC = ImageSpec(1, 32, 0)


def images(n: int = 4096) -> ImageSet:
    pixels = torch.randint(0, 256, (n, 1, 32, 32), dtype=torch.uint8)
    return ImageSet(pixels, torch.full((n,), -1), (), "noise")


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def alternate(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of each piece of work over rounds in which all take their turn."""
    for work in works.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            times[name].append(seconds(work))
    return {name: statistics.median(values) for name, values in times.items()}


def step_flops(method: DCGAN) -> int:
    def forward(module: torch.nn.Module, *inputs: torch.Tensor) -> int:
        with FlopCounterMode(display=False) as counter:
            module(*inputs)
        return counter.get_total_flops()

    z = torch.randn(BATCH, method.settings.latent_dim)
    y = torch.full((BATCH,), -1)
    generator = forward(method.generator, z, y)
    discriminator = forward(method.discriminator, torch.randn(BATCH, 1, 32, 32))
    return 3 * generator + 8 * discriminator


# --- the plain loop -----------------------------------------------------------------------------


class PictureData(Dataset):
    """What most scripts do with MNIST: 28-pixel PIL images, resized and converted one at a time."""

    def __init__(self, source: ImageSet) -> None:
        self.pictures = [Image.fromarray(x[0, :28, :28].numpy()) for x in source.images]

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> torch.Tensor:
        picture = self.pictures[index].resize((32, 32), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(picture)).view(32, 32, 1).permute(2, 0, 1)
        return (pixels.contiguous().float().div(255) - 0.5) / 0.5


def plain_generator(latent_dim: int, w: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(latent_dim, 16 * 4 * w, bias=False),
        nn.Unflatten(1, (4 * w, 4, 4)),
        nn.BatchNorm2d(4 * w),
        nn.ReLU(True),
        nn.ConvTranspose2d(4 * w, 2 * w, 4, 2, 1, bias=False),
        nn.BatchNorm2d(2 * w),
        nn.ReLU(True),
        nn.ConvTranspose2d(2 * w, w, 4, 2, 1, bias=False),
        nn.BatchNorm2d(w),
        nn.ReLU(True),
        nn.ConvTranspose2d(w, 1, 4, 2, 1),
        nn.Tanh(),
    )


def plain_discriminator(w: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, w, 4, 2, 1),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(w, 2 * w, 4, 2, 1),
        nn.BatchNorm2d(2 * w),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(2 * w, 4 * w, 4, 2, 1),
        nn.BatchNorm2d(4 * w),
        nn.LeakyReLU(0.2, True),
        nn.Flatten(),
        nn.Linear(64 * w, 1),
        nn.Flatten(0),
    )


def same_weights(plain: nn.Module, ours: nn.Module) -> None:
    """Give our network the plain one's weights; only the order of a 4x4 map's numbers differs."""
    tensors = [p.detach() for p in plain.parameters()]
    for parameter, tensor in zip(in_order(ours), tensors, strict=True):
        if tensor.ndim == 2:
            rows = parameter.shape[0] != 1  # the generator's projection, else the head
            maps = (tensor if rows else tensor.T).unflatten(0, (-1, 16)).transpose(0, 1)
            tensor = maps.flatten(0, 1) if rows else maps.flatten(0, 1).T
        parameter.data.copy_(tensor.view(parameter.shape))


def in_order(network: nn.Module) -> list[nn.Parameter]:
    """Parameters in the order of the plain networks: layer, its normalisation, next layer."""
    trunk = network.trunk
    if not hasattr(trunk, "ups"):
        return [*trunk.parameters(), *network.head.parameters()]
    found = list(trunk.project.parameters())
    for norm, up in zip(trunk.norms, trunk.ups, strict=True):
        found += [norm.scale, norm.shift, *up.parameters()]
    return found


def plain_loop(source: ImageSet, settings: DCGANSettings) -> Callable[[], None]:
    method = DCGAN(settings, SPEC)
    g = plain_generator(settings.latent_dim, settings.width)
    d = plain_discriminator(settings.width)
    same_weights(g, method.generator)
    same_weights(d, method.discriminator)
    z, x = torch.randn(BATCH, settings.latent_dim), torch.randn(BATCH, 1, 32, 32)
    torch.testing.assert_close(g(z), method.generator(z, None), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(d(x), method.discriminator(x), rtol=1e-3, atol=1e-4)
    adam_g = torch.optim.Adam(g.parameters(), 2e-4, (0.5, 0.999))
    adam_d = torch.optim.Adam(d.parameters(), 2e-4, (0.5, 0.999))
    loader = DataLoader(PictureData(source), BATCH, shuffle=True, drop_last=True)

    def run() -> None:
        for _, x in zip(range(STEPS), loader, strict=False):
            fake = g(torch.randn(BATCH, settings.latent_dim))
            adam_d.zero_grad()
            (softplus(-d(x)).mean() + softplus(d(fake.detach())).mean()).backward()
            adam_d.step()
            adam_g.zero_grad()
            softplus(-d(fake)).mean().backward()
            adam_g.step()

    return run


# --- fewgan -------------------------------------------------------------------------------------


def steps_of(method: DCGAN, feed: object) -> Callable[[], None]:
    def run() -> None:
        for _ in range(STEPS):
            method.step(feed)

    return run


class ConstantFeed:
    """Draws nothing: always the same tensors, so that only arithmetic is left in a step."""

    def __init__(self, feed: Feed, latent_dim: int) -> None:
        self._batch, self._normal, self._labels = (
            feed.batch(),
            feed.normal(latent_dim),
            feed.labels(),
        )

    def batch(self) -> object:
        return self._batch

    def normal(self, *shape: int) -> torch.Tensor:
        return self._normal

    def labels(self) -> torch.Tensor:
        return self._labels

    def uniform(self, *shape: int) -> torch.Tensor:
        raise AssertionError("nothing is augmented here")


def whole_loop(source: ImageSet, settings: DCGANSettings, folder: Path) -> tuple[Trainer, Callable]:
    """The real training loop with its bar, log and average; checks are rarer than this run."""
    values = {**settings.model_dump(), "data": "noise", "steps": 10**9, "check_every": 10**9}
    config = api.make_config(DCGAN, {**values, "batch_size": BATCH, "device": "cpu"})
    bar = Bar("noise", Console(file=(folder / "bar.txt").open("w"), force_terminal=True))
    engine = Engine("cpu")
    method = api.build(DCGAN, config, source, engine)
    set_precision(method, resolve(config.precision, engine.device))
    trainer = Trainer(RunFolder(folder), config, method, source, engine, [bar])
    trainer.log = Log(folder / "metrics.jsonl")
    steps = 5 * STEPS

    def run() -> None:
        trainer.config = config.model_copy(update={"steps": trainer.step + steps})
        trainer._check = lambda: None
        trainer.save = lambda *a, **k: None
        trainer.run()

    return trainer, run


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    torch.manual_seed(0)
    source = images()
    wide = DCGANSettings(width=64)
    ours, fp32 = DCGAN(wide, SPEC), DCGAN(wide, SPEC)
    precision = resolve("auto", torch.device("cpu"))
    set_precision(ours, precision)
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    products = 10
    times = alternate(
        {
            "matmul": lambda: [a @ b for _ in range(products)],
            "fewgan": steps_of(ours, Feed(source, BATCH, torch.Generator())),
            "fp32": steps_of(fp32, Feed(source, BATCH, torch.Generator())),
            "plain": plain_loop(source, wide),
        }
    )
    machine = products * 2 * 2048**3 / times["matmul"]
    flops = STEPS * step_flops(fp32)
    narrow = DCGANSettings(width=32)
    with tempfile.TemporaryDirectory() as folder:
        trainer, run = whole_loop(source, narrow, Path(folder))
        constant = ConstantFeed(trainer.feed, narrow.latent_dim)
        only_steps = steps_of(trainer.method, constant)
        share = alternate({"all": run, "arithmetic": lambda: [only_steps() for _ in range(5)]})
    result = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "machine_gflops": round(machine / 1e9, 1),
        "precision": precision,
        "step_gflops": round(flops / times["fewgan"] / 1e9, 1),
        "step_gflops_fp32": round(flops / times["fp32"] / 1e9, 1),
        "share_of_machine": round(flops / times["fewgan"] / machine, 3),
        "share_of_machine_fp32": round(flops / times["fp32"] / machine, 3),
        "ms_per_step_width_64": round(1e3 * times["fewgan"] / STEPS, 2),
        "ms_per_step_width_64_fp32": round(1e3 * times["fp32"] / STEPS, 2),
        "ms_per_step_plain_loop": round(1e3 * times["plain"] / STEPS, 2),
        "faster_than_plain_loop": round(times["plain"] / times["fewgan"], 3),
        "faster_than_plain_loop_fp32": round(times["plain"] / times["fp32"], 3),
        "ms_per_step_width_32": round(1e3 * share["all"] / (5 * STEPS), 2),
        "share_not_arithmetic_width_32": round(1 - share["arithmetic"] / share["all"], 4),
    }
    print(json.dumps(result, indent=2))
    if out:
        out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
