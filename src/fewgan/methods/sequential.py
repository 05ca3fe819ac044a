"""sequential (keep learning): fine-tune on each experience, with nothing held: the lower bound.

Every strategy must do better than this one. With one class an experience, all classes but the last
are gone at the end, so that of K classes a judge finds 1/K of the images right. Called SFT in Wu et
al., "Memory Replay GANs", NeurIPS 2018.
"""

from fewgan.methods.strategy import Strategy, StrategySettings


class SequentialSettings(StrategySettings):
    """Settings of `sequential`: those of the wrapped GAN."""


class Sequential(Strategy):
    """The wrapped GAN, trained on one experience after another."""

    name = "sequential"
    Own = SequentialSettings
    labelled = False
    taught = False
