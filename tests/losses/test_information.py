"""The bounds on mutual information: by hand, against torch's distributions, below the entropy."""

import math

import pytest
import torch
from torch.distributions import Categorical, Normal, Uniform

from fewgan.losses.information import categorical_information, continuous_information


def test_categorical_by_hand():
    logits = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]])
    # Q gives 3/4 and 1/2: log 2 + (log 3/4 + log 1/2) / 2.
    expected = math.log(2) + (math.log(3 / 4) + math.log(1 / 2)) / 2
    assert categorical_information(logits, torch.tensor([0, 1])).item() == pytest.approx(expected)


def test_continuous_by_hand():
    # Half the squared error is 0.125 + 0.5 in the first row and 0 in the second.
    mean, code = torch.tensor([[0.5, -1.0], [1.0, 0.0]]), torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    expected = 2 * (math.log(2) - 0.5 * math.log(2 * math.pi)) - 0.625 / 2
    assert continuous_information(mean, code).item() == pytest.approx(expected)


def test_against_distributions():
    generator = torch.Generator().manual_seed(0)
    logits, mean = torch.randn(50, 7, generator=generator), torch.randn(50, 3, generator=generator)
    code = torch.randint(7, (50,), generator=generator)
    entropy = Categorical(logits=torch.zeros(7)).entropy()
    expected = Categorical(logits=logits).log_prob(code).mean() + entropy
    torch.testing.assert_close(categorical_information(logits, code), expected)
    uniform = Uniform(-torch.ones(3), torch.ones(3))
    codes = torch.rand(50, 3, generator=generator) * 2 - 1
    expected = Normal(mean, 1).log_prob(codes).sum(1).mean() + uniform.entropy().sum()
    torch.testing.assert_close(continuous_information(mean, codes), expected)


def test_bound_is_the_entropy_only_for_who_knows_and_nothing_for_who_guesses():
    code = torch.arange(40) % 10
    sure = 50 * torch.nn.functional.one_hot(code, 10).float()
    assert categorical_information(sure, code).item() == pytest.approx(math.log(10))
    assert categorical_information(torch.zeros(40, 10), code).item() == pytest.approx(0, abs=1e-6)
    generator = torch.Generator().manual_seed(0)
    for scale in (0.1, 1, 10):
        logits = scale * torch.randn(40, 10, generator=generator)
        assert categorical_information(logits, code) <= math.log(10)


def test_no_continuous_code_tells_nothing():
    assert continuous_information(torch.zeros(4, 0), torch.zeros(4, 0)).item() == 0
