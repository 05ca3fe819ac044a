"""self-conditioned: kinds are found where they are, and drawn as often as they come."""

import pytest
import torch

import fewgan
from conftest import interrupted, make_blobs, write_folder
from fewgan import methods
from fewgan.data.feed import Feed
from fewgan.data.imageset import ImageSet, to_float
from fewgan.errors import InputError
from fewgan.methods.self_conditioned import ByKind, Kinds, of_kind, teach
from fewgan.metrics.extractors import random_extractor
from fewgan.networks.build import ImageSpec
from fewgan.training import loop

SPEC = ImageSpec(1, 16, 2)
SHARES = torch.tensor([[0.75, 1.0], [0.25, 1.0]])  # up to each kind: 3 to 1, and 1 to 3


def striped(n: int = 80) -> ImageSet:
    """Two classes by the bright half, each of two kinds by a bright column, 3 to 1 and 1 to 3."""
    images = make_blobs(n)
    left = torch.arange(n) // 2 % 4 < torch.where(images.labels == 0, 3, 1)
    images.images[left, :, :, :3] = 255
    images.images[~left, :, :, -3:] = 255
    return images


def begun(images: ImageSet, name: str = "self-conditioned", **settings):
    torch.manual_seed(0)
    kind = methods.find(name)
    given = {"width": 4, "latent_dim": 8, "kinds": 2, "lessons": 20, **settings}
    spec = ImageSpec(1, 16, len(images.class_names))
    method = kind(kind.Settings(**given), spec).train()
    averaged, feed = method.sampler, Feed(images, 8, torch.Generator().manual_seed(0))
    method.begin(feed, averaged)
    return method, feed


def test_kinds_are_found_where_they_are():
    images = striped()
    method, _ = begun(images)
    left = images.images[:, 0, 8, 0] == 255
    found = method.tell(to_float(images.images), images.labels)
    assert (found // 2 == images.labels).all()
    for label in (0, 1):
        of = images.labels == label
        assert len(set(zip(found[of].tolist(), left[of].tolist(), strict=True))) == 2
    largest = method.upto.diff(dim=1, prepend=torch.zeros(2, 1)).amax(1)
    assert largest.tolist() == [0.75, 0.75]


def test_a_number_chooses_a_kind_by_hand():
    y = torch.tensor([0, 0, 0, 1, 1, 1, -1])
    u = torch.tensor([0.0, 0.74, 0.76, 0.24, 0.26, 1.0, 0.9])
    assert of_kind(y, u, SHARES).tolist() == [0, 0, 1, 2, 3, 3, 1]


def test_a_class_is_drawn_of_its_own_kinds_in_their_shares():
    class Tells(torch.nn.Module):
        latent_dim = 3

        def forward(self, z, y):
            assert z.shape[1] == 3
            return y

    sampler = Kinds(Tells(), SHARES, 2)
    y = torch.arange(8000) % 2
    drawn = sampler(sampler.latents(y, torch.Generator().manual_seed(0)), y)
    assert (drawn // 2 == y).all()
    assert (drawn[y == 0] == 0).double().mean() == pytest.approx(0.75, abs=0.02)
    assert (drawn[y == 1] == 2).double().mean() == pytest.approx(0.25, abs=0.02)


def test_the_gan_inside_is_fed_kinds_real_and_asked_for_alike():
    images = striped()
    method, feed = begun(images)
    fed = ByKind(feed, method)
    real = torch.cat([fed.batch()[1] for _ in range(250)])
    wanted = torch.cat([fed.labels() for _ in range(250)])
    for counts in (torch.bincount(real, minlength=4), torch.bincount(wanted, minlength=4)):
        shares = (counts / counts.sum()).sort().values
        assert shares.tolist() == pytest.approx([0.125, 0.125, 0.375, 0.375], abs=0.03)
    assert method.learner.generator.classes == 4
    assert feed.seen == 250 * 8


def test_lessons_let_features_tell_the_classes():
    """Classes that differ in a corner: untaught features see much else, taught ones little."""
    images = make_blobs(200, 1)
    labels = torch.arange(200) % 2
    images.images[labels == 1, :, :3, :3] = 0
    images = ImageSet(images.images, labels, ("plain", "corner"), "corners")

    def apart(network) -> float:
        with torch.no_grad():
            seen = network(torch.nn.functional.interpolate(to_float(images.images), 32)).features
        between = seen[labels == 0].mean(0) - seen[labels == 1].mean(0)
        return float(between.norm() / seen.std(0).norm())  # 2 where nothing else varies

    network = random_extractor(1).network
    assert apart(network) < 1.5
    teach(network, images, 40, torch.Generator().manual_seed(0))
    assert apart(network) > 1.9
    assert not any(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize("gan", ["acgan", "sngan-projection", "cdcgan"])
def test_any_conditional_gan_will_do_inside(gan):
    method, feed = begun(striped(), f"self-conditioned:{gan}")
    assert type(method) is methods.find(f"self-conditioned:{gan}")
    assert all(value.isfinite() for value in method.step(feed).values())


def test_images_without_classes_are_divided_too():
    images = striped()
    images = ImageSet(images.images, torch.full((80,), -1), (), "striped")
    method, feed = begun(images)
    assert method.sampler.classes == 0
    assert method.learner.generator.classes == 2
    assert all(value.isfinite() for value in method.step(feed).values())
    z = method.sampler.latents(torch.full((5,), -1), torch.Generator().manual_seed(0))
    assert method.sampler(z, torch.full((5,), -1)).shape == (5, 1, 16, 16)


@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        ("self-conditioned:dcgan", {"labels": "none"}, "wrap a conditional GAN"),
        ("self-conditioned:cyclegan", {}, "wraps a two-player GAN"),
        ("self-conditioned:mergan-ra", {}, "wraps a two-player GAN"),
    ],
)
def test_what_knows_no_kinds_cannot_be_inside(name, settings, told):
    with pytest.raises(InputError, match=told):
        begun(striped(), name, **settings)


def test_a_class_of_fewer_images_than_kinds_is_refused(blob_folder):
    with pytest.raises(InputError, match=r"'band 0' has 16 images.*give fewer --kinds"):
        fewgan.train("self-conditioned", str(blob_folder), kinds=17, size=16, width=4)


def test_a_run_resumes_exactly_and_is_asked_for_classes(tmp_path):
    folder = write_folder(striped(), tmp_path / "striped")
    options = {"size": 16, "width": 4, "latent_dim": 8, "kinds": 2, "lessons": 5, "steps": 4}
    options |= {"batch_size": 8, "check_every": 2, "log_every": 1, "check_images": 40}
    options |= {"progress": False, "holdout": 0.2}
    whole = fewgan.train("self-conditioned", str(folder), out=tmp_path / "whole", **options)
    with interrupted(3), pytest.raises(loop.Interrupted):
        fewgan.train("self-conditioned", str(folder), out=tmp_path / "cut", **options)
    cut = fewgan.api.resume(tmp_path / "cut", progress=False)
    assert torch.equal(whole.sample(6, which="last"), cut.sample(6, which="last"))
    assert whole.class_names == ("band 0", "band 1")
    assert whole.sample(4, label="band 1").shape == (4, 1, 16, 16)
