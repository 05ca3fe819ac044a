"""Memorisation audit: did the generator learn to draw, or did it keep the training images?

Every generated image is set beside its nearest training image. How near is too near is told by
held-out real images, which nobody can have copied: their own distances to the training set are what
"new" looks like in these features. The share of generated images below the 1 % point of those
distances is the share of copies. A generator as good as a fresh draw of real images has 1 % by
construction (the false-alarm rate); one that copies has 100 %.

Few data make every distance to the training set large, for held-out images too, so the measure
holds at ten images as at ten thousand. What fools it is a generator that draws typical images only:
those lie near everything. They lie as near to held-out images, though, which the share nearer to
the training images shows: 0.5 for anything that is new, 1 for copies.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from fewgan.errors import InputError
from fewgan.metrics.distances import double, nearest

QUANTILE = 0.01


@dataclass(frozen=True)
class Audit:
    """What the audit found for N generated images.

    Attributes:
        copies: Share of generated images nearer to a training image than `threshold`.
        threshold: The distance below which an image counts as a copy.
        nearer_to_train: Share nearer to the training images than to as many held-out ones, ties
            counting half: 0.5 for new images, 1 for copies.
        ratio: Median over images of nearest-train over nearest-holdout distance, from as many
            images of each: 1 for new images, 0 for copies.
        pairs: int64 [N, 2], (generated, nearest training image) indices, most suspicious first:
            the rows of the side-by-side sheet.
        distances: float64 [N], of `pairs`.
    """

    copies: float
    threshold: float
    nearer_to_train: float
    ratio: float
    pairs: Tensor
    distances: Tensor


def memorisation(
    fake: Tensor, train: Tensor, holdout: Tensor, *, quantile: float = QUANTILE, seed: int = 0
) -> Audit:
    """Audit features of generated images [N,D] against training [M,D] and held-out [H,D] ones.

    Args:
        fake: Features of generated images.
        train: Features of every image the generator was trained on.
        holdout: Features of real images it never saw.
        quantile: The share of held-out images that may count as copies.
        seed: Of the choice of equally many training and held-out images for the ratio.

    Raises:
        InputError: One of the three sets is empty.
    """
    if min(len(fake), len(train), len(holdout)) == 0:
        raise InputError("the memorisation audit needs generated, training and held-out images")
    fake, train, holdout = double(fake), double(train), double(holdout)
    distance, index = nearest(fake, train)
    threshold = nearest(holdout, train)[0].quantile(quantile)
    to_train, to_holdout = _equal_terms(fake, train, holdout, seed)
    order = distance.argsort()
    nearer = (to_train < to_holdout).double() + (to_train == to_holdout).double() / 2
    return Audit(
        copies=float((distance <= threshold).double().mean()),
        threshold=float(threshold),
        nearer_to_train=float(nearer.mean()),
        # 0 / 0 is an image in both sets, which is no nearer to the one than to the other.
        ratio=float((to_train / to_holdout).nan_to_num(nan=1.0).median()),
        pairs=torch.stack([order, index[order]], dim=1).cpu(),
        distances=distance[order].cpu(),
    )


def _equal_terms(fake: Tensor, train: Tensor, holdout: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Nearest distances [N] to equally many training and held-out images.

    More images lie nearer, so sets of different size would not compare.
    """
    generator = torch.Generator().manual_seed(seed)
    n = min(len(train), len(holdout))
    parts = (
        x[torch.randperm(len(x), generator=generator)[:n].to(x.device)] for x in (train, holdout)
    )
    to_train, to_holdout = (nearest(fake, part)[0] for part in parts)
    return to_train, to_holdout
