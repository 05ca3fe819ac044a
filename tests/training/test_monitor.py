import math

import torch
from torch import nn

from conftest import make_blobs
from fewgan.training.monitor import Best, Check, Monitor, better, loss_alarm


class Painter(nn.Module):
    """A sampler that paints the band of the class, with as much variety as it is told."""

    classes = 2

    def __init__(self, variety):
        super().__init__()
        self.variety = variety

    def latents(self, y, generator):
        return torch.randn(len(y), 256, generator=generator)

    def forward(self, z, y):
        noise = z.view(-1, 1, 16, 16) * 0.14 * self.variety
        rows = torch.arange(16) // 8
        return (-0.77 + 1.18 * (rows[None, :] == y[:, None]).float())[:, None, :, None] + noise


def monitor(n=64):
    return Monitor(make_blobs(n), Painter(1), n, seed=0)


def test_the_figure_ranks_samplers():
    judge = monitor()
    good, bland, wrong = (judge.check(Painter(v), 1.0).kid for v in (1, 0, 6))
    assert good < bland
    assert good < wrong


def test_one_image_a_class_raises_the_alarm_and_life_does_not():
    judge = monitor()
    collapsed = judge.check(Painter(0.0), 1.0)
    assert "2 of 2 classes" in collapsed.alarm
    assert collapsed.diversity_min < 0.05
    alive = judge.check(Painter(1.0), 1.0)
    assert alive.alarm is None
    assert 0.5 < alive.diversity < 2


def test_a_young_generator_is_spared():
    assert monitor().check(Painter(0.0), 0.1).alarm is None


def test_the_same_sampler_gets_the_same_figure():
    assert monitor().check(Painter(1), 1.0) == monitor().check(Painter(1), 1.0)


def test_a_single_image_has_no_variety_to_compare_with():
    lonely = Monitor(make_blobs(2), Painter(1), 16, seed=0).check(Painter(0.0), 1.0)
    assert lonely.alarm is None


def test_loss_alarms_name_the_loss():
    assert loss_alarm({"d/adversarial": 1.0, "g/class": 2.0}) is None
    assert "d/adversarial is nan" in loss_alarm({"d/adversarial": math.nan})
    assert "g/class has exploded" in loss_alarm({"g/class": -3e7})


def check(kid, error=0.1, alarm=None):
    return Check(kid, error, 1.0, 1.0, alarm)


def test_the_latest_of_the_checks_that_cannot_be_told_from_the_lowest_is_best():
    best = better(None, 1, check(2.0))
    assert best == Best(1, 2.0, 2.0)
    best = better(best, 2, check(1.0))
    assert better(best, 3, check(1.11)) is None
    best = better(best, 3, check(1.09))
    assert best == Best(3, 1.09, 1.0)
    # No creeping upwards: what counts is the lowest, not the last one that was kept.
    assert better(best, 4, check(1.15)) is None


def test_an_alarm_or_no_number_never_takes_the_place_of_another():
    best = better(None, 1, check(2.0, alarm="collapse"))
    assert best is not None
    assert better(best, 2, check(0.5, alarm="collapse")) is None
    assert better(best, 2, check(math.nan)) is None
