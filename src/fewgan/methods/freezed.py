"""freezed (adapt): fine-tune, with the first stages of the discriminator frozen.

Mo, Cho & Shin, "Freeze the discriminator: a simple baseline for fine-tuning GANs", CVPR workshops
2020. The first stages of a discriminator see edges and textures, which any domain has; only what
lies behind them learns what the target is:

    D(x) = head(stage_n( ... stage_{k+1}( frozen_k( ... frozen_1(x)))))

The generator is trained whole. It is fine-tuning with fewer ways to learn ten images by heart.
"""

from pydantic import Field

from fewgan.errors import InputError
from fewgan.methods.adaptation import Adaptation, AdaptationSettings
from fewgan.networks.build import ImageSpec


class FreezeDSettings(AdaptationSettings):
    """Settings of `freezed`: how much is frozen."""

    frozen: int = Field(2, ge=0)
    """Stages of the discriminator, counted from the image, that keep the source's weights."""


class FreezeD(Adaptation):
    """The game, against a discriminator whose first stages stay as they were."""

    name = "freezed"
    Settings = FreezeDSettings

    def __init__(self, settings: FreezeDSettings, spec: ImageSpec) -> None:
        super().__init__(settings, spec)
        stages = self.discriminator.trunk.stages
        if settings.frozen > len(stages):
            raise InputError(
                f"the discriminator has {len(stages)} stages, {settings.frozen} cannot be frozen: "
                f"give --frozen {len(stages) - 1} or less"
            )
        stages[: settings.frozen].requires_grad_(False)
