"""Probability densities that the book learns: Gaussian mixtures in one and more dimensions, intervals, and their blends.

Everything here is NumPy in float64; the trainer draws its own batches from the same parameters.
Chapter: 01, 02.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, roots_legendre

from gan_edu.reading import number, numbers, probabilities, quiet

__all__ = [
    "GaussianMixture",
    "Uniform",
    "digits",
    "gaussian",
    "grid",
    "interpolates",
    "parallel_line",
    "ring",
    "swiss_roll",
    "two_modes",
]

Array = NDArray[np.float64]


def _logsumexp(terms: Array) -> Array:
    """log sum_k exp(terms_k) over the last axis: SciPy's, without its checks, in a third of the time."""
    top = terms.max(-1, keepdims=True)
    top = np.where(np.isneginf(top), 0.0, top)  # infinitely far from every component
    result: Array = np.log(np.exp(terms - top).sum(-1)) + top[..., 0]
    return result


def as_mixture(name: str, law: object, use: str) -> GaussianMixture:
    """The law, if it is a mixture; `use` says what to do where it is another."""
    if not isinstance(law, GaussianMixture):
        raise TypeError(f"{name} must be a GaussianMixture, got {type(law).__name__}; {use}")
    return law


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """Mixture of K isotropic Gaussians, p(x) = sum_k w_k N(x; mu_k, s_k^2 I).

    Args:
        means: mu, shape (K, d); a vector of K numbers is read as K means on the line.
        stds: standard deviations s > 0, shape (K,) or one number for all.
        weights: w >= 0 with sum 1, shape (K,); equal weights if left out.

    Points of a one-dimensional mixture have any shape (...); points of a d-dimensional one have shape (..., d).

    Raises:
        ValueError: a shape does not fit, a std is not positive, weights are negative or do not sum to 1, a number is not finite
            or masked.
        TypeError: something is no number.

    Example:
        >>> p = GaussianMixture([-2.0, 2.0], 0.5)
        >>> round(float(p.prob(2.0)), 6)
        0.398942

    Source: McLachlan and Peel (2000), section 1.3.
    Chapter: 01.
    """

    means: Array
    stds: Array
    weights: Array

    @quiet
    def __init__(self, means: ArrayLike, stds: ArrayLike, weights: ArrayLike | None = None) -> None:
        mu = numbers("means", means).copy()
        mu = mu.reshape(-1, 1) if mu.ndim <= 1 else mu
        if mu.ndim != 2 or mu.size == 0:
            raise ValueError(f"means must have shape (K, d) with K, d >= 1, got {mu.shape}; give one row per component")
        count = len(mu)
        s = numbers("stds", stds).copy()
        s = np.full(count, float(s)) if s.ndim == 0 else s
        w = np.full(count, 1 / count) if weights is None else numbers("weights", weights)
        for name, values in (("stds", s), ("weights", w)):
            if values.shape != (count,):
                raise ValueError(
                    f"{name} must have shape ({count},) like means, got {values.shape}; give one per component"
                )
        if not all(np.isfinite(v).all() for v in (mu, s, w)):
            raise ValueError("means, stds and weights must be finite, got NaN or infinity; remove it")
        if (s <= 0).any():
            raise ValueError(f"stds must be positive, got {s.min()}; give standard deviations, not variances or logs")
        if weights is not None:
            w = probabilities("weights", weights)
        for name, values in (("means", mu), ("stds", s), ("weights", w)):
            values.setflags(write=False)
            object.__setattr__(self, name, values)

    @property
    def dim(self) -> int:
        """Dimension d of the space."""
        return int(self.means.shape[1])

    def _points(self, x: ArrayLike) -> Array:
        points = numbers("points", x)
        if self.dim == 1:
            return points[..., None]
        if points.ndim == 0 or points.shape[-1] != self.dim:
            raise ValueError(
                f"points must have shape (..., {self.dim}), got {points.shape}; put coordinates in the last axis"
            )
        return points

    def _log_terms(self, points: Array) -> Array:
        """log(w_k N(x; mu_k, s_k)), shape (..., K)."""
        terms: Array = np.log(self.weights) - self.dim * np.log(self.stds * np.sqrt(2 * np.pi))
        for axis in range(self.dim):  # one axis at a time: a sum over a last axis of length two is slow
            terms = terms - 0.5 * ((points[..., axis, None] - self.means[:, axis]) / self.stds) ** 2
        return terms

    @quiet
    def log_prob(self, x: ArrayLike) -> Array:
        """Log-density log p(x) in nats; shape of x without the coordinate axis."""
        return _logsumexp(self._log_terms(self._points(x)))

    @quiet
    def prob(self, x: ArrayLike) -> Array:
        """Density p(x), per unit of length (area, ...); it may exceed 1."""
        return np.exp(self.log_prob(x))

    @quiet
    def score(self, x: ArrayLike) -> Array:
        """Gradient of the log-density, sum_k r_k(x) (mu_k - x) / s_k^2 with responsibilities r_k; shape of x.

        Example:
            >>> float(gaussian(1.0, 2.0).score(3.0))
            -0.5
        """
        points = self._points(x)
        terms = self._log_terms(points)
        responsibilities = np.exp(terms - _logsumexp(terms)[..., None])
        pull = (self.means - points[..., None, :]) / self.stds[:, None] ** 2
        gradient: Array = (responsibilities[..., None] * pull).sum(-2)
        return gradient[..., 0] if self.dim == 1 else gradient

    @quiet
    def cdf(self, x: ArrayLike) -> Array:
        """Distribution function P(X <= x) = sum_k w_k Phi((x - mu_k) / s_k), one-dimensional mixtures only."""
        return self._tail(x, 1.0)

    @quiet
    def sf(self, x: ArrayLike) -> Array:
        """Survival function P(X > x), without the rounding of 1 - cdf(x); one-dimensional mixtures only."""
        return self._tail(x, -1.0)

    def _tail(self, x: ArrayLike, sign: float) -> Array:
        if self.dim != 1:
            raise ValueError(
                f"cdf and sf need a one-dimensional mixture, got dimension {self.dim}; use samples instead"
            )
        result: Array = ndtr(sign * (self._points(x) - self.means[:, 0]) / self.stds) @ self.weights
        return result

    @quiet
    def smoothed(self, std: float) -> GaussianMixture:
        """Law of x + std * noise with standard normal noise: each component's variance grows by std^2.

        Raises:
            ValueError: std is negative or not finite.

        Example:
            >>> gaussian(0.0, 3.0).smoothed(4.0).stds.tolist()
            [5.0]

        Source: Arjovsky and Bottou (2017), section 3. Chapter: 05, 08.
        """
        if not 0 <= (std := number("std", std)) < np.inf:
            raise ValueError(f"the noise's std must be finite and not negative, got {std}; zero adds none")
        return GaussianMixture(self.means, np.hypot(self.stds, std), self.weights)

    @quiet
    def box(self, stds: float) -> Array:
        """Two opposite corners, shape (2, d), of the box that reaches `stds` standard deviations around every component."""
        heavy = self.weights > 0
        mu, reach = self.means[heavy], stds * self.stds[heavy, None]
        return np.stack([(mu - reach).min(0), (mu + reach).max(0)])

    @quiet
    def sample(self, n: int, *, generator: np.random.Generator | int) -> Array:
        """n independent draws, shape (n,) on the line and (n, d) otherwise; `generator` is a NumPy generator or a seed."""
        rng = np.random.default_rng(generator)
        k = rng.choice(len(self.weights), size=n, p=self.weights)
        x: Array = self.means[k] + self.stds[k, None] * rng.standard_normal((n, self.dim))
        return x[:, 0] if self.dim == 1 else x


