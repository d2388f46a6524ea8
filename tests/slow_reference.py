"""The families of the reference cases a second time: their definitions, evaluated slowly in 20 digits.

Nothing of gan_edu is used here. `SLOW` maps each family to a function from the parameters of a case to its flat list of
values, and `jitter` moves the parameters of a case by up to ten per cent. Integrals are taken by mpmath piece by piece,
optima by golden section, gradients by differences, transport by enumeration or by the dual linear programme. Planar
integrals and the two double ones are float64 sums over grids on which smooth integrands leave rounding errors only.
"""

# ruff: noqa: E731  (formulas within a definition are named lambdas)

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, permutations, product
from typing import Any

import mpmath as mp
import numpy as np
from scipy.optimize import linprog

Params = dict[str, Any]
Number = Any  # of Python or of mpmath
Values = list[Number]
Function = Callable[[Number], Number]


# --- laws on the line -----------------------------------------------------------------------------------------------


def parts(law: Params) -> list[tuple[Number, Number, Number]]:
    """(weight, mean, std) of each component of {"w", "mu", "sd"} or {"mean", "std"}."""
    return list(zip(law["w"], law["mu"], law["sd"], strict=True)) if "mu" in law else [(1, law["mean"], law["std"])]


def normal(mean: Number, std: Number) -> Params:
    return {"mean": mean, "std": std}


def pair(p: Params) -> tuple[Params, Params]:
    """The two laws of a case: p and q, pr and pg, or the Gaussians N(mr, sr) and N(mg, sg)."""
    if "mr" in p:
        return normal(p["mr"], p["sr"]), normal(p["mg"], p["sg"])
    return (p["p"], p["q"]) if "p" in p else (p["pr"], p["pg"])


def density(law: Params) -> Function:
    terms = parts(law)
    return lambda x: mp.fsum(w * mp.npdf(x, m, s) for w, m, s in terms)


def cdf(law: Params) -> Function:
    terms = parts(law)
    return lambda x: mp.fsum(w * mp.ncdf(x, m, s) for w, m, s in terms)


def cuts(*laws: Params) -> Values:
    """Where to split an integral, from 13 standard deviations below the laws' means to 13 above."""
    steps = (-13, -7, -4, -2, 0, 2, 4, 7, 13)
    return sorted({m + k * s for law in laws for _, m, s in parts(law) for k in steps})


def unit(p: Params) -> Number:
    """What a value in nats is divided by."""
    return mp.log(int(p["log_base"])) if p.get("log_base", "e") != "e" else mp.mpf(1)


# --- integrals, roots, slopes, peaks --------------------------------------------------------------------------------


def integral(f: Function, points: Values) -> Number:
    return mp.quad(f, points, method="gauss-legendre", maxdegree=6)


def expect(law: Params, f: Function, *others: Params) -> Number:
    """E f(x) under the law; f may change fast where the other laws lie."""
    a = density(law)
    return integral(lambda x: a(x) * f(x), cuts(law, *others))


def slope(f: Function, x: Number) -> Number:
    """f'(x), by a central difference in 30 digits."""
    with mp.workdps(30):
        h = mp.mpf(10) ** -7
        return (f(x + h) - f(x - h)) / (2 * h)


def peak(f: Function, low: Number, high: Number) -> Number:
    """Where a function with one peak has it: golden section in 40 digits, so that 20 are left of the place."""
    with mp.workdps(40):
        golden, low, high = (mp.sqrt(5) - 1) / 2, mp.mpf(low), mp.mpf(high)
        left, right = high - golden * (high - low), low + golden * (high - low)
        f_left, f_right = f(left), f(right)
        for _ in range(105):
            if f_left < f_right:
                low, left, f_left = left, right, f_right
                right = low + golden * (high - low)
                f_right = f(right)
            else:
                high, right, f_right = right, left, f_left
                left = high - golden * (high - low)
                f_left = f(left)
        return (low + high) / 2


