import base64
import io
import json
import re
import shutil
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image

from fewgan import outputs
from fewgan.errors import InputError
from fewgan.report.card import write_card
from fewgan.report.compare import differences, grid_of
from fewgan.report.curves import figure_curve, loss_curves, variety_curve
from fewgan.report.page import write_report
from fewgan.report.view import RunView, card_line, number, read_lines


def page_of(view, tmp_path):
    return write_report(view, tmp_path / "report.html").read_text()


def test_the_page_holds_everything_itself(evaluated, tmp_path):
    text = page_of(RunView.read(evaluated[0]), tmp_path)
    # Names of XML namespaces inside the curves are no addresses that anything asks.
    asked = re.findall(r'(?:src|href|url)\s*[=(]\s*["\']?(?!data:|#)([^"\')\s>]+)', text)
    assert asked == []
    assert "<script" not in text
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert len(pictures) == 4
    for data in pictures:
        Image.open(io.BytesIO(base64.b64decode(data, validate=True))).load()
    assert text.count("<svg") == 3


class Balance(HTMLParser):
    """Checks that what is opened is closed, and collects the words."""

    VOID = frozenset(("meta", "img", "br"))

    def __init__(self):
        super().__init__()
        self.open, self.words = [], []

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            assert dict(attrs)["alt"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_every_figure_stands_with_its_card(evaluated, tmp_path):
    view = RunView.read(evaluated[0])
    parser = Balance()
    text = page_of(view, tmp_path)
    parser.feed(re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL))
    assert parser.open == []
    words = " ".join(parser.words)
    assert "KID" in words
    assert "coverage" in words
    for figure in view.figures:
        assert number(figure["value"]) in words
        assert card_line(figure["card"]) in words
    card = view.figures[0]["card"]
    assert (card["steps"], card["n_fake"]) == (view.about["step"], 60)


def test_strange_names_stay_words(evaluated, tmp_path):
    view = RunView.read(evaluated[0])
    evil = '<script>alert("x")</script>'
    model = {**view.model, "data": evil, "licence": evil, "class_names": [evil]}
    text = page_of(replace(view, model=model), tmp_path)
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_a_run_without_an_evaluation_says_how_to_get_one(evaluated, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(evaluated[0], run)
    (run / "evaluation.json").unlink()
    text = page_of(RunView.read(run), tmp_path)
    assert "Not measured yet" in text
    assert "Not evaluated yet" in write_card(RunView.read(run), tmp_path / "README.md").read_text()


def test_alarms_are_shown(evaluated, tmp_path):
    view = RunView.read(evaluated[0])
    line = {"step": 9, "alarm": "collapse: 3 of 10 classes"}
    assert "step 9: collapse: 3 of 10 classes" in page_of(replace(view, lines=[line]), tmp_path)


def test_curves_are_svg_and_deterministic(evaluated):
    view = RunView.read(evaluated[0])
    for draw, lines in (
        (loss_curves, view.losses),
        (figure_curve, view.checks),
        (variety_curve, view.checks),
    ):
        svg = draw(lines)
        assert ET.fromstring(svg).tag.endswith("svg")
        assert svg == draw(lines)
    assert "d/adversarial" in loss_curves(view.losses)


def test_the_card_names_data_licence_and_figures(evaluated, tmp_path):
    view = RunView.read(evaluated[0])
    text = write_card(view, tmp_path / "README.md").read_text()
    for said in (view.model["licence"], "digits", "coverage", "fewgan resume", "0, 1, 2"):
        assert said in text


def test_damaged_lines_are_named_and_a_cut_last_line_is_not(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert [line["step"] for line in read_lines(file)] == [1, 2]
    file.write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(InputError, match="line 2 is damaged"):
        read_lines(file)


def test_compare_marks_the_best_and_names_differences(evaluated, tmp_path):
    views = [RunView.read(path) for path in evaluated]
    head, rows = grid_of(views)
    kid = head.index("KID")
    values = [view.figures[0]["value"] for view in views]
    starred = [row[kid].endswith("*") for row in rows]
    assert starred == [value == min(values) for value in values]
    coverage = head.index("coverage")
    assert any(row[coverage].endswith("*") for row in rows)
    assert differences(views) == []
    other = json.loads(json.dumps(views[1].evaluation))
    for figure in other["figures"]:
        figure["card"]["n_fake"] = 500
    warning = differences([views[0], replace(views[1], evaluation=other)])
    assert len(warning) == 1
    assert warning[0].startswith("n_fake differs")


@pytest.mark.parametrize("suffix", ["md", "html"])
def test_compare_writes_files(evaluated, tmp_path, suffix):
    out = tmp_path / f"c.{suffix}"
    rows, _ = outputs.compare_runs(evaluated, out)
    assert [row["method"] for row in rows] == ["acgan", "dcgan"]
    text = out.read_text()
    assert "acgan" in text
    assert "coverage" in text
    assert text.count("data:image/png") == (2 if suffix == "html" else 0)


def test_compare_refuses_what_was_not_evaluated(evaluated, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(evaluated[0], run)
    (run / "evaluation.json").unlink()
    with pytest.raises(InputError, match="was not evaluated"):
        outputs.compare_runs([run], None)
    with pytest.raises(InputError, match=r"FILE.md or FILE.html"):
        outputs.compare_runs(evaluated, tmp_path / "c.txt")