@dataclass(frozen=True)
class Uniform:
    """Uniform law on the interval [low, high]: the simplest density whose support ends.

    Points have any shape (...). Outside the interval the density is 0 and its logarithm -inf.

    Raises:
        ValueError: the ends are not finite, or low is not below high.

    Example:
        >>> p = Uniform(0.0, 2.0)
        >>> p.prob([-1.0, 0.5]).tolist(), p.cdf(0.5).tolist()
        ([0.0, 0.5], 0.25)

    Chapter: 03, 05.
    """

    low: float = 0.0
    high: float = 1.0
    dim = 1

    @quiet
    def __post_init__(self) -> None:
        for name in ("low", "high"):
            object.__setattr__(self, name, number(name, getattr(self, name)))
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            raise ValueError(
                f"low must be below high, both finite, got [{self.low}, {self.high}]; swap or mend the ends"
            )

    @quiet
    def log_prob(self, x: ArrayLike) -> Array:
        """Log-density in nats: -log(high - low) inside, -inf outside."""
        x = numbers("points", x)
        return np.where((x >= self.low) & (x <= self.high), -np.log(self.high - self.low), -np.inf)

    @quiet
    def prob(self, x: ArrayLike) -> Array:
        """Density: 1 / (high - low) inside, 0 outside."""
        return np.exp(self.log_prob(x))

    @quiet
    def cdf(self, x: ArrayLike) -> Array:
        """Distribution function P(X <= x)."""
        return np.clip((numbers("points", x) - self.low) / (self.high - self.low), 0, 1)

    @quiet
    def sf(self, x: ArrayLike) -> Array:
        """Survival function P(X > x)."""
        return np.clip((self.high - numbers("points", x)) / (self.high - self.low), 0, 1)

    @quiet
    def box(self, stds: float) -> Array:
        """The ends of the interval, shape (2, 1); there is nothing beyond them, however many stds one looks."""
        return np.array([[self.low], [self.high]])

    @quiet
    def sample(self, n: int, *, generator: np.random.Generator | int) -> Array:
        """n independent draws, shape (n,); `generator` is a NumPy generator or a seed."""
        return np.random.default_rng(generator).uniform(self.low, self.high, n)