def with_roots(f: Function, points: Values) -> Values:
    """The points, and between them the places where f changes its sign, also twice within a cell of the grid."""
    grid = [a + (b - a) * i / 20 for a, b in pairwise(points) for i in range(20)]
    seen = [(x, y) for x, y in ((x, f(x)) for x in grid) if abs(y) > 1e-15]
    height, touches = max((abs(y) for _, y in seen), default=0), []
    for (a, fa), (_, fb), (c, fc) in zip(seen, seen[1:], seen[2:], strict=False):
        if abs(fb) < min(abs(fa), abs(fc), height / 20) and fa * fb > 0 and fb * fc > 0:
            top = peak(lambda x, side=fb: -side * f(x), a, c)
            touches += [(top, f(top))] if f(top) * fb < 0 else []
    seen = sorted(seen + touches)
    roots = [mp.findroot(f, (a, b), solver="anderson") for (a, fa), (b, fb) in pairwise(seen) if fa * fb < 0]
    return sorted({*points, *roots})


# --- divergences and the value of the game --------------------------------------------------------------------------


def kl(p: Params, q: Params) -> Number:
    a, b = density(p), density(q)
    return expect(p, lambda x: mp.log(a(x) / b(x)), q)


def kl_to_middle(p: Params, q: Params) -> Number:
    """KL(p || (p + q) / 2)."""
    a, b = density(p), density(q)
    return expect(p, lambda x: mp.log(2 * a(x) / (a(x) + b(x))), q)


def js(p: Params, q: Params) -> Number:
    return (kl_to_middle(p, q) + kl_to_middle(q, p)) / 2


def of_difference(f: Function, g: Function, p: Params, q: Params, integrand: Callable[..., Number]) -> Number:
    """The integral of integrand(f, g), split where f and g cross."""
    points = with_roots(lambda x: f(x) - g(x), cuts(p, q))
    return integral(lambda x: integrand(f(x), g(x)), points)


def tv(p: Params, q: Params) -> Number:
    return of_difference(density(p), density(q), p, q, lambda a, b: abs(a - b)) / 2


def w1(p: Params, q: Params) -> Number:
    return of_difference(cdf(p), cdf(q), p, q, lambda a, b: abs(a - b))


def kl_masses(p: Values, q: Values) -> Number:
    if any(a > 0 and b == 0 for a, b in zip(p, q, strict=True)):
        return mp.inf
    return mp.fsum(a * mp.log(mp.mpf(a) / b) for a, b in zip(p, q, strict=True) if a > 0)


def js_masses(p: Values, q: Values) -> Number:
    m = [(mp.mpf(a) + b) / 2 for a, b in zip(p, q, strict=True)]
    return (kl_masses(p, m) + kl_masses(q, m)) / 2


def tv_masses(p: Values, q: Values) -> Number:
    return mp.fsum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2


def log_d(pr: Params, pg: Params) -> Function:
    """log D* of the two laws; with the laws exchanged it is log(1 - D*)."""
    a, b = density(pr), density(pg)
    return lambda x: -mp.log1p(b(x) / a(x))


def v_star(pr: Params, pg: Params) -> Number:
    return expect(pr, log_d(pr, pg), pg) + expect(pg, log_d(pg, pr), pr)


def sigmoid(a: Number) -> Number:
    return 1 / (1 + mp.exp(-a))


# --- divergences ----------------------------------------------------------------------------------------------------


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


# --- the discriminator ----------------------------------------------------------------------------------------------


def bce_hard_labels(p: Params) -> Values:
    terms = [y * mp.log(d) + (1 - y) * mp.log(1 - d) for d, y in zip(p["D"], p["y"], strict=True)]
    return [-mp.fsum(terms) / len(terms)]


def stable_log_sigmoid(p: Params) -> Values:
    values: Values = []
    for a in p["logits"]:
        with mp.workdps(int(abs(a)) + 40):
            values += [mp.log(sigmoid(a)), mp.log(1 - sigmoid(a))]
    return values


def dstar_points(p: Params) -> Values:
    a, b = (density(law) for law in pair(p))
    return [a(x) / (a(x) + b(x)) for x in p["x"]]


