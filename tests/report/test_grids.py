import errno

import numpy as np
import pytest
import torch
from PIL import Image

from fewgan.errors import InputError
from fewgan.report.grids import (
    by_class,
    class_grid,
    grid,
    memorisation_sheet,
    save_gif,
    save_png,
    strip,
    variation_panel,
)

SHADES = torch.arange(6, dtype=torch.uint8).mul(40)[:, None, None, None].expand(6, 1, 8, 8)


def shades_in(picture):
    return set(np.unique(np.asarray(picture.convert("L"))))


def test_every_image_is_in_the_grid():
    assert set(SHADES[:, 0, 0, 0].tolist()) <= shades_in(grid(SHADES, columns=3))


def test_floats_and_bytes_give_the_same_picture():
    floats = SHADES.float() / 127.5 - 1
    assert grid(floats, columns=3).tobytes() == grid(SHADES, columns=3).tobytes()


def test_colour_stays_colour():
    red = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    red[:, 0] = 200
    picture = grid(red, columns=1).convert("RGB")
    assert picture.getpixel((picture.width // 2, picture.height // 2)) == (200, 0, 0)


def test_class_rows_hold_their_own_class_in_order():
    labels = torch.tensor([1, 0, 1, 0, 1, 0])
    wide = class_grid(SHADES, labels, ["", ""], columns=3)
    upper = shades_in(wide.crop((0, 0, wide.width, wide.height // 2)))
    assert {40, 120, 200} <= upper
    assert 160 not in upper


def test_variation_panel_shows_real_and_generated_of_shared_classes():
    labels = torch.tensor([0, 0, 1, 1, 1, 1])
    real = by_class(SHADES, labels, ["a", "b"])
    panel = variation_panel(real, {"b": SHADES[:1]})
    assert {80, 120, 160, 200, 0} <= shades_in(panel)
    with pytest.raises(ValueError, match="no class"):
        variation_panel(real, {})


def test_memorisation_sheet_frames_copies_in_red():
    flags = torch.tensor([True, False])
    sheet = memorisation_sheet(SHADES[:2], SHADES[2:4], torch.tensor([0.1, 0.9]), flags)
    pixels = np.asarray(sheet.convert("RGB")).reshape(-1, 3).astype(int)
    red = (pixels[:, 0] > 150) & (pixels[:, 1] < 100) & (pixels[:, 2] < 100)
    assert red.any()
    calm = memorisation_sheet(SHADES[:2], SHADES[2:4], torch.tensor([0.1, 0.9]), ~flags & flags)
    pixels = np.asarray(calm.convert("RGB")).reshape(-1, 3).astype(int)
    assert not ((pixels[:, 0] > 150) & (pixels[:, 1] < 100) & (pixels[:, 2] < 100)).any()


def test_files_open_again(tmp_path):
    save_png(grid(SHADES, 3), tmp_path / "a.png")
    save_gif([grid(SHADES[i : i + 1], 1) for i in range(3)], tmp_path / "a.gif")
    assert Image.open(tmp_path / "a.png").size == grid(SHADES, 3).size
    assert Image.open(tmp_path / "a.gif").n_frames == 3


def test_small_images_grow_by_whole_pixels_and_large_ones_are_left():
    checker = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    checker[..., ::2] = 255
    picture = np.asarray(grid(checker, 1).convert("L"))
    assert picture.shape == (64 + 20, 64 + 20)  # 8 times 8 pixels, and the margin
    row = picture[40, 10:74]
    np.testing.assert_array_equal(row, np.repeat([255, 0] * 4, 8))
    assert grid(torch.zeros(1, 1, 100, 100, dtype=torch.uint8), 1).width == 100 + 20


def test_a_class_without_images_keeps_its_row():
    labels = torch.tensor([0, 0, 0, 2, 2, 2])
    tall = class_grid(SHADES, labels, ["a", "b", "c"], columns=3)
    assert tall.height == class_grid(SHADES, torch.arange(6) // 2, ["a", "b", "c"]).height
    with pytest.raises(ValueError, match="no image"):
        class_grid(SHADES, labels, [])


def test_an_interpolation_is_one_row_or_several():
    row = strip(SHADES)
    assert row.width > 6 * 64 > row.height
    rows = strip(SHADES.view(2, 3, 1, 8, 8))
    assert rows.tobytes() == grid(SHADES, columns=3).tobytes()


@pytest.mark.parametrize("name", ["a\nb", "x" * 300, "", "αβγ кот", "\x00\u202e", "<script>"])
def test_any_name_can_be_a_label_and_stays_bounded(name):
    labelled = grid(SHADES, 6, row_labels=[name], title=name[:40])
    assert labelled.width <= grid(SHADES, 6).width + 200


def test_a_blown_up_generator_is_still_shown():
    broken = torch.full((2, 1, 8, 8), float("nan"))
    broken[1] = float("inf")
    shades = shades_in(grid(broken, 2))
    assert {128, 255} <= shades  # grey for what is no number, white for what is too large


def test_what_cannot_be_drawn_is_refused(tmp_path):
    for images in (SHADES[:0], SHADES[0], SHADES.expand(6, 2, 8, 8)):
        with pytest.raises(ValueError, match=r"\[N,C,H,W\]"):
            grid(images, 3)
    with pytest.raises(ValueError, match="columns"):
        grid(SHADES, 0)
    with pytest.raises(InputError, match="no frames"):
        save_gif(SHADES[:0], tmp_path / "a.gif")


def test_the_memorisation_sheet_begins_with_the_closest_pair():
    far = torch.tensor([0.9, 0.1])
    sheet = memorisation_sheet(SHADES[1:3], SHADES[3:5], far, far < 0)
    left = sheet.crop((0, 0, sheet.width // 2, sheet.height))
    assert {80, 160} <= shades_in(left)  # the second pair, whose distance is the smaller


def test_a_failed_write_keeps_the_picture_that_stood_there(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    save_png(grid(SHADES, 3), path)
    before = path.read_bytes()

    def full(*_args, **_more):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(InputError, match="No space left"):
        save_png(grid(SHADES, 2), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
