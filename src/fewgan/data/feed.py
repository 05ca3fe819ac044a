"""What one training step draws: real images, latents and labels, all from one generator."""

from typing import Literal

import torch
from torch import Tensor

from fewgan.data.imageset import ImageSet, to_float

Prior = Literal["uniform", "data"]


class Feed:
    """Everything random that a training step consumes.

    Each draw is made for the whole (global) batch on the CPU, from one generator that is in the
    same state in every process; a process then keeps its own share, every `world`-th sample. So
    the numbers depend neither on the device nor on the number of processes, and one saved state
    resumes them all.

    Args:
        images: The training images, on the training device. Labels count the model's classes.
        batch_size: Size of the global batch, a multiple of `world`.
        generator: A CPU generator; it is advanced by every draw.
        flip: Mirror each image with probability one half.
        prior: Labels of fakes are `uniform` over the classes, or follow their shares in the `data`.
        rank: Number of this process.
        world: Number of processes.
    """

    def __init__(
        self,
        images: ImageSet,
        batch_size: int,
        generator: torch.Generator,
        *,
        flip: bool = False,
        prior: Prior = "uniform",
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.images, self.batch_size, self.generator = images, batch_size, generator
        self.flip, self.rank, self.world = flip, rank, world
        self.device = images.images.device
        self.seen = 0
        counts = torch.tensor(images.counts(), dtype=torch.float)
        self._prior = counts if prior == "data" else torch.ones_like(counts)
        self._epoch_state = generator.get_state()
        self._order, self._cursor = torch.empty(0, dtype=torch.long), 0

    @property
    def local_batch_size(self) -> int:
        """Number of samples that this process draws at once."""
        return self.batch_size // self.world

    def batch(self) -> tuple[Tensor, Tensor]:
        """Next real images [N,C,H,W] in [-1, 1] and their labels int64 [N], in shuffled epochs."""
        index = self._mine(self._next_indices(), move=False).to(self.images.labels.device)
        images, labels = self.images.images[index], self.images.labels[index]
        self.seen += self.batch_size
        if self.flip:
            mirrored = self.uniform() < 0.5
            images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
        return to_float(images), labels

    def normal(self, *shape: int) -> Tensor:
        """Standard normal noise [N, *shape]."""
        return self._mine(torch.randn(self.batch_size, *shape, generator=self.generator))

    def uniform(self, *shape: int) -> Tensor:
        """Uniform noise [N, *shape] in [0, 1)."""
        return self._mine(torch.rand(self.batch_size, *shape, generator=self.generator))

    def labels(self) -> Tensor:
        """Labels int64 [N] for images to be generated; all -1 when there are no classes."""
        if not len(self._prior):
            return torch.full((self.local_batch_size,), -1, device=self.device)
        draw = torch.multinomial(self._prior, self.batch_size, True, generator=self.generator)
        return self._mine(draw)

    def state_dict(self) -> dict[str, Tensor]:
        """Generator, place in the current epoch and images seen, as tensors."""
        return {
            "generator": self.generator.get_state(),
            "epoch": self._epoch_state,
            "place": torch.tensor([len(self._order), self._cursor, self.seen]),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go back to the place that `state_dict` described."""
        length, self._cursor, self.seen = state["place"].tolist()
        self._epoch_state = state["epoch"]
        if length:
            self.generator.set_state(self._epoch_state)
            self._order = torch.randperm(length, generator=self.generator)
        self.generator.set_state(state["generator"])

    def _next_indices(self) -> Tensor:
        parts, missing = [], self.batch_size
        while missing:
            if self._cursor == len(self._order):
                self._epoch_state = self.generator.get_state()
                self._order = torch.randperm(len(self.images), generator=self.generator)
                self._cursor = 0
            part = self._order[self._cursor : self._cursor + missing]
            self._cursor += len(part)
            missing -= len(part)
            parts.append(part)
        return torch.cat(parts)

    def _mine(self, draw: Tensor, move: bool = True) -> Tensor:
        share = draw[self.rank :: self.world]
        return share.to(self.device, non_blocking=True) if move else share
