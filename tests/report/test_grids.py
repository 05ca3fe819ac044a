import numpy as np
import pytest
import torch
from PIL import Image

from fewgan.report.grids import (
    by_class,
    class_grid,
    grid,
    memorisation_sheet,
    save_gif,
    save_png,
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
