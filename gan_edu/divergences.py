"""Distances between laws, the value function of the game, its optimal discriminator and critic: exact up to quadrature.

A law is a density (a `GaussianMixture` in one or two dimensions, a `Uniform`) or a vector of probabilities.
Logarithms are natural.
Chapter: 01, 02, 03, 06, 08.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import linear_sum_assignment, linprog, minimize
from scipy.sparse import coo_array
from scipy.spatial.distance import cdist
from scipy.special import expit, gammaln, hyp1f1, log_expit, ndtr, rel_entr

from gan_edu.densities import GaussianMixture, Uniform, gaussian
from gan_edu.quadrature import Array, Density, Function, Law, as_laws, as_points, expectation, integrate

__all__ = [
    "OptimalCritic",
    "OptimalDiscriminator",
    "Transport",
    "binned",
    "cross_entropy",
    "fit_gaussian",
    "js",
    "kl",
    "kl_gaussians",
    "optimal_critic",
    "optimal_discriminator",
    "total_variation",
    "transport",
    "value",
    "wasserstein1",
]

LOG2 = float(np.log(2))


def _contains(q: Density, p: Density) -> bool:
    """True if q has mass wherever p has."""
    return not isinstance(q, Uniform) or (isinstance(p, Uniform) and q.low <= p.low and p.high <= q.high)


def _p_log_ratio(log_p: Array, log_q: Array) -> Array:
    """p log(p / q), zero where p is."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isneginf(log_p), 0.0, np.exp(log_p) * (log_p - log_q))


def cross_entropy(p: Law, q: Law) -> float:
    """Cross-entropy H(p, q) = -E_p[log q] in nats (differential for densities); H(p, p) is the entropy of p.

    Example:
        >>> round(cross_entropy([0.5, 0.5], [0.9, 0.1]), 6)
        1.203973

    Source: entropy and KL of Cover and Thomas (2006), chapter 2, added. Chapter: 01.
    """
    first, second = as_laws(p, q)
    if isinstance(first, Density) and isinstance(second, Density):
        if not _contains(second, first):
            return np.inf
        f, g = first, second
        return integrate(lambda x: -f.prob(x) * np.where(f.prob(x) > 0, g.log_prob(x), 0), (f, g), (f,))
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
    first, second = as_laws(p, q)
    if not (isinstance(first, Density) and isinstance(second, Density)):
        return max(0.0, float(rel_entr(first, second).sum()))
    if not _contains(second, first):
        return np.inf
    f, g = first, second
    return max(0.0, integrate(lambda x: _p_log_ratio(f.log_prob(x), g.log_prob(x)), (f, g), (f,)))


def js(p: Law, q: Law) -> float:
    """Jensen-Shannon divergence JS = (KL(p || m) + KL(q || m)) / 2 with m = (p + q)/2, in nats: between 0 and log 2.

    Arguments, accuracy and errors as `kl`.

    Example:
        >>> from gan_edu.densities import gaussian
        >>> round(js(gaussian(0.0), gaussian(1.0)), 6)
        0.111421

    Source: Lin (1991), with weights 1/2; Goodfellow et al. (2014), equations 5 and 6. Chapter: 02, 03.
    """
    first, second = as_laws(p, q)
    if isinstance(first, Density) and isinstance(second, Density):
        f, g = first, second

        def integrand(x: Array) -> Array:
            log_f, log_g = f.log_prob(x), g.log_prob(x)
            log_m = np.logaddexp(log_f, log_g) - LOG2
            return (_p_log_ratio(log_f, log_m) + _p_log_ratio(log_g, log_m)) / 2

        return min(LOG2, max(0.0, integrate(integrand, (f, g))))
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
    first, second = as_laws(p, q)
    if isinstance(first, Density) and isinstance(second, Density):
        f, g = first, second
        return min(1.0, integrate(lambda x: np.abs(f.prob(x) - g.prob(x)) / 2, (f, g)))
    return min(1.0, 0.5 * float(np.abs(np.asarray(first) - np.asarray(second)).sum()))


