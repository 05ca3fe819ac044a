"""jtr+ra (keep learning): both memories at once: earlier images are replayed, and held in place.

Joint training with replay keeps the category and lets instances drift; replay alignment keeps the
instance, and its discriminator forgets what earlier classes look like. Together the discriminator
judges all classes, and the generator is held to what it drew (both: Wu et al., "Memory Replay
GANs", NeurIPS 2018, sections 3.3 and 3.4; their sum is ours):

    G descends  L_GAN(present and replayed) + W E ||G(z, c) - G'(z, c)||^2 / pixels
"""

from fewgan.methods.mergan_jtr import MerganJTR, MerganJTRSettings
from fewgan.methods.mergan_ra import MerganRA, MerganRASettings
from fewgan.methods.strategy import Balance


class JTRRASettings(MerganJTRSettings, MerganRASettings):
    """Settings of `jtr+ra`: those of replay, and those of alignment."""

    balance: Balance = "task"
    """Equal shares for all classes seen so far, or half for the present ones: earlier ones are held
    in place already, and what is new must be learned in one experience."""


class JTRRA(MerganJTR, MerganRA):
    """The wrapped GAN, fed with replays and held to its teacher's images."""

    name = "jtr+ra"
    Own = JTRRASettings
