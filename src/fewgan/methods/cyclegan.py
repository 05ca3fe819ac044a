"""cyclegan (train): translation between two domains without pairs, held together by the way back.

Zhu, Park, Isola & Efros, "Unpaired image-to-image translation using cycle-consistent adversarial
networks", ICCV 2017. The two classes of the data are the domains, class 0 is A and class 1 is B.
G translates A to B, F translates B to A, and D_B, D_A judge patches, in the least-squares game:

    D_B descends  1/2 [ E (D_B(b) - 1)^2 + E D_B(G(a))^2 ]           (and D_A alike)
    G and F descend  E (D_B(G(a)) - 1)^2 + E (D_A(F(b)) - 1)^2       adversarial
                     + 10 [ E |F(G(a)) - a|_1 + E |G(F(b)) - b|_1 ]  cycle, eq. 2
                     + 5 [ E |G(b) - b|_1 + E |F(a) - a|_1 ]         identity, section 5.2

The discriminators see half of their fakes from a store of 50 earlier ones (Shrivastava et al.
2017). One optimiser holds both generators and one both discriminators. The paper trains with batch
1, and lets the learning rate fall to zero over the second half: `--batch-size 1 --lr-decay 0.5`.

A run draws samples by translating training images that it keeps (`kept`); `fewgan translate` takes
any others. Its trap: the cycle can be closed by a code hidden in faint noise (Chu, Zhmoginov &
Sandler 2017), so that a perfect A->B->A says nothing of B. Look at B.
"""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from fewgan.data.feed import Feed
from fewgan.data.imageset import to_bytes, to_float
from fewgan.errors import InputError
from fewgan.losses.adversarial import GAMES
from fewgan.methods.base import Decay, Method, MethodSettings, Rate, Terms, Weight
from fewgan.methods.gan import frozen
from fewgan.networks.build import ImageSpec, channels_last
from fewgan.networks.translation import (
    Direction,
    PatchDiscriminator,
    Translator,
    blocks_for,
    most_layers,
)

PAPER_LAYERS = 3  # of the discriminator at stride 2: patches of 70 pixels


class CycleGANSettings(MethodSettings):
    """Settings of `cyclegan`: the paper's, but for half the width."""

    width: int = Field(32, ge=4, le=1024)
    """Base number of channels of the generators (64 in the paper)."""
    d_width: int | None = Field(None, ge=4, le=1024)
    """Base number of channels of the discriminators; that of the generators when left out."""
    blocks: int | None = Field(None, ge=1, le=64)
    """Residual blocks of a generator; when left out 6 up to 128 pixels, and 9 above."""
    d_layers: int | None = Field(None, ge=1, le=8)
    """Layers of a discriminator at stride 2: 1, 2, 3 judge patches of 16, 34, 70 pixels; 3 if there
    is room for them when left out."""
    cycle: Weight = 10.0
    """Weight of the cycle loss."""
    identity: Weight = 0.5
    """Weight of the identity loss, in units of the cycle loss; 0 saves a third of the time."""
    store: int = Field(50, ge=0)
    """Earlier fakes of each domain kept for the discriminators; 0 for none."""
    kept: int = Field(100, ge=1)
    """Training images of each domain kept with the generators, which samples are drawn from."""
    g_lr: Rate = 2e-4
    """Learning rate of the generators (Adam)."""
    d_lr: Rate = 2e-4
    """Learning rate of the discriminators (Adam)."""
    beta1: Decay = 0.5
    """Decay of Adam's first moment."""
    beta2: Decay = 0.999
    """Decay of Adam's second moment."""


class ImageStore(nn.Module):
    """Earlier fakes, of which the discriminator sees some in place of new ones.

    They are kept as bytes in buffers, which a checkpoint saves; bytes are never averaged over
    processes, each of which has a store of its own.

    Args:
        capacity: Most images to hold.
        spec: The images.
    """

    images: Tensor
    held: Tensor

    def __init__(self, capacity: int, spec: ImageSpec) -> None:
        super().__init__()
        shape = (capacity, spec.channels, spec.size, spec.size)
        self.register_buffer("images", torch.zeros(shape, dtype=torch.uint8))
        self.register_buffer("held", torch.tensor(0))

    def forward(self, x: Tensor, feed: Feed) -> Tensor:
        """What to show in place of new fakes x [N,C,S,S].

        Until the store is full it keeps them and shows them. From then on, with probability one
        half, an earlier fake is shown and the new one takes its place.
        """
        capacity, held, shown, bytes_of = len(self.images), int(self.held), x.clone(), to_bytes(x)
        for i, (chance, place) in enumerate(feed.uniform(2).tolist() if capacity else ()):
            slot = held if held < capacity else int(place * capacity)
            if held < capacity:
                held += 1
            elif chance < 0.5:
                shown[i : i + 1] = to_float(self.images[slot : slot + 1])
            else:
                continue
            self.images[slot] = bytes_of[i]
        self.held.fill_(held)
        return shown


