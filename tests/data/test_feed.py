import pytest
import torch

from conftest import make_blobs
from fewgan.data.feed import Feed
from fewgan.data.imageset import to_bytes, to_float
from fewgan.errors import InputError


def feed(n=40, batch=8, seed=0, **options):
    return Feed(make_blobs(n), batch, torch.Generator().manual_seed(seed), **options)


def test_bytes_and_floats_are_inverse():
    every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    floats = to_float(every)
    assert (floats.min().item(), floats.max().item()) == (-1.0, 1.0)
    assert torch.equal(to_bytes(floats), every)
    assert to_bytes(torch.tensor([[[[-7.0, 7.0]]]])).flatten().tolist() == [0, 255]


def test_an_epoch_shows_every_image_once():
    one = feed(n=40, batch=8)
    shown = torch.cat([to_bytes(one.batch()[0]) for _ in range(5)])
    # Noise makes all forty images different, so sorted sums identify them.
    assert torch.equal(
        shown.flatten(1).sum(1).sort().values, one.images.images.flatten(1).sum(1).sort().values
    )
    assert one.seen == 40


def test_labels_go_with_their_images():
    one = feed()
    images, labels = one.batch()
    upper = images[:, 0, :8].mean((1, 2)) > images[:, 0, 8:].mean((1, 2))
    assert torch.equal(upper, labels == 0)


def test_a_batch_larger_than_the_set_goes_round():
    one = feed(n=5, batch=12)
    counts = one.batch()[0].flatten(1).sum(1).unique(return_counts=True)[1]
    assert sorted(counts.tolist()) == [2, 2, 2, 3, 3]


def test_shares_of_processes_make_up_the_batch_of_one():
    whole, shares = feed(flip=True), [feed(flip=True, rank=r, world=2) for r in range(2)]
    for _ in range(7):  # goes past the end of an epoch
        draws = [(*f.batch(), f.normal(3), f.labels()) for f in [whole, *shares]]
        for one, *parts in zip(*draws, strict=True):
            assert torch.equal(one[0::2], parts[0])
            assert torch.equal(one[1::2], parts[1])


def test_a_saved_place_goes_on_with_the_same_draws():
    one = feed(batch=12)
    for _ in range(4):
        one.batch(), one.normal(2), one.labels()
    state = {name: tensor.clone() for name, tensor in one.state_dict().items()}
    expected = [(one.batch(), one.normal(2), one.labels()) for _ in range(5)]
    other = feed(batch=12, seed=99)
    other.load_state_dict(state)
    for (x, y), z, labels in expected:
        (x2, y2), z2, labels2 = other.batch(), other.normal(2), other.labels()
        assert all(map(torch.equal, (x, y, z, labels), (x2, y2, z2, labels2)))
    assert other.seen == one.seen


def test_label_prior_follows_the_data_when_asked():
    images = make_blobs(40)
    images.labels[:38] = 1
    images.labels[38:] = 0
    drawn = Feed(images, 400, torch.Generator().manual_seed(0), prior="data").labels()
    assert 1 <= drawn.eq(0).sum() < 50
    uniform = Feed(images, 400, torch.Generator().manual_seed(0)).labels()
    assert 150 < uniform.sum() < 250


def test_no_label_is_drawn_of_a_class_that_has_no_images_here():
    images = make_blobs(40, classes=4).of_classes([1, 3])
    feed = Feed(images, 400, torch.Generator().manual_seed(0))
    assert feed.classes.tolist() == [1, 3]
    assert feed.labels().unique().tolist() == [1, 3]


def test_flip_mirrors_about_half():
    one, other = feed(n=40, batch=40), feed(n=40, batch=40, flip=True)
    plain, mirrored = one.batch()[0], other.batch()[0]
    same = (plain == mirrored).flatten(1).all(1)
    assert torch.equal(mirrored[~same], plain[~same].flip(3))
    assert 8 < same.sum() < 32


# --- one class at a time ------------------------------------------------------------------------


def of_class(one, label):
    return one.images.images[one.images.labels == label].flatten(1).sum(1).sort().values


def test_batches_of_a_class_come_in_epochs_of_their_own():
    one = feed(n=40, batch=5)
    shown = {0: [], 1: []}
    for _ in range(4):
        for label, batches in shown.items():
            batches.append(to_bytes(one.batch_of(label)))
    for label, batches in shown.items():
        sums = torch.cat(batches).flatten(1).sum(1).sort().values
        assert torch.equal(sums, of_class(one, label))
    assert one.seen == 40


