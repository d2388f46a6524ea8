"""How good are samples? Modes captured, Parzen windows, nearest neighbours, and intervals over the members of an ensemble.

Chapter: 06, 12.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtr, logsumexp, ndtr

from gan_edu.densities import GaussianMixture, Uniform, as_mixture
from gan_edu.divergences import js
from gan_edu.quadrature import as_points
from gan_edu.reading import numbers, quiet
from gan_edu.transport import transport

__all__ = [
    "Coverage",
    "Interval",
    "Nulls",
    "interval",
    "mode_coverage",
    "nearest_neighbours",
    "null_coverage",
    "parzen_log_likelihood",
    "sample_js",
    "sample_w1",
]

Array = NDArray[np.float64]


class Coverage(NamedTuple):
    """What `mode_coverage` returns; each shape (...) over the members."""

    modes: NDArray[np.int64]
    """Number of modes captured."""
    high_quality: Array
    """Share of the samples that lie near a mode."""


@quiet
def mode_coverage(
    samples: ArrayLike, target: GaussianMixture, *, stds: float = 3.0, share: float = 0.0, fair: float = 0.0
) -> Coverage:
    """Modes captured and share of high-quality samples: those within `stds` standard deviations of their nearest mode.

    A mode is captured if more than `share` of all samples are high-quality samples of it, and at least the fraction
    `fair` of what the target itself puts there, w_k P(chi^2_d <= stds^2). A perfect generator in the plane has 98.9 %
    high-quality samples at 3 stds, on the line 99.7 %: more is not better. The count alone proves little: at
    share = fair = 0, enough samples of a uniform law capture every mode; at fair = 1/2 it captures none, if the modes
    fill less than a third of its box. `null_coverage` gives the numbers.

    Args:
        samples: (..., n, d); on the line also (..., n), with any axes of members before.
        target: mixture whose components are the modes.
        stds: radius of a mode in its standard deviations; nearest is measured in the same unit.
        share: fraction of the samples that a mode needs more than; 0 asks for a single one.
        fair: fraction of its fair share that a mode needs, in [0, 1]; meant for modes that do not overlap.

    Raises:
        ValueError: samples do not fit the target, are empty, masked or not finite; stds, share or fair out of range.
        TypeError: the target is not a GaussianMixture, samples are no numbers.

    Example:
        >>> from gan_edu.densities import two_modes
        >>> mode_coverage([-2.0, -1.9, 0.4, -2.2], two_modes(4.0, 0.5))
        Coverage(modes=1, high_quality=0.75)
        >>> mode_coverage([-2.0, -1.9, 2.0, -2.2] * 5, two_modes(4.0, 0.5), fair=0.6)  # right: 5 of 20, of 9.97 expected
        Coverage(modes=1, high_quality=1.0)

    Source: Srivastava et al. (2017) and Lin et al. (2018), experiments with synthetic data. Chapter: 06.
    """
    as_mixture("target", target, "its components are the modes")
    x = numbers("samples", samples)
    x = x[..., None] if target.dim == 1 and (x.ndim == 1 or x.shape[-1:] != (1,)) else x
    if x.ndim < 2 or x.shape[-1] != target.dim or x.size == 0 or not np.isfinite(x).all():
        raise ValueError(
            f"samples must be finite, of shape (..., n, {target.dim}), at least one, got {np.shape(samples)}; "
            "leave diverged members out"
        )
    if not 0 < stds < np.inf or not 0 <= share < 1 or not 0 <= fair <= 1:
        raise ValueError(
            f"stds must be positive and share in [0, 1), got {stds} and {share}; fair must be in [0, 1], got {fair}"
        )
    far = np.full(x.shape[:-1], np.inf)
    mode = np.zeros(x.shape[:-1], dtype=np.int64)
    for k, (mean, std) in enumerate(zip(target.means, target.stds, strict=True)):
        distance = np.sqrt(((x - mean) ** 2).sum(-1)) / std
        mode = np.where(distance < far, k, mode)
        far = np.minimum(distance, far)
    good = far <= stds
    shares = np.stack([(good & (mode == k)).mean(-1) for k in range(len(target.stds))], -1)
    least = fair * target.weights * chdtr(target.dim, stds**2) - 1e-12  # as a count over n may be just that
    modes, high_quality = ((shares > share) & (shares >= least)).sum(-1), good.mean(-1)
    return Coverage(modes if x.ndim > 2 else int(modes), high_quality if x.ndim > 2 else float(high_quality))  # type: ignore[arg-type]


class Nulls(NamedTuple):
    """What `null_coverage` returns; each field of each coverage has the shape (members,)."""

    uniform: Coverage
    """Of the uniform law on the target's bounding box, `stds` standard deviations around every mode."""
    blob: Coverage
    """Of the single Gaussian with the target's mean and covariance."""
    perfect: Coverage
    """Of the target itself: what a perfect generator gets."""


