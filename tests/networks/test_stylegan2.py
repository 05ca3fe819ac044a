"""StyleGAN2's parts: modulation against a convolution for each image, filters, variances."""

import pytest
import torch
from torch.nn import functional as F

import fewgan
from fewgan.networks.stylegan2 import (
    EqualConv2d,
    EqualLinear,
    Layer,
    Modulated,
    StyleGAN2Discriminator,
    StyleGAN2Generator,
    activate,
    downsample,
    upsample,
)


@pytest.mark.parametrize("demodulate", [True, False])
def test_modulation_is_that_of_the_weights_of_each_image(demodulate):
    conv = Modulated(3, 5, 3, 4, demodulate)
    h, w = torch.randn(2, 3, 6, 6), torch.randn(2, 4)
    styles = conv.affine(w)
    for i in range(2):
        weight = conv.conv.weight * conv.conv.scale * styles[i][None, :, None, None]
        if demodulate:
            weight = weight / weight.square().sum((1, 2, 3), keepdim=True).sqrt()
        alone = F.conv2d(h[i : i + 1], weight, padding=1)
        torch.testing.assert_close(conv(h, w)[i : i + 1], alone, atol=1e-5, rtol=1e-4)


def test_a_style_has_no_say_in_how_large_demodulated_maps_are():
    conv = Modulated(64, 32, 3, 4)
    h, w = torch.randn(8, 64, 16, 16), torch.randn(8, 4)
    torch.testing.assert_close(conv(h, 100 * w), conv(h, 100 * w))
    with torch.no_grad():
        conv.affine.bias.zero_()
    torch.testing.assert_close(conv(h, 100 * w), conv(h, w), atol=1e-3, rtol=1e-3)
    assert conv(h, w)[..., 1:-1, 1:-1].std().item() == pytest.approx(1, abs=0.1)


def test_equalised_layers_keep_the_variance_whatever_their_rate():
    x = torch.randn(4000, 50)
    for rate in (1.0, 0.01):
        assert EqualLinear(50, 40, rate=rate)(x).std().item() == pytest.approx(1, abs=0.1)
    maps = EqualConv2d(32, 32, 3)(torch.randn(4, 32, 16, 16))[..., 1:-1, 1:-1]
    assert maps.std().item() == pytest.approx(1, abs=0.1)
    assert activate(torch.randn(100_000)).square().mean().item() == pytest.approx(1.04, abs=0.03)


def test_both_ways_between_sides_use_the_filter_1_3_3_1():
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = torch.outer(taps, taps) / 64
    x = torch.randn(1, 1, 8, 8)
    stuffed = torch.zeros(1, 1, 16, 16)
    stuffed[..., ::2, ::2] = x
    up = F.conv2d(F.pad(stuffed, (2, 1, 2, 1)), 4 * kernel[None, None])
    torch.testing.assert_close(upsample(x)[..., 2:-2, 2:-2], up[..., 2:-2, 2:-2])
    down = F.conv2d(F.pad(x, (1, 1, 1, 1)), kernel[None, None], stride=2)
    torch.testing.assert_close(downsample(x)[..., 1:-1, 1:-1], down[..., 1:-1, 1:-1])


def test_the_spread_of_a_batch_is_seen():
    judge = StyleGAN2Discriminator(1, 32, 4, torch.nn.Identity, lambda m: m)
    h = torch.randn(8, 32, 4, 4)
    spread = judge._spread(h)
    # Of 8 images in groups of 4, image i is with i + 2, i + 4 and i + 6.
    expected = h[[0, 2, 4, 6]].std(0, correction=0).mean()
    torch.testing.assert_close(spread[4].mean(), expected, atol=1e-4, rtol=0)
    assert judge._spread(h[:1].expand(8, -1, -1, -1)).max() < 1e-3
    assert judge._spread(h[:6]).std() < 1e-6  # 6 do not make groups of 4: all are one


def test_noise_is_a_constant_that_is_silent_at_first():
    layer = Layer(3, 3, 8, 4, up=False)
    h, w = torch.randn(2, 3, 8, 8), torch.randn(2, 4)
    before = layer(h, w)
    layer.noise.normal_()
    torch.testing.assert_close(layer(h, w), before)
    with torch.no_grad():
        layer.strength.fill_(1.0)
    assert not torch.allclose(layer(h, w), before)
    assert torch.equal(layer(h, w), layer(h, w))


def test_the_length_of_a_latent_does_not_matter():
    generator = StyleGAN2Generator(8, 3, 32, 4, torch.nn.Identity)
    z = torch.randn(2, 8)
    torch.testing.assert_close(generator(z, None), generator(3 * z, None), atol=1e-4, rtol=0)


@pytest.mark.parametrize("method", ["acgan", "2ngan", "sngan-projection", "mergan-ra"])
def test_methods_train_on_it(method, tmp_path):
    given = {"stream": "0/1"} if method == "mergan-ra" else {}
    given |= {"trunk": "stylegan2", "labels": "embedding", "r1": 1.0}
    given |= {"spectral": False, "d_norm": "none"}
    given |= {"width": 4, "batch_size": 8, "check_images": 40, "steps": 2, "progress": False}
    run = fewgan.train(method, "digits", out=tmp_path / "run", **given)
    assert torch.equal(run.sample(4, seed=1), run.sample(4, seed=1))
    if method == "acgan":
        for how in ("ewc-few", "cdc", "freezed"):
            few = fewgan.adapt(
                run, how, "digits", classes="7", shots=10, steps=2, out=tmp_path / how,
                check_images=40, progress=False,
            )  # fmt: skip
            assert few.sample(3).shape == (3, 1, 32, 32)
