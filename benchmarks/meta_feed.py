"""How fast an outer iteration of reptile-2mlp is, beside feeding it as the released scripts do.

    python benchmarks/meta_feed.py [--out FILE]

The same method on the same networks and sizes of batch, alternating within one process; and the
feeding alone. What the released scripts do: each inner step makes two new iterators over loaders,
each of which shuffles all its indices and stacks a batch image by image. One loader is of the
class, whose images were decoded when the script began. The other one depends on the script's mode:

- `fast`, which the scripts for MNIST and CIFAR-10 are released in: a loader of all images, decoded
  by PIL one by one; members of the class are then overwritten by others of the batch.
- `slow`, which the script for Omniglot is released in: each task begins by collecting all images
  of the other classes, batch by batch through their loaders, into a new set, and loads from that.

That script keeps 49 elastic distortions beside each drawing, a thousand images a class; ours bends
a drawing anew whenever it is drawn. It is released with ten classes, and its readme reports a
hundred. Its batches of other classes are of 128, here they are as large as ours.
"""

import argparse
import json
import random
import statistics
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from fewgan import datasets, methods
from fewgan.data.feed import Feed
from fewgan.data.imageset import ImageSet, to_float
from fewgan.files import write_json
from fewgan.networks.build import ImageSpec
from fewgan.networks.precision import resolve, set_precision

ROUNDS, STEPS, SIZE = 7, 20, 32
BENT = 0.05  # half sides that a distorted drawing is bent by


class Case(NamedTuple):
    """What is fed.

    Attributes:
        data: A data set.
        classes: The first so many of its classes.
        copies: Times that the released script keeps each image, distorted.
        slow: Whether it is in its slow mode.
        width, batch: Of our networks, and images a batch.
    """

    data: str
    classes: int
    copies: int
    slow: bool
    width: int
    batch: int


CASES = (
    Case("mnist", 10, 1, slow=False, width=32, batch=64),
    Case("omniglot", 10, 50, slow=True, width=16, batch=16),
    Case("omniglot", 100, 50, slow=True, width=16, batch=16),
    Case("omniglot", 100, 50, slow=True, width=32, batch=64),
)


class Pictures(Dataset):
    """Images that are decoded, resized and scaled one by one, as torchvision's sets are.

    Args:
        images: The images, in the size that they are published in.
    """

    def __init__(self, images: ImageSet) -> None:
        pixels = images.images.permute(0, 2, 3, 1).numpy()
        self.pixels = pixels.squeeze(3) if pixels.shape[3] == 1 else pixels
        self.labels = images.labels.tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.pixels[i]).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        pixels = np.asarray(picture, dtype=np.float32).reshape(SIZE, SIZE, -1)
        return torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1, self.labels[i]


class Released(Feed):
    """A feed that makes a batch of a class as the released scripts do; all else is the feed's.

    Args:
        feed: Its images have the networks' size.
        copies: Times that each of them is there.
    """

    def __init__(self, feed: Feed, copies: int) -> None:
        self.__dict__.update(feed.__dict__)
        shown, labels = to_float(feed.images.images), feed.images.labels
        self.of_class: dict[int, DataLoader] = {}
        for label in labels.unique().tolist():
            members = (labels == label).nonzero().flatten().repeat(copies)
            self.of_class[label] = self.loader(TensorDataset(shown[members], labels[members]))

    def loader(self, dataset: Dataset) -> DataLoader:
        """A loader each of whose iterators shuffles anew."""
        return DataLoader(dataset, self.batch_size, shuffle=True)

    def batch_of(self, label: int) -> Tensor:
        """The first batch of a new iterator over a class."""
        images: Tensor = next(iter(self.of_class[label]))[0]
        return images


class Fast(Released):
    """Other classes' images from a loader of all of them.

    Args:
        feed, copies: As for `Released`.
        data: The data set, whose images are read in the size that they are published in.
    """

    def __init__(self, feed: Feed, copies: int, data: str) -> None:
        super().__init__(feed, copies)
        native = datasets.load(data).of_classes(feed.classes.tolist())
        self.everything = self.loader(Pictures(native))

    def batch_outside(self, label: int) -> Tensor:
        """The first batch of a new iterator over all images, without those of a class."""
        images, labels = next(iter(self.everything))
        others = (labels != label).nonzero().flatten().tolist()
        for i in (labels == label).nonzero().flatten().tolist():
            images[i] = images[random.choice(others)]
        return images


class Slow(Released):
    """Other classes' images from a set that each task makes of them.

    Args:
        feed, copies: As for `Released`.
    """

    asked = 0

    def batch_outside(self, label: int) -> Tensor:
        """The first batch of a new iterator over the others, which a task's first step collects."""
        if self.asked % STEPS == 0:
            self.outside = self.collect(label)
        self.asked += 1
        images: Tensor = next(iter(self.outside))[0]
        return images

    def collect(self, label: int) -> DataLoader:
        """A loader of all images of all classes but one, which are loaded for it."""
        batches = [b for one in self.of_class.values() for b in one if b[1][0] != label]
        images, labels = (torch.cat(part) for part in zip(*batches, strict=True))
        return self.loader(TensorDataset(torch.stack(list(images)), torch.stack(list(labels))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    results = [measure(case) for case in CASES]
    print(json.dumps(results, indent=2))
    if given.out:
        precision = resolve("auto", torch.device("cpu"))
        card = {"precision": precision, "threads": torch.get_num_threads(), "inner steps": STEPS}
        write_json(given.out, {"card": card, "cases": results})


def measure(case: Case) -> dict[str, Any]:
    """Seconds of an outer iteration, and of its feeding, in both ways."""
    images = datasets.load(case.data, size=SIZE).of_classes(range(case.classes))
    kind: Any = methods.find("reptile-2mlp")
    spec = ImageSpec(images.channels, SIZE, case.classes)
    method = kind(kind.Settings(width=case.width, inner_steps=STEPS), spec).train()
    set_precision(method, resolve("auto", torch.device("cpu")))
    warp = BENT if case.copies > 1 else 0.0
    ours = Feed(images, case.batch, torch.Generator().manual_seed(0), warp=warp)
    theirs = Slow(ours, case.copies) if case.slow else Fast(ours, case.copies, case.data)
    method.begin(ours, method.sampler)
    times: dict[str, list[float]] = {"ours": [], "released scripts": []}
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
        **case._asdict(),
        "seconds per outer iteration": seconds,
        "seconds of feeding alone": feeding,
        "times as fast": seconds["released scripts"] / seconds["ours"],
        "feeding alone, times as fast": feeding["released scripts"] / feeding["ours"],
    }


if __name__ == "__main__":
    main()
