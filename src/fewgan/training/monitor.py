"""Looking after a run: the figure that picks the best checkpoint, and the collapse alarm.

Neither sees a test image. The figure is the KID between samples of the averaged generator and
training images, in the features of a fixed random network (Naeem et al. 2020 argue for random
embeddings where no pre-trained one fits). The alarm compares the variety inside each class of a
fixed batch of latents with that of real images: one image a class is the quiet failure of
conditional GANs, and neither accuracy nor the losses show it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fewgan.data.imageset import ImageSet, to_bytes
from fewgan.metrics.diversity import diversity_ratio, in_class_diversity
from fewgan.metrics.extractors import random_extractor
from fewgan.metrics.kid import kid, kid_error

COLLAPSED = 0.35  # share of the real in-class diversity under which a class counts as collapsed
SPARED = 0.2  # share of the budget in which a young generator is not yet judged
EXPLODED = 1e4  # absolute value of a loss above which it counts as exploded


@dataclass(frozen=True)
class Check:
    """What a check found.

    Attributes:
        kid: Unbiased KID against training images; lower is better.
        kid_error: Its standard error over the draw of latents.
        diversity: Mean over classes of generated over real in-class diversity.
        diversity_min: The same ratio for the worst class.
        alarm: What is wrong, in words, or None.
    """

    kid: float
    kid_error: float
    diversity: float
    diversity_min: float
    alarm: str | None


class Monitor:
    """Checks a sampler against the training images.

    Args:
        images: Training images; labels as the model counts them.
        sampler: An untrained or trained sampler, for its latents only.
        n: Number of images to generate, and at most to compare with.
        seed: Seed of the fixed latents and of the choice of real images.
    """

    def __init__(self, images: ImageSet, sampler: nn.Module, n: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.device = images.images.device
        self.classes = max(1, int(sampler.classes))  # type: ignore[arg-type]
        self.names = images.class_names
        # Only classes with images here: of the others there is nothing to compare with.
        present = images.labels.clamp(min=0).unique().cpu() if self.classes > 1 else torch.zeros(1)
        self.labels = present.long()[torch.arange(n) % len(present)]
        self.latents = sampler.latents(self.labels, generator)  # type: ignore[operator]
        self.extractor = random_extractor(images.channels).to(self.device)
        chosen = torch.randperm(len(images), generator=generator)[:n].to(self.device)
        real = images.take(chosen)
        self.real = self.extractor.features(real.images)
        real_labels = real.labels if self.classes > 1 else torch.zeros_like(real.labels)
        self.real_diversity = in_class_diversity(self.real, real_labels, self.classes)
        if len(real) == 1:  # KID asks for two; a spread that is none moves it by a constant
            self.real = self.real.expand(2, -1)

    @torch.no_grad()
    def generate(self, sampler: nn.Module, batch: int = 256) -> Tensor:
        """Images uint8 [n,C,H,W] of the fixed latents."""
        parts = zip(self.latents.split(batch), self.labels.split(batch), strict=True)
        return torch.cat(
            [to_bytes(sampler(z.to(self.device), y.to(self.device))) for z, y in parts]
        )

    def check(self, sampler: nn.Module, progress: float) -> Check:
        """Judge a sampler, `progress` in [0, 1] being the share of the budget that is spent."""
        features = self.extractor.features(self.generate(sampler))
        diversity = in_class_diversity(features, self.labels, self.classes)
        ratio = diversity_ratio(diversity, self.real_diversity)
        # A class with one real image has no variety to compare with.
        ratio = ratio[ratio.isfinite()] if ratio.isfinite().any() else torch.ones(1)
        worst = float(ratio.min())
        alarm = None
        if worst < COLLAPSED and progress >= SPARED:
            low = int((ratio < COLLAPSED).sum())
            alarm = (
                f"collapse: {low} of {len(ratio)} classes have under {COLLAPSED:.0%} of the "
                f"variety of real images (worst {worst:.0%})"
            )
        distance, error = kid(features, self.real), kid_error(features, self.real)
        return Check(distance, error, float(ratio.mean()), worst, alarm)


@dataclass(frozen=True)
class Best:
    """The check that the best checkpoint comes from.

    Attributes:
        step: Its step.
        kid: Its figure.
        lowest: The lowest figure so far, which may be an earlier check's.
    """

    step: int
    kid: float
    lowest: float


def better(best: Best | None, step: int, check: Check) -> Best | None:
    """The new best if a check is one, else None.

    The rule of one standard error (Breiman et al. 1984): near the end figures differ by no more
    than the luck of the draw, and of checks that cannot be told from the lowest the latest has
    learned most. A check with an alarm never takes the place of another.
    """
    if best is None:
        return Best(step, check.kid, check.kid)
    if check.alarm or not check.kid <= best.lowest + check.kid_error:
        return None
    return Best(step, check.kid, min(check.kid, best.lowest))


def loss_alarm(values: dict[str, float]) -> str | None:
    """What is wrong with these losses, in words, or None."""
    for name, value in values.items():
        if not abs(value) < float("inf"):
            return f"loss {name} is {value}"
        if abs(value) > EXPLODED:
            return f"loss {name} has exploded to {value:.3g}"
    return None
