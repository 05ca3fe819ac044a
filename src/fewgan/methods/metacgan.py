"""metacgan (meta-train): a conditional GAN, of which a network makes weights for the class at hand.

Ma, Zhong, Liu, Wang, Jiang & Zhang, "MetaCGAN: a novel GAN model for generating high quality and
diversity images with few training data", IJCNN 2020. Some classes have many images, the base ones;
the new ones have a few. A batch is of one class y, of which K images S are the support. With F the
features of the discriminator, taken as constants,

    mu = (mean of mu_t(F(S)) + mu_i(F(x))) / 2,  sigma alike,  code = mu + sigma e,  e ~ N(0, I)
    D and F  descend  -log D(F(x), y) - log(1 - D(F(x~), y))              (RMSprop)
    all else descends  -log D(F(x~), y),   x~ = G(z, y; weights(code))    (Adam)

where mu_t and sigma_t encode the task, mu_i and sigma_i one image, and `weights` makes the kernels
of the layers named in `meta_layers`. Every `base_every`-th step takes a base class, the others a
new one: the paper's one to three.

The paper was not to be had whole: what it leaves open is resolved as in LGM-Net, its ancestor, or
as is usual. Two things are ours: rates ten times as high, for runs of minutes, and R1 on D. With
ten images seen three steps in four, look at copies before anything else.
"""

import itertools
from typing import Any, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn.functional import one_hot, relu

from fewgan.data.feed import Feed
from fewgan.data.imageset import to_float
from fewgan.errors import InputError
from fewgan.losses.adversarial import GAMES
from fewgan.losses.penalties import lazy_r1
from fewgan.methods.base import Decay, Method, MethodSettings, Rate, Terms, Weight, logged
from fewgan.methods.gan import frozen
from fewgan.networks.build import ImageSpec
from fewgan.networks.dcgan import initialise, stages
from fewgan.networks.hyper import BatchInstanceNorm, Code, MadeDeconvolution
from fewgan.networks.norms import InstanceNorm

SIZES = (16, 32, 64, 128)
PLANES = 16  # planes in which a label joins the maps


class MetaCGANSettings(MethodSettings):
    """Settings of `metacgan`: its networks, its tasks, and who is updated how."""

    width: int = Field(32, ge=4, le=1024)
    """Channels next to the image (64 in the paper's family)."""
    latent_dim: int = Field(100, ge=1, le=4096)
    """Length of the latent vector, drawn from a standard normal."""
    code_dim: int = Field(32, ge=1, le=1024)
    """Length of the code that weights are made from."""
    codes: Literal["batch", "image"] = "batch"
    """Make weights once for a batch, or for each of its images."""
    meta_layers: str = "2"
    """Deconvolutions whose weights are made, counted from the image: 2, or 2,3; none makes it the
    plain conditional GAN on the same networks."""
    support: int = Field(5, ge=1, le=100)
    """Images K that tell a task."""
    few: int = Field(50, ge=1)
    """Images up to which a class counts as new."""
    base_every: int = Field(4, ge=1)
    """Every how many steps a base class is taken; the other steps take a new one."""
    g_lr: Rate = 2e-3
    """Learning rate of generator, encoders and makers of weights (Adam)."""
    d_lr: Rate = 2e-3
    """Learning rate of discriminator and features (RMSprop)."""
    r1: Weight = 5.0
    """Weight gamma of the penalty on the discriminator's slope at real images (Mescheder et al.
    2018), which the paper does without."""
    beta1: Decay = 0.5
    """Decay of Adam's first moment."""
    beta2: Decay = 0.9
    """Decay of Adam's second moment."""

    @field_validator("meta_layers")
    @classmethod
    def _known(cls, value: str) -> str:
        if value.strip() == "none":
            return "none"
        chosen = sorted({int(name) for name in value.split(",") if name.strip().isdecimal()})
        if not chosen or chosen[0] < 2:
            raise ValueError(
                "give 2, or 2,3, or none: the layer next to the image is no meta layer"
            )
        return ",".join(map(str, chosen))


