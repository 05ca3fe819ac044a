"""Whatever a person gets wrong: one clear line, exit code 2, and nothing lost."""

import errno
import json
import shutil
import warnings
from pathlib import Path

import pytest
import torch
from PIL import Image

from conftest import make_blobs, write_folder
from fewgan.cli import main
from fewgan.files import read_json, write_json

TINY = ["--size", "16", "--width", "4", "--batch-size", "8", "--steps", "2", "--check-images", "20"]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a run and with every kind of bad data."""
    root = tmp_path_factory.mktemp("bad")
    assert main(["train", "acgan", "--data", "digits", *TINY, "--out", str(root / "run")]) == 0
    write_folder(make_blobs(12), root / "good")
    (root / "empty").mkdir()
    write_folder(make_blobs(1, 1), root / "one")
    shutil.copytree(root / "good", root / "corrupt")
    (root / "corrupt" / "band 0" / "broken.png").write_bytes(b"this is no picture")
    shutil.copytree(root / "good", root / "hollow")
    (root / "hollow" / "nobody").mkdir()
    for name in ("a", "b"):
        (root / "colour" / name).mkdir(parents=True)
        for i in range(3):
            picture = Image.new("RGB", (16, 16), (200, 30 * i, 10))
            picture.save(root / "colour" / name / f"{i}.png")
    write_folder(make_blobs(12), root / "flat" / "x")
    (root / "present.npz").write_bytes(b"kept")
    (root / "not.yaml").write_text("method: [unclosed")
    (root / "code.yaml").write_text("method: !!python/object/apply:os.system ['touch owned']")
    (root / "list.yaml").write_text("- acgan")
    (root / "nothing.yaml").write_text("steps: 3\n")
    for name in ("cut", "future", "foreign"):
        shutil.copytree(root / "run", root / name)
    (root / "cut" / "model.json").unlink()
    model = read_json(root / "future" / "model.json")
    write_json(root / "future" / "model.json", {**model, "format": 99, "fewgan": "9.0"})
    model = read_json(root / "foreign" / "model.json")
    write_json(root / "foreign" / "model.json", {**model, "method": "acgn"})
    return root


# What is typed (after `fewgan`, in the folder `place`), and what the one line must say.
CASES = {
    "unknown command": ("trian", "train"),
    "unknown method": ("train acgn --data digits", "unknown method 'acgn': did you mean 'acgan'?"),
    "no method": ("train --data digits", "name a method"),
    "unknown data": ("train acgan --data digit", "unknown data set 'digit': did you mean 'digits'"),
    "no data": ("train acgan", "give --data"),
    "absent folder": ("train acgan --data ./nowhere", "nowhere"),
    "file as folder": ("train acgan --data not.yaml", "is a file"),
    "unknown setting": ("train acgan --data digits --widht 8", "--width"),
    "wrong type": ("train acgan --data digits --steps many", "steps"),
    "out of range": ("train acgan --data digits --width 1", "greater than or equal to 4"),
    "not a choice": ("train acgan --data digits --trunk vgg", "trunk"),
    "bad size": ("train acgan --data digits --size 33", "has no size 33"),
    "trunk too small": ("train acgan --data digits --trunk resnet --size 16", "no size 16"),
    "unknown class": ("train acgan --data digits --classes 3,11", "unknown class '11'"),
    "too many shots": ("train acgan --data digits --shots 5000", "5000"),
    "too many shots in a folder": ("train acgan --data good --shots 7", "band 0"),
    "empty folder": ("train acgan --data empty", "empty"),
    "one image": ("train acgan --data one", "one"),
    "corrupt image": ("train acgan --data corrupt", "broken.png"),
    "empty class": ("train acgan --data hollow", "nobody"),
    "labels wanted": ("train acgan --data flat/x/band#0", "needs labelled images"),
    "out exists": ("train acgan --data digits --out run", "already holds another run"),
    "out has files": ("train acgan --data digits --out good", "already holds other files"),
    "out is a file": ("train acgan --data digits --out not.yaml", "is a file"),
    "no GPU": ("train acgan --data digits --device cuda", "no GPU"),
    "config absent": ("train --config gone.yaml", "gone.yaml"),
    "config not YAML": ("train --config not.yaml", "not YAML"),
    "config with code": ("train --config code.yaml", "not YAML"),
    "config a list": ("train --config list.yaml", "has no settings"),
    "config without method": ("train --config nothing.yaml", "names no method"),
    "warm start of other size": (
        "train acgan --data digits --size 32 --warm-start run", "16 px"
    ),
    "fetch nothing": ("data fetch", "name a data set"),
    "fetch unknown": ("data fetch mnits", "did you mean 'mnist'"),
    "not fetched": ("train acgan --data mnist", "fewgan data fetch mnist"),
    "show unknown": ("data show digit", "did you mean 'digits'"),
    "no run": ("sample gone --out a.png", "there is no run folder gone"),
    "not a run": ("sample good --out a.png", "no model.json"),
    "incomplete run": ("resume cut", "no model.json"),
    "future run": ("sample future --out a.png", "newer"),
    "method not installed": ("sample foreign --out a.png", "unknown method 'acgn'"),
    "sample no class": ("sample run --label 12 --out a.png", "unknown class '12'"),
    "sample none": ("sample run --n 0 --out a.png", "at least 1"),
    "sample kind": ("sample run --out a.jpg", "give FILE.png, FILE.npz or a folder"),
    "sample over": ("sample run --out list.yaml/a.png", "list.yaml"),
    "sample exists": ("sample run --out present.npz", "already exists"),
    "sample nowhere": ("sample run --out missing/a.npz", "there is no folder missing"),
    "walk kind": ("interpolate run --out a.mp4", "give FILE.png or FILE.gif"),
    "colour against grey": ("evaluate run --data colour", "colour"),
    "unknown metric": ("evaluate run --data digits --metrics fdi", "did you mean 'fid'"),
    "unknown extractor": ("evaluate run --data digits --extractor incption", "'inception'"),
    "no Inception": ("evaluate run --data digits --extractor inception", "weights"),
    "other classes": ("evaluate run --data good", "has no images of class '0'"),
    "compare unevaluated": ("compare run good", "good"),
    "report of no run": ("report good", "good"),
}  # fmt: skip


def run_in(place: Path, line: str, monkeypatch) -> int:
    monkeypatch.chdir(place)
    monkeypatch.setenv("FEWGAN_OFFLINE", "1")
    # Words with a space are written with a hash.
    return main([word.replace("#", " ") for word in line.split()])


def snapshot(place: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in place.rglob("*") if p.is_file()}


@pytest.mark.parametrize("case", CASES)
def test_one_clear_line_exit_2_and_nothing_lost(case, place, monkeypatch, capsys):
    line, says = CASES[case]
    before = snapshot(place)
    assert run_in(place, line, monkeypatch) == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert error.startswith("fewgan: ")
    assert len(error.splitlines()) == 1
    assert "Traceback" not in error
    assert snapshot(place) == before


def test_corrupt_images_are_skipped_when_asked(place, tmp_path, monkeypatch):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        line = f"train acgan --data corrupt --skip-corrupt --out {tmp_path / 'r'}"
        assert run_in(place, " ".join([line, *TINY]), monkeypatch) == 0
    assert any("broken.png" in str(w.message) for w in caught)


FAILURES = {
    "no space": (OSError(errno.ENOSPC, "No space left on device"), "No space left"),
    "no permission": (PermissionError(errno.EACCES, "Permission denied"), "Permission denied"),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("line", ["sample run --out new.npz", "sample run --out new.png"])
def test_outputs_that_cannot_be_written(failure, line, place, monkeypatch, capsys):
    error, says = FAILURES[failure]

    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    before = snapshot(place)
    assert run_in(place, line, monkeypatch) == 2
    assert says in capsys.readouterr().err
    assert snapshot(place) == before


@pytest.mark.parametrize("failure", FAILURES)
def test_a_run_folder_that_cannot_be_made(failure, place, monkeypatch, capsys):
    error, says = FAILURES[failure]

    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    before = snapshot(place)
    line = " ".join(["train acgan --data digits --out new", *TINY])
    assert run_in(place, line, monkeypatch) == 2
    message = capsys.readouterr().err
    assert says in message
    assert len(message.strip().splitlines()) == 1
    assert snapshot(place) == before


def test_a_disk_that_fills_up_while_training_loses_nothing(place, tmp_path, monkeypatch, capsys):
    """The checkpoint of step 2 stays whole when that of step 4 cannot be written."""
    from fewgan.training import checkpoint

    write, written = checkpoint.write, []

    def fill_up(path, tensors, meta):
        if len(written) >= 4:  # the start; best, model and last of the first check
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        written.append(path)
        write(path, tensors, meta)

    monkeypatch.setattr(checkpoint, "write", fill_up)
    run = tmp_path / "run"
    words = f"train acgan --data digits --out {run} --check-every 2".split()
    assert main([*words, *[w.replace("2", "6") if w == "2" else w for w in TINY]]) == 2
    assert "No space left" in capsys.readouterr().err
    monkeypatch.undo()
    assert main(["resume", str(run)]) == 0
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").open()]
    assert steps == [2, 4, 6]


def test_two_processes_on_one_run(place, monkeypatch, capsys):
    from fewgan.training.folder import RunFolder

    with RunFolder(place / "run").lock():
        assert run_in(place, "resume run", monkeypatch) == 2
    assert "another process is training" in capsys.readouterr().err


def test_changed_data_are_not_resumed(tmp_path, capsys):
    folder = write_folder(make_blobs(40), tmp_path / "data")
    run = tmp_path / "run"
    assert main(["train", "dcgan", "--data", str(folder), *TINY, "--out", str(run)]) == 0
    Image.new("L", (16, 16), 7).save(folder / "band 0" / "new.png")
    assert main(["resume", str(run)]) == 2
    assert "other images" in capsys.readouterr().err


def test_everything_trained_on_leaves_nothing_to_measure_with(tmp_path, capsys):
    folder = write_folder(make_blobs(40), tmp_path / "data")
    run = tmp_path / "run"
    words = ["--data", str(folder), *TINY, "--holdout", "0", "--out", str(run)]
    assert main(["train", "acgan", *words]) == 0
    assert main(["evaluate", str(run), "--data", str(folder)]) == 2
    assert "was held out" in capsys.readouterr().err


def test_the_caller_gets_exceptions_with_the_same_words():
    import fewgan
    from fewgan.errors import InputError

    with pytest.raises(InputError, match="unknown setting 'widht': did you mean 'width'"):
        fewgan.train("acgan", "digits", widht=3)
    assert torch.is_tensor(fewgan.datasets.load("digits", size=16).images)
