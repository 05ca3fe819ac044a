import pytest
import torch

from fewgan import data
from fewgan.files import cache_folder
from fewgan.metrics.extractors import get_extractor
from fewgan.metrics.extractors.in_domain import Recipe, mirrored, shifted, train_classifier

SHORT = Recipe(epochs=2, least_steps=10, batch=20)


def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", "train", size=32), data.load("digits", "test", size=32)


def test_digits_are_recognised_and_the_card_says_how_well(digits):
    train, test = digits
    steps = []
    extractor = get_extractor(
        "in-domain", data=train, test=test, progress=lambda *told: steps.append(told[1:])
    )
    right = extractor.logits(test.images).argmax(1) == test.labels
    assert right.double().mean() > 0.97
    assert f"{100 * right.double().mean():.2f} % right on {len(test)}" in extractor.notes
    assert extractor.class_names == train.class_names
    assert extractor.features(test.images[:5]).shape == (5, extractor.dim)
    assert extractor.dim <= 128
    assert steps[0] == (1, steps[0][1])


def test_it_is_trained_once_and_damage_is_repaired(blobs, monkeypatch):
    first = get_extractor("in-domain", data=blobs)
    trained = []
    monkeypatch.setattr(
        "fewgan.metrics.extractors.in_domain.train_classifier",
        lambda *a, **k: trained.append(1) or train_classifier(*a, **k),
    )
    assert get_extractor("in-domain", data=blobs).identity == first.identity
    assert not trained
    kept = max((cache_folder() / "extractors").iterdir(), key=lambda path: path.stat().st_mtime)
    kept.write_bytes(kept.read_bytes()[:-100])
    assert get_extractor("in-domain", data=blobs).identity == first.identity
    assert trained


def test_seed_decides_and_the_global_generator_is_left_alone(blobs):
    before = torch.get_rng_state()
    weights = [train_classifier(blobs, seed=s, recipe=SHORT).classify.weight for s in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_steps_follow_the_number_of_images():
    recipe = Recipe(epochs=20, most_images=1000, least_steps=5, batch=10)
    assert [recipe.steps(n) for n in (1, 10, 100)] == [5, 20, 100]


def test_shifts_move_whole_images():
    image = torch.arange(25, dtype=torch.uint8).view(1, 1, 5, 5)
    found = {
        tuple(shifted(image, 1, g).flatten().tolist()) for g in [generator()] for _ in range(99)
    }
    padded = torch.nn.functional.pad(image.float(), (1, 1, 1, 1), mode="replicate").byte()
    moved = {
        tuple(padded[0, 0, r : r + 5, c : c + 5].flatten().tolist())
        for r in range(3)
        for c in range(3)
    }
    assert found == moved


def test_half_of_the_images_are_mirrored():
    images = torch.arange(8, dtype=torch.uint8).repeat(400, 1, 8, 1)
    flipped = mirrored(images, generator())[:, 0, 0, 0] == 7
    assert 150 < flipped.sum() < 250
