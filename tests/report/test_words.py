import pytest

from fewgan.metrics.suite import Figure
from fewgan.report.view import RunView
from fewgan.report.words import (
    by_card,
    commands,
    count,
    duration,
    eyes,
    number,
    plus_minus,
    remarks,
    summary,
    title,
)

from .conftest import FIGURES, figure, log_lines, make_run


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"), (float("nan"), "-"), (float("inf"), "-"), (0.0, "0"), (12, "12"),
        (256000, "256,000"), (1234.5, "1,234"), (20.2222, "20.22"), (1.96498, "1.965"),
        (0.81, "0.8100"), (-0.010817, "-0.0108"), (0.0000661, "6.6e-05"), (-3.5e-7, "-3.5e-07"),
    ],
)  # fmt: skip
def test_numbers_show_what_counts(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "spread", "text"),
    [
        (0.150403, 0.034966, "0.150 ± 0.035"), (12.345, 1.26, "12.3 ± 1.3"),
        (123.4, 56.7, "123 ± 57"), (0.5, None, "0.5000"), (0.5, 0.0, "0.5000"),
        (None, 0.1, "-"), (0.5, float("nan"), "0.5000"),
    ],
)  # fmt: skip
def test_a_value_has_as_many_digits_as_its_spread(value, spread, text):
    assert plus_minus(value, spread) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (309, "5 min 09 s"), (7262, "2 h 01 min")],
)
def test_time_spans(seconds, text):
    assert duration(seconds) == text


def test_names_that_are_not_known_are_still_readable():
    assert (title("kid"), title("my_own_figure")) == ("KID", "My own figure")
    assert (count(1, "alarm"), count(2, "alarm")) == ("1 alarm", "2 alarms")


def test_figures_stand_under_the_card_they_share():
    figures = [Figure.model_validate(entry) for entry in FIGURES]
    (first, members), (second, rest) = by_card(figures)
    assert [f.name for f in members] == ["kid", "coverage", "accuracy", "lpips"]
    assert [f.name for f in rest] == ["copies"]
    for said in ("in-domain", "64 features", "1,000 generated", "355 real", "digits, held out",
                 "1442 images", "seed 7", "2,000 steps", "128,000 images seen"):  # fmt: skip
        assert said in first
    assert second.startswith("random, ")
    assert remarks(members[0]) == "± is bootstrap interval"
    assert remarks(members[1]) == "k = 5"
    assert remarks(members[3]) == "no weights here"


def test_a_classifier_that_is_judged_by_its_answers_has_no_features():
    told = Figure.model_validate(FIGURES[0]).card
    assert eyes(told).endswith(", 64 features")
    assert "features" not in eyes(told.model_copy(update={"dim": 0}))


def test_the_summary_says_what_happened(tmp_path):
    alarm = {"step": 2000, "seconds": 100.0, "images": 128000, "alarm": "collapse"}
    run = RunView.read(make_run(tmp_path / "r", figures=None, lines=[*log_lines(), alarm]))
    text = summary(run)
    for said in ("acgan", "1,442 grey images of digits in 10 classes", "2,000 steps",
                 "128,000 images seen", "1 min 40 s", "step 1,500", "not been evaluated",
                 "1 alarm."):  # fmt: skip
        assert said in text


def test_commands_are_safe_to_paste(tmp_path):
    run = RunView.read(make_run(tmp_path / "a b; rm x", figures=[figure("kid", 0.1, "lower")]))
    train, evaluate, sample = commands(run)
    assert train == "fewgan train --config 'a b; rm x/config.yaml' --out 'a b; rm x-again'"
    assert evaluate.endswith("--data digits --n 1000 --seed 7 --checkpoint best")
    assert sample.startswith("fewgan sample 'a b; rm x'")
