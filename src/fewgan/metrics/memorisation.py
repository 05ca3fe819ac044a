"""Memorisation audit: did the generator learn to draw, or did it keep the training images?

Two questions, both answered by held-out real images, which nobody can have copied.

*Is an image too near to a training image?* The distances of held-out images to the training set say
what "new" looks like in these features. A generated image below their 1 % point counts as a copy: a
generator as good as a fresh draw of real images then has 1 % of copies by construction, few enough
to see five percent of true ones, and one that copies has 100 %. The set of training images is the
same on both sides, so the measure holds for ten of them as for ten thousand.

*Are its neighbours mostly training images?* Typical images lie near everything and may fall below
the threshold without being copied, up to 8 % of them in our trials on handwriting. They lie as near
to held-out images, though. A new image has a training image as its nearest one with probability
M / (M + H) for M training and H held-out images, since nothing tells these apart; the excess over
that is about the share of copies, whatever the images look like. Meehan et al. (AISTATS 2020) test
for data copying by such comparisons.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from fewgan.errors import InputError
from fewgan.metrics.distances import double, nearest

QUANTILE = 0.01
RATIO = 1 / 3  # of the distances to the nearest and the second nearest, as Yoon et al.


@dataclass(frozen=True)
class Audit:
    """What the audit found for N generated images.

    Attributes:
        copies: Share of generated images no further from a training image than `threshold`.
        threshold: The distance within which an image counts as a copy.
        excess: How much more often than by chance the nearest real image is a training image: 0 for
            new images, 1 for copies. Where the held-out images are of another source than the
            training images (other writers, as in MNIST), real images fall below 0: compare with
            them.
        ratio: Median over images of nearest-train over nearest-holdout distance, 0 for copies. Its
            value for new images depends on M and H: compare with real images.
        pairs: int64 [N, 2], (generated, nearest training image) indices, most suspicious first:
            the rows of the side-by-side sheet.
        distances: float64 [N], of `pairs`.
    """

    copies: float
    threshold: float
    excess: float
    ratio: float
    pairs: Tensor
    distances: Tensor


def memorisation(
    fake: Tensor, train: Tensor, holdout: Tensor, *, quantile: float = QUANTILE
) -> Audit:
    """Audit features of generated images [N,D] against training [M,D] and held-out [H,D] ones.

    Args:
        fake: Features of generated images.
        train: Features of every image the generator was trained on.
        holdout: Features of real images it never saw.
        quantile: The share of held-out images that may count as copies, in (0, 1).

    Raises:
        InputError: One of the three sets is empty.
    """
    if min(len(fake), len(train), len(holdout)) == 0:
        raise InputError("the memorisation audit needs generated, training and held-out images")
    fake, train, holdout = double(fake), double(train), double(holdout)
    to_train, index = nearest(fake, train)
    to_holdout, _ = nearest(fake, holdout)
    threshold = nearest(holdout, train)[0].quantile(quantile)
    order = to_train.argsort()
    return Audit(
        copies=float((to_train <= threshold).double().mean()),
        threshold=float(threshold),
        excess=_excess(to_train, to_holdout, len(train) / (len(train) + len(holdout))),
        # 0 / 0 is an image in both sets, no nearer to the one than to the other.
        ratio=float((to_train / to_holdout).nan_to_num(nan=1.0, posinf=torch.inf).median()),
        pairs=torch.stack([order, index[order]], dim=1).cpu(),
        distances=to_train[order].cpu(),
    )


def near_copies(fake: Tensor, train: Tensor, *, ratio: float = RATIO) -> Audit:
    """Which generated images lie much nearer to one training image than to any other.

    For when no image is held out, as of ten photographs that were all trained on. An image counts
    as a copy if its nearest training image is nearer than `ratio` times the second nearest one
    (Yoon et al., "Diffusion probabilistic models generalize when they fail to memorize", ICML
    workshop on structured probabilistic inference, 2023). Of training images that are all but equal
    to each other it sees no copies.

    Args:
        fake: Features of generated images [N,D].
        train: Features of the training images [M,V,D], V of each: of an image and its mirror image.
        ratio: Of the two distances, in (0, 1).

    Returns:
        `copies`, `threshold` (the ratio), `ratio` (median of the ratio), `pairs` and `distances`
        (here ratios), most suspicious first; the excess is NaN.

    Raises:
        InputError: There are fewer than two training images, or nothing was generated.
    """
    if len(fake) == 0 or len(train) < 2:
        raise InputError("to look for copies takes generated images and two training images")
    ratios, closest = nearness(fake, train)
    order = ratios.argsort()
    return Audit(
        copies=float((ratios < ratio).double().mean()),
        threshold=ratio,
        excess=float("nan"),
        ratio=float(ratios.median()),
        pairs=torch.stack([order, closest[order]], dim=1).cpu(),
        distances=ratios[order].cpu(),
    )


def nearness(fake: Tensor, train: Tensor) -> tuple[Tensor, Tensor]:
    """How much nearer each image lies to one training image than to any other.

    Args:
        fake: Features of generated images [N,D].
        train: Features of two or more training images [M,V,D], V views of each.

    Returns:
        The distance to the nearest over that to the second nearest, float64 [N] in [0, 1], and the
        nearest one, int64 [N]. An image is as near as the nearest of its views.
    """
    views = [torch.cdist(double(fake), double(view)) for view in train.unbind(1)]
    two = torch.stack(views).amin(0).topk(2, largest=False)
    # Of two images that are equal to a training image, neither is the nearer.
    return (two.values[:, 0] / two.values[:, 1]).nan_to_num(nan=1.0), two.indices[:, 0]


def _excess(to_train: Tensor, to_holdout: Tensor, chance: float) -> float:
    """Share of images nearer to training images, rescaled so that `chance` is 0 and all is 1."""
    nearer = (to_train < to_holdout).double() + chance * (to_train == to_holdout).double()
    return (float(nearer.mean()) - chance) / (1 - chance)
