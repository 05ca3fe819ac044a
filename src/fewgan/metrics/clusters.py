"""Variety around few images: does each of ten training images have many unlike ones near it?

Ojha et al., "Few-shot image generation via cross-domain correspondence", CVPR 2021, section 4
("intra-LPIPS"); the balanced form is that of Seo et al., "LFS-GAN: lifelong few-shot image
generation", ICCV 2023 (B-LPIPS). Every generated image joins the training image that it is nearest
to, and variety is the mean distance inside these clusters. Alone it says little: a generator that
changed nothing is as varied as ever. And a mean over clusters does not see that nearly all images
are in one of them: the balanced form does.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from fewgan.metrics.distances import blocks

AT_MOST = 100  # training images that it is meant for: of many, each cluster has a few
MEMBERS = 50  # of each cluster whose pairs are compared, as in the authors' code


class ClusterDiversity(NamedTuple):
    """Variety around few images.

    Attributes:
        mean: Mean over clusters of the mean distance between two members; NaN if none has two.
        balanced: Sum over clusters of -p log10 p times that, p being the share of images in it.
            Ten clusters of equal size give the mean; one that has all gives 0.
        sizes: Images in each cluster, int64 [K].
        per_cluster: Mean distance in each, float64 [K]; NaN with fewer than two members.
    """

    mean: float
    balanced: float
    sizes: Tensor
    per_cluster: Tensor


def cluster_diversity(
    generated: Tensor, training: Tensor, *, members: int = MEMBERS, seed: int = 0
) -> ClusterDiversity:
    """Variety of generated images around each training image.

    Args:
        generated: Vectors [N,D] whose squared Euclidean distance is that between images, as
            `perceptual_vectors` gives them.
        training: Vectors [K,D] of the training images.
        members: Members of each cluster that are compared, drawn at random.
        seed: Of the draw.
    """
    generator = torch.Generator().manual_seed(seed)
    nearest = torch.cat([distances.argmin(1) for _, distances in blocks(generated, training)])
    sizes = torch.bincount(nearest, minlength=len(training))
    found = []
    for cluster in range(len(training)):
        inside = (nearest == cluster).nonzero().flatten()
        chosen = inside[torch.randperm(len(inside), generator=generator)[:members]]
        found.append(_mean_squared_distance(generated[chosen]))
    each = torch.stack(found)
    share = sizes.double() / len(generated)
    entropy = -torch.xlogy(share, share) / torch.log(torch.tensor(10.0))
    return ClusterDiversity(
        float(each.nanmean()), float((entropy * each.nan_to_num()).sum()), sizes, each
    )


def _mean_squared_distance(vectors: Tensor) -> Tensor:
    """Mean over pairs of different rows of [M,D], a scalar; NaN for fewer than two."""
    n = len(vectors)
    if n < 2:
        return torch.tensor(torch.nan, dtype=torch.float64)
    total = sum(distances.double().square().sum() for _, distances in blocks(vectors, vectors))
    return torch.as_tensor(total) / (n * (n - 1))
