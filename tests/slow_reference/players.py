"""Families about what a discriminator and a generator do, and what they lose."""

# ruff: noqa: E731  (formulas within a definition are named lambdas)

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp

from slow_reference.calculus import (
    Number,
    Params,
    Values,
    density,
    expect,
    js,
    js_masses,
    kl,
    kl_masses,
    log_d,
    named,
    normal,
    of_difference,
    pair,
    parts,
    peak,
    sigmoid,
    slope,
    tv,
    unit,
    v_star,
)

# --- the discriminator -------------------------------------------------------------------------------------------


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


# --- the generator -----------------------------------------------------------------------------------------------


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


FAMILIES = named(
    bayes_accuracy,
    bce_hard_labels,
    dstar_logit_gauss,
    dstar_points,
    dstar_prior,
    equilibrium,
    frozen_d_best_response,
    gen_grad_mean,
    logit_gradients,
    lotus_logistic,
    mc_standard_error,
    mode_drop,
    nn1_vs_bayes,
    ns_identity,
    pointwise_objective,
    pushforward_density,
    stable_log_sigmoid,
    v_logistic,
) | {
    "gen_grad_std": lambda p: frozen_slopes(p, lambda s: normal(p["mg"], s), p["sg"]),
    "v_constant_d": lambda p: [mp.log(p["c"]) + mp.log(1 - p["c"])],
    "v_star": lambda p: [v_star(*pair(p))],
}