def dstar_prior(p: Params) -> Values:
    (pr, pg), share = pair(p), p["prior_real"]
    a, b = density(pr), density(pg)
    odds = lambda x: share * a(x) / ((1 - share) * b(x))
    best = share * expect(pr, lambda x: -mp.log1p(1 / odds(x)), pg)
    best += (1 - share) * expect(pg, lambda x: -mp.log1p(odds(x)), pr)
    return [*(odds(x) / (1 + odds(x)) for x in p["x"]), best]


def dstar_logit_gauss(p: Params) -> Values:
    a, b = (density(law) for law in pair(p))
    return mp.taylor(lambda x: mp.log(a(x) / b(x)), 0, 2)[::-1]


def v_logistic(p: Params) -> Values:
    pr, pg = pair(p)
    v = expect(pr, lambda x: -mp.log1p(mp.exp(-p["a"] * x - p["b"])), pg)
    v += expect(pg, lambda x: -mp.log1p(mp.exp(p["a"] * x + p["b"])), pr)
    return [v, v_star(pr, pg) - v]


def equilibrium(p: Params) -> Values:
    law = p["pr"]
    x = parts(law)[0][1]
    return [v_star(law, law), mp.exp(log_d(law, law)(x)), js(law, law)]


def pointwise_objective(p: Params) -> Values:
    h = lambda y: (p["A"] * mp.log(y) + p["B"] * mp.log(1 - y)) / unit(p)
    best = peak(h, mp.mpf("1e-30"), 1 - mp.mpf("1e-30"))
    return [mp.diff(h, p["y"]), mp.diff(h, p["y"], 2), best, h(best)]


def bayes_accuracy(p: Params) -> Values:
    pr, pg = pair(p)
    return [tv(pr, pg), of_difference(density(pr), density(pg), pr, pg, max) / 2]


def nn1_vs_bayes(p: Params) -> Values:
    """The nearest neighbour carries an independent label of the same law: it errs with 2 eta (1 - eta)."""
    pr, pg = pair(p)
    a, b = density(pr), density(pg)
    return [of_difference(a, b, pr, pg, min) / 2, expect(pr, lambda x: b(x) / (a(x) + b(x)), pg)]


def mc_standard_error(p: Params) -> Values:
    pr, pg = pair(p)
    variance = 0
    for law, other in ((pr, pg), (pg, pr)):
        f = log_d(law, other)
        variance += expect(law, lambda x, f=f: f(x) ** 2, other) - expect(law, f, other) ** 2
    return [v_star(pr, pg), mp.sqrt(variance / p["N"])]


# --- the generator --------------------------------------------------------------------------------------------------


def pushforward_density(p: Params) -> Values:
    """The slope of the distribution function of G(z): a z + b, exp(a z) or z^2."""

    def below(x: Number) -> Number:
        if p["map"] == "affine":
            return mp.ncdf(mp.sign(p["a"]) * (x - p["b"]) / abs(p["a"])) * mp.sign(p["a"])
        if x <= 0:
            return mp.mpf(0)
        if p["map"] == "exp":
            return mp.ncdf(mp.log(x) / abs(p["a"]))
        return mp.erf(mp.sqrt(x / 2))

    return [abs(slope(below, x)) for x in p["x"]]


def lotus_logistic(p: Params) -> Values:
    def g(z: Number) -> Number:
        if p["map"] == "exp":
            return mp.exp(p["scale"] * z) + p["shift"]
        return p["scale"] * (z if p["map"] == "affine" else z**3) + p["shift"]

    return [expect(normal(0, 1), lambda z: -mp.log1p(mp.exp(p["a"] * g(z) + p["b"])))]


def frozen_slopes(p: Params, moved: Callable[[Number], Params], at: Number) -> Values:
    """d E[log(1 - D)] and d E[-log D] when the generator's law moves and D stays."""
    pr, pg = pair(p)
    losses = log_d(pg, pr), lambda x: -log_d(pr, pg)(x)
    return [slope(lambda t, f=f: expect(moved(t), f, pr), at) for f in losses]