@dataclass(frozen=True)
class OptimalDiscriminator:
    """D*(x) = pi p_data(x) / (pi p_data(x) + (1 - pi) p_g(x)) as a function of x; see `optimal_discriminator`."""

    p_data: Density
    p_g: Density
    prior_real: float = 0.5

    def logit(self, x: ArrayLike) -> Array:
        """log D*/(1 - D*) = log p_data(x) - log p_g(x) + log(pi / (1 - pi)), finite where D* rounds to 0 or 1.

        Where neither law has mass, every D is optimal; there the prior's own odds are returned.
        """
        prior = np.log(self.prior_real) - np.log1p(-self.prior_real)
        log_p, log_g = self.p_data.log_prob(x), self.p_g.log_prob(x)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(np.isneginf(log_p) & np.isneginf(log_g), 0.0, log_p - log_g) + prior)

    def __call__(self, x: ArrayLike) -> Array:
        """Probability that x is real, in [0, 1]."""
        return np.asarray(expit(self.logit(x)))


def optimal_discriminator(p_data: Density, p_g: Density, prior_real: float = 0.5) -> OptimalDiscriminator:
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
    first, second = as_laws(p_data, p_g)
    if not isinstance(first, Density) or not isinstance(second, Density):
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
    first, second = as_laws(p_data, p_g)

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

    if isinstance(first, Density) and isinstance(second, Density):
        if not callable(discriminator):
            raise ValueError("D must be a function of x for densities, got numbers; wrap a constant in a lambda")
        of_real = expectation(first, lambda x: logs(x)[0], near=(second,))
        of_fake = expectation(second, lambda x: logs(x)[1], near=(first,))
        return w_data * of_real + w_g * of_fake
    log_d, log_1_d = logs(np.arange(len(np.asarray(first))))
    return w_data * expectation(first, log_d) + w_g * expectation(second, log_1_d)


def binned(p: Density | ArrayLike, edges: ArrayLike) -> Array:
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
    if isinstance(p, GaussianMixture) and p.dim == 1:
        z = (np.r_[-np.inf, e, np.inf][:, None] - p.means[:, 0]) / p.stds
        # Above a component's mean a difference of upper tails: 1 minus a rounded number would be 0.
        return np.asarray(np.where(z[:-1] > 0, -np.diff(ndtr(-z), axis=0), np.diff(ndtr(z), axis=0)) @ p.weights)
    if isinstance(p, Density):
        return np.asarray(np.diff(np.r_[0.0, p.cdf(e), 1.0]))
    samples = np.asarray(p, dtype=np.float64)
    if samples.ndim != 1 or samples.size == 0 or not np.isfinite(samples).all():
        raise ValueError(
            f"samples must be a non-empty vector of finite numbers, got shape {samples.shape}; drop NaN and flatten"
        )
    counts = np.bincount(np.searchsorted(e, samples, side="left"), minlength=len(e) + 1)
    return np.asarray(counts / samples.size)


