"""Which images a run trains on: chosen once with the seed, written down, and read back."""

from dataclasses import replace

import torch

from fewgan import data
from fewgan.data import splits
from fewgan.data.imageset import ImageSet, class_index
from fewgan.data.splits import Division
from fewgan.errors import InputError
from fewgan.training.folder import RunFolder
from fewgan.training.settings import RunConfig


def load_source(settings: RunConfig) -> ImageSet:
    """Everything that the data set offers for training, before any choice.

    Where a run goes on from another whose classes it keeps, those are counted first. Whether a
    mirrored image is as likely is as the settings say, where they say it.
    """
    images = data.load(
        settings.data,
        "train",
        size=settings.size,
        channels=settings.channels,
        skip_corrupt=settings.skip_corrupt,
    )
    if settings.flip is not None:
        images = replace(images, flip=settings.flip)
    return images.after(settings.known) if settings.known else images


def choose(settings: RunConfig, source: ImageSet) -> Division:
    """Choose the training images: classes, then hold-out, then shots, each with the seed.

    Returns:
        Parts `train` and, for data without a test split of their own, `holdout`; and under
        `model` the data set's numbers of the classes, in the order in which the model counts them;
        of a stream, under `experience 0`, `experience 1`, ... those of each experience.

    Raises:
        InputError: A class does not exist or has too few images.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    classes = list(range(len(source.class_names)))
    kept = torch.arange(len(source))
    stream: tuple[tuple[int, ...], ...] = ()
    if settings.stream is not None:
        stream = splits.experiences(settings.stream, source.class_names, settings.order_seed)
        new = [index for part in stream for index in part]
        _check_stream(settings, source, new)
        classes = sorted({*range(len(settings.known)), *new})
        kept = kept[torch.isin(source.labels, torch.tensor(new))]
    elif settings.classes is not None:
        wanted = [name.strip() for name in settings.classes.split(",") if name.strip()]
        classes = sorted({class_index(source.class_names, name) for name in wanted})
        kept = kept[torch.isin(source.labels, torch.tensor(classes))]
    classes, novel = _later(settings, source, classes)
    if novel and settings.shots is None:
        kept = kept[~torch.isin(source.labels[kept], torch.tensor(novel))]
    else:
        classes = sorted([*classes, *novel])
    parts = {}
    if settings.holdout and not data.has_test_split(settings.data):
        leave = settings.shots or 0  # ten of ten pictures are ten shots, and none is held out
        rest, held = splits.holdout(source.labels[kept], settings.holdout, generator, leave)
        parts["holdout"], kept = kept[held], kept[rest]
    if settings.shots is not None:
        labels = source.labels[kept]
        few = torch.isin(labels, torch.tensor(novel)) if novel else torch.ones_like(labels).bool()
        places = few.nonzero().flatten()
        drawn = splits.shots(labels[places], settings.shots, generator, source.class_names)
        shown = torch.cat([places[drawn], (~few).nonzero().flatten()]).sort().values
        rest = torch.ones(len(kept), dtype=torch.bool)
        rest[shown] = False
        if isinstance(settings.unlabelled, int):
            others = rest.nonzero().flatten()
            names, count = source.class_names, settings.unlabelled
            more = others[splits.shots(labels[others], count, generator, names)]
            parts["unlabelled"] = kept[more]
            rest[more] = False
        if "holdout" in parts:  # of few images all others can be held out
            parts["holdout"] = torch.cat([parts["holdout"], kept[rest]]).sort().values
        kept = kept[shown]
    elif isinstance(settings.unlabelled, int):
        raise InputError("--unlabelled takes images that --shots leaves over: give --shots too")
    least = 1 if settings.source else 2
    if len(kept) < least:
        raise InputError(
            f"{settings.data} leaves {len(kept)} images to train on and {least} are the least: "
            "give more images, or a smaller --holdout"
        )
    experiences = {f"experience {i}": part for i, part in enumerate(stream)}
    later = {"novel": tuple(novel)} if novel else {}
    named = {"model": tuple(classes), **later, **experiences}
    return Division.of(source, {"train": kept, **parts}, named)


def _check_stream(settings: RunConfig, source: ImageSet, new: list[int]) -> None:
    """Make sure that there is something to learn in every experience."""
    counts = source.counts()
    for index in new:
        name = source.class_names[index]
        if index < len(settings.known):
            raise InputError(
                f"class {name!r} is known to {settings.source} already: leave it out of the stream"
            )
        if not counts[index]:
            raise InputError(
                f"class {name!r} has no images in {settings.data}: leave it out of the stream"
            )


def _later(
    settings: RunConfig, source: ImageSet, classes: list[int]
) -> tuple[list[int], list[int]]:
    """Base classes, and novel ones, which come later; of those that are taken part in."""
    if settings.novel is not None:
        named = [name.strip() for name in settings.novel.split(",") if name.strip()]
        wanted: int | list[int] = [class_index(source.class_names, name) for name in named]
    elif settings.novel_count is not None:
        wanted = settings.novel_count
    else:
        return classes, []
    base, novel = splits.base_novel(classes, wanted, settings.seed)
    return list(base), list(novel)


def training_images(source: ImageSet, division: Division) -> ImageSet:
    """The chosen images, labels counting the chosen classes from 0 as the model does.

    Raises:
        InputError: The data are not those that the division speaks of.
    """
    whole = len(division.indices("train")) == len(source)
    # Taking everything would copy a set that may be memory-mapped.
    images = (
        source if whole and source.digest == division.digest else division.take(source, "train")
    )
    return as_model(images, list(division.classes["model"]))


def shown_images(folder: RunFolder) -> ImageSet:
    """The images that a run was trained on, labelled as the model counts.

    Of a run that goes on from another and keeps its classes, with those of that run.

    Raises:
        InputError: The data are not those of the run, or the run before is gone.
    """
    config = folder.read_config()
    own = training_images(load_source(config), folder.read_splits())
    if not config.known or config.source is None:
        return own
    before = shown_images(RunFolder(config.source))
    return replace(
        own,
        images=torch.cat([before.images, own.images]),
        labels=torch.cat([before.labels, own.labels]),
    )


def unlabelled_images(settings: RunConfig, source: ImageSet, division: Division) -> ImageSet | None:
    """The images that are shown without their labels, if there are any; labels are -1.

    Raises:
        InputError: Test images were asked for, and the data have none.
    """
    if settings.unlabelled is None:
        return None
    if settings.unlabelled == "test":
        if not data.has_test_split(settings.data):
            raise InputError(f"{settings.data} has no test images: give --unlabelled a number")
        images = data.load(settings.data, "test", size=settings.size, channels=settings.channels)
        images = images.of_classes(division.classes["model"])
    else:
        images = division.take(source, "unlabelled")
    return replace(images, labels=torch.full_like(images.labels, -1), class_names=())


def stream(division: Division) -> list[list[int]]:
    """The classes of each experience as the model counts them; nothing when there is no stream."""
    order = division.classes["model"]
    parts = [division.classes.get(f"experience {i}") for i in range(len(order))]
    return [[order.index(index) for index in part] for part in parts if part]


def as_model(images: ImageSet, classes: list[int]) -> ImageSet:
    """Number the labels by their place in `classes` (data-set numbers), as the model does."""
    if not classes:
        return images
    place = torch.full((len(images.class_names),), -1)
    place[torch.tensor(classes)] = torch.arange(len(classes))
    names = tuple(images.class_names[c] for c in classes)
    return replace(images, labels=place[images.labels], class_names=names)