@quiet
def gaussian(mean: ArrayLike = 0.0, std: float = 1.0) -> GaussianMixture:
    """One isotropic Gaussian N(mean, std^2 I); a number for `mean` puts it on the line, a vector in the plane or beyond.

    Example:
        >>> round(float(gaussian(0.0, 0.1).prob(0.0)), 6)
        3.989423
    """
    return GaussianMixture(np.atleast_1d(numbers("mean", mean))[None, :], std)


@quiet
def two_modes(separation: float = 4.0, std: float = 0.5, weight: float = 0.5) -> GaussianMixture:
    """Two Gaussians on the line at -separation/2 and +separation/2.

    Args:
        separation: distance of the means.
        std: standard deviation of both.
        weight: mass of the left one.

    Example:
        >>> two_modes(4.0).means.ravel().tolist()
        [-2.0, 2.0]

    Chapter: 01.
    """
    return GaussianMixture([-separation / 2, separation / 2], std, [weight, 1 - weight])


@quiet
def ring(modes: int = 8, radius: float = 2.0, std: float = 0.02) -> GaussianMixture:
    """`modes` equal Gaussians evenly spaced on a circle, the first at (radius, 0).

    Args:
        modes: number of Gaussians.
        radius: of the circle.
        std: standard deviation of each.

    Example:
        >>> ring(4).means.round(6).tolist()
        [[2.0, 0.0], [0.0, 2.0], [-2.0, 0.0], [-0.0, -2.0]]

    Source: Metz et al. (2017) have 8 modes; radius 2 and std 0.02 as in the toy script of Gulrajani et al. (2017). Chapter: 01.
    """
    angle = 2 * np.pi * np.arange(modes) / modes
    return GaussianMixture(radius * np.stack([np.cos(angle), np.sin(angle)], -1), std)


@quiet
def grid(side: int = 5, spacing: float = 2.0, std: float = 0.05) -> GaussianMixture:
    """side x side equal Gaussians on a square lattice centred at the origin.

    Args:
        side: number of Gaussians along each axis.
        spacing: distance of neighbours.
        std: standard deviation of each.

    Example:
        >>> grid(2).means.tolist()
        [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]

    Source: Srivastava et al. (2017), with 25 modes. Chapter: 06.
    """
    ticks = spacing * (np.arange(side) - (side - 1) / 2)
    return GaussianMixture(np.stack(np.meshgrid(ticks, ticks, indexing="ij"), -1).reshape(-1, 2), std)


