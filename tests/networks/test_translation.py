"""CycleGAN's networks: sizes that were published, patches, and samples without data."""

import pytest
import torch

from fewgan.data.imageset import ImageSet, to_float
from fewgan.networks.build import ImageSpec
from fewgan.networks.translation import (
    PatchDiscriminator,
    TranslationGenerator,
    Translator,
    blocks_for,
    most_layers,
    receptive_field,
)


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_sizes_are_the_published_ones():
    """The authors' code prints 11.378 M and 2.765 M, with biases that instance norm removes."""
    generator_biases = 64 + 128 + 256 + 9 * 2 * 256 + 128 + 64
    discriminator_biases = 128 + 256 + 512
    assert count(TranslationGenerator(3, 64, 9)) + generator_biases == 11_378_179
    assert count(PatchDiscriminator(3, 64, 3)) + discriminator_biases == 2_764_737
    assert (blocks_for(64), blocks_for(128), blocks_for(256)) == (6, 6, 9)


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70)])
def test_one_logit_sees_the_patch_that_is_documented(layers, field):
    """The pixels whose change can move the middle logit, without the norms that see everything."""
    judge = PatchDiscriminator(1, 4, layers)
    for i, layer in enumerate(judge.layers):
        if isinstance(layer, torch.nn.GroupNorm):
            judge.layers[i] = torch.nn.Identity()
    x = torch.randn(1, 1, 128, 128, requires_grad=True)
    logits = judge(x)
    middle = logits.shape[2] // 2
    logits[0, 0, middle, middle].backward()
    rows = x.grad[0, 0].ne(0).any(1).nonzero()
    assert int(rows.max() - rows.min()) + 1 == field == receptive_field(layers)


@pytest.mark.parametrize(("size", "layers"), [(16, 2), (20, 2), (32, 3), (64, 4)])
def test_most_layers_still_leave_logits(size, layers):
    assert most_layers(size) == layers
    assert PatchDiscriminator(3, 4, layers)(torch.randn(2, 3, size, size)).shape[2] >= 2


def test_an_image_is_translated_alone_as_in_a_batch_and_channels_last():
    torch.manual_seed(0)
    generator = TranslationGenerator(3, 4, 1).to(memory_format=torch.channels_last)
    x = torch.randn(5, 3, 20, 20).contiguous(memory_format=torch.channels_last)
    made = generator(x)
    assert made.shape == x.shape
    assert made.abs().max() <= 1
    assert made.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(torch.cat([generator(one[None]) for one in x]), made)


# --- sampling by translating kept images --------------------------------------------------------


@pytest.fixture
def translator() -> Translator:
    torch.manual_seed(0)
    made = Translator(ImageSpec(3, 16, 2), 4, 1, 4)
    images = torch.randint(0, 256, (13, 3, 16, 16), dtype=torch.uint8)
    labels = torch.tensor([0, 1] * 4 + [1] * 5)  # 4 of A, 9 of B
    made.keep(ImageSet(images, labels, ("a", "b"), "noise"))
    made.everything = images
    return made


def test_kept_images_are_spaced_over_the_domain(translator):
    assert torch.equal(translator.images[0], translator.everything[[0, 2, 4, 6]])
    of_b = [1, 3, 5, 7, 8, 9, 10, 11, 12]
    chosen = [of_b[i] for i in (0, 2, 4, 6)]  # 0, 9/4, 18/4 and 27/4, rounded down
    assert torch.equal(translator.images[1], translator.everything[chosen])


def test_a_sample_of_a_class_is_a_translated_image_of_the_other(translator):
    y = torch.tensor([1, 0, 1])
    z = torch.eye(4)[[2, 3, 0]]
    made = translator(z, y)
    kept = to_float(translator.images.flatten(0, 1)).unflatten(0, (2, 4))
    expected = torch.cat(
        [
            translator.translate(kept[0, 2:3], "a2b"),
            translator.translate(kept[1, 3:4], "b2a"),
            translator.translate(kept[0, 0:1], "a2b"),
        ]
    )
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=0)


def test_latents_take_every_kept_image_before_any_twice(translator):
    y = torch.tensor([0, 1] * 6)
    z = translator.latents(y, torch.Generator().manual_seed(3))
    assert torch.equal(z, translator.latents(y, torch.Generator().manual_seed(3)))
    assert torch.equal(z.sum(1), torch.ones(12))
    for domain in (0, 1):
        rows = z[y == domain].argmax(1)
        assert sorted(rows[:4].tolist()) == [0, 1, 2, 3]
        assert len(set(rows[4:].tolist())) == 2


def test_between_two_latents_lies_a_cross_fade(translator):
    kept = to_float(translator.images[0])
    z = torch.tensor([[0.6, 0.2, 0.0, 0.0]])
    expected = translator.translate(0.75 * kept[0:1] + 0.25 * kept[1:2], "a2b")
    torch.testing.assert_close(translator(z, torch.tensor([1])), expected, atol=1e-5, rtol=0)
