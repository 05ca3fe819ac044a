"""Perceptual distance between images: LPIPS, and the in-class diversity that it gives.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018,
equation 1: at each tap of a network, feature maps are normalised to unit length over channels,
subtracted, weighted per channel, squared, averaged over places; taps are added up. Intra-class
LPIPS of a generator tells variety from copies that differ by noise.

The published weights belong to AlexNet, VGG and SqueezeNet; with the extractor `vgg16` they are
taken. With any other network every channel counts 1: distances then rank images of one set and are
*uncalibrated*, not to be compared with published LPIPS.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from fewgan.data.imageset import ImageSet
from fewgan.errors import InputError
from fewgan.metrics.extractors.base import Extractor
from fewgan.metrics.extractors.weights import read_state


def lpips(
    taps_a: Sequence[Tensor], taps_b: Sequence[Tensor], weights: Sequence[Tensor] | None = None
) -> Tensor:
    """Perceptual distance [N] of N image pairs from their feature maps.

    Args:
        taps_a: Feature maps of the first images, one [N, C_l, H_l, W_l] a tap.
        taps_b: The same of the second images.
        weights: One weight a channel [C_l] for every tap, not negative; 1 when not given.
    """
    weights = weights or [a.new_ones(a.shape[1]) for a in taps_a]
    pairs = zip(taps_a, taps_b, weights, strict=True)
    return torch.stack([_tap_distance(a, b, w) for a, b, w in pairs]).sum(0)


def _tap_distance(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    squared = (_unit(a) - _unit(b)).square()
    return torch.einsum("nchw,c->nhw", squared, weight.to(squared)).mean((1, 2))


def _unit(maps: Tensor) -> Tensor:
    """Maps [N,C,H,W] in float64 with unit length over channels; an all-zero place stays zero."""
    maps = maps.double()
    return maps / (maps.norm(dim=1, keepdim=True) + 1e-10)


def perceptual_vectors(
    extractor: Extractor, images: Tensor, weights: Sequence[Tensor] | None = None
) -> Tensor:
    """Images uint8 [N,C,S,S] as vectors [N,D] whose squared Euclidean distance is `lpips`.

    For when each of many images is compared with each; D is in the hundred thousands.

    Args:
        extractor: The network whose taps are compared.
        images: What to describe.
        weights: As in `lpips`.
    """

    def vector(taps: Sequence[Tensor]) -> Tensor:
        scales = weights or [tap.new_ones(tap.shape[1]) for tap in taps]
        parts = []
        for tap, weight in zip(taps, scales, strict=True):
            share = (weight.to(tap) / (tap.shape[2] * tap.shape[3])).sqrt()
            parts.append((_unit(tap).float() * share[:, None, None]).flatten(1))
        return torch.cat(parts, 1)

    return torch.cat([vector(taps).cpu() for taps in extractor.taps(images)])


def calibration(extractor: Extractor) -> tuple[list[Tensor] | None, str]:
    """The published channel weights for a network's taps, if there are any; what a card says of it.

    Raises:
        InputError: There are some, and they cannot be had.
    """
    if extractor.lpips is None:
        return None, "uncalibrated: no LPIPS weights for this network"
    return linear_weights(extractor.lpips.find()), "LPIPS with its published weights"


def linear_weights(path: Path) -> list[Tensor]:
    """Channel weights from a file of the LPIPS authors (`lin<i>.model.1.weight` [1, C, 1, 1]).

    Raises:
        InputError: The file is missing or holds no such weights.
    """
    state = read_state(path)
    names = sorted(name for name in state if name.startswith("lin") and "weight" in name)
    if not names:
        raise InputError(f"{path} holds no LPIPS weights: give the authors' file")
    return [state[name].flatten() for name in names]


def perceptual_diversity(
    extractor: Extractor,
    images: ImageSet,
    *,
    pairs: int = 50,
    weights: Sequence[Tensor] | None = None,
    seed: int = 0,
) -> Tensor:
    """Mean perceptual distance between random pairs of different images of each class.

    Args:
        extractor: The network whose taps are compared.
        images: Labelled images; a set without classes counts as one class.
        pairs: Pairs drawn in each class.
        weights: As in `lpips`.
        seed: Of the draw.

    Returns:
        float64 [classes]; NaN for a class with fewer than two images.
    """
    generator = torch.Generator().manual_seed(seed)
    labels = images.labels.clamp(min=0).cpu()
    found = []
    for label in range(max(1, len(images.class_names))):
        members = (labels == label).nonzero().flatten()
        if len(members) < 2:
            found.append(torch.tensor(torch.nan, dtype=torch.float64))
            continue
        first, second = _pairs(len(members), pairs, generator)
        a, b = (images.images[members[i].to(images.images.device)] for i in (first, second))
        found.append(torch.cat(list(_distances(extractor, a, b, weights))).mean())
    return torch.stack(found)


def _pairs(n: int, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """`count` pairs of different indices below `n`."""
    first = torch.randint(n, (count,), generator=generator)
    return first, (first + torch.randint(1, n, (count,), generator=generator)) % n


def _distances(
    extractor: Extractor, a: Tensor, b: Tensor, weights: Sequence[Tensor] | None
) -> Iterator[Tensor]:
    for taps_a, taps_b in zip(extractor.taps(a), extractor.taps(b), strict=True):
        yield lpips(taps_a, taps_b, weights).cpu()
