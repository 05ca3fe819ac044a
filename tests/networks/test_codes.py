"""Codes inside normal latents: how they are distributed, read back, swept and refused."""

import pytest
import torch

from fewgan.errors import InputError
from fewgan.networks.build import ImageSpec, NetworkSettings
from fewgan.networks.codes import CodedGenerator, Codes

SPEC = ImageSpec(1, 16, 0)


def make(latent_dim=8, categorical=4, continuous=2):
    torch.manual_seed(0)
    settings = NetworkSettings(width=4, latent_dim=latent_dim, labels="none")
    return CodedGenerator(settings, SPEC, categorical, continuous).eval()


def latents(sampler, n, seed=0):
    y = torch.full((n,), -1)
    return sampler.latents(y, torch.Generator().manual_seed(seed))


def test_codes_of_normal_latents_are_uniform_and_independent():
    categorical, continuous = make().codes(latents(make(), 40000))
    shares = torch.bincount(categorical, minlength=4) / 40000
    assert (shares - 0.25).abs().max() < 0.01  # 4.6 standard errors
    for code in continuous.T:
        ordered = code.sort().values
        expected = (torch.arange(40000) + 0.5) / 20000 - 1
        assert (ordered - expected).abs().max() / 2 < 0.0097  # Kolmogorov's bound at 1 in 1000
    table = torch.cat([torch.nn.functional.one_hot(categorical).float(), continuous], 1)
    correlation = torch.corrcoef(table.T)
    assert correlation[:4, 4:].abs().max() < 0.025
    assert correlation[4, 5].abs() < 0.025


def test_codes_by_hand():
    z = torch.tensor([[0.1, 0.9, -3.0, 0.2, 0.0, 0.674490, 5.0, 7.0]])
    categorical, continuous = make().codes(z)
    assert categorical.tolist() == [1]
    # The quartile of the normal distribution is half-way from the middle to the end.
    assert continuous[0].tolist() == pytest.approx([0.0, 0.5], abs=1e-6)


def test_codes_put_in_are_read_out_and_the_noise_stays():
    sampler = make()
    z = latents(sampler, 12)
    put = Codes(torch.arange(12) % 4, torch.linspace(-1, 1, 24).reshape(12, 2))
    coded = sampler.with_codes(z, put)
    assert coded.isfinite().all()
    read = sampler.codes(coded)
    assert torch.equal(read.categorical, put.categorical)
    torch.testing.assert_close(read.continuous, put.continuous, atol=1e-5, rtol=0)
    assert torch.equal(coded[:, 6:], z[:, 6:])


def test_images_depend_on_the_codes_and_the_noise_only():
    sampler = make()
    z = latents(sampler, 5)
    same = sampler.with_codes(z, sampler.codes(z))
    torch.testing.assert_close(sampler(same, None), sampler(z, None), atol=1e-5, rtol=0)
    for place in (slice(0, 4), slice(4, 6), slice(6, 8)):
        other = z.clone()
        other[:, place] = z[:, place].flip(1) + 0.5
        moved = (sampler(other, None) - sampler(z, None)).abs().amax((1, 2, 3))
        assert moved.max() > 1e-4, place


def test_sweeps_change_one_code_along_a_row():
    sampler = make()
    sweeps = sampler.sweeps(5, torch.Generator().manual_seed(0))
    assert list(sweeps) == ["c1", "c2", "noise"]
    for i, name in enumerate(("c1", "c2")):
        sweep = sweeps[name]
        assert sweep.latents.shape == (4, 5, 8)
        assert len(sweep.rows) == 4
        codes = sampler.codes(sweep.latents.flatten(0, 1))
        assert torch.equal(codes.categorical.view(4, 5), torch.arange(4)[:, None].expand(4, 5))
        continuous = codes.continuous.view(4, 5, 2)
        expected = torch.tensor([-1, -0.5, 0, 0.5, 1]).expand(4, 5)
        torch.testing.assert_close(continuous[..., i], expected, atol=1e-5, rtol=0)
        assert continuous[..., 1 - i].abs().max() == 0
        assert (sweep.latents[..., 6:] == sweep.latents[0, 0, 6:]).all()
    noise = sweeps["noise"].latents
    assert (noise[:, :, 4:] - noise[:1, :, 4:]).abs().max() == 0  # columns agree
    assert (noise[:, 1:, 6:] != noise[:, :1, 6:]).all()  # and differ from each other


def test_without_continuous_codes():
    sampler = make(continuous=0)
    assert sampler.codes(latents(sampler, 3)).continuous.shape == (3, 0)
    assert list(sampler.sweeps(2, torch.Generator())) == ["noise"]


def test_latent_without_room_is_refused():
    make(latent_dim=6)
    with pytest.raises(InputError, match=r"4 \+ 2 codes do not fit a latent of 5"):
        make(latent_dim=5)
