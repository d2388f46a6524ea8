"""Distances between distributions, the GAN value function and its optimal discriminator, exact up to quadrature.

A distribution is a `GaussianMixture` (in one or two dimensions) or a vector of probabilities. Logarithms are natural.
Chapter: 01, 02, 03.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, rel_entr

from gan_edu.densities import GaussianMixture

__all__ = [
    "OptimalDiscriminator",
    "binned",
    "cross_entropy",
    "expectation",
    "js",
    "kl",
    "optimal_discriminator",
    "total_variation",
    "value",
]

Array = NDArray[np.float64]
Law = GaussianMixture | ArrayLike
Function = Callable[[Array], ArrayLike]
LOG2 = float(np.log(2))
# Cells are cut at these multiples of each component's std, so that no narrow component hides inside a wide cell.
CUTS = {1: np.array([0, 1, 2, 3, 4.5, 6, 8, 10, 14, 20, 38.0]), 2: np.array([0, 1.5, 3, 5, 8, 14.0])}
NODES = {1: 12, 2: 7}
TOLERANCE = {1: 1e-12, 2: 1e-8}


def _edges(laws: tuple[GaussianMixture, ...], cover: GaussianMixture, stds: float | None = None) -> list[Array]:
    """Cell edges along each axis: cuts around every component, inside a box that reaches `stds` beyond those of `cover`."""
    dim = cover.dim
    cuts = np.concatenate([-CUTS[dim][:0:-1], CUTS[dim]])
    result = []
    for axis in range(dim):
        heavy = cover.weights > 0
        reach = (stds or CUTS[dim][-1]) * cover.stds[heavy]
        low, high = (cover.means[heavy, axis] - reach).min(), (cover.means[heavy, axis] + reach).max()
        points = np.concatenate([(p.means[:, axis, None] + p.stds[:, None] * cuts).ravel() for p in laws])
        edges = np.unique(np.concatenate([[low, high], points[(points > low) & (points < high)]]))
        # Two edges closer than rounding would make a cell without inner points.
        result.append(edges[np.concatenate([[True], np.diff(edges) > 1e-13 * np.abs(edges[1:])])])
    return result


def _integrate(f: Function, edges: list[Array]) -> float:
    """Integral of f over a box by adaptive Gauss-Legendre cells; a cell is halved until its halves agree with it."""
    dim = len(edges)
    node, weight = np.polynomial.legendre.leggauss(NODES[dim])
    nodes = np.stack(np.meshgrid(*[(node + 1) / 2] * dim, indexing="ij"), -1).reshape(-1, dim)
    weights = np.prod(np.meshgrid(*[weight / 2] * dim, indexing="ij"), axis=0).ravel()
    halves = np.stack(np.meshgrid(*[[0, 0.5]] * dim, indexing="ij"), -1).reshape(-1, dim)

    def estimate(low: Array, size: Array) -> Array:
        points = low[:, None] + size[:, None] * nodes
        values = np.broadcast_to(
            np.asarray(f(points[..., 0] if dim == 1 else points), dtype=np.float64), points.shape[:2]
        )
        return np.asarray((values @ weights) * size.prod(-1))

    low = np.stack(np.meshgrid(*[e[:-1] for e in edges], indexing="ij"), -1).reshape(-1, dim)
    size = np.stack(np.meshgrid(*[np.diff(e) for e in edges], indexing="ij"), -1).reshape(-1, dim)
    coarse, total = estimate(low, size), 0.0
    for _ in range(60):
        parts_low = (low[:, None] + halves * size[:, None]).reshape(-1, dim)
        parts_size = np.repeat(size / 2, len(halves), axis=0)
        fine = estimate(parts_low, parts_size).reshape(len(low), -1)
        if not np.isfinite(fine).all():
            return float(np.sum(fine) + total)
        scale = max(1.0, abs(total + fine.sum()))
        open_ = np.abs(fine.sum(1) - coarse) > TOLERANCE[dim] * scale
        total += float(fine[~open_].sum())
        if not open_.any():
            return total
        pick = np.repeat(open_, len(halves))
        low, size, coarse = parts_low[pick], parts_size[pick], fine[open_].ravel()
        if len(low) > 400_000:
            break
    raise ValueError("the integral did not settle: the function is too rough for its scale; smooth it or use samples")


def _pair(p: Law, q: Law) -> tuple[GaussianMixture, GaussianMixture] | tuple[Array, Array]:
    """Both laws, checked to be of one kind."""
    if isinstance(p, GaussianMixture) and isinstance(q, GaussianMixture):
        if p.dim != q.dim or p.dim > 2:
            raise ValueError(
                f"both densities must have the same dimension, 1 or 2, got {p.dim} and {q.dim}; change one"
            )
        return p, q
    if isinstance(p, GaussianMixture) or isinstance(q, GaussianMixture):
        raise ValueError(
            "both laws must be of one kind, got a density and a vector; use binned(density, edges) for the density"
        )
    vectors = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    for v in vectors:
        if v.ndim != 1 or v.shape != vectors[0].shape or v.size == 0:
            raise ValueError(
                f"probability vectors must have one shape (n,), got {vectors[0].shape} and {vectors[1].shape}; align them"
            )
        if not np.isfinite(v).all() or (v < 0).any() or abs(v.sum() - 1) > 1e-9:
            raise ValueError(
                f"probabilities must be finite, non-negative and sum to 1, got sum {v.sum():.6g}; divide by the sum"
            )
    return vectors


def expectation(p: Law, f: Function | ArrayLike, *, near: tuple[GaussianMixture, ...] = ()) -> float:
    """Expectation E_{x ~ p}[f(x)] = int p(x) f(x) dx by adaptive quadrature (1-D: 1e-10, 2-D: 1e-6 of max(1, |value|)).

    Args:
        p: a density, or a probability vector; then `f` is the vector of values.
        f: function of an array of points, (...) on the line and (..., 2) in the plane.
        near: densities that f is made of. Cells are cut around their components, too: nobody else could know that
            f has a narrow bump there.

    Raises:
        ValueError: f returns NaN where p has mass, outgrows the tails of p, or the integral does not settle.

    Example:
        >>> from gan_edu.densities import gaussian
        >>> round(expectation(gaussian(1.0, 2.0), lambda x: x**2), 9)
        5.0

    Chapter: 01.
    """
    if not isinstance(p, GaussianMixture):
        if callable(f):
            raise ValueError(
                "f must be the vector of values for a probability vector, got a function; call it on the points"
            )
        p_vector, values = np.asarray(_pair(p, p)[0], dtype=np.float64), np.asarray(f, dtype=np.float64)
        if values.shape not in ((), p_vector.shape) or np.isnan(values).any():
            raise ValueError(
                f"f must be one number per entry of p, {p_vector.shape}, without NaN, got {values.shape}; align them"
            )
        with np.errstate(invalid="ignore"):
            return float(np.where(p_vector > 0, p_vector * values, 0.0).sum())
    if p.dim > 2:
        raise ValueError(f"quadrature needs dimension 1 or 2, got {p.dim}; average over p.sample(...) instead")
    if not callable(f):
        raise ValueError("f must be a function of x for a density, got numbers; wrap them in a lambda")

    def integrand(x: Array) -> Array:
        density = p.prob(x)
        values = np.broadcast_to(np.asarray(f(x), dtype=np.float64), density.shape)
        if np.isnan(values[density > 0]).any():
            raise ValueError("f(x) must be a number wherever p has mass, got NaN; check f outside the range you drew")
        with np.errstate(invalid="ignore"):
            return np.where(density > 0, density * values, 0.0)

    # Just as far out as it matters: a D that was computed without logits rounds to 0 or 1 in the far tails.
    for stds in (9, 14, 38):
        edges = _edges((p, *near), p, stds)
        if p.dim == 2 or np.abs(integrand(np.array([edges[0][0], edges[0][-1]]))).max() < 1e-14:
            return _integrate(integrand, edges)
    if np.isinf(inner := _integrate(integrand, _edges((p, *near), p, 6))):
        return inner
    raise ValueError(
        "f(x) must stay finite and not outgrow the tails of p, but p f is not small far out; "
        "if f is a logarithm of a rounded D, give D a `logit`"
    )


def cross_entropy(p: Law, q: Law) -> float:
    """Cross-entropy H(p, q) = -E_p[log q] in nats (differential for densities); H(p, p) is the entropy of p.

    Example:
        >>> round(cross_entropy([0.5, 0.5], [0.9, 0.1]), 6)
        1.203973

    Source: Cover and Thomas (2006), chapter 2. Chapter: 01.
    """
    first, second = _pair(p, q)
    if isinstance(first, GaussianMixture) and isinstance(second, GaussianMixture):
        return _integrate(lambda x: -first.prob(x) * second.log_prob(x), _edges((first, second), first))
    with np.errstate(divide="ignore"):
        return expectation(first, -np.log(np.asarray(second, dtype=np.float64)))


def kl(p: Law, q: Law) -> float:
    """Kullback-Leibler divergence KL(p || q) = E_p[log(p / q)] in nats; inf where p has mass and q has none.

    Args:
        p: a mixture in one or two dimensions, or a probability vector.
        q: the same kind as `p`.

    Returns:
        nats, >= 0; 1-D to 1e-9, 2-D to 1e-5 of max(1, value).

    Raises:
        ValueError: the laws are of different kinds or dimensions, or a vector is not a probability vector.

    Example:
        >>> from gan_edu.densities import gaussian
        >>> round(kl(gaussian(0.0), gaussian(1.5)), 9)
        1.125
        >>> kl([0.5, 0.5, 0.0], [0.5, 0.0, 0.5])
        inf

    Source: Kullback and Leibler (1951). Chapter: 01, 03.
    """
    first, second = _pair(p, q)
    if isinstance(first, GaussianMixture) and isinstance(second, GaussianMixture):
        a, b = first, second
        integral = _integrate(lambda x: np.exp(la := a.log_prob(x)) * (la - b.log_prob(x)), _edges((a, b), a))
        return max(0.0, integral)
    return max(0.0, float(rel_entr(first, second).sum()))


def js(p: Law, q: Law) -> float:
    """Jensen-Shannon divergence JS = (KL(p || m) + KL(q || m)) / 2 with m = (p + q)/2, in nats: between 0 and log 2.

    Arguments, accuracy and errors as `kl`.

    Example:
        >>> from gan_edu.densities import gaussian
        >>> round(js(gaussian(0.0), gaussian(1.0)), 6)
        0.111421

    Source: Lin (1991), with weights 1/2; Goodfellow et al. (2014), equation 5. Chapter: 02, 03.
    """
    first, second = _pair(p, q)
    if isinstance(first, GaussianMixture) and isinstance(second, GaussianMixture):
        a, b = first, second

        def integrand(x: Array) -> Array:
            la, lb = a.log_prob(x), b.log_prob(x)
            lm = np.logaddexp(la, lb) - LOG2
            result: Array = 0.5 * (np.exp(la) * (la - lm) + np.exp(lb) * (lb - lm))
            return result

        both = GaussianMixture(np.vstack([a.means, b.means]), np.r_[a.stds, b.stds], np.r_[a.weights, b.weights] / 2)
        return min(LOG2, max(0.0, _integrate(integrand, _edges((a, b), both))))
    m = (np.asarray(first) + np.asarray(second)) / 2
    return min(LOG2, max(0.0, float(rel_entr(first, m).sum() + rel_entr(second, m).sum()) / 2))


def total_variation(p: Law, q: Law) -> float:
    """Total variation distance TV = (1/2) int |p - q|: between 0 and 1, the largest gap in the probability of any event.

    Arguments and errors as `kl`; 1-D to 1e-9, 2-D to 1e-4.

    Example:
        >>> from gan_edu.densities import gaussian
        >>> round(total_variation(gaussian(0.0), gaussian(2.0)), 6)
        0.682689

    Source: Levin, Peres and Wilmer (2009), section 4.1. Chapter: 02, 03.
    """
    first, second = _pair(p, q)
    if isinstance(first, GaussianMixture) and isinstance(second, GaussianMixture):
        a, b = first, second
        both = GaussianMixture(np.vstack([a.means, b.means]), np.r_[a.stds, b.stds], np.r_[a.weights, b.weights] / 2)
        integral = 0.5 * _integrate(lambda x: np.abs(a.prob(x) - b.prob(x)), _edges((a, b), both))
    else:
        integral = 0.5 * float(np.abs(np.asarray(first) - np.asarray(second)).sum())
    return min(1.0, integral)


@dataclass(frozen=True)
class OptimalDiscriminator:
    """D*(x) = pi p_data(x) / (pi p_data(x) + (1 - pi) p_g(x)) as a function of x; see `optimal_discriminator`."""

    p_data: GaussianMixture
    p_g: GaussianMixture
    prior_real: float = 0.5

    def logit(self, x: ArrayLike) -> Array:
        """log D*/(1 - D*) = log p_data(x) - log p_g(x) + log(pi / (1 - pi)), finite where D* rounds to 0 or 1."""
        prior = np.log(self.prior_real) - np.log1p(-self.prior_real)
        return np.asarray(self.p_data.log_prob(x) - self.p_g.log_prob(x) + prior)

    def __call__(self, x: ArrayLike) -> Array:
        """Probability that x is real, in [0, 1]."""
        return np.asarray(expit(self.logit(x)))


def optimal_discriminator(
    p_data: GaussianMixture, p_g: GaussianMixture, prior_real: float = 0.5
) -> OptimalDiscriminator:
    """Discriminator that maximises V: D*(x) = pi p_data / (pi p_data + (1 - pi) p_g), a function of x.

    Args:
        p_data: density of the data.
        p_g: density of the generator, of the same dimension.
        prior_real: pi, the share of real samples in what D is shown, 0 < pi < 1.

    Raises:
        ValueError: the dimensions differ, or the prior is not inside (0, 1).

    Example:
        >>> from gan_edu.densities import gaussian
        >>> D = optimal_discriminator(gaussian(0.0), gaussian(2.0))
        >>> D([0.0, 1.0, 2.0]).round(6).tolist(), float(D.logit(0.0))
        ([0.880797, 0.5, 0.119203], 2.0)

    Source: Goodfellow et al. (2014), proposition 1. Chapter: 02.
    """
    first, second = _pair(p_data, p_g)
    if not isinstance(first, GaussianMixture) or not isinstance(second, GaussianMixture):
        raise ValueError("D* as a function of x needs two densities, got vectors; for vectors it is p / (p + q)")
    if not 0 < prior_real < 1:
        raise ValueError(
            f"prior_real must lie strictly between 0 and 1, got {prior_real}; it is the share of real samples"
        )
    return OptimalDiscriminator(first, second, float(prior_real))


def value(p_data: Law, p_g: Law, discriminator: Function | ArrayLike, prior_real: float | None = None) -> float:
    """Value function of the game, V = E_{p_data}[log D] + E_{p_g}[log(1 - D)] in nats, <= 0; -inf where D is surely wrong.

    Args:
        p_data: law of the data, a density or a probability vector.
        p_g: law of the generator, of the same kind.
        discriminator: function from points to probabilities in [0, 1]; for vectors, the vector of probabilities.
            An attribute `logit` is used where there is one: it stays exact where D rounds to 0 or 1.
        prior_real: pi weighs the two expectations by pi and 1 - pi (the mean log-likelihood of the labels); None by 1 and 1.

    Raises:
        ValueError: D leaves [0, 1] or is NaN where there is mass; laws that do not fit.

    Example:
        >>> from gan_edu.densities import gaussian
        >>> p, g = gaussian(0.0), gaussian(1.0)
        >>> round(value(p, g, optimal_discriminator(p, g)), 6), round(value(p, g, lambda x: 0.5), 6)
        (-1.163451, -1.386294)

    Source: Goodfellow et al. (2014), equation 1. Chapter: 01, 02.
    """
    if prior_real is not None and not 0 < prior_real < 1:
        raise ValueError(
            f"prior_real must lie strictly between 0 and 1, got {prior_real}; it is the share of real samples"
        )
    w_data, w_g = (1.0, 1.0) if prior_real is None else (prior_real, 1 - prior_real)
    first, second = _pair(p_data, p_g)

    def probability(d: ArrayLike) -> Array:
        d = np.asarray(d, dtype=np.float64)
        if not ((d >= 0) & (d <= 1)).all():
            raise ValueError(
                "D must return probabilities in [0, 1], got a value outside or NaN; apply a sigmoid to logits"
            )
        return d

    def logs(x: NDArray[Any]) -> tuple[Array, Array]:
        logit = getattr(discriminator, "logit", None)
        if logit is not None:
            a = np.asarray(logit(x))
            return np.asarray(log_expit(a)), np.asarray(log_expit(-a))
        d = probability(discriminator(x) if callable(discriminator) else discriminator)
        with np.errstate(divide="ignore"):
            return np.log(d), np.log1p(-d)

    if isinstance(first, GaussianMixture) and isinstance(second, GaussianMixture):
        if not callable(discriminator):
            raise ValueError("D must be a function of x for densities, got numbers; wrap a constant in a lambda")
        of_real = expectation(first, lambda x: logs(x)[0], near=(second,))
        of_fake = expectation(second, lambda x: logs(x)[1], near=(first,))
        return w_data * of_real + w_g * of_fake
    log_d, log_1_d = logs(np.arange(len(np.asarray(first))))
    return w_data * expectation(first, log_d) + w_g * expectation(second, log_1_d)


def binned(p: GaussianMixture | ArrayLike, edges: ArrayLike) -> Array:
    """Probabilities of the cells (-inf, e_0], (e_0, e_1], ..., (e_B, inf): all mass is counted, none is cut off.

    Divergences of binned laws are lower bounds of the true ones (data processing), close to them for narrow cells.

    Args:
        p: a density on the line, or samples, shape (n,).
        edges: increasing numbers e, shape (B + 1,).

    Returns:
        probability vector, shape (B + 2,).

    Raises:
        ValueError: edges do not increase, samples are empty or not finite.

    Example:
        >>> binned([0.1, 0.2, 0.9, 7.0], [0.0, 0.5, 1.0]).tolist()
        [0.0, 0.5, 0.25, 0.25]

    Chapter: 01.
    """
    e = np.asarray(edges, dtype=np.float64)
    if e.ndim != 1 or len(e) < 2 or not (np.diff(e) > 0).all():
        raise ValueError(
            f"edges must be at least two increasing numbers, got shape {e.shape}; use np.linspace(low, high, n)"
        )
    if isinstance(p, GaussianMixture):
        mirror = GaussianMixture(-p.means, p.stds, p.weights)
        below, above = np.r_[0.0, p.cdf(e), 1.0], np.r_[1.0, mirror.cdf(-e), 0.0]
        # In the upper half a difference of upper tails: 1 minus a rounded number would be 0.
        return np.asarray(np.where(below[1:] > 0.5, above[:-1] - above[1:], np.diff(below)))
    samples = np.asarray(p, dtype=np.float64)
    if samples.ndim != 1 or samples.size == 0 or not np.isfinite(samples).all():
        raise ValueError(
            f"samples must be a non-empty vector of finite numbers, got shape {samples.shape}; drop NaN and flatten"
        )
    counts = np.bincount(np.searchsorted(e, samples, side="left"), minlength=len(e) + 1)
    return np.asarray(counts / samples.size)
