import math

import torch
from torch import nn

from conftest import make_blobs
from fewgan.training.monitor import Monitor, loss_alarm


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