@quiet
def null_coverage(
    n: int,
    target: GaussianMixture,
    *,
    generator: np.random.Generator | int,
    members: int = 16,
    stds: float = 3.0,
    share: float = 0.0,
    fair: float = 0.0,
) -> Nulls:
    """The `mode_coverage` of two laws that know nothing of the modes, and of the target: what to hold a score against.

    Args:
        n: samples of each member, as many as the score in question is from.
        target: mixture whose components are the modes.
        generator: a NumPy generator or a seed.
        members: independent sets of n samples, from each law.
        stds: as for `mode_coverage`.
        share: as for `mode_coverage`.
        fair: as for `mode_coverage`.

    Raises:
        ValueError: n or members is not positive; errors as `mode_coverage`.
        TypeError: the target is not a GaussianMixture.

    Example:
        >>> from gan_edu.densities import grid
        >>> nulls = null_coverage(4096, grid(), generator=0)
        >>> [float(np.median(law.modes)) for law in nulls], [round(float(law.high_quality.mean()), 2) for law in nulls]
        ([25.0, 21.0, 25.0], [0.03, 0.02, 0.99])
        >>> [float(np.median(law.modes)) for law in null_coverage(4096, grid(), fair=0.5, generator=0)]
        [0.0, 0.0, 25.0]

    Chapter: 06.
    """
    as_mixture("target", target, "its components are the modes")
    if n < 1 or members < 1:
        raise ValueError(f"n and members must be positive, got {n} and {members}; n is the number of samples")
    rng, size = np.random.default_rng(generator), (members, n, target.dim)
    low, high = target.box(stds)
    mean = target.weights @ target.means
    spread = (target.means - mean).T * target.weights @ (target.means - mean)
    covariance = spread + target.weights @ target.stds**2 * np.eye(target.dim)
    draws = (
        rng.uniform(low, high, size),
        mean + rng.standard_normal(size) @ np.linalg.cholesky(covariance).T,
        target.sample(members * n, generator=rng).reshape(size),
    )
    return Nulls(*(mode_coverage(x, target, stds=stds, share=share, fair=fair) for x in draws))


