import torch
import torch.nn.functional as F

from fewgan.metrics.extractors import get_extractor, random_extractor
from fewgan.metrics.extractors.base import match_channels, resize


def some(n=7, channels=1, size=32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, channels, size, size), generator=generator, dtype=torch.uint8)


def test_outputs_do_not_depend_on_the_batch():
    extractor = random_extractor(1)
    whole = extractor.features(some())
    extractor.batch = 2
    assert torch.allclose(extractor.features(some()), whole, atol=1e-6)
    assert whole.shape == (7, extractor.dim)
    assert extractor.logits(some()).shape == (7, 0)


def test_random_network_is_fixed_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    first, second = random_extractor(1), random_extractor(1)
    assert torch.equal(torch.get_rng_state(), before)
    assert first.identity == second.identity
    assert first.identity != random_extractor(3).identity
    assert torch.equal(first.features(some()), second.features(some()))


def test_random_features_tell_near_from_far():
    extractor, images = random_extractor(1), some(20)
    noisy = (images.int() + some(20, seed=1) // 25).clamp(max=255).to(torch.uint8)
    features, moved = extractor.features(images), extractor.features(noisy)
    assert torch.equal(torch.cdist(moved, features).argmin(1), torch.arange(20))


def test_progress_is_told():
    seen = []
    extractor = get_extractor("random", progress=lambda *told: seen.append(told))
    extractor.batch = 3
    extractor.features(some(7, channels=3))
    assert seen == [("random features", done, 7) for done in (3, 6, 7)]


def test_any_size_and_channels_are_brought_to_what_the_network_takes():
    for shape in ((2, 3, 64), (2, 1, 28)):
        assert random_extractor(1).features(some(*shape)).shape == (2, 128)


def test_grey_by_luma_and_colour_by_repeating():
    colour = torch.tensor([1.0, 0, 0, 0, 1, 0, 0, 0, 1]).view(3, 3, 1, 1)
    assert match_channels(colour, 1).flatten().tolist() == [
        float(x) for x in torch.tensor([0.299, 0.587, 0.114])
    ]
    grey = torch.rand(2, 1, 4, 4)
    assert torch.equal(match_channels(grey, 3), grey.repeat(1, 3, 1, 1))


def test_shrinking_filters_and_growing_interpolates():
    stripes = (torch.arange(64) % 2).float().expand(1, 1, 64, 64)
    # Every second pixel taken would give all 0 or all 1.
    assert resize(stripes, 16)[..., 2:-2].sub(0.5).abs().max() < 0.05
    small = torch.rand(1, 1, 8, 8)
    assert torch.allclose(resize(small, 32), F.interpolate(small, (32, 32), mode="bilinear"))
