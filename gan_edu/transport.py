"""Moving mass: the distance W1, the critic that proves it, and the cheapest plan between weighted points.

A law is a density (a `GaussianMixture`, a `Uniform`) or a vector of probabilities. After `import gan_edu` the name
`gan_edu.transport` is the function; this module's other names are imported from it: `from gan_edu.transport import ...`.
Chapter: 08, 09.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike
from scipy.special import gammaln, hyp1f1

from gan_edu.densities import GaussianMixture, Uniform
from gan_edu.quadrature import Array, Density, Law, as_laws, as_points, integrate
from gan_edu.reading import numbers, probabilities, quiet

__all__ = ["OptimalCritic", "Transport", "optimal_critic", "transport", "wasserstein1"]

PAIRS = 16_000_000  # at most, in `transport`: then it needs about 1 GB, and far more time than memory
BLOCK = 2_000_000  # numbers in memory at a time, where rows can be taken in turn


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
    i, j = scipy.optimize.linear_sum_assignment(scipy.spatial.distance.cdist(moved, there))
    scale = max(1.0, np.abs(there).max(), a * np.abs(p.means).max() / spread_q)
    return (a, b) if np.abs(moved[i] - there[j]).max() < 1e-12 * scale else None


@quiet
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

    @quiet
    def gradient(self, x: ArrayLike) -> Array:
        """Gradient of f* at x, shape of x: of length 1, and 0 where every slope is optimal."""
        if self.p_data.dim == 1:
            return np.asarray(np.sign(_excess(self.p_g, self.p_data, x)))
        x = numbers("points", x)
        a, b = _dilation(self.p_data, self.p_g)  # type: ignore[misc]
        # From any x in the data, earth moves by (a - 1) x + b; seen from where it arrives, the direction is the same.
        move = b + np.zeros_like(x) if a == 1 else np.sign(a - 1) * (x + b / (a - 1))
        length = np.linalg.norm(move, axis=-1, keepdims=True)
        return np.asarray(-np.divide(move, length, out=np.zeros_like(move), where=length > 0))

    @quiet
    def __call__(self, x: ArrayLike) -> Array:
        """f*(x); as f* is only given up to a constant, it is 0 at the first crossing of F_data and F_g, or at 0."""
        x = numbers("points", x)
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


def _described(law: object) -> str:
    """What an error calls it."""
    return f"{type(law).__name__} in dimension {law.dim}" if isinstance(law, Density) else type(law).__name__


@quiet
def optimal_critic(p_data: Density, p_g: Density) -> OptimalCritic:
    """Critic that maximises E_{p_data} f - E_{p_g} f among 1-Lipschitz functions; the maximum is W1.

    On the line f*' = sign(F_g - F_data): f* rises from where p_g has too much mass to where it has too little, uphill
    towards where generated samples are missing. In higher dimensions, as for `wasserstein1`, p_g must be the law of
    a x + b for x ~ p_data; then f* falls along the rays on which that map moves earth.

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
            "the optimal critic needs two densities of one dimension, got "
            f"{' and '.join(_described(law) for law in (p_data, p_g))}; for points, see transport(x, y).critic"
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

    @quiet
    def critic(self, points: ArrayLike) -> Array:
        """f(z) = min_j f(y_j) + |z - y_j|, 1-Lipschitz everywhere and equal to the potential at x and y; shape (k,)."""
        z = as_points(points, "points")
        if z.shape[1] != self.y.shape[1]:
            raise ValueError(f"points must have the dimension of y, {self.y.shape[1]}, got {z.shape[1]}; align them")
        rows = max(1, BLOCK // len(self.y))
        blocks = (z[i : i + rows] for i in range(0, len(z), rows))
        return np.concatenate([(scipy.spatial.distance.cdist(block, self.y) + self.f_y).min(1) for block in blocks])

    @property
    @quiet
    def gradient(self) -> Array:
        """dW1/dy_j = sum_i plan_ij (y_j - x_i) / |y_j - x_i|, shape (m, d); 0 is taken where the points coincide."""
        i, j = np.nonzero(self.plan)
        arrow = self.y[j] - self.x[i]
        length = np.linalg.norm(arrow, axis=-1, keepdims=True)
        unit = np.divide(arrow, length, out=np.zeros_like(arrow), where=length > 0)
        total = np.zeros_like(self.y)
        np.add.at(total, j, self.plan[i, j, None] * unit)
        return total


def _masses(weights: ArrayLike | None, count: int, name: str) -> Array:
    """Weights of `count` points; equal ones if left out."""
    if weights is None:
        return np.full(count, 1 / count)
    return probabilities(name, weights, count)


@quiet
def transport(x: ArrayLike, y: ArrayLike, wx: ArrayLike | None = None, wy: ArrayLike | None = None) -> Transport:
    """Optimal transport between weighted points at the Euclidean cost |x_i - y_j|: plan, dual potential and W1.

    Equal numbers of equal weights are an assignment problem, all else a linear program (HiGHS). The dual potential f
    is 1-Lipschitz, and falls by exactly |x_i - y_j| wherever mass moves: it proves that no plan is cheaper. There may be
    16 million pairs of points, 4000 x 4000; but time grows with more than the cube of n: 1000 x 1000 takes seconds,
    2000 x 2000 a minute, a linear program ten times as long.

    Args:
        x: sources, shape (n,) or (n, d).
        y: targets, shape (m,) or (m, d).
        wx: weights of x, shape (n,), sum 1; equal if left out.
        wy: weights of y, shape (m,), sum 1; equal if left out.

    Raises:
        ValueError: points or weights do not fit, are empty, masked or not finite, or there are too many pairs.
        TypeError: something is no number.

    Example:
        >>> t = transport([0.0, 1.0, 3.0], [5.0, 6.0, 8.0])
        >>> round(t.cost, 9), t.f_x.shape, t.plan.sum(1).round(3).tolist()
        (5.0, (3,), [0.333, 0.333, 0.333])

    Source: Kantorovich and Rubinstein (1958); Villani (2009), theorem 5.10. Chapter: 08.
    """
    sources, targets = as_points(x, "x"), as_points(y, "y")
    if sources.shape[1] != targets.shape[1]:
        raise ValueError(f"x and y must have one dimension, got {sources.shape[1]} and {targets.shape[1]}")
    if (pairs := len(sources) * len(targets)) > PAIRS:
        raise ValueError(
            f"transport keeps every pair of points in memory and takes at most {PAIRS:,} pairs, got {len(sources)} x "
            f"{len(targets)} = {pairs:,}; take fewer points of each, or sample_w1, or a library for many points such as POT"
        )
    a, b = _masses(wx, len(sources), "wx"), _masses(wy, len(targets), "wy")
    cost = scipy.spatial.distance.cdist(sources, targets)
    if len(a) == len(b) and np.ptp(a) == np.ptp(b) == 0:
        i, j = scipy.optimize.linear_sum_assignment(cost)
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
        ones, at = np.ones(2 * len(k)), (np.r_[i, n + j], np.r_[k, k])
        sums = scipy.sparse.coo_array((ones, at), shape=(n + m, len(k))).tocsc()
        found = scipy.optimize.linprog(
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
