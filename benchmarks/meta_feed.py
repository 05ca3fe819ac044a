"""How fast an outer iteration of reptile-2mlp is, beside feeding it as the released scripts do.

    python benchmarks/meta_feed.py [--data omniglot --width 16 --batch-size 16] [--out FILE]

The same method on the same networks, alternating within one process; and the feeding alone. What
the released scripts do for each inner step: build a loader over the images of the class and one
over all images, each of which shuffles its indices anew and decodes a batch by PIL (resize, tensor,
scale); members of the class in the second batch are then overwritten by other images, decoded one
by one. Images of MNIST and the like are in memory there, those of Omniglot are PNG files of 105
pixels, and so they are here (`--no-files` has them in memory). Of each of its drawings they keep
49 elastic distortions beside it, fifty files in all; `--distorted 49` counts each drawing as that
many more. Ours are lookups in one tensor of bytes, which are then bent anew each time.
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from fewgan import datasets, methods
from fewgan.data.feed import Feed
from fewgan.data.imageset import ImageSet
from fewgan.files import write_json
from fewgan.networks.build import ImageSpec
from fewgan.networks.precision import resolve, set_precision

ROUNDS, STEPS = 7, 20
BENT = 0.05  # half sides that a distorted drawing is bent by


class Pictures(Dataset):
    """Images that are decoded, resized and scaled one by one, as torchvision's sets are.

    Args:
        images: The images, in the size that they are published in.
        size: Side that they are brought to.
        folder: Where they are to lie as PNG files; in memory when left out.
        distorted: Times that each is there once more. It is the same picture: that takes as long.
    """

    def __init__(
        self, images: ImageSet, size: int, folder: Path | None = None, distorted: int = 0
    ) -> None:
        pixels = images.images.permute(0, 2, 3, 1).numpy()
        pictures = [Image.fromarray(p.squeeze(2) if p.shape[2] == 1 else p) for p in pixels]
        self.pictures: list[Image.Image | Path] = list(pictures)
        if folder:
            self.pictures = [folder / f"{i}.png" for i in range(len(pictures))]
            for picture, file in zip(pictures, self.pictures, strict=True):
                picture.save(file)
        self.mode = pictures[0].mode
        self.pictures *= 1 + distorted
        self.labels, self.size = images.labels.tolist() * (1 + distorted), size

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        picture = self.pictures[i]
        if isinstance(picture, Path):
            picture = Image.open(picture).convert(self.mode)
        picture = picture.resize((self.size, self.size), Image.Resampling.BILINEAR)
        pixels = np.asarray(picture, dtype=np.float32).reshape(self.size, self.size, -1)
        return torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1, self.labels[i]


class Loaders(Feed):
    """A feed that makes its batches as the released scripts do; all else is the feed's."""

    def __init__(self, feed: Feed, pictures: Pictures) -> None:
        self.__dict__.update(feed.__dict__)
        self.pictures = pictures
        labels = np.array(pictures.labels)
        self.members = {c: np.flatnonzero(labels == c).tolist() for c in set(pictures.labels)}

    def batch_of(self, label: int) -> Tensor:
        """A batch of a class, from a loader that is made for it."""
        subset = Subset(self.pictures, self.members[label])
        images, _ = next(iter(DataLoader(subset, self.batch_size, shuffle=True)))
        return images

    def batch_outside(self, label: int) -> Tensor:
        """A batch of all images, from a loader made for it, without those of a class."""
        images, labels = next(iter(DataLoader(self.pictures, self.batch_size, shuffle=True)))
        for i in (labels == label).nonzero().flatten().tolist():
            other, found = self.pictures[random.randrange(len(self.pictures))]
            while found == label:
                other, found = self.pictures[random.randrange(len(self.pictures))]
            images[i] = other
        return images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--classes", type=int)
    parser.add_argument("--distorted", type=int, default=0)
    parser.add_argument("--files", action=argparse.BooleanOptionalAction)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    files = given.data == "omniglot" if given.files is None else given.files
    with tempfile.TemporaryDirectory() as folder:
        result = measure(given, Path(folder) if files else None)
    print(json.dumps(result, indent=2))
    if given.out:
        write_json(given.out, result)


def measure(given: argparse.Namespace, folder: Path | None) -> dict[str, Any]:
    """Seconds of an outer iteration, and of its feeding, in both ways."""
    native, images = (datasets.load(given.data, size=size) for size in (None, 32))
    if given.classes:
        native, images = (x.of_classes(range(given.classes)) for x in (native, images))
    kind = methods.find("reptile-2mlp")
    spec = ImageSpec(images.channels, 32, len(images.class_names))
    method = kind(kind.Settings(width=given.width, inner_steps=STEPS), spec).train()
    set_precision(method, resolve("auto", torch.device("cpu")))
    bent = BENT if given.distorted else 0.0
    ours = Feed(images, given.batch_size, torch.Generator().manual_seed(0), warp=bent)
    theirs = Loaders(ours, Pictures(native, 32, folder, given.distorted))
    method.begin(ours, method.sampler)
    times: dict[str, list[float]] = {"one tensor": [], "loaders and PIL": []}
    alone: dict[str, list[float]] = {name: [] for name in times}
    for round_ in range(ROUNDS + 1):
        for name, feed in zip(times, (ours, theirs), strict=True):
            began = time.perf_counter()
            method.step(feed)
            ended = time.perf_counter()
            for _ in range(STEPS):
                feed.batch_of(0), feed.batch_outside(0)
            if round_:  # the first warms up
                times[name].append(ended - began)
                alone[name].append(time.perf_counter() - ended)
    seconds = {name: statistics.median(values) for name, values in times.items()}
    feeding = {name: statistics.median(values) for name, values in alone.items()}
    return {
        "data": given.data,
        "images": len(images),
        "distorted copies of each": given.distorted,
        "decoded from": "files" if folder else "memory",
        "width": given.width,
        "batch_size": given.batch_size,
        "threads": torch.get_num_threads(),
        "seconds per outer iteration": seconds,
        "seconds of feeding alone": feeding,
        "times as fast": seconds["loaders and PIL"] / seconds["one tensor"],
        "feeding alone, times as fast": feeding["loaders and PIL"] / feeding["one tensor"],
    }


if __name__ == "__main__":
    main()
