import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image

from fewgan.errors import InputError
from fewgan.metrics.suite import Figure
from fewgan.report.card import write_card
from fewgan.report.markdown import plain
from fewgan.report.markup import Html, tag
from fewgan.report.page import page, write_report
from fewgan.report.view import RunView
from fewgan.report.words import card, gloss, plus_minus, title

from .conftest import FIGURES, figure, log_lines, make_run

EVIL = "<script>alert('x')</script>\"&"


class Reader(HTMLParser):
    """Checks that what is opened is closed; keeps the words, and the attributes of each element."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.elements: list[tuple[str, dict]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def test_the_page_asks_nobody(run_folder):
    text = page(RunView.read(run_folder))
    assert "http://" not in text
    assert "https://" not in text
    found = Reader(text)
    for name, attributes in found.elements:
        assert name not in ("script", "link", "iframe", "object", "form")
        assert not any(key.startswith("on") for key in attributes)
        for key in ("src", "href", "xlink:href"):
            assert attributes.get(key, "#").startswith(("#", "data:image/png;base64,"))
    assert "url(#" in text
    assert re.findall(r"url\((?!#)", text) == []
    (policy,) = [m["content"] for m in found.all("meta") if "http-equiv" in m]
    assert policy.startswith("default-src 'none'")


def test_every_picture_is_inside_and_has_words(run_folder):
    images = Reader(page(RunView.read(run_folder))).all("img")
    assert len(images) == 1 + 4 + 2  # samples, snapshots, variation and memorisation
    for image in images:
        assert image["alt"]
        data = base64.b64decode(image["src"].partition("base64,")[2], validate=True)
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            assert picture.format == "PNG"


def test_the_caption_names_the_step_that_is_shown(run_folder):
    assert "Generated images at step 1,500." in page(RunView.read(run_folder))
    (run_folder / "samples" / "step-0001500.png").unlink()
    assert "Generated images at step 2,000." in page(RunView.read(run_folder))


def test_links_lead_to_sections_and_headings_are_in_order(run_folder):
    found = Reader(page(RunView.read(run_folder)))
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for a in found.all("a")} <= set(ids)
    assert {s["aria-labelledby"] for s in found.all("section")} <= set(ids)
    assert len(found.all("h1")) == 1
    assert all(th.get("scope") for th in found.all("th"))
    assert found.all("html") == [{"lang": "en"}]


def test_every_figure_stands_with_its_card_and_with_real_images(run_folder):
    text = Reader(page(RunView.read(run_folder))).text
    for entry in FIGURES:
        found = Figure.model_validate(entry)
        assert title(found.name) in text
        assert gloss(found.name) in text
        assert plus_minus(found.value, found.spread) in text
        assert card(found) in text
    assert "Real against real" in text
    assert "no weights here" in text
    assert "-0.0111" in text


def test_figures_of_each_class_are_there(run_folder):
    rows = re.findall(r'<tr><th scope="row">(\w)</th><td>([\d.]+)</td></tr>',
                      page(RunView.read(run_folder)))  # fmt: skip
    assert rows == [("0", "0.9000"), ("1", "0.5000")]


def test_names_from_strangers_stay_words(tmp_path):
    alarm = {"step": 3000, "seconds": 1.0, "images": 9, "alarm": EVIL}
    strange = figure("kid", 0.1, "lower", per_class={EVIL: 0.5}, spread=0.1, spread_is=EVIL,
                     card={"reference": EVIL, "note": EVIL, "about": EVIL})  # fmt: skip
    path = make_run(tmp_path / EVIL.replace("/", "|"), figures=[strange], names=[EVIL] * 2,
                    lines=[*log_lines(), alarm], data=EVIL.replace("/", "|"))  # fmt: skip
    run = RunView.read(path)
    run = replace(run, model={**run.model, "licence": EVIL, "size": EVIL})
    found = Reader(page(run))
    assert found.all("script") == []
    assert EVIL in found.text
    readme = write_card(run).read_text()
    assert re.findall(r"(?<!\\)<", re.sub(r"^    .*$", "", readme, flags=re.MULTILINE)) == []


def test_a_run_without_evaluation_pictures_or_log_has_a_page(tmp_path):
    run = RunView.read(make_run(tmp_path / "bare", figures=None, lines=[], names=()))
    found = Reader(write_report(run).read_text())
    assert "has not been evaluated yet" in found.text
    assert "fewgan evaluate bare --data NAME" in found.text
    assert found.all("img") == found.all("svg") == []
    assert "Samples" not in found.text


def test_alarms_stand_above_the_figures_and_long_lists_are_folded(tmp_path):
    alarms = [
        {"step": 2000 + i, "seconds": 1.0, "images": 9, "alarm": f"collapse {i}"} for i in range(9)
    ]
    run = RunView.read(make_run(tmp_path / "r", lines=[*log_lines(), *alarms]))
    text = Reader(page(run)).text
    assert text.index("Training raised 9 alarms") < text.index("Step 2,004: collapse 4")
    assert (
        text.index("4 more")
        < text.index("Step 2,005: collapse 5")
        < text.index("Each figure stands")
    )


def test_curves_are_inside_and_have_words(run_folder):
    charts = Reader(page(RunView.read(run_folder))).all("svg")
    assert len(charts) == 5
    assert all(chart["role"] == "img" for chart in charts)
    assert any("best 0.0100 at step 1,500" in chart["aria-label"] for chart in charts)


def test_settings_licence_and_commands_are_there(run_folder):
    text = Reader(page(RunView.read(run_folder))).text
    for said in ("width: 8", "CC BY 4.0", "fewgan 0.1.0",
                 "fewgan train --config acgan-digits/config.yaml --out acgan-digits-again",
                 "fewgan evaluate acgan-digits-again --data digits --n 1000 --seed 7"):  # fmt: skip
        assert said in text


def test_a_damaged_picture_is_named_and_the_old_page_stays(run_folder):
    run = RunView.read(run_folder)
    before = write_report(run).read_bytes()
    (run_folder / "samples" / "variation.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"variation\.png"):
        write_report(run)
    assert (run_folder / "report.html").read_bytes() == before


def test_the_page_is_the_same_each_time(run_folder):
    assert page(RunView.read(run_folder)) == page(RunView.read(run_folder))


def test_the_style_knows_both_themes_and_small_screens(run_folder):
    text = page(RunView.read(run_folder))
    assert "prefers-color-scheme: dark" in text
    assert "max-width: 36rem" in text
    assert 'name="viewport"' in text
    variables = set(re.findall(r"var\((--[\w-]+)\)", text))
    assert variables <= set(re.findall(r"(--[\w-]+):", text))


def test_the_card_says_what_it_is_how_it_was_measured_and_how_to_use_it(run_folder):
    run = RunView.read(run_folder)
    text = write_card(run).read_text()
    assert text.startswith("# acgan on digits\n")
    for said in ("![Generated images](samples/step-0001500.png)", "CC BY 4.0",
                 "KID | 0.057 ± 0.025", "fewgan resume", "fewgan sample acgan-digits",
                 "Real against real"):  # fmt: skip
        assert said in text
    for found in run.figures:
        assert plain(card(found)) in text


def test_tags_escape_what_is_not_html_already():
    made = tag("p", "a < b", tag("b", "&"), title='"', data_label="x", hidden=None)
    assert made == '<p title="&quot;" data-label="x">a &lt; b<b>&amp;</b></p>'
    assert isinstance(made, Html)
