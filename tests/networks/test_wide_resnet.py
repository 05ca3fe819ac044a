"""Wide residual networks: sizes as published, and names that are refused."""

import pytest
import torch

from fewgan.errors import InputError
from fewgan.networks.wide_resnet import wide_resnet


@pytest.mark.parametrize(("name", "millions"), [("wrn-16-8", 11.0), ("wrn-28-10", 36.5)])
def test_it_has_as_many_weights_as_the_paper_says(name, millions):
    with torch.device("meta"):
        network = wide_resnet(name, 3, 10)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)


def test_scores_for_any_size_and_channels():
    network = wide_resnet("wrn-10-1", 1, 7).eval()
    assert network(torch.zeros(2, 1, 32, 32)).shape == (2, 7)
    assert network(torch.zeros(2, 1, 16, 16)).shape == (2, 7)
    assert [b.conv1.stride[0] for b in network.blocks] == [1, 2, 2]


@pytest.mark.parametrize("name", ["resnet-18", "wrn-11-1", "wrn-4-1", "wrn-10-0", "WRN-10-1"])
def test_other_names_are_refused_with_what_there_is(name):
    with pytest.raises(InputError, match="such as wrn-10-1"):
        wide_resnet(name, 3, 10)