@quiet
def parallel_line(theta: float, n: int, *, generator: np.random.Generator | int) -> Array:
    """n points on the segment {theta} x [0, 1], shape (n, 2): a law without a density in the plane.

    Example:
        >>> parallel_line(0.5, 3, generator=0)[:, 0].tolist()
        [0.5, 0.5, 0.5]

    Source: Arjovsky et al. (2017), example 1. Chapter: 08.
    """
    return np.column_stack([np.full(n, float(theta)), np.random.default_rng(generator).uniform(size=n)])


@quiet
def swiss_roll(n: int, noise: float = 0.25, *, generator: np.random.Generator | int) -> Array:
    """n points of a spiral in the plane, shape (n, 2), scaled to about [-2, 2]; `noise` is a std before the scaling.

    Example:
        >>> swiss_roll(5, generator=0).shape
        (5, 2)

    Source: Gulrajani et al. (2017), figure 1a, from scikit-learn's make_swiss_roll divided by 7.5. Chapter: 09.
    """
    from sklearn.datasets import make_swiss_roll

    seed = int(np.random.default_rng(generator).integers(2**31))
    points: Array = make_swiss_roll(n, noise=noise, random_state=seed)[0][:, [0, 2]] / 7.5
    return points


def digits() -> tuple[Array, NDArray[np.int64]]:
    """The 1797 handwritten digits that scikit-learn ships, 8 x 8 pixels in [-1, 1], shape (1797, 64), and their labels.

    Example:
        >>> images, labels = digits()
        >>> images.shape, float(images.min()), float(images.max()), labels[:4].tolist()
        ((1797, 64), -1.0, 1.0, [0, 1, 2, 3])

    Source: Alpaydin and Kaynak (1998). Chapter: 12, 13.
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return np.asarray(images / 8 - 1), np.asarray(labels)


@quiet
def interpolates(p_data: GaussianMixture, p_g: GaussianMixture) -> GaussianMixture:
    """Law of x_hat = eps x + (1 - eps) y with x ~ p_data, y ~ p_g and eps ~ U(0, 1) independent: where WGAN-GP penalises.

    Given eps, x_hat is a mixture of the Gaussians N(eps mu_j + (1 - eps) mu_k, eps^2 s_j^2 + (1 - eps)^2 s_k^2). The
    mean over eps is taken by Gauss-Legendre nodes, close enough that neighbouring Gaussians overlap: expectations of
    smooth functions and of gradient penalties are right to 1e-8.

    Raises:
        ValueError: the dimensions differ, or the components are so narrow that more than 20000 Gaussians would be needed.
        TypeError: a law is not a GaussianMixture.

    Example:
        >>> x_hat = interpolates(gaussian(0.0), gaussian(4.0, 0.5))
        >>> round(float(x_hat.weights @ x_hat.means[:, 0]), 9)
        2.0

    Source: Gulrajani et al. (2017), section 4. Chapter: 11.
    """
    for name, law in (("p_data", p_data), ("p_g", p_g)):
        as_mixture(name, law, "interpolate samples of other laws: eps * x + (1 - eps) * y")
    if p_data.dim != p_g.dim:
        raise ValueError(f"both densities must have the same dimension, got {p_data.dim} and {p_g.dim}; change one")
    j, k = (index.ravel() for index in np.indices((len(p_data.weights), len(p_g.weights))))
    narrowest = (p_data.stds[j] * p_g.stds[k] / np.hypot(p_data.stds[j], p_g.stds[k])).min()
    travel = np.linalg.norm(p_data.means[j] - p_g.means[k], axis=-1).max()
    nodes = int(40 + 3 * travel / narrowest)
    if nodes * len(j) > 20_000:
        raise ValueError(
            f"the components must not be narrow beside their distance, got std {narrowest:.3g} for distance {travel:.3g}; "
            "average over samples instead"
        )
    node, weight = roots_legendre(nodes)
    eps = (node[:, None] + 1) / 2
    means = eps[..., None] * p_data.means[j] + (1 - eps[..., None]) * p_g.means[k]
    stds = np.hypot(eps * p_data.stds[j], (1 - eps) * p_g.stds[k])
    weights = weight[:, None] / 2 * p_data.weights[j] * p_g.weights[k]
    return GaussianMixture(means.reshape(-1, p_data.dim), stds.ravel(), weights.ravel() / weights.sum())
