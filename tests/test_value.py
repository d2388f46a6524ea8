"""Tests of gan_edu.divergences: the value of the game and its optimal discriminator."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws import LOG2, mixtures
from scipy import stats
from scipy.special import expit, logsumexp, rel_entr
from shared import Logistic, prove

from gan_edu.densities import GaussianMixture, gaussian, grid, ring, two_modes
from gan_edu.divergences import js, kl, optimal_discriminator, value
from gan_edu.quadrature import expectation


class Constant:
    """D(x) = sigmoid(a), with its logit."""

    def __init__(self, a: float) -> None:
        self.a = a

    def logit(self, x: np.ndarray) -> np.ndarray:
        return np.full(len(x), self.a)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return expit(self.logit(x))


# --- theorems, as properties -------------------------------------------------------------------------------------


@given(mixtures, mixtures)
@prove
def test_the_optimal_value_is_2_js_minus_log_4(p: GaussianMixture, q: GaussianMixture) -> None:
    assert value(p, q, optimal_discriminator(p, q)) == pytest.approx(2 * js(p, q) - np.log(4), abs=1e-9)


@given(mixtures, mixtures, st.floats(-3, 3), st.floats(-3, 3))
@prove
def test_what_a_wrong_discriminator_loses(p: GaussianMixture, q: GaussianMixture, a: float, b: float) -> None:
    best, opposite = optimal_discriminator(p, q), optimal_discriminator(q, p)

    def coins(x: np.ndarray) -> np.ndarray:
        return rel_entr(best(x), expit(a * x + b)) + rel_entr(opposite(x), expit(-a * x - b))

    regret = expectation(p, coins) + expectation(q, coins)
    lost = value(p, q, best) - value(p, q, Logistic(a, b))
    assert lost >= -1e-9
    assert lost == pytest.approx(regret, rel=1e-8, abs=1e-8)


@given(mixtures, mixtures, st.floats(0.05, 0.95))
@prove
def test_the_prior_of_d_and_of_the_value(p: GaussianMixture, q: GaussianMixture, prior: float) -> None:
    best = optimal_discriminator(p, q, prior)
    x = np.linspace(-4, 4, 9)
    # In logarithms: the quotient of two densities that round to 0 says nothing, D* does.
    log_p, log_q = (
        logsumexp(stats.norm.logpdf(x[:, None], law.means[:, 0], law.stds), b=law.weights, axis=1) for law in (p, q)
    )
    np.testing.assert_allclose(best(x), expit(log_p - log_q + np.log(prior / (1 - prior))), rtol=1e-9)
    top = value(p, q, best, prior)
    assert top >= value(p, q, optimal_discriminator(p, q), prior) - 1e-9
    assert top >= value(p, q, lambda x: prior, prior) - 1e-9


def test_half_and_half_is_the_usual_value_halved() -> None:
    p, q = gaussian(0.0), gaussian(1.0)
    best = optimal_discriminator(p, q)
    assert value(p, q, best, 0.5) == pytest.approx(value(p, q, best) / 2, abs=1e-12)


def test_optimal_discriminator_by_its_own_formula() -> None:
    p, q, x = two_modes(), gaussian(0.5, 1.5), np.linspace(-4, 4, 33)
    best = optimal_discriminator(p, q)
    np.testing.assert_allclose(best(x), p.prob(x) / (p.prob(x) + q.prob(x)), rtol=1e-12)
    np.testing.assert_allclose(best.logit(x), np.log(p.prob(x) / q.prob(x)), rtol=1e-9, atol=1e-12)
    assert best(0.0).shape == ()
    flat = optimal_discriminator(ring(), grid())
    assert flat(np.zeros((3, 4, 2))).shape == (3, 4)


@given(mixtures, mixtures)
@prove
def test_the_non_saturating_loss_at_the_optimal_discriminator(p: GaussianMixture, g: GaussianMixture) -> None:
    """E_g[-log D*] = KL(g || p) - 2 JS + 2 log 2 + E_p[log D*]."""
    best = optimal_discriminator(p, g)
    loss = expectation(g, lambda x: np.logaddexp(0, -best.logit(x)), near=(p,))
    of_real = expectation(p, lambda x: -np.logaddexp(0, -best.logit(x)), near=(g,))
    assert loss == pytest.approx(kl(g, p) - 2 * js(p, g) + 2 * LOG2 + of_real, rel=1e-9, abs=1e-9)


# --- hostile inputs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("std", [0.1, 0.02, 5e-3, 1e-3])
def test_the_optimal_value_of_narrow_data_off_the_generators_centre(std: float) -> None:
    p, g = gaussian(0.3, std), gaussian(0.0)
    best = optimal_discriminator(p, g)
    assert value(p, g, best) == pytest.approx(2 * js(p, g) - np.log(4), abs=1e-9)
    assert value(g, p, optimal_discriminator(g, p)) == pytest.approx(value(p, g, best), abs=1e-9)


def test_value_is_minus_infinity_where_d_is_surely_wrong() -> None:
    p, g = gaussian(0.0), gaussian(1.0)
    assert value(p, g, lambda x: (x < 0.5) * 1.0) == -np.inf
    assert value(gaussian([0.0, 0.0]), gaussian([1.0, 0.0]), lambda x: (x[..., 0] < 0.5) * 1.0) == -np.inf
    assert value([0.5, 0.5], [0.5, 0.5], [1.0, 0.5]) == -np.inf
    assert value([0.5, 0.5], [0.5, 0.5], [0.0, 0.5]) == -np.inf
    assert value([1.0, 0.0], [0.0, 1.0], [1.0, 0.0]) == 0  # sure, and right


def test_value_uses_logits_where_d_rounds() -> None:
    sure = Logistic(0.0, 100.0)
    assert sure(0.0) == 1
    assert value(gaussian(0.0), gaussian(1.0), sure) == pytest.approx(-100, rel=1e-9)
    assert value([0.5, 0.5], [0.5, 0.5], sure) == pytest.approx(-100, rel=1e-9)


def test_value_of_vectors_takes_functions_of_the_index_too() -> None:
    d = np.array([0.2, 0.9])
    assert value([0.5, 0.5], [0.1, 0.9], lambda i: d[i]) == value([0.5, 0.5], [0.1, 0.9], d)


# --- hostile laws with exact answers -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [30.0, 100.0, 800.0])
def test_value_of_saturated_logits(size: float) -> None:
    for dim in (1, 2):
        p, q = gaussian(np.zeros(dim)), gaussian(np.full(dim, 0.5))
        loss = size + 2 * np.log1p(np.exp(-size))
        for sure in (size, -size):
            assert value(p, q, Constant(sure)) == pytest.approx(-loss, rel=1e-6)
    steep = Logistic(-size, 0.0)
    # log D = -log(1 + exp(a x)) is -a max(x, 0), but for log 2 at the kink.
    at_zero = value(gaussian(0.0), gaussian(0.0), steep)
    assert -size * np.sqrt(2 / np.pi) - 2 * np.log(2) <= at_zero <= -size * np.sqrt(2 / np.pi)


def test_the_sides_of_the_value_function() -> None:
    """A sure D with one real mistake pays on the data's side only, whatever the fakes do."""
    p, q = [0.25, 0.75, 0.0], [0.0, 0.5, 0.5]
    d = np.array([0.9, 0.5, 0.2])
    exact = 0.25 * np.log(0.9) + 0.75 * np.log(0.5) + 0.5 * np.log(0.5) + 0.5 * np.log(0.8)
    assert value(p, q, d) == pytest.approx(exact, abs=1e-14)
    weighted = 0.3 * (0.25 * np.log(0.9) + 0.75 * np.log(0.5)) + 0.7 * (0.5 * np.log(0.5) + 0.5 * np.log(0.8))
    assert value(p, q, d, 0.3) == pytest.approx(weighted, abs=1e-14)
    assert value(gaussian(1.0), gaussian(2.0), Logistic(1.0, 0.0), 0.3) == pytest.approx(
        0.3 * expectation(gaussian(1.0), lambda x: -np.logaddexp(0, -x))
        + 0.7 * expectation(gaussian(2.0), lambda x: -np.logaddexp(0, x)),
        abs=1e-10,
    )


