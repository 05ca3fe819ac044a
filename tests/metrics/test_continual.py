"""The figures of a stream: by hand, and at the ends of their ranges."""

import math

import pytest
import torch

from fewgan.metrics.continual import continual

WORKED = torch.tensor(
    [
        [0.1, 0.2, 0.0],  # before any experience
        [0.9, 0.3, 0.0],
        [0.7, 0.8, 0.3],
        [0.8, 0.4, 1.0],
    ]
)


def test_worked_by_hand():
    found = continual(WORKED)
    assert found.final == pytest.approx((0.8 + 0.4 + 1.0) / 3)
    assert found.backward_transfer == pytest.approx(((0.8 - 0.9) + (0.4 - 0.8)) / 2)
    assert found.forward_transfer == pytest.approx(((0.3 - 0.2) + (0.3 - 0.0)) / 2)
    assert found.forgetting == pytest.approx(0.25)
    assert found.forgetting_from_best == pytest.approx(((0.9 - 0.8) + (0.8 - 0.4)) / 2)


def test_a_score_from_before_an_experience_is_no_best_of_it():
    lucky = WORKED.clone()
    lucky[1, 1] = 1.0  # by chance, before experience 1 was learned
    assert continual(lucky).forgetting_from_best == continual(WORKED).forgetting_from_best


def test_the_best_of_the_past_may_be_later_than_the_first():
    risen = WORKED.clone()
    risen[2, 0] = 0.95
    assert continual(risen).forgetting == continual(WORKED).forgetting
    assert continual(risen).forgetting_from_best == pytest.approx(((0.95 - 0.8) + 0.4) / 2)


def test_nothing_forgotten_and_everything_forgotten():
    kept = torch.tril(torch.ones(5, 4), -1)
    assert continual(kept) == (1.0, 0.0, 0.0, 0.0, 0.0)
    lost = torch.cat([torch.zeros(1, 4), torch.eye(4)])
    assert continual(lost) == (0.25, -1.0, 0.0, 1.0, 1.0)


def test_of_one_experience_there_is_nothing_to_transfer():
    found = continual(torch.tensor([[0.0], [0.7]]))
    assert found.final == pytest.approx(0.7)
    assert all(math.isnan(value) for value in found[1:])


def test_a_matrix_without_the_row_of_the_untrained_model_is_refused():
    with pytest.raises(ValueError, match=r"\[T \+ 1, T\]"):
        continual(torch.eye(3))


def test_equals_avalanche_on_the_same_matrix():
    """What `Forgetting`, `BWT` and `ForwardTransfer` of Avalanche 0.6.0 answer, keys averaged.

    They were given the diagonal as initial values of the first two, the last row as last ones,
    the first row as initial and the superdiagonal as previous values of the third. The package
    cannot be installed beside every build of PyTorch, so that its answers stand here.
    """
    scores = torch.tensor(
        [
            [0.496, 0.768, 0.088, 0.132],
            [0.307, 0.634, 0.490, 0.896],
            [0.456, 0.632, 0.349, 0.402],
            [0.022, 0.169, 0.294, 0.519],
            [0.698, 0.800, 0.161, 0.282],
        ]
    )
    found = continual(scores)
    assert found.forgetting == pytest.approx(-0.142, abs=1e-6)
    assert found.backward_transfer == pytest.approx(0.142, abs=1e-6)
    assert found.forward_transfer == pytest.approx(0.171333, abs=1e-6)
