import pytest
import torch

import fewgan
from fewgan import api
from fewgan.data.feed import Feed
from fewgan.data.imageset import ImageSet
from fewgan.files import read_json
from fewgan.methods.acgan import ACGAN
from fewgan.networks import precision
from fewgan.networks.build import ImageSpec
from fewgan.networks.precision import Mixed, resolve, set_precision
from fewgan.networks.translation import PatchDiscriminator, TranslationGenerator

CPU = torch.device("cpu")


def method(arithmetic: str, **given) -> ACGAN:
    torch.manual_seed(0)
    made = ACGAN(ACGAN.Settings(width=8, latent_dim=8, **given), ImageSpec(1, 32, 3)).train()
    set_precision(made, arithmetic)
    return made


def both(x: torch.Tensor, network, *given) -> list[torch.Tensor]:
    """What the network says of x in fp32 and in bf16."""
    answers = []
    for arithmetic in ("fp32", "bf16"):
        set_precision(network, arithmetic)
        answers.append(network(x, *given))
    return answers


def assert_rounded(exact: torch.Tensor, rounded: torch.Tensor) -> None:
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).norm() < 0.03 * exact.norm()


@pytest.mark.parametrize("trunk", ["dcgan", "resnet"])
@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_bf16_rounds_what_fp32_says_and_gives_fp32(trunk, norm):
    networks = method("fp32", trunk=trunk, norm=norm)
    y, z = torch.tensor([0, 1, 2, 1]), torch.randn(4, 8)
    exact, rounded = both(z, networks.generator, y)
    assert_rounded(exact, rounded)
    exact, rounded = (verdict.classes for verdict in both(exact.detach(), networks.discriminator))
    assert_rounded(exact, rounded)


@pytest.mark.parametrize("network", [TranslationGenerator(3, 4, 2), PatchDiscriminator(3, 4, 2)])
def test_translators_train_in_bf16_too(network):
    assert_rounded(*both(torch.rand(2, 3, 32, 32), network))


def test_samples_are_fp32_whatever_training_was():
    generator = method("fp32").generator.eval()
    exact, same = both(torch.randn(4, 8), generator, torch.tensor([0, 1, 2, 1]))
    assert torch.equal(exact, same)


def test_weights_gradients_and_moments_stay_fp32():
    made = method("bf16")
    pixels = torch.randint(0, 256, (30, 1, 32, 32), dtype=torch.uint8)
    images = ImageSet(pixels, torch.arange(30) % 3, ("a", "b", "c"), "noise")
    terms = made.step(Feed(images, 8, torch.Generator().manual_seed(0), flip=False))
    moments = [
        moment
        for optimizer in made.optimizers.values()
        for state in optimizer.state.values()
        for moment in state.values()
    ]
    tensors = [*made.parameters(), *made.buffers(), *moments, *terms.values()]
    tensors += [p.grad for p in made.parameters() if p.grad is not None]
    assert {t.dtype for t in tensors if t.is_floating_point()} == {torch.float32}


def test_spectral_norms_are_taken_in_fp32():
    judge = method("bf16", spectral=True).discriminator
    with judge.arithmetic(torch.zeros(1)):
        assert torch.get_autocast_dtype("cpu") == torch.bfloat16
        for _ in range(200):
            weight = judge.trunk.stages[1][0].weight
    norm = torch.linalg.matrix_norm(weight.flatten(1), 2).item()
    assert norm == pytest.approx(1, abs=1e-3)  # bf16 would be right to 4e-3


VECTORS = {"avx512_bf16": True, "cpu_name": "any"}


def timed(monkeypatch, tmp_path, fp32: float, bf16: float) -> list[torch.dtype]:
    """Let a convolution take these seconds; what is timed is listed."""
    asked = []

    def seconds(dtype):
        asked.append(dtype)
        return {torch.float32: fp32, torch.bfloat16: bf16}[dtype]

    monkeypatch.setenv("FEWGAN_HOME", str(tmp_path))
    monkeypatch.setattr(precision, "seconds", seconds)
    return asked


@pytest.mark.parametrize(
    ("instructions", "bf16", "auto"),
    [
        ({"amx_bf16": True}, 9.0, "bf16"),
        (VECTORS, 1.0, "bf16"),
        (VECTORS, 1.9, "fp32"),
        ({"avx2": True}, 1.0, "fp32"),
    ],
)
def test_auto_is_what_the_processor_is_good_at(monkeypatch, tmp_path, instructions, bf16, auto):
    timed(monkeypatch, tmp_path, 2.0, bf16)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    assert resolve("auto", CPU) == auto
    assert [resolve(wish, CPU) for wish in ("fp32", "bf16")] == ["fp32", "bf16"]


def test_a_processor_is_timed_once(monkeypatch, tmp_path):
    asked = timed(monkeypatch, tmp_path, 2.0, 1.0)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: VECTORS)
    assert [resolve("auto", CPU) for _ in range(3)] == ["bf16"] * 3
    assert len(asked) == 2
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: VECTORS | {"cpu_name": "other"})
    resolve("auto", CPU)
    assert len(asked) == 4


def test_timing_leaves_the_draws_alone():
    before = torch.get_rng_state()
    assert min(precision.seconds(torch.float32), precision.seconds(torch.bfloat16)) > 0
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("here", [True, False])
def test_a_resume_goes_on_in_the_arithmetic_of_the_start(tmp_path, monkeypatch, here):
    seen = []

    def fit(folder, config, made, *_):
        parts = [part for part in made.modules() if isinstance(part, Mixed)]
        seen.append({part.precision for part in parts})

    monkeypatch.setattr(api, "_fit", fit)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": here})
    fewgan.train("acgan", "digits", out=tmp_path / "run", size=16, width=8, device="cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": not here})
    fewgan.resume(tmp_path / "run")
    began = "bf16" if here else "fp32"
    assert seen == [{began}, {began}]
    assert read_json(tmp_path / "run" / "model.json")["precision"] == began
