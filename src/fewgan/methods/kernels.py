"""Kernels: the part of a layer that draws one map, for methods that choose among them.

A kernel is all that a layer's weight has for one output channel. Fisher information tells which of
them a network needs: `rick` freezes, trains or prunes each by its own.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fewgan.networks.stylegan2 import EqualConv2d, EqualLinear

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, EqualConv2d, EqualLinear)


def kernel_axes(network: nn.Module) -> dict[str, int]:
    """Names of the weights whose kernels are counted, and along which dimension they lie."""
    found: dict[str, int] = {}
    for name, layer in network.named_modules():
        if isinstance(layer, LAYERS):
            # Under spectral normalisation a weight is computed from an original.
            own = {f"{name}.weight", f"{name}.parametrizations.weight.original"}
            axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
            found |= {n: axis for n, _ in network.named_parameters() if n in own}
    return found


def per_kernel(values: Mapping[str, Tensor], axes: Mapping[str, int]) -> dict[str, Tensor]:
    """Mean of a weight's values over each kernel: [out] by name."""
    return {n: values[n].movedim(axis, 0).flatten(1).mean(1) for n, axis in axes.items()}


def ranks(importance: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Where each kernel stands among all, from 0 (least important) to below 1: [out] by name."""
    flat = torch.cat(list(importance.values()))
    place = flat.argsort(stable=True).argsort(stable=True).double() / len(flat)
    parts = place.split([len(value) for value in importance.values()])
    return dict(zip(importance, parts, strict=True))


def spread(chosen: Tensor, weight: Tensor, axis: int) -> Tensor:
    """A choice [out] of kernels, shaped so that it meets `weight` along `axis`."""
    shape = [1] * weight.ndim
    shape[axis] = -1
    return chosen.view(shape)