def kl_gaussians(mean_p: ArrayLike, cov_p: ArrayLike, mean_q: ArrayLike, cov_q: ArrayLike) -> float:
    """KL(N(m_p, S_p) || N(m_q, S_q)) = (tr(S_q^-1 S_p) + (m_q - m_p)' S_q^-1 (m_q - m_p) - d + log det S_q/det S_p) / 2, nats.

    Args:
        mean_p: m_p, shape (d,).
        cov_p: covariance S_p, shape (d, d): symmetric, positive definite.
        mean_q: m_q, shape (d,).
        cov_q: covariance S_q, shape (d, d).

    Raises:
        ValueError: shapes do not fit, or a covariance is not symmetric and positive definite.

    Example:
        >>> round(kl_gaussians([0, 0], [[1, 0.3], [0.3, 1]], [1, -1], [[2, 0], [0, 1]]), 9)
        0.89372893

    Source: Rasmussen and Williams (2006), equation A.23. Chapter: 03.
    """
    (m_p, s_p), (m_q, s_q) = (
        (np.asarray(m, dtype=np.float64), np.asarray(s, dtype=np.float64))
        for m, s in ((mean_p, cov_p), (mean_q, cov_q))
    )
    d = m_p.size
    if m_p.shape != (d,) or m_q.shape != (d,) or s_p.shape != (d, d) or s_q.shape != (d, d):
        raise ValueError(
            f"means must have shape (d,) and covariances (d, d), got {m_p.shape}, {s_p.shape}, {m_q.shape}, {s_q.shape}"
        )
    if not all(np.isfinite(v).all() for v in (m_p, s_p, m_q, s_q)):
        raise ValueError("means and covariances must be finite, got NaN or infinity; remove it")
    try:
        if not all(np.abs(s - s.T).max() <= 1e-9 * np.abs(s).max() for s in (s_p, s_q)):
            raise np.linalg.LinAlgError
        root_p, root_q = np.linalg.cholesky(s_p), cho_factor(s_q, lower=True)
    except (np.linalg.LinAlgError, ValueError):
        raise ValueError(
            "covariances must be symmetric and positive definite, got one that is not; give variances on the diagonal"
        ) from None
    log_dets = 2 * (np.log(np.diag(root_q[0])).sum() - np.log(np.diag(root_p)).sum())
    quadratic = (m_q - m_p) @ cho_solve(root_q, m_q - m_p)
    return max(0.0, float(np.trace(cho_solve(root_q, s_p)) + quadratic - d + log_dets) / 2)


def fit_gaussian(
    loss: Callable[[GaussianMixture], float], start: tuple[float, float] = (0.0, 1.0)
) -> tuple[GaussianMixture, float]:
    """Gaussian N(mean, std) on the line that minimises `loss`, and its loss: the local minimum next to `start`.

    Args:
        loss: function of the Gaussian, such as `lambda g: kl(p, g)` (forward, covers) or `lambda g: kl(g, p)` (reverse, seeks).
        start: mean and std where the search (Nelder and Mead's simplex in mean and log std) begins.

    Raises:
        ValueError: the std of the start is not positive, or the search does not converge.

    Example:
        >>> from gan_edu.densities import two_modes
        >>> p = two_modes(4.0, 0.5)
        >>> covers, seeks = fit_gaussian(lambda g: kl(p, g))[0], fit_gaussian(lambda g: kl(g, p), (2.0, 0.5))[0]
        >>> [round(float(g.stds[0]), 4) for g in (covers, seeks)], round(float(seeks.means[0, 0]), 4)
        ([2.0616, 0.5004], 1.9998)

    Source: Minka (2005), on the two directions of KL. Chapter: 06.
    """
    mean, std = start
    if not (np.isfinite(mean) and 0 < std < np.inf):
        raise ValueError(f"start must be a finite mean and a positive std, got {start}; give (mean, std)")

    def of(v: Array) -> GaussianMixture:
        if np.abs(v[1]) > 300 or np.abs(v[0]) > 1e100:
            raise ValueError(f"the loss must have a minimum near {start}, but the search ran away; start elsewhere")
        return GaussianMixture([v[0]], float(np.exp(v[1])))

    if not np.isfinite(first := loss(gaussian(mean, std))):
        raise ValueError(f"the loss must be finite at the start, got {first} at {start}; start elsewhere")

    # A small first simplex, in units of the start's std, keeps the search in its own valley.
    simplex = np.array([[mean, np.log(std)], [mean + std / 10, np.log(std)], [mean, np.log(std) + 0.1]])
    for _ in range(3):  # a restart from the minimum found: a simplex may collapse before it arrives
        found = minimize(
            lambda v: loss(of(v)),
            simplex[0],
            method="Nelder-Mead",
            options={"initial_simplex": simplex, "xatol": 1e-9, "fatol": 1e-14, "maxiter": 2000},
        )
        simplex = found.x + np.array([[0, 0], [1e-3 * np.exp(found.x[1]), 0], [0, 1e-3]])
    if not found.success:
        raise ValueError(f"the loss must have a minimum near {start}, but the search did not converge; start elsewhere")
    return of(found.x), float(found.fun)


