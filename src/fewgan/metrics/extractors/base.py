"""What an extractor is: bytes of images in, features and class scores out."""

import hashlib
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewgan.data.imageset import to_float
from fewgan.metrics.extractors.weights import Published

Made = TypeVar("Made")
Progress = Callable[[str, int, int], None]
"""Told what is being done, how many parts are done, and how many there are."""


class Outputs(NamedTuple):
    """What one pass gives: features [N, D] and class scores before softmax [N, K] (K may be 0)."""

    features: Tensor
    logits: Tensor


class FeatureNetwork(nn.Module):
    """A network that an `Extractor` can ask: a row of stages, then features, then class scores.

    Attributes:
        stages: Applied one after another; what each gives [N, C, H, W] is a tap for `taps`.
        dim: Features an image.
        classes: Class scores an image, 0 when it has no classes.
        channels: Channels the network takes: 1 or 3.
        side: Height and width the network takes, in pixels.
    """

    stages: nn.ModuleList
    dim: int
    classes: int
    channels: int
    side: int

    def prepare(self, images: Tensor) -> Tensor:
        """Bytes [N,C,H,W] to what the first stage takes: right size, channels and range."""
        return resize(match_channels(to_float(images), self.channels), self.side)

    def taps(self, x: Tensor) -> list[Tensor]:
        """What every stage gives for prepared images `x`, first to last."""
        given = []
        for stage in self.stages:
            x = stage(x)
            given.append(x)
        return given

    def forward(self, x: Tensor) -> Outputs:
        """Features and class scores of prepared images `x`."""
        raise NotImplementedError


class Extractor:
    """A frozen network asked for features: in batches, in evaluation mode, without gradients.

    Attributes:
        name: What a card calls it.
        network: The network, on the device where the work is done.
        class_names: What its class scores stand for; empty when they are not a data set's classes.
        notes: What a reader of its figures should know, such as its own test accuracy.
        lpips: Channel weights of LPIPS for its taps, where their authors offer any.
        progress: Told after every batch; None for silence.
    """

    def __init__(
        self,
        name: str,
        network: FeatureNetwork,
        *,
        class_names: tuple[str, ...] = (),
        notes: str = "",
        batch: int = 250,
        lpips: Published | None = None,
    ) -> None:
        self.name = name
        self.network = network.eval().requires_grad_(False)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.class_names = class_names
        self.notes = notes
        self.lpips = lpips
        self.batch = batch
        self.progress: Progress | None = None

    @property
    def dim(self) -> int:
        """Features an image."""
        return self.network.dim

    @property
    def classes(self) -> int:
        """Class scores an image, 0 when it has no classes."""
        return self.network.classes

    @cached_property
    def identity(self) -> str:
        """SHA-256 of name, input size and weights: equal identities give equal features."""
        digest = hashlib.sha256(f"{self.name}|{self.network.side}".encode())
        for name, tensor in sorted(self.network.state_dict().items()):
            digest.update(f"|{name}|{tuple(tensor.shape)}|".encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def to(self, device: torch.device | str) -> "Extractor":
        """Move the network to `device`, where all further work is done."""
        self.network.to(device)
        return self

    @torch.inference_mode()
    def outputs(self, images: Tensor) -> Outputs:
        """Features and class scores of bytes [N,C,H,W] in one pass, float32 on the CPU."""
        parts = [self.network(x) for x in self._batches(images)]
        features, logits = (torch.cat([p[i].float().cpu() for p in parts]) for i in (0, 1))
        return Outputs(features, logits)

    def features(self, images: Tensor) -> Tensor:
        """Features [N, dim] of bytes [N,C,H,W]."""
        return self.outputs(images).features

    def logits(self, images: Tensor) -> Tensor:
        """Class scores before softmax [N, classes] of bytes [N,C,H,W]."""
        return self.outputs(images).logits

    @torch.inference_mode()
    def taps(self, images: Tensor) -> Iterator[list[Tensor]]:
        """Feature maps of every stage [n,C,H,W], a batch at a time: they are too big to keep."""
        for x in self._batches(images):
            yield self.network.taps(x)

    def _batches(self, images: Tensor) -> Iterator[Tensor]:
        device = next(self.network.parameters()).device
        for start in range(0, len(images), self.batch):
            yield self.network.prepare(images[start : start + self.batch].to(device))
            if self.progress:
                done = min(start + self.batch, len(images))
                self.progress(f"{self.name} features", done, len(images))


def match_channels(x: Tensor, channels: int) -> Tensor:
    """Images [N,C,H,W] as grey (1, by the luma weights of ITU-R BT.601) or as colour (3)."""
    if x.shape[1] == channels:
        return x
    if channels == 3:
        return x.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
    luma = torch.tensor([0.299, 0.587, 0.114], dtype=x.dtype, device=x.device)
    return torch.einsum("nchw,c->nhw", x, luma).unsqueeze(1)


def resize(x: Tensor, side: int) -> Tensor:
    """Images [N,C,H,W] at `side` pixels: bilinear, with the low-pass filter when they shrink.

    Shrinking without it is the best known way to get a wrong FID (Parmar et al., CVPR 2022).
    """
    if x.shape[-2:] == (side, side):
        return x
    size = (side, side)
    return F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)


def seeded(build: Callable[[], Made], seed: int) -> Made:
    """Call `build` with its initial weights fixed by `seed`, and leave the global RNG as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build()
