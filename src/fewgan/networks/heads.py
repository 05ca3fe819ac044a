"""Heads: what a discriminator says about an image, and where it looks at the label.

A head sits on the features of any trunk. It may also join something to the input of one stage
of the trunk (`joins`, `join`), which is how a concatenated label gets in.

| head | answer | source |
|---|---|---|
| `RealFake` | logit [N] | Goodfellow et al. 2014 |
| `Concat` | logit [N], label planes joined to a stage | Mirza & Osindero 2014 |
| `Projection` | logit [N] + <embedding of y, features> | Miyato & Koyama 2018, eq. 4 |
| `Auxiliary` | logit [N] and class logits [N, K] | Odena et al. 2017 |
| `TwoN` | logits [N, 2K]: real classes, then fake classes | Bromley 2018; cf. ADC-GAN, Hou 2022 |
| `Twin` | as `Auxiliary`, and class logits [N, K] of a twin | Gong et al. 2019 |
| `SourceTwoN` | logit [N] and the logits of `TwoN` | Hou et al. 2022 |
| `Contrast` | logit [N], unit embedding [N, E] of x, unit proxy [N, E] of y | Kang et al. 2021 |
| `Domain` | two logits [N], and the features [N, F] | Fontanini et al. 2022 |
| `Shared` | logit [N] and the features [N, F], for a network beside | Chen et al. 2016 |
"""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from fewgan.networks.labels import Faded

Wrap = Callable[[nn.Module], nn.Module]


class Head(Faded):
    """Base of all heads: by default nothing joins the trunk.

    Args:
        features: Length of the trunk's feature vector.
        classes: Number of classes K.
        wrap: Applied to each weighted layer; spectral normalisation or nothing.
    """

    labelled: ClassVar[bool] = False
    """Whether it has something for each class, so that images without classes will not do."""
    stage: int = 0

    def __init__(self, features: int, classes: int, wrap: Wrap) -> None:
        super().__init__()
        self.classes = classes

    @classmethod
    def joins(cls, classes: int) -> tuple[int, int]:
        """Which stage of the trunk gets how many extra planes: (stage, planes)."""
        return 0, 0

    def join(self, h: Tensor, y: Tensor | None) -> Tensor:
        """What enters stage `stage` of the trunk, given its input h [N,C,H,W]."""
        return h

    def forward(self, features: Tensor, y: Tensor | None) -> Any:
        """Judge features [N,F] for classes y int64 [N]."""
        raise NotImplementedError


class RealFake(Head):
    """One logit: real or fake, whatever the class."""

    def __init__(self, features: int, classes: int, wrap: Wrap) -> None:
        super().__init__(features, classes, wrap)
        self.real = wrap(nn.Linear(features, 1))

    def forward(self, features: Tensor, y: Tensor | None) -> Tensor:
        """Real-or-fake logit [N]."""
        return self.real(features).squeeze(1)


class Concat(RealFake):
    """One logit; the label is K constant planes beside the input of one stage of the trunk."""

    labelled = True

    def __init__(self, features: int, classes: int, wrap: Wrap, stage: int = 0) -> None:
        super().__init__(features, classes, wrap)
        self.stage = stage

    @classmethod
    def joins(cls, classes: int, stage: int = 0) -> tuple[int, int]:
        """Which stage of the trunk gets how many extra planes: (stage, planes)."""
        return stage, classes

    def join(self, h: Tensor, y: Tensor | None) -> Tensor:
        """Stage input [N, C + K, H, W]: h and the one-hot label spread over the plane."""
        assert y is not None, "a conditional discriminator needs labels"
        planes = self.one_hot(y, self.classes).to(h.dtype)[:, :, None, None]
        joined = torch.cat([h, planes.expand(-1, -1, *h.shape[2:])], 1)
        return joined.contiguous(memory_format=torch.channels_last)


class Projection(RealFake):
    """One logit: psi(features) + <e_y, features>."""

    labelled = True

    def __init__(self, features: int, classes: int, wrap: Wrap) -> None:
        super().__init__(features, classes, wrap)
        embedding = nn.Embedding(classes, features)
        nn.init.xavier_uniform_(embedding.weight)  # as the authors do: drawn larger, it learns late
        self.embedding = wrap(embedding)

    def forward(self, features: Tensor, y: Tensor | None) -> Tensor:
        """Real-or-fake logit [N] of the pair (image, label)."""
        return super().forward(features, y) + (self.embedding(y) * features).sum(1)


class Verdict(NamedTuple):
    """What an auxiliary-classifier head answers: `source` logit [N] and `classes` logits [N,K]."""

    source: Tensor
    classes: Tensor


