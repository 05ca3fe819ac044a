"""Elastic weights, for the methods that hold weights where they mattered.

Springs tie each weight to where it was, as firmly as it was important: the continual `ewc` ties
what earlier classes need, and `ewc-few` what the source knew.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import logsigmoid

from fewgan.losses.fisher import elastic_penalty, fisher_information, normalised
from fewgan.methods.base import Weight

Realness = Callable[[Tensor, Tensor | None], Tensor]
"""Images [N,C,S,S] and their classes int64 [N] (or None), to logits [N]: how real they are."""


class ElasticSettings(BaseModel):
    """How firmly weights are held, and by which information."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    elastic: Weight = 1000.0
    """Weight lambda of the elastic penalty."""
    fisher_norm: Literal["none", "mean1"] = "mean1"
    """Leave the information as it is, or divide it by its mean over all weights."""
    fisher_samples: int = Field(1000, ge=1)
    """Generated images whose gradients are squared."""


class Springs(nn.Module):
    """Where each weight of a network was, and how important it was there; slack until tied.

    Args:
        network: The network that they are for.
        settings: How firmly they hold.
    """

    tied: Tensor

    def __init__(self, network: nn.Module, settings: ElasticSettings) -> None:
        super().__init__()
        self.settings = settings
        self.anchor, self.information = (
            copy.deepcopy(network).requires_grad_(False) for _ in range(2)
        )
        for value in self.information.parameters():
            value.zero_()
        self.register_buffer("tied", torch.tensor(False))

    def tie(
        self,
        generator: Any,
        realness: Realness,
        z: Tensor,
        y: Tensor | None,
        *,
        kept: float = 0.0,
    ) -> None:
        """Tie a generator's weights where they are now, as what it draws finds them important.

        Args:
            generator: The network.
            realness: How real the discriminator of this time finds images.
            z: Latents [N,D] of what it draws.
            y: Classes int64 [N] of it, where it knows any.
            kept: Share of the information of earlier times that is added.
        """
        found = importance(generator, realness, z, y)
        if self.settings.fisher_norm == "mean1":
            found = normalised(found)
        self.anchor.load_state_dict(generator.state_dict())
        for name, value in self.information.named_parameters():
            value.mul_(kept).add_(found[name])
        self.tied.fill_(True)

    def tension(self, generator: nn.Module) -> Tensor:
        """(lambda / 2) sum_i F_i (theta_i - theta*_i)^2, a scalar."""
        here, there, fisher = (
            dict(network.named_parameters())
            for network in (generator, self.anchor, self.information)
        )
        return self.settings.elastic / 2 * elastic_penalty(here, there, fisher)


def importance(
    generator: nn.Module, realness: Realness, z: Tensor, y: Tensor | None
) -> dict[str, Tensor]:
    """Fisher information of a generator's weights, by name, on images that it draws.

    F_i = (1/N) sum_n (d log sigma(r(G(z_n, y_n))) / d theta_i)^2, each sample by itself.

    Args:
        generator: The network, in eval mode or with nothing that hangs on a batch.
        realness: How real images are found, r; of a discriminator in eval mode.
        z: Latents [N,D].
        y: Classes int64 [N], or None.
    """

    def log_likelihood(weights: dict[str, Tensor], z: Tensor, *y: Tensor) -> Tensor:
        labels = y[0][None] if y else None
        image = functional_call(generator, weights, (z[None], labels))
        return logsigmoid(realness(image, labels)).sum()

    weights = {name: value.detach() for name, value in generator.named_parameters()}
    return fisher_information(log_likelihood, weights, z, *(() if y is None else (y,)))


def importance_to_judge(
    judged: Callable[[Mapping[str, Tensor], Tensor], Tensor],
    weights: Mapping[str, Tensor],
    real: Tensor,
    made: Tensor,
) -> dict[str, Tensor]:
    """Fisher information of what a discriminator judges by, on pairs of real and drawn images.

    F_i = (1/N) sum_n (d [log sigma(r(x_n)) + log sigma(-r(G(z_n)))] / d theta_i)^2.

    Args:
        judged: How real images [N,C,S,S] are found with some weights: logits [N].
        weights: The weights by name, where it is differentiated.
        real: Real images [N,C,S,S].
        made: Drawn images [N,C,S,S].
    """

    def log_likelihood(weights: dict[str, Tensor], x: Tensor, fake: Tensor) -> Tensor:
        says = [judged(weights, image[None]) for image in (x, fake)]
        return (logsigmoid(says[0]) + logsigmoid(-says[1])).sum()

    values = {name: value.detach() for name, value in weights.items()}
    return fisher_information(log_likelihood, values, real, made)
