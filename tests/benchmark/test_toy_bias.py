"""The toy with a known answer: the discriminators are optimal, and each loss ends where it must."""

import pytest
import torch
from torch.testing import assert_close

from fewgan.benchmark.toy import PLAYERS, TRUTH, begin, build, costs, play
from fewgan.methods.gan import Judged

BIASED = [[0.9, 0.1, 0.0], [0.0, 0.1, 0.9]]
ENDS = {
    "2N, ns": BIASED,
    "AC-GAN": BIASED,
    "2N, sat": [[0.35, 0.3, 0.35]] * 2,
    "2N, cond_ns": TRUTH.tolist(),
    "2N, logodds": TRUTH.tolist(),
    "ADC-GAN": TRUTH.tolist(),
    "TAC-GAN": TRUTH.tolist(),
    "Projection": TRUTH.tolist(),
}
UNBIASED = {name for name, end in ENDS.items() if end == TRUTH.tolist()}
TENTHS = torch.tensor([[5, 2, 3], [2, 4, 4]])  # some other generator, in tenths


def cells_of(tenths):
    """A batch with each pair (y, x) as often as it has tenths: the pairs' numbers, and labels."""
    cells = torch.arange(6).repeat_interleave(tenths.flatten())
    return cells, cells // 3


@pytest.mark.parametrize("name", ENDS)
def test_where_it_ends_whatever_the_start(name):
    ends = play(PLAYERS[name], begin(starts=3))
    assert_close(ends, torch.tensor(ENDS[name]).to(ends).expand_as(ends), atol=1e-3, rtol=0)


def test_a_classifier_that_learns_from_fakes_gives_the_shared_cell_to_one_class():
    ends = play(PLAYERS["AC-GAN, real+fake"], begin(starts=3))
    expected = torch.tensor([[0.737, 0.263, 0], [0, 0, 1]]).to(ends)
    for end in ends:  # which class gets it is up to the start; the toy is its own mirror image
        wins = end if end[0, 1] > end[1, 1] else end.flip(0, 1)
        assert_close(wins, expected, atol=1e-3, rtol=0)
    assert {bool(end[0, 1] > end[1, 1]) for end in ends} == {True, False}


def test_a_smaller_class_weight_spares_the_shared_cell_but_not_the_rare_one():
    (end,) = play(PLAYERS["AC-GAN, w_G 0.3"], begin(starts=1))
    expected = torch.tensor([[0.766, 0.234, 0], [0, 0.234, 0.766]]).to(end)
    assert_close(end, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", PLAYERS)
def test_the_discriminator_is_at_the_optimum_of_the_methods_own_loss(name):
    """Its gradient vanishes at the closed form, for every answer that it is free to give."""
    method, q = build(PLAYERS[name]), TENTHS.to(TRUTH) / 10
    verdict = PLAYERS[name].optimum(TRUTH / 2, q / 2)
    bare = isinstance(verdict, torch.Tensor)
    answers = [a.flatten(0, 1).clone().requires_grad_() for a in ([verdict] if bare else verdict)]

    def judged(tenths):
        cells, y = cells_of(tenths)
        rows = [answer[cells] for answer in answers]
        return Judged(rows[0] if bare else type(verdict)(*rows), y, torch.empty(1))

    real = (TRUTH * 10).round().long()
    sum(method.discriminator_losses(judged(real), judged(TENTHS)).values()).backward()
    # A head that does not see y gives one answer for both, so that it is their sum that vanishes.
    sees_y = name == "Projection"
    for answer in answers:
        gradient = answer.grad.unflatten(0, (2, 3))
        assert gradient.abs().max() > 1e-3 or sees_y
        total = gradient if sees_y else gradient.sum(0)
        assert_close(total, torch.zeros_like(total), atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", PLAYERS)
def test_at_the_truth_only_an_unbiased_loss_costs_the_same_everywhere(name):
    cost = costs(build(PLAYERS[name]), PLAYERS[name].optimum, TRUTH[None])[0]
    spread = (cost.amax(1) - cost.amin(1)).max()
    assert (spread < 1e-12) == (name in UNBIASED)


def test_the_auxiliary_classifier_and_2n_ns_are_one_loss():
    q = begin(starts=2, spread=1.0).softmax(-1)
    ac, ns = (
        costs(build(PLAYERS[name]), PLAYERS[name].optimum, q) for name in ("AC-GAN", "2N, ns")
    )
    assert_close(ac, ns)


def test_a_step_follows_the_gradient():
    theta = begin(starts=2, spread=1.0).requires_grad_()
    player, q = PLAYERS["2N, cond_ns"], theta.softmax(-1)
    loss = (q * costs(build(player), player.optimum, q).detach()).sum() / 2
    (gradient,) = torch.autograd.grad(loss, theta)
    stepped = play(player, theta.detach(), steps=1, rate=0.5)
    assert_close(stepped, (theta - 0.5 * gradient).softmax(-1).detach())


def test_the_global_generator_is_left_alone():
    before = torch.random.get_rng_state()
    build(PLAYERS["2N, ns"])
    begin()
    assert torch.equal(before, torch.random.get_rng_state())