def gen_grad_mean(p: Params) -> Values:
    at = lambda m: normal(m, p["sg"])
    pr = pair(p)[0]
    moving = slope(lambda m: -expect(at(m), log_d(pr, at(m)), pr), p["mg"])
    return [*frozen_slopes(p, at, p["mg"]), moving]


def ns_identity(p: Params) -> Values:
    pr, pg = pair(p)
    a, b = density(pr), density(pg)
    reverse, half, real = kl(pg, pr), js(pr, pg), expect(pr, log_d(pr, pg), pg)
    to_data = lambda x: mp.log((a(x) + b(x)) / (2 * a(x)))
    rest, twice_kl = reverse - 2 * half + real, expect(pr, to_data, pg) + expect(pg, to_data, pr)
    left = -expect(pg, log_d(pr, pg), pr)
    return [left, reverse, half, real, rest + 2 * mp.log(2), rest - 2 * mp.log(2), twice_kl]


def logit_gradients(p: Params) -> Values:
    values: Values = []
    for a in p["logits"]:
        d = sigmoid(a)
        values += [d, mp.diff(lambda t: mp.log(1 - sigmoid(t)), a), mp.diff(lambda t: -mp.log(sigmoid(t)), a)]
        values += [mp.diff(lambda t: mp.log(1 - t), d), mp.diff(lambda t: -mp.log(t), d)]
    return values


def mode_drop(p: Params) -> Values:
    real = p["weights"]
    kept = mp.fsum(real[i] for i in p["kept"])
    fake = [w / kept if i in p["kept"] else mp.mpf(0) for i, w in enumerate(real)]
    best = [r / (r + g) if r + g else mp.mpf(0) for r, g in zip(real, fake, strict=True)]
    v = mp.fsum(r * mp.log(d) for r, d in zip(real, best, strict=True) if r)
    v += mp.fsum(g * mp.log(1 - d) for g, d in zip(fake, best, strict=True) if g)
    back, half = kl_masses(fake, real), js_masses(real, fake)
    return [back, kl_masses(real, fake), half, best[p["kept"][0]], back - 2 * half, v]


def frozen_d_best_response(p: Params) -> Values:
    """The generator puts all its mass where D* is largest."""
    pr, pg = pair(p)
    f, reach = log_d(pr, pg), 100 * (1 + abs(p["mr"] - p["mg"]))
    a, b = density(pr), density(pg)
    x = peak(lambda x: mp.log(a(x) / b(x)), p["mr"] - reach, p["mr"] + reach)
    return [x, mp.exp(f(x)), log_d(pg, pr)(x)]


def dirac_generator_duality_gap(p: Params) -> Values:
    """V = sum_i p_i log D_i + log(1 - D_k). D may be one off the atom k; against every k it is under one ceiling."""
    low, high = mp.mpf("1e-30"), 1 - mp.mpf("1e-30")

    def largest(w: Number) -> Number:
        d = peak(lambda d: w * mp.log(d) + mp.log(1 - d), low, high)
        return w * mp.log(d) + mp.log(1 - d)

    upper, lower = min(largest(w) for w in p["weights"]), largest(1)
    return [upper, lower, upper - lower]


# --- Wasserstein distances ------------------------------------------------------------------------------------------


def distance(a: Any, b: Any) -> Number:
    return mp.sqrt(mp.fsum((mp.mpf(s) - t) ** 2 for s, t in zip(a, b, strict=True)))


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


# --- critics, penalties, Lipschitz constants ------------------------------------------------------------------------


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


def length(v: Values) -> Number:
    return distance(v, [0] * len(v))


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


# --- dynamics -------------------------------------------------------------------------------------------------------


def steps(p: Params, push: Callable[[Number, Number], tuple[Number, Number]]) -> Values:
    """n steps along push(theta, psi), at once or psi first."""
    theta, psi = mp.mpf(p["theta0"]), mp.mpf(p["psi0"])
    for _ in range(p["n"]):
        before = psi
        psi = psi + p["h"] * push(theta, psi)[1]
        theta = theta + p["h"] * push(theta, before if p["mode"] == "simultaneous" else psi)[0]
    return [theta, psi, length([theta, psi])]


