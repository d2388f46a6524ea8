"""Divergences between laws, the value function of the game and its optimal discriminator: exact up to quadrature.

A law is a density (a `GaussianMixture` in one or two dimensions, a `Uniform`) or a vector of probabilities.
Logarithms are natural. What it costs to move one law to another is in `gan_edu.transport`.
Chapter: 01, 02, 03, 06.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, ndtr, rel_entr

from gan_edu.densities import GaussianMixture, Uniform, gaussian
from gan_edu.quadrature import Array, Density, Function, Law, as_laws, expectation, integrate
from gan_edu.reading import number, numbers, quiet

# Found here too, because W1 stands beside KL and JS wherever distances between laws are compared.
from gan_edu.transport import OptimalCritic as OptimalCritic
from gan_edu.transport import Transport as Transport
from gan_edu.transport import optimal_critic as optimal_critic
from gan_edu.transport import transport as transport
from gan_edu.transport import wasserstein1 as wasserstein1

__all__ = [
    "OptimalDiscriminator",
    "binned",
    "cross_entropy",
    "fit_gaussian",
    "js",
    "kl",
    "kl_gaussians",
    "optimal_discriminator",
    "total_variation",
    "value",
]

LOG2 = float(np.log(2))


def _contains(q: Density, p: Density) -> bool:
    """True if q has mass wherever p has."""
    return not isinstance(q, Uniform) or (isinstance(p, Uniform) and q.low <= p.low and p.high <= q.high)


def _p_log_ratio(log_p: Array, log_q: Array) -> Array:
    """p log(p / q), zero where p is."""
    return np.where(np.isneginf(log_p), 0.0, np.exp(log_p) * (log_p - log_q))


@quiet
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
    return expectation(first, -np.log(np.asarray(second, dtype=np.float64)))


@quiet
def kl(p: Law, q: Law) -> float:
    """Kullback-Leibler divergence KL(p || q) = E_p[log(p / q)] in nats; inf where p has mass and q has none.

    Args:
        p: a mixture in one or two dimensions, or a probability vector.
        q: the same kind as `p`.

    Returns:
        nats, >= 0; 1-D to 1e-9, 2-D to 1e-5 of max(1, value).

    Raises:
        ValueError: the laws are of different kinds or dimensions, or a vector is not a probability vector: it must sum
            to 1 up to the rounding of its type, float32 or float64, and is divided by its sum.
        TypeError: a law is neither a density nor numbers.

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


@quiet
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


@quiet
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

    @quiet
    def logit(self, x: ArrayLike) -> Array:
        """log D*/(1 - D*) = log p_data(x) - log p_g(x) + log(pi / (1 - pi)), finite where D* rounds to 0 or 1.

        Where neither law has mass, every D is optimal; there the prior's own odds are returned.
        """
        prior = np.log(self.prior_real) - np.log1p(-self.prior_real)
        log_p, log_g = self.p_data.log_prob(x), self.p_g.log_prob(x)
        return np.asarray(np.where(np.isneginf(log_p) & np.isneginf(log_g), 0.0, log_p - log_g) + prior)

    @quiet
    def __call__(self, x: ArrayLike) -> Array:
        """Probability that x is real, in [0, 1]."""
        return np.asarray(expit(self.logit(x)))


@quiet
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


