import json

import pytest

from fewgan.errors import InputError
from fewgan.files import read_json, write_json
from fewgan.report.view import RunView, read_lines, read_picture

from .conftest import figure, make_run

SHARED = {"seconds": 1.0, "images": 64}


def write(path, *rows, end="\n"):
    path.write_text("\n".join(json.dumps(SHARED | row) for row in rows) + end)
    return path


def test_a_run_is_read_whole(run_folder):
    run = RunView.read(run_folder)
    assert (run.method, run.data, run.licence) == ("acgan", "digits", "CC BY 4.0")
    assert [f.name for f in run.figures] == ["kid", "coverage", "accuracy", "lpips", "copies"]
    assert run.figures[0].card.images_seen == 128000
    assert run.best is not None
    assert run.best["step"] == 1500
    assert run.last["step"] == 2000
    assert list(run.snapshots) == [500, 1000, 1500, 2000]
    assert set(run.pictures) == {"variation", "memorisation"}
    assert run.sample_picture == run_folder / "samples" / "step-0001500.png"


def test_a_run_that_has_just_begun_is_fine(tmp_path):
    path = make_run(tmp_path / "new", figures=None, lines=[])
    (path / "metrics.jsonl").unlink()
    run = RunView.read(path)
    assert (run.best, run.figures, run.alarms, run.sample_picture) == (None, (), [], None)
    assert run.last["step"] == 0


def test_the_data_are_named_without_the_way_to_them(tmp_path):
    run = RunView.read(make_run(tmp_path / "r", data="/srv/private/photos/"))
    assert run.data == "photos"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda p: (p / "model.json").unlink(), "has no model.json"),
        (lambda p: (p / "config.yaml").unlink(), "has no config.yaml"),
        (lambda p: (p / "config.yaml").write_text("steps: 3"), "config.yaml is damaged"),
        (lambda p: (p / "model.json").write_text("{"), "model.json is damaged"),
        (lambda p: (p / "evaluation.json").write_text("{}"), "evaluation.json is damaged"),
        (lambda p: write_json(p / "evaluation.json", {"figures": [{}]}), "fewgan evaluate"),
        (lambda p: (p / "metrics.jsonl").write_bytes(b"\xff\n"), "line 1 is damaged"),
    ],
)
def test_what_is_damaged_is_named(tmp_path, harm, said):
    path = make_run(tmp_path / "r")
    harm(path)
    with pytest.raises(InputError, match=said) as caught:
        RunView.read(path)
    assert len(str(caught.value).splitlines()) == 1


def test_settings_cannot_run_code(tmp_path):
    path = make_run(tmp_path / "r")
    text = f"a: !!python/object/apply:os.mkdir ['{tmp_path / 'owned'}']"
    (path / "config.yaml").write_text(text)
    model = read_json(path / "model.json")
    write_json(path / "model.json", {**model, "seals": {}})
    with pytest.raises(InputError, match=r"config\.yaml is damaged"):
        RunView.read(path)
    assert not (tmp_path / "owned").exists()


def test_no_such_folder(tmp_path):
    with pytest.raises(InputError, match="there is no run folder"):
        RunView.read(tmp_path / "gone")


def test_a_cut_last_line_is_left_out_and_any_other_is_named(tmp_path):
    path = write(tmp_path / "m.jsonl", {"step": 1}, {"step": 2}, end='\n{"step": 3, "sec')
    assert [line["step"] for line in read_lines(path)] == [1, 2]
    path.write_text(path.read_text() + "\n")
    with pytest.raises(InputError, match="line 3 is damaged"):
        read_lines(path)


@pytest.mark.parametrize("row", ["[1]", "7", '{"step": "x"}', '{"step": 1}', "[" * 100_000, ""])
def test_lines_of_another_kind_are_damaged(tmp_path, row):
    path = tmp_path / "m.jsonl"
    path.write_text(row + "\n")
    with pytest.raises(InputError, match="line 1 is damaged"):
        read_lines(path)


def test_lines_that_a_resumed_run_wrote_again_count_once(tmp_path):
    path = write(tmp_path / "m.jsonl", *({"step": s, "try": t} for s, t in
                                         [(1, 0), (2, 0), (3, 0), (2, 1), (4, 1)]))  # fmt: skip
    assert [(line["step"], line["try"]) for line in read_lines(path)][-2:] == [(2, 1), (4, 1)]
    assert 3 not in [line["step"] for line in read_lines(path)]


def test_losses_that_are_no_numbers_can_be_read(tmp_path):
    path = write(tmp_path / "m.jsonl", {"step": 1, "d/adversarial": float("nan")})
    assert len(read_lines(path)) == 1


def test_only_whole_png_pictures_are_shown(run_folder, tmp_path):
    whole = run_folder / "samples" / "variation.png"
    assert read_picture(whole) == whole.read_bytes()
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole.read_bytes()[:-200])
    text = tmp_path / "text.png"
    text.write_text("<svg onload=alert(1)>")
    for path in (cut, text, tmp_path / "gone.png"):
        with pytest.raises(InputError, match=path.name):
            read_picture(path)


def test_figures_keep_what_they_were_measured_with(tmp_path):
    path = make_run(
        tmp_path / "r", figures=[figure("fid", None, "lower", card={"note": "too few"})]
    )
    (found,) = RunView.read(path).figures
    assert (found.value, found.card.note, found.card.seed) == (None, "too few", 7)
