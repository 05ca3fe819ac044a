"""Data-to-data cross-entropy (D2D-CE): Kang et al., "Rebooting ACGAN", NeurIPS 2021, eq. 6.

A softmax over the batch in place of one over the classes. With unit rows f_i for images and v_y for
classes, margins m_p for what belongs together and m_n = 1 - m_p for what does not:

    a_i  = min(f_i . v_{y_i} - m_p, 0) / tau
    b_ij = max(f_i . f_j - m_n, 0) / tau                        for y_j != y_i only
    loss = -mean_i log( exp(a_i) / (exp(a_i) + sum_j exp(b_ij)) )

Images that are near their class, and pairs of different classes that are apart, are left alone:
their margins are met and no gradient comes from them. Images of the same class do not push each
other away, so that nothing pays for low variety inside a class.
"""

import torch
from torch import Tensor
from torch.nn.functional import relu


def d2d_ce(embedding: Tensor, proxy: Tensor, y: Tensor, margin: float, tau: float) -> Tensor:
    """D2D-CE of a batch, a scalar of at least 0; exactly 0 when all images are of one class.

    Some code subtracts the largest negative from the negatives alone before it takes exponentials,
    which changes the loss; here one log-sum-exp holds them and the positive together.

    Args:
        embedding: Rows f [N,E] of length 1, one an image.
        proxy: Rows v_y [N,E] of length 1, that of each image's class.
        y: Classes int64 [N].
        margin: m_p in [0, 1].
        tau: Temperature, above 0.
    """
    near = -relu(margin - (embedding * proxy).sum(1)) / tau
    far = relu(embedding @ embedding.T - (1 - margin)) / tau
    far = far.masked_fill(y[:, None] == y, -torch.inf)
    return (torch.cat([near[:, None], far], 1).logsumexp(1) - near).mean()
