"""Intra-class FID and KID: the distance inside each class, averaged over the classes.

A generator that ignores the label it was given can have a perfect FID, since the mixture of its
images is that of real ones. Each class for itself betrays it (Miyato & Koyama, "cGANs with
projection discriminator", ICLR 2018, section 5): ContraGAN's CIFAR-10 FID of 6 goes with an
intra-class FID of 120. A class has few images, so FID often needs fewer features or more images
than there are; KID does not.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from fewgan.errors import InputError
from fewgan.metrics.fid import fid
from fewgan.metrics.kid import kid


class Labelled(NamedTuple):
    """Features [N, D] of images and their labels int64 [N]."""

    features: Tensor
    labels: Tensor

    def of(self, label: int) -> Tensor:
        """Features [M, D] of the images of one class."""
        return self.features[(self.labels == label).to(self.features.device)]


class IntraClass(NamedTuple):
    """Mean over the classes, and the distance of each class float64 [K]."""

    mean: float
    per_class: Tensor


def intra_class_fid(fake: Labelled, real: Labelled, classes: int) -> IntraClass:
    """Mean over `classes` of the FID between generated and real images of one class.

    Raises:
        InputError: There are no classes, or one has fewer images than there are features; the
            intra-class KID is then the remedy.
    """
    return _intra_class(fid, fake, real, classes)


def intra_class_kid(fake: Labelled, real: Labelled, classes: int) -> IntraClass:
    """Mean over `classes` of the KID between generated and real images of one class.

    Raises:
        InputError: There are no classes, or one has fewer than two images on a side.
    """
    return _intra_class(kid, fake, real, classes)


def _intra_class(
    distance: Callable[[Tensor, Tensor], float], fake: Labelled, real: Labelled, classes: int
) -> IntraClass:
    if classes < 1 or min(len(fake.labels), len(real.labels)) == 0:
        raise InputError("a distance inside each class needs images with classes")
    if int(fake.labels.min()) < 0 or int(real.labels.min()) < 0:
        raise InputError("a distance inside each class needs images with classes")
    found = [distance(fake.of(label), real.of(label)) for label in range(classes)]
    per_class = torch.tensor(found, dtype=torch.float64)
    return IntraClass(float(per_class.mean()), per_class)
