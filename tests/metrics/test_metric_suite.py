import json
from dataclasses import replace

import pytest
import torch

from fewgan import data
from fewgan.data.imageset import ImageSet
from fewgan.errors import InputError
from fewgan.metrics.extractors import get_extractor, random_extractor
from fewgan.metrics.extractors.base import Extractor, FeatureNetwork, Outputs
from fewgan.metrics.fid import fid
from fewgan.metrics.kid import kid
from fewgan.metrics.prdc import prdc
from fewgan.metrics.progress import progress_bars
from fewgan.metrics.suite import Figure, audit_images, measure
from fewgan.metrics.table import METRICS

CHEAP = ["fid", "kid", "is", "prdc", "accuracy", "lpips", "diversity", "memorisation"]


class Quarters(FeatureNetwork):
    """Sixteen features (mean of each of 4 x 4 patches) and as many class scores as it is told."""

    def __init__(self, classes):
        super().__init__()
        self.channels, self.side, self.dim, self.classes = 1, 32, 16, classes
        self.stages = torch.nn.ModuleList([torch.nn.AvgPool2d(8)])
        self.weight = torch.nn.Parameter(torch.eye(16)[:, :classes])

    def forward(self, x):
        features = self.taps(x)[0].flatten(1)
        return Outputs(features, features @ self.weight)


@pytest.fixture(scope="module")
def sets():
    train = data.load("digits", "train", size=32)
    test = data.load("digits", "test", size=32)
    generator = torch.Generator().manual_seed(0)
    pixels = train.images[:120].float()
    noise = 30 * torch.randn(pixels.shape, generator=generator)
    fake = replace(
        train.take(torch.arange(120)), images=(pixels + noise).clamp(0, 255).byte(), name="fake"
    )
    return fake, test, train


def eyes(sets):
    names = sets[0].class_names
    return Extractor("quarters", Quarters(len(names)), class_names=names)


def by_name(figures):
    return {figure.name: figure for figure in figures}


def test_every_cheap_metric_has_a_value_a_real_one_and_a_card(sets):
    _, test, train = sets
    figures = by_name(measure(*sets, CHEAP, eyes(sets), seed=3, k=4))
    assert list(figures) == [
        "fid", "kid", "is", "precision", "recall", "density", "coverage", "accuracy",
        "accuracy_worst_class", "lpips", "diversity", "diversity_worst_class", "copies",
        "copying_excess", "nearest_ratio",
    ]  # fmt: skip
    for figure in figures.values():
        assert figure.value is not None, figure.name
        assert figure.real is not None, figure.name
        card = figure.card
        assert (card.n_fake, card.n_real, card.seed, card.k) == (120, len(test), 3, 4)
        assert card.train == f"digits, {len(train)} images"
    assert figures["kid"].spread > 0
    assert set(figures["accuracy"].per_class) == set(train.class_names)
    assert figures["fid"].card.extractor == "quarters"
    assert figures["copies"].card.extractor == "random"


def test_figures_are_those_of_the_pure_functions(sets):
    fake, test, _ = sets
    network = eyes(sets)
    found = by_name(measure(*sets, ["fid", "kid", "prdc"], network))
    a, b = network.features(fake.images), network.features(test.images)
    assert found["fid"].value == pytest.approx(fid(a, b))
    assert found["kid"].value == pytest.approx(kid(a, b))
    assert found["coverage"].value == prdc(b, a, 5).coverage


def test_the_real_column_is_of_as_many_training_images(sets):
    fake, test, train = sets
    network = eyes(sets)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(7))[: len(fake)]
    expected = kid(network.features(train.images[order]), network.features(test.images))
    (figure,) = measure(*sets, ["kid"], network, seed=7)
    assert figure.real == pytest.approx(expected)
    assert figure.real < figure.value


def test_figures_survive_json(sets):
    figures = measure(*sets, ["kid", "diversity"], eyes(sets))
    text = json.dumps([f.model_dump() for f in figures], allow_nan=False)
    assert [Figure.model_validate(f) for f in json.loads(text)] == figures


def test_fid_of_few_images_is_replaced_and_said(sets):
    fake, test, train = sets
    few = fake.take(torch.arange(12))
    figures = by_name(measure(few, test, train, ["kid", "fid"], eyes(sets)))
    assert list(figures) == ["kid"]
    assert "in place of FID" in figures["kid"].card.note
    assert "12 images for 16 features" in figures["kid"].card.note


