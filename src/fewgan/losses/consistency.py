"""Cross-domain distance consistency: what was alike in the source stays alike in the target.

Ojha, Li, Lu, Efros, Lee, Shechtman & Zhang, "Few-shot image generation via cross-domain
correspondence", CVPR 2021, eq. 1 to 3. For each sample of a batch, its likeness to every other one
makes a distribution, and the two generators' distributions are to agree.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize


def distance_consistency(
    source: Sequence[Tensor], target: Sequence[Tensor], layers: Tensor
) -> Tensor:
    """Divergence of the target's likenesses from the source's, a scalar not below 0.

    With p_i = softmax over j != i of cos(f_i, f_j), f being the source's map of layer l_i, and q_i
    the same of the target's: the mean over i of sum_j p_ij log(p_ij / q_ij). The paper's code takes
    the mean over all pairs, which is less by one over N - 1 and so falls as a batch grows.

    Args:
        source: Maps [N, ...] of each layer that the source has of N latents.
        target: Those of the target, of the same latents; gradients pass through.
        layers: Which layer each sample is compared by, int64 [N].
    """
    log_p, log_q = (_log_likeness(maps, layers) for maps in (source, target))
    log_p = log_p.detach()
    return (log_p.exp() * (log_p - log_q)).sum(1).mean()


def _log_likeness(maps: Sequence[Tensor], layers: Tensor) -> Tensor:
    """Logarithms [N, N-1] of how alike each sample finds each other one."""
    n = len(layers)
    flat = (normalize(each.flatten(1).float()) for each in maps)
    cosines = torch.stack([each @ each.T for each in flat])
    chosen = cosines[layers, torch.arange(n, device=layers.device)]
    others = ~torch.eye(n, dtype=torch.bool, device=layers.device)
    return chosen[others].view(n, n - 1).log_softmax(1)
