"""MetaCGAN: made kernels equal to loops, who is moved by whom, and which class comes when."""

import copy

import pytest
import torch
from torch.nn.functional import batch_norm, conv_transpose2d, instance_norm

import fewgan
from conftest import make_blobs
from fewgan.cli import main
from fewgan.data.feed import Feed
from fewgan.methods.metacgan import MetaCGAN, MetaCGANSettings
from fewgan.networks.build import ImageSpec
from fewgan.networks.hyper import BatchInstanceNorm, Code, MadeDeconvolution

SMALL = {"width": 4, "latent_dim": 8, "code_dim": 6, "support": 3, "few": 9}


def imbalanced():
    """Two classes of twenty images and one of six."""
    images = make_blobs(60, 3)
    few = (images.labels == 2).nonzero().flatten()[6:]
    keep = torch.ones(60, dtype=torch.bool)
    keep[few] = False
    return images.take(keep.nonzero().flatten())


def begun(batch=4, images=None, **settings):
    torch.manual_seed(0)
    method = MetaCGAN(MetaCGANSettings(**SMALL | settings), ImageSpec(1, 16, 3)).train()
    feed = Feed(images or imbalanced(), batch, torch.Generator().manual_seed(0))
    method.begin(feed, copy.deepcopy(method.sampler))
    return method, feed


def test_a_kernel_for_each_image_equals_a_loop():
    layer = MadeDeconvolution(3, 5, 6)
    h, code = torch.randn(4, 3, 7, 7), torch.randn(4, 6)
    kernels = layer.kernels(code)
    assert kernels.shape == (4, 3, 5, 4, 4)
    loop = [conv_transpose2d(h[i : i + 1], kernels[i], stride=2, padding=1) for i in range(len(h))]
    torch.testing.assert_close(layer(h, code), torch.cat(loop))
    torch.testing.assert_close(layer(h, code[:1]), layer(h, code[:1].expand(4, -1)))


def test_filters_have_their_gain_for_a_length_whatever_the_code():
    layer = MadeDeconvolution(3, 5, 6)
    with torch.no_grad():
        layer.gain.copy_(torch.arange(1.0, 6.0))
    lengths = layer.kernels(10 * torch.randn(7, 6)).transpose(1, 2).flatten(2).norm(dim=2)
    torch.testing.assert_close(lengths, torch.arange(1.0, 6.0).expand(7, 5))


def test_it_takes_a_hundredth_of_the_weights_of_a_matrix():
    layer = MadeDeconvolution(128, 64, 32)
    assert sum(p.numel() for p in layer.parameters()) < 32 * 128 * 64 * 16 / 10


def test_batch_instance_norm_is_the_mixture():
    norm, h, y = BatchInstanceNorm(3, 2), torch.randn(6, 3, 5, 5), torch.ones(6).long()
    over_batch = batch_norm(h, None, None, training=True)
    per_image = instance_norm(h)
    for rho in (1.0, 0.0, 0.3):
        norm.rho.data.fill_(rho)
        torch.testing.assert_close(norm(h, y), rho * over_batch + (1 - rho) * per_image)
    norm.rho.data.copy_(torch.tensor([-0.2, 0.4, 1.3]))
    norm.clip()
    torch.testing.assert_close(norm.rho.data, torch.tensor([0.0, 0.4, 1.0]))


def test_each_class_is_normalised_by_what_its_own_batches_were():
    norm = BatchInstanceNorm(3, 2)
    batches = [5 * torch.randn(64, 3, 4, 4) + 7, torch.randn(64, 3, 4, 4)]
    labels = [torch.full((64,), label) for label in (0, 1)]
    for _ in range(100):
        for h, y in zip(batches, labels, strict=True):
            trained = norm(h, y)
    norm.eval()
    drawn = norm(torch.cat(batches), torch.cat(labels)).detach()
    torch.testing.assert_close(drawn[64:], trained, rtol=0.01, atol=0.01)
    assert drawn[:64].mean().abs() < 0.01
    assert drawn[:64].std() == pytest.approx(1, abs=0.01)


def test_deviations_are_positive_and_codes_are_averages():
    mean, deviation = Code(8, 6)(torch.randn(5, 8, 4, 4))
    assert mean.shape == (5, 6)
    assert deviation.min() > 0
    method, _ = begun()
    support, x = torch.randn(3, 8, 4, 4), torch.randn(2, 8, 4, 4)
    mu_t, sigma_t = (v.mean(0) for v in method.meta.task(support))
    mu_i, sigma_i = method.meta.image(x)
    at_zero = method.meta.code(support, x, torch.zeros(2, 6))
    torch.testing.assert_close(at_zero, (mu_t + mu_i) / 2)
    at_one = method.meta.code(support, x, torch.ones(2, 6))
    torch.testing.assert_close(at_one - at_zero, (sigma_t + sigma_i) / 2)


