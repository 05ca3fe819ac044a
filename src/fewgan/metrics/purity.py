"""Purity: do the values of a code stand for classes, one each?"""

from typing import NamedTuple

import torch
from torch import Tensor

from fewgan.errors import InputError


class Purity(NamedTuple):
    """How far codes agree with classes."""

    overall: float
    """Share of images whose class is the one that stands against their code."""
    match: Tensor
    """The class that stands against each code, int64 [K]; -1 where there are too few classes."""
    table: Tensor
    """Number of images of each code and class, int64 [K,C]."""


def purity(codes: Tensor, labels: Tensor, n_codes: int, n_classes: int) -> Purity:
    """Agreement of codes with classes under the best one-to-one matching of the two.

    The matching is that of most agreement (the assignment problem: Kuhn 1955). Two codes cannot
    stand for one class, so that splitting a class in two costs as much as merging two classes. By
    chance alone, K = C equally frequent codes and classes agree in a little more than 1/K.

    Args:
        codes: int64 [N] in [0, n_codes): the code that each image was made from.
        labels: int64 [N] in [0, n_classes): the class that a judge sees in it.
        n_codes: Number of values K of the code.
        n_classes: Number of classes C.

    Raises:
        InputError: There are no images, or a code or class is out of range.
    """
    from scipy.optimize import linear_sum_assignment

    if len(codes) == 0 or len(codes) != len(labels):
        raise InputError(f"purity needs a class for each code: got {len(codes)} and {len(labels)}")
    for name, given, count in (("codes", codes, n_codes), ("classes", labels, n_classes)):
        if int(given.min()) < 0 or int(given.max()) >= count:
            raise InputError(
                f"purity needs {name} from 0 to {count - 1}: check the judge's classes"
            )
    cells = torch.bincount(codes * n_classes + labels, minlength=n_codes * n_classes)
    table = cells.view(n_codes, n_classes).cpu()
    rows, columns = linear_sum_assignment(table.numpy(), maximize=True)
    match = torch.full((n_codes,), -1)
    match[rows] = torch.from_numpy(columns)
    return Purity(int(table[rows, columns].sum()) / len(codes), match, table)
