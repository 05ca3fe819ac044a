"""Two hundred random corruptions of a run folder: two hundred clear errors."""

import random
import shutil

import pytest

from fewgan.cli import main

# Which command reads each file; the run is finished, so a resume would change nothing.
READERS = {
    "config.yaml": "resume {run}",
    "splits.json": "resume {run}",
    "model.json": "sample {run} --out {out}",
    "model.safetensors": "sample {run} --out {out}",
    "checkpoint/last.safetensors": "resume {run}",
    "checkpoint/best.safetensors": (
        "train acgan --data digits --size 16 --width 4 --steps 1 --warm-start {run} --out {out}"
    ),
    "metrics.jsonl": "resume {run}",
}


def flip(data: bytes, chance: random.Random) -> bytes:
    flipped = data
    # One white space for another says the same in JSON: nothing would be corrupted.
    while flipped.split() == data.split():
        place = chance.randrange(len(data))
        changed = bytes([data[place] ^ chance.randint(1, 255)])
        flipped = data[:place] + changed + data[place + 1 :]
    return flipped


def cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def zero(data: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data))
    # A stretch that is not zero already, or nothing would be corrupted.
    while not any(data[start : start + 64]):
        start = chance.randrange(len(data))
    return data[:start] + bytes(len(data[start : start + 64])) + data[start + 64 :]


def noise(data: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(len(data))


def lengthen(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + chance.randbytes(9) + data[place:]


CORRUPTIONS = [flip, flip, flip, cut, zero, noise, lengthen, None]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = tmp_path_factory.mktemp("fuzz") / "run"
    words = "--size 16 --width 4 --batch-size 8 --steps 4 --log-every 1 --check-images 20"
    assert main(["train", "acgan", "--data", "digits", *words.split(), "--out", str(run)]) == 0
    return run


@pytest.mark.parametrize("block", range(8))
def test_every_corruption_is_one_clear_error(block, finished, tmp_path, capsys):
    chance = random.Random(block)
    run, out = tmp_path / "run", tmp_path / "out.png"
    for _ in range(25):
        shutil.copytree(finished, run)
        name = chance.choice(list(READERS))
        corrupt = chance.choice(CORRUPTIONS)
        file = run / name
        if corrupt is None:
            file.unlink()
        else:
            file.write_bytes(corrupt(file.read_bytes(), chance))
        code = main([w.format(run=run, out=out) for w in READERS[name].split()])
        error = capsys.readouterr().err.strip()
        what = f"{corrupt and corrupt.__name__} of {name}: {error}"
        assert code == 2, what
        assert error.startswith("fewgan: "), what
        assert len(error.splitlines()) == 1, what
        assert name.split("/")[-1] in error or "resume" in error or "run folder" in error, what
        assert not out.exists(), what
        shutil.rmtree(run)
