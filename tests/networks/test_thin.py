"""Thin convolutions are the usual ones: values, gradients, gradients of gradients, and by vmap."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call, vmap
from torch.nn import functional as F

from fewgan.networks.thin import ImageDown, ImageUp


def make(kind, *sizes):
    torch.manual_seed(0)
    layer = kind(*sizes).double()
    shape = (2, sizes[0], 6, 6)
    return layer, torch.randn(*shape, dtype=torch.double, requires_grad=True)


def usual(layer, x):
    function = F.conv_transpose2d if isinstance(layer, ImageUp) else F.conv2d
    return function(x, layer.weight, layer.bias, 2, 1)


@pytest.mark.parametrize(("kind", "sizes"), [(ImageUp, (5, 1)), (ImageDown, (1, 5))])
def test_values_and_gradients_are_those_of_the_usual_kernels(kind, sizes):
    layer, x = make(kind, *sizes)
    inputs = x, layer.weight, layer.bias
    ours, theirs = layer(x), usual(layer, x)
    torch.testing.assert_close(ours, theirs)
    grad = torch.randn_like(theirs)
    for a, b in zip(
        torch.autograd.grad(ours, inputs, grad),
        torch.autograd.grad(theirs, inputs, grad),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(("kind", "sizes"), [(ImageUp, (2, 1)), (ImageDown, (1, 2))])
def test_they_can_be_differentiated_twice(kind, sizes):
    layer, x = make(kind, *sizes)

    def call(x, weight, bias):
        return functional_call(layer, {"weight": weight, "bias": bias}, x)

    x = x[:1, :, :4, :4].detach().requires_grad_()
    assert gradcheck(call, (x, layer.weight, layer.bias))
    assert gradgradcheck(call, (x, layer.weight, layer.bias))


@pytest.mark.parametrize(("kind", "sizes"), [(ImageUp, (2, 1)), (ImageDown, (1, 2))])
def test_a_batch_of_weights_by_vmap(kind, sizes):
    layer, x = make(kind, *sizes)
    weights = torch.stack([layer.weight, 2 * layer.weight]).detach()

    def gradient(weight):
        given = {"weight": weight, "bias": layer.bias.detach()}
        return torch.func.grad(lambda v: functional_call(layer, given, v).square().sum())(x)

    for one, weight in zip(vmap(gradient)(weights), weights, strict=True):
        torch.testing.assert_close(one, gradient(weight))


def test_only_what_is_asked_for_is_differentiated():
    layer, x = make(ImageDown, 1, 4)
    layer.requires_grad_(False)
    (grad,) = torch.autograd.grad(layer(x).sum(), [x])
    torch.testing.assert_close(grad, torch.autograd.grad(usual(layer, x).sum(), [x])[0])
