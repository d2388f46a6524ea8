"""Tests of the little language: its numbers against closed forms, SciPy and loops, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from figures import figure, two_gaussians
from scipy import integrate, special, stats


def test_js_of_two_gaussians_against_quadrature():
    fig = two_gaussians()
    for mu in (-4.0, 0.0, 0.5, 3.0):

        def integrand(x, mu=mu):
            p, q = stats.norm.pdf(x), stats.norm.pdf(x, mu)
            return (special.rel_entr(p, (p + q) / 2) + special.rel_entr(q, (p + q) / 2)) / 2

        assert fig.evaluate(mu=mu)["JS"] == pytest.approx(integrate.quad(integrand, -20, 20, limit=200)[0], abs=1e-9)


def test_functions_against_scipy():
    formulas = {
        "a": "normal(x, mu, 1.5)",
        "b": "erf(x)",
        "c": "xlogy(maximum(x, 0), x + 7)",
        "d": "log_sigmoid(500*x)",
        "e": "softplus(x)",
        "f": "sigmoid(x)",
        "g": "where(x > 1, x, -x)",
    }
    v = figure(formulas).evaluate(mu=1.0)
    x = v["x"]
    expected = {
        "a": stats.norm.pdf(x, 1, 1.5),
        "b": special.erf(x),
        "c": special.xlogy(np.maximum(x, 0), x + 7),
        "d": special.log_expit(500 * x),
        "e": np.logaddexp(0, x),
        "f": special.expit(x),
        "g": np.where(x > 1, x, -x),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(v[name], values, rtol=1e-13, atol=1e-15)


def test_reductions_against_closed_forms():
    formulas = {
        "one": "integral(normal(x, 0, 0.5) * normal(y, 0, 0.3), x, y)",
        "top": "argmax(-(x - mu)**2, x)",
        "most": "maximum_over(3 - (x - mu)**2, x)",
        "line": "at(2*x + 1, x, mu)",
        "beyond": "at(x, x, mu*10)",
        "chain": "at(x**2, x, y)",
    }
    v = figure(formulas).evaluate(mu=1.5)
    assert v["one"] == pytest.approx(1, abs=1e-9)
    assert v["top"] == pytest.approx(1.5)
    assert v["most"] == pytest.approx(3)
    assert v["line"] == pytest.approx(4)
    assert v["beyond"] == 6.0
    np.testing.assert_allclose(v["chain"], v["y"] ** 2, atol=1e-3)


def test_argmax_passes_over_nan():
    assert figure({"top": "argmax(log(x) - x, x)"}).evaluate()["top"] == pytest.approx(1, abs=0.02)


def test_rows_before_columns():
    v = figure({"plane": "x + 100*y"}).evaluate()
    assert v["plane"].shape == (31, 401)
    np.testing.assert_allclose(v["plane"], v["x"] + 100 * v["y"][:, None])


def test_iterated_map_against_a_loop():
    fig = figure(iterate={"theta": ("1", "theta - h*psi"), "psi": ("0", "psi + h*theta")}, formulas={"h": "mu/20"})
    v = fig.evaluate(mu=2.0)
    theta, psi = 1.0, 0.0
    for k in range(401):
        assert (v["theta"][k], v["psi"][k]) == pytest.approx((theta, psi))
        theta, psi = theta - 0.1 * psi, psi + 0.1 * theta


def test_an_orbit_ends_where_it_leaves_a_million():
    path = figure(iterate={"a": ("1", "10*a")}, iterations=9).evaluate()["a"]
    np.testing.assert_array_equal(path, [10.0**k for k in range(7)] + [np.nan] * 3)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("pd +", "must be one Python expression"),
        ("nothing + 1", "unknown name 'nothing'; choose one of 'mu', 'x', 'y'"),
        ("__import__('os')", "is not allowed"),
        ("x.real", "is not allowed"),
        ("x[0]", "is not allowed"),
        ("(lambda: 1)()", "is not allowed"),
        ("'text'", "is not allowed"),
        ("True", "is not allowed"),
        ("1j", "is not allowed"),
        ("x if mu else y", "is not allowed"),
        ("0 < x < 1", "is not allowed"),
        ("x and y", "is not allowed"),
        ("exp(x=1)", "is not allowed"),
        ("neg(x)", "is not allowed"),
        ("eval(x)", "calls of 'abs', 'argmax', 'at'"),
        ("exp(x, y)", r"exp takes 1 argument\(s\), 2 given"),
        ("integral(x)", "integral takes 3 arguments, 1 given"),
        ("integral(x, mu)", "integral must run over one of 'x', 'y', got 'mu'"),
        ("integral(mu, x)", "needs an expression that depends on x"),
        ("at(x*y, x, 1)", "depends on x alone, not on 'y'"),
    ],
)
def test_what_a_formula_may_not_hold(source, words):
    with pytest.raises(ValueError, match=words):
        figure({"f": source})
