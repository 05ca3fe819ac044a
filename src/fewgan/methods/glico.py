"""glico (train): a free latent for every image; new images lie between two of the same class.

Azuri & Weinshall, "Generative latent implicit conditional optimization when learning from small
sample", ICPR 2020. No discriminator plays. Image x_i has a latent z_i on the unit sphere, and a
generator G with noise e ~ N(0, 0.15^2 I), both learned together with a classifier C:

    x~ = G(z_i, e)
    z, G, C  descend  |x_i - x~| + sum_j |V_j(x_i) - V_j(x~)| + gamma CE(C(x~), y_i)

with V_j the taps of a fixed network. Images without a label are only to be drawn again. Each z_i is
normalised after its update, and is left alone in steps that do not show its image. A new image of a
class is drawn from slerp(t; z_i, z_j), between two images of that class, t in {0.1, .., 0.4}.

The released code puts a softmax before the cross-entropy, decays z as a weight of C, and throws the
optimisers away after every epoch; with ten images a class that leaves 202 updates. Here the budget
is in steps. What is drawn lies near what was shown: look at `copies`, and ask `fewgan uplift`.
"""

import itertools
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from fewgan.data.feed import Feed
from fewgan.data.imageset import ImageSet
from fewgan.data.splits import by_class
from fewgan.errors import InputError
from fewgan.methods.base import Method, MethodSettings, Rate, Terms, Weight
from fewgan.methods.eyes import Eyes, Seer
from fewgan.networks.build import ImageSpec
from fewgan.networks.latents import slerp

SIZES = (16, 32, 64, 128)
NEAR = (0.1, 0.2, 0.3, 0.4)  # how far from the first image towards the second
CONTENT, WHERE = 2, 3  # of a latent: which two images, and where between them; the rest is noise


class GLICOSettings(MethodSettings):
    """Settings of `glico`: its networks, and what it looks through."""

    width: int = Field(64, ge=4, le=1024)
    """Channels next to the image."""
    latent_dim: int = Field(512, ge=2, le=4096)
    """Length of an image's latent."""
    noise_dim: int = Field(100, ge=1, le=4096)
    """Length of the noise beside it."""
    noise: float = Field(0.15, ge=0)
    """Standard deviation of the noise."""
    slots: int = Field(2000, ge=2)
    """Images for which there is room."""
    eyes: Seer = "auto"
    """Fixed network of the perceptual loss: vgg16 as in the paper, imagenet (colour), random
    (grey), or a Laplacian pyramid; auto is imagenet or random."""
    levels: int = Field(3, ge=1, le=9)
    """Taps of it that are compared, from the first (paper: 3 at 32 pixels, 4 at 64)."""
    classify: Weight = 0.5
    """Weight gamma of the classifier's loss."""
    g_lr: Rate = 7e-4
    """Learning rate of the generator (Adam)."""
    z_lr: Rate = 1e-3
    """Learning rate of the latents (Adam that moves only those that are shown)."""
    c_lr: Rate = 0.1
    """Learning rate of the classifier (SGD with momentum)."""


