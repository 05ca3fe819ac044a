"""Exponential moving average of a network, the copy that samples are drawn from."""

import copy

import torch
from torch import Tensor, nn


class EMA:
    """Average the parameters and the floating-point buffers of `source`.

    The decay warms up as (1 + t) / (10 + t) until it reaches `decay`, so that a short run is not
    still averaging over its random start. Buffers (running statistics) are averaged as the
    parameters are: statistics of other weights would not fit the averaged ones.

    Args:
        source: The network being trained.
        decay: Final decay, in [0, 1); 0 makes `module` a plain copy.
    """

    def __init__(self, source: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(source).eval().requires_grad_(False)
        self.decay = decay
        self._pairs = [
            (old, new)
            for old, new in zip(_tensors(self.module), _tensors(source), strict=True)
            if old.is_floating_point()
        ]
        self._others = [
            (old, new)
            for old, new in zip(_tensors(self.module), _tensors(source), strict=True)
            if not old.is_floating_point()
        ]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the source after its update number `step`, counted from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averaged, current = zip(*self._pairs, strict=True)
        torch._foreach_lerp_(averaged, current, 1 - decay)
        for old, new in self._others:
            old.copy_(new)


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]