# --- Wasserstein ---------------------------------------------------------------------------------------------------


def _excess(p: Density, q: Density, x: ArrayLike) -> Array:
    """F_p(x) - F_q(x), taken from the upper tails where both are closer."""
    below_p, below_q = p.cdf(x), q.cdf(x)
    return np.where(below_p + below_q < 1, below_p - below_q, q.sf(x) - p.sf(x))


def _dilation(p: Density, q: Density) -> tuple[float, Array] | None:
    """a > 0 and b, shape (d,), such that q is the law of a x + b for x ~ p; None where there are none."""
    if not (isinstance(p, GaussianMixture) and isinstance(q, GaussianMixture)) or len(p.stds) != len(q.stds):
        return None
    centre_p, centre_q = (law.weights @ law.means for law in (p, q))
    spread_p, spread_q = (
        float(np.sqrt(law.weights @ (law.stds**2 + ((law.means - centre) ** 2).mean(-1))))
        for law, centre in ((p, centre_p), (q, centre_q))
    )
    a = spread_q / spread_p
    a = 1.0 if abs(a - 1) < 1e-12 else a
    b = centre_q - a * centre_p
    # The same components, in whatever order they were given.
    moved = np.column_stack([(a * p.means + b) / spread_q, a * p.stds / spread_q, p.weights])
    there = np.column_stack([q.means / spread_q, q.stds / spread_q, q.weights])
    i, j = linear_sum_assignment(cdist(moved, there))
    scale = max(1.0, np.abs(there).max(), a * np.abs(p.means).max() / spread_q)
    return (a, b) if np.abs(moved[i] - there[j]).max() < 1e-12 * scale else None


def wasserstein1(p: Law, q: Law, points: ArrayLike | None = None) -> float:
    """Wasserstein-1 distance W1 = min over couplings of E|x - y| = max over 1-Lipschitz f of E_p f - E_q f, in units of x.

    On the line W1 = int |F_p - F_q| dx. In higher dimensions there is a formula where q is the law of a x + b, a > 0,
    for x ~ p: then W1 = E_p|(a - 1) x + b|. Other pairs are refused; `transport` compares their samples.

    Args:
        p: a density, or a probability vector.
        q: the same kind as `p`.
        points: for vectors, where their atoms are: shape (n,) or (n, d); 0, 1, ..., n - 1 if left out.

    Returns:
        W1 >= 0, to 1e-9 of max(1, W1).

    Raises:
        ValueError: the laws do not fit, or there is no formula.

    Example:
        >>> from gan_edu.densities import gaussian
        >>> round(wasserstein1(gaussian(0.0), gaussian(3.0)), 9), wasserstein1([1.0, 0.0, 0.0], [0.0, 0.0, 1.0])
        (3.0, 2.0)

    Source: Villani (2009), definition 6.1; Vallender (1974) for the line. Chapter: 08.
    """
    if isinstance(p, GaussianMixture) and isinstance(q, GaussianMixture) and p.dim == q.dim > 1:
        found = _dilation(p, q)
        if found is None:
            raise ValueError(
                "beyond the line both densities must be of one shape, moved and scaled; transport samples of them instead"
            )
        a, b = found
        if a == 1:
            return float(np.linalg.norm(b))
        # The mean of |N(mu, s^2 I)|, component by component.
        mu, s, half = (a - 1) * p.means + b, abs(a - 1) * p.stds, p.dim / 2
        chi = np.sqrt(2) * np.exp(gammaln(half + 0.5) - gammaln(half))
        return float(p.weights @ (s * chi * hyp1f1(-0.5, half, -(mu**2).sum(-1) / (2 * s**2))))
    first, second = as_laws(p, q)
    if isinstance(first, Density) and isinstance(second, Density):
        if points is not None:
            raise ValueError("points belong to probability vectors, got them with densities; leave them out")
        f, g = first, second
        return integrate(lambda x: np.abs(_excess(f, g, x)), (f, g))
    w_p, w_q = np.asarray(first), np.asarray(second)
    place = as_points(np.arange(len(w_p)) if points is None else points, "points")
    if len(place) != len(w_p):
        raise ValueError(f"points must be one per entry, {len(w_p)}, got {len(place)}; align them")
    if place.shape[1] > 1:
        return transport(place, place, w_p, w_q).cost
    order = place[:, 0].argsort()
    return float(np.abs(np.cumsum((w_p - w_q)[order])[:-1]) @ np.diff(place[order, 0]))


