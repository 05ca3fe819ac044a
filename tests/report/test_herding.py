"""Herding: the choice is the greedy one, mends what a generator gets wrong, and cards tell it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import fewgan
from conftest import make_blobs
from fewgan.benchmark.evaluation import evaluate
from fewgan.cli import main
from fewgan.errors import InputError
from fewgan.metrics.extractors import random_extractor
from fewgan.metrics.prdc import prdc
from fewgan.report.comparison import Comparison
from fewgan.report.herding import choose, eyes_of, herd, herded
from fewgan.report.view import RunView
from fewgan.report.words import card, commands
from fewgan.training import selection

SMALL = {"size": 16, "width": 4, "steps": 2, "batch_size": 8, "check_images": 40}
SMALL |= {"classes": "3,7", "progress": False}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fewgan.train("acgan", "digits", out=tmp_path_factory.mktemp("runs") / "run", **SMALL)


def points(n, seed=0, dim=3):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))


def energy_distance(chosen, target):
    """2 E|s - t| - E|s - s'| - E|t - t'|, from its definition."""
    between, within, theirs = (
        torch.cdist(a, b).mean() for a, b in ((chosen, target), (chosen, chosen), (target, target))
    )
    return float(2 * between - within - theirs)


# --- the choice -----------------------------------------------------------------------------------


def test_the_choice_worked_out_by_hand():
    candidates, target = torch.tensor([[0.0], [1], [4], [9]]), torch.tensor([[0.0], [0], [4]])
    # Mean distances to the target are 4/3, 5/3, 8/3, 23/3: 0 comes first. Beside it 4 gives
    # 4 - 2 * 8/3 = -4/3 and 1 gives 1 - 2 * 5/3 = -7/3: 4 is second, though it is farther off.
    assert herd(candidates, target, 3).tolist() == [0, 2, 1]


def test_each_takes_as_much_off_the_energy_distance_as_any_could():
    candidates, target = points(12).double(), points(30, seed=1).double()
    chosen = herd(candidates, target, 12).tolist()
    assert sorted(chosen) == list(range(12))
    for place in range(12):
        left = [i for i in range(12) if i not in chosen[:place]]
        given = {i: energy_distance(candidates[[*chosen[:place], i]], target) for i in left}
        assert given[chosen[place]] == pytest.approx(min(given.values()), abs=1e-12)


def test_a_part_that_is_drawn_too_seldom_gets_its_share():
    far = torch.tensor([20.0, 0, 0])
    candidates = torch.cat([points(160), points(40, seed=1) + far])
    target = torch.cat([points(100, seed=2), points(100, seed=3) + far])
    assert int((herd(candidates, target, 40) >= 160).sum()) == 20


def test_a_chosen_set_covers_more_than_any_that_was_drawn():
    far = torch.tensor([20.0, 0, 0])
    held, target = (torch.cat([points(200, seed=s), points(200, seed=s + 1) + far]) for s in (1, 3))
    often, seldom = points(3800, seed=5), points(200, seed=6) + far
    parts = [torch.cat(pair) for pair in zip(often.split(380), seldom.split(20), strict=True)]
    drawn = [prdc(held, part) for part in parts]
    pool = torch.cat(parts)
    chosen = prdc(held, pool[herd(pool, target, 400)])
    assert chosen.coverage > max(part.coverage for part in drawn) + 0.05
    assert chosen.coverage > 0.95


def test_there_must_be_something_to_choose_from():
    with pytest.raises(InputError, match="cannot choose 4 of 3 images by 5: draw more"):
        herd(points(3), points(5), 4)
    with pytest.raises(InputError, match="of 3 images by 0"):
        herd(points(3), points(0), 2)


# --- images ---------------------------------------------------------------------------------------


def test_classes_are_chosen_apart_and_come_where_they_are_wanted():
    pool, train = make_blobs(40, seed=1), make_blobs(30)
    labels = torch.tensor([1, 0, 0, 1, 1])
    kept = choose(pool, train, labels, [random_extractor(1)])
    assert torch.equal(kept.labels, labels)
    eyes = random_extractor(1)
    for label in (0, 1):
        mine = pool.take((pool.labels == label).nonzero().flatten())
        target = train.take((train.labels == label).nonzero().flatten())
        best = herd(eyes.features(mine.images), eyes.features(target.images), 3)
        wanted = mine.images[best][: int((labels == label).sum())]
        assert torch.equal(kept.images[labels == label], wanted)


def test_without_classes_all_training_images_are_the_target():
    pool, train = make_blobs(40, seed=1), make_blobs(30)
    pool = replace(pool, labels=torch.full((40,), -1), class_names=())
    kept = choose(pool, train, torch.full((6,), -1), [random_extractor(1)])
    eyes = random_extractor(1)
    best = herd(eyes.features(pool.images), eyes.features(train.images), 6)
    assert torch.equal(kept.images, pool.images[best])


def test_mirror_images_belong_to_the_target_where_training_mirrors():
    left = make_blobs(40).images.clone()
    left[:, :, :, 8:] = 0
    train = replace(make_blobs(40), images=left)
    both = replace(train, images=torch.cat([left, left.flip(3)]), labels=train.labels.repeat(2))
    labels = torch.arange(20) % 2
    shares = {}
    for flip in (False, True):
        kept = choose(both, replace(train, flip=flip), labels, [random_extractor(1)])
        shares[flip] = (kept.images[:, :, :, 8:].flatten(1).any(1)).float().mean()
    assert shares[False] < 0.2
    assert 0.4 <= shares[True] <= 0.6


def test_a_run_draws_in_surplus_and_the_same_for_the_same_seed(run):
    kept = herded(run, 6, times=3, seed=5)
    assert kept.labels.tolist() == [0, 1] * 3
    pool = {image.numpy().tobytes() for image in run.imageset(18, seed=5).images}
    assert {image.numpy().tobytes() for image in kept.images} <= pool
    assert torch.equal(kept.images, herded(run, 6, times=3, seed=5).images)
    assert not torch.equal(kept.images, herded(run, 6, times=3, seed=6).images)
    assert herded(run, 4, "7", times=2).labels.tolist() == [1] * 4
    with pytest.raises(InputError, match="--herd 1 leaves nothing to choose"):
        herded(run, 6, times=1)
    with pytest.raises(InputError, match="0 images were asked for"):
        herded(run, 0)


def test_a_run_without_classes_is_herded_as_a_whole(tmp_path):
    run = fewgan.train("dcgan", "digits", out=tmp_path / "run", **SMALL)
    kept = herded(run, 5, times=3, seed=1)
    train, pool = selection.shown_images(run.folder), run.imageset(15, seed=1)
    ours, theirs = (
        torch.cat([eye.features(images.images) for eye in eyes_of(train)], 1)
        for images in (pool, train)
    )
    best = herd(ours, theirs, 5)
    assert torch.equal(kept.images, pool.images[best])
    with pytest.raises(InputError, match="-1 images were asked for"):
        herded(run, -1)


# --- what a person sees ---------------------------------------------------------------------------


def test_samples_are_herded_on_request(run, tmp_path, capsys):
    words = f"sample {run.path} --n 6 --herd 3 --out {tmp_path / 'few.npz'}"
    assert main([*words.split(), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["herded from"] == 18
    arrays = np.load(tmp_path / "few.npz")
    images = torch.from_numpy(arrays["images"]).permute(0, 3, 1, 2)
    assert torch.equal(images, herded(run, 6, times=3).images)
    assert arrays["labels"].tolist() == [3, 7] * 3
    assert main(f"{words} --filter --overwrite".split()) == 2
    assert "leave it or --filter out" in capsys.readouterr().err


def test_a_card_says_how_many_were_drawn_and_such_figures_stand_apart(run, tmp_path):
    asked = {"n": 40, "metrics": ["prdc"], "extractor": "random", "progress": False}
    evaluate(run, "digits", **asked)
    plain = RunView.read(run.path)
    evaluate(run, "digits", herd=3, **asked)
    chosen = RunView.read(run.path)
    assert {figure.card.drawn for figure in plain.figures} == {None}
    assert {figure.card.drawn for figure in chosen.figures} == {120}
    assert "40 generated (herded from 120) against" in card(chosen.figures[0])
    assert "herd" not in " ".join(commands(plain))
    assert commands(chosen)[1].endswith("--checkpoint best --herd 3")
    why = Comparison((plain, chosen)).differences("coverage")
    assert why == [f"images drawn for each differs ({run.path}: 1; {run.path}: 3)"]
