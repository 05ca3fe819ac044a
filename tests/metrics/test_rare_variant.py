"""Rare variants of digits, on digits drawn here with and without them, and a known interval."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch.testing import assert_close

from fewgan.metrics.rare_variant import has_crossbar, has_serif, row_widths, share


def drawn(*strokes, width=3, speck=False):
    """One picture [1, 1, 32, 32] of polylines of points (x, y)."""
    picture = Image.new("L", (32, 32))
    for stroke in strokes:
        ImageDraw.Draw(picture).line(stroke, fill=255, width=width, joint="curve")
    if speck:
        ImageDraw.Draw(picture).rectangle((26, 14, 27, 15), fill=255)
    return torch.from_numpy(np.array(picture)).view(1, 1, 32, 32)


STEM, SLANTED, BENT = [(16, 6), (16, 26)], [(22, 6), (10, 26)], [(14, 6), (18, 16), (14, 26)]
FLAG, FOOT, SHORT_FOOT = [(16, 6), (11, 12)], [(10, 26), (22, 26)], [(15, 26), (17, 26)]


@pytest.mark.parametrize("width", [2, 3, 4])
@pytest.mark.parametrize("stem", [STEM, SLANTED, BENT])
def test_a_bare_stem_has_no_serif_however_it_leans_or_bends(stem, width):
    assert not has_serif(drawn(stem, width=width))


@pytest.mark.parametrize("width", [2, 3])
@pytest.mark.parametrize("serif", [FLAG, FOOT])
def test_a_flag_or_a_foot_is_a_serif(serif, width):
    assert has_serif(drawn(STEM, serif, width=width))


def test_a_stub_and_a_speck_are_no_serif():
    assert not has_serif(drawn(STEM, SHORT_FOOT))
    assert not has_serif(drawn(STEM, speck=True))


SEVEN = [(7, 7), (23, 7), (14, 27)]
HOOKED = [(7, 12), (8, 7), (23, 7), (14, 27)]  # the top bar hangs down at its left
BOWED = [(7, 7), (21, 7), (23, 11), (19, 20), (13, 27)]
FOOTED = [(7, 7), (23, 7), (14, 26), (22, 26)]
BAR = [(12, 17), (25, 17)]


@pytest.mark.parametrize("width", [2, 3])
@pytest.mark.parametrize("seven", [SEVEN, HOOKED, BOWED])
def test_a_bar_across_the_stem_is_found_and_nothing_else(seven, width):
    assert has_crossbar(drawn(seven, BAR, width=width))
    assert not has_crossbar(drawn(seven, width=width))


def test_a_foot_is_no_crossbar():
    assert not has_crossbar(drawn(FOOTED))


def test_pictures_are_judged_one_by_one_and_empty_ones_have_nothing():
    empty, full = torch.zeros(1, 1, 32, 32), torch.full((1, 1, 32, 32), 255)
    batch = torch.cat([empty.byte(), drawn(STEM, FOOT), full.byte(), drawn(STEM)])
    assert has_serif(batch).tolist() == [False, True, False, False]
    assert has_crossbar(torch.cat([drawn(SEVEN, BAR), empty.byte()])).tolist() == [True, False]
    assert row_widths(batch)[2].tolist() == [32] * 32


def test_other_images_are_refused():
    for images in (torch.zeros(2, 1, 28, 28).byte(), torch.zeros(2, 1, 32, 32)):
        with pytest.raises(ValueError, match="uint8"):
            has_serif(images)


def test_the_interval_of_wilson():
    # By hand for 2 of 10: (0.2 + 0.19207) / 1.38415 -+ 1.96 sqrt(0.016 + 0.0096036) / 1.38415.
    found = share(torch.arange(10) < 2)
    assert_close(torch.tensor(found[:3]), torch.tensor([0.2, 0.05668, 0.50984]), atol=1e-4, rtol=0)
    assert share(torch.zeros(100).bool()).low == 0
    assert share(torch.zeros(100).bool()).high == pytest.approx(0.0370, abs=1e-4)
    with pytest.raises(ValueError, match="no images"):
        share(torch.zeros(0).bool())
