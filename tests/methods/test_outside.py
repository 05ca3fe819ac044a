"""The seam: methods that are no part of the package, and are not even GANs, run like the others."""

import sys
import textwrap

import pytest
import torch
from torch import nn

import fewgan
from conftest import make_blobs
from fewgan.data.feed import Feed
from fewgan.files import read_tensors
from fewgan.methods.acgan import ACGAN, ACGANSettings
from fewgan.methods.base import Method, MethodSettings, Terms
from fewgan.methods.gan import GAN
from fewgan.networks.build import Generator, ImageSpec, NetworkSettings

TINY = {"size": 16, "batch_size": 8, "check_images": 20, "progress": False}


class LatentSettings(NetworkSettings, MethodSettings):
    """Settings of the toy below."""

    width: int = 4
    latent_dim: int = 8
    codes: int = 32


class Latents(Method):
    """A generator with one free latent a slot, fitted by pixels: no discriminator at all."""

    name = "latents"
    Settings = LatentSettings

    def __init__(self, settings: LatentSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        self.generator = self.make_sampler(settings, spec)
        self.codes = nn.Embedding(settings.codes, settings.latent_dim)
        self.optimizers = {"all": torch.optim.Adam(self.parameters(), 1e-2)}
        self.register_buffer("used", torch.zeros(settings.codes, dtype=torch.long))

    @classmethod
    def make_sampler(cls, settings: LatentSettings, spec: ImageSpec) -> Generator:
        return Generator(settings, spec)

    @property
    def sampler(self) -> nn.Module:
        return self.generator

    def step(self, feed: Feed) -> Terms:
        x, y = feed.batch()
        slots = torch.randint(0, self.settings.codes, (len(x),), generator=feed.generator)
        self.used += torch.bincount(slots, minlength=self.settings.codes)
        loss = (self.generator(self.codes(slots), y) - x).abs().mean()
        self.optimizers["all"].zero_grad()
        loss.backward()
        self.optimizers["all"].step()
        return {"pixels": loss.detach()}


def test_a_method_without_a_discriminator_trains_saves_and_samples(tmp_path, monkeypatch):
    monkeypatch.setattr("fewgan.methods.find", lambda name: Latents)
    run = fewgan.train(Latents, "digits", out=tmp_path / "run", steps=30, log_every=10, **TINY)
    tensors, meta = read_tensors(run.folder.last)
    assert tensors["method.used"].sum() == meta["images"] == 30 * 8
    lines = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert '"pixels"' in lines
    assert run.sample(5, label="3").shape == (5, 1, 16, 16)
    again = fewgan.load(tmp_path / "run")
    assert torch.equal(again.sample(4, seed=1), run.sample(4, seed=1))


OUTSIDE = '''
"""pgan (train): projection GAN with the hinge loss, from another package."""

from fewgan.methods.gan import GAN, GANSettings
from fewgan.networks.heads import Projection


class PGANSettings(GANSettings):
    """Settings of `pgan`."""

    game: str = "hinge"
    """Form of the adversarial loss."""
    sharpness: float = 1.0
    """Factor on the logits."""


class PGAN(GAN):
    """A projection discriminator."""

    name = "pgan"
    Settings = PGANSettings
    head = Projection

    def discriminator_losses(self, real, fake):
        """Tell real pairs from fake ones."""
        s = self.settings.sharpness
        return {"adversarial": self.game.discriminator(s * real.verdict, s * fake.verdict)}

    def generator_losses(self, fake):
        """Pass for real."""
        return {"adversarial": self.game.generator(fake.verdict)}
'''


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install a package with the method above, as pip would leave it."""
    site = tmp_path / "site"
    info = site / "pgan-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "pgan_package.py").write_text(textwrap.dedent(OUTSIDE).strip() + "\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pgan\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fewgan.methods]\npgan = pgan_package\n")
    monkeypatch.syspath_prepend(str(site))
    from fewgan import methods

    methods.available.cache_clear()
    yield
    sys.modules.pop("pgan_package", None)
    methods.available.cache_clear()


def test_a_method_from_another_package_needs_no_edit_here(installed, tmp_path, capsys):
    from fewgan.cli import main

    assert main(["methods"]) == 0
    assert "pgan" in capsys.readouterr().out
    run = str(tmp_path / "run")
    words = "--data digits --size 16 --width 4 --batch-size 8 --steps 3 --check-images 20"
    assert main(["train", "pgan", *words.split(), "--sharpness", "2", "--out", run]) == 0
    assert fewgan.load(run).model["settings"]["sharpness"] == 2
    assert main(["resume", run]) == 0
    assert main(["sample", run, "--out", str(tmp_path / "a.npz")]) == 0
    capsys.readouterr()
    assert main(["train", "pgan", "--help"]) == 0
    assert "Factor on the logits" in capsys.readouterr().out


def test_a_wrapper_adds_terms_without_copying_losses():
    """What a continual method does: wrap any GAN of the house, and hold something fast."""

    class Anchored(Method):
        def __init__(self, base: GAN) -> None:
            super().__init__(base.settings, base.spec)
            self.base, self.optimizers = base, base.optimizers

        def anchor(self) -> Terms:
            return {"anchor": 1e4 * self.base.generator.trunk.project.weight.square().mean()}

        def step(self, feed: Feed) -> Terms:
            return self.base.step(feed, also=self.anchor)

    held, free = (ACGAN(ACGANSettings(width=4), ImageSpec(1, 16, 2)) for _ in range(2))
    wrapped = Anchored(held)
    for model in (wrapped, free):
        feed = Feed(make_blobs(), 8, torch.Generator().manual_seed(0))
        for _ in range(60):
            terms = model.step(feed)
        assert ("g/anchor" in terms) == (model is wrapped)
    norms = [m.generator.trunk.project.weight.square().mean() for m in (held, free)]
    assert norms[0] < 0.5 * norms[1]
