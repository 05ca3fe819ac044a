"""Normalisation of each map of an image by itself: instance norm (Ulyanov et al. 2016)."""

from torch import Tensor, nn
from torch.nn import functional as F


def each_map(h: Tensor, scale: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
    """Maps [N,C,H,W] with mean 0 and variance 1 each, then scaled and shifted by rows [C].

    Group norm with one channel a group is the same. On a CPU it goes through channels-last maps in
    strides: a copy that lies map by map pays four times over, twenty times in bf16.
    """
    if h.device.type == "cpu":
        h = h.contiguous()
    return F.group_norm(h, h.shape[1], scale, shift)


class InstanceNorm(nn.GroupNorm):
    """Instance norm as a layer.

    Args:
        channels: Number of channels C.
        affine: Learn a scale and a shift for each.
    """

    def __init__(self, channels: int, *, affine: bool = True) -> None:
        super().__init__(channels, channels, affine=affine)

    def forward(self, h: Tensor) -> Tensor:
        """Normalised maps [N,C,H,W]."""
        return each_map(h, self.weight, self.bias)
