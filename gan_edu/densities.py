"""Probability densities that the book learns: Gaussian mixtures in one and more dimensions.

Everything here is NumPy in float64; the trainer draws its own batches from the same parameters.
Chapter: 01, 02.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp, ndtr

__all__ = ["GaussianMixture", "gaussian", "grid", "ring", "two_modes"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """Mixture of K isotropic Gaussians, p(x) = sum_k w_k N(x; mu_k, s_k^2 I).

    Args:
        means: mu, shape (K, d); a vector of K numbers is read as K means on the line.
        stds: standard deviations s > 0, shape (K,) or one number for all.
        weights: w >= 0 with sum 1, shape (K,); equal weights if left out.

    Points of a one-dimensional mixture have any shape (...); points of a d-dimensional one have shape (..., d).

    Raises:
        ValueError: a shape does not fit, a std is not positive, weights are negative or do not sum to 1, a number is not finite.

    Example:
        >>> p = GaussianMixture([-2.0, 2.0], 0.5)
        >>> round(float(p.prob(2.0)), 6)
        0.398942

    Source: McLachlan and Peel (2000), section 1.2.
    Chapter: 01.
    """

    means: Array
    stds: Array
    weights: Array

    def __init__(self, means: ArrayLike, stds: ArrayLike, weights: ArrayLike | None = None) -> None:
        mu = np.array(means, dtype=np.float64)
        mu = mu.reshape(-1, 1) if mu.ndim <= 1 else mu
        if mu.ndim != 2 or mu.size == 0:
            raise ValueError(f"means must have shape (K, d) with K, d >= 1, got {mu.shape}; give one row per component")
        count = len(mu)
        s = np.array(stds, dtype=np.float64)
        s = np.full(count, float(s)) if s.ndim == 0 else s
        w = np.full(count, 1 / count) if weights is None else np.array(weights, dtype=np.float64)
        for name, values in (("stds", s), ("weights", w)):
            if values.shape != (count,):
                raise ValueError(
                    f"{name} must have shape ({count},) like means, got {values.shape}; give one per component"
                )
        if not all(np.isfinite(v).all() for v in (mu, s, w)):
            raise ValueError("means, stds and weights must be finite, got NaN or infinity; remove it")
        if (s <= 0).any():
            raise ValueError(f"stds must be positive, got {s.min()}; give standard deviations, not variances or logs")
        if (w < 0).any() or abs(w.sum() - 1) > 1e-9:
            raise ValueError(
                f"weights must be non-negative and sum to 1, got {w.tolist()} (sum {w.sum():.6g}); divide by the sum"
            )
        for name, values in (("means", mu), ("stds", s), ("weights", w)):
            values.setflags(write=False)
            object.__setattr__(self, name, values)

    @property
    def dim(self) -> int:
        """Dimension d of the space."""
        return int(self.means.shape[1])

    def _points(self, x: ArrayLike) -> Array:
        points = np.asarray(x, dtype=np.float64)
        if self.dim == 1:
            return points[..., None]
        if points.ndim == 0 or points.shape[-1] != self.dim:
            raise ValueError(
                f"points must have shape (..., {self.dim}), got {points.shape}; put coordinates in the last axis"
            )
        return points

    def _log_terms(self, points: Array) -> Array:
        """log(w_k N(x; mu_k, s_k)), shape (..., K)."""
        z2 = (((points[..., None, :] - self.means) / self.stds[:, None]) ** 2).sum(-1)
        with np.errstate(divide="ignore"):
            log_w = np.log(self.weights)
        result: Array = log_w - 0.5 * z2 - self.dim * np.log(self.stds * np.sqrt(2 * np.pi))
        return result

    def log_prob(self, x: ArrayLike) -> Array:
        """Log-density log p(x) in nats; shape of x without the coordinate axis."""
        return np.asarray(logsumexp(self._log_terms(self._points(x)), axis=-1))

    def prob(self, x: ArrayLike) -> Array:
        """Density p(x), per unit of length (area, ...); it may exceed 1."""
        return np.exp(self.log_prob(x))

    def score(self, x: ArrayLike) -> Array:
        """Gradient of the log-density, sum_k r_k(x) (mu_k - x) / s_k^2 with responsibilities r_k; shape of x.

        Example:
            >>> float(gaussian(1.0, 2.0).score(3.0))
            -0.5
        """
        points = self._points(x)
        terms = self._log_terms(points)
        responsibilities = np.exp(terms - logsumexp(terms, axis=-1, keepdims=True))
        pull = (self.means - points[..., None, :]) / self.stds[:, None] ** 2
        gradient: Array = (responsibilities[..., None] * pull).sum(-2)
        return gradient[..., 0] if self.dim == 1 else gradient

    def cdf(self, x: ArrayLike) -> Array:
        """Distribution function P(X <= x) = sum_k w_k Phi((x - mu_k) / s_k), one-dimensional mixtures only."""
        if self.dim != 1:
            raise ValueError(f"cdf needs a one-dimensional mixture, got dimension {self.dim}; use samples instead")
        result: Array = (self.weights * ndtr((self._points(x) - self.means[:, 0]) / self.stds)).sum(-1)
        return result

    def sample(self, n: int, *, generator: np.random.Generator | int) -> Array:
        """n independent draws, shape (n,) on the line and (n, d) otherwise; `generator` is a NumPy generator or a seed."""
        rng = np.random.default_rng(generator)
        k = rng.choice(len(self.weights), size=n, p=self.weights)
        x: Array = self.means[k] + self.stds[k, None] * rng.standard_normal((n, self.dim))
        return x[:, 0] if self.dim == 1 else x


def gaussian(mean: ArrayLike = 0.0, std: float = 1.0) -> GaussianMixture:
    """One isotropic Gaussian N(mean, std^2 I); a number for `mean` puts it on the line, a vector in the plane or beyond.

    Example:
        >>> round(float(gaussian(0.0, 0.1).prob(0.0)), 6)
        3.989423
    """
    return GaussianMixture(np.atleast_1d(np.asarray(mean, dtype=np.float64))[None, :], std)


def two_modes(separation: float = 4.0, std: float = 0.5, weight: float = 0.5) -> GaussianMixture:
    """Two Gaussians on the line at -separation/2 and +separation/2; `weight` is the mass of the left one."""
    return GaussianMixture([-separation / 2, separation / 2], std, [weight, 1 - weight])


def ring(modes: int = 8, radius: float = 2.0, std: float = 0.02) -> GaussianMixture:
    """`modes` equal Gaussians evenly spaced on a circle, the first at (radius, 0)."""
    angle = 2 * np.pi * np.arange(modes) / modes
    return GaussianMixture(radius * np.stack([np.cos(angle), np.sin(angle)], -1), std)


def grid(side: int = 5, spacing: float = 2.0, std: float = 0.05) -> GaussianMixture:
    """side x side equal Gaussians on a square lattice centred at the origin."""
    ticks = spacing * (np.arange(side) - (side - 1) / 2)
    return GaussianMixture(np.stack(np.meshgrid(ticks, ticks, indexing="ij"), -1).reshape(-1, 2), std)
