import pytest
import torch

from fewgan.errors import InputError
from fewgan.metrics.fid import fid, frechet_distance


def features(n, d, seed, mix=0.0):
    generator = torch.Generator().manual_seed(seed)
    basis = (
        torch.eye(d, dtype=torch.float64) + mix * torch.randn(d, d, generator=generator).double()
    )
    return torch.randn(n, d, generator=generator).double() @ basis


def test_closed_form_of_two_diagonal_gaussians():
    m1, m2 = torch.tensor([0.0, 0.0]).double(), torch.tensor([3.0, 4.0]).double()
    c1, c2 = torch.tensor([4.0, 1.0]).double().diag(), torch.tensor([9.0, 1.0]).double().diag()
    # |m|^2 = 25, and (2 - 3)^2 + (1 - 1)^2 = 1 from the deviations.
    assert frechet_distance(m1, c1, m2, c2) == pytest.approx(26)


def test_closed_form_of_rotated_gaussians():
    turn = torch.linalg.qr(features(6, 6, 1, 1.0)).Q
    d1, d2 = torch.arange(1.0, 7).double(), torch.arange(7.0, 1, -1).double()
    c1, c2 = (turn @ d.diag() @ turn.T for d in (d1, d2))
    zero = torch.zeros(6).double()
    assert frechet_distance(zero, c1, zero, c2) == pytest.approx(
        float((d1.sqrt() - d2.sqrt()).square().sum())
    )


def test_samples_approach_the_closed_form():
    a, b = features(20_000, 3, 1), 2 * features(20_000, 3, 2) + 1
    assert fid(a, b) == pytest.approx(3 + 3, rel=0.05)


def test_agrees_with_torchmetrics_through_its_own_metric():
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Same(torch.nn.Module):
        num_features = 24

        def forward(self, x):
            return x.flatten(1)

    a, b = features(400, 24, 1, 0.4), features(300, 24, 2, 0.6) + 0.3
    theirs = FrechetInceptionDistance(feature=Same(), input_img_size=(1, 4, 6), normalize=True)
    theirs.set_dtype(torch.float64)
    theirs.update(a.reshape(-1, 1, 4, 6), real=True)
    theirs.update(b.reshape(-1, 1, 4, 6), real=False)
    assert fid(a, b) == pytest.approx(float(theirs.compute()), rel=1e-6)


def test_dead_features_are_safe():
    a, b = features(100, 8, 1), features(100, 8, 2)
    alive = fid(a, b)
    zeros = torch.zeros(100, 4).double()
    assert fid(torch.cat([a, zeros], 1), torch.cat([b, zeros], 1)) == pytest.approx(alive, rel=1e-6)


def test_same_images_are_at_zero_and_sides_are_equal():
    a, b = features(50, 10, 1), features(60, 10, 2, 0.5)
    assert fid(a, a) == pytest.approx(0, abs=1e-6)
    assert fid(a, b) == pytest.approx(fid(b, a))


def test_fewer_images_than_features_are_refused():
    with pytest.raises(InputError, match="9 images for 10 features: use KID"):
        fid(features(9, 10, 1), features(500, 10, 2))
    assert fid(features(10, 10, 1), features(500, 10, 2)) > 0
