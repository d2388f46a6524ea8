"""gan_edu: the small package behind the book "GANs You Can Run". Theory in float64, training in ensembles."""

from gan_edu.densities import (
    GaussianMixture,
    Uniform,
    digits,
    gaussian,
    grid,
    interpolates,
    parallel_line,
    ring,
    swiss_roll,
    two_modes,
)
from gan_edu.divergences import (
    binned,
    cross_entropy,
    fit_gaussian,
    js,
    kl,
    kl_gaussians,
    optimal_discriminator,
    total_variation,
    value,
)
from gan_edu.evaluation import (
    interval,
    mode_coverage,
    nearest_neighbours,
    null_coverage,
    parzen_log_likelihood,
    sample_js,
    sample_w1,
)
from gan_edu.quadrature import expectation

# Not lazily: this import binds `gan_edu.transport` to the function, after Python has bound it to the module of that name.
from gan_edu.transport import optimal_critic, transport, wasserstein1

__version__ = "0.2.0"
# What needs torch: the mathematics loads without it, these are imported when they are asked for. So are the slow parts
# of SciPy (statistics, optimisation, sparse matrices), which SciPy itself loads at their first use, `scipy.stats.binom`.
_LAZY = {
    "bilinear": "dynamics",
    "dirac_gan": "dynamics",
    "jacobian_eigenvalues": "dynamics",
    "simulate": "dynamics",
    "GAMES": "games",
    "PENALTIES": "games",
    "Game": "games",
    "generator_gradient": "games",
    "gradient_penalty": "games",
    "clip_bound": "lipschitz",
    "gradient_norms": "lipschitz",
    "lipschitz_lower_bound": "lipschitz",
    "relu_lipschitz": "lipschitz",
    "secant_slopes": "lipschitz",
    "spectral_bound": "lipschitz",
    "Ensemble": "networks",
    "Run": "training",
    "PRESETS": "training",
    "TrainConfig": "training",
    "sweep": "training",
    "train": "training",
}
__all__ = [
    "GaussianMixture",
    "Uniform",
    "binned",
    "cross_entropy",
    "digits",
    "expectation",
    "fit_gaussian",
    "gaussian",
    "grid",
    "interpolates",
    "interval",
    "js",
    "kl",
    "kl_gaussians",
    "mode_coverage",
    "nearest_neighbours",
    "null_coverage",
    "optimal_critic",
    "optimal_discriminator",
    "parallel_line",
    "parzen_log_likelihood",
    "ring",
    "sample_js",
    "sample_w1",
    "swiss_roll",
    "total_variation",
    "transport",
    "two_modes",
    "value",
    "wasserstein1",
    *_LAZY,
]


def __getattr__(name: str) -> object:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"gan_edu.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'gan_edu' has no attribute {name!r}")
