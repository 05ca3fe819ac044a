"""GLICO: latents on the sphere, who moves when, and what lies between two images."""

import copy

import pytest
import torch
from torch.nn import functional as F

import fewgan
from conftest import interrupted, make_blobs
from fewgan.api import make_config
from fewgan.cli import main
from fewgan.data.feed import Feed
from fewgan.data.imageset import to_float
from fewgan.errors import InputError
from fewgan.methods.eyes import Eyes, pyramid
from fewgan.methods.glico import GLICO, NEAR, GLICOSettings
from fewgan.networks.build import ImageSpec
from fewgan.networks.latents import slerp
from fewgan.training.loop import check_settings

SMALL = {"width": 4, "latent_dim": 8, "noise_dim": 4, "slots": 40}


def begun(images=None, batch=8, **settings):
    torch.manual_seed(0)
    images = images or make_blobs(30, 3)
    spec = ImageSpec(1, 16, len(images.class_names))
    method = GLICO(GLICOSettings(**SMALL | settings), spec).train()
    feed = Feed(images, batch, torch.Generator().manual_seed(0), flip=True)
    method.begin(feed, copy.deepcopy(method.sampler))
    return method, feed


# --- latents ------------------------------------------------------------------------------------


def test_only_latents_of_shown_images_move_and_all_stay_on_the_sphere():
    method, feed = begun()
    table = method.sampler.table.weight
    for _ in range(3):
        before = table.detach().clone()
        state = feed.generator.get_state(), feed._all.state()
        method.step(feed)
        torch.testing.assert_close(table.norm(dim=1), torch.ones(40))
        again = Feed(feed.images, 8, torch.Generator())
        again._all.restore(state[1][0], *state[1][1])
        again.generator.set_state(state[0])
        shown = again.indexed()[2]
        moved = (table != before).any(1).nonzero().flatten()
        assert set(moved.tolist()) <= set(shown.tolist())
        assert len(moved) >= len(shown.unique()) - 1


def test_a_rare_class_can_be_shown_as_often_as_the_others():
    images = make_blobs(30, 3)
    few = images.take(torch.cat([(images.labels != 2).nonzero()[:, 0], torch.tensor([2])]))
    assert few.counts()[2] == 1
    feed = Feed(few, 32, torch.Generator().manual_seed(0), balance=True)
    labels = torch.cat([feed.indexed()[1] for _ in range(30)])
    assert (labels == 2).double().mean() == pytest.approx(1 / 3, abs=0.06)  # 3 s.d. are 0.046


def test_images_are_drawn_again_ever_better():
    method, feed = begun(make_blobs(8, 2), classify=0.1)
    terms = [method.step(feed) for _ in range(80)]
    pixels = [float(t["g/pixels"]) for t in terms]
    assert sum(pixels[-5:]) < 0.5 * sum(pixels[:5])
    assert set(terms[0]) == {"g/pixels", "g/perceptual", "g/classes"}


def test_the_classifiers_gradient_reaches_latents_generator_and_itself():
    method, feed = begun()
    _, y, index = feed.indexed()
    z = method.sampler.table(index)
    made = method.sampler.draw(F.normalize(z), torch.zeros(8, 4))
    F.cross_entropy(method.namer(made), y).backward()
    assert method.sampler.table.weight.grad.coalesce().values().abs().sum() > 0
    for network in (method.sampler.generator, method.namer):
        assert all(p.grad.abs().sum() > 0 for p in network.parameters() if p.dim() > 1)


def test_the_classifier_names_without_a_softmax():
    method, _ = begun()
    logits = method.namer(torch.randn(5, 1, 16, 16))
    assert logits.shape == (5, 3)
    assert not torch.allclose(logits.sum(1), torch.ones(5))


def test_a_gradient_along_a_latent_is_taken_out():
    z = torch.tensor([[3.0, 4.0]], requires_grad=True)
    (z / z.norm(dim=1, keepdim=True).detach() * torch.tensor([[1.0, 2.0]])).sum().backward()
    # The norm is a constant: the gradient is that of the direction, divided by the length.
    torch.testing.assert_close(z.grad, torch.tensor([[0.2, 0.4]]))


# --- between two images --------------------------------------------------------------------------


