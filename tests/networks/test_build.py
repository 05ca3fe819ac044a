import pytest
import torch
from torch.nn.utils.parametrize import is_parametrized

from fewgan.errors import InputError
from fewgan.networks import heads
from fewgan.networks.build import Discriminator, Generator, ImageSpec, NetworkSettings

TRUNKS = [
    *(("dcgan", size) for size in (16, 32, 64)),
    ("dcgan-selu", 32),
    *(("resnet", size) for size in (32, 64)),
    *(("stylegan2", size) for size in (32, 64, 128)),
]
LABELS = ["none", "concat", "embedding", "norm"]


def settings(**given):
    bare = given.get("trunk") in ("dcgan-selu", "stylegan2")
    own = {"labels": "embedding", "spectral": False} if bare else {}
    return NetworkSettings(**{"width": 4, "latent_dim": 8, **own, **given})


def perturbed(module):
    """Random parameters everywhere, so that labels matter in every place they enter."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return module


@pytest.mark.parametrize(("trunk", "size"), TRUNKS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_trunk_makes_and_judges_images(trunk, size, channels):
    spec = ImageSpec(channels, size, 5)
    generator = Generator(settings(trunk=trunk), spec)
    y = torch.tensor([0, 4, 2])
    images = generator(generator.latents(y, torch.Generator().manual_seed(0)), y)
    assert images.shape == (3, channels, size, size)
    assert images.abs().max() <= 1
    verdict = Discriminator(settings(trunk=trunk), spec, heads.Auxiliary)(images)
    assert verdict.source.shape == (3,)
    assert verdict.classes.shape == (3, 5)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("trunk", ["dcgan", "resnet", "stylegan2"])
def test_an_image_is_the_same_alone_and_in_any_batch(labels, norm, trunk):
    labels = "concat" if (trunk, labels) == ("stylegan2", "norm") else labels
    spec = ImageSpec(1, 32, 3)
    generator = perturbed(Generator(settings(trunk=trunk, labels=labels, norm=norm), spec))
    z, y = torch.randn(7, 8), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    generator(z, y)  # one training pass moves the running statistics
    generator.eval()
    together = generator(z, y)
    alone = torch.cat([generator(z[i : i + 1], y[i : i + 1]) for i in range(7)])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)


@pytest.mark.parametrize("labels", LABELS)
def test_the_label_matters_exactly_when_it_is_injected(labels):
    generator = perturbed(Generator(settings(labels=labels), ImageSpec(1, 16, 3))).eval()
    z = torch.randn(1, 8)
    images = [generator(z, torch.tensor([c])) for c in range(2)]
    assert torch.equal(*images) == (labels == "none")
    assert generator.classes == (0 if labels == "none" else 3)


@pytest.mark.parametrize("head", [heads.RealFake, heads.Concat, heads.Projection, heads.TwoN])
@pytest.mark.parametrize(
    ("trunk", "spectral"),
    [("dcgan", False), ("dcgan", True), ("resnet", False), ("resnet", True), ("stylegan2", False)],
)
def test_heads_fit_every_trunk_and_read_the_label_when_they_should(trunk, head, spectral):
    shape = settings(trunk=trunk, spectral=spectral, d_norm="none")
    judge = perturbed(Discriminator(shape, ImageSpec(1, 32, 3), head)).eval()
    x = torch.randn(2, 1, 32, 32)
    answers = [judge(x, torch.full((2,), c)) for c in range(2)]
    assert answers[0].shape == ((2, 6) if head is heads.TwoN else (2,))
    reads = head in (heads.Concat, heads.Projection)
    assert torch.equal(*answers) != reads


def test_label_planes_can_join_in_the_middle():
    judge = Discriminator(settings(), ImageSpec(1, 32, 3), heads.Concat, stage=2)
    assert judge.trunk.stages[0][0].in_channels == 1
    assert judge.trunk.stages[2][0].in_channels == 8 + 3
    assert judge(torch.randn(2, 1, 32, 32), torch.tensor([0, 1])).shape == (2,)


def test_projection_is_the_sum_of_both_parts():
    head = heads.Projection(4, 3, lambda module: module)
    features, y = torch.randn(5, 4), torch.tensor([0, 1, 2, 1, 0])
    linear = features @ head.real.weight[0] + head.real.bias
    torch.testing.assert_close(
        head(features, y), linear + (head.embedding.weight[y] * features).sum(1)
    )


def test_spectral_norm_bounds_every_layer():
    shape = settings(spectral=True, spectral_head=True)
    judge = Discriminator(shape, ImageSpec(1, 32, 3), heads.Auxiliary)
    for _ in range(200):  # steps of the power iteration, which is slow where norms are close
        judge(torch.randn(2, 1, 32, 32))
    layers = [m for m in judge.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(layers) == 5
    for layer in layers:
        norm = torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
        assert norm == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("head", [heads.RealFake, heads.TwoN, heads.Auxiliary, heads.Projection])
def test_a_head_can_be_left_without_spectral_norm(head):
    for spectral_head in (True, False):
        shape = settings(spectral=True, spectral_head=spectral_head)
        judge = Discriminator(shape, ImageSpec(1, 32, 3), head, plain=True)
        layers = [m for m in judge.head.modules() if isinstance(m, torch.nn.Linear)]
        assert {is_parametrized(layer) for layer in [*layers, judge.plain.real]} == {spectral_head}
        assert is_parametrized(judge.trunk.stages[0][0])


def test_reference_parameter_counts():
    # SNGAN's projection discriminator and conditional generator at 32 px: 1.06 M and 4.30 M.
    reference = NetworkSettings(trunk="resnet", width=256, d_width=128, norm="batch", d_norm="none")
    spec = ImageSpec(3, 32, 10)
    count = lambda module: sum(p.numel() for p in module.parameters())  # noqa: E731
    assert count(Discriminator(reference, spec, heads.Projection)) / 1e6 == pytest.approx(
        1.06, abs=0.02
    )
    assert count(Generator(reference, spec)) / 1e6 == pytest.approx(4.30, abs=0.03)


def test_sizes_and_labels_that_cannot_be_are_refused_in_words():
    with pytest.raises(InputError, match="'resnet' has no size 128"):
        Generator(settings(trunk="resnet"), ImageSpec(1, 128, 3))
    with pytest.raises(InputError, match="needs labelled images"):
        Generator(settings(labels="norm"), ImageSpec(1, 32, 0))
    asked = settings(trunk="stylegan2", labels="norm", spectral=True)
    with pytest.raises(InputError, match="give --labels embedding --no-spectral, and --r1"):
        Generator(asked, ImageSpec(1, 32, 3))
    with pytest.raises(InputError, match="beside the image only"):
        Discriminator(settings(trunk="stylegan2"), ImageSpec(1, 32, 3), heads.Concat, stage=2)


@pytest.mark.parametrize("trunk", ["dcgan", "dcgan-selu", "resnet", "stylegan2"])
def test_a_generator_names_what_draws_its_maps(trunk):
    generator = Generator(settings(trunk=trunk), ImageSpec(1, 32, 3))
    sides = []
    for drawer in generator.trunk.hidden:
        drawer.register_forward_hook(lambda _, given, drawn: sides.append(drawn.shape[2]))
    generator(torch.randn(2, 8), torch.tensor([0, 1]))
    assert len(sides) >= 3
    assert sides == sorted(sides)


def test_self_normalising_units_keep_the_spread_of_what_enters():
    torch.manual_seed(0)
    given = {"trunk": "dcgan-selu", "labels": "none", "d_norm": "none", "latent_dim": 128}
    shape = settings(**given, width=32)
    generator = Generator(shape, ImageSpec(1, 32, 0))
    spreads = []
    for drawer in generator.trunk.hidden:
        drawer.register_forward_hook(lambda _, maps, drawn: spreads.append(drawn.std().item()))
    images = generator(torch.randn(64, 128), None)
    judge = Discriminator(shape, ImageSpec(1, 32, 0), heads.RealFake)
    for stage in judge.trunk.stages:
        stage.register_forward_hook(lambda _, maps, drawn: spreads.append(drawn.std().item()))
    judge(torch.randn_like(images))
    assert len(spreads) == 6
    assert all(0.6 < spread < 1.4 for spread in spreads), spreads


@pytest.mark.parametrize(
    "name", ["Concat", "Projection", "Auxiliary", "Twin", "TwoN", "SourceTwoN", "Contrast"]
)
def test_a_head_of_classes_asks_for_classes_whatever_the_generator_reads(name):
    with pytest.raises(InputError, match="needs labelled images"):
        Discriminator(settings(labels="none"), ImageSpec(1, 32, 0), getattr(heads, name))
