"""Families about two players that move in turn or together, and the gap between them."""

# ruff: noqa: E731  (formulas within a definition are named lambdas)

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp

from slow_reference.calculus import Number, Params, Values, length, named, peak, sigmoid


def dirac_generator_duality_gap(p: Params) -> Values:
    """V = sum_i p_i log D_i + log(1 - D_k). D may be one off the atom k; against every k it is under one ceiling."""
    low, high = mp.mpf("1e-30"), 1 - mp.mpf("1e-30")

    def largest(w: Number) -> Number:
        d = peak(lambda d: w * mp.log(d) + mp.log(1 - d), low, high)
        return w * mp.log(d) + mp.log(1 - d)

    upper, lower = min(largest(w) for w in p["weights"]), largest(1)
    return [upper, lower, upper - lower]


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


FAMILIES = named(dirac_gan_logistic, dirac_gan_r1_eigs, dirac_generator_duality_gap) | {
    "dirac_gan_bilinear": lambda p: steps(p, lambda t, s: (-s, t)),
}
