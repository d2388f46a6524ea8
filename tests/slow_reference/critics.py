"""Families about critics and features: penalties, energies, Lipschitz constants, distances within a batch."""

# ruff: noqa: E731  (formulas within a definition are named lambdas)

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import mpmath as mp
import numpy as np
from scipy.optimize import linprog

from slow_reference.calculus import (
    Function,
    Number,
    Params,
    Values,
    density,
    distance,
    expect,
    integral,
    length,
    named,
    of_difference,
    pair,
    peak,
)

# --- critics, penalties, Lipschitz constants ---------------------------------------------------------------------


def ebgan_value(p: Params) -> Values:
    """For each x the loss is linear in D between 0 and m and grows beyond: the best D is one of these two."""
    least = lambda a, b: min(a * d + b * max(0, p["m"] - d) for d in (0, p["m"]))
    pr, pg = pair(p)
    a, b = density(pr), density(pg)
    return [of_difference(a, b, pr, pg, least), of_difference(a, a, pr, pr, least)]


def linear_critic_gp(p: Params) -> Values:
    gap, lam = p["mr"] - p["mg"], p["lam"]
    penalty: Function = {
        "two_sided": lambda a: (a - 1) ** 2,
        "one_sided_squared": lambda a: max(0, a - 1) ** 2,
        "hinge_max": lambda a: max(a, 1),
    }[p["penalty"]]
    reach = 2 + abs(gap) / lam
    best = lambda f: max((peak(f, *ends) for ends in ((-reach, 0), (0, reach))), key=f)
    aim = lambda w: w * gap - lam * penalty(abs(w))
    w = best(aim)
    return [w, aim(w), best(lambda w: -w * gap - lam * penalty(abs(w)))]


def xhat_moments(p: Params) -> Values:
    """Over eps: the mean given it, and the variance given it with the square of that mean's deviation."""
    middle = lambda e: e * p["mr"] + (1 - e) * p["mg"]
    spread = lambda e: (e * p["sr"]) ** 2 + ((1 - e) * p["sg"]) ** 2
    mean = mp.quad(middle, [0, 1])
    return [mean, mp.quad(lambda e: spread(e) + (middle(e) - mean) ** 2, [0, 1])]


def gp_value(p: Params) -> Values:
    """f'(x_hat) given eps is Gaussian: Gauss-Legendre in eps and, between the kinks -1, 0, 1, in the slope."""
    mr, sr, mg, sg, a, b = (float(p[k]) for k in ("mr", "sr", "mg", "sg", "a", "b"))
    nodes, weights = np.polynomial.legendre.leggauss(96)
    total = np.zeros(3)
    for e, share in zip((nodes + 1) / 2, weights / 2, strict=True):
        m, s = a * (e * mr + (1 - e) * mg) + b, abs(a) * np.hypot(e * sr, (1 - e) * sg)
        for low, high in pairwise(np.clip([-np.inf, -1, 0, 1, np.inf], m - 12 * s, m + 12 * s)):
            u, w = (low + high) / 2 + (high - low) / 2 * nodes, (high - low) / 2 * weights
            mass = share * w * np.exp(-(((u - m) / s) ** 2) / 2) / (s * np.sqrt(2 * np.pi))
            n = abs(u)
            total += [mass @ (n - 1) ** 2, mass @ np.maximum(0, n - 1) ** 2, mass @ np.maximum(n, 1)]
    return total.tolist()


def spectral(matrix: Any) -> Number:
    return max(mp.svd_r(mp.matrix(matrix), compute_uv=False))


def lipschitz_relu_net(p: Params) -> Values:
    """The largest gradient among the activation patterns of regions that contain a ball, found by linear programmes."""
    w, b = np.array(p["W"], float), np.array(p["b"], float)
    norms, inputs = np.linalg.norm(w, axis=1), w.shape[1]
    best = mp.mpf(0)
    for on in product((0, 1), repeat=len(b)):
        sign = 2 * np.array(on) - 1
        rows = np.c_[-sign[:, None] * w, norms]  # each hyperplane at least t away on its side
        ball = linprog(np.r_[np.zeros(inputs), -1], rows, sign * b, bounds=[(None, None)] * inputs + [(None, 1)])
        if ball.status == 0 and -ball.fun > 1e-9:
            live = [(v, row) for v, row, state in zip(p["v"], p["W"], on, strict=True) if state]
            best = max(best, length([mp.fsum(v * row[i] for v, row in live) for i in range(inputs)]))
    return [best, spectral(p["W"]) * length(p["v"])]


