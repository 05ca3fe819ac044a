"""A set of images that lies as the training images do: drawn in surplus, and chosen together.

Images drawn independently leave gaps and heaps, a perfect generator's too, and a trained one's lie
a little too thick here and too thin there. Choosing mends both. Herding (Chen, Welling and Smola,
"Super-samples from kernel herding", UAI 2010) takes one after another the candidate that brings
the set nearest to its target. With minus the distance as its kernel, nearness is the energy
distance (Szekely and Rizzo 2013): there is no bandwidth to set, and what minimises it over all of
space are the support points of Mak and Joseph ("Support points", Annals of Statistics 2018).

The target is the run's training images, class by class, and never a held-out one. Two classifiers
of them look, so that no whim of one decides, with seeds of their own, so that the eyes that choose
are not those that measure.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from fewgan.data.imageset import ImageSet
from fewgan.errors import InputError
from fewgan.metrics.distances import blocks, double
from fewgan.metrics.extractors import Extractor, random_extractor
from fewgan.metrics.extractors.base import Progress
from fewgan.metrics.extractors.in_domain import Recipe, in_domain_extractor
from fewgan.training import selection
from fewgan.training.run import Asked, Checkpoint, Run

EYES = (2010, 2018)  # seeds of the classifiers that choose; the judge has the evaluation's
GLANCE = Recipe(most_images=120_000)  # two epochs of MNIST: a third of what the judge sees


def herd(candidates: Tensor, target: Tensor, n: int) -> Tensor:
    """Which `n` of `candidates` [N,D] lie together most as `target` [M,D] does: int64 [n].

    Each in turn lowers the energy distance 2 E|s - t| - E|s - s'| - E|t - t'| of the chosen s to
    the target t as far as one candidate can. So the first k of them are such a choice as well.

    Raises:
        InputError: There are fewer candidates than `n`, or there is no target.
    """
    if n > len(candidates) or not len(target):
        raise InputError(
            f"cannot choose {n} of {len(candidates)} images by {len(target)}: draw more of them"
        )
    candidates, target = double(candidates), double(target)
    to_target = torch.cat([distances.mean(1) for _, distances in blocks(candidates, target)])
    to_chosen = torch.zeros_like(to_target)  # summed over the chosen
    chosen = []
    for size in range(1, n + 1):
        best = int((to_chosen - size * to_target).argmax())
        chosen.append(best)
        to_chosen += (candidates - candidates[best]).norm(dim=1)
        to_chosen[best] = -torch.inf  # nobody is chosen twice
    return torch.tensor(chosen, dtype=torch.long)


def eyes_of(train: ImageSet, progress: Progress | None = None) -> list[Extractor]:
    """The networks that choose: classifiers of the training images, or else the random network."""
    if len(train.class_names) > 1:
        eyes = [
            in_domain_extractor(train, seed=seed, recipe=GLANCE, progress=progress) for seed in EYES
        ]
    else:
        eyes = [random_extractor(train.channels)]
    for eye in eyes:
        eye.progress = progress
    return eyes


def choose(
    candidates: ImageSet, train: ImageSet, labels: Tensor, eyes: Sequence[Extractor]
) -> ImageSet:
    """Herd images towards those of training, class by class.

    Args:
        candidates: Images to choose from.
        train: What they should lie like together, labelled as the candidates are.
        labels: Which class is wanted at each place, int64 [n]; -1 throughout without classes.
        eyes: The networks that see both, whose features stand side by side.

    Raises:
        InputError: A class has fewer candidates than are wanted, or no training images.
    """
    views = [train.images, train.images.flip(3)] if train.flip else [train.images]
    shown = torch.cat([_seen(view, eyes) for view in views])
    theirs = train.labels.repeat(len(views))
    ours = _seen(candidates.images, eyes)
    chosen = torch.empty_like(labels)
    for label in labels.unique():
        mine = (candidates.labels == label).nonzero().flatten()
        places = labels == label
        target = shown[theirs == label] if label >= 0 else shown
        chosen[places] = mine[herd(ours[mine], target, int(places.sum()))]
    return candidates.take(chosen)


def _seen(images: Tensor, eyes: Sequence[Extractor]) -> Tensor:
    return torch.cat([eye.features(images) for eye in eyes], 1)


def herded(
    run: Run,
    n: int,
    label: Asked = None,
    *,
    times: int = 16,
    seed: int = 0,
    which: Checkpoint = "best",
    progress: Progress | None = None,
) -> ImageSet:
    """Draw `times` as many images as are wanted, and keep those that lie as real ones do.

    Args:
        run: A run whose training images are at hand.
        n: How many images.
        label: A class by name or number; several, or all if None, in equal shares.
        times: Images drawn for each that is kept.
        seed: The same seed gives the same images.
        which: The checkpoint that draws.
        progress: Told of what takes long.

    Raises:
        InputError: `times` leaves nothing to choose, there is no such class, or the training images
            are gone.
    """
    if times < 2:
        raise InputError(f"--herd {times} leaves nothing to choose: draw 2 or more for each image")
    train = selection.shown_images(run.folder)
    labels = run.labels(n, label)
    if not run.class_names:  # as their images are labelled
        labels = torch.full_like(labels, -1)
    candidates = run.imageset(times * n, label, seed, which)
    return choose(candidates, train, labels, eyes_of(train, progress))


def drawn(
    run: Run,
    n: int,
    label: Asked = None,
    *,
    herd: int | None = None,
    seed: int = 0,
    which: Checkpoint = "best",
    progress: Progress | None = None,
) -> ImageSet:
    """What a run draws: each image by itself, or with `herd` chosen from so many times as many."""
    if herd is None:
        return run.imageset(n, label, seed, which)
    return herded(run, n, label, times=herd, seed=seed, which=which, progress=progress)
