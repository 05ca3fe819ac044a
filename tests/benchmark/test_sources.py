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


def test_a_method_names_its_own_source_which_is_trained_on_each_data_set(write, tmp_path, capsys):
    old = DIGITS | {"data": None, "settings": SETTINGS}
    few = {"novel": None, "classes": "7,8", "batch_size": 4}
    methods = {
        "acgan": {"settings": {"class_balance": True}},
        "finetune": {"method": "each:finetune", "source": "old", "images": 8, "settings": few},
    }
    path = write(
        methods=methods,
        data={"digits": {"classes": ["7", "8"]}},
        sources={"old": old},
        shots=[5],
        images=32,
        n=40,
        metrics=["accuracy"],
        settings={"novel": "7,8", "size": 16, "width": 4, "batch_size": 8, "check_images": 40},
    )
    out = tmp_path / "out"
    assert benchmark(path, out) == 0
    assert "source on old-digits" in capsys.readouterr().err
    assert read_json(out / "sources" / "old-digits" / "cell.json")["steps"] == 2
    shown, few = (read_json(out / name / "digits" / "5" / "0" / "cell.json") for name in methods)
    assert (shown["steps"], few["steps"]) == (4, 2)
    for record in (shown, few):
        figure = record["checkpoints"]["last"]["figures"][0]
        assert set(figure["per_class"]) == {"7", "8"}


def test_a_protocol_asks_whether_the_images_help(write, tmp_path, capsys):
    path = write(
        methods=["acgan"],
        data=["digits"],
        shots=[5],
        seeds=[0, 1],
        images=16,
        n=40,
        metrics=["kid"],
        uplift={"seeds": 2, "updates": 2},
        settings={"size": 16, "width": 4, "batch_size": 8, "check_images": 40},
    )
    out = tmp_path / "out"
    assert benchmark(path, out) == 0
    assert "Uplift" in capsys.readouterr().out
    gains = []
    for seed in "01":
        cell = out / "acgan" / "digits" / "5" / seed
        found = read_json(cell / "cell.json")["checkpoints"]["best"]["figures"]
        figures = {f["name"]: f for f in found}
        told = read_json(cell / "uplift.json")
        gains.append(told["gains"]["uplift"]["mean"])
        assert figures["uplift"]["value"] == gains[-1]
        assert figures["uplift"]["card"]["note"].startswith(told["verdict"])
        assert {"classic_uplift", "uplift_over_classic"} < figures.keys()
    [answer] = read_json(out / "table.json")["verdicts"]["digits, 5 shots"]
    assert f": {sum(gains) / 2:+.1f} +- " in answer
    assert answer in (out / "table.md").read_text()