@pytest.mark.parametrize("codes", ["batch", "image"])
def test_features_learn_from_the_discriminator_and_encoders_from_the_generator(codes):
    method, feed = begun(codes=codes)
    moved_by = {}
    for player in ("d", "g"):
        before = {n: p.detach().clone() for n, p in method.named_parameters()}
        kept, method.descend = (
            method.descend,
            lambda name, terms, p=player: (
                MetaCGAN.descend(method, name, terms) if name == p else None
            ),
        )
        method.step(feed)
        method.descend = kept
        now = dict(method.named_parameters())
        moved_by[player] = {n for n, v in before.items() if not torch.equal(now[n], v)}
    groups = {n.rpartition("meta.")[2].split(".")[0] for n in moved_by["d"]}
    assert groups == {"features", "judge"}
    groups = {n.rpartition("meta.")[2].split(".")[0] for n in moved_by["g"]}
    assert groups == {"task", "image", "generator"}
    assert any("filters" in n for n in moved_by["g"])


def test_the_discriminator_can_tell_whether_an_image_and_a_label_go_together():
    method, _ = begun()
    a, b = torch.randn(2, 1, method.meta.features.channels, 4, 4)
    zero, one = torch.tensor([0]), torch.tensor([1])
    with torch.no_grad():
        gains = [method.judge(maps, one) - method.judge(maps, zero) for maps in (a, b)]
    # In a sum of what the maps say and of what the label says, the two would be the same.
    assert (gains[0] - gains[1]).abs() > 1e-6


def test_the_slope_at_real_images_is_penalised_every_sixteenth_step():
    method, feed = begun(r1=2.0)
    found = [float(method.step(feed)["d/r1"]) for _ in range(33)]
    assert [i for i, value in enumerate(found) if value > 0] == [15, 31]
    x, y = feed.batch_of(0), torch.zeros(4, dtype=torch.long)
    seen = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(method.judge(method.meta.features(seen), y).sum(), seen)
    method.steps_done.fill_(16)
    expected = 16 * 2.0 / 2 * slope.square().sum() / 4
    torch.testing.assert_close(method._r1(x, y)["r1"].detach(), expected)


def test_one_step_in_four_is_of_a_base_class():
    method, feed = begun()
    assert method.few.tolist() == [False, False, True]
    drawn = [method._class_of(feed) for _ in range(400)]
    assert all((label == 2) == (i % 4 != 0) for i, label in enumerate(drawn))
    assert set(drawn[::4]) == {0, 1}
    method, feed = begun(images=make_blobs(60, 3))
    assert {method._class_of(feed) for _ in range(40)} == {0, 1, 2}  # all are base classes


def test_a_run_draws_each_class_from_its_support(tmp_path, capsys):
    small = {k: v for k, v in SMALL.items() if k != "few"}
    run = fewgan.train(
        "metacgan", "digits", out=tmp_path / "run", size=16, steps=3, check_every=1, batch_size=8,
        novel="7,8", classes="0,1,7,8", shots=10, check_images=40, progress=False, **small,
    )  # fmt: skip
    division = run.folder.read_splits()
    assert division.classes["novel"] == (7, 8)
    labels = fewgan.datasets.load("digits", "train", size=16).labels[division.indices("train")]
    assert labels.bincount()[[7, 8]].tolist() == [10, 10]
    assert labels.bincount()[:2].min() > 100
    run.sampler("best")
    assert run.about["best"]["step"] == 3  # by no contest: copies of the few would win it
    assert run.sample(6, label="7").shape == (6, 1, 16, 16)
    assert run.sampler().shown.float().var((1, 2, 3, 4)).min() > 0  # of every class
    words = ["train", "metacgan", "--data", "digits", "--steps", "1", "--out", str(tmp_path / "x")]
    assert main([*words, "--meta-layers", "1"]) == 2
    assert "is no meta layer" in capsys.readouterr().err
    assert main([*words, "--meta-layers", "9"]) == 2
    assert "32 px have 3 deconvolutions" in capsys.readouterr().err


def test_without_made_layers_it_is_the_conditional_gan_on_the_same_networks():
    method, feed = begun(meta_layers="none")
    names = {name for name, _ in method.meta.generator.named_parameters()}
    assert not [name for name in names if "embedding" in name or "gain" in name]
    y = torch.tensor([0, 1, 2])
    z = method.meta.latents(y, torch.Generator().manual_seed(0))
    other = z.clone()
    own = method.settings.latent_dim
    other[:, own:] = 0  # all that the code and the choice of support hang on
    method.eval()
    assert torch.equal(method.meta(z, y), method.meta(other, y))
    method.train()
    before = method.meta.generator.project.weight.clone()
    assert all(value.isfinite() for value in method.step(feed).values())
    assert not torch.equal(before, method.meta.generator.project.weight)
