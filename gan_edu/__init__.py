"""gan_edu: the small package behind the book "GANs You Can Run". Theory in float64, training in ensembles."""

from gan_edu.densities import GaussianMixture, gaussian, grid, ring, two_modes
from gan_edu.divergences import (
    binned,
    cross_entropy,
    expectation,
    js,
    kl,
    optimal_discriminator,
    total_variation,
    value,
)

__version__ = "0.1.0"
__all__ = [
    "GAMES",
    "Ensemble",
    "Game",
    "GaussianMixture",
    "Run",
    "TrainConfig",
    "binned",
    "cross_entropy",
    "expectation",
    "gaussian",
    "grid",
    "js",
    "kl",
    "optimal_discriminator",
    "ring",
    "total_variation",
    "train",
    "two_modes",
    "value",
]
_LAZY = {
    "GAMES": "games",
    "Game": "games",
    "Ensemble": "networks",
    "Run": "training",
    "TrainConfig": "training",
    "train": "training",
}


def __getattr__(name: str) -> object:
    # The mathematics loads without torch; the trainer is imported when it is asked for.
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"gan_edu.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'gan_edu' has no attribute {name!r}")