class Features(nn.Module):
    """Feature extractor F: image to maps 4w@4, whatever the label; no batch is looked at."""

    def __init__(self, settings: MetaCGANSettings, spec: ImageSpec) -> None:
        super().__init__()
        widths = [spec.channels, *_widths(settings, spec)]
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(itertools.pairwise(widths)):
            norm = [InstanceNorm(b)] if i else []
            layers += [nn.Conv2d(a, b, 4, stride=2, padding=1), *norm, nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.channels = widths[-1]
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [N,4w,4,4] of images [N,C,S,S] in [-1, 1]."""
        maps: Tensor = self.layers(x)
        return maps


class Judge(nn.Module):
    """Discriminative layers: maps and the label's planes to a logit.

    Without a layer between, a logit would be a sum of what the maps say and of what the label says:
    whether the two go together could not be told, and the generator would never hear of labels.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.planes = nn.Embedding(classes, PLANES * 16)
        self.join = nn.Sequential(
            nn.Conv2d(channels + PLANES, channels, 3, padding=1), nn.LeakyReLU(0.2)
        )
        self.real = nn.Conv2d(channels, 1, 4)
        initialise(self)

    def forward(self, maps: Tensor, y: Tensor) -> Tensor:
        """How real maps [N,4w,4,4] are for classes y int64 [N]: logits [N]."""
        planes = self.planes(y).view(-1, PLANES, 4, 4)
        logits: Tensor = self.real(self.join(torch.cat([maps, planes], 1)))
        return logits.flatten()


class MadeGenerator(nn.Module):
    """A conditional generator, some of whose deconvolutions are made from a code."""

    def __init__(self, settings: MetaCGANSettings, spec: ImageSpec) -> None:
        super().__init__()
        widths = _widths(settings, spec)[::-1]
        self.classes = spec.classes
        self.project = nn.Linear(settings.latent_dim + spec.classes, 16 * widths[0], bias=False)
        self.norms = nn.ModuleList(BatchInstanceNorm(width, spec.classes) for width in widths)
        chosen = settings.meta_layers.replace("none", "")
        made = {len(widths) - int(k) for k in filter(None, chosen.split(","))}
        if min(made, default=0) < 0:
            raise InputError(
                f"{spec.size} px have {len(widths)} deconvolutions: give --meta-layers up to that"
            )
        self.ups = nn.ModuleList(
            MadeDeconvolution(a, b, settings.code_dim)
            if i in made
            else nn.ConvTranspose2d(a, b, 4, stride=2, padding=1)
            for i, (a, b) in enumerate(itertools.pairwise([*widths, spec.channels]))
        )
        initialise(self.project)
        for up in self.ups:
            if isinstance(up, nn.ConvTranspose2d):
                initialise(up)

    def forward(self, z: Tensor, y: Tensor, code: Tensor) -> Tensor:
        """Images [N,C,S,S] in [-1, 1] for latents [N,D], classes [N] and codes [N,E] or [1,E]."""
        told = torch.cat([z, one_hot(y, self.classes).to(z)], 1)
        h = self.project(told).view(len(z), -1, 4, 4)
        for norm, up in zip(self.norms, self.ups, strict=True):
            h = relu(norm(h, y))
            h = up(h, code) if isinstance(up, MadeDeconvolution) else up(h)
        return torch.tanh(h)

    def clip(self) -> None:
        """Keep its norms what they are, mixtures, after an update."""
        for norm in self.norms:
            if isinstance(norm, BatchInstanceNorm):
                norm.clip()


class Meta(nn.Module):
    """All that sampling needs: features, encoders, generator, and the support of each class.

    A latent holds z, the noise e of the code, and a number that chooses one image of the support.

    Args:
        settings: The method's settings.
        spec: The images to make, whose classes can be asked for.
    """

    shown: Tensor

    def __init__(self, settings: MetaCGANSettings, spec: ImageSpec) -> None:
        super().__init__()
        self.settings, self.classes = settings, spec.classes
        self.latent_dim = settings.latent_dim + settings.code_dim + 1
        self.features = Features(settings, spec)
        self.task = Code(self.features.channels, settings.code_dim)
        self.image = Code(self.features.channels, settings.code_dim)
        self.generator = MadeGenerator(settings, spec)
        shape = (spec.classes, settings.support, spec.channels, spec.size, spec.size)
        self.register_buffer("shown", torch.zeros(shape, dtype=torch.uint8))

    @property
    def makers(self) -> nn.ModuleList:
        """All that the generator's loss moves."""
        return nn.ModuleList([self.task, self.image, self.generator])

    def latents(self, y: Tensor, generator: torch.Generator) -> Tensor:
        """Draw a latent for each label in y int64 [N], on the CPU."""
        return torch.randn(len(y), self.latent_dim, generator=generator)

    def code(self, support: Tensor, x: Tensor, e: Tensor) -> Tensor:
        """Codes [N,E]: those of support maps [K,C,4,4] or one a row, and image maps [N,C,4,4]."""
        of_task = [value.mean(0, keepdim=True) for value in self.task(support)]
        of_image = self.image(x)
        mu, sigma = ((a + b) / 2 for a, b in zip(of_task, of_image, strict=True))
        return mu + sigma * e

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Images [N,C,S,S] in [-1, 1] for latents z and classes y int64 [N], from their support."""
        own, e, which = z.split([self.settings.latent_dim, self.settings.code_dim, 1], dim=1)
        place = (torch.special.ndtr(which[:, 0]) * self.settings.support).long()
        place = place.clamp(max=self.settings.support - 1)
        code = torch.empty_like(e)
        for label in y.unique():
            inside = y == label
            maps = self.features(to_float(self.shown[label]))
            code[inside] = self.code(maps, maps[place[inside]], e[inside])
        images: Tensor = self.generator(own, y, code)
        return images


def _widths(settings: MetaCGANSettings, spec: ImageSpec) -> list[int]:
    if spec.size not in SIZES:
        sizes = ", ".join(map(str, SIZES))
        raise InputError(f"metacgan has no size {spec.size}: give --size one of {sizes}")
    return [settings.width << i for i in range(stages(spec.size))]


class MetaCGAN(Method):
    """A conditional GAN whose generator gets weights for the class at hand."""

    name = "metacgan"
    Settings = MetaCGANSettings
    steps = 3000  # after more, the few images are known by heart
    settings: MetaCGANSettings
    steps_done: Tensor
    few: Tensor

    def __init__(self, settings: MetaCGANSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        self.meta = self.make_sampler(settings, spec)
        self.judge = Judge(self.meta.features.channels, spec.classes)
        self.game = GAMES["bce"]
        discriminative = [*self.meta.features.parameters(), *self.judge.parameters()]
        betas = settings.beta1, settings.beta2
        makers = self.meta.makers.parameters()
        self.optimizers = {
            "d": torch.optim.RMSprop(discriminative, settings.d_lr),
            "g": torch.optim.Adam(makers, settings.g_lr, betas, fused=True),
        }
        self.register_buffer("steps_done", torch.tensor(0))
        self.register_buffer("few", torch.zeros(spec.classes, dtype=torch.bool))

    @classmethod
    def make_sampler(cls, settings: Any, spec: ImageSpec) -> Meta:
        """Features, encoders and generator."""
        if not spec.classes:
            raise InputError("metacgan needs labelled images: put them in one sub-folder a class")
        return Meta(settings, spec)

    @property
    def sampler(self) -> nn.Module:
        """Features, encoders and generator."""
        return self.meta

    def begin(self, feed: Feed, averaged: nn.Module) -> None:
        """See which classes are new, and keep the support of each for when it is drawn."""
        images, k = feed.images, self.settings.support
        for label in feed.classes.tolist():
            inside = (images.labels == label).nonzero().flatten()
            self.few[label] = len(inside) <= self.settings.few
            places = torch.linspace(0, len(inside) - 1, k).round().long()
            samplers: Any = (self.meta, averaged)
            for sampler in samplers:
                sampler.shown[label] = images.images[inside[places.to(inside.device)]]

    def step(self, feed: Feed) -> Terms:
        """An update of the discriminator and one of all that makes images, on one class."""
        label = self._class_of(feed)
        x = feed.batch_of(label)
        y = torch.full((len(x),), label, device=x.device)
        maps = self.meta.features(x)
        fixed = maps.detach()
        support = fixed[: self.settings.support]
        # A batch is of one class: one image and one draw of noise make a kernel for all of it.
        n = 1 if self.settings.codes == "batch" else len(x)
        code = self.meta.code(support, fixed[:n], feed.normal(self.settings.code_dim)[:n])
        made = self.meta.generator(feed.normal(self.settings.latent_dim), y, code)
        fake = self.judge(self.meta.features(made.detach()), y)
        d_terms = {"adversarial": self.game.discriminator(self.judge(maps, y), fake)}
        d_terms |= self._r1(x, y)
        self.descend("d", d_terms)
        with frozen(self.meta.features), frozen(self.judge):
            g_terms = {"adversarial": self.game.generator(self.judge(self.meta.features(made), y))}
            self.descend("g", g_terms)
        self.meta.generator.clip()
        return logged(d=d_terms, g=g_terms)

    def _r1(self, x: Tensor, y: Tensor) -> Terms:
        """The penalty, gamma / 2 E ‖slope‖^2, now and then."""
        if not self.settings.r1:
            return {}
        slope = lazy_r1(lambda x: self.judge(self.meta.features(x), y), x, int(self.steps_done))
        return {"r1": self.settings.r1 / 2 * slope}

    def _class_of(self, feed: Feed) -> int:
        """A base class on every `base_every`-th step, else a new one; any, if all are of a kind."""
        base = int(self.steps_done) % self.settings.base_every == 0
        self.steps_done += 1
        present = feed.classes
        pool = present[self.few.cpu()[present] != base]
        pool = pool if len(pool) else present
        return int(pool[torch.randint(len(pool), (), generator=feed.generator)])
