"""What the definitions are made of: laws on the line, integrals, roots, slopes, peaks, and the plain divergences."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import mpmath as mp

Params = dict[str, Any]
Number = Any  # of Python or of mpmath
Values = list[Number]
Function = Callable[[Number], Number]
Family = Callable[[Params], Values]


def named(*families: Family) -> dict[str, Family]:
    return {family.__name__: family for family in families}


# --- laws on the line --------------------------------------------------------------------------------------------


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


# --- integrals, roots, slopes, peaks -----------------------------------------------------------------------------


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


def distance(a: Any, b: Any) -> Number:
    return mp.sqrt(mp.fsum((mp.mpf(s) - t) ** 2 for s, t in zip(a, b, strict=True)))


def length(v: Values) -> Number:
    return distance(v, [0] * len(v))


# --- divergences and the value of the game -----------------------------------------------------------------------


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
