from itertools import islice
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewgan.data import ImageSet, splits
from fewgan.data.splits import Division
from fewgan.errors import InputError

LABELS = torch.tensor([2, 0, 1, 0, 2, 0, 1, 0, 2, 0])  # 5, 2 and 3 of classes 0, 1 and 2


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_by_class_finds_every_image_in_order():
    groups = splits.by_class(LABELS, 4)
    assert [g.tolist() for g in groups] == [[1, 3, 5, 7, 9], [2, 6], [0, 4, 8], []]


@settings(max_examples=50, deadline=None)
@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    percent=st.integers(0, 99),
    seed=st.integers(0, 9),
)
def test_holdout_takes_the_floor_and_one_of_three(labels: list[int], percent: int, seed: int):
    given_labels = torch.tensor(labels)
    kept, held = splits.holdout(given_labels, percent / 100, seeded(seed))
    assert sorted(kept.tolist() + held.tolist()) == list(range(len(labels)))
    for c in set(labels):
        least = 1 if percent and labels.count(c) >= 3 else 0
        expected = max(least, labels.count(c) * percent // 100)
        assert int((given_labels[held] == c).sum()) == expected


def test_holdout_leaves_as_many_as_it_is_told_to():
    labels = torch.tensor([0] * 10 + [1] * 20 + [2] * 3)
    _, held = splits.holdout(labels, 0.2, seeded(), leave=9)
    assert labels[held].bincount(minlength=3).tolist() == [1, 4, 0]


def test_holdout_works_without_classes_and_repeats_with_its_seed():
    none = torch.full((10,), -1)
    kept, held = splits.holdout(none, 0.3, seeded())
    assert (len(kept), len(held)) == (7, 3)
    assert torch.equal(splits.holdout(none, 0.3, seeded())[1], held)
    assert not torch.equal(splits.holdout(none, 0.3, seeded(1))[1], held)
    with pytest.raises(InputError, match="fraction 1"):
        splits.holdout(none, 1.0, seeded())


def test_shots_draws_k_of_each_class_present():
    drawn = splits.shots(LABELS, 2, seeded())
    assert torch.bincount(LABELS[drawn]).tolist() == [2, 2, 2]
    assert drawn.tolist() == sorted(set(drawn.tolist()))
    only = torch.tensor([4, 4, 4])
    assert len(splits.shots(only, 3, seeded())) == 3


def test_shots_names_the_class_that_is_too_small():
    with pytest.raises(InputError, match="class 'cat' has 2 images, 3 were asked for"):
        splits.shots(LABELS, 3, seeded(), ("dog", "cat", "cow"))
    with pytest.raises(InputError, match="class 1 has 2"):
        splits.shots(LABELS, 3, seeded())
    with pytest.raises(InputError, match="at least 1"):
        splits.shots(LABELS, 0, seeded())


def test_support_and_query_do_not_meet():
    support, query = splits.support_query(LABELS, (2, 0), 1, 2, seeded())
    assert LABELS[support].tolist() == [2, 0]
    assert LABELS[query].tolist() == [2, 2, 0, 0]
    assert not set(support.tolist()) & set(query.tolist())
    with pytest.raises(InputError, match="class 1"):
        splits.support_query(LABELS, (1,), 2, 1, seeded())
    with pytest.raises(InputError, match="class 7"):
        splits.support_query(LABELS, (7,), 1, 0, seeded())


def test_tasks_cover_their_class_and_reach_every_class():
    drawn = list(islice(splits.tasks(LABELS, (0, 2), 2, seeded()), 30))
    assert {task.class_index for task in drawn} == {0, 2}
    for task in drawn:
        members = LABELS.eq(task.class_index).nonzero().flatten().tolist()
        assert len(task.support) == 2
        assert sorted(task.support.tolist() + task.query.tolist()) == members
    again = list(islice(splits.tasks(LABELS, (0, 2), 2, seeded()), 30))
    assert all(torch.equal(a.support, b.support) for a, b in zip(drawn, again, strict=True))


def test_tasks_refuse_before_the_first_one():
    with pytest.raises(InputError, match="class 1"):
        splits.tasks(LABELS, (0, 1), 3, seeded())
    with pytest.raises(InputError, match="at least one class"):
        splits.tasks(LABELS, (), 1, seeded())


def test_base_and_novel_classes():
    assert splits.base_novel(5, (3, 1)) == ((0, 2, 4), (1, 3))
    base, novel = splits.base_novel(10, 4, seed=3)
    assert sorted(base + novel) == list(range(10))
    assert len(novel) == 4
    assert splits.base_novel(10, 4, seed=3) == (base, novel)
    assert len({splits.base_novel(10, 4, seed=s) for s in range(5)}) > 1
    assert splits.base_novel((7, 8, 9), (8,)) == ((7, 9), (8,))


@pytest.mark.parametrize("novel", [0, 3, -1, (), (0, 1, 2), (5,)])
def test_base_and_novel_each_need_a_class(novel: object):
    with pytest.raises(InputError):
        splits.base_novel(3, novel)


NAMES = ("cat", "dog", "cow", "owl", "elk")


def test_experiences_by_number_and_by_name():
    assert splits.experiences("0,1/2, 3/4", NAMES) == ((0, 1), (2, 3), (4,))
    assert splits.experiences("owl/cat,1", NAMES) == ((3,), (0, 1))


def test_a_slash_within_a_name_divides_nothing():
    names = ("Greek/alpha", "Greek/alpha1", "Greek/beta", "c")
    assert splits.experiences("Greek/alpha1", names) == ((1,),)
    read = splits.experiences("Greek/alpha,Greek/beta/3/Greek/alpha1", names)
    assert read == ((0, 2), (3,), (1,))


def test_order_seed_shuffles_classes_and_keeps_sizes():
    shuffled = splits.experiences("0,1/2,3/4", NAMES, order_seed=1)
    assert [len(e) for e in shuffled] == [2, 2, 1]
    assert sorted(sum(shuffled, ())) == [0, 1, 2, 3, 4]
    assert shuffled != splits.experiences("0,1/2,3/4", NAMES)
    assert shuffled == splits.experiences("0,1/2,3/4", NAMES, order_seed=1)


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        ("0,1/1", "'dog' twice"),
        ("0/cat", "'cat' twice"),
        ("0/dgo", "did you mean 'dog'"),
        ("0/9", "unknown class '9'"),
        ("0//1", "empty place"),
        ("", "empty place"),
        ("0,", "empty place"),
    ],
)
def test_bad_streams_are_refused(stream: str, says: str):
    with pytest.raises(InputError, match=says):
        splits.experiences(stream, NAMES)


