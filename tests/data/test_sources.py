import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from fewgan.data import ImageSet, fetch, fetching, has_test_split, load, mnist, sources
from fewgan.errors import InputError


def test_the_table_names_what_the_interface_promises():
    names = sources()
    expected = {"digits", "glyphs", "mnist", "fashion-mnist", "cifar10", "omniglot", "celeba"}
    assert expected <= set(names)
    for name, source in names.items():
        assert source.name == name
        assert source.summary
        assert source.licence
        assert source.embedded == (name in ("digits", "glyphs"))
        assert source.embedded or source.supply.remedy


def test_digits_are_those_of_scikit_learn():
    train, test = load("digits"), load("digits", "test")
    assert train.images.shape[1:] == (1, 8, 8)
    assert len(train) + len(test) == 1797
    both = torch.cat([train.images, test.images]).flatten(1).double().mul(16 / 255).round()
    theirs = load_digits().data
    assert sorted(map(tuple, both.tolist())) == sorted(map(tuple, theirs.tolist()))
    totals = np.bincount(load_digits().target)
    assert test.counts() == [int(n) // 5 for n in totals]
    assert load("digits").digest == train.digest
    assert has_test_split("digits")


def test_digits_grow_to_a_network_size():
    images = load("digits", size=32, channels=3)
    assert images.images.shape[1:] == (3, 32, 32)
    assert images.images.is_contiguous()
    assert torch.equal(images.images[:, 0], images.images[:, 2])
    small = torch.nn.functional.avg_pool2d(images.images[:, :1].float(), 4)
    assert float((small - load("digits").images.float()).abs().mean()) < 12


def test_mnist_like_sets_are_padded_to_32(machine):
    stored = ImageSet(
        torch.full((2, 1, 28, 28), 9, dtype=torch.uint8), torch.tensor([0, 1]), mnist.CLASSES, "m"
    )
    fetching.store(stored, fetching.home("mnist"), "train")
    fetching.write_json(fetching.home("mnist") / fetching.RECORD, {"served_by": "test"})
    assert load("mnist").size == 28
    images = load("mnist", size=32)
    assert torch.equal(images.images[:, :, 2:30, 2:30], stored.images)
    assert int(images.images.sum()) == int(stored.images.sum())
    assert images.licence == mnist.LICENCE


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: load("mnsit"), "unknown data set 'mnsit': did you mean 'mnist'"),
        (lambda: fetch("fashion"), "did you mean 'fashion-mnist'"),
        (lambda: load("./nowhere"), "there is no folder ./nowhere"),
        (lambda: load("digits", "tset"), "unknown split 'tset': did you mean 'test'"),
        (lambda: load("digits", size=2), "size 2 cannot be used"),
        (lambda: load("digits", channels=4), "channels 4 cannot be used"),
        (lambda: has_test_split("nothing-like-it"), "unknown data set"),
        (lambda: load("mnist"), "not on this machine: run `fewgan data fetch mnist`"),
    ],
)
def test_bad_requests_get_one_line(machine, call, says: str):
    with pytest.raises(InputError, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_embedded_sets_need_no_fetch(machine):
    assert fetch("digits").served_by == "embedded in the installation"
    assert not (machine / "cache" / "data").exists()


def test_listing_imports_no_heavy_library():
    code = (
        "import sys; from fewgan.data import sources; sources(); "
        "print([m for m in ('matplotlib', 'sklearn', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
