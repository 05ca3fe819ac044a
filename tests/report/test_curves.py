import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from fewgan.report.curves import (
    BINS,
    SERIES,
    binned,
    exploded,
    loss_charts,
    loss_curves,
    metric_charts,
    metric_curves,
    svg,
)

from .conftest import log_lines

SHARED = {"seconds": 1.0, "images": 64}


def test_a_chart_for_each_loss_term_with_a_curve_for_each_player():
    charts = {chart.title: chart for chart in loss_charts(log_lines())}
    assert list(charts) == ["Loss: adversarial", "Loss: class"]
    assert list(charts["Loss: adversarial"].series) == ["D", "G"]
    assert charts["Loss: adversarial"].series["G"][-1] == (2000, 2.0)


def test_the_best_step_is_the_last_that_was_marked():
    kid, variety, speed = metric_charts(log_lines())
    assert kid.best == (1500, 0.01)
    assert (variety.level, variety.from_zero, speed.from_zero) == (1.0, True, True)


def test_alarms_are_marked_in_every_chart():
    alarm = SHARED | {"step": 700, "alarm": "collapse", "kid": 1.0}
    charts = [*loss_charts([*log_lines(), alarm]), *metric_charts([*log_lines(), alarm])]
    assert all(list(chart.alarms) == [700] for chart in charts)


def test_what_is_no_number_leaves_a_gap():
    lines = [SHARED | {"step": s, "g/loss": v} for s, v in ((1, 1.0), (2, float("nan")), (3, 3.0))]
    (chart,) = loss_charts(lines)
    assert chart.series["G"] == [(1, 1.0), (3, 3.0)]
    assert loss_curves([SHARED | {"step": 1, "g/loss": float("inf")}]) == []


def test_a_run_without_lines_has_no_charts():
    assert loss_curves([]) == metric_curves([]) == []


def test_long_curves_are_averaged_between_their_least_and_most():
    noise = np.random.default_rng(0).normal(size=10_000)
    points = list(enumerate(noise.tolist()))
    steps, means, low, high = binned(points)
    assert len(steps) <= BINS
    assert min(low) == noise.min()
    assert max(high) == noise.max()
    assert all(a <= b <= c for a, b, c in zip(low, means, high, strict=True))
    assert np.average(means, weights=[len(points[i : i + 63]) for i in range(0, 10_000, 63)]) == (
        pytest.approx(noise.mean())
    )
    assert binned(points[:3]) == ([0, 1, 2], *[noise[:3].tolist()] * 3)


def test_an_explosion_is_noticed_whatever_its_sign():
    assert exploded([1.0] * 9 + [-1e5])
    assert not exploded([0.1, 5.0, 0.2, 3.0])
    assert not exploded([])
    assert not exploded([0.0, 0.0, 0.0, 0.01, 0.15])
    assert exploded([0.0, 0.0, 0.0, 1e-3, 1e-3, 9.0])


def test_curves_are_small_deterministic_and_ask_nobody():
    texts = loss_curves(log_lines()) + metric_curves(log_lines())
    assert texts == loss_curves(log_lines()) + metric_curves(log_lines())
    for text in texts:
        assert len(text) < 30_000
        assert "http" not in text
        assert "<style" not in text
        root = ET.fromstring(text.replace("xlink:href", "href"))
        assert root.tag == "svg"
        assert "over training steps" in root.attrib["aria-label"]


def test_ids_of_two_charts_never_meet():
    texts = loss_curves(log_lines()) + metric_curves(log_lines())
    ids = [set(re.findall(r'\sid="([^"]+)"', text)) for text in texts]
    assert all(ids)
    assert sum(map(len, ids)) == len(set().union(*ids))
    for text, own in zip(texts, ids, strict=True):
        assert set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text)) - {("", "")}
        asked = {a or b for a, b in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text)}
        assert asked <= own


def test_colours_follow_the_theme_of_the_page():
    text = svg(metric_charts(log_lines())[0])
    assert "var(--series-1)" in text
    assert "var(--ink)" in text
    assert not any(colour in text for colour in SERIES)


def test_names_of_losses_stay_text():
    (text,) = loss_curves([SHARED | {"step": s, "g/<b>$x": 1.0 * s} for s in (1, 2)])
    assert "<b>" not in text
    assert "&lt;b&gt;$x" in text


def test_png_files(tmp_path):
    metric_curves(log_lines(), tmp_path / "metrics.png")
    loss_curves(log_lines(), tmp_path / "losses.png")
    with Image.open(tmp_path / "metrics.png") as three, Image.open(tmp_path / "losses.png") as two:
        assert three.height == 2 * two.height  # two to a row
        assert len(np.unique(np.asarray(three.convert("L")))) > 10
