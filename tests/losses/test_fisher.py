"""Fisher information: exact on models with a closed form, and never squared batch gradients."""

import pytest
import torch
from torch.nn.functional import logsigmoid

from fewgan.losses.fisher import elastic_penalty, fisher_information, normalised


def log_likelihood(weights, x, t):
    """Logistic regression: t in {-1, 1}, P(t | x) = sigma(t (w x + b))."""
    return logsigmoid(t * (weights["w"] @ x + weights["b"]))


def test_of_a_logistic_model_in_closed_form():
    generator = torch.Generator().manual_seed(0)
    x, t = torch.randn(200, 3, generator=generator), torch.ones(200)
    t[::3] = -1
    weights = {"w": torch.tensor([0.5, -1.0, 0.2]), "b": torch.tensor(0.3)}
    found = fisher_information(log_likelihood, weights, x, t, chunk=37)
    # The gradient of sample n is t sigma(-t r) (x, 1).
    residual = t * torch.sigmoid(-t * (x @ weights["w"] + weights["b"]))
    assert torch.allclose(found["w"], (residual[:, None] * x).square().mean(0), rtol=1e-5)
    assert torch.allclose(found["b"], residual.square().mean(), rtol=1e-5)


def test_labels_drawn_from_the_model_give_the_expected_information():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(40000, 2, generator=generator)
    weights = {"w": torch.tensor([1.0, -0.5]), "b": torch.tensor(0.0)}
    chance = torch.sigmoid(x @ weights["w"])
    t = torch.where(torch.rand(40000, generator=generator) < chance, 1.0, -1.0)
    found = fisher_information(log_likelihood, weights, x, t, chunk=10000)
    # Then it is minus the mean curvature: E p (1 - p) x^2.
    curvature = ((chance * (1 - chance))[:, None] * x.square()).mean(0)
    assert torch.allclose(found["w"], curvature, rtol=0.03)


def test_a_squared_batch_gradient_is_something_else():
    """Gradients that cancel: the information is large, the square of their mean is nothing."""
    x = torch.cat([torch.ones(50, 1), -torch.ones(50, 1)])
    weights = {"w": torch.zeros(1), "b": torch.tensor(0.0)}
    t = torch.ones(100)
    found = fisher_information(log_likelihood, weights, x, t)
    assert found["w"].item() == pytest.approx(0.25)
    w = torch.zeros(1, requires_grad=True)
    logsigmoid(x @ w).mean().backward()
    assert w.grad.square().item() == pytest.approx(0.0, abs=1e-12)


def test_normalised_has_a_mean_of_one():
    fisher = {"a": torch.tensor([1.0, 3.0]), "b": torch.tensor([[8.0]])}
    found = normalised(fisher)
    assert found["a"].tolist() == [0.25, 0.75]
    assert found["b"].item() == 2.0
    assert normalised({"a": torch.zeros(2)})["a"].tolist() == [0.0, 0.0]


def test_penalty_by_hand_and_at_the_anchor():
    here = {"a": torch.tensor([1.0, 2.0], requires_grad=True), "b": torch.tensor(5.0)}
    there = {"a": torch.tensor([0.0, 4.0]), "b": torch.tensor(0.0)}
    fisher = {"a": torch.tensor([3.0, 0.5])}  # b is not named: it is free
    penalty = elastic_penalty(here, there, fisher)
    assert penalty.item() == 3 * 1 + 0.5 * 4
    penalty.backward()
    assert here["a"].grad.tolist() == [6.0, -2.0]
    assert elastic_penalty(there, there, fisher).item() == 0.0
