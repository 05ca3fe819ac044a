"""An image set: every image of a data set in one uint8 tensor, with labels and a content hash."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from fewgan.errors import InputError, unknown


def to_float(images: Tensor) -> Tensor:
    """Bytes [N,C,H,W] in 0..255 to float32 in [-1, 1], channels last: what every network takes."""
    return images.float().div_(127.5).sub_(1.0).contiguous(memory_format=torch.channels_last)


def to_bytes(images: Tensor) -> Tensor:
    """Floats [N,C,H,W] in [-1, 1] to uint8, the inverse of `to_float` (out of range is clipped)."""
    scaled = images.detach().float().add(1.0).mul(127.5).round_().clamp_(0, 255)
    return scaled.to(torch.uint8).contiguous()


@dataclass(frozen=True)
class ImageSet:
    """Images with labels, held in memory (or memory-mapped) as bytes.

    Attributes:
        images: uint8 [N, C, H, W]; C is 1 or 3, H equals W.
        labels: int64 [N], indices into `class_names`; -1 throughout when there are no classes.
        class_names: One name a class; empty when there are no classes.
        name: What to call the set on a card.
        licence: Licence of the images, for the run's card.
        flip: A mirrored image is as likely as the original (photographs yes, digits no).
    """

    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    name: str
    licence: str = "unknown"
    flip: bool = False

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.dim() != 4:
            raise ValueError(f"images must be uint8 [N,C,H,W], got {self.images.dtype}")
        if self.labels.shape != (len(self.images),):
            raise ValueError(f"labels must be [{len(self.images)}], got {self.labels.shape}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return self.images.shape[1]

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        return self.images.shape[2]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over pixels, labels and class names: equal content has an equal digest."""
        digest = hashlib.sha256(repr((tuple(self.images.shape), self.class_names)).encode())
        digest.update(self.labels.cpu().numpy().tobytes())
        for chunk in self.images.split(4096):
            digest.update(chunk.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def counts(self) -> list[int]:
        """Number of images in each class, in the order of `class_names`."""
        known = self.labels[self.labels >= 0]
        return torch.bincount(known, minlength=len(self.class_names)).tolist()

    def take(self, indices: Tensor) -> "ImageSet":
        """The images at `indices` (int64 [M]), in that order; classes keep their numbers."""
        indices = indices.to(self.labels.device)
        return replace(self, images=self.images[indices], labels=self.labels[indices])

    def of_classes(self, classes: Sequence[int]) -> "ImageSet":
        """The images of some classes only; classes keep their numbers.

        Raises:
            InputError: A class index is out of range.
        """
        for index in classes:
            if not 0 <= index < len(self.class_names):
                raise unknown("class", str(index), [str(i) for i in range(len(self.class_names))])
        wanted = torch.tensor(list(classes), device=self.labels.device)
        return self.take(torch.isin(self.labels, wanted).nonzero().flatten())

    def after(self, names: Sequence[str]) -> "ImageSet":
        """The same images where the classes `names` are counted first, whether they are here.

        Raises:
            InputError: The images have no classes.
        """
        if not self.class_names:
            raise InputError(
                f"{self.name} has no classes, and new ones must be told from those that are known: "
                "put the images in one sub-folder a class"
            )
        every = tuple(dict.fromkeys([*names, *self.class_names]))
        place = torch.tensor([every.index(name) for name in self.class_names])
        return replace(self, labels=place.to(self.labels.device)[self.labels], class_names=every)

    def to(self, device: torch.device | str) -> "ImageSet":
        """The same set with its tensors on `device`."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def class_index(self, name: str | int) -> int:
        """Index of a class given by its name or by its number.

        Raises:
            InputError: There is no such class.
        """
        return class_index(self.class_names, name)


def class_index(class_names: Sequence[str], name: str | int) -> int:
    """Index of a class given by its name, or by its number as int or digits; names come first.

    Raises:
        InputError: There is no such class, or there are no classes at all.
    """
    if not class_names:
        raise InputError(f"class {name!r} was asked for, but there are no classes here")
    if str(name) in class_names:
        return list(class_names).index(str(name))
    if str(name).isdigit() and int(name) < len(class_names):
        return int(name)
    raise unknown("class", str(name), class_names)
