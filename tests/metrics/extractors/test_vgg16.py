"""VGG-16 from a file in the published layout, and LPIPS with the published channel weights."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from fewgan.errors import InputError
from fewgan.files import cache_folder, sha256_file
from fewgan.metrics.extractors import get_extractor, random_extractor, vgg16
from fewgan.metrics.extractors.weights import Published
from fewgan.metrics.perceptual import calibration, linear_weights, lpips
from fewgan.metrics.suite import measure

TAPS = (3, 8, 15, 22, 29)  # of the layers in a row, as the published file counts them


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("FEWGAN_OFFLINE", "1")


def published():
    """Configuration D as one row of layers, with weights that keep signals alive."""
    layers, before = [], 3
    for width in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0):
        if not width:
            layers.append(nn.MaxPool2d(2, 2))
            continue
        layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
        before = width
    torch.manual_seed(0)
    row = nn.Sequential(*layers)
    for layer in row:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.uniform_(layer.bias, -0.1, 0.1)
    return row.eval()


@pytest.fixture(scope="module")
def row():
    return published()


@pytest.fixture
def file(row, tmp_path, monkeypatch):
    path = tmp_path / "vgg.pth"
    state = {f"features.{name}": value for name, value in row.state_dict().items()}
    torch.save(state | {"classifier.0.weight": torch.zeros(2, 2)}, path)
    stand_in = Published("vgg.pth", sha256_file(path), "https://example.org/vgg.pth")
    monkeypatch.setattr(vgg16, "WEIGHTS", stand_in)
    return path


def images(n=3, side=48):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (n, 3, side, side), generator=generator).to(torch.uint8)


@torch.no_grad()
def test_its_taps_are_those_of_the_published_row_of_layers(row, file):
    extractor = get_extractor("vgg16", weights=file)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (vgg16.MEAN, vgg16.STD))
    x, theirs = (images() / 255.0 - mean) / std, []
    for number, layer in enumerate(row):
        x = layer(x)
        if number in TAPS:
            theirs.append(x)
    (ours,) = extractor.taps(images())
    assert [tap.shape for tap in ours] == [tap.shape for tap in theirs]
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.clone(), b, rtol=1e-3, atol=1e-4)
    features = extractor.features(images())
    torch.testing.assert_close(features, theirs[-1].mean((2, 3)), rtol=1e-3, atol=1e-4)
    assert extractor.logits(images()).shape == (3, 0)


def test_lpips_takes_the_published_weights_and_says_so(file, blobs, monkeypatch):
    import torchmetrics.functional.image.lpips as theirs

    shipped = Path(theirs.__file__).parent / "lpips_models" / "vgg.pth"
    extractor = get_extractor("vgg16", weights=file)
    with pytest.raises(InputError, match=r"lpips-vgg\.pth is not here .* FEWGAN_OFFLINE"):
        calibration(extractor)
    place = cache_folder() / "weights" / "lpips-vgg.pth"
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(shipped, place)
    weights, said = calibration(extractor)
    assert "published" in said
    assert all(torch.equal(a, b) for a, b in zip(weights, linear_weights(shipped), strict=True))
    few = blobs.take(torch.arange(12))
    found = {f.name: f for f in measure(few, few, few, ["lpips", "intra_lpips"], extractor)}
    assert "published" in found["lpips"].card.note
    assert "published" in found["intra_lpips"].card.note
    (taps,) = extractor.taps(few.images[:4])
    pair = lpips([t[:2] for t in taps], [t[2:] for t in taps], weights)
    assert 0 < float(pair.mean()) < 1
    place.unlink()


def test_other_networks_stay_uncalibrated(blobs):
    few = blobs.take(torch.arange(12))
    weights, said = calibration(random_extractor(1))
    assert weights is None
    assert "uncalibrated" in said
    (figure,) = measure(few, few, few, ["lpips"], random_extractor(1))
    assert "uncalibrated" in figure.card.note


def test_weights_of_another_network_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "other.pth"
    torch.save({"features.0.weight": torch.zeros(8, 3, 3, 3)}, path)
    monkeypatch.setattr(vgg16, "WEIGHTS", replace(vgg16.WEIGHTS, sha256=sha256_file(path)))
    with pytest.raises(InputError, match="another network"):
        get_extractor("vgg16", weights=path)


def test_without_weights_it_says_how_to_get_them():
    with pytest.raises(InputError, match=r"vgg16-397923af\.pth is not here: torchvision"):
        get_extractor("vgg16")


def test_what_torchvision_has_fetched_is_found(file, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    place = tmp_path / "torch" / "hub" / "checkpoints" / "vgg.pth"
    place.parent.mkdir(parents=True)
    shutil.copy(file, place)
    assert get_extractor("vgg16").dim == 512
