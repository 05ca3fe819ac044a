"""Class accuracy: does an independent classifier see the class that was asked for?"""

from typing import NamedTuple

import torch
from torch import Tensor

from fewgan.errors import InputError


class Accuracy(NamedTuple):
    """Share of right answers over all images, and in each class [K] (NaN where it has none)."""

    overall: float
    per_class: Tensor


def accuracy(logits: Tensor, labels: Tensor) -> Accuracy:
    """Top-1 accuracy of class scores `logits` [N, K] against the asked-for `labels` int64 [N].

    The mean of the per-class values is the balanced accuracy; a class that never comes out right
    shows there and may hide in the overall share.

    Raises:
        InputError: There are no images, or a label is not among the K classes.
    """
    classes = logits.shape[1]
    labels = labels.to(logits.device)
    if len(labels) == 0 or not bool(((labels >= 0) & (labels < classes)).all()):
        raise InputError(f"class accuracy needs images labelled 0 to {classes - 1}: give classes")
    right = (logits.argmax(1) == labels).double()
    hits = torch.bincount(labels, weights=right, minlength=classes)
    return Accuracy(float(right.mean()), hits / torch.bincount(labels, minlength=classes))