def test_what_cannot_be_had_is_none_with_the_reason(sets):
    fake, test, train = sets
    (score,) = measure(*sets, ["is"], random_extractor(1))
    assert score.value is None
    assert "class scores" in score.card.note
    two = fake.take(torch.arange(2))
    (shares,) = measure(two, test, train, ["prdc"], eyes(sets))
    assert shares.value is None
    assert "more than 5 images" in shares.card.note


def test_no_nan_ever(sets):
    fake, test, train = sets
    one_each = fake.take(torch.stack([(fake.labels == c).nonzero()[0, 0] for c in range(10)]))
    (mean, worst) = measure(one_each, test, train, ["diversity"], eyes(sets))
    assert mean.value is None
    assert worst.value is None
    assert "not defined" in mean.card.note
    assert set(mean.per_class.values()) == {None}


def test_images_without_classes(sets):
    plain = [ImageSet(s.images, torch.full_like(s.labels, -1), (), s.name) for s in sets]
    figures = by_name(measure(*plain, ["diversity", "lpips", "accuracy", "cas"], eyes(sets)))
    assert figures["diversity"].value > 0
    assert figures["diversity"].per_class is None
    assert figures["lpips"].value > 0
    assert "classes" in figures["accuracy"].card.note
    assert "classes" in figures["cas"].card.note


def test_a_judge_is_trained_when_the_extractor_knows_other_classes(blobs):
    figures = by_name(measure(blobs, blobs, blobs, ["accuracy"], random_extractor(1)))
    assert figures["accuracy"].value == 1
    assert figures["accuracy"].card.extractor == "in-domain"
    assert "40 images of blobs" in figures["accuracy"].card.about


def test_a_judge_learns_from_all_labelled_images_there_are(blobs):
    few, network = blobs.take(torch.arange(6)), random_extractor(1)
    figures = by_name(measure(blobs, blobs, few, ["accuracy"], network, judge=blobs))
    assert "40 images of blobs" in figures["accuracy"].card.about
    assert figures["accuracy"].card.train == "blobs, 6 images"


def test_classification_accuracy_score_of_copies_and_of_one_class(blobs):
    figures = by_name(measure(blobs, blobs, blobs, ["cas"], random_extractor(1)))
    assert figures["cas"].value == figures["cas"].real == 1
    assert figures["cas"].per_class == {"band 0": 1, "band 1": 1}


def test_the_audit_finds_copies_and_mirrored_copies(sets):
    _, test, train = sets
    copied = train.take(torch.arange(50, 80))
    found = audit_images(copied, test, train, eyes(sets))
    assert found.copies == found.excess == 1
    mirrored = replace(copied, images=copied.images.flip(3), flip=True)
    either_way = [replace(s, flip=True) for s in (test, train)]
    found = audit_images(mirrored, *either_way, eyes(sets))
    assert found.copies == 1
    assert (found.pairs[:, 1] == found.pairs[:, 0] + 50).all()
    assert audit_images(mirrored, test, train, eyes(sets)).copies < 0.5


def test_unknown_metric_gets_the_nearest(sets):
    with pytest.raises(
        InputError, match="unknown metric 'memorization': did you mean 'memorisation'"
    ):
        measure(*sets, ["kid", "memorization"], eyes(sets))
    assert {"fid", "kid", "is", "prdc", "accuracy", "cas", "lpips", "memorisation"} <= set(METRICS)


def test_sets_that_do_not_go_together_are_refused(sets):
    fake, test, train = sets
    small = data.load("digits", "test", size=16)
    with pytest.raises(InputError, match="16-pixel grey images and fake 32-pixel grey"):
        measure(fake, small, train, ["kid"], eyes(sets))
    with pytest.raises(InputError, match="no images in fake"):
        measure(fake.take(torch.arange(0)), test, train, ["kid"], eyes(sets))


def test_bars_take_what_extractors_tell(blobs, capsys):
    with progress_bars() as told:
        measure(blobs, blobs, blobs, ["kid"], get_extractor("random", data=blobs, progress=told))
    assert "Traceback" not in capsys.readouterr().err