def lipschitz_tanh_net_1d(p: Params) -> Values:
    units = list(zip(p["v"], p["w"], p["b"], strict=True))
    steepness = lambda x: abs(mp.fsum(v * w / mp.cosh(w * x + b) ** 2 for v, w, b in units))
    low = min((-b - 4 * mp.sign(w)) / w for _, w, b in units if w)
    high = max((-b + 4 * mp.sign(w)) / w for _, w, b in units if w)
    grid = [low + (high - low) * i / 1500 for i in range(1501)]
    i = max(range(1, 1500), key=lambda i: steepness(grid[i]))
    x = peak(steepness, grid[i - 1], grid[i + 1])
    return [steepness(x), length(p["w"]) * length(p["v"]), x]


def clip_bound(p: Params) -> Values:
    """The Jacobian of the net whose weights are all c, on positive inputs, where every unit is on."""
    jacobian = mp.eye(p["widths"][0])
    for rows, columns in zip(p["widths"][1:], p["widths"], strict=False):
        jacobian = mp.matrix([[p["c"]] * columns] * rows) * jacobian
    return [spectral(jacobian)]


def clip_linear(p: Params) -> Values:
    gap = [mp.mpf(r) - g for r, g in zip(p["mr"], p["mg"], strict=True)]
    vertices = list(product((-p["c"], p["c"]), repeat=len(gap)))
    best = max(vertices, key=lambda w: mp.fdot(w, gap))
    return [mp.fdot(best, gap), length(best), length(gap)]


def slit_plane_lipschitz(p: Params) -> Values:
    f = lambda x, y: mp.atan2(y, x)
    above, below = (-p["r"], p["eps"]), (-p["r"], -p["eps"])
    quotient = abs(f(*above) - f(*below)) / distance(above, below)
    return [quotient, length([mp.diff(f, above, (1, 0)), mp.diff(f, above, (0, 1))])]


def cauchy_tail(p: Params) -> Values:
    """Over the denominator y: P(|X| > t |y|)."""
    s, scale = p["s_den"], p["s_num"] / p["t"]
    points = sorted({min(k * v, 13 * s) for v in (s, scale) for k in (0, 1, 2, 4, 7, 13)})
    return [2 * integral(lambda y: mp.npdf(y, 0, s) * mp.erfc(y / scale / mp.sqrt(2)), points)]


# --- features ----------------------------------------------------------------------------------------------------


def feature_matching(p: Params) -> Values:
    moment = lambda law, k: law["dirac"] ** k if "dirac" in law else expect(law, lambda x: x**k)
    return [mp.fsum((moment(p["pr"], k) - moment(p["pg"], k)) ** 2 for k in range(1, p["n_powers"] + 1))]


def minibatch_closeness(p: Params) -> Values:
    far = lambda u, v: mp.fsum(abs(mp.mpf(s) - t) for s, t in zip(u, v, strict=True))
    m = p["M"]
    return [mp.fsum(mp.exp(-far(row[b], other[b])) for other in m) for row in m for b in range(len(row))]


FAMILIES = named(
    cauchy_tail,
    clip_bound,
    clip_linear,
    ebgan_value,
    feature_matching,
    gp_value,
    linear_critic_gp,
    lipschitz_relu_net,
    lipschitz_tanh_net_1d,
    minibatch_closeness,
    slit_plane_lipschitz,
    xhat_moments,
) | {
    "penalty_table": lambda p: [
        v for a in p["norms"] for v in ((a - 1) ** 2, max(0, a - 1) ** 2, max(a, 1), min(a, 1))
    ],
    "spectral_norm": lambda p: [spectral(p["W"]), length([v for row in p["W"] for v in row])],
}