@quiet
def parzen_log_likelihood(samples: ArrayLike, window: float, test: ArrayLike) -> Array:
    """Log-density of each test point under a Gaussian window on each sample, log (1/n) sum_i N(t; x_i, window^2 I), nats.

    Their mean is the "Parzen-window log-likelihood" of early GAN papers, their std / sqrt(m) its standard error.

    Args:
        samples: x, shape (n,) or (n, d).
        window: standard deviation of the windows.
        test: t, shape (m,) or (m, d).

    Returns:
        shape (m,).

    Raises:
        ValueError: points do not fit, are empty or not finite, or the window is not positive.

    Example:
        >>> round(float(parzen_log_likelihood([0.0, 1.0, 2.0], 0.5, [0.2, 1.9, 5.0]).mean()), 6)
        -7.208043

    Source: Goodfellow et al. (2014), section 5; Theis, van den Oord and Bethge (2016) on why to avoid it. Chapter: 12.
    """
    x, t = as_points(samples, "samples"), as_points(test, "test")
    if x.shape[1] != t.shape[1] or not 0 < window < np.inf:
        raise ValueError(
            f"samples and test must have one dimension and a positive window, got {x.shape[1]}, {t.shape[1]} and {window}"
        )
    constant = np.log(len(x)) + x.shape[1] * np.log(window * np.sqrt(2 * np.pi))
    rows = max(1, 4_000_000 // x.size)  # bounded memory
    parts = [
        logsumexp(-0.5 * (((t[i : i + rows, None] - x) / window) ** 2).sum(-1), axis=1) for i in range(0, len(t), rows)
    ]
    return np.asarray(np.concatenate(parts) - constant)


@quiet
def nearest_neighbours(samples: ArrayLike, data: ArrayLike, k: int = 1) -> tuple[Array, NDArray[np.int64]]:
    """Euclidean distances of each sample to its k nearest data points, and which they are: two arrays (n, k).

    Args:
        samples: shape (n,) or (n, d).
        data: shape (m,) or (m, d).
        k: number of neighbours.

    Raises:
        ValueError: points do not fit, are empty or not finite, or there are fewer than k data points.

    Example:
        >>> distance, index = nearest_neighbours([0.0, 5.0], [1.0, 4.5, 9.0])
        >>> distance.ravel().tolist(), index.ravel().tolist()
        ([1.0, 0.5], [0, 1])

    Source: Cover and Hart (1967). Chapter: 12.
    """
    x, y = as_points(samples, "samples"), as_points(data, "data")
    if x.shape[1] != y.shape[1] or not 1 <= k <= len(y):
        raise ValueError(f"dimensions must agree and k be in 1..{len(y)}, got {x.shape[1]}, {y.shape[1]} and k = {k}")
    distance, index = scipy.spatial.KDTree(y).query(x, k=[*range(1, k + 1)])
    return distance, index


class Interval(NamedTuple):
    """What `interval` returns."""

    low: float
    median: float
    high: float
    level: float
    """Probability with which such intervals hold the median: at least the level asked for."""


@quiet
def interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Median over members with a confidence interval between two order statistics, whatever the law of the values.

    The interval [x_(r), x_(n + 1 - r)] holds the law's median with probability 1 - 2 P(Binomial(n, 1/2) < r); r is
    the largest for which that is at least `level`. No normal approximation and no resampling: the same values give the
    same interval.

    Args:
        values: one number a member, shape (n,).
        level: probability asked for, inside (0, 1).

    Raises:
        ValueError: a value is masked or not finite (a diverged member is a result: report it apart), or there are too few.
        TypeError: values are no numbers.

    Example:
        >>> interval(range(16))
        Interval(low=3.0, median=7.5, high=12.0, level=0.978729248046875)

    Source: Conover (1999), section 3.2. Chapter: 06.
    """
    x = np.sort(numbers("values", values).ravel())
    if not 0 < level < 1 or not np.isfinite(x).all():
        raise ValueError(
            f"values must be finite and level inside (0, 1), got level {level}; count diverged members apart"
        )
    n = len(x)
    heads = scipy.stats.binom(n, 0.5)
    rank = int(heads.ppf((1 - level) / 2)) + 1 if n else 0
    while rank > 0 and 1 - 2 * heads.cdf(rank - 1) < level - 1e-12:
        rank -= 1
    if rank < 1:
        raise ValueError(f"level {level} needs more values than the {n} given; train more members or lower the level")
    held = 1 - 2 * float(heads.cdf(rank - 1))
    return Interval(float(x[rank - 1]), float(np.median(x)), float(x[n - rank]), held)


PLANE = 256  # samples that `sample_w1` transports where sorting does not do


def _fitting(samples: ArrayLike, target: GaussianMixture | ArrayLike) -> tuple[Array, GaussianMixture | Array, int]:
    """Samples (..., n, d), the target, and d."""
    if isinstance(target, Uniform):
        raise TypeError("target must be a GaussianMixture or examples, got Uniform; give target.sample(n, generator=0)")
    if not isinstance(target, GaussianMixture):
        target = numbers("target", target, "a GaussianMixture or an array of examples")
    law = target if isinstance(target, GaussianMixture) else as_points(target, "target")
    dim = law.dim if isinstance(law, GaussianMixture) else law.shape[1]
    x = numbers("samples", samples)
    x = x[..., None] if dim == 1 and (x.ndim == 1 or x.shape[-1:] != (1,)) else x
    if x.ndim < 2 or x.shape[-1] != dim or x.size == 0:
        raise ValueError(f"samples must have shape (..., n, {dim}) and be at least one, got {np.shape(samples)}")
    return x, law, dim


@quiet
def sample_w1(samples: ArrayLike, target: GaussianMixture | ArrayLike) -> Array:
    """W1 between samples and a law, one number a member, shape (...); NaN where a sample is not finite.

    On the line it is exact between the samples and the law's quantiles at the middles of n equal shares, which differ
    from the law by less than the samples do. Elsewhere it is the cost of transporting 256 samples, a pseudo-random subset
    that is the same in every call, to as many draws of the law: exact for these points, and above 0 by chance even where
    the laws agree. That floor is what `sample_w1` makes of draws of the law itself, in the median 0.27 for N(0, I) in the
    plane, 0.20 for `ring()`, 0.47 for `grid()`, 1.1 for N(0, I) in five dimensions; shares that are off by 1 in 256, too,
    are chance. What lies below says nothing.

    Args:
        samples: (..., n, d); on the line also (..., n).
        target: a mixture, or an array of examples, shape (m, d).

    Raises:
        ValueError: samples do not fit the target, are empty or masked.
        TypeError: the target is neither a GaussianMixture nor numbers.

    Example:
        >>> from gan_edu.densities import gaussian
        >>> sample_w1([[3.0], [3.0]], gaussian(0.0, 1e-9)).round(6).item()
        3.0

    Chapter: 09, 11.
    """
    x, law, dim = _fitting(samples, target)
    if dim == 1:
        if isinstance(law, GaussianMixture):
            ends = law.means[:, 0] + 9 * np.outer([-1, 1], law.stds)
            # The distribution function is tabulated finely within every component, and inverted.
            at = np.unique(np.concatenate([np.linspace(low, high, 2001) for low, high in ends.T]))
            n = x.shape[-2]
            law = np.interp((np.arange(n) + 0.5) / n, law.cdf(at), at)
        there = law.reshape(-1)
    else:
        there = law.sample(PLANE, generator=_own()) if isinstance(law, GaussianMixture) else _some(law)

    def distance(rows: Array) -> float:
        if dim > 1:
            return transport(_some(rows), there).cost
        return float(scipy.stats.wasserstein_distance(rows[:, 0], there))

    flat = x.reshape(-1, *x.shape[-2:])
    result: Array = np.array([distance(rows) if np.isfinite(rows).all() else np.nan for rows in flat])
    return result.reshape(x.shape[:-2])


def _own() -> np.random.Generator:
    """A generator whose draws are none that a caller's seed of 0 or 1 would give again."""
    return np.random.default_rng([256, 0x5731])


def _some(rows: Array) -> Array:
    """At most PLANE of the rows: picked by chance, as any regular choice falls in step with rows that are regular, too."""
    return rows if len(rows) <= PLANE else rows[_own().choice(len(rows), PLANE, replace=False)]


@quiet
def sample_js(samples: ArrayLike, target: GaussianMixture | ArrayLike, cells: int = 32) -> Array:
    """JS in nats between the shares of cells that samples and a law have; one number a member, shape (...).

    Sorting into cells can only lower JS, so that with many samples this is a lower bound; with n of them chance adds
    about (number of cells in use) / (8 n). On the line a cell is a 1 / `cells` share of the law's own quantiles, in the
    plane the direct product of such cells of both coordinates.

    Args:
        samples: (..., n, d) with d = 1 or 2; on the line also (..., n).
        target: a mixture, whose shares are exact, or an array of examples, shape (m, d).
        cells: number of cells along each axis.

    Raises:
        ValueError: samples do not fit the target, are empty or masked, or have more than two coordinates; cells is not
            positive.
        TypeError: the target is neither a GaussianMixture nor numbers.

    Example:
        >>> from gan_edu.densities import gaussian
        >>> sample_js([[3.0], [3.0]], gaussian(0.0, 0.001)).round(4).item()  # nothing in common: log 2, up to one cell
        0.6245

    Chapter: 03, 05.
    """
    x, law, dim = _fitting(samples, target)
    if dim > 2 or cells < 1:
        raise ValueError(
            f"samples must have one or two coordinates and cells be positive, got {dim} and {cells}; in more dimensions "
            "most cells would be empty"
        )
    there = law.sample(65536, generator=0).reshape(-1, dim) if isinstance(law, GaussianMixture) else law
    edges = []
    for axis in there.T:
        quantiles, times = np.unique(np.quantile(axis, np.arange(1, cells) / cells), return_counts=True)
        edges.append(np.union1d(quantiles, np.nextafter(quantiles[times > 1], -np.inf)))  # an atom has its own cell
    shape = [len(e) + 1 for e in edges]

    def shares(rows: Array) -> Array:
        cell = [np.searchsorted(e, axis) for e, axis in zip(edges, rows.T, strict=True)]
        return np.bincount(np.ravel_multi_index(cell, shape), minlength=int(np.prod(shape))) / len(rows)

    def exact(mixture: GaussianMixture) -> Array:
        by_axis = [
            np.diff(ndtr((np.r_[-np.inf, e, np.inf] - mean[:, None]) / mixture.stds[:, None]), axis=1)
            for e, mean in zip(edges, mixture.means.T, strict=True)
        ]  # (K, cells) each; the coordinates of a component are independent
        together = by_axis[0] if dim == 1 else by_axis[0][:, :, None] * by_axis[1][:, None]
        return np.tensordot(mixture.weights, together, 1).reshape(-1)

    p, flat = exact(law) if isinstance(law, GaussianMixture) else shares(there), x.reshape(-1, *x.shape[-2:])
    return np.array([js(p, shares(rows)) if np.isfinite(rows).all() else np.nan for rows in flat]).reshape(x.shape[:-2])