def dirac_gan_logistic(p: Params) -> Values:
    side = 1 if p["loss"] == "minimax" else -1
    return steps(p, lambda t, s: (sigmoid(side * s * t) * s, -sigmoid(s * t) * t))


def dirac_gan_r1_eigs(p: Params) -> Values:
    """The Jacobian at (0, 0) of (-dV/dtheta, dV/dpsi - gamma psi), V = log(1/2) + log(1 - sigmoid(psi theta))."""
    with mp.workdps(40):
        v = lambda theta, psi: mp.log(1 - sigmoid(psi * theta))
        second = lambda i, j: mp.chop(mp.diff(v, (0, 0), (i, j)), tol=1e-15)
        jacobian = mp.matrix([[-second(2, 0), -second(1, 1)], [second(1, 1), second(0, 2) - p["gamma"]]])
        found = mp.eig(jacobian, left=False, right=False)
        roots = sorted((mp.mpc(mp.chop(z, tol=1e-18)) for z in found), key=lambda z: (-z.imag, -z.real))
        flat = [v for z in roots for v in (z.real, z.imag)]
        return [*flat, max(abs(1 + p["h"] * z) for z in roots)]


# --- fits and likelihoods -------------------------------------------------------------------------------------------


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


def feature_matching(p: Params) -> Values:
    moment = lambda law, k: law["dirac"] ** k if "dirac" in law else expect(law, lambda x: x**k)
    return [mp.fsum((moment(p["pr"], k) - moment(p["pg"], k)) ** 2 for k in range(1, p["n_powers"] + 1))]


def minibatch_closeness(p: Params) -> Values:
    far = lambda u, v: mp.fsum(abs(mp.mpf(s) - t) for s, t in zip(u, v, strict=True))
    m = p["M"]
    return [mp.fsum(mp.exp(-far(row[b], other[b])) for other in m) for row in m for b in range(len(row))]


# --- all of them ----------------------------------------------------------------------------------------------------


def exact(value: Any) -> Any:
    """Floats as numbers of mpmath, so that nothing is rounded to 16 digits on the way."""
    if isinstance(value, dict):
        return {k: exact(v) for k, v in value.items()}
    if isinstance(value, list):
        return [exact(v) for v in value]
    return mp.mpf(value) if isinstance(value, float) else value


def with_exact_numbers(f: Callable[[Params], Values]) -> Callable[[Params], Values]:
    return lambda params: f(exact(params))


