"""A protocol whose cells take seconds, and what tells how far one has come."""

from pathlib import Path

import pytest
import yaml

from conftest import make_blobs, write_folder
from fewgan.files import read_tensors

TINY = {
    "name": "tiny",
    "summary": "Does it all hold together?",
    "methods": ["dcgan", "acgan"],
    "data": {"digits": {"extractor": "random"}},
    "seeds": [0],
    "images": 64,
    "checks": 2,
    "n": 40,
    "metrics": ["kid", "prdc"],
    "settings": {
        "size": 16, "width": 4, "batch_size": 8, "check_images": 40, "log_every": 1,
    },
}  # fmt: skip


@pytest.fixture
def write(tmp_path):
    """Write a protocol file: the tiny one with changes; None takes an entry out."""

    def made(**changes) -> Path:
        content = {name: v for name, v in (TINY | changes).items() if v is not None}
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    return made


@pytest.fixture
def quick(write, tmp_path) -> Path:
    """A protocol of 200 steps on a folder, which needs fewer imports than `digits`."""
    folder = str(write_folder(make_blobs(), tmp_path / "blobs"))
    return write(data={folder: {"extractor": "random"}}, images=1600, methods=["acgan", "dcgan"])


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """The processes of the cells take as many threads as this one has."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def steps_logged(folder: Path) -> int:
    file = folder / "metrics.jsonl"
    return file.read_bytes().count(b'"images_per_second"') if file.exists() else 0


def ends_like(folder: Path, other: Path) -> bool:
    """Whether two runs ended with the same bits."""
    (one, meta), (two, meta2) = (
        read_tensors(run / "checkpoint" / "last.safetensors") for run in (folder, other)
    )
    equal = one.keys() == two.keys() and all(one[k].equal(two[k]) for k in one)
    return equal and meta["step"] == meta2["step"] and meta["best"] == meta2["best"]