class Between(nn.Module):
    """The sampler: latents of all images, and a generator that draws between them.

    A latent to be drawn from is [i, j, t, noise]: i and j in [0, 1) choose two images of the class,
    t in [0, 1] says where between them, and the noise is standard normal.

    Args:
        settings: The method's settings.
        spec: The images to make.
    """

    order: Tensor
    start: Tensor
    count: Tensor

    def __init__(self, settings: GLICOSettings, spec: ImageSpec) -> None:
        super().__init__()
        if spec.size not in SIZES:
            sizes = ", ".join(map(str, SIZES))
            raise InputError(f"glico has no size {spec.size}: give --size one of {sizes}")
        self.settings, self.classes = settings, spec.classes
        self.latent_dim = WHERE + settings.noise_dim
        self.table = nn.Embedding(settings.slots, settings.latent_dim, sparse=True)
        nn.init.normal_(self.table.weight, std=0.01)
        self.normalise(torch.arange(settings.slots))
        self.noise = nn.Sequential(
            nn.Linear(settings.noise_dim, settings.noise_dim, bias=False), nn.LeakyReLU(0.2)
        )
        self.generator = _generator(settings, spec)
        groups = max(1, spec.classes)
        self.register_buffer("order", torch.zeros(settings.slots, dtype=torch.long))
        self.register_buffer("start", torch.zeros(groups, dtype=torch.long))
        self.register_buffer("count", torch.ones(groups, dtype=torch.long))

    def remember(self, images: ImageSet) -> None:
        """Note which images are of which class."""
        groups = by_class(images.labels, len(self.count))
        counts = torch.tensor([len(group) for group in groups])
        self.order[: len(images)] = torch.cat(groups).to(self.order.device)
        self.count.copy_(counts)
        self.start.copy_(counts.cumsum(0) - counts)

    @torch.no_grad()
    def normalise(self, index: Tensor) -> None:
        """Put the latents of images back on the unit sphere."""
        index = index.to(self.table.weight.device)
        self.table.weight[index] = F.normalize(self.table.weight[index])

    def latents(self, y: Tensor, generator: torch.Generator) -> Tensor:
        """Draw a latent [N,3+E] for each label in y int64 [N], on the CPU."""
        pair = torch.rand(len(y), CONTENT, generator=generator)
        near = torch.tensor(NEAR)[torch.randint(len(NEAR), (len(y), 1), generator=generator)]
        noise = torch.randn(len(y), self.settings.noise_dim, generator=generator)
        return torch.cat([pair, near, noise], 1)

    def between(self, a: Tensor, b: Tensor, t: float) -> Tensor:
        """Latents [N,3+E] at t between the first images of a and of b; the noise is that of a."""
        there = torch.full_like(a[:, :1], t)
        return torch.cat([a[:, :1], b[:, :1], there, a[:, WHERE:]], 1)

    def content(self, z: Tensor, y: Tensor) -> Tensor:
        """The images' latents [N,D] that latents z [N,3+E] of labels y [N] stand for."""
        y = y.clamp(min=0)
        count, start = self.count[y], self.start[y]
        first, second = (z[:, :CONTENT] * count[:, None]).long().unbind(1)
        # Of two that are the same the second gives way, where the class has another.
        second = torch.where(first == second, (second + 1) % count, second)
        a, b = (F.normalize(self.table(self.order[start + place])) for place in (first, second))
        return slerp(a, b, z[:, CONTENT:WHERE])

    def draw(self, content: Tensor, noise: Tensor) -> Tensor:
        """Images [N,C,S,S] in [-1, 1] for contents [N,D] and standard normal noise [N,E]."""
        told = torch.cat([content, self.noise(self.settings.noise * noise)], 1)
        images: Tensor = self.generator(told)
        return images

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Images [N,C,S,S] in [-1, 1] for latents z [N,3+E] and labels y int64 [N]."""
        return self.draw(self.content(z, y), z[:, WHERE:])


def _generator(settings: GLICOSettings, spec: ImageSpec) -> nn.Sequential:
    """Two matrices to 8 x 8, then deconvolutions; nothing is normalised."""
    ups = (spec.size // 8).bit_length() - 1
    widths = [settings.width << i for i in reversed(range(ups))]
    first = widths[0]
    layers: list[nn.Module] = [
        nn.Linear(settings.latent_dim + settings.noise_dim, 1024, bias=False),
        nn.LeakyReLU(0.2),
        nn.Linear(1024, 64 * first, bias=False),
        nn.LeakyReLU(0.2),
        nn.Unflatten(1, (first, 8, 8)),
    ]
    for a, b in itertools.pairwise([*widths, spec.channels]):
        layers += [nn.ConvTranspose2d(a, b, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1], nn.Tanh())


class Namer(nn.Sequential):
    """The classifier: four convolutions, and no softmax, which is the loss's business."""

    def __init__(self, spec: ImageSpec) -> None:
        layers: list[nn.Module] = []
        for a in (spec.channels, 64, 64, 64):
            layers += [nn.Conv2d(a, 64, 3, padding=1), nn.BatchNorm2d(64)]
            layers += [nn.MaxPool2d(2), nn.LeakyReLU(0.1)]
        side = spec.size // 16
        super().__init__(*layers, nn.Flatten(), nn.Linear(64 * side * side, spec.classes))


