"""Elastic distortion: every part of an image is moved a little, neighbours nearly alike.

Simard, Steinkraus & Platt, "Best practices for convolutional neural networks applied to visual
document analysis", ICDAR 2003. Displacements are drawn on a coarse grid of knots and interpolated
smoothly, which is cheaper than blurring noise of every pixel and looks the same.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

KNOTS = 5  # knots a side


def displacements(knots: Tensor, size: int) -> Tensor:
    """Smooth displacements [N,size,size,2] through knots [N,2,K,K], both in half sides."""
    field = F.interpolate(knots, size=(size, size), mode="bicubic", align_corners=True)
    return field.permute(0, 2, 3, 1)


def warp(images: Tensor, knots: Tensor) -> Tensor:
    """Images [N,C,S,S], each bent as its knots [N,2,K,K] say, in half sides; borders go on.

    Knots of 0 leave an image as it is.
    """
    still = torch.eye(2, 3, device=images.device).expand(len(images), -1, -1)
    grid = F.affine_grid(still, list(images.shape), align_corners=False)
    grid = grid + displacements(knots.to(images), images.shape[-1])
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