def test_a_new_image_lies_between_two_of_its_class():
    method, _ = begun(latent_dim=256)  # in which strangers stand at right angles
    sampler = method.sampler
    y = torch.arange(3).repeat(200)
    z = sampler.latents(y, torch.Generator().manual_seed(1))
    assert set(z[:, 2].tolist()) == set(torch.tensor(NEAR).tolist())
    content = sampler.content(z, y)
    torch.testing.assert_close(content.norm(dim=1), torch.ones(600))
    table, labels = F.normalize(sampler.table.weight), make_blobs(30, 3).labels
    for label in range(3):
        members = table[:30][labels == label]
        near = (content[y == label] @ members.T).max(1)
        others = (content[y == label] @ table[:30][labels != label].T).max(1)
        assert (near.values > others.values + 0.2).all()
        assert len(near.indices.unique()) == 10  # every image has its turn


def test_the_same_image_twice_gives_way_and_one_alone_is_safe():
    method, _ = begun()
    sampler, noise = method.sampler, torch.zeros(1, 4)
    twice = torch.cat([torch.tensor([[0.05, 0.05, 0.5]]), noise], 1)
    content = sampler.content(twice, torch.tensor([0]))
    first, second = (F.normalize(sampler.table.weight[i : i + 1]) for i in (0, 3))
    torch.testing.assert_close(content, slerp(first, second, 0.5))
    alone, _ = begun(make_blobs(3, 3))
    drawn = alone.sampler(twice, torch.tensor([1]))
    assert drawn.isfinite().all()


def test_a_walk_goes_from_one_image_to_another_of_the_class():
    method, _ = begun()
    sampler = method.sampler
    a, b = (torch.cat([torch.tensor([[u, 0.5, 0.3]]), torch.ones(1, 4)], 1) for u in (0.05, 0.95))
    y = torch.tensor([2])
    ends = [sampler.content(sampler.between(a, b, t), y) for t in (0.0, 1.0)]
    rows = sampler.table.weight[torch.tensor([2, 29])]
    torch.testing.assert_close(torch.cat(ends), F.normalize(rows))
    middle = sampler.between(a, b, 0.5)
    assert middle[0, 2] == 0.5
    assert torch.equal(middle[:, 3:], a[:, 3:])


# --- what it looks through -----------------------------------------------------------------------