def test_batches_of_a_class_leave_the_other_epochs_alone():
    one, other = feed(n=8, batch=4), feed(n=8, batch=4)
    first = one.batch()[0]
    other.batch()
    one.batch_of(0)
    second = one.batch()[0]
    # The order of an epoch was shuffled when it began.
    assert torch.equal(second, other.batch()[0])
    assert not torch.equal(first, second)


def test_shares_of_a_class_make_up_its_batch():
    whole, shares = feed(flip=True), [feed(flip=True, rank=r, world=2) for r in range(2)]
    for label in (0, 1, 1, 0, 1, 1):
        one, *parts = (f.batch_of(label) for f in [whole, *shares])
        assert torch.equal(one[0::2], parts[0])
        assert torch.equal(one[1::2], parts[1])


def test_a_saved_place_goes_on_in_every_epoch():
    def draw(one):
        return [one.batch_of(1), one.batch()[0], one.normal(2), one.batch_of(0), one.batch_of(1)]

    one = feed(n=22, batch=4)
    draw(one)
    state = {name: tensor.clone() for name, tensor in one.state_dict().items()}
    expected = [draw(one) for _ in range(4)]
    other = feed(n=22, batch=4, seed=99)
    other.batch_of(0)
    other.load_state_dict(state)
    for draws in expected:
        assert all(map(torch.equal, draws, draw(other)))
    assert other.seen == one.seen


def test_a_class_without_images_is_refused():
    images = make_blobs(6)
    images.labels[:] = 0
    with pytest.raises(InputError, match="class 1 has no training images"):
        Feed(images, 2, torch.Generator()).batch_of(1)


def test_images_of_other_classes_come_alike_and_never_of_this_one():
    one = Feed(make_blobs(30, 3), 3000, torch.Generator().manual_seed(0))
    for label in range(3):
        shown = to_bytes(one.batch_outside(label)).flatten(1).sum(1)
        own = one.images.images[one.images.labels == label].flatten(1).sum(1)
        others = one.images.images[one.images.labels != label].flatten(1).sum(1)
        assert not torch.isin(shown, own).any()
        counts = torch.stack([(shown == value).sum() for value in others])
        assert counts.sum() == 3000  # noise makes all images different
        assert (counts > 100).all()  # 150 each
        assert (counts < 200).all()


def test_of_one_class_there_is_nothing_outside():
    one = Feed(make_blobs(10, 1), 4, torch.Generator().manual_seed(0))
    with pytest.raises(InputError, match="no images but those of class 0"):
        one.batch_outside(0)


def unequal():
    """Thirty-six images of one class and four of another."""
    images = make_blobs(72, 2)
    few = (images.labels == 1).nonzero().flatten()[4:]
    keep = torch.ones(72, dtype=torch.bool)
    keep[few] = False
    return images.take(keep.nonzero().flatten())


def test_balanced_batches_show_every_class_alike_and_each_image_in_turn():
    one = Feed(unequal(), 40, torch.Generator().manual_seed(0), balance=True)
    batches = [one.batch() for _ in range(20)]
    labels = torch.cat([label for _, label in batches])
    assert abs(labels.float().mean() - 0.5) < 3 * (0.25 / 800) ** 0.5
    rare = torch.cat([to_bytes(x[y == 1]) for x, y in batches]).flatten(1).sum(1)
    counts = rare.unique(return_counts=True)[1]
    assert len(counts) == 4
    assert counts.max() - counts.min() <= 1
    assert one.seen == 800
    plain = Feed(unequal(), 40, torch.Generator().manual_seed(0))
    assert plain.batch()[1].sum() == 4


def test_a_saved_place_among_balanced_classes_goes_on():
    one = Feed(unequal(), 8, torch.Generator().manual_seed(0), balance=True)
    one.batch()
    state = {name: tensor.clone() for name, tensor in one.state_dict().items()}
    expected = [one.batch()[0] for _ in range(9)]
    other = Feed(unequal(), 8, torch.Generator().manual_seed(5), balance=True)
    other.load_state_dict(state)
    assert all(torch.equal(x, other.batch()[0]) for x in expected)
