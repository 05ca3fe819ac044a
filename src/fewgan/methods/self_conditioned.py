"""self-conditioned (train): a class is many kinds, and each kind is drawn as often as it comes.

Liu, Wang, Bau, Zhu & Torralba, "Diverse image generation via self-conditioned GANs", CVPR 2020. A
GAN may lose what is rare in a class, since its labels do not tell it from the rest. Here they do.
K-means on features phi divides the images of a class into kinds, and the GAN inside, any
conditional one, learns kinds as if they were classes:

    kind(x, y) = argmin_k |phi(x) - c_(y,k)|^2
    G(z, y) = G_in(z', (y, k)),   k drawn as often as the images of y are of kind k

The paper divides a set without classes, by features of the discriminator, and again as these
change. Here kinds lie inside classes, and are found once, before the first step, by a small network
that is first taught the classes: what tells a digit from the others tells how it is written too.
Images without classes are divided by the same network untaught. `self-conditioned:acgan` divides
for another GAN than `2ngan`.
"""

from typing import Any, ClassVar, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, create_model
from torch import Tensor, nn
from torch.nn import functional as F

from fewgan.data.feed import Around, Feed
from fewgan.data.imageset import ImageSet, to_float
from fewgan.data.splits import by_class
from fewgan.errors import InputError
from fewgan.methods.base import Method, Terms
from fewgan.methods.gan import GAN, around_gan
from fewgan.methods.two_ngan import TwoNGAN, TwoNGANSettings
from fewgan.metrics.extractors import random_extractor
from fewgan.metrics.extractors.base import FeatureNetwork, resize
from fewgan.networks.build import ImageSpec

LESSON = 64  # images a step while the classes are taught
RATE = 2e-3  # of these steps, at the first


class Division(BaseModel):
    """What is added to the settings of the GAN inside."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kinds: int = Field(16, ge=2, le=1000)
    """Kinds that the images of a class are divided into."""
    lessons: int = Field(600, ge=0)
    """Steps in which the network that tells kinds is taught the classes."""


class SelfConditionedSettings(Division, TwoNGANSettings):
    """Settings of `self-conditioned`: how classes are divided, and those of the GAN inside."""


class Kinds(nn.Module):
    """A generator of kinds that can be asked for classes.

    The first number of a latent chooses the kind: n standard normal, Phi(n) is uniform.

    Args:
        inner: The generator of kinds; kind k of class y is its class y K + k.
        upto: Share of a class's images that are of a kind or of one before it, [classes,K].
        classes: Number of classes that can be asked for; 0 for images without.
    """

    upto: Tensor

    def __init__(self, inner: Any, upto: Tensor, classes: int) -> None:
        super().__init__()
        self.inner, self.classes = inner, classes
        self.latent_dim = 1 + inner.latent_dim
        self.register_buffer("upto", upto)

    def latents(self, y: Tensor, generator: torch.Generator) -> Tensor:
        """Draw a latent [N,1+D] for each label in y int64 [N], on the CPU."""
        return torch.randn(len(y), self.latent_dim, generator=generator)

    def forward(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Images [N,C,S,S] in [-1, 1] for latents z [N,1+D] and classes y int64 [N]."""
        y = torch.zeros_like(z[:, 0], dtype=torch.long) if y is None else y
        images: Tensor = self.inner(z[:, 1:], of_kind(y, torch.special.ndtr(z[:, 0]), self.upto))
        return images


def of_kind(y: Tensor, u: Tensor, upto: Tensor) -> Tensor:
    """The kind, counted over all classes, int64 [N], that u [N] in [0, 1) chooses in classes y."""
    y = y.clamp(min=0)
    return y * upto.shape[1] + (u[:, None] >= upto[y, :-1]).sum(1)


class ByKind(Around):
    """A feed that labels images by their kind, counted over all classes.

    Args:
        feed: Where everything comes from.
        method: The method, which tells kinds.
    """

    def __init__(self, feed: Feed, method: "SelfConditioned") -> None:
        super().__init__(feed)
        self._method = method

    def batch(self) -> tuple[Tensor, Tensor]:
        """Next real images [N,C,H,W] in [-1, 1] and their kinds int64 [N]."""
        x, y = self._feed.batch()
        return x, self._method.tell(x, y)

    def labels(self) -> Tensor:
        """Kinds int64 [N] for images to be generated: as often as they come in their classes."""
        return of_kind(self._feed.labels(), self._feed.uniform(), self._method.upto)


