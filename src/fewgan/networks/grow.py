"""Networks that come to know more classes than they were trained on."""

from collections.abc import Mapping

import torch
from torch import Tensor

from fewgan.errors import InputError


@torch.no_grad()
def grow(tensors: Mapping[str, Tensor], learned: Mapping[str, Tensor], old: int, new: int) -> None:
    """Copy what was learned of `old` classes into tensors made for `new` ones, in place.

    A dimension that counts classes is longer by the new ones: of m entries a class it has m blocks,
    one behind the other (2K logits are two blocks of K), and elsewhere classes come last (K columns
    behind the latent's). What belongs to a new class is left as it was made.

    Args:
        tensors: Where to, as a `state_dict` gives it.
        learned: Where from; what `tensors` does not name is left aside.
        old: Number of classes that are known, the first ones.
        new: Number of classes in all.

    Raises:
        InputError: A tensor is missing or of another shape: these are other networks.
    """
    for name, tensor in tensors.items():
        source = learned.get(name)
        if source is None or not _fits(source.shape, tensor.shape, old, new):
            raise InputError(
                f"the run's networks have no {name} of this shape: "
                "leave trunk, width and the other settings of its networks as they are"
            )
        sides = zip(source.shape, tensor.shape, strict=True)
        places = [_kept(a, b, old, new) for a, b in sides]
        where = torch.meshgrid(*places, indexing="ij") if places else ...
        tensor[where] = source.to(tensor)


def _fits(source: torch.Size, target: torch.Size, old: int, new: int) -> bool:
    return len(source) == len(target) and all(
        a == b or b - a == new - old or a * new == b * old
        for a, b in zip(source, target, strict=True)
    )


def _kept(a: int, b: int, old: int, new: int) -> Tensor:
    """Where the `a` entries that were learned lie among `b`."""
    if a != b and a * new == b * old:
        return (torch.arange(a // old)[:, None] * new + torch.arange(old)).flatten()
    return torch.arange(a)
