"""Kernels by name, their ranks, and what `rick` does with them."""

import copy

import pytest
import torch
from torch import nn

from fewgan.methods.adam_probe import Modulation
from fewgan.methods.kernels import kernel_axes, kernel_kinds, per_kernel, ranks, spread
from fewgan.methods.rick import Chosen
from fewgan.networks.build import Discriminator, Generator, ImageSpec, NetworkSettings
from fewgan.networks.heads import RealFake

SMALL = {"width": 4, "latent_dim": 8}


def test_a_kernel_draws_one_map_of_any_layer():
    net = nn.Sequential(nn.Conv2d(2, 5, 3), nn.ConvTranspose2d(5, 3, 4), nn.BatchNorm2d(3))
    axes = kernel_axes(net)
    assert axes == {"0.weight": 0, "1.weight": 1}
    x = torch.randn(1, 2, 6, 6)
    with torch.no_grad():
        weight = net[1].weight
        weight.copy_(torch.where(spread(torch.tensor([False, True, False]), weight, 1), 0, weight))
        net[1].bias.zero_()
    assert not net[:2](x)[0, 1].any()
    assert net[:2](x)[0, [0, 2]].abs().sum() > 0


@pytest.mark.parametrize("trunk", ["dcgan", "resnet", "stylegan2"])
def test_every_layer_of_every_trunk_is_counted(trunk):
    own = {"labels": "embedding", "spectral": False} if trunk == "stylegan2" else {}
    settings = NetworkSettings(trunk=trunk, **SMALL, **own)
    spec = ImageSpec(1, 32, 3)
    for net in (Generator(settings, spec), Discriminator(settings, spec, RealFake)):
        axes = kernel_axes(net)
        large = {n for n, p in net.named_parameters() if p.ndim == 4 and "constant" not in n}
        assert large <= set(axes)
        assert not [n for n in axes if "norm" in n or "embedding" in n]


def test_ranks_are_over_all_layers_of_a_kind_together():
    means = per_kernel(
        {"a": torch.tensor([[1.0, 3.0], [8.0, 8.0]]), "b": torch.tensor([[5.0], [0.0]])},
        {"a": 0, "b": 0},
    )
    assert means["a"].tolist() == [2.0, 8.0]
    found = ranks(means, {"a": 4, "b": 4})
    assert found["a"].tolist() == [0.25, 0.75]
    assert found["b"].tolist() == [0.5, 0.0]
    apart = ranks(means, {"a": 4, "b": 2})
    assert list(apart) == ["a", "b"]
    assert [apart[name].tolist() for name in apart] == [[0.0, 0.5], [0.5, 0.0]]
    assert kernel_kinds(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(2, 3))) == {
        "0.weight": 4,
        "1.weight": 2,
    }


def test_the_top_is_frozen_the_last_is_pruned_for_good_and_the_rest_is_free():
    net = nn.Sequential(nn.Linear(3, 4))
    chosen, before = Chosen(net), copy.deepcopy(net[0].weight.data)
    importance = torch.tensor([4.0, 1.0, 3.0, 2.0])[:, None].expand(4, 3)
    chosen.choose(net, {"0.weight": importance}, keep=0.75, prune=0.25)
    with torch.no_grad():
        net[0].weight.add_(1.0)
    chosen.hold(net)
    assert torch.equal(net[0].weight[0], before[0])
    assert not net[0].weight[1].any()
    assert torch.equal(net[0].weight[2:], before[2:] + 1)
    chosen.choose(net, {"0.weight": importance.flip(0)}, keep=0.75, prune=0.25)
    with torch.no_grad():
        net[0].weight.add_(1.0)
    chosen.hold(net)
    assert not net[0].weight[1:3].any()  # the first one that went stays away
    assert torch.equal(net[0].weight[3], before[3] + 1)  # frozen now, at where it was then
    assert torch.equal(net[0].weight[0], before[0] + 1)


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(3, 5, 4), nn.ConvTranspose2d(3, 5, 4), nn.Linear(3, 5)]
)
def test_each_number_of_v_has_a_kernel_of_its_own(layer):
    net = nn.Sequential(layer)
    modulation = Modulation(net)
    with torch.no_grad():
        modulation.u[0].fill_(1.0)
        modulation.v[0].zero_()[2] = 0.5
    axis = modulation.axes["0.weight"]
    here, there = (w.movedim(axis, 0) for w in (modulation.read(net)["0.weight"], layer.weight))
    assert torch.allclose(here[2], 1.5 * there[2])
    others = [0, 1, 3, 4]
    assert torch.equal(here[others], there[others])
