"""Train a GAN, or rather `members` of them at once, and keep what figures and statistics need.

`algorithm` is algorithm 1 itself; `settings` holds what can be set, `batches` what a step draws, `run` what a training
leaves behind, `loop` the training, and `sweeps` many of them.
Chapter: 01 (algorithm 1, line by line), 02 (a discriminator alone).
"""

from gan_edu.training.loop import train
from gan_edu.training.run import Run
from gan_edu.training.settings import PRESETS, TrainConfig
from gan_edu.training.sweeps import sweep

__all__ = ["PRESETS", "Run", "TrainConfig", "sweep", "train"]
