"""Penalties on the gradient of a critic with respect to its images.

With g(x) the gradient of the critic's value for one image with respect to that image, and ‖g‖ its
norm over all pixels and channels:

| penalty | value | where | source |
|---|---|---|---|
| `gradient_penalty` | E (‖g(x)‖ - target)^2 | between real and fake | Gulrajani et al. 2017 |
| `r1` | E ‖g(x)‖^2 | at real images | Mescheder et al. 2018 |

Neither holds a weight: the papers' are 10 for the first, gamma / 2 for the second. Both let their
own gradient through to the critic's parameters (the critic is differentiated twice), and take each
image to be judged by itself: with batch statistics in the critic they mean nothing.
"""

from collections.abc import Callable

import torch
from torch import Tensor

R1_EVERY = 16  # steps from one penalty to the next (lazy regularisation, Karras et al. 2020)

Critic = Callable[[Tensor], Tensor]
"""Images [N,C,H,W] to values [N]."""


def gradient_penalty(
    critic: Critic,
    real: Tensor,
    fake: Tensor,
    alpha: Tensor,
    target: float = 1.0,
    axes: tuple[int, ...] = (1, 2, 3),
) -> Tensor:
    """Mean squared distance of the critic's slope from `target` between real and fake images.

    Args:
        critic: The critic.
        real: Real images [N,C,H,W].
        fake: Generated images [N,C,H,W].
        alpha: Where between the two to look, [N] in [0, 1]: one place for each pair of images, 0
            being the real one.
        target: The wanted norm of the gradient; 1 for the Wasserstein game, 0 to flatten.
        axes: What the norm is taken over: all of an image, or in some released code channels only.

    Raises:
        ValueError: `alpha` is not of shape [N].
    """
    if alpha.shape != real.shape[:1]:
        raise ValueError(f"alpha has shape {tuple(alpha.shape)}: give one number for each image")
    between = torch.lerp(real.detach(), fake.detach(), alpha.view(-1, *[1] * (real.ndim - 1)))
    slopes = torch.linalg.vector_norm(_slopes(critic, between), dim=axes)
    return (slopes - target).square().mean()


def r1(critic: Critic, real: Tensor) -> Tensor:
    """Mean squared norm of the critic's gradient at real images [N,C,H,W]."""
    return _slopes(critic, real.detach()).flatten(1).square().sum(1).mean()


def lazy_r1(critic: Critic, real: Tensor, step: int) -> Tensor:
    """`r1` on every 16th step with the weight of all 16, and 0 on the others."""
    return real.new_zeros(()) if step % R1_EVERY else R1_EVERY * r1(critic, real)


def _slopes(critic: Critic, x: Tensor) -> Tensor:
    """Gradient [N,C,H,W] of each image's value, itself differentiable."""
    x = x.requires_grad_()
    # The values are independent, so the gradient of their sum holds the gradient of each.
    (slopes,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return slopes
