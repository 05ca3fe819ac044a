"""Convolutions that double or halve the side, to and from images of one channel, fast on CPUs.

The kernel that spreads a map over pixels (a transposed convolution's forward pass, a convolution's
gradient for its input) fills up to 16 channels whatever there are, so an image of one channel
costs what one of 16 does. A matrix product and a sum of overlapping tiles (`fold`) give the same
numbers, up to rounding, in less than half the time. Everything else is left to the usual kernels.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

KERNEL, STRIDE, PADDING = 4, 2, 1


def _gradients(grad: Tensor, x: Tensor, weight: Tensor, wanted: list[bool]) -> tuple[Any, ...]:
    """Gradients of a convolution for its input, weight and bias, as far as `wanted`."""
    bias = [weight.shape[0]] if wanted[2] else None
    pairs = [STRIDE] * 2, [PADDING] * 2, [1, 1], False, [0, 0], 1
    return torch.ops.aten.convolution_backward(grad, x, weight, bias, *pairs, wanted)


class _Spread(torch.autograd.Function):
    """Map h [N,A,S,S] and weight [A,C,4,4] to [N,C,2S,2S]: a transposed convolution."""

    generate_vmap_rule = True

    @staticmethod
    def forward(h: Tensor, weight: Tensor) -> Tensor:
        n, a, rows, columns = h.shape
        tiles = h.permute(0, 2, 3, 1).reshape(n, rows * columns, a) @ weight.reshape(a, -1)
        size = STRIDE * rows, STRIDE * columns
        return F.fold(tiles.transpose(1, 2), size, KERNEL, padding=PADDING, stride=STRIDE)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        h, weight = ctx.saved_tensors
        for_h, for_weight = ctx.needs_input_grad
        # The map's gradient is the plain convolution; the weight's is that convolution's own.
        grad_h = F.conv2d(grad, weight, None, STRIDE, PADDING) if for_h else None
        return grad_h, _gradients(h, grad, weight, [False, for_weight, False])[1]


class _Gather(torch.autograd.Function):
    """Image x [N,C,2S,2S], weight [A,C,4,4] and bias [A] to [N,A,S,S]: a convolution."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.conv2d(x, weight, bias, STRIDE, PADDING)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        x, weight = ctx.saved_tensors
        for_x, *others = ctx.needs_input_grad
        grad_x = _Spread.apply(grad, weight) if for_x else None
        return grad_x, *_gradients(grad, x, weight, [False, *others])[1:]


class ImageUp(nn.ConvTranspose2d):
    """`ConvTranspose2d(channels, image_channels, 4, 2, 1)`, quicker to an image of one channel."""

    def __init__(self, channels: int, image_channels: int) -> None:
        super().__init__(channels, image_channels, KERNEL, stride=STRIDE, padding=PADDING)

    def forward(self, h: Tensor, output_size: list[int] | None = None) -> Tensor:
        """[N,A,S,S] to [N,C,2S,2S]."""
        if self.out_channels > 1 or not h.is_cpu:
            return super().forward(h, output_size)
        assert self.bias is not None
        return _Spread.apply(h, self.weight) + self.bias[:, None, None]


class ImageDown(nn.Conv2d):
    """`Conv2d(image_channels, channels, 4, 2, 1)`, quicker to differentiate for the image."""

    def __init__(self, image_channels: int, channels: int) -> None:
        super().__init__(image_channels, channels, KERNEL, stride=STRIDE, padding=PADDING)

    def forward(self, x: Tensor) -> Tensor:
        """[N,C,2S,2S] to [N,A,S,S]."""
        if self.in_channels > 1 or not x.is_cpu:
            return super().forward(x)
        return _Gather.apply(x, self.weight, self.bias)
