"""Fixtures shared by all tests: a cache of their own, small images, one thread."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from fewgan.data.imageset import ImageSet
from fewgan.training.loop import Trainer

torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory):
    """Keep what tests fetch and train out of the person's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEWGAN_HOME", str(tmp_path_factory.mktemp("fewgan-home")))
        yield


@pytest.fixture(autouse=True)
def same_draws() -> None:
    """Begin every test with the same state of PyTorch's own generator, in any order."""
    torch.manual_seed(0)


@pytest.fixture
def blobs() -> ImageSet:
    """Forty grey 16-pixel images of two classes: bright above, or bright below."""
    return make_blobs()


def make_blobs(n: int = 40, classes: int = 2, size: int = 16, seed: int = 0) -> ImageSet:
    """Images whose class is the band of rows that is bright, on a noisy ground."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    images = torch.randint(0, 60, (n, 1, size, size), generator=generator, dtype=torch.uint8)
    band = size // classes
    for i, label in enumerate(labels.tolist()):
        images[i, :, label * band : (label + 1) * band] += 150
    names = tuple(f"band {c}" for c in range(classes))
    return ImageSet(images, labels, names, "blobs", "made for tests")


@pytest.fixture
def blob_folder(tmp_path: Path) -> Path:
    """The same images as a folder with one sub-folder a class."""
    return write_folder(make_blobs(), tmp_path / "blobs")


def write_folder(images: ImageSet, folder: Path) -> Path:
    """Write an image set as PNG files, one sub-folder a class."""
    from PIL import Image

    for i, (pixels, label) in enumerate(zip(images.images, images.labels.tolist(), strict=True)):
        place = folder / images.class_names[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[0].numpy()).save(place / f"{i:03d}.png")
    return folder


@contextmanager
def interrupted(step: int) -> Iterator[None]:
    """Press Ctrl-C when a run that logs every step has done so many."""
    log = Trainer._log_losses

    def press(trainer: Trainer, *given: object) -> None:
        log(trainer, *given)
        if trainer.step == step:
            signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_log_losses", press)
        yield
