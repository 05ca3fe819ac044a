import pytest
import torch

from fewgan.data import glyphs, load
from fewgan.errors import InputError
from fewgan.files import cache_folder


def test_numbers_shape_and_ink():
    images = glyphs.draw(30, 4)
    assert images.images.shape == (120, 1, 64, 64)
    assert images.counts() == [4] * 30
    assert len(set(images.class_names)) == 30
    ink = (images.images > 127).float().mean((1, 2, 3))
    assert float(ink.min()) > 0.01  # nothing is blank
    assert float(ink.max()) < 0.5  # white ink on black
    assert int(images.images.amax((1, 2, 3)).min()) > 200


def test_the_same_seed_draws_the_same_and_splits_differ():
    train = glyphs.draw(5, 3)
    assert glyphs.draw(5, 3).digest == train.digest
    assert glyphs.draw(5, 3, seed=1).digest != train.digest
    test = glyphs.draw(5, 3, "test")
    assert test.class_names == train.class_names
    differing = (test.images.flatten(1)[:, None] != train.images.flatten(1)[None]).any(-1)
    assert bool(differing.all())


def test_the_global_generator_is_left_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    glyphs.draw(2, 2)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_classes_do_not_depend_on_their_number():
    few, many = glyphs.draw(5, 1), glyphs.draw(60, 1)
    assert many.class_names[:5] == few.class_names
    scripts = {name.split("/")[0] for name in many.class_names}
    assert {"Latin", "Greek"} <= scripts


def test_letters_that_look_alike_make_one_class():
    names = glyphs.draw(150, 1).class_names
    assert "Latin/capital a" in names
    assert "Greek/capital alpha" not in names  # the same shape
    assert "Cyrillic/capital a" not in names
    assert ("Latin/small c" in names) != ("Latin/capital c" in names)


def test_drawings_of_a_class_resemble_each_other():
    train, test = glyphs.draw(20, 10), glyphs.draw(20, 10, "test")
    pools = [torch.nn.functional.avg_pool2d(s.images.float(), 4).flatten(1) for s in (train, test)]
    nearest = torch.cdist(pools[1], pools[0]).argmin(1)
    accuracy = (train.labels[nearest] == test.labels).float().mean()
    assert float(accuracy) > 0.4  # 0.05 by chance


def test_turned_letters_follow_when_upright_ones_run_out():
    letters = glyphs._letters(700)
    assert any(letter.turns for letter in letters)
    assert len({letter.name for letter in letters}) == 700
    assert not letters[0].turns


@pytest.mark.parametrize("numbers", [(0, 5), (5, 0)])
def test_impossible_numbers_are_refused(numbers: tuple[int, int]):
    with pytest.raises(InputError, match="at least 1 x 1"):
        glyphs.draw(*numbers)


def test_more_letters_than_there_are(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(glyphs, "SCRIPTS", {"Latin": ((0x41, 0x43),)})
    with pytest.raises(InputError, match="the fonts give"):
        glyphs.draw(50, 1)


def test_the_option_sets_the_numbers_and_the_cache_serves(machine, monkeypatch: pytest.MonkeyPatch):
    first = load("glyphs:6x2", size=32)
    assert first.name == "glyphs:6x2"
    assert first.images.shape == (12, 1, 32, 32)
    monkeypatch.setattr(glyphs, "draw", None)  # from here on only the cache can serve
    assert load("glyphs:6x2", size=32).digest == first.digest


def test_a_damaged_cache_is_drawn_again(machine):
    first = load("glyphs:3x2")
    (file,) = (cache_folder() / "data" / "glyphs").iterdir()
    file.write_bytes(file.read_bytes()[:-40])
    assert load("glyphs:3x2").digest == first.digest


@pytest.mark.parametrize("option", ["many", "5", "5x", "-1x4"])
def test_a_strange_option_is_refused(option: str):
    with pytest.raises(InputError, match="write glyphs:400x20"):
        load(f"glyphs:{option}")
