"""Which checks count as failures: those with an alarm, else the worst one after the best."""

import pytest
import torch

from fewgan.report.failures import failures
from fewgan.report.grids import grid, save_png
from fewgan.report.view import RunView

from .conftest import make_run

GREY = torch.full((1, 1, 8, 8), 90, dtype=torch.uint8)


@pytest.fixture
def make(tmp_path):
    """A run with a check and a grid at each of some steps: KIDs, the best step, alarms by step."""

    def run(kids, best, alarms=(), without=()):
        lines = []
        for i, kid in enumerate(kids, 1):
            line = {"step": 100 * i, "seconds": float(i), "images": i, "kid": kid}
            alarm = {"alarm": f"alarm at {100 * i}"} if 100 * i in alarms else {}
            lines.append({**line, "best": 100 * i <= best, **alarm})
        path = make_run(tmp_path / "run", lines=lines)
        for line in lines:
            if line["step"] not in without:
                save_png(grid(GREY, 1), path / "samples" / f"step-{line['step']:07d}.png")
        return RunView.read(path)

    return run


def test_a_run_that_only_got_better_has_none(make):
    assert failures(make([0.4, 0.3, 0.2], best=300)) == []


def test_without_alarms_it_is_the_worst_after_the_best(make):
    run = make([0.9, 0.1, 0.3, 0.5, 0.2], best=200)
    assert failures(run) == [(400, "worst check after the best, KID 0.5000")]


def test_a_check_no_worse_than_the_best_is_no_failure(make):
    assert failures(make([0.4, 0.2, 0.2], best=200)) == []


def test_alarms_come_first_and_are_the_first_the_worst_and_the_last(make):
    run = make([0.2, 0.4, 0.9, 0.6, 0.5], best=100, alarms=(200, 300, 400, 500))
    assert [failure.step for failure in failures(run)] == [200, 300, 500]
    assert failures(run)[0].said == "alarm at 200"


def test_a_kid_that_is_no_number_is_the_worst(make):
    assert failures(make([0.2, 0.4, float("nan"), 0.9], best=100))[0].step == 300


def test_a_check_without_a_grid_cannot_be_shown(make):
    assert failures(make([0.1, 0.9, 0.5], best=100, without=(200,)))[0].step == 300
    assert failures(make_only_lines()) == []


def make_only_lines():
    """A view of a run that has lines and no pictures at all."""
    line = {"step": 1, "seconds": 1.0, "images": 1, "kid": 0.1, "alarm": "loss is nan"}
    return RunView(path=None, config={}, config_text="", model={}, lines=(line,))