@quiet
def value(p_data: Law, p_g: Law, discriminator: Function | ArrayLike, prior_real: float | None = None) -> float:
    """Value function of the game, V = E_{p_data}[log D] + E_{p_g}[log(1 - D)] in nats, <= 0; -inf where D is surely wrong.

    Args:
        p_data: law of the data, a density or a probability vector.
        p_g: law of the generator, of the same kind.
        discriminator: function from points to probabilities in [0, 1]; for vectors, the vector of probabilities. A
            PyTorch module is one, from points (n, d) to (n,) or (n, 1), and computes in float64 here.
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
    if "torch" in sys.modules and isinstance(discriminator, sys.modules["torch"].nn.Module):
        from gan_edu.layers import as_function

        discriminator = as_function(discriminator)
    w_data, w_g = (1.0, 1.0) if prior_real is None else (prior_real, 1 - prior_real)
    first, second = as_laws(p_data, p_g)

    def probability(d: ArrayLike) -> Array:
        d = numbers("D(x)", d, "probabilities in [0, 1]")
        if not ((d >= 0) & (d <= 1)).all():
            raise ValueError(
                "D must return probabilities in [0, 1], got a value outside or NaN; apply a sigmoid to logits"
            )
        return d

    def logs(x: NDArray[Any]) -> tuple[Array, Array]:
        logit = getattr(discriminator, "logit", None)
        if logit is not None:
            a = numbers("the logit of D", logit(x))
            return np.asarray(log_expit(a)), np.asarray(log_expit(-a))
        d = probability(discriminator(x) if callable(discriminator) else discriminator)
        return np.log(d), np.log1p(-d)

    if isinstance(first, Density) and isinstance(second, Density):
        if not callable(discriminator):
            raise ValueError("D must be a function of x for densities, got numbers; wrap a constant in a lambda")
        of_real = expectation(first, lambda x: logs(x)[0], near=(second,))
        of_fake = expectation(second, lambda x: logs(x)[1], near=(first,))
        return w_data * of_real + w_g * of_fake
    log_d, log_1_d = logs(np.arange(len(np.asarray(first))))
    return w_data * expectation(first, log_d) + w_g * expectation(second, log_1_d)


@quiet
def binned(p: Density | ArrayLike, edges: ArrayLike) -> Array:
    """Probabilities of the cells (-inf, e_0], (e_0, e_1], ..., (e_B, inf): all mass is counted, none is cut off.

    Divergences of binned laws are lower bounds of the true ones (data processing), close to them for narrow cells.

    Args:
        p: a density on the line, or samples, shape (n,).
        edges: increasing numbers e, shape (B + 1,).

    Returns:
        probability vector, shape (B + 2,).

    Raises:
        ValueError: edges do not increase, samples are empty, masked or not finite.
        TypeError: p is neither a density nor numbers.

    Example:
        >>> binned([0.1, 0.2, 0.9, 7.0], [0.0, 0.5, 1.0]).tolist()
        [0.0, 0.5, 0.25, 0.25]

    Chapter: 01.
    """
    e = numbers("edges", edges)
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
    samples = numbers("p", p, "a density on the line, or samples")
    if samples.ndim != 1 or samples.size == 0 or not np.isfinite(samples).all():
        raise ValueError(
            f"samples must be a non-empty vector of finite numbers, got shape {samples.shape}; drop NaN and flatten"
        )
    counts = np.bincount(np.searchsorted(e, samples, side="left"), minlength=len(e) + 1)
    return np.asarray(counts / samples.size)


@quiet
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
        (numbers(f"mean_{law}", m), numbers(f"cov_{law}", s))
        for law, m, s in (("p", mean_p, cov_p), ("q", mean_q, cov_q))
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
        root_p, root_q = np.linalg.cholesky(s_p), scipy.linalg.cho_factor(s_q, lower=True)
    except (np.linalg.LinAlgError, ValueError):
        raise ValueError(
            "covariances must be symmetric and positive definite, got one that is not; give variances on the diagonal"
        ) from None
    log_dets = 2 * (np.log(np.diag(root_q[0])).sum() - np.log(np.diag(root_p)).sum())
    quadratic = (m_q - m_p) @ scipy.linalg.cho_solve(root_q, m_q - m_p)
    return max(0.0, float(np.trace(scipy.linalg.cho_solve(root_q, s_p)) + quadratic - d + log_dets) / 2)


@quiet
def fit_gaussian(
    loss: Callable[[GaussianMixture], float], start: tuple[float, float] = (0.0, 1.0)
) -> tuple[GaussianMixture, float]:
    """Gaussian N(mean, std) on the line that minimises `loss`, and its loss: the local minimum next to `start`.

    Args:
        loss: function of the Gaussian, such as `lambda g: kl(p, g)` (forward, covers) or `lambda g: kl(g, p)` (reverse, seeks).
        start: mean and std where the search (Nelder and Mead's simplex in mean and log std) begins.

    Raises:
        ValueError: the std of the start is not positive, or the search does not converge.
        TypeError: the loss is not a function, or returns no numbers.

    Example:
        >>> from gan_edu.densities import two_modes
        >>> p = two_modes(4.0, 0.5)
        >>> covers, seeks = fit_gaussian(lambda g: kl(p, g))[0], fit_gaussian(lambda g: kl(g, p), (2.0, 0.5))[0]
        >>> [round(float(g.stds[0]), 4) for g in (covers, seeks)], round(float(seeks.means[0, 0]), 4)
        ([2.0616, 0.5004], 1.9998)

    Source: Minka (2005), on the two directions of KL. Chapter: 06.
    """
    if not callable(loss):
        raise TypeError(f"loss must be a function of a Gaussian, got {type(loss).__name__}; write lambda g: kl(p, g)")
    if (ends := numbers("start", start)).shape != (2,):
        raise ValueError(f"start must be a finite mean and a positive std, got shape {ends.shape}; give (mean, std)")
    mean, std = ends.tolist()
    if not (np.isfinite(mean) and 0 < std < np.inf):
        raise ValueError(f"start must be a finite mean and a positive std, got {start}; give (mean, std)")

    def of(v: Array) -> GaussianMixture:
        if np.abs(v[1]) > 300 or np.abs(v[0]) > 1e100:
            raise ValueError(f"the loss must have a minimum near {start}, but the search ran away; start elsewhere")
        return GaussianMixture([v[0]], float(np.exp(v[1])))

    def of_loss(g: GaussianMixture) -> float:
        return number("loss(g)", loss(g))

    if not np.isfinite(first := of_loss(gaussian(mean, std))):
        raise ValueError(f"the loss must be finite at the start, got {first} at {start}; start elsewhere")

    # A small first simplex, in units of the start's std, keeps the search in its own valley.
    simplex = np.array([[mean, np.log(std)], [mean + std / 10, np.log(std)], [mean, np.log(std) + 0.1]])
    for _ in range(3):  # a restart from the minimum found: a simplex may collapse before it arrives
        found = scipy.optimize.minimize(
            lambda v: of_loss(of(v)),
            simplex[0],
            method="Nelder-Mead",
            options={"initial_simplex": simplex, "xatol": 1e-9, "fatol": 1e-14, "maxiter": 2000},
        )
        simplex = found.x + np.array([[0, 0], [1e-3 * np.exp(found.x[1]), 0], [0, 1e-3]])
    if not found.success:
        raise ValueError(f"the loss must have a minimum near {start}, but the search did not converge; start elsewhere")
    return of(found.x), float(found.fun)
