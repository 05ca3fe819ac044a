"""What strategies of continual learning share: they wrap a GAN, and never look inside its losses.

A strategy is trained on a stream of experiences, each with classes of its own, and sees only the
images of the present one. It holds a `learner`, any two-player method of the project, and has three
ways to keep what was learned before:

- feed it more than the present images (`Replay`, a feed in which earlier classes come back),
- add a term to what its generator descends (`held`, such as a penalty on forgetting),
- give each experience weights of its own.

At the beginning of every experience the averaged generator becomes the frozen `teacher`, the
optimisers forget their moments (Wu et al. 2018), and the networks are carried on.
"""

import copy
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, create_model
from torch import Tensor, nn

from fewgan.data.feed import Around, Feed
from fewgan.errors import InputError
from fewgan.methods.base import Learned, Method, MethodSettings, Terms
from fewgan.methods.gan import GAN, around_gan
from fewgan.methods.two_ngan import TwoNGAN
from fewgan.networks.build import DNorm, ImageSpec
from fewgan.networks.grow import grow
from fewgan.networks.labels import Norm

PENALTIES = ("r1", "penalty_weight")  # settings that hold a discriminator's slope
Balance = Literal["class", "task"]


class StrategySettings(BaseModel):
    """What every strategy adds to the settings of the GAN that it wraps, or changes in them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    norm: Norm = "instance"
    """Statistics of the generator's normalisation. Per image, an image of an earlier class does not
    hang on statistics that later classes move."""
    d_norm: DNorm = "batch"
    """Normalisation of the discriminator's maps. Over a batch it learns fastest, which is what a
    short experience needs; beside a gradient penalty it stays as the GAN has it."""
    spectral: bool = False
    """Spectral normalisation of the discriminator's trunk."""
    keep_moments: bool = False
    """Carry the moments of Adam from one experience to the next."""


