"""Published weights: found in a file, in the cache or at their address, checked, and loaded safely.

Loading cannot run code (`weights_only`), and a file whose SHA-256 does not begin as published is
refused: figures from slightly different weights look right and compare with nothing.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from fewgan.data.carriers import download
from fewgan.data.source import Unavailable
from fewgan.errors import InputError
from fewgan.files import atomic, cache_folder, sha256_file


@dataclass(frozen=True)
class Published:
    """A weights file that others made public.

    Attributes:
        name: File name, as it is kept in the cache.
        sha256: How the hexadecimal SHA-256 of the file begins.
        address: Where its makers offer it; empty where only a library of theirs fetches it.
        remedy: How to get it by hand, where there is no address.
    """

    name: str
    sha256: str
    address: str = ""
    remedy: str = ""

    def find(self, given: Path | None = None) -> Path:
        """The file: the one that is `given`, else a cached one, else fetched from the address.

        Files that torch or torchvision have fetched for others are found where these keep them.

        Raises:
            InputError: It cannot be had, or is not the published file.
        """
        own = cache_folder() / "weights" / self.name
        shared = Path(torch.hub.get_dir()) / "checkpoints" / self.name
        path = Path(given) if given else shared if shared.is_file() else own
        if given and not path.is_file():
            raise InputError(f"there is no weights file {path}")
        if not path.is_file():
            self._download(path)
        if not sha256_file(path).startswith(self.sha256):
            raise InputError(
                f"{path} is not the published {self.name}: its SHA-256 does not begin with "
                f"{self.sha256}; delete it and fetch it again"
            )
        return path

    def _download(self, path: Path) -> None:
        remedy = self.remedy or f"download {self.address} elsewhere and put it at {path}"
        if not self.address:
            raise InputError(f"{self.name} is not here: {remedy}")
        if os.environ.get("FEWGAN_OFFLINE", "0") not in ("", "0"):
            raise InputError(f"{self.name} is not here and FEWGAN_OFFLINE is set: {remedy}")
        try:
            with atomic(path) as partial:
                download(self.address, partial)
        except Unavailable as reason:
            raise InputError(f"cannot fetch {self.name} ({reason}): {remedy}") from None


def read_state(path: Path) -> dict[str, Tensor]:
    """The named tensors of a file that `torch.save` wrote, on the CPU, without running its code.

    Raises:
        InputError: The file is not one, or holds something else than tensors.
    """
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
        state = held.get("state_dict", held)
        return {name: tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}
    except Exception:  # a damaged pickle fails in whatever way its bytes happen to say
        raise InputError(f"{path} is missing, damaged or not a file of weights") from None


def load_published(network: nn.Module, path: Path) -> None:
    """Load published weights into `network`, whose stages keep the published module names.

    `module.` in front of a published name and `stages.<i>.` in front of ours are no part of it.

    Raises:
        InputError: The file is damaged, or its names or shapes are another network's.
    """
    ours = {re.sub(r"^stages\.\d+\.", "", name): name for name in network.state_dict()}
    state = {name.removeprefix("module."): tensor for name, tensor in read_state(path).items()}
    try:
        network.load_state_dict({ours[name]: tensor for name, tensor in state.items()})
    except (KeyError, RuntimeError):
        raise InputError(f"{path} holds the weights of another network") from None
