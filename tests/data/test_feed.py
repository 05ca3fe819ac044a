import torch

from conftest import make_blobs
from fewgan.data.feed import Feed
from fewgan.data.imageset import to_bytes, to_float


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
    images.labels[:] = 1
    drawn = Feed(images, 64, torch.Generator().manual_seed(0), prior="data").labels()
    assert drawn.eq(1).all()
    uniform = Feed(images, 64, torch.Generator().manual_seed(0)).labels()
    assert 16 < uniform.sum() < 48


def test_flip_mirrors_about_half():
    one, other = feed(n=40, batch=40), feed(n=40, batch=40, flip=True)
    plain, mirrored = one.batch()[0], other.batch()[0]
    same = (plain == mirrored).flatten(1).all(1)
    assert torch.equal(mirrored[~same], plain[~same].flip(3))
    assert 8 < same.sum() < 32