# fmt: off
NAMED = (
    bayes_accuracy, bce_hard_labels, cauchy_tail, clip_bound, clip_linear, critic_slope_1d, cross_entropy_gauss,
    dirac_gan_logistic, dirac_gan_r1_eigs, dirac_generator_duality_gap, dstar_logit_gauss, dstar_points, dstar_prior,
    dstar_ring_points_2d, ebgan_value, equilibrium, feature_matching, forward_kl_fit, frozen_d_best_response,
    gaussian_small_shift, gen_grad_mean, gp_value, kl_gauss_2d, linear_critic_gp, lipschitz_relu_net,
    lipschitz_tanh_net_1d, logit_gradients, lotus_logistic, mc_standard_error, minibatch_closeness, mode_drop,
    nn1_vs_bayes, ns_identity, parallel_lines, parallel_lines_noisy, parzen_loglik, parzen_population,
    pointwise_objective, pushforward_density, reverse_kl_fit, ring_mode_drop_2d, slit_plane_lipschitz,
    stable_log_sigmoid, transport_rays_2d, uniform_shift, v_logistic, w1_2d_radial, w1_2d_shift, w1_shift_gradient,
    xhat_moments,
)
# fmt: on
SHORT: dict[str, Callable[[Params], Values]] = {
    "dirac_gan_bilinear": lambda p: steps(p, lambda t, s: (-s, t)),
    "gen_grad_std": lambda p: frozen_slopes(p, lambda s: normal(p["mg"], s), p["sg"]),
    "js_discrete": lambda p: [js_masses(p["p"], p["q"]) / unit(p)],
    "js_mog_1d": lambda p: [js(*pair(p)) / unit(p)],
    "kl_discrete": lambda p: [kl_masses(p["p"], p["q"]) / unit(p)],
    "kl_gauss_1d": lambda p: [kl(*pair(p)) / unit(p)],
    "kl_mog_1d": lambda p: [kl(*pair(p)) / unit(p)],
    "kr_scaling": lambda p: [p["K"] * w1(*pair(p))],
    "penalty_table": lambda p: [
        v for a in p["norms"] for v in ((a - 1) ** 2, max(0, a - 1) ** 2, max(a, 1), min(a, 1))
    ],
    "spectral_norm": lambda p: [spectral(p["W"]), length([v for row in p["W"] for v in row])],
    "v_constant_d": lambda p: [mp.log(p["c"]) + mp.log(1 - p["c"])],
    "v_star": lambda p: [v_star(*pair(p))],
    "w1_2d_points": lambda p: [w1_points(p["x"], p["y"], p.get("wx"), p.get("wy"))],
    "w1_empirical": lambda p: [w1_points([[v] for v in p["x"]], [[v] for v in p["y"]])],
    "w1_gauss": lambda p: [w1(*pair(p))],
    "w1_mog": lambda p: [w1(*pair(p))],
}
SLOW = {name: with_exact_numbers(f) for name, f in {**{f.__name__: f for f in NAMED}, **SHORT}.items()}


# --- the same cases at other parameters -----------------------------------------------------------------------------

COUNTS = {"N", "n", "k", "kept", "n_powers", "widths"}
SHARES = {"weights", "wx", "wy", "p", "q"}  # lists that sum to one, as does "w" beside "mu"
COVARIANCES = {"S", "S1", "S2"}
INSIDE_UNIT_INTERVAL = {"D", "prior_real", "c of v_constant_d", "y of pointwise_objective"}
NOT_NEGATIVE = {"gamma", "norms"}


def jitter(params: Params, rng: np.random.Generator, family: str) -> Params:
    """The same parameters, each real number moved by up to ten per cent and a zero by up to 0.1.

    Counts, labels and strings stay; so do the zeros of probability vectors, the sum of these, what lies between zero
    and one, covariances being positive definite, and what a family needs in order to have an answer.
    """

    def number(v: Number, key: str) -> Number:
        step, names = rng.uniform(-0.1, 0.1), {key, f"{key} of {family}"}
        if names & INSIDE_UNIT_INTERVAL:
            return v + step * min(v, 1 - v)
        moved = float(v + step * (v or 1))
        return abs(moved) if key in NOT_NEGATIVE else moved

    def shares(v: list[float]) -> list[float]:
        moved = [number(x, "") if x else 0.0 for x in v]
        return [x / sum(moved) for x in moved]

    def move(v: Any, key: str = "") -> Any:
        if isinstance(v, dict):
            return {k: shares(x) if k == "w" and "mu" in v else move(x, k) for k, x in v.items()}
        labels = (family, key) == ("bce_hard_labels", "y")
        if isinstance(v, str) or key in COUNTS or labels or (family, v) == ("parallel_lines", 0):
            return v
        if isinstance(v, list) and key in SHARES:
            return shares(v)
        if key in COVARIANCES:
            lower = np.tril(move(v))
            return (lower + np.tril(lower, -1).T).tolist()
        return [move(x, key) for x in v] if isinstance(v, list) else number(v, key)

    while True:
        moved = move(params)
        good = all(np.linalg.eigvalsh(moved[k]).min() > 0 for k in COVARIANCES & set(moved))
        if family == "frozen_d_best_response":
            good = moved["sg"] > moved["sr"]
        if family == "linear_critic_gp" and moved["penalty"] == "hinge_max":
            good = moved["lam"] > abs(moved["mr"] - moved["mg"])
        if good:
            return moved
