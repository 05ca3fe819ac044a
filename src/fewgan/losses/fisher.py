"""Fisher information of parameters, and the elastic penalty that holds what it finds important.

Kirkpatrick et al., "Overcoming catastrophic forgetting in neural networks", PNAS 2017, eq. 3; for
generators: Li, Zhang, Lu & Shechtman, "Few-shot image generation with elastic weight
consolidation", NeurIPS 2020. With l_n the log-likelihood of sample n,

    F_i = (1/N) sum_n (d l_n / d theta_i)^2,      penalty = sum_i F_i (theta_i - theta*_i)^2.

The square is of each sample's gradient. Squaring the gradient of a batch of B samples instead, as
much public code does, gives about F / B, and nothing at all where gradients of samples cancel.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.func import grad, vmap

Parameters = Mapping[str, Tensor]


def fisher_information(
    log_likelihood: Callable[..., Tensor],
    parameters: Parameters,
    *samples: Tensor,
    chunk: int = 50,
) -> dict[str, Tensor]:
    """Diagonal of the empirical Fisher information, by parameter.

    Args:
        log_likelihood: Of (parameters, one sample's tensors) without a batch dimension: a scalar.
        parameters: Where it is differentiated.
        samples: Tensors of N samples each, [N, ...].
        chunk: Samples whose gradients are held at once.

    Returns:
        One tensor of squares, not negative, in the shape of each parameter.
    """
    of_sample = vmap(grad(log_likelihood), in_dims=(None, *(0 for _ in samples)))
    total = {name: torch.zeros_like(value) for name, value in parameters.items()}
    for part in zip(*(sample.split(chunk) for sample in samples), strict=True):
        for name, gradients in of_sample(dict(parameters), *part).items():
            total[name] += gradients.detach().square().sum(0)
    return {name: value / len(samples[0]) for name, value in total.items()}


def normalised(fisher: Parameters) -> dict[str, Tensor]:
    """The same information with a mean of 1 over all numbers, so that a weight means the same."""
    count = sum(value.numel() for value in fisher.values())
    mean = sum(float(value.sum()) for value in fisher.values()) / count
    return {
        name: value / max(mean, torch.finfo(torch.float32).tiny) for name, value in fisher.items()
    }


def elastic_penalty(parameters: Parameters, anchor: Parameters, fisher: Parameters) -> Tensor:
    """sum_i F_i (theta_i - theta*_i)^2 over all parameters that the information names; a scalar."""
    parts = [(fisher[n] * (parameters[n] - anchor[n]).square()).sum() for n in fisher]
    return torch.stack(parts).sum()
