"""Families about moving mass."""

# ruff: noqa: E731  (formulas within a definition are named lambdas)

from __future__ import annotations

from itertools import permutations

import mpmath as mp
import numpy as np
from scipy.optimize import linprog

from slow_reference.calculus import (
    Number,
    Params,
    Values,
    cdf,
    distance,
    integral,
    js,
    js_masses,
    kl,
    kl_masses,
    named,
    normal,
    pair,
    peak,
    slope,
    tv,
    tv_masses,
    w1,
)


def matching(x: list[Values], y: list[Values]) -> tuple[Values, list[Values]]:
    """The cheapest of all matchings: the distance from each x to its partner, and the partners."""
    cost = [[distance(a, b) for b in y] for a in x]
    best = min(permutations(range(len(y))), key=lambda order: mp.fsum(cost[i][j] for i, j in enumerate(order)))
    return [cost[i][j] for i, j in enumerate(best)], [y[j] for j in best]


def dual(x: list[Values], y: list[Values], wx: Values, wy: Values) -> tuple[float, np.ndarray, np.ndarray]:
    """max sum wx f - sum wy g subject to f_i - g_j <= |x_i - y_j|, with f and g."""
    n, m = len(x), len(y)
    rows = [(np.eye(n)[i], -np.eye(m)[j]) for i in range(n) for j in range(m)]
    cost = [float(distance(a, b)) for a in x for b in y]
    aims = np.r_[-np.array(wx, float), np.array(wy, float)]
    bounds = [(0, 0)] + [(None, None)] * (n + m - 1)
    found = linprog(aims, A_ub=np.array([np.r_[r] for r in rows]), b_ub=cost, bounds=bounds, method="highs")
    return -found.fun, found.x[:n], found.x[n:]


def w1_points(x: list[Values], y: list[Values], wx: Values | None = None, wy: Values | None = None) -> Number:
    if wx is None and wy is None and len(x) == len(y) <= 6:
        return mp.fsum(matching(x, y)[0]) / len(x)
    return dual(x, y, wx or [1 / len(x)] * len(x), wy or [1 / len(y)] * len(y))[0]


def transport_rays_2d(p: Params) -> Values:
    """The slope is that of the largest 1-Lipschitz function with the dual's values at the generated points."""
    x, y, n = p["x"], p["y"], len(p["x"])
    lengths, partners = matching(x, y)
    _, _, g = dual(x, y, [1 / n] * n, [1 / n] * n)
    f = lambda point: min(g + np.linalg.norm(np.array(y, float) - point, axis=1))
    slopes = []
    for a, b in zip(np.array(x, float), np.array(partners, float), strict=True):
        u = (a - b) / np.linalg.norm(a - b)
        slopes.append((f((a + b) / 2 + 1e-3 * u) - f((a + b) / 2 - 1e-3 * u)) / 2e-3)
    return [*lengths, *slopes, mp.fsum(lengths) / n]


def parallel_lines(p: Params) -> Values:
    """Five points for each segment; where the segments differ, the masses lie on two lines."""

    def cost(t: Number) -> Number:
        heights = [mp.mpf(2 * i + 1) / 10 for i in range(5)]
        return w1_points([[0, s] for s in heights], [[t, s] for s in heights])

    t = p["theta"]
    a, b = ([1, 0], [0, 1]) if t else ([1], [1])
    return [cost(t), js_masses(a, b), tv_masses(a, b), kl_masses(a, b), slope(cost, t)]


def parallel_lines_noisy(p: Params) -> Values:
    two = normal(0, p["sigma"]), normal(p["theta"], p["sigma"])
    return [js(*two), kl(*two), tv(*two), w1(*two)]


def critic_slope_1d(p: Params) -> Values:
    pr, pg = pair(p)
    with mp.workdps(60):
        slopes = [mp.sign(cdf(pg)(x) - cdf(pr)(x)) for x in p["x"]]
    return [*slopes, w1(pr, pg)]


def w1_shift_gradient(p: Params) -> Values:
    pr, pg = pair(p)
    return [slope(lambda t: w1(pr, {**pg, "mu": [m + t for m in pg["mu"]]}), mp.mpf(0))]


def w1_2d_shift(p: Params) -> Values:
    """The best critic that is linear with slope one; moving everything by mr - mg shows that no other is better."""
    dx, dy = (mp.mpf(r) - g for r, g in zip(p["mr"], p["mg"], strict=True))
    gap = lambda turn: dx * mp.cos(turn) + dy * mp.sin(turn)
    start = max((2 * mp.pi * i / 8 for i in range(8)), key=gap)
    best = peak(gap, start - 1, start + 1)
    return [gap(best), mp.cos(best), mp.sin(best)]


def w1_2d_radial(p: Params) -> Values:
    """E_r f - E_g f of f = +-|x|, whose law under N(0, s^2 I) has the density r exp(-r^2 / 2 s^2) / s^2."""
    means = [
        integral(lambda r, s=s: r**2 * mp.exp(-((r / s) ** 2) / 2) / s**2, [s * k for k in (0, 1, 2, 4, 7, 13)])
        for s in (p["sr"], p["sg"])
    ]
    return [abs(means[0] - means[1]), mp.sign(means[0] - means[1])]


FAMILIES = named(
    critic_slope_1d,
    parallel_lines,
    parallel_lines_noisy,
    transport_rays_2d,
    w1_2d_radial,
    w1_2d_shift,
    w1_shift_gradient,
) | {
    "kr_scaling": lambda p: [p["K"] * w1(*pair(p))],
    "w1_2d_points": lambda p: [w1_points(p["x"], p["y"], p.get("wx"), p.get("wy"))],
    "w1_empirical": lambda p: [w1_points([[v] for v in p["x"]], [[v] for v in p["y"]])],
    "w1_gauss": lambda p: [w1(*pair(p))],
    "w1_mog": lambda p: [w1(*pair(p))],
}
