"""joint (keep learning): all experiences at once: the upper bound of every strategy.

It is shown all images of the stream for as many steps as the others have in all. No strategy may
look at earlier images again, so this is no competitor: it says what the same networks reach when
nothing has to be remembered. Called JT in Wu et al., "Memory Replay GANs", NeurIPS 2018.
"""

from fewgan.methods.strategy import Strategy, StrategySettings


class JointSettings(StrategySettings):
    """Settings of `joint`: those of the wrapped GAN."""


class Joint(Strategy):
    """The wrapped GAN, trained on the images of all experiences together."""

    name = "joint"
    Own = JointSettings
    labelled = False
    taught = False
    together = True
