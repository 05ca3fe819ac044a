"""mergan-jtr (keep learning): joint training with replay: earlier classes come back as images.

Wu, Herranz, Liu, Wang, van de Weijer & Raducanu, "Memory Replay GANs: learning to generate images
from new categories without forgetting", NeurIPS 2018, section 3.3. With G' the frozen generator of
the end of the experience before, each "real" batch holds present images (x, y) and replayed ones

    (G'(z, c), c),   c drawn from the classes learned before,

and the GAN, whichever it is, is trained on all classes seen so far, by its own losses.

`balance` says how often what comes: `class` gives every class seen so far an equal share (the
paper's rule for digits), `task` gives half to the present classes and half to all earlier ones (its
rule for scenes). Replays are drawn anew at every step; with `buffer` b, b images of each class are
drawn once when an experience begins and kept for it, as the seed project did.

What comes back is the category, not the instance: a latent draws another image of its class after
each experience. Faults of the teacher are real to the student, and grow with the stream.
"""

import torch
from pydantic import Field
from torch import Tensor, nn

from fewgan.data.feed import Feed
from fewgan.data.imageset import to_bytes, to_float
from fewgan.methods.strategy import Balance, Replay, Strategy, StrategySettings, shares
from fewgan.networks.build import ImageSpec


class MerganJTRSettings(StrategySettings):
    """Settings of `mergan-jtr`: how much comes back, and whether it is kept."""

    balance: Balance = "class"
    """Equal shares for all classes seen so far, or half for the present ones."""
    buffer: int = Field(0, ge=0)
    """Images of each earlier class drawn once an experience and kept for it; 0: fresh ones."""


class MerganJTR(Strategy):
    """The wrapped GAN, trained on present images and on what the teacher draws of earlier ones."""

    name = "mergan-jtr"
    Own = MerganJTRSettings
    stored: Tensor

    def __init__(self, settings: MerganJTRSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        shape = (spec.classes, settings.buffer, spec.channels, spec.size, spec.size)
        self.register_buffer("stored", torch.zeros(shape, dtype=torch.uint8))

    def begin(self, feed: Feed, averaged: nn.Module) -> None:
        """Fill the buffer with what the new teacher draws, if there is one."""
        super().begin(feed, averaged)
        b = self.settings.buffer
        for label in self.old.nonzero().flatten().tolist() if b else ():
            y = torch.full((b,), label)
            z = self.sampler.latents(y, feed.generator)  # type: ignore[operator]
            pairs = zip(z.to(feed.device).split(128), y.to(feed.device).split(128), strict=True)
            self.stored[label] = torch.cat([to_bytes(self.recall(*pair)) for pair in pairs])

    def feed(self, feed: Feed) -> Feed:
        """Present images, and earlier classes as the teacher draws them."""
        if not self.old.any():
            return feed
        wanted = shares(self.old, self.now, self.settings.balance)
        return Replay(feed, wanted, self._recall, self.settings.latent_dim)

    @property
    def bytes_kept(self) -> int:
        """The teacher, and the images stored of classes that were learned."""
        return super().bytes_kept - int((~self.old).sum()) * self.stored[:1].nbytes

    def _recall(self, z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if not self.settings.buffer:
            return self.recall(z, y), y
        # A latent is as good a source of chance as any, and it is the same in every process.
        place = (torch.special.ndtr(z[:, 0]) * self.settings.buffer).long()
        return to_float(self.stored[y, place.clamp(max=self.settings.buffer - 1)]), y