@dataclass(frozen=True)
class OptimalCritic:
    """1-Lipschitz f* that maximises E_{p_data} f - E_{p_g} f, as a function of x; see `optimal_critic`."""

    p_data: Density
    p_g: Density

    def gradient(self, x: ArrayLike) -> Array:
        """Gradient of f* at x, shape of x: of length 1, and 0 where every slope is optimal."""
        if self.p_data.dim == 1:
            return np.asarray(np.sign(_excess(self.p_g, self.p_data, x)))
        x = np.asarray(x, dtype=np.float64)
        a, b = _dilation(self.p_data, self.p_g)  # type: ignore[misc]
        # From any x in the data, earth moves by (a - 1) x + b; seen from where it arrives, the direction is the same.
        move = b + np.zeros_like(x) if a == 1 else np.sign(a - 1) * (x + b / (a - 1))
        length = np.linalg.norm(move, axis=-1, keepdims=True)
        return np.asarray(-np.divide(move, length, out=np.zeros_like(move), where=length > 0))

    def __call__(self, x: ArrayLike) -> Array:
        """f*(x); as f* is only given up to a constant, it is 0 at the first crossing of F_data and F_g, or at 0."""
        x = np.asarray(x, dtype=np.float64)
        if self.p_data.dim > 1:
            a, b = _dilation(self.p_data, self.p_g)  # type: ignore[misc]
            return np.asarray((self.gradient(x) * (x if a == 1 else x + b / (a - 1))).sum(-1))
        knots, slopes = self._pieces()
        heights = np.r_[0.0, np.cumsum(slopes[1:-1] * np.diff(knots))]
        k = np.searchsorted(knots, x)  # the piece that x lies on, and the knot where that piece begins
        start = np.maximum(k - 1, 0)
        return np.asarray(heights[start] + slopes[k] * (x - knots[start]))

    def _pieces(self) -> tuple[Array, Array]:
        """Knots, where F_g - F_data changes its sign, and the slopes before, between and after them."""
        around = [
            np.linspace(law.low, law.high, 101)
            if isinstance(law, Uniform)
            else (law.means + law.stds[:, None] * np.linspace(-12, 12, 481)).ravel()
            for law in (self.p_data, self.p_g)
        ]
        grid = np.sort(np.concatenate(around))
        signs = self.gradient(grid)
        grid, signs = grid[signs != 0], signs[signs != 0]
        change = np.flatnonzero(signs[1:] != signs[:-1])
        if change.size == 0:
            return np.zeros(1), np.repeat(signs[0] if signs.size else 0.0, 2)
        low, high, below = grid[change], grid[change + 1], signs[change]
        for _ in range(80):
            middle = (low + high) / 2
            same = self.gradient(middle) == below
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        return (low + high) / 2, np.r_[below[0], -below]


def optimal_critic(p_data: Density, p_g: Density) -> OptimalCritic:
    """Critic that maximises E_{p_data} f - E_{p_g} f among 1-Lipschitz functions; the maximum is W1.

    On the line f*' = sign(F_g - F_data): uphill towards where data are missing. In higher dimensions, as for
    `wasserstein1`, p_g must be the law of a x + b for x ~ p_data; then f* falls along the rays on which earth moves.

    Raises:
        ValueError: the laws do not fit, or there is no formula.

    Example:
        >>> from gan_edu.densities import gaussian
        >>> f = optimal_critic(gaussian(0.0), gaussian(3.0))
        >>> f.gradient([-1.0, 5.0]).tolist(), float(f(0.0) - f(2.0))
        ([-1.0, -1.0], 2.0)

    Source: Arjovsky et al. (2017), theorem 3; Gulrajani et al. (2017), proposition 1. Chapter: 08, 09.
    """
    if not (isinstance(p_data, Density) and isinstance(p_g, Density)) or p_data.dim != p_g.dim:
        raise ValueError(
            "the optimal critic needs two densities of one dimension; for points, see transport(x, y).critic"
        )
    if p_data.dim > 1 and _dilation(p_data, p_g) is None:
        raise ValueError(
            "beyond the line both densities must be of one shape, moved and scaled; transport samples of them instead"
        )
    return OptimalCritic(p_data, p_g)


