import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fewgan.data import cifar10
from fewgan.data.source import Unavailable

BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5")


def batch(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (4, 3, 32, 32), dtype=np.uint8), rng.integers(0, 10, 4)


def write_binary(folder: Path) -> None:
    folder.mkdir(parents=True)
    for seed, name in enumerate((*BATCHES, "test_batch")):
        images, labels = batch(seed)
        records = np.concatenate([labels[:, None].astype(np.uint8), images.reshape(4, -1)], 1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())


def write_sheets(folder: Path) -> None:
    folder.mkdir(parents=True)
    for seed, name in enumerate((*BATCHES, "test_batch")):
        rows = batch(seed)[0].transpose(0, 2, 3, 1).reshape(4, 1024, 3)
        Image.fromarray(rows).save(folder / f"{name}.png")
    train = np.concatenate([batch(seed)[1] for seed in range(5)]).tolist()
    (folder / "train_lables.json").write_text(json.dumps(train))
    (folder / "test_lables.json").write_text(json.dumps(batch(5)[1].tolist()))


@pytest.mark.parametrize("split", ["train", "test"])
def test_binary_and_sheets_hold_the_same(tmp_path: Path, split):
    write_binary(tmp_path / "binary" / "cifar-10-batches-bin")
    write_sheets(tmp_path / "sheets")
    binary = cifar10.decode(tmp_path / "binary", split)
    assert binary.digest == cifar10.decode(tmp_path / "sheets", split).digest
    images, labels = batch(0 if split == "train" else 5)
    assert torch.equal(binary.images[:4], torch.from_numpy(images))
    assert binary.labels[:4].tolist() == labels.tolist()
    assert len(binary) == (20 if split == "train" else 4)


def test_a_cut_batch_is_refused(tmp_path: Path):
    write_binary(tmp_path / "b")
    path = tmp_path / "b" / "test_batch.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Unavailable, match="no whole test batches"):
        cifar10.decode(tmp_path / "b", "test")


def test_pickles_are_never_opened(tmp_path: Path):
    (tmp_path / "data_batch_1").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    with pytest.raises(Unavailable, match="no whole train batches"):
        cifar10.decode(tmp_path, "train")
    assert not (tmp_path / "owned").exists()