class SelfConditioned(Method):
    """A conditional GAN that learns kinds, which lie inside classes."""

    name = "self-conditioned"
    Settings = SelfConditionedSettings
    gan: ClassVar[type[GAN]] = TwoNGAN
    upto: Tensor
    centres: Tensor

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        make: Any = create_model  # its types know no two bases
        both = Division, cls.gan.Settings
        doc = SelfConditionedSettings.__doc__
        cls.Settings = make("SelfConditionedSettings", __base__=both, __doc__=doc)

    @classmethod
    def over(cls, learner: type[Method]) -> type[Self]:
        """Kinds for another GAN.

        Raises:
            InputError: That is no two-player method that is trained from its beginning.
        """
        wrapped: type[Self] = around_gan(cls, learner)
        return wrapped

    @classmethod
    def make_sampler(cls, settings: Any, spec: ImageSpec) -> Kinds:
        """The wrapped GAN's, asked for classes."""
        inner = cls.gan.make_sampler(settings, _divided(spec, settings.kinds))
        return Kinds(inner, _alike(spec, settings.kinds), spec.classes)

    def __init__(self, settings: Any, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        self.learner = self.gan(settings, _divided(spec, settings.kinds))
        if not self.learner.generator.classes:
            raise InputError(
                f"{self.name} needs a generator that can be asked for a kind: "
                f"wrap a conditional GAN, and not {self.gan.name} with labels {settings.labels!r}"
            )
        self.optimizers = self.learner.optimizers
        self.eye: FeatureNetwork = random_extractor(spec.channels).network
        self.register_buffer("upto", _alike(spec, settings.kinds))
        self.register_buffer("centres", torch.zeros(*self.upto.shape, self.eye.dim))

    @property
    def sampler(self) -> Kinds:
        """The wrapped GAN's, asked for classes."""
        return Kinds(self.learner.generator, self.upto, self.spec.classes)

    @property
    def players(self) -> Method:
        """The wrapped GAN."""
        return self.learner

    @classmethod
    def batches(cls, settings: dict[str, Any]) -> int:
        """As many as the wrapped GAN's."""
        return cls.gan.batches(settings)

    def check(self, images: ImageSet) -> None:
        """Make sure that every class can be divided.

        Raises:
            InputError: A class has fewer images than kinds.
        """
        counts = [len(group) for group in by_class(images.labels, len(self.upto))]
        if min(counts) < self.settings.kinds:
            name = (*images.class_names, images.name)[counts.index(min(counts))]
            raise InputError(
                f"{name!r} has {min(counts)} images and cannot be divided into "
                f"{self.settings.kinds} kinds: give fewer --kinds, or more images"
            )

    def begin(self, feed: Feed, averaged: nn.Module) -> None:
        """Teach the network the classes, and find the kinds of each."""
        from sklearn.cluster import KMeans

        images = feed.images
        if self.spec.classes > 1:
            teach(self.eye, images, self.settings.lessons, feed.generator)
        seen = torch.cat([self._see(to_float(part)) for part in images.images.split(500)])
        features = seen.cpu().numpy()
        for label, members in enumerate(by_class(images.labels, len(self.upto))):
            found = KMeans(self.settings.kinds, n_init=1, random_state=0).fit(
                features[members.numpy()]
            )
            self.centres[label] = torch.from_numpy(found.cluster_centers_)
            counts = torch.from_numpy(found.labels_).bincount(minlength=self.settings.kinds)
            self.upto[label] = counts.cumsum(0) / counts.sum()
        averaged.upto.copy_(self.upto)  # type: ignore[operator]

    @torch.no_grad()
    def _see(self, x: Tensor) -> Tensor:
        """Features [N,F] of images x [N,C,S,S] in [-1, 1]."""
        features: Tensor = self.eye(resize(x, self.eye.side)).features
        return features

    def tell(self, x: Tensor, y: Tensor) -> Tensor:
        """Kinds int64 [N], counted over all classes, of images x [N,C,S,S] of classes y [N]."""
        y = y.clamp(min=0)
        apart = (self._see(x)[:, None] - self.centres[y]).square().sum(2)
        return y * self.settings.kinds + apart.argmin(1)

    def step(self, feed: Feed) -> Terms:
        """One step of the wrapped GAN, on kinds."""
        return self.learner.step(ByKind(feed, self))


def teach(network: FeatureNetwork, images: ImageSet, steps: int, draws: torch.Generator) -> None:
    """Teach a network the classes of images, so that its features tell what tells them apart.

    Args:
        network: Gives the features; it is changed.
        images: Labelled images, on the network's device.
        steps: Updates of Adam, whose rate falls along a line.
        draws: Draws the images of each step.
    """
    device = images.images.device
    head = nn.Linear(network.dim, len(images.class_names), device=device)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    learned = [*network.requires_grad_(True).parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(learned, RATE, fused=True)
    for step in range(steps):
        index = torch.randint(len(images), (LESSON,), generator=draws).to(device)
        features = network(resize(to_float(images.images[index]), network.side)).features
        loss = F.cross_entropy(head(F.leaky_relu(features, 0.2)), images.labels[index])
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.requires_grad_(False)


def _divided(spec: ImageSpec, kinds: int) -> ImageSpec:
    """What the GAN inside is told: kinds are its classes."""
    return ImageSpec(spec.channels, spec.size, max(1, spec.classes) * kinds)


def _alike(spec: ImageSpec, kinds: int) -> Tensor:
    """Shares up to each kind, [classes,K], while nothing is known of them."""
    return torch.arange(1, kinds + 1).div(kinds).repeat(max(1, spec.classes), 1)
