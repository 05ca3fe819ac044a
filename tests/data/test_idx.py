import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from data.conftest import idx_bytes, write_idx_set
from fewgan.data import idx
from fewgan.data.source import Unavailable

VALUES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_values_come_back(tmp_path: Path, pack):
    path = tmp_path / "some-idx3-ubyte"
    path.write_bytes(pack(idx_bytes(VALUES)))
    assert torch.equal(idx.read_idx(path), torch.from_numpy(VALUES))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data + b"0",
        lambda data: data[:3],
        lambda data: b"",
        lambda data: b"\x00\x00\x0d" + data[3:],  # floats
        lambda data: gzip.compress(data)[:-9],
        lambda data: gzip.compress(data)[:12] + b"\xff" * 40,
    ],
)
def test_damage_is_noticed(tmp_path: Path, damage):
    path = tmp_path / "some-idx3-ubyte"
    path.write_bytes(damage(idx_bytes(VALUES)))
    with pytest.raises(Unavailable, match="some-idx3-ubyte"):
        idx.read_idx(path)


def test_a_split_is_found_under_any_spelling(tmp_path: Path):
    plain = write_idx_set(tmp_path / "plain")
    packed = write_idx_set(tmp_path / "packed", packed=True)
    dotted = write_idx_set(tmp_path / "dotted")
    for path in list(dotted.iterdir()):
        path.rename(dotted / path.name.replace("-idx", ".idx"))
    first = idx.read_split(plain, "test")
    assert first[0].shape == (6, 1, 28, 28)
    assert first[1].tolist() == [0, 1, 2, 0, 1, 2]
    for folder in (packed, dotted):
        assert all(
            torch.equal(a, b) for a, b in zip(first, idx.read_split(folder, "test"), strict=True)
        )


def test_a_missing_file_and_strange_labels_are_named(tmp_path: Path):
    folder = write_idx_set(tmp_path)
    (folder / "t10k-labels-idx1-ubyte").rename(folder / "train-labels-idx1-ubyte")
    with pytest.raises(Unavailable, match="no t10k-labels-idx1-ubyte"):
        idx.read_split(folder, "test")
    with pytest.raises(Unavailable, match="do not belong together"):
        idx.read_split(folder, "train")