# --- refusals ----------------------------------------------------------------------------------------------------


def half(x: np.ndarray) -> float:
    return 0.5


PRIOR = "prior_real must lie strictly between 0 and 1, got"
PROBABILITY = "D must return probabilities in [0, 1], got a value outside or NaN; apply a sigmoid to logits"


REFUSALS: list[tuple[Callable[[], Any], str]] = [
    (lambda: optimal_discriminator([1.0], [1.0]), "D* as a function of x needs two densities, got vectors; for"),
    (lambda: optimal_discriminator(gaussian(), gaussian(), 1.0), f"{PRIOR} 1.0; it is the share of real samples"),
    (lambda: optimal_discriminator(gaussian(), gaussian(), np.nan), f"{PRIOR} nan"),
    (lambda: optimal_discriminator(gaussian(), ring()), "both densities must have the same dimension, 1 or 2"),
    (lambda: value(gaussian(), gaussian(), half, 0.0), f"{PRIOR} 0.0; it is the share of real samples"),
    (lambda: value(gaussian(), gaussian(), half, 1.0), f"{PRIOR} 1.0; it is the share of real samples"),
    (lambda: optimal_discriminator(gaussian(), gaussian(), 0.0), f"{PRIOR} 0.0; it is the share of real samples"),
    (lambda: value([0.5, 0.5], [0.5, 0.5], [0.0, -1e-300]), PROBABILITY),
    (lambda: value([0.5, 0.5], [0.5, 0.5], [0.5, np.nextafter(1.0, 2.0)]), PROBABILITY),
    (lambda: value(gaussian(), gaussian(), 0.5), "D must be a function of x for densities, got numbers; wrap a"),
    (lambda: value(gaussian(), gaussian(), lambda x: x), PROBABILITY),
    (lambda: value(gaussian(), gaussian(), lambda x: np.nan), PROBABILITY),
    (lambda: value([0.5, 0.5], [0.5, 0.5], [0.5, np.nan]), PROBABILITY),
    (lambda: value([0.5, 0.5], [0.5, 0.5], [0.5, 1.1]), PROBABILITY),
    (lambda: value([0.5, 0.5], [0.5, 0.5], [-0.1, 1.0]), PROBABILITY),
    (lambda: value(gaussian(), gaussian(), Logistic(np.nan, 0.0)), "f(x) must be a number wherever p has mass, got"),
]


@pytest.mark.parametrize(("call", "words"), REFUSALS, ids=[str(i) for i in range(len(REFUSALS))])
def test_refusals_say_what_to_do(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        call()
