"""The handwritten digits inside scikit-learn: real data with nothing to fetch.

E. Alpaydin, C. Kaynak, "Optical recognition of handwritten digits", UCI repository (1998): the
1,797 images of its test part, 8x8 with 17 grey levels. They have no published split, so a fifth of
each class is held out here, always the same.
"""

import torch

from fewgan.data.imageset import ImageSet
from fewgan.data.source import Request, Source
from fewgan.data.splits import holdout

LICENCE = "CC BY 4.0 (UCI), distributed with scikit-learn (BSD-3-Clause)"
_TEST_SHARE = 0.2
_LEVELS = 16  # grey levels run from 0 to 16


def read(request: Request) -> ImageSet:
    """One split of the digits at their native 8 pixels."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = torch.from_numpy(bunch.images).mul(255 / _LEVELS).round().to(torch.uint8)
    labels = torch.from_numpy(bunch.target).long()
    names = tuple(str(name) for name in bunch.target_names)
    everything = ImageSet(pixels.unsqueeze(1), labels, names, "digits", LICENCE)
    train, test = holdout(labels, _TEST_SHARE, torch.Generator().manual_seed(0))
    return everything.take(train if request.split == "train" else test)


SOURCE = Source("digits", "1,797 handwritten digits, 10 classes, 8x8 grey", LICENCE, read)
