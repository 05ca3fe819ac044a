"""Instance norm: that of PyTorch, however maps lie in memory."""

import pytest
import torch
from torch import nn

from fewgan.networks.norms import InstanceNorm


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("affine", [True, False])
def test_it_is_that_of_torch(layout, affine):
    h = torch.randn(3, 5, 8, 8).to(memory_format=layout).requires_grad_()
    ours, theirs = InstanceNorm(5, affine=affine), nn.InstanceNorm2d(5, affine=affine)
    if affine:
        nn.init.normal_(ours.weight)
        nn.init.normal_(ours.bias)
        theirs.load_state_dict(ours.state_dict())
    there, here = theirs(h), ours(h)
    torch.testing.assert_close(here, there)
    slopes = [torch.autograd.grad(y.square().cumsum(3).sum(), h)[0] for y in (here, there)]
    torch.testing.assert_close(*slopes)
