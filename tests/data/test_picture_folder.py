import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from data.conftest import picture
from fewgan.data import has_test_split, load, pictures
from fewgan.errors import InputError
from fewgan.files import cache_folder

pytestmark = pytest.mark.usefixtures("machine")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "photos"


def two_classes(root: Path) -> Path:
    for i in range(3):
        picture(root / "cat" / f"{i}.png", 10 + i)
        picture(root / "dog" / "deep" / f"{i}.JPG", 200 + i)
    return root


# --- what counts as a class, an image, a split ---------------------------------------------------


def test_sub_folders_are_classes(root: Path):
    images = load(str(two_classes(root)), size=8)
    assert images.class_names == ("cat", "dog")
    assert images.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert images.images[:3, 0, 0, 0].tolist() == [10, 11, 12]
    assert images.name == "photos"
    assert not has_test_split(str(root))


def test_loose_images_have_no_classes(root: Path):
    for i in range(2):
        picture(root / f"{i}.png")
    (root / "notes").mkdir()
    (root / "notes" / "readme.txt").write_text("x")
    images = load(str(root), size=8)
    assert images.class_names == ()
    assert images.labels.tolist() == [-1, -1]


def test_hidden_and_other_files_are_passed_over(root: Path):
    two_classes(root)
    picture(root / ".cache" / "x.png")
    picture(root / "__MACOSX" / "x.png")
    picture(root / "cat" / "._0.png")
    (root / "cat" / "notes.txt").write_text("x")
    assert load(str(root), size=8).counts() == [3, 3]


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_train_and_a_held_out_folder_are_the_splits(root: Path, held_out: str):
    two_classes(root / "train")
    picture(root / held_out / "dog" / "one.png")
    assert has_test_split(str(root))
    assert len(load(str(root), size=8)) == 6
    test = load(str(root), "test", size=8)
    assert test.class_names == ("cat", "dog")
    assert test.labels.tolist() == [1]
    picture(root / held_out / "cow" / "one.png")
    with pytest.raises(InputError, match=r"has classes that .* has not: cow"):
        load(str(root), "test", size=8)


def test_a_linked_class_folder_is_followed(root: Path, tmp_path: Path):
    two_classes(tmp_path / "elsewhere")
    root.mkdir()
    (root / "cat").symlink_to(tmp_path / "elsewhere" / "cat")
    (root / "dog").symlink_to(tmp_path / "elsewhere" / "dog")
    assert load(str(root), size=8).counts() == [3, 3]


# --- sizes and modes ------------------------------------------------------------------------------


def one(root: Path, image: Image.Image, name: str = "a.png", **form: int) -> torch.Tensor:
    """The pixels [C, S, S] that one picture becomes, beside a plain one."""
    root.mkdir()
    image.save(root / name)
    picture(root / "b.png", 0)
    return load(str(root), **{"size": 8, **form}).images[0]


def test_transparency_is_laid_on_white(root: Path):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:4] = (255, 0, 0, 255)
    ours = one(root, Image.fromarray(pixels))
    assert ours[:, 0, 0].tolist() == [255, 0, 0]
    assert ours[:, 7, 0].tolist() == [255, 255, 255]


def test_a_palette_with_a_transparent_colour(root: Path):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 0, 0, 255])
    image.putpixel((0, 0), 0)
    image.info["transparency"] = 0
    ours = one(root, image)
    assert ours[:, 4, 4].tolist() == [0, 0, 255]
    assert ours[:, 0, 0].tolist()[0] > 200  # white, but for the resampling


def test_sixteen_bits_become_eight(root: Path):
    deep = np.full((8, 8), 257 * 100, np.uint16)
    ours = one(root, Image.fromarray(deep))
    assert ours.shape == (1, 8, 8)
    assert int(ours[0, 4, 4]) == 100


def test_exif_rotation_is_followed(root: Path):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:, :4] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    root.mkdir()
    Image.fromarray(pixels).save(root / "a.jpg", exif=exif, quality=100)
    picture(root / "b.jpg", 0)
    ours = load(str(root), size=8).images[0, 0]
    assert int(ours[0].min()) > 200
    assert int(ours[7].max()) < 50


def test_the_centre_square_is_taken(root: Path):
    pixels = np.zeros((8, 24), np.uint8)
    pixels[:, 8:16] = 255
    assert int(one(root, Image.fromarray(pixels)).min()) == 255


def test_resizing_does_not_alias(root: Path):
    stripes = np.tile(np.array([[0, 255]], np.uint8), (64, 32))
    ours = one(root, Image.fromarray(stripes)).int()
    assert (ours - 128).abs().max() < 8


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "gif", "tiff", "ppm"])
def test_common_formats_and_mixed_sizes(root: Path, suffix: str):
    picture(root / f"a.{suffix}", (90, 90, 90), "RGB", (30, 17))
    picture(root / f"b.{suffix}", (90, 90, 90), "RGB", (5, 40))
    images = load(str(root), size=16)
    assert images.images.shape == (2, 1, 16, 16)  # grey, however it is stored
    assert (images.images.int() - 90).abs().max() <= 2


def test_one_coloured_picture_makes_the_set_coloured(root: Path):
    picture(root / "a.png", 5)
    picture(root / "b.png", (200, 0, 0), "RGB")
    assert load(str(root), size=8).channels == 3
    assert load(str(root), size=8, channels=1).images[1, 0, 0, 0] == 60  # luma of the red
    assert load(str(root), size=8, channels=3).channels == 3


