import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fewgan.data import fetch, has_test_split, load, omniglot
from fewgan.data.source import Unavailable
from fewgan.errors import InputError


def draw(root: Path, *characters: str, side: int = 105) -> None:
    """Two drawings of each character: black ink on white paper, one bit a pixel."""
    for character in characters:
        folder = root / character
        folder.mkdir(parents=True)
        for drawer in (1, 2):
            paper = Image.new("1", (side, side), 1)
            paper.paste(0, (10, 10, 20 + drawer, 20))
            paper.save(folder / f"0001_{drawer:02d}.png")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    draw(folder / "images_background_small1", "Greek/character01", "Greek/character02")
    draw(folder / "images_background_small2", "Greek/character01", "Latin/character01")
    return folder


def test_ink_is_white_and_shared_alphabets_count_once(small: Path):
    images = omniglot.decode(small, "train")
    assert images.class_names == ("Greek/character01", "Greek/character02", "Latin/character01")
    assert images.counts() == [2, 2, 2]
    assert images.images.shape == (6, 1, 105, 105)
    expected = np.zeros((105, 105), np.uint8)
    expected[10:20, 10:21] = 255
    assert np.array_equal(images.images[0, 0].numpy(), expected)


def test_the_zips_are_taken_where_they_lie(machine: Path, small: Path):
    with pytest.raises(InputError, match="run `fewgan data fetch omniglot`"):
        load("omniglot")
    given = machine / "zips"
    given.mkdir()
    for root in small.iterdir():
        with zipfile.ZipFile(given / f"{root.name}.zip", "w") as packed:
            for path in root.rglob("*.png"):
                packed.write(path, path.relative_to(small))
    assert fetch("omniglot", given).served_by == f"archives in {given}"
    images = load("omniglot", size=32)
    assert images.images.shape == (6, 1, 32, 32)
    assert images.digest == load("omniglot", size=32).digest
    assert len(images.class_names) == 3
    assert not list((machine / "cache" / "data" / "omniglot").rglob("*.png"))


def test_evaluation_alphabets_are_other_classes(machine: Path):
    place = machine / "here" / "data" / "omniglot-py"
    draw(place / "images_background", "Greek/character01")
    draw(place / "images_evaluation", "Tengwar/character01")
    assert fetch("omniglot").served_by == f"folder {place}"
    assert load("omniglot", "test").class_names == ("Tengwar/character01",)
    assert not has_test_split("omniglot")


def test_background_alone_has_no_test_images(machine: Path, small: Path):
    fetch("omniglot", small)
    with pytest.raises(InputError, match="omniglot has no test images"):
        load("omniglot", "test")


def test_a_folder_of_alphabets_itself_may_be_given(small: Path):
    images = omniglot.decode(small / "images_background_small2", "train")
    assert images.class_names == ("Greek/character01", "Latin/character01")


def test_damage_and_other_layouts_are_refused(tmp_path: Path):
    with pytest.raises(Unavailable, match="no images_background"):
        omniglot.decode(tmp_path, "train")
    draw(tmp_path / "images_background", "Greek/character01", side=50)
    with pytest.raises(Unavailable, match="is not 105x105"):
        omniglot.decode(tmp_path, "train")
    next(tmp_path.rglob("*_01.png")).write_bytes(b"no image")
    with pytest.raises(Unavailable, match="cannot be read"):
        omniglot.decode(tmp_path, "train")
