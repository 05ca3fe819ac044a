import zipfile
from pathlib import Path

import pytest

from data.conftest import picture
from fewgan.data import celeba, fetch, has_test_split, load
from fewgan.errors import InputError

ROWS = ("-1 1", "1 1", "1 -1", "-1 -1", "1 1", "-1 1")  # Male, Smiling
PARTS = (0, 0, 0, 0, 1, 2)


@pytest.fixture
def faces(machine: Path) -> Path:
    """Six faces in the published layout: four to train on, one to validate, one to test."""
    folder = machine / "faces"
    lines = [f"{i + 1:06d}.jpg" for i in range(6)]
    for i, name in enumerate(lines):
        picture(folder / "img_align_celeba" / name, (40 * i, 20, 20), "RGB", (178, 218))
    table = ["6", "Male Smiling "] + [f"{n}  {r}" for n, r in zip(lines, ROWS, strict=True)]
    (folder / "list_attr_celeba.txt").write_text("\n".join(table) + "\n")
    parts = [f"{n} {p}" for n, p in zip(lines, PARTS, strict=True)]
    (folder / "list_eval_partition.txt").write_text("\n".join(parts) + "\n")
    return folder


def test_one_attribute_makes_two_classes(faces: Path):
    assert fetch("celeba", faces).served_by == f"folder {faces}"
    images = load("celeba", size=16)
    assert images.images.shape == (4, 3, 16, 16)
    assert images.class_names == ("not Male", "Male")
    assert images.labels.tolist() == [0, 1, 1, 0]
    assert images.flip
    smiling = load("celeba:Smiling", size=16)
    assert smiling.labels.tolist() == [1, 1, 0, 0]
    assert smiling.name == "celeba:Smiling"


def test_two_attributes_make_four_classes(faces: Path):
    fetch("celeba", faces)
    images = load("celeba:Smiling,Male", size=16)
    assert images.class_names == (
        "not Smiling+not Male",
        "not Smiling+Male",
        "Smiling+not Male",
        "Smiling+Male",
    )
    assert images.labels.tolist() == [2, 3, 1, 0]


def test_the_test_partition_is_the_test_split(faces: Path):
    fetch("celeba", faces)
    test = load("celeba:Smiling", "test", size=16)
    assert test.labels.tolist() == [1]
    assert int(test.images[0, 0, 0, 0]) == pytest.approx(200, abs=3)
    assert has_test_split("celeba:Smiling")


def test_attributes_share_one_decoding(faces: Path, monkeypatch: pytest.MonkeyPatch):
    fetch("celeba", faces)
    load("celeba:Male", size=16)
    monkeypatch.setattr("fewgan.data.pictures.decode", None)
    assert len(load("celeba:Smiling", size=16)) == 4


def test_zipped_images_move_to_the_cache(faces: Path, machine: Path):
    with zipfile.ZipFile(faces / "img_align_celeba.zip", "w") as packed:
        for path in (faces / "img_align_celeba").iterdir():
            packed.write(path, path.relative_to(faces))
            path.unlink()
    (faces / "img_align_celeba").rmdir()
    assert fetch("celeba", faces).served_by == f"archives in {faces}"
    assert len(load("celeba", size=16)) == 4
    assert (machine / "cache" / "data" / "celeba" / "img_align_celeba").is_dir()


def test_corrupt_faces_keep_labels_in_step(faces: Path):
    fetch("celeba", faces)
    (faces / "img_align_celeba" / "000002.jpg").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"1 of 4 .*000002.jpg"):
        load("celeba", size=16)
    with pytest.warns(UserWarning, match="000002"):
        assert load("celeba", size=16, skip_corrupt=True).labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("name", "says"),
    [("celeba:Smilling", "did you mean 'Smiling'"), ("celeba:Male,Male", "attribute twice")],
)
def test_bad_attributes_are_refused(faces: Path, name: str, says: str):
    fetch("celeba", faces)
    with pytest.raises(InputError, match=says):
        load(name, size=16)


def test_what_is_missing_is_named(faces: Path):
    fetch("celeba", faces)
    (faces / "img_align_celeba" / "000003.jpg").unlink()
    with pytest.raises(InputError, match=r"lacks 1 train images, such as 000003.jpg"):
        load("celeba", size=16)
    (faces / "list_attr_celeba.txt").write_text("6\nMale Smiling\n000001.jpg -1\n")
    with pytest.raises(InputError, match="is cut or is not CelebA's table"):
        load("celeba", size=16)
    (faces / "list_attr_celeba.txt").unlink()
    with pytest.raises(InputError, match="cannot read"):
        load("celeba", size=16)
    with pytest.raises(InputError, match=r"it lacks .*Remedy: put img_align_celeba/ .* again"):
        fetch("celeba", faces)


def test_class_names_of_one_attribute():
    assert celeba.class_names(["Bald"]) == ("not Bald", "Bald")
