"""In-class diversity: how different the images of one class are from each other.

A conditional GAN can draw every class right and one image a class; accuracy is then perfect and
the average distance between two images of a class is near zero. The collapse alarm of the training
loop and the table of figures both use it, relative to real images of the same class.
"""

import torch
from torch import Tensor

from fewgan.metrics.distances import blocks, double


def in_class_diversity(features: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Mean Euclidean distance between two images of each class, float64 [classes].

    Args:
        features: [N, D].
        labels: int64 [N], each in 0..classes-1.
        classes: How many classes there are.

    Returns:
        One distance a class; NaN for a class with fewer than two images.
    """
    points = double(features)
    labels = labels.to(points.device)
    return torch.stack([_mean_distance(points[labels == c]) for c in range(classes)])


def diversity_ratio(fake: Tensor, real: Tensor) -> Tensor:
    """Diversity of generated over that of real images, a class at a time: 1 is as varied as life.

    Args:
        fake: What `in_class_diversity` gives for generated images, [classes].
        real: The same for real images, [classes].

    Returns:
        float64 [classes]; NaN where either has fewer than two images, or all real ones are equal.
    """
    return torch.where(real > 0, fake.to(real) / real, torch.nan)


def _mean_distance(points: Tensor) -> Tensor:
    """Mean distance over pairs of different rows of `points` [N, D], a scalar."""
    n = len(points)
    if n < 2:
        return points.new_tensor(torch.nan)
    # A point's distance to itself is 0 up to rounding; it is left out of the count, not the sum.
    total = sum(distances.sum() for _, distances in blocks(points, points))
    return torch.as_tensor(total) / (n * (n - 1))
