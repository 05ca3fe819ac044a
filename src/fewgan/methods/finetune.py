"""finetune (adapt): go on training on the few images, with nothing held: the lower bound.

Wang, Wu, Herranz, van de Weijer, Gonzalez-Garcia & Raducanu, "Transferring GANs: generating images
from limited data", ECCV 2018 (TGAN). Generator and discriminator begin at the source's weights, and
play its game on the target:

    D descends  -E log D(x) - E log(1 - D(G(z)))
    G descends  -E log D(G(z))

With ten images the discriminator soon knows each by heart, and the generator draws nothing else:
watch the variety and the copies, and stop early.
"""

from fewgan.methods.adaptation import Adaptation, AdaptationSettings


class FinetuneSettings(AdaptationSettings):
    """Settings of `finetune`: those of the game."""


class Finetune(Adaptation):
    """The game, gone on with."""

    name = "finetune"
    Settings = FinetuneSettings
