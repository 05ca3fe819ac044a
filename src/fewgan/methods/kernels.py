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


def ranks(importance: Mapping[str, Tensor], kinds: Mapping[str, int]) -> dict[str, Tensor]:
    """Where each kernel stands among those of its kind, from 0 (least important) to below 1.

    Args:
        importance: Of each kernel, [out] by name.
        kinds: Kind of each layer, by the same names: convolutions are ranked among themselves, and
            linear layers, of which one can have more kernels than all convolutions.
    """
    found: dict[str, Tensor] = {}
    for kind in set(kinds.values()):
        names = [name for name in importance if kinds[name] == kind]
        flat = torch.cat([importance[name] for name in names])
        place = flat.argsort(stable=True).argsort(stable=True).double() / len(flat)
        parts = place.split([len(importance[name]) for name in names])
        found |= dict(zip(names, parts, strict=True))
    return {name: found[name] for name in importance}


def kernel_kinds(network: nn.Module) -> dict[str, int]:
    """Dimensions of each weight with kernels that are counted: 4 of a convolution, or 2."""
    weights = dict(network.named_parameters())
    return {name: weights[name].ndim for name in kernel_axes(network)}


def spread(chosen: Tensor, weight: Tensor, axis: int) -> Tensor:
    """A choice [out] of kernels, shaped so that it meets `weight` along `axis`."""
    shape = [1] * weight.ndim
    shape[axis] = -1
    return chosen.view(shape)