def test_the_native_size_is_the_smallest_shorter_side(root: Path):
    picture(root / "a.png", 5, size=(20, 30))
    picture(root / "b.png", 5, size=(50, 12))
    assert load(str(root)).size == 12


# --- files that cannot be read -------------------------------------------------------------------


def with_corrupt(root: Path) -> Path:
    two_classes(root)
    (root / "cat" / "1.png").write_bytes(b"no image")
    whole = (root / "dog" / "deep" / "0.JPG").read_bytes()
    (root / "dog" / "deep" / "0.JPG").write_bytes(whole[: len(whole) // 2])
    return root


def test_corrupt_files_are_counted_and_named(root: Path):
    with pytest.raises(InputError) as caught:
        load(str(with_corrupt(root)), size=8)
    message = str(caught.value)
    assert "2 of 6 images" in message
    assert "cat/1.png, dog/deep/0.JPG" in message
    assert "--skip-corrupt" in message


def test_corrupt_files_are_skipped_when_asked(root: Path):
    with_corrupt(root)
    with pytest.warns(UserWarning, match=r"2 of 6 .*cat/1\.png"):
        images = load(str(root), size=8, skip_corrupt=True)
    assert images.labels.tolist() == [0, 0, 1, 1]
    assert images.images[:, 0, 0, 0].tolist() == [10, 12, 201, 202]
    with pytest.raises(InputError, match="2 of 6"):  # the cache forgives nothing
        load(str(root), size=8)


def test_many_corrupt_files_are_summed_up(root: Path):
    two_classes(root)
    for i in range(9):
        (root / "cat" / f"bad{i}.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"9 of 15 .*and 4 more"):
        load(str(root), size=8)


@pytest.mark.parametrize("skip", [False, True])
def test_nothing_readable_is_refused(root: Path, skip: bool):
    for i in range(4):
        picture(root / f"{i}.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="none of the 4 images can be read"):
        load(str(root), size=8, skip_corrupt=skip)


# --- folders that cannot be used -----------------------------------------------------------------


def empty(root: Path) -> None:
    root.mkdir()


def only_text(root: Path) -> None:
    root.mkdir()
    (root / "notes.txt").write_text("x")


def single(root: Path) -> None:
    picture(root / "a.png")


def empty_class(root: Path) -> None:
    two_classes(root)
    (root / "cow").mkdir()


def mixed(root: Path) -> None:
    two_classes(root)
    picture(root / "loose.png")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (empty, "no images in .*photos, it is empty"),
        (only_text, "no images in .*photos, only notes.txt"),
        (single, "one image only"),
        (empty_class, "class folders without images in .*: cow"),
        (mixed, "loose.png beside class folders such as cat"),
    ],
)
def test_unusable_folders_get_one_line(root: Path, make, says: str):
    make(root)
    with pytest.raises(InputError, match=says) as caught:
        load(str(root), size=8)
    assert "\n" not in str(caught.value)


def test_no_test_split_and_no_folder(root: Path):
    two_classes(root)
    with pytest.raises(InputError, match="no test images of its own"):
        load(str(root), "test", size=8)
    with pytest.raises(InputError, match="there is no folder"):
        load(str(root / "nowhere"))
    with pytest.raises(InputError, match="is a file"):
        load(str(root / "cat" / "0.png"))


# --- the cache -----------------------------------------------------------------------------------


def cached() -> list[Path]:
    return sorted((cache_folder() / "data" / "pictures").glob("*.bytes"))


def test_decoded_once_and_again_after_a_change(root: Path, monkeypatch: pytest.MonkeyPatch):
    first = load(str(two_classes(root)), size=8)
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "decode", None)
        assert load(str(root), size=8).digest == first.digest
    picture(root / "cat" / "0.png", 99, size=(9, 9))
    assert load(str(root), size=8).images[0, 0, 0, 0] == 99
    load(str(root), size=16)
    assert len(cached()) == 3


def test_a_damaged_cache_is_made_again(root: Path):
    first = load(str(two_classes(root)), size=8)
    (path,) = cached()
    path.write_bytes(bytes([1]) + path.read_bytes()[1:])
    assert load(str(root), size=8).digest == first.digest
    path.with_suffix(".json").write_text("{}")
    assert load(str(root), size=8).digest == first.digest


def test_large_sets_are_mapped_and_the_file_is_safe(root: Path, monkeypatch: pytest.MonkeyPatch):
    plain = load(str(two_classes(root)), size=8)
    monkeypatch.setattr(pictures, "MEMORY_LIMIT", 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mapped = load(str(root), size=8)
        assert mapped.digest == plain.digest
        mapped.images[0] = 0  # goes to a private page, not to the file
    (path,) = cached()
    assert str(path) in Path("/proc/self/maps").read_text()
    assert load(str(root), size=8).digest == plain.digest


def test_chunks_do_not_change_the_set(root: Path, monkeypatch: pytest.MonkeyPatch):
    two_classes(root)
    whole = load(str(root), size=8)
    monkeypatch.setattr(pictures, "_CHUNK", 2)
    monkeypatch.setattr(pictures, "_RECIPE", -1)
    assert load(str(root), size=8).digest == whole.digest
