"""A generator that is told codes: one categorical, some continuous, and noise.

Latents stay standard normal vectors, as everywhere here, so that they are drawn, walked between
and kept as those of any generator. The codes are read off their first numbers:

    z = [ K numbers | M numbers | noise ]       standard normal, all of them
          argmax      erf(n / sqrt 2)
          Cat(K)      M x U(-1, 1)

K independent normals are equally likely to be the largest, and erf(n / sqrt 2) = 2 Phi(n) - 1 is
the distribution function of n, stretched to (-1, 1). The trunk gets [one-hot | codes | noise], as
long as z.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from fewgan.errors import InputError
from fewgan.networks.build import Generator, ImageSpec, NetworkSettings

EDGE = 1 - 1e-6  # no normal is so large that its code is 1


class Codes(NamedTuple):
    """What an image is made from, beside noise."""

    categorical: Tensor
    """int64 [N], in [0, K)."""
    continuous: Tensor
    """[N,M], in [-1, 1]."""


class Sweep(NamedTuple):
    """Latents for a sheet of pictures on which one thing changes along the rows."""

    latents: Tensor
    """[R,C,D], row by row."""
    rows: tuple[str, ...]
    """What each row is."""
    caption: str
    """What changes from left to right."""


class CodedGenerator(Generator):
    """A generator whose latents hold a categorical code and continuous ones.

    Args:
        settings: The networks' settings.
        spec: The images to make.
        categorical: Number of values K of the categorical code.
        continuous: Number M of continuous codes.

    Raises:
        InputError: The latent has no room for the codes; or as `Generator`.
    """

    def __init__(
        self, settings: NetworkSettings, spec: ImageSpec, categorical: int, continuous: int
    ) -> None:
        super().__init__(settings, spec)
        if settings.latent_dim < categorical + continuous:
            raise InputError(
                f"{categorical} + {continuous} codes do not fit a latent of "
                f"{settings.latent_dim}: give a larger --latent-dim, or fewer codes"
            )
        self.code_sizes = categorical, continuous

    def codes(self, z: Tensor) -> Codes:
        """The codes that latents z [N,D] hold."""
        which, how_much, _ = self._split(z)
        return Codes(which.argmax(1), torch.erf(how_much / math.sqrt(2)))

    def with_codes(self, z: Tensor, codes: Codes) -> Tensor:
        """Latents [N,D] that hold these codes, and the noise of z [N,D]."""
        which = self._one_hot(codes.categorical).to(z.dtype)
        how_much = torch.erfinv(codes.continuous.clamp(-EDGE, EDGE)) * math.sqrt(2)
        return torch.cat([which, how_much, self._split(z)[2]], 1)

    def forward(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Images [N,C,S,S] in [-1, 1] for latents z [N,D] and classes y int64 [N]."""
        categorical, continuous = self.codes(z)
        one_hot = self._one_hot(categorical).to(z.dtype)
        return super().forward(torch.cat([one_hot, continuous, self._split(z)[2]], 1), y)

    def sweeps(self, columns: int, generator: torch.Generator) -> dict[str, Sweep]:
        """What each code does, as sheets with a row for each value of the categorical code.

        Args:
            columns: Images to a row.
            generator: Draws the noise.

        Returns:
            `c1`, `c2`, ...: that code from -1 to 1, with the other codes at 0 and one noise
            throughout; and `noise`: from left to right other codes and noise, the same in each row.
        """
        z = torch.randn(columns, self.latent_dim, generator=generator)
        values, continuous = self.code_sizes
        names = tuple(f"c_cat = {value}" for value in range(values))
        sheets = {}
        for i in range(continuous):
            codes = torch.zeros(columns, continuous)
            codes[:, i] = torch.linspace(-1, 1, columns)
            latents = self._for_each_category(z[:1].expand(columns, -1), codes)
            caption = f"c{i + 1} from -1 to 1; the other codes are 0, the noise stays"
            sheets[f"c{i + 1}"] = Sweep(latents, names, caption)
        latents = self._for_each_category(z, self.codes(z).continuous)
        return sheets | {"noise": Sweep(latents, names, "noise and continuous codes drawn anew")}

    def _for_each_category(self, z: Tensor, continuous: Tensor) -> Tensor:
        """Latents [K,N,D]: row c holds category c and the continuous codes [N,M]."""
        every = torch.arange(self.code_sizes[0])[:, None].expand(-1, len(z))
        return torch.stack([self.with_codes(z, Codes(row, continuous)) for row in every])

    def _split(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        which, how_much, noise = z.split([*self.code_sizes, z.shape[1] - sum(self.code_sizes)], 1)
        return which, how_much, noise

    def _one_hot(self, categorical: Tensor) -> Tensor:
        return F.one_hot(categorical, self.code_sizes[0])