class GLICO(Method):
    """Latents, generator and classifier, learned by drawing every image again."""

    name = "glico"
    Settings = GLICOSettings
    settings: GLICOSettings
    unlabelled = True
    compared = False
    shared_out = False  # a row of the table moves where its image is
    as_they_are = True  # and stands for this image, not for its mirror image
    steps = 8000

    def __init__(self, settings: GLICOSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        self.between = self.make_sampler(settings, spec)
        self.namer = Namer(spec) if spec.classes else None
        self.see = Eyes(spec.channels, settings.eyes, settings.levels)
        drawers = [*self.between.generator.parameters(), *self.between.noise.parameters()]
        adam: dict[str, Any] = {"betas": (0.5, 0.999)}
        self.optimizers = {
            "z": torch.optim.SparseAdam(self.between.table.parameters(), settings.z_lr, **adam),
            "g": torch.optim.Adam(drawers, settings.g_lr, fused=True, **adam),
        }
        if self.namer is not None:
            self.optimizers["c"] = torch.optim.SGD(
                self.namer.parameters(), settings.c_lr, momentum=0.9, weight_decay=1e-4
            )

    @classmethod
    def make_sampler(cls, settings: Any, spec: ImageSpec) -> Between:
        """Latents and generator."""
        return Between(settings, spec)

    @property
    def sampler(self) -> Between:
        """Latents and generator."""
        return self.between

    @property
    def remarks(self) -> dict[str, str]:
        """What it looks through."""
        return {"images are compared by": str(self.see)}

    def check(self, images: ImageSet) -> None:
        """Make sure that there is a latent for each image.

        Raises:
            InputError: There are more images.
        """
        if len(images) > self.settings.slots:
            raise InputError(
                f"{len(images)} images need as many latents, and there are {self.settings.slots}: "
                f"give fewer images, such as --shots 10, or --slots {len(images)}"
            )

    def begin(self, feed: Feed, averaged: nn.Module) -> None:
        """Note which images are of which class.

        Raises:
            InputError: With images without labels there are more than latents.
        """
        if feed.unlabelled is not None:
            every = len(feed.images) + len(feed.unlabelled)
            if every > self.settings.slots:
                raise InputError(f"{every} images need as many latents: give --slots {every}")
        for sampler in (self.between, averaged):
            sampler.remember(feed.images)  # type: ignore[operator]

    def step(self, feed: Feed) -> Terms:
        """Draw a batch of the images again, and learn from what differs."""
        x, y, index = feed.indexed()
        made = self._drawn(index, feed)
        terms = {"pixels": F.l1_loss(made, x), "perceptual": self._perceptual(x, made)}
        if feed.unlabelled is not None:
            others, place = feed.indexed_unlabelled()
            again, index = self._drawn(place, feed), torch.cat([index, place])
            loss = F.l1_loss(again, others) + self._perceptual(others, again)
            terms["unlabelled"] = loss
        if self.namer is not None and self.settings.classify:
            terms["classes"] = self.settings.classify * F.cross_entropy(self.namer(made), y)
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        for optimizer in self.optimizers.values():
            optimizer.step()
        self.between.normalise(index)
        return {f"g/{name}": term.detach() for name, term in terms.items()}

    def _drawn(self, index: Tensor, feed: Feed) -> Tensor:
        z = self.between.table(index)
        # The norm is a constant: what would change it is taken out by normalising.
        content = z / z.norm(dim=1, keepdim=True).detach()
        return self.between.draw(content, feed.normal(self.settings.noise_dim))

    def _perceptual(self, x: Tensor, made: Tensor) -> Tensor:
        """Sum over taps of the mean difference, a scalar."""
        with torch.no_grad():
            wanted = self.see(x)
        pairs = zip(self.see(made), wanted, strict=True)
        return torch.stack([F.l1_loss(a, b) for a, b in pairs]).sum()
