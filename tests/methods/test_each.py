"""One adaptation for each class: what each of them sees, and what is asked of all."""

import copy

import pytest
import torch

import fewgan
from conftest import interrupted, make_blobs, write_folder
from fewgan import methods
from fewgan.data.feed import Feed
from fewgan.errors import InputError
from fewgan.methods.base import Learned
from fewgan.methods.each import Each, OneClass, Parts
from fewgan.networks.build import ImageSpec
from fewgan.training import checkpoint, loop

QUICK = {"batch_size": 8, "check_images": 40, "progress": False, "holdout": 0.2}


def feed_of(batch=8):
    return Feed(make_blobs(30, 3), batch, torch.Generator().manual_seed(0))


def begun(way="finetune", classes=3, **settings):
    torch.manual_seed(0)
    source = methods.find("dcgan")
    own = {"width": 4, "latent_dim": 8, "labels": "none"}
    lender = source(source.Settings(**own), ImageSpec(1, 16, 0))
    kind = methods.find(f"each:{way}").onto(source)
    given = kind.inherited(lender.settings.model_dump(), 0) | settings
    method = kind(kind.Settings(**given), ImageSpec(1, 16, classes)).train()
    method.adopt(Learned(copy.deepcopy(lender.sampler).eval(), lender.eval(), 0))
    feed = feed_of()
    method.begin(feed, copy.deepcopy(method.sampler))
    return method, lender, feed


def test_a_feed_of_one_class_shows_that_class_and_draws_from_the_same_numbers():
    feed = feed_of()
    one = OneClass(feed, 2)
    images, labels = one.batch()
    assert labels.tolist() == [0] * 8
    assert one.labels().tolist() == [0] * 8
    below = images[:, :, 10:15].mean((1, 2, 3))
    assert (below > images[:, :, :10].mean((1, 2, 3)) + 0.5).all()
    assert len(one.images) == 10
    assert feed.seen == 8
    before = feed.generator.get_state()
    drawn = one.normal(4)
    feed.generator.set_state(before)
    assert torch.equal(drawn, feed.normal(4))


def test_each_goes_on_through_a_look_at_whole_images():
    method, _, feed = begun("cdc", anchors=3)
    for _ in range(4):
        method.step(feed)
    assert feed.seen == 4 * 3 * 8


def test_what_is_seen_inside_a_class_is_counted():
    method, _, feed = begun("bsa")
    method.step(feed)
    assert feed.seen == 3 * 8


def test_each_label_is_drawn_by_its_own_part_in_the_order_asked_for():
    class Flat(torch.nn.Module):
        def __init__(self, shade):
            super().__init__()
            self.shade = shade

        def latents(self, y, generator):
            return torch.randn(len(y), 2, generator=generator)

        def forward(self, z, y):
            assert not y.any()
            return z[:, :1, None, None] + self.shade

    parts = Parts([Flat(10.0), Flat(20.0), Flat(30.0)])
    assert parts.classes == 3
    y = torch.tensor([2, 0, 2, 0])
    z = parts.latents(y, torch.Generator().manual_seed(0))
    wanted = z[:, 0] + torch.tensor([30.0, 10.0, 30.0, 10.0])
    assert torch.equal(parts(z, y).flatten(), wanted)


def test_all_begin_alike_and_go_where_their_class_is():
    method, lender, feed = begun()
    y = torch.tensor([0, 1, 2])
    z = method.sampler.latents(y[:1], torch.Generator().manual_seed(1)).expand(3, -1)
    method.sampler.eval(), lender.eval()
    drawn = method.sampler(z, y)
    assert torch.equal(drawn[0], drawn[1])
    torch.testing.assert_close(drawn[0], lender.sampler(z[:1], y[:1])[0])
    method.train()
    terms = method.step(feed)
    assert set(terms) == {"d/adversarial", "g/adversarial"}
    assert all(value.isfinite() for value in terms.values())
    heads = [member.discriminator.head.state_dict() for member in method.members]
    assert not torch.equal(*(head["real.weight"] for head in heads[:2]))
    assert feed.seen == 3 * 8


def test_the_one_way_of_all_is_the_ways_of_each():
    method, _, feed = begun(classes=1)
    single = copy.deepcopy(method.members[0])
    alike = Feed(feed.images.of_classes([0]), 8, torch.Generator().manual_seed(0))
    alike.generator.set_state(feed.generator.get_state())
    method.step(feed)
    single.step(OneClass(alike, 0))
    for a, b in zip(method.members[0].parameters(), single.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("way", ["ewc-few", "cdc", "freezed"])
def test_any_way_to_adapt_will_do(way):
    settings = {"fisher_samples": 4} if way == "ewc-few" else {}
    method, _, feed = begun(way, **settings)
    assert method.name == f"each:{way}"
    assert type(method).batches({}) == methods.find(way).batches({})
    assert all(value.isfinite() for value in method.step(feed).values())


@pytest.mark.parametrize("other", ["acgan", "sequential", "each"])
def test_what_adapts_nothing_cannot_be_had_for_each(other):
    with pytest.raises(InputError, match="takes a way to adapt"):
        methods.find(f"each:{other}")


def test_without_classes_there_is_nothing_to_do_for_each():
    kind = methods.find("each")
    with pytest.raises(InputError, match="needs labels"):
        kind(kind.Settings(width=4), ImageSpec(1, 16, 0))


def test_it_goes_on_from_a_meta_trained_run_the_same_each_time(tmp_path):
    folder = write_folder(make_blobs(60, 3), tmp_path / "blobs")
    small = {"size": 16, "width": 4, "latent_dim": 8, "inner_steps": 2, "steps": 2}
    meta = fewgan.train("reptile-2mlp", str(folder), out=tmp_path / "meta", **small, **QUICK)
    options = {"shots": 5, "classes": "band 0,band 2", "check_every": 2, "seed": 3}
    options |= {"steps": 4} | QUICK
    run, again = (
        fewgan.adapt(meta, "each:inner", str(folder), out=tmp_path / name, **options)
        for name in ("once", "again")
    )
    assert run.class_names == ("band 0", "band 2")
    assert run.model["method"] == "each:inner:reptile-2mlp"
    assert issubclass(methods.find(run.model["method"]), Each)
    assert torch.equal(run.sample(6), again.sample(6))
    tensors, _ = checkpoint.read(run.folder.last)
    assert any(name.startswith("ema.parts.1.") for name in tensors)


def test_a_run_of_each_resumes_exactly(tmp_path):
    folder = write_folder(make_blobs(60, 3), tmp_path / "blobs")
    small = {"size": 16, "width": 4, "latent_dim": 8, "labels": "none", "steps": 2}
    base = fewgan.train("dcgan", str(folder), out=tmp_path / "base", **small, **QUICK)
    options = {"shots": 5, "check_every": 2, "log_every": 1, "steps": 4}
    whole = fewgan.adapt(base, "each", str(folder), out=tmp_path / "whole", **options, **QUICK)
    with interrupted(3), pytest.raises(loop.Interrupted):
        fewgan.adapt(base, "each", str(folder), out=tmp_path / "cut", **options, **QUICK)
    cut = fewgan.api.resume(tmp_path / "cut", progress=False)
    assert torch.equal(whole.sample(6, which="last"), cut.sample(6, which="last"))
