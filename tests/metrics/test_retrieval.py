"""Retrieval ranks on a line, where every distance can be seen."""

import pytest
import torch

from fewgan.metrics.retrieval import ranks, retrieval

ANSWERS = torch.tensor([[0.0], [1.0], [3.0], [10.0]])


def test_ranks_and_figures_by_hand():
    # From 0.4: 0 is nearest, so rank 1. From 2.9: distances 2.9, 1.9, 0.1, 7.1, so 1 is second.
    # From 9: distances 9, 8, 6, 1, so 3 is second. From -1: 10 is last, rank 4.
    made = torch.tensor([[0.4], [2.9], [9.0], [-1.0]])
    assert ranks(made, ANSWERS).tolist() == [1, 2, 2, 4]
    found = retrieval(made, ANSWERS)
    assert found.median_rank == 2
    assert found.mean_rank == 9 / 4
    assert (found.recall_1, found.recall_5) == (0.25, 1.0)
    assert found.distance == pytest.approx((0.4 + 1.9 + 6 + 11) / 4, rel=1e-6)
    every = [(0.4 + 0.6 + 2.6 + 9.6) / 4, (2.9 + 1.9 + 0.1 + 7.1) / 4, 24 / 4, (1 + 2 + 4 + 11) / 4]
    assert found.relative_distance == pytest.approx(19.3 / sum(every), rel=1e-6)


def test_perfect_translations_are_first():
    found = retrieval(ANSWERS, ANSWERS)
    assert found == (1, 1, 1, 1, 0, 0)


def test_the_same_picture_for_all_is_worth_chance():
    """Whatever is drawn, each rank is taken once; (N + 1) / 2 in the middle."""
    made = torch.full((4, 1), 2.2)
    assert sorted(ranks(made, ANSWERS).tolist()) == [1, 2, 3, 4]
    assert retrieval(made, ANSWERS).median_rank == 2.5


def test_ties_share_their_ranks():
    same = torch.zeros(5, 3)
    assert ranks(same, same).tolist() == [3] * 5
    assert retrieval(same, same).recall_1 == 0


def test_many_rows_agree_with_a_plain_loop():
    generator = torch.Generator().manual_seed(0)
    made, answers = (torch.randn(50, 4, generator=generator, dtype=torch.double) for _ in range(2))
    plain = [
        1 + sum((made[i] - x).norm() < (made[i] - answers[i]).norm() for x in answers).item()
        for i in range(50)
    ]
    assert ranks(made, answers).tolist() == plain


def test_a_copy_finds_its_own_kind():
    """Two styles, the second 5 further up; content is the place along the line."""
    sources = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    answers = sources + torch.tensor([0.0, 5.0])
    assert ranks(sources, answers).tolist() == [1, 1, 1]
    assert ranks(answers, answers, sources).tolist() == [1, 1, 1]
    # A copy has the other two sources nearer than its counterpart; itself does not count.
    assert ranks(sources, answers, sources).tolist() == [3, 3, 3]
    # Half way up, the counterpart is as near as the source, and nothing else is as near.
    assert ranks((sources + answers) / 2, answers, sources).tolist() == [1, 1, 1]


def test_distances_do_not_depend_on_the_candidates():
    made, sources = ANSWERS + 0.25, ANSWERS - 7
    plain, harder = retrieval(made, ANSWERS), retrieval(made, ANSWERS, sources)
    assert plain[-2:] == harder[-2:]


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="equal shape"):
        ranks(torch.zeros(2, 3), torch.zeros(3, 3))
    with pytest.raises(ValueError, match="equal shape"):
        ranks(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(3, 3))
