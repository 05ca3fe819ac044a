import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from fewgan import data
from fewgan.errors import InputError
from fewgan.metrics.extractors import random_extractor
from fewgan.metrics.perceptual import (
    linear_weights,
    lpips,
    perceptual_diversity,
    perceptual_vectors,
)


def maps(seed, sizes=((3, 8), (5, 4))):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, c, s, s, generator=generator).double() for c, s in sizes]


def test_worked_by_hand():
    # One place: (3, 4) and (0, 2) become (.6, .8) and (0, 1); squared differences .36 and .04.
    a, b = torch.tensor([[3.0, 4.0]]).view(1, 2, 1, 1), torch.tensor([[0.0, 2.0]]).view(1, 2, 1, 1)
    assert lpips([a], [b]).tolist() == pytest.approx([0.4])
    assert lpips([a], [b], [torch.tensor([10.0, 1.0])]).tolist() == pytest.approx([3.64])


def test_vectors_lie_as_far_apart_as_lpips_says():
    images = torch.randint(0, 256, (6, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    network = random_extractor(3)
    (taps,) = network.taps(images.to(torch.uint8))
    weights = [torch.linspace(0, 2, tap.shape[1]) for tap in taps]
    for given in (None, weights):
        vectors = perceptual_vectors(network, images.to(torch.uint8), given)
        apart = torch.cdist(vectors, vectors).square()[0, 1:].double()
        direct = lpips([t[:1] for t in taps], [t[1:] for t in taps], given)
        assert torch.allclose(apart, direct, rtol=1e-4)


def test_agrees_with_the_pieces_of_torchmetrics():
    from torchmetrics.functional.image.lpips import NetLinLayer, _normalize_tensor, _spatial_average

    a, b = maps(1), maps(2)
    heads = [NetLinLayer(3).double().eval(), NetLinLayer(5).double().eval()]
    with torch.no_grad():
        theirs = sum(
            _spatial_average(h((_normalize_tensor(x) - _normalize_tensor(y)) ** 2), True).flatten()
            for h, x, y in zip(heads, a, b, strict=True)
        )
    weights = [h.model[-1].weight.detach().flatten() for h in heads]
    assert torch.allclose(lpips(a, b, weights), theirs, rtol=1e-6)


def test_published_weights_are_read_in_the_order_of_the_taps():
    import torchmetrics.functional.image.lpips as theirs

    found = linear_weights(Path(theirs.__file__).parent / "lpips_models" / "vgg.pth")
    assert [len(w) for w in found] == [64, 128, 256, 512, 512]
    assert all((w >= 0).all() for w in found)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("code in a weights file was run",))


TRAP = pickle.dumps(Trap(), protocol=2)


@pytest.mark.parametrize(
    "content", [b"no weights", TRAP, None, {"a": 1}], ids=["text", "code", "missing", "other"]
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        torch.save(content, path)
    with pytest.raises(InputError, match="weights"):
        linear_weights(path)


def test_diversity_inside_classes():
    images = data.load("digits", "train", size=32).of_classes([0, 1])
    copied = images.images.clone()
    ones = (images.labels == 1).nonzero().flatten()
    copied[ones] = copied[ones[:1]]
    network = random_extractor(1)
    varied = perceptual_diversity(network, images, seed=1)
    collapsed = perceptual_diversity(network, replace(images, images=copied), seed=1)
    assert varied[0] == collapsed[0] > 0.01
    assert varied[1] > 0.01
    assert collapsed[1] == pytest.approx(0, abs=1e-6)
    assert varied[2:].isnan().all()
    again = perceptual_diversity(network, images, seed=1)
    assert torch.equal(varied[:2], again[:2])


def test_taps_of_any_network_do(blobs):
    network = random_extractor(3)
    assert isinstance(network.network.stages, nn.ModuleList)
    assert (perceptual_diversity(network, blobs, pairs=4) > 0).all()