def test_a_pyramid_adds_up_to_the_image():
    x = torch.randn(2, 3, 32, 32)
    *details, rest = pyramid(x)
    assert [d.shape[-1] for d in details] == [32, 16, 8]
    for detail in reversed(details):
        rest = detail + F.interpolate(rest, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(rest, x)


@pytest.mark.parametrize("name", ["random", "pyramid", "imagenet"])
def test_eyes_let_gradients_through_and_do_not_learn(name):
    channels = 3 if name == "imagenet" else 1
    see = Eyes(channels, name, levels=2)
    x = torch.rand(2, channels, 16, 16, requires_grad=True)
    maps = see(x)
    assert len(maps) == 2
    sum(m.abs().sum() for m in maps).backward()
    assert x.grad.abs().sum() > 0
    if see.network is not None:
        assert not any(p.requires_grad for p in see.network.parameters())


def test_without_asking_grey_is_seen_by_the_random_network_and_colour_by_imagenets():
    assert Eyes(1).name == "random"
    assert Eyes(3).name == "imagenet"


def test_more_taps_than_a_network_has_are_refused():
    with pytest.raises(InputError, match="has 3 taps: give --levels 3 or fewer"):
        Eyes(1, "random", levels=9)


def test_vgg_that_is_not_there_is_refused_with_what_to_do(tmp_path, capsys):
    words = f"train glico --data digits --shots 4 --size 16 --eyes vgg16 --out {tmp_path / 'r'}"
    assert main(words.split()) == 2
    assert "vgg16-397923af.pth is not here" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


# --- as a run -------------------------------------------------------------------------------------


def test_a_run_draws_walks_and_resumes(tmp_path):
    own = {"width": 4, "latent_dim": 8, "noise_dim": 4, "slots": 50, "size": 16, "batch_size": 8}
    quick = {"check_images": 40, "check_every": 2, "progress": False}
    run = fewgan.train("glico", "digits", out=tmp_path / "a", shots=4, steps=4, **own, **quick)
    told = fewgan.api.summary(run)
    assert told["images are compared by"] == "a fixed random network, 3 taps"
    assert 0 <= told["copies of training images"] <= 1
    assert "a fixed random network" in (run.path / "README.md").read_text()
    assert run.sample(20, label="7").shape == (20, 1, 16, 16)
    assert run.interpolate(rows=3, columns=4).shape == (12, 1, 16, 16)
    scores = fewgan.evaluate(run, "digits", n=40, metrics=["kid", "memorisation"], progress=False)
    assert scores["figures"]
    with interrupted(3), pytest.raises(fewgan.training.loop.Interrupted):
        fewgan.train(
            "glico", "digits", out=tmp_path / "b", shots=4, steps=4, log_every=1, **own, **quick
        )
    cut = fewgan.resume(tmp_path / "b", progress=False)
    assert torch.equal(run.sample(6, which="last"), cut.sample(6, which="last"))


def test_more_images_than_latents_are_refused_with_the_flag(capsys):
    assert main(["train", "glico", "--data", "digits", "--size", "16", "--slots", "20"]) == 2
    said = capsys.readouterr().err
    assert "such as --shots 10, or --slots 1" in said


def test_images_are_shown_as_they_are():
    feed = Feed(make_blobs(12, 2), 4, torch.Generator().manual_seed(0), flip=True, warp=0.3)
    x, y, index = feed.indexed()
    assert torch.equal(x, to_float(feed.images.images[index]))
    assert torch.equal(y, feed.images.labels[index])
    assert feed.seen == 4


# --- images without labels ------------------------------------------------------------------------


def test_images_without_labels_are_only_drawn_again():
    images, more = make_blobs(30, 3), make_blobs(6, 2, seed=3)
    method, _ = begun(images)
    feed = Feed(images, 8, torch.Generator().manual_seed(0), unlabelled=more)
    before = method.sampler.table.weight.detach().clone()
    terms = method.step(feed)
    assert "g/unlabelled" in terms
    moved = (method.sampler.table.weight != before).any(1).nonzero().flatten()
    assert {30, 31, 32, 33, 34, 35} <= set(moved.tolist())
    assert int(method.sampler.count.sum()) == 30  # nothing is drawn between them
    x, place = feed.indexed_unlabelled()
    assert torch.equal(x, to_float(more.images[place - 30]))


def test_images_without_labels_are_others_than_those_shown_or_held_out(tmp_path):
    own = {"width": 4, "latent_dim": 8, "noise_dim": 4, "slots": 200, "size": 16, "batch_size": 8}
    quick = {"check_images": 40, "progress": False, "log_every": 1}
    options = {"shots": 4, "unlabelled": 6, "steps": 3, **own, **quick}
    run = fewgan.train("glico", "digits", out=tmp_path / "a", **options)
    division = run.folder.read_splits()
    shown, more = (set(division.indices(part).tolist()) for part in ("train", "unlabelled"))
    assert (len(shown), len(more)) == (40, 60)
    assert not shown & more
    with interrupted(2), pytest.raises(fewgan.training.loop.Interrupted):
        fewgan.train("glico", "digits", out=tmp_path / "b", **options)
    cut = fewgan.resume(tmp_path / "b", progress=False)
    assert torch.equal(run.sample(6, which="last"), cut.sample(6, which="last"))


def test_a_transductive_run_says_so_on_every_card(tmp_path):
    own = {"width": 4, "latent_dim": 8, "noise_dim": 4, "slots": 500, "size": 16, "batch_size": 8}
    quick = {"check_images": 40, "progress": False, "steps": 1}
    run = fewgan.train("glico", "digits", out=tmp_path, shots=4, unlabelled="test", **own, **quick)
    scores = fewgan.evaluate(run, "digits", n=40, metrics=["kid"], progress=False)
    assert "shown in training without labels" in scores["figures"][0]["card"]["reference"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("acgan --data digits --shots 4 --unlabelled 3", "learns from labelled images only"),
        ("glico --data digits --unlabelled 3", "give --shots too"),
        ("glico --data {folder} --shots 4 --unlabelled test", "has no test images"),
        ("glico --data digits --shots 4 --unlabelled 9 --slots 50", "--slots 130"),
    ],
)
def test_images_without_labels_that_cannot_be_had_are_refused(
    words, said, blob_folder, tmp_path, capsys
):
    words = words.format(folder=blob_folder)
    assert main(f"train {words} --size 16 --width 4 --out {tmp_path / 'r'}".split()) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("asked", [{"flip": True}, {"warp": 0.1}])
def test_latents_stand_for_images_as_they_are(asked):
    config = make_config(GLICO, {"data": "digits", **asked})
    with pytest.raises(InputError, match="glico needs images as they are"):
        check_settings(GLICO, config, 1)


def test_several_processes_are_refused():
    config = make_config(GLICO, {"data": "digits"})
    check_settings(GLICO, config, 1)
    with pytest.raises(InputError, match="glico trains in one process"):
        check_settings(GLICO, config, 2)