@dataclass(frozen=True)
class Transport:
    """Cheapest way to move the weights of points x to points y, and its certificate; see `transport`.

    It unpacks: `plan, (f_x, f_y), cost = transport(x, y)`.
    """

    x: Array
    """Sources, shape (n, d)."""
    y: Array
    """Targets, shape (m, d)."""
    plan: Array
    """Mass moved from x_i to y_j, shape (n, m): rows sum to the weights of x, columns to those of y."""
    f_x: Array
    """Dual potential f(x_i), shape (n,)."""
    f_y: Array
    """Dual potential f(y_j), shape (m,)."""
    cost: float
    """W1 = sum_ij plan_ij |x_i - y_j| = sum_i wx_i f(x_i) - sum_j wy_j f(y_j), in units of x."""

    def __iter__(self) -> Iterator[Any]:
        return iter((self.plan, (self.f_x, self.f_y), self.cost))

    def critic(self, points: ArrayLike) -> Array:
        """f(z) = min_j f(y_j) + |z - y_j|, 1-Lipschitz everywhere and equal to the potential at x and y; shape (k,)."""
        return np.asarray((cdist(as_points(points, "points"), self.y) + self.f_y).min(1))

    @property
    def gradient(self) -> Array:
        """dW1/dy_j = sum_i plan_ij (y_j - x_i) / |y_j - x_i|, shape (m, d); 0 is taken where the points coincide."""
        arrow = self.y[None] - self.x[:, None]
        length = np.linalg.norm(arrow, axis=-1, keepdims=True)
        unit = np.divide(arrow, length, out=np.zeros_like(arrow), where=length > 0)
        return np.asarray((self.plan[..., None] * unit).sum(0))


def _masses(weights: ArrayLike | None, count: int, name: str) -> Array:
    """Weights of `count` points; equal ones if left out."""
    if weights is None:
        return np.full(count, 1 / count)
    w = np.asarray(weights, dtype=np.float64)
    if w.shape != (count,) or not np.isfinite(w).all() or (w < 0).any() or abs(w.sum() - 1) > 1e-9:
        raise ValueError(
            f"{name} must be {count} non-negative numbers with sum 1, got shape {w.shape}, sum {w.sum():.6g}; "
            "divide by the sum"
        )
    return np.asarray(w / w.sum())


def transport(x: ArrayLike, y: ArrayLike, wx: ArrayLike | None = None, wy: ArrayLike | None = None) -> Transport:
    """Optimal transport between weighted points at the Euclidean cost |x_i - y_j|: plan, dual potential and W1.

    Equal numbers of equal weights are an assignment problem, all else a linear program (HiGHS). The dual potential f
    is 1-Lipschitz, and falls by exactly |x_i - y_j| wherever mass moves: it proves that no plan is cheaper.

    Args:
        x: sources, shape (n,) or (n, d).
        y: targets, shape (m,) or (m, d).
        wx: weights of x, shape (n,), sum 1; equal if left out.
        wy: weights of y, shape (m,), sum 1; equal if left out.

    Raises:
        ValueError: points or weights do not fit, are empty or not finite.

    Example:
        >>> t = transport([0.0, 1.0, 3.0], [5.0, 6.0, 8.0])
        >>> round(t.cost, 9), t.f_x.shape, t.plan.sum(1).round(3).tolist()
        (5.0, (3,), [0.333, 0.333, 0.333])

    Source: Kantorovich and Rubinstein (1958); Villani (2009), theorem 5.10. Chapter: 08.
    """
    sources, targets = as_points(x, "x"), as_points(y, "y")
    if sources.shape[1] != targets.shape[1]:
        raise ValueError(f"x and y must have one dimension, got {sources.shape[1]} and {targets.shape[1]}")
    a, b = _masses(wx, len(sources), "wx"), _masses(wy, len(targets), "wy")
    cost = cdist(sources, targets)
    if len(a) == len(b) and np.ptp(a) == np.ptp(b) == 0:
        i, j = linear_sum_assignment(cost)
        plan = np.zeros_like(cost)
        plan[i, j] = a
        f_y = _potential(cost, i, j)
    else:
        plan, f_y = _program(cost, a, b)
    f_x = (cost + f_y).min(1)
    f_y = (f_x[:, None] - cost).max(0)  # nothing ties down the potential where there is no weight but being 1-Lipschitz
    primal, dual = float((plan * cost).sum()), float(a @ f_x - b @ f_y)
    if abs(primal - dual) > 1e-9 * max(1.0, cost.max()):
        raise ValueError(
            f"plan and potential must prove each other, got {primal:.12g} and {dual:.12g}; rescale the points"
        )
    return Transport(sources, targets, plan, f_x, f_y, primal)


