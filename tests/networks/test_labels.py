import pytest
import torch
from torch.nn import functional as F

from fewgan.networks.labels import LabelInjection, LabelNorm


def test_instance_norm_equals_torch():
    norm = LabelNorm(5, "instance", classes=3)
    torch.nn.init.normal_(norm.scale)
    torch.nn.init.normal_(norm.shift)
    h, y = torch.randn(4, 5, 6, 6), torch.tensor([0, 2, 1, 2])
    expected = (
        F.instance_norm(h) * norm.scale[y][:, :, None, None] + norm.shift[y][:, :, None, None]
    )
    torch.testing.assert_close(norm(h, y), expected)


def test_batch_norm_equals_torch_in_both_modes():
    ours, theirs = LabelNorm(5, "batch"), torch.nn.BatchNorm2d(5)
    h = torch.randn(8, 5, 4, 4)
    torch.testing.assert_close(ours(h, None), theirs(h))
    ours.eval(), theirs.eval()
    torch.testing.assert_close(ours(h, None), theirs(h))


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_a_row_gets_gradient_from_its_own_class_only(norm):
    layer = LabelNorm(3, norm, classes=4)
    layer(torch.randn(6, 3, 4, 4), torch.tensor([1, 1, 3, 3, 1, 3])).pow(2).sum().backward()
    touched = layer.scale.grad.abs().sum(1) > 0
    assert touched.tolist() == [False, True, False, True]


def test_concat_joins_one_hot_and_embedding_a_learned_vector():
    z, y = torch.randn(2, 7), torch.tensor([1, 0])
    joined = LabelInjection("concat", 3).join(z, y)
    torch.testing.assert_close(joined, torch.cat([z, torch.tensor([[0, 1.0, 0], [1, 0, 0]])], 1))
    embedding = LabelInjection("embedding", 3, embedding_dim=5)
    torch.testing.assert_close(embedding.join(z, y)[:, 7:], embedding.embedding.weight[y])


def test_only_norm_injection_makes_conditional_norms():
    rows = {k: LabelInjection(k, 4).make_norm(2).classes for k in ("none", "concat", "norm")}
    assert rows == {"none": 1, "concat": 1, "norm": 4}
