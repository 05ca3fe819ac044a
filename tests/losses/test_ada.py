"""Adaptive augmentation: each change by hand, its chance, gradients, and how the chance adapts."""

import pytest
import torch

from fewgan.losses.ada import ada, adapt

# Places of the numbers that `ada` draws: 10 values and 8 gates of places, 5 and 5 of colours.
PLACES, GATES = 10, 8
OFF = 0.99  # above any chance used here


def noise(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.rand(n, *shape, generator=generator)


def only(gates=(), values=(), colour_gates=(), colours=()):
    """Numbers that let only the named changes happen, with the given values."""
    drawn = [
        torch.full((1, PLACES), 0.5),
        torch.full((1, GATES), OFF),
        torch.full((1, 5), 0.5),
        torch.full((1, 5), OFF),
    ]
    for tensor, given in zip(drawn, (values, gates, colours, colour_gates), strict=True):
        for place, value in dict(given).items():
            tensor[0, place] = value
    rest = iter(drawn)
    return lambda *shape: next(rest)


def picture(channels=1, side=8):
    return torch.rand(1, channels, side, side, generator=torch.Generator().manual_seed(1)) - 0.5


def test_without_a_chance_nothing_is_changed_or_drawn():
    x = picture()
    assert ada(x, 0.0, None) is x
    torch.testing.assert_close(ada(x, 0.5, only()), x)


def test_mirror_and_quarter_turns_by_hand():
    x = picture()
    mirrored = ada(x, 0.5, only(gates={0: 0.0}, values={0: 0.2}))
    torch.testing.assert_close(mirrored, x.flip(3))
    for quarters in range(4):
        turned = ada(x, 0.5, only(gates={1: 0.0}, values={1: quarters / 4 + 0.1}))
        torch.testing.assert_close(turned, torch.rot90(x, quarters, (2, 3)))


def test_a_shift_by_whole_pixels_by_hand():
    x = picture(side=16)
    shifted = ada(x, 0.5, only(gates={2: 0.0}, values={2: 0.999, 3: 0.5}))  # 2 of 16 pixels
    torch.testing.assert_close(shifted[..., :14], x[..., 2:])


def test_a_larger_image_shows_its_middle():
    x = torch.zeros(1, 1, 16, 16)
    x[..., 4:12, 4:12] = 1.0
    twice = torch.special.ndtr(torch.tensor(5.0)).item()  # 2^(5 * 0.2)
    grown = ada(x, 0.5, only(gates={3: 0.0}, values={4: twice}))
    assert grown[..., 1:15, 1:15].min() > 0.99


def test_brightness_contrast_and_inversion_by_hand():
    x = picture()
    up = torch.special.ndtr(torch.tensor(1.0)).item()
    brighter = ada(x, 0.5, only(colour_gates={0: 0.0}, colours={0: up}))
    torch.testing.assert_close(brighter, x + 0.2, atol=1e-4, rtol=0)
    steeper = ada(x, 0.5, only(colour_gates={1: 0.0}, colours={1: up}))
    torch.testing.assert_close(steeper, x * 2**0.5, atol=1e-4, rtol=0)
    inverted = ada(x, 0.5, only(colour_gates={2: 0.0}, colours={2: 0.7}))
    torch.testing.assert_close(inverted, -x)


def test_hue_and_saturation_keep_the_mean_colour():
    x = picture(3)
    luma = x.mean(1)
    for change, value in ((3, 0.9), (4, 0.2)):
        y = ada(x, 0.5, only(colour_gates={change: 0.0}, colours={change: value}))
        torch.testing.assert_close(y.mean(1), luma)
        assert not torch.allclose(y, x, atol=1e-2)
    third = ada(x, 0.5, only(colour_gates={3: 0.0}, colours={3: 0.5 + 1 / 3}))
    torch.testing.assert_close(third, x.roll(1, 1), atol=1e-5, rtol=0)  # by 120 degrees


@pytest.mark.parametrize("p", [0.2, 0.6])
def test_each_change_comes_with_its_chance(p):
    x = torch.zeros(4000, 1, 8, 8)
    x[..., :, :4] = 1.0

    def gates(*shape):
        return draw(*shape)

    draw = noise(4000)
    # Brightness alone moves a constant image, contrast and inversion keep 0 where it is.
    flat = ada(torch.zeros(4000, 1, 8, 8), p, gates)
    moved = (flat.abs() > 1e-6).flatten(1).any(1).float().mean().item()
    assert moved == pytest.approx(p, abs=0.03)


@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_pass(channels):
    x = picture(channels).expand(16, -1, -1, -1).clone().requires_grad_()
    y = ada(x, 0.8, noise(16))
    assert y.shape == x.shape
    y.sum().backward()
    assert x.grad.isfinite().all()
    assert x.grad.abs().sum() > 0


def test_the_chance_follows_the_sign_and_stays_a_chance():
    assert adapt(0.5, 0.9, 1000) == pytest.approx(0.51)
    assert adapt(0.5, 0.1, 1000) == pytest.approx(0.49)
    assert adapt(0.0, 0.1, 1000) == 0.0
    assert adapt(1.0, 0.9, 1000) == 1.0
    assert adapt(0.0, 1.0, 4 * 16, reach=640) == pytest.approx(0.1)
