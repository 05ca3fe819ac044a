"""Networks made for more classes, with what was learned of the first ones."""

import pytest
import torch
from torch import nn

from fewgan.errors import InputError
from fewgan.networks.build import Discriminator, Generator, ImageSpec, NetworkSettings
from fewgan.networks.grow import grow
from fewgan.networks.heads import Auxiliary, Concat, Contrast, Projection, SourceTwoN, Twin, TwoN

OLD, NEW = ImageSpec(1, 16, 3), ImageSpec(1, 16, 5)


def grown(make):
    """The same network for 3 classes and for 5, the second grown from the first."""
    torch.manual_seed(0)
    small, large = make(OLD).eval(), make(NEW).eval()
    for value in small.parameters():
        nn.init.normal_(value, std=0.2)
    grow(large.state_dict(), small.state_dict(), 3, 5)
    return small, large


@pytest.mark.parametrize("trunk", ["dcgan", "resnet"])
@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("labels", ["norm", "concat", "embedding"])
def test_a_grown_generator_draws_known_classes_as_before(labels, norm, trunk):
    size = 32 if trunk == "resnet" else 16
    settings = NetworkSettings(width=4, latent_dim=8, labels=labels, norm=norm, trunk=trunk)
    small, large = grown(lambda spec: Generator(settings, ImageSpec(1, size, spec.classes)))
    z, y = torch.randn(6, 8), torch.tensor([0, 1, 2] * 2)
    assert torch.allclose(large(z, y), small(z, y), atol=1e-5)
    assert not torch.allclose(large(z, y + 2), small(z, y), atol=1e-3)


def answers(head, verdict):
    """What a head says of the first three classes: for each, a column; for the source, one."""
    parts = [verdict] if isinstance(verdict, torch.Tensor) else list(verdict)
    kept = []
    for part in parts:
        k = head.classes
        two_n = part.ndim == 2 and part.shape[1] == 2 * k
        kept.append(part.view(len(part), 2, k)[:, :, :3] if two_n else part[..., :3])
    return kept


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("head", [Auxiliary, Concat, Contrast, Projection, SourceTwoN, Twin, TwoN])
def test_a_grown_head_says_the_same_of_known_classes(head, spectral):
    settings = NetworkSettings(width=4, spectral=False, spectral_head=spectral)
    small, large = grown(lambda spec: Discriminator(settings, spec, head))
    if spectral:  # its norm is that of more rows now: of what was learned it is the same weight
        weights = [dict(d.named_parameters()) for d in (small, large)]
        assert all(
            torch.equal(weights[1][name].flatten()[:1], value.flatten()[:1])
            for name, value in weights[0].items()
        )
        return
    x, y = torch.randn(4, 1, 16, 16), torch.tensor([0, 1, 2, 1])
    for ours, theirs in zip(
        answers(large.head, large(x, y)), answers(small.head, small(x, y)), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_two_blocks_of_classes_grow_each_at_its_own_end():
    target = torch.zeros(10, 2)
    grow({"w": target}, {"w": torch.arange(1.0, 13).view(6, 2)}, 3, 5)
    assert target[:, 0].tolist() == [1, 3, 5, 0, 0, 7, 9, 11, 0, 0]


@pytest.mark.parametrize("learned", [{}, {"w": torch.zeros(4, 3)}, {"w": torch.zeros(3)}])
def test_other_networks_are_refused(learned):
    with pytest.raises(InputError, match="no w of this shape"):
        grow({"w": torch.zeros(5, 2)}, learned, 3, 5)
