"""DiffAugment: ranges, independence of samples, gradients, and no other randomness."""

import pytest
import torch

from fewgan.errors import InputError
from fewgan.losses.diffaugment import CHANGES, diffaugment, parse_policy


def noise(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.rand(n, *shape, generator=generator)


def fixed(*values):
    """The same given numbers for every sample."""
    return lambda *shape: torch.tensor([values]).float()


def test_color_by_hand():
    x = torch.tensor([0.2, 0.4, 0.6, 0.0, 0.2, 0.4]).view(1, 3, 1, 2)
    # No change in brightness and contrast, no saturation: every pixel becomes its mean colour.
    grey = diffaugment(x, ("color",), fixed(0.5, 0.0, 0.5))
    torch.testing.assert_close(grey, x.mean(1, keepdim=True).expand_as(x))
    # Brightness + 0.25 and contrast x 1.5 about the mean of the image.
    y = diffaugment(x, ("color",), fixed(0.75, 0.5, 1.0))
    torch.testing.assert_close(y, 0.3 + 0.25 + 1.5 * (x - 0.3))


def test_translation_by_hand():
    x = torch.zeros(1, 1, 16, 16)
    x[0, 0, 5, 9] = 1.0
    # 5 moves from -2 to 2: numbers in [0, 0.2) move by 2 down, in [0.8, 1) by 2 to the left.
    moved = diffaugment(x, ("translation",), fixed(0.0, 0.99))
    assert moved.nonzero().tolist() == [[0, 0, 7, 7]]


def test_cutout_by_hand():
    gone = diffaugment(torch.ones(1, 1, 8, 8), ("cutout",), fixed(0.5, 0.5)) == 0
    assert gone.nonzero()[:, 2].unique().tolist() == gone.nonzero()[:, 3].unique().tolist()
    assert gone.nonzero()[:, 2].unique().tolist() == [2, 3, 4, 5]


@pytest.mark.parametrize("name", CHANGES)
def test_samples_differ_and_gradients_pass(name):
    x = torch.full((16, 3, 16, 16), 0.5) + torch.linspace(-0.2, 0.2, 3)[None, :, None, None]
    x.requires_grad_()
    y = diffaugment(x, (name,), noise(16))
    assert len({tuple(one.flatten().tolist()) for one in y.detach()}) > 8
    y.sum().backward()
    assert (x.grad != 0).float().mean() > 0.5
    torch.testing.assert_close(diffaugment(x, (name,), noise(16)), y)


def test_policies():
    assert parse_policy(" color,cutout ") == ("color", "cutout")
    assert parse_policy("") == ()
    x = torch.randn(2, 1, 16, 16)
    assert diffaugment(x, (), noise(2)) is x
    with pytest.raises(InputError, match="did you mean 'cutout'"):
        parse_policy("cutuot")
