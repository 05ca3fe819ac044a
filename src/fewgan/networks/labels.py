"""How a class label enters a generator, as pieces that fit any trunk.

Four ways, the names being the values of the setting `labels`:

- `none`: it does not; the generator is unconditional.
- `concat`: a one-hot vector joins the latent (Mirza & Osindero 2014).
- `embedding`: a learned vector for the class joins the latent.
- `norm`: every normalisation layer has a scale and a shift per class, which is conditional batch
  norm (de Vries et al. 2017) or conditional instance norm (Dumoulin et al. 2017).

A label can fade in while training (`fade`): at share t of its strength, what a class adds is
(1 - t) of the mean over classes and t of its own.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewgan.networks.norms import each_map

Labels = Literal["none", "concat", "embedding", "norm"]
Norm = Literal["batch", "instance"]


class Faded(nn.Module):
    """Base of what reads a label; `t` in [0, 1] is the strength with which it does."""

    t: float = 1.0

    def of_class(self, rows: Tensor, y: Tensor) -> Tensor:
        """Row [N,D] of each class y int64 [N] in `rows` [K,D], as far as the label has faded in."""
        own = F.embedding(y, rows)
        return own if self.t == 1 else torch.lerp(rows.mean(0), own, self.t)

    def one_hot(self, y: Tensor, classes: int) -> Tensor:
        """One-hot rows float [N,K] for y int64 [N], as far as the label has faded in."""
        own = F.one_hot(y, classes).float()
        return own if self.t == 1 else torch.lerp(torch.full_like(own, 1 / classes), own, self.t)


def fade(module: nn.Module, t: float) -> None:
    """Let labels count for share t in [0, 1] of their strength, wherever `module` reads them."""
    for part in module.modules():
        if isinstance(part, Faded):
            part.t = t


class LabelNorm(Faded):
    """Normalise each channel, then scale and shift it by the row of the sample's class.

    With `instance` statistics a sample never depends on the rest of its batch. With `batch`
    statistics it does while training, and in eval mode the running statistics take over, so that
    an image is the same alone and in any batch.

    Args:
        channels: Number of channels C.
        norm: `batch` (over N, H, W) or `instance` (over H, W).
        classes: Number of rows of scale and shift; 1 makes the layer unconditional.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, norm: Norm, classes: int = 1) -> None:
        super().__init__()
        self.norm, self.classes = norm, classes
        self.scale = nn.Parameter(torch.ones(classes, channels))
        self.shift = nn.Parameter(torch.zeros(classes, channels))
        if norm == "batch":
            self.register_buffer("running_mean", torch.zeros(channels))
            self.register_buffer("running_var", torch.ones(channels))

    def forward(self, h: Tensor, y: Tensor | None) -> Tensor:
        """Normalise h [N,C,H,W] for classes y int64 [N] (ignored when unconditional)."""
        if self.classes == 1:  # the same for every sample: in one pass
            return self._normalise(h, self.scale[0], self.shift[0])
        assert y is not None, "a conditional generator needs labels"
        # One cast of a small tensor keeps the maps in the precision that they came in.
        scale, shift = (
            self.of_class(rows, y)[:, :, None, None].to(h.dtype)
            for rows in (self.scale, self.shift)
        )
        return torch.addcmul(shift, self._normalise(h), scale)

    def _normalise(
        self, h: Tensor, scale: Tensor | None = None, shift: Tensor | None = None
    ) -> Tensor:
        if self.norm == "batch":
            mean, var = self.running_mean, self.running_var
            return F.batch_norm(h, mean, var, scale, shift, training=self.training)
        return each_map(h, scale, shift)

    def extra_repr(self) -> str:
        """What `print` shows inside the brackets."""
        return f"{self.norm}, channels={self.scale.shape[1]}, classes={self.classes}"


class LabelInjection(Faded):
    """A label's way into a generator: what joins the latent, and which norms the trunk uses.

    Args:
        labels: One of `none`, `concat`, `embedding`, `norm`.
        classes: Number of classes.
        norm: Statistics of the trunk's normalisation layers.
        embedding_dim: Length of the learned vector of a class for `embedding`.
    """

    def __init__(
        self, labels: Labels, classes: int, norm: Norm = "batch", embedding_dim: int = 64
    ) -> None:
        super().__init__()
        self.labels, self.classes, self.norm = labels, classes, norm
        self.extra_dim = {"concat": classes, "embedding": embedding_dim}.get(labels, 0)
        self.embedding = nn.Embedding(classes, embedding_dim) if labels == "embedding" else None

    def make_norm(self, channels: int) -> LabelNorm:
        """Make a normalisation layer for the trunk."""
        return LabelNorm(channels, self.norm, self.classes if self.labels == "norm" else 1)

    def join(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Latent z [N,D] with what the label adds: [N, D + extra_dim]."""
        if self.extra_dim == 0:
            return z
        assert y is not None, "a conditional generator needs labels"
        if self.embedding is not None:
            return torch.cat([z, self.of_class(self.embedding.weight, y)], 1)
        return torch.cat([z, self.one_hot(y, self.classes).to(z.dtype)], 1)