def _potential(cost: Array, i: Array, j: Array) -> Array:
    """Potential f(y) of an optimal matching i -> j: f(y_j) = max_k f(x_k) - cost[k, j], by relaxation to a fixed point."""
    matched = cost[i, j]
    f = np.zeros(cost.shape[1])
    for _ in range(len(f) + 1):
        better = np.maximum(f, (f[j] + matched)[:, None] - cost[i]).max(0)
        if np.allclose(better, f, rtol=0, atol=1e-14 * max(1.0, cost.max())):
            break
        f = better
    return np.asarray(f)


def _program(cost: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Plan and potential f(y) by linear programming over few pairs; pairs that the dual prices too low are added."""
    (n, m), scale = cost.shape, max(float(cost.max()), 1e-300)
    # A first plan that exists for sure: fill the targets in turn, from the sources in turn.
    ends_a, ends_b = np.cumsum(a)[:-1], np.cumsum(b)[:-1]
    starts = np.sort(np.r_[0.0, ends_a, ends_b])
    use = np.zeros((n, m), dtype=bool)
    use[np.searchsorted(ends_a, starts, "right"), np.searchsorted(ends_b, starts, "right")] = True
    # Sinkhorn's iteration gives prices that are nearly right, and so the pairs that matter: here only a first guess.
    u, v, tiny = np.zeros(n), np.zeros(m), 1e-300
    for entropy in (0.02, 0.005, 0.002, 0.001):
        kernel, s = np.exp(np.clip((u[:, None] + v - cost / scale) / entropy, -700, 50)), np.ones(n)
        for _ in range(200):
            t = b / np.maximum(s @ kernel, tiny)
            s = a / np.maximum(kernel @ t, tiny)
        u, v = u + entropy * np.log(np.maximum(s, tiny)), v + entropy * np.log(np.maximum(t, tiny))
    slack, few = cost / scale - u[:, None] - v, min(10 * (n + m), n * m) - 1
    missing = slack <= np.partition(slack.ravel(), few)[few]
    while missing.any():
        use |= missing
        i, j = np.nonzero(use)
        k = np.arange(len(i))
        sums = coo_array((np.ones(2 * len(k)), (np.r_[i, n + j], np.r_[k, k])), shape=(n + m, len(k))).tocsc()
        found = linprog(
            cost[i, j] / scale,
            A_eq=sums,
            b_eq=np.r_[a, b] * max(n, m),
            method="highs-ds",
            options={"presolve": False, "primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        )
        if found.status != 0:
            raise ValueError(f"the transport problem could not be solved: {found.message}; merge points of tiny weight")
        u, v = np.split(found.eqlin.marginals, [n])
        missing = (cost / scale - u[:, None] - v < -1e-11) & ~use
    plan = np.zeros((n, m))
    plan[i, j] = found.x / max(n, m)
    return plan, np.asarray(-v * scale)
