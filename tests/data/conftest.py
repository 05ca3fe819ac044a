"""Fixtures of the data tests: an empty machine, and small files in the published layouts."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, a cache and a current folder without any data, and no package clients."""
    for name in ("home", "cache", "here", "bin"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FEWGAN_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("FEWGAN_OFFLINE", raising=False)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def idx_bytes(values: np.ndarray) -> bytes:
    """An IDX file of bytes, packed by hand from the published description."""
    head = struct.pack(">BBBB", 0, 0, 8, values.ndim)
    return head + b"".join(struct.pack(">I", n) for n in values.shape) + values.tobytes()


def write_idx_set(folder: Path, n: int = 12, side: int = 28, packed: bool = False) -> Path:
    """The four files of an MNIST-like set, with n training and n / 2 test images."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for prefix, count in (("train", n), ("t10k", n // 2)):
        images = rng.integers(0, 256, (count, side, side), dtype=np.uint8)
        labels = (np.arange(count) % 3).astype(np.uint8)
        for kind, values in (("images-idx3", images), ("labels-idx1", labels)):
            data = idx_bytes(values)
            name = f"{prefix}-{kind}-ubyte" + (".gz" if packed else "")
            (folder / name).write_bytes(gzip.compress(data) if packed else data)
    return folder


def picture(path: Path, colour: object = 128, mode: str = "L", size: tuple[int, int] = (8, 8)):
    """Save one plain picture, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)
    return path
