"""Elastic distortion: still at zero, a shift where all knots agree, smooth everywhere."""

import torch

from conftest import make_blobs
from fewgan.data.feed import Feed
from fewgan.data.imageset import to_bytes
from fewgan.data.warp import KNOTS, displacements, warp


def test_knots_of_zero_leave_images_and_equal_knots_shift_them():
    images = torch.rand(3, 2, 16, 16)
    knots = torch.zeros(3, 2, KNOTS, KNOTS)
    torch.testing.assert_close(warp(images, knots), images)
    knots[:, 0] = 2 / 16  # a pixel of the 16, in half sides
    torch.testing.assert_close(warp(images, knots)[..., :-1], images[..., 1:], atol=1e-5, rtol=0)


def test_displacements_go_through_their_knots_and_are_smooth():
    knots = torch.randn(4, 2, KNOTS, KNOTS, generator=torch.Generator().manual_seed(0))
    field = displacements(knots, 65)
    at_knots = field[:, ::16, ::16].permute(0, 3, 1, 2)
    torch.testing.assert_close(at_knots, knots, atol=1e-5, rtol=0)
    steps = field.diff(dim=1).abs().max()
    assert steps < 0.3 * knots.diff(dim=2).abs().max()


def test_a_feed_bends_each_image_in_its_own_way_and_can_be_resumed():
    def feed(strength):
        generator = torch.Generator().manual_seed(0)
        return Feed(make_blobs(8), 8, generator, warp=strength)

    plain, bent = feed(0.0).batch()[0], feed(0.1).batch()[0]
    assert not torch.allclose(plain, bent)
    assert torch.equal(to_bytes(plain).sum(0), to_bytes(feed(0.0).batch()[0]).sum(0))
    one, other = feed(0.1), feed(0.1)
    one.batch()
    other.load_state_dict({n: t.clone() for n, t in one.state_dict().items()})
    assert torch.equal(one.batch()[0], other.batch()[0])