class Auxiliary(RealFake):
    """Two answers from shared features: real or fake, and which class."""

    labelled = True

    def __init__(self, features: int, classes: int, wrap: Wrap) -> None:
        super().__init__(features, classes, wrap)
        self.class_of = wrap(nn.Linear(features, classes))

    def forward(self, features: Tensor, y: Tensor | None) -> Verdict:  # type: ignore[override]
        """Source logit [N] and class logits [N,K]; y is not looked at."""
        return Verdict(super().forward(features, y), self.class_of(features))


class TwoN(Head):
    """Logits [N, 2K]: entry c is "real and of class c", entry K + c is "fake and of class c"."""

    labelled = True

    def __init__(self, features: int, classes: int, wrap: Wrap) -> None:
        super().__init__(features, classes, wrap)
        self.real_then_fake = wrap(nn.Linear(features, 2 * classes))

    def forward(self, features: Tensor, y: Tensor | None) -> Tensor:
        """Logits [N, 2K]; y is not looked at."""
        return self.real_then_fake(features)


class TwinVerdict(NamedTuple):
    """What `Twin` answers: `source` logit [N], `classes` and `twin` logits [N,K]."""

    source: Tensor
    classes: Tensor
    twin: Tensor


class Twin(Auxiliary):
    """Real or fake, which class, and the same question put to a second classifier."""

    def __init__(self, features: int, classes: int, wrap: Wrap) -> None:
        super().__init__(features, classes, wrap)
        self.twin_class_of = wrap(nn.Linear(features, classes))

    def forward(self, features: Tensor, y: Tensor | None) -> TwinVerdict:  # type: ignore[override]
        """Source logit [N] and twice class logits [N,K]; y is not looked at."""
        return TwinVerdict(*super().forward(features, y), self.twin_class_of(features))


class SourceTwoN(RealFake):
    """Real or fake, and beside it the 2K-way answer of `TwoN`."""

    labelled = True

    def __init__(self, features: int, classes: int, wrap: Wrap) -> None:
        super().__init__(features, classes, wrap)
        self.two_n = TwoN(features, classes, wrap)

    def forward(self, features: Tensor, y: Tensor | None) -> Verdict:  # type: ignore[override]
        """Source logit [N] and logits [N,2K], real classes first; y is not looked at."""
        return Verdict(super().forward(features, y), self.two_n(features, y))


class ContrastVerdict(NamedTuple):
    """What `Contrast` answers: `source` logit [N], and rows [N,E] of length 1."""

    source: Tensor
    embedding: Tensor
    """Of the image."""
    proxy: Tensor
    """Of the class y."""


class Contrast(RealFake):
    """Real or fake, and where the image and its class lie on a sphere in E dimensions.

    Args:
        features: Length F of the trunk's feature vector.
        classes: Number of classes K.
        wrap: Applied to each weighted layer; the proxies, of length 1 in any case, go without.
        embedding_dim: E; no more than F are taken.
    """

    labelled = True

    def __init__(self, features: int, classes: int, wrap: Wrap, embedding_dim: int = 512) -> None:
        super().__init__(features, classes, wrap)
        dim = min(embedding_dim, features)
        self.embed = wrap(nn.Linear(features, dim))
        self.proxies = nn.Parameter(torch.randn(classes, dim))

    @classmethod
    def joins(cls, classes: int, embedding_dim: int = 512) -> tuple[int, int]:
        """Nothing joins the trunk."""
        return 0, 0

    def forward(self, features: Tensor, y: Tensor | None) -> ContrastVerdict:  # type: ignore[override]
        """Source logit [N], embeddings [N,E] of the features and proxies [N,E] of the classes y."""
        assert y is not None, "a proxy is that of a class"
        source = super().forward(features, y)
        embedding, proxy = self.embed(features), self.of_class(self.proxies, y)
        return ContrastVerdict(source, normalize(embedding), normalize(proxy))


class DomainVerdict(NamedTuple):
    """What `Domain` answers: `source` and `domain` logits [N], and the trunk's `features` [N,F]."""

    source: Tensor
    domain: Tensor
    features: Tensor


class Domain(RealFake):
    """Real or fake; and of the domain that is being learned, or of another."""

    def __init__(self, features: int, classes: int, wrap: Wrap) -> None:
        super().__init__(features, classes, wrap)
        self.inside = wrap(nn.Linear(features, 1))

    def forward(self, features: Tensor, y: Tensor | None) -> DomainVerdict:  # type: ignore[override]
        """Source and domain logits [N], and the features [N,F] themselves."""
        source = super().forward(features, y)
        return DomainVerdict(source, self.inside(features).squeeze(1), features)


class SharedVerdict(NamedTuple):
    """What `Shared` answers: `source` logit [N], and the trunk's `features` [N,F]."""

    source: Tensor
    features: Tensor


class Shared(RealFake):
    """Real or fake; the features are handed on to a network that is not the discriminator's."""

    def forward(self, features: Tensor, y: Tensor | None) -> SharedVerdict:  # type: ignore[override]
        """Source logit [N] and the features [N,F] themselves."""
        return SharedVerdict(super().forward(features, y), features)
