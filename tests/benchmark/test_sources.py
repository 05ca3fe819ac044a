"""Protocols whose methods go on from a source: it is trained first, once, or all is said."""

from benchmark.test_runner import benchmark
from fewgan.files import read_json

DIGITS = {"method": "acgan", "data": "digits", "images": 16}
SETTINGS = {"classes": "0,1,2", "size": 16, "width": 4, "batch_size": 8, "check_images": 40}
ADAPTED = {
    "methods": ["finetune", "minegan"],
    "data": {"nine": {"data": "digits", "source": "few", "settings": {"classes": "9"}}},
    "sources": {"few": DIGITS | {"settings": SETTINGS}},
    "shots": [5],
    "images": 32,
    "metrics": ["kid"],
    "settings": {"batch_size": 8, "check_images": 40},
}


def test_a_source_is_trained_first_and_once(write, tmp_path, capsys):
    path, out = write(**ADAPTED), tmp_path / "out"
    assert benchmark(path, out, "--workers", "2") == 0
    printed = capsys.readouterr()
    said = printed.err
    assert said.index("source on few") < said.index("finetune on nine")
    assert "Correspondence" in printed.out
    record = out / "sources" / "few" / "cell.json"
    assert read_json(record)["steps"] == 2
    config = (out / "minegan" / "nine" / "5" / "0" / "config.yaml").read_text()
    assert "source_classes: 3" in config
    made = record.stat().st_mtime_ns
    assert benchmark(path, out, "--methods", "finetune") == 0
    assert record.stat().st_mtime_ns == made


def test_a_source_that_fails_is_named(write, tmp_path, capsys):
    broken = DIGITS | {"settings": SETTINGS | {"warm_start": str(tmp_path / "gone")}}
    path = write(**ADAPTED | {"sources": {"few": broken}})
    assert benchmark(path, tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert "source few failed, and others go on from it: there is no run folder" in said


def test_sources_that_are_not_there_are_named(write, tmp_path, capsys):
    path = write(**ADAPTED | {"sources": {"some": DIGITS | {"settings": SETTINGS}}})
    assert benchmark(path, tmp_path / "out") == 2
    assert "unknown source 'few': choose from some" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    path = write(**ADAPTED | {"sources": {}, "data": {"digits": {}}})
    assert benchmark(path, tmp_path / "out") == 2
    assert "fewgan adapt RUN finetune" in capsys.readouterr().err