@given(st.lists(st.integers(0, 40), max_size=60))
def test_runs_read_back_in_their_order(numbers: list[int]):
    assert splits.from_runs(splits.to_runs(numbers)) == numbers


def test_runs_are_short_to_read():
    assert splits.to_runs([3, 4, 5, 1, 9]) == "3-5,1,9"
    assert splits.to_runs(range(60_000)) == "0-59999"


def some_images(shade: int = 5) -> ImageSet:
    images = torch.full((10, 1, 4, 4), shade, dtype=torch.uint8)
    return ImageSet(images, LABELS, ("a", "b", "c"), "made")


def test_a_division_is_written_and_read(tmp_path: Path):
    images = some_images()
    train, held = splits.holdout(LABELS, 0.5, seeded())
    made = Division.of(images, {"train": train, "holdout": held}, {"novel": (1, 2)})
    made.save(tmp_path / "splits.json")
    read = Division.load(tmp_path / "splits.json")
    assert read == made
    assert torch.equal(read.indices("holdout"), held)
    assert torch.equal(read.take(images, "train").labels, LABELS[train])
    assert read.classes["novel"] == (1, 2)


def test_a_division_refuses_other_images_and_parts():
    made = Division.of(some_images(), {"train": torch.arange(3)})
    with pytest.raises(InputError, match="other images"):
        made.take(some_images(shade=6), "train")
    with pytest.raises(InputError, match="did you mean 'train'"):
        made.take(some_images(), "trian")


def test_a_damaged_division_is_refused(tmp_path: Path):
    path = tmp_path / "splits.json"
    Division.of(some_images(), {"train": torch.arange(3)}).save(path)
    path.write_text(path.read_text().replace("0-2", "0-3"))
    with pytest.raises(InputError, match="damaged"):
        Division.load(path)