class CycleGAN(Method):
    """Two generators against two patch discriminators, each way and back."""

    name = "cyclegan"
    Settings = CycleGANSettings
    settings: CycleGANSettings

    def __init__(self, settings: CycleGANSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        self.translator = self.make_sampler(settings, spec)
        self.discriminators = nn.ModuleDict({d: _discriminator(settings, spec) for d in "ab"})
        self.stores = nn.ModuleDict({d: ImageStore(settings.store, spec) for d in "ab"})
        self.game = GAMES["least-squares"]  # the discriminator's half of it is halved
        self._keeps = False
        betas = settings.beta1, settings.beta2
        players: dict[str, nn.Module] = {"g": self.translator, "d": self.discriminators}
        rates = {"g": settings.g_lr, "d": settings.d_lr}
        self.optimizers = {
            name: torch.optim.Adam(player.parameters(), rates[name], betas, fused=True)
            for name, player in players.items()
        }

    @classmethod
    def make_sampler(cls, settings: CycleGANSettings, spec: ImageSpec) -> Translator:
        """Both generators, with room for the images that samples are drawn from.

        Raises:
            InputError: There are not two classes, or the size does not suit.
        """
        if spec.classes != 2:
            raise InputError(
                f"cyclegan translates between two classes, and these data have {spec.classes}: "
                "put them in two sub-folders, or choose two with --classes"
            )
        if spec.size % 4 or spec.size < 16:
            raise InputError(f"cyclegan has no size {spec.size}: give a multiple of 4 from 16")
        blocks = settings.blocks or blocks_for(spec.size)
        return Translator(spec, settings.width, blocks, settings.kept)

    @property
    def sampler(self) -> Translator:
        """Both generators."""
        return self.translator

    def step(self, feed: Feed) -> Terms:
        """Update both generators, then both discriminators on what those had made."""
        real = {"a": feed.batch_of(0), "b": feed.batch_of(1)}
        if not self._keeps:  # again after a resume, and the same ones
            self.translator.keep(feed.images)
            self._keeps = True
        with frozen(self.discriminators):
            fake, g_terms = self.generator_losses(real)
            self.descend("g", g_terms)
        shown = {d: self.stores[d](x.detach(), feed) for d, x in fake.items()}
        d_terms = self.discriminator_losses(real, shown)
        self.descend("d", d_terms)
        terms = [("g", g_terms), ("d", d_terms)]
        return {f"{who}/{k}": v.detach() for who, some in terms for k, v in some.items()}

    def generator_losses(self, real: dict[str, Tensor]) -> tuple[dict[str, Tensor], Terms]:
        """Fakes [N,C,S,S] of each domain from real images of the other, and what G, F descend."""
        ways: tuple[tuple[Direction, str, str], ...] = (("a2b", "a", "b"), ("b2a", "b", "a"))
        weights, translate = self.settings, self.translator.translate
        fake, cycle, identity = {}, [], []
        for way, source, target in ways:
            # No norm looks beyond its image, so that two batches may go through as one.
            x = [real[source], real[target]] if weights.identity else [real[source]]
            fake[target], *same = translate(_joined(x), way).chunk(len(x))
            identity += [l1_loss(each, real[target]) for each in same]
        for way, source, target in ways:
            cycle.append(l1_loss(translate(fake[source], way), real[target]))
        judged = [self.discriminators[d](x) for d, x in fake.items()]
        terms = {
            "adversarial": _total([(logits - 1).square().mean() for logits in judged]),
            "cycle": weights.cycle * _total(cycle),
        }
        if identity:
            terms["identity"] = weights.cycle * weights.identity * _total(identity)
        return fake, terms

    def discriminator_losses(self, real: dict[str, Tensor], fake: dict[str, Tensor]) -> Terms:
        """What D_A and D_B descend: the least-squares game, halved."""
        verdicts = [self.discriminators[d](_joined([real[d], fake[d]])).chunk(2) for d in "ab"]
        return {"adversarial": _total([self.game.discriminator(*each) for each in verdicts])}


def _discriminator(settings: CycleGANSettings, spec: ImageSpec) -> PatchDiscriminator:
    """A patch discriminator that fits the image.

    Raises:
        InputError: It has more layers than the image has room for.
    """
    most = most_layers(spec.size)
    layers = settings.d_layers or min(PAPER_LAYERS, most)
    if layers > most:
        raise InputError(f"--d-layers {layers} has no room in {spec.size} pixels: {most} at most")
    made = PatchDiscriminator(spec.channels, settings.d_width or settings.width, layers)
    channels_last(made)
    return made


def _total(losses: list[Tensor]) -> Tensor:
    return torch.stack(losses).sum()


def _joined(batches: list[Tensor]) -> Tensor:
    return torch.cat(batches).contiguous(memory_format=torch.channels_last)
