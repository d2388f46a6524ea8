"""Families about two laws: divergences, fits, likelihoods."""

# ruff: noqa: E731  (formulas within a definition are named lambdas)

from __future__ import annotations

from itertools import pairwise

import mpmath as mp
import numpy as np

from slow_reference.calculus import (
    Number,
    Params,
    Values,
    cuts,
    density,
    distance,
    expect,
    integral,
    js,
    js_masses,
    kl,
    kl_masses,
    named,
    normal,
    pair,
    parts,
    tv_masses,
    unit,
)

# --- divergences -------------------------------------------------------------------------------------------------


def uniform_shift(p: Params) -> Values:
    """From the masses of the pieces between the four ends; W1 from the two distribution functions."""
    t = p["theta"]
    ends = sorted({mp.mpf(0), mp.mpf(1), t, 1 + t})
    a, b = ([y - x if low <= x < low + 1 else 0 for x, y in pairwise(ends)] for low in (0, t))
    gap = lambda x: abs(min(max(x, 0), 1) - min(max(x - t, 0), 1))
    return [js_masses(a, b), tv_masses(a, b), integral(gap, ends), kl_masses(a, b)]


def gaussian_small_shift(p: Params) -> Values:
    two = normal(0, p["std"]), normal(p["theta"], p["std"])
    forward, half = kl(*two), js(*two)
    return [half, forward, forward - 2 * half]


def cross_entropy_gauss(p: Params) -> Values:
    a, b = density(p["p"]), density(p["q"])
    cross, own = expect(p["p"], lambda x: -mp.log(b(x)), p["q"]), expect(p["p"], lambda x: -mp.log(a(x)))
    return [cross, own, kl(p["p"], p["q"])]


def kl_gauss_2d(p: Params) -> Values:
    """A sum over a grid of x = m1 + L z, where S1 = L L^T."""
    m1, m2, s1, s2 = (np.array(p[k], float) for k in ("m1", "m2", "S1", "S2"))
    z = np.stack(np.meshgrid(*[np.arange(-80, 81) / 8] * 2), -1).reshape(-1, 2)
    x = m1 + z @ np.linalg.cholesky(s1).T

    def log_density(m: np.ndarray, s: np.ndarray) -> np.ndarray:
        return -0.5 * np.einsum("ni,ij,nj->n", x - m, np.linalg.inv(s), x - m) - 0.5 * np.log(np.linalg.det(s))

    share = np.exp(-0.5 * (z**2).sum(1)) / (2 * np.pi * 64)
    return [share @ (log_density(m1, s1) - log_density(m2, s2))]


def ring_centres(p: Params) -> tuple[list[Values], list[Values]]:
    """The modes of the full ring and those kept."""
    turns = [2 * mp.pi * i / p["k"] for i in range(p["k"])]
    full = [[p["radius"] * mp.cos(t), p["radius"] * mp.sin(t)] for t in turns]
    return full, [full[i] for i in p["kept"]]


def ring_mode_drop_2d(p: Params) -> Values:
    """A sum over a square grid of spacing 0.09 sigma."""
    radius, sigma = float(p["radius"]), float(p["sigma"])
    h, reach = 0.09 * sigma, radius + 10 * sigma
    axis = np.arange(-reach, reach + h, h)

    def log_density(centres: list[Values]) -> np.ndarray:
        c = np.array(centres, float)
        far = [-0.5 * ((axis[:, None] - a) ** 2 + (axis[None, :] - b) ** 2) / sigma**2 for a, b in c]
        return np.logaddexp.reduce(far, axis=0) - np.log(2 * np.pi * sigma**2 * len(c))

    r, g = (log_density(centres) for centres in ring_centres(p))
    m = np.logaddexp(r, g) - np.log(2)
    js_sum = (np.exp(r) * (r - m) + np.exp(g) * (g - m)).sum() / 2
    return [js_sum * h**2, (np.exp(g) * (g - r)).sum() * h**2]


def dstar_ring_points_2d(p: Params) -> Values:
    def at(x: Values, centres: list[Values]) -> Number:
        return mp.fsum(mp.exp(-(distance(x, c) ** 2) / (2 * p["sigma"] ** 2)) for c in centres) / len(centres)

    full, part = ring_centres(p)
    return [at(x, full) / (at(x, full) + at(x, part)) for x in p["x"]]


# --- fits and likelihoods ----------------------------------------------------------------------------------------


