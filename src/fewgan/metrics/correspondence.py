"""Does an adapted generator still draw, of each latent, what its source drew?

Xiao et al., "Few shot generative model adaption via relaxed spatial structural alignment", CVPR
2022, section 4 ("structural consistency score"): of the edge maps e_s and e_t of a source image and
of the adapted image of the same latent,

    S(e_s, e_t) = 2 <e_s, e_t> / (<e_s, e_s> + <e_t, e_t>)

They take edges from a trained network; here they are the sizes of Sobel's gradients, which need no
weights. How large S is says little alone, since any two drawings in the middle of an image share
edges. So the figure to read is another: how often an image is more alike to its own source image
than to that of another latent.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))


class Correspondence(NamedTuple):
    """How well N adapted images point at N source images of the same latents.

    Attributes:
        similarity: Mean edge similarity to the own source image, 0 to 1.
        unrelated: The same to the source images of the other latents.
        preference: Share of (image, other latent) for which the own source image is the more alike;
            a tie counts one half. Of unrelated images 0.5; of images that kept their outlines 1.
    """

    similarity: float
    unrelated: float
    preference: float


def correspondence(source: Tensor, adapted: Tensor) -> Correspondence:
    """Compare images of the same latents before and after an adaptation.

    Args:
        source: Images uint8 [N,C,S,S], N at least 2.
        adapted: Images uint8 [N,C,S,S] in the same order.
    """
    alike = similarity(edges(adapted), edges(source))
    own = alike.diagonal()[:, None]
    other = ~torch.eye(len(alike), dtype=torch.bool)
    wins = (own > alike).double() + 0.5 * (own == alike).double()
    return Correspondence(float(own.mean()), float(alike[other].mean()), float(wins[other].mean()))


def edges(images: Tensor) -> Tensor:
    """Sizes of the gradients of brightness, float64 [N, S*S], of images uint8 [N,C,S,S]."""
    bright = images.double().mean(1, keepdim=True) / 255
    across = torch.tensor(SOBEL, dtype=torch.float64)
    kernels = torch.stack([across, across.T])[:, None]
    gradients = conv2d(pad(bright, (1, 1, 1, 1), mode="replicate"), kernels)
    return gradients.norm(dim=1).flatten(1)


def similarity(a: Tensor, b: Tensor) -> Tensor:
    """S of every pair of edge maps [N,P] and [M,P], float64 [N,M]; of two blank ones it is 1."""
    total = a.square().sum(1)[:, None] + b.square().sum(1)
    return torch.where(total > 0, 2 * (a @ b.T) / total.clamp(min=1e-12), 1.0)
