"""Layers whose weights are made while drawing, and what goes with them in MetaCGAN.

Ma, Zhong, Liu, Wang, Jiang & Zhang, "MetaCGAN: a novel GAN model for generating high quality and
diversity images with few training data", IJCNN 2020, after Li et al., "LGM-Net", ICML 2019.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv_transpose2d, normalize, softplus

from fewgan.networks.norms import each_map

EMBEDDING = 32  # numbers that tell one filter from another
HIDDEN = 128  # hidden units of the network that makes a filter
LEAST = 1e-4  # deviation of a code
MOMENTUM, EPS = 0.1, 1e-5  # of running statistics; of a variance


class Code(nn.Module):
    """Encoder of feature maps into the mean and the deviation of a code.

    Args:
        channels: Channels of the maps.
        length: Length E of the code.
    """

    def __init__(self, channels: int, length: int) -> None:
        super().__init__()
        self.see = nn.Sequential(nn.Conv2d(channels, 64, 3, padding=1), nn.ReLU())
        self.tell = nn.Linear(64, 2 * length)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Means and deviations [N,E] for maps [N,C,H,W]."""
        mean, free = self.tell(self.see(maps).mean((2, 3))).chunk(2, dim=1)
        return mean, softplus(free) + LEAST


class MadeDeconvolution(nn.Module):
    """A transposed convolution, 4x4 at stride 2, whose kernel is made from a code.

    A small network makes each output filter from the code and an embedding of its own; filters
    have unit length, as in LGM-Net, and a learned gain. That takes a hundredth of the weights that
    a matrix from the code to the kernel would.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        length: Length E of the code.
    """

    def __init__(self, inputs: int, outputs: int, length: int) -> None:
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        self.filters = nn.Parameter(torch.randn(outputs, EMBEDDING))
        self.make = nn.Sequential(
            nn.Linear(length + EMBEDDING, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, inputs * 16)
        )
        self.gain = nn.Parameter(torch.ones(outputs))

    def kernels(self, code: Tensor) -> Tensor:
        """Kernels [N,I,O,4,4] for codes [N,E]."""
        n, o = len(code), self.outputs
        pairs = torch.cat([code[:, None].expand(-1, o, -1), self.filters.expand(n, -1, -1)], dim=2)
        filters = normalize(self.make(pairs), dim=2) * self.gain[:, None]
        return filters.view(n, o, self.inputs, 4, 4).transpose(1, 2)

    def forward(self, h: Tensor, code: Tensor) -> Tensor:
        """Maps [N,O,2H,2W] for maps [N,I,H,W] and codes [N,E], or one code [1,E] for all."""
        kernels = self.kernels(code)
        if len(code) == 1:
            return conv_transpose2d(h, kernels[0], stride=2, padding=1)
        # A group an image: one convolution in place of N.
        n, i, *places = h.shape
        wide = conv_transpose2d(
            h.reshape(1, n * i, *places), kernels.flatten(0, 1), stride=2, padding=1, groups=n
        )
        return wide.view(n, self.outputs, *wide.shape[2:])


class BatchInstanceNorm(nn.Module):
    """A mixture of normalisation over the batch and per image, learned for each channel.

    Nam & Kim, "Batch-instance normalization for adaptively style-invariant neural networks",
    NeurIPS 2018: y = (rho BN(x) + (1 - rho) IN(x)) gamma + beta, with rho kept in [0, 1].

    A training batch is of one class. So each class has running statistics of its own, by which it
    is normalised when images are drawn: those of all classes together no batch ever had.

    Args:
        channels: Channels of the maps.
        classes: Number of classes.
    """

    mean: Tensor
    var: Tensor

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(classes, channels))
        self.register_buffer("var", torch.ones(classes, channels))
        self.rho = nn.Parameter(torch.ones(channels))
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, h: Tensor, y: Tensor) -> Tensor:
        """Normalised maps [N,C,H,W] of classes y int64 [N]; in training they are all of one."""
        rho = self.rho[:, None, None]
        mixed = rho * self._over_batch(h, y) + (1 - rho) * each_map(h)
        return mixed * self.gamma[:, None, None] + self.beta[:, None, None]

    def _over_batch(self, h: Tensor, y: Tensor) -> Tensor:
        if self.training:
            own = int(y[0])
            mean, var = self.mean[own], self.var[own]  # views, which this updates
            return batch_norm(h, mean, var, training=True, momentum=MOMENTUM)
        mean, var = (running[y][:, :, None, None] for running in (self.mean, self.var))
        return (h - mean) * (var + EPS).rsqrt()

    @torch.no_grad()
    def clip(self) -> None:
        """Bring rho back into [0, 1], after an update."""
        self.rho.clamp_(0, 1)