def forward_kl_fit(p: Params) -> Values:
    """The zero of the gradient of E[log s + (x - m)^2 / 2 s^2] over the target, by sums over a fine grid."""
    target = p["target"]
    a, points, h = density(target), cuts(target), min(s for _, _, s in parts(target)) / 4
    grid = [points[0] + i * h for i in range(int((points[-1] - points[0]) / h) + 2)]
    shares = [a(x) * h for x in grid]

    def gradient(m: Number, s: Number) -> Values:
        first = mp.fdot(shares, [m - x for x in grid])
        return [first / s**2, 1 / s - mp.fdot(shares, [(x - m) ** 2 for x in grid]) / s**3]

    m, s = mp.findroot(gradient, (parts(target)[0][1], parts(target)[0][2]), maxsteps=50)
    return [m, abs(s), kl(target, normal(m, abs(s)))]


def reverse_kl_fit(p: Params) -> Values:
    """Down the gradient from init in float64, then the zero of the gradient; E over x = m + s z by sums over z."""
    w, mu, sd = (np.array(column, float)[:, None] for column in zip(*parts(p["target"]), strict=True))
    z = np.arange(-240, 241) / 20
    phi = np.exp(-(z**2) / 2) / (20 * np.sqrt(2 * np.pi))
    m, s = (float(v) for v in p["init"])
    for _ in range(4000):
        x = m + s * z
        logs = np.log(w / sd) - ((x - mu) / sd) ** 2 / 2
        score = (np.exp(logs - np.logaddexp.reduce(logs, axis=0)) * (mu - x) / sd**2).sum(0)
        rate = 0.05 * min(s, sd.min()) ** 2
        m, s = m + rate * (phi @ score), s * np.exp(rate / s**2 * (1 + s * (phi @ (z * score))))

    a, terms = density(p["target"]), parts(p["target"])
    grid = [mp.mpf(i) / 20 for i in range(-220, 221)]
    shares = [mp.npdf(t) / 20 for t in grid]

    def gradient(m: Number, s: Number) -> Values:
        x = [m + s * t for t in grid]
        score = [mp.fsum(w * (c - v) / d**2 * mp.npdf(v, c, d) for w, c, d in terms) / a(v) for v in x]
        return [-mp.fdot(shares, score), -1 / s - mp.fdot([h * t for h, t in zip(shares, grid, strict=True)], score)]

    m, s = mp.findroot(gradient, (m, s))
    return [m, s, kl(normal(m, s), p["target"])]


def parzen_loglik(p: Params) -> Values:
    samples, test = ([v if isinstance(v, list) else [v] for v in p[k]] for k in ("samples", "test"))
    window = lambda x, c: mp.fprod(mp.npdf(s, t, p["sigma"]) for s, t in zip(x, c, strict=True))
    return [mp.fsum(mp.log(mp.fsum(window(x, c) for c in samples) / len(samples)) for x in test) / len(test)]


def parzen_population(p: Params) -> Values:
    """The generator's density smeared by the window, as a sum over a grid."""
    s, sigma = float(p["s"]), float(p["sigma"])
    h = min(s, sigma) / 5
    x = np.arange(-12 * s, 12 * s + h, h)
    phi = lambda d, std: np.exp(-((d / std) ** 2) / 2) / (std * np.sqrt(2 * np.pi))
    smeared = phi(x[:, None] - x[None, :], sigma) @ phi(x, s) * h
    law = density(normal(0, p["s"]))
    return [phi(x, s) @ np.log(smeared) * h, expect(normal(0, p["s"]), lambda t: mp.log(law(t)))]


FAMILIES = named(
    cross_entropy_gauss,
    dstar_ring_points_2d,
    forward_kl_fit,
    gaussian_small_shift,
    kl_gauss_2d,
    parzen_loglik,
    parzen_population,
    reverse_kl_fit,
    ring_mode_drop_2d,
    uniform_shift,
) | {
    "js_discrete": lambda p: [js_masses(p["p"], p["q"]) / unit(p)],
    "js_mog_1d": lambda p: [js(*pair(p)) / unit(p)],
    "kl_discrete": lambda p: [kl_masses(p["p"], p["q"]) / unit(p)],
    "kl_gauss_1d": lambda p: [kl(*pair(p)) / unit(p)],
    "kl_mog_1d": lambda p: [kl(*pair(p)) / unit(p)],
}
