"""Frechet Inception Distance: how far apart two clouds of features are, taken as Gaussians.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017, equation 6:
|m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2)). The name is kept whatever network gave the features;
figures of different networks, resizers or sample counts must not be compared.
"""

import torch
from torch import Tensor

from fewgan.errors import InputError
from fewgan.metrics.distances import double


def fid(a: Tensor, b: Tensor) -> float:
    """Frechet distance of features `a` [N,D] and `b` [M,D], with sample covariances (N - 1).

    Raises:
        InputError: A set has fewer images than there are features. Its covariance then has empty
            directions and the distance measures the sample count; KID is the remedy.
    """
    n, dim = min(len(a), len(b)), a.shape[1]
    if n < dim:
        raise InputError(
            f"FID needs at least as many images as features, got {n} images for {dim} features: "
            "use KID, more images or an extractor with fewer features"
        )
    a, b = double(a), double(b)
    return frechet_distance(a.mean(0), a.T.cov(), b.mean(0), b.T.cov())


def frechet_distance(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> float:
    """Squared Frechet distance of two Gaussians, means [D], covariances [D, D].

    Tr((C1 C2)^(1/2)) is the sum of the square roots of the eigenvalues of the symmetric
    C1^(1/2) C2 C1^(1/2): real and not negative even where covariances are nearly singular, unlike
    the square root of the product itself.
    """
    values, vectors = torch.linalg.eigh(cov1)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    inner = torch.linalg.eigvalsh(root @ cov2 @ root)
    overlap = inner.clamp(min=0).sqrt().sum()
    return float((mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * overlap)
