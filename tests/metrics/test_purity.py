import itertools

import pytest
import torch

from fewgan.errors import InputError
from fewgan.metrics.purity import purity


def test_by_hand():
    # Code 0: two of class 1. Code 1: two of class 1 and one of class 0. Code 2: one of class 2.
    codes, labels = torch.tensor([0, 0, 1, 1, 1, 2]), torch.tensor([1, 1, 1, 1, 0, 2])
    found = purity(codes, labels, 3, 3)
    # Class 1 can be given once: 2 + 1 + 1 beats whatever gives it to code 1 (0 + 2 + 1).
    assert found.overall == pytest.approx(4 / 6)
    assert found.match.tolist() == [1, 0, 2]
    assert found.table.tolist() == [[0, 2, 0], [1, 2, 0], [0, 0, 1]]


@pytest.mark.parametrize(("n_codes", "n_classes"), [(4, 4), (5, 3), (3, 5)])
def test_is_the_best_of_all_matchings(n_codes, n_classes):
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        codes = torch.randint(n_codes, (60,), generator=generator)
        labels = torch.randint(n_classes, (60,), generator=generator)
        wide = max(n_codes, n_classes)
        best = max(
            sum(int(((codes == k) & (labels == c)).sum()) for k, c in enumerate(order))
            for order in itertools.permutations(range(wide))
        )
        found = purity(codes, labels, n_codes, n_classes)
        assert found.overall == pytest.approx(best / 60)
        matched = found.match[found.match >= 0].tolist()
        assert len(matched) == len(set(matched)) == min(n_codes, n_classes)


def test_names_of_codes_do_not_matter():
    labels = torch.arange(30) % 3
    assert purity((labels + 1) % 3, labels, 3, 3).overall == 1
    assert purity((labels + 1) % 3, labels, 3, 3).match.tolist() == [2, 0, 1]
    assert purity(torch.zeros(30, dtype=torch.long), labels, 3, 3).overall == pytest.approx(1 / 3)


def test_what_is_no_code_is_refused():
    two = torch.tensor([0, 1])
    with pytest.raises(InputError, match="a class for each code"):
        purity(two, two[:1], 2, 2)
    with pytest.raises(InputError, match="classes from 0 to 0"):
        purity(two, two, 2, 1)
    with pytest.raises(InputError, match="codes from 0 to 1"):
        purity(two - 1, two, 2, 2)