class Strategy(Method):
    """A GAN that learns one experience after another.

    A subclass names its own settings (`Own`), and changes `feed`, `held` or both.
    """

    Own: ClassVar[type[StrategySettings]] = StrategySettings
    gan: ClassVar[type[GAN]] = TwoNGAN
    streams = True
    labelled: ClassVar[bool] = True
    """Whether the wrapped GAN must know classes."""
    taught: ClassVar[bool] = True
    """Whether it keeps the generator of the experience before as a teacher."""
    old: Tensor
    now: Tensor

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.Settings = _joined(cls.Own, cls.gan)

    @classmethod
    def over(cls, learner: type[Method]) -> type[Self]:
        """This strategy around another GAN.

        Raises:
            InputError: That is no two-player method that is trained from its beginning.
        """
        wrapped: type[Self] = around_gan(cls, learner)
        return wrapped

    @classmethod
    def onto(cls, source: type[Method]) -> type[Method]:
        """This strategy around the GAN of a run, which may have had a strategy itself.

        Raises:
            InputError: It is shown all images at once, which for the run's classes are gone.
        """
        if cls.together:
            raise InputError(
                f"{cls.name} needs images of all classes, and a run has none of those it knows: "
                f"fewgan train {cls.name}"
            )
        return cls.over(source.gan if issubclass(source, Strategy) else source)

    def __init__(self, settings: Any, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        self.learner = self.gan(settings, spec)
        self.optimizers = self.learner.optimizers
        if self.labelled and not self.sampler.classes:
            raise InputError(
                f"{self.name} needs a generator that can be asked for a class: "
                f"wrap a conditional GAN, and not {self.gan.name} with labels {settings.labels!r}"
            )
        self.teacher: Any = None
        if self.taught:
            self.teacher = copy.deepcopy(self.sampler).requires_grad_(False)
        self.register_buffer("old", torch.zeros(spec.classes, dtype=torch.bool))
        self.register_buffer("now", torch.zeros(spec.classes, dtype=torch.bool))

    @classmethod
    def make_sampler(cls, settings: Any, spec: ImageSpec) -> nn.Module:
        """The wrapped GAN's."""
        return cls.gan.make_sampler(settings, spec)

    @property
    def sampler(self) -> nn.Module:
        """The wrapped GAN's."""
        return self.learner.sampler

    def adopt(self, learned: Learned) -> None:
        """Begin with the classes of another run, which come first here, as if just learned.

        Raises:
            InputError: That run did not come to the end of its stream.
        """
        theirs = learned.method
        if isinstance(theirs, Strategy) and not (theirs.old | theirs.now).all():
            raise InputError("the run has not learned all its classes yet: fewgan resume it first")
        counts = learned.classes, self.spec.classes
        players = theirs.players.state_dict()
        others = {
            name: value
            for name, value in self.learner.state_dict().items()
            if not name.startswith("generator.")  # which is the sampler's, and not its average
        }
        grow(others, players, *counts)
        self.recollect(learned.sampler, *counts)
        self.now[: learned.classes] = True

    def recollect(self, sampler: nn.Module, old: int, new: int) -> None:
        """Take over a sampler of `old` classes, which are the first of `new` ones here."""
        grow(self.sampler.state_dict(), sampler.state_dict(), old, new)

    @property
    def players(self) -> Method:
        """The wrapped GAN."""
        return self.learner

    def begin(self, feed: Feed, averaged: nn.Module) -> None:
        """What was learned is old from here on, and the averaged generator remembers it."""
        self.old |= self.now
        self.now.zero_()
        self.now[feed.classes] = True
        if self.teacher is not None:
            self.teacher.load_state_dict(averaged.state_dict())
        if not self.settings.keep_moments:
            for optimizer in self.optimizers.values():
                optimizer.state.clear()

    @property
    def bytes_kept(self) -> int:
        """All that is held beside the wrapped GAN: teacher, stored images, importances."""
        own = {k: v for k, v in self.state_dict().items() if not k.startswith("learner.")}
        return sum(tensor.nbytes for tensor in own.values())

    @torch.no_grad()
    def recall(self, z: Tensor, y: Tensor) -> Tensor:
        """What the teacher draws of latents z [N,D] and labels y int64 [N]: images [N,C,S,S]."""
        # In eval mode an image hangs neither on its batch nor on the machine's arithmetic.
        drawn: Tensor = self.teacher.eval()(z, y)
        return drawn

    def step(self, feed: Feed) -> Terms:
        """One step of the wrapped GAN, on what this strategy feeds it."""
        fed = self.feed(feed)
        return self.learner.step(fed, lambda: self.held(feed))

    def feed(self, feed: Feed) -> Feed:
        """What the GAN is fed instead of the present images alone."""
        return feed

    def held(self, feed: Feed) -> Terms:
        """More terms for the generator to descend, which hold what it knew; or nothing."""
        return {}

    def remembered(self, feed: Feed) -> tuple[Tensor, Tensor]:
        """Labels int64 [N] of earlier classes, drawn alike, and latents [N,D]."""
        classes = self.old.nonzero().flatten()
        drawn = (feed.uniform() * len(classes)).long()
        return classes[drawn], feed.normal(self.settings.latent_dim)


Recall = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Latents [M,D] and labels int64 [M] that are asked for, to images [M,C,H,W] and their labels."""


class Replay(Around):
    """A feed in which earlier classes come back, drawn by whoever remembers them.

    All other draws are those of the feed inside, whose state is the state of both.

    Args:
        feed: Where present images, latents and everything random come from.
        shares: How often each class is to come, float [K], of any sum.
        recall: Draws those of the classes that `feed` has no images of.
        latent_dim: Length D of a latent.
    """

    last: tuple[Tensor, Tensor]
    """The batch that was drawn last."""

    def __init__(self, feed: Feed, shares: Tensor, recall: Recall, latent_dim: int) -> None:
        super().__init__(feed)
        self._shares = shares.cumsum(0) / shares.sum()
        self._last = int(shares.nonzero().max())  # rounding must not draw a class without a share
        self._recall, self._latent_dim = recall, latent_dim

    def labels(self) -> Tensor:
        """Labels int64 [N], each class as often as its share says."""
        drawn = torch.searchsorted(self._shares, self._feed.uniform(), right=True)
        return drawn.clamp(max=self._last)

    def batch(self) -> tuple[Tensor, Tensor]:
        """Present and recalled images [N,C,H,W] in [-1, 1], and their labels int64 [N]."""
        images, labels = self._feed.batch()
        wanted, z = self.labels(), self._feed.normal(self._latent_dim)
        gone = ~torch.isin(wanted, self._feed.classes.to(wanted.device))
        if gone.any():
            images, labels = images.clone(), labels.clone()
            images[gone], labels[gone] = self._recall(z[gone], wanted[gone])
        self.last = images, labels
        return images, labels


def shares(old: Tensor, now: Tensor, balance: Balance) -> Tensor:
    """How often each class is to come, float [K] of any sum; bool [K] are known, and present."""
    known, new = old.float(), (now & ~old).float()
    if balance == "class" or not old.any():
        return known + new
    return known / known.sum() + new / new.sum().clamp(min=1)


def _joined(own: type[StrategySettings], gan: type[GAN]) -> type[MethodSettings]:
    """The settings of a strategy and of the GAN that it wraps, in one."""
    make: Any = create_model  # its types know no two bases
    theirs = gan.Settings.model_fields
    kept: tuple[str, ...] = ()
    if any(theirs[name].default for name in PENALTIES if name in theirs):
        kept = "d_norm", "spectral"  # a penalty is each image's own: a batch would mix them
    own_fields = {name: (theirs[name].annotation, theirs[name]) for name in kept}
    joined: type[MethodSettings] = make(
        own.__name__, __base__=(own, gan.Settings), __doc__=own.__doc__, **own_fields
    )
    return joined
