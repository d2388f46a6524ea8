"""Tests of gan_edu.divergences: closed forms, theorems as properties, and hostile inputs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit, rel_entr

from gan_edu.densities import GaussianMixture, gaussian, grid, ring, two_modes
from gan_edu.divergences import (
    binned,
    cross_entropy,
    expectation,
    js,
    kl,
    optimal_discriminator,
    total_variation,
    value,
)

LOG2 = float(np.log(2))
prove = settings(max_examples=25, deadline=None, derandomize=True)

weights = st.lists(st.floats(0.05, 1), min_size=1, max_size=3).map(lambda w: np.array(w) / sum(w))
mixtures = weights.flatmap(
    lambda w: st.builds(
        lambda means, stds: GaussianMixture(means, stds, w),
        st.lists(st.floats(-4, 4), min_size=len(w), max_size=len(w)),
        st.lists(st.floats(0.2, 2), min_size=len(w), max_size=len(w)),
    )
)
two_vectors = st.integers(2, 6).flatmap(
    lambda n: st.tuples(*[st.lists(st.floats(0.01, 1), min_size=n, max_size=n).map(lambda v: np.array(v) / sum(v))] * 2)
)


def gauss_kl(m1: float, s1: float, m2: float, s2: float) -> float:
    """KL(N(m1, s1) || N(m2, s2)), the textbook's closed form."""
    return float(np.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5)


def mid(p: GaussianMixture, q: GaussianMixture) -> GaussianMixture:
    return GaussianMixture(np.vstack([p.means, q.means]), np.r_[p.stds, q.stds], np.r_[p.weights, q.weights] / 2)


def moved(p: GaussianMixture, scale: float, shift: float) -> GaussianMixture:
    """The law of scale * x + shift."""
    return GaussianMixture(scale * p.means + shift, abs(scale) * p.stds, p.weights)


class Logistic:
    """D(x) = sigmoid(a x + b), with its logit."""

    def __init__(self, a: float, b: float) -> None:
        self.a, self.b = a, b

    def logit(self, x: np.ndarray) -> np.ndarray:
        return self.a * x + self.b

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return expit(self.logit(x))


# --- closed forms and SciPy -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("m1", "s1", "m2", "s2"),
    [
        (0, 1, 0, 1),
        (0, 1, 3, 2),
        (1, 0.1, -2, 5),
        (50, 1, 0, 1),
        (0, 1e-4, 0, 1),
        (0, 1e4, 10, 1e4),
        (0, 1e-4, 1e-4, 1e-4),
    ],
)
def test_kl_of_gaussians_in_one_and_two_dimensions(m1: float, s1: float, m2: float, s2: float) -> None:
    exact = gauss_kl(m1, s1, m2, s2)
    assert kl(gaussian(m1, s1), gaussian(m2, s2)) == pytest.approx(exact, rel=1e-9, abs=1e-9)
    # In the plane, with the second coordinate alike at distance 0.
    plane = exact + gauss_kl(0, s1, 0, s2)
    assert kl(gaussian([m1, 0.0], s1), gaussian([m2, 0.0], s2)) == pytest.approx(plane, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("shift", [0.01, 0.5, 1.0, 3.0, 20.0])
def test_total_variation_of_shifted_gaussians(shift: float) -> None:
    exact = 2 * stats.norm.cdf(shift / 2) - 1
    assert total_variation(gaussian(0.0), gaussian(shift)) == pytest.approx(exact, abs=1e-9)
    assert total_variation(gaussian([0.0, 0.0]), gaussian([0.0, shift])) == pytest.approx(exact, abs=1e-4)


def test_entropy_is_scipy_s() -> None:
    assert cross_entropy(gaussian(3.0, 0.2), gaussian(3.0, 0.2)) == pytest.approx(
        stats.norm(3.0, 0.2).entropy(), abs=1e-9
    )
    assert cross_entropy([0.2, 0.8], [0.2, 0.8]) == pytest.approx(stats.entropy([0.2, 0.8]), abs=1e-15)


def test_kl_of_vectors_is_scipy_s() -> None:
    p, q = [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]
    assert kl(p, q) == pytest.approx(stats.entropy(p, q), abs=1e-15)
    assert kl(p, q) != pytest.approx(kl(q, p), abs=1e-3)


@pytest.mark.parametrize(
    ("p", "f", "exact"),
    [
        (gaussian(1.0, 2.0), lambda x: x, 1.0),
        (gaussian(1.0, 2.0), lambda x: (x - 1) ** 4, 48.0),
        (gaussian(), np.exp, np.exp(0.5)),
        (gaussian(2.0, 3.0), lambda x: x > 2, 0.5),
        (gaussian(), lambda x: 7.0, 7.0),
        (two_modes(4.0, 0.5), lambda x: x**2, 4.25),
        (gaussian([1.0, 2.0], 0.5), lambda x: x[..., 0] * x[..., 1], 2.0),
        (ring(8, 2.0, 0.02), lambda x: (x**2).sum(-1), 4 + 2 * 0.02**2),
        ([0.25, 0.75], [4.0, 8.0], 7.0),
        ([0.0, 1.0], [np.inf, 2.0], 2.0),
        ([0.5, 0.5], 3.0, 3.0),
    ],
)
def test_expectations(p: Any, f: Any, exact: float) -> None:
    dim = p.dim if isinstance(p, GaussianMixture) else 1
    assert expectation(p, f) == pytest.approx(exact, rel=1e-10 if dim == 1 else 1e-6)


# --- theorems, as properties ------------------------------------------------------------------------------------------


@given(mixtures, mixtures)
@prove
def test_divergences_of_densities_are_ordered_and_bounded(p: GaussianMixture, q: GaussianMixture) -> None:
    k, j, tv = kl(p, q), js(p, q), total_variation(p, q)
    assert k >= 0
    assert 0 <= j <= LOG2
    assert 0 <= tv <= 1
    assert j == pytest.approx(js(q, p), abs=1e-10)
    assert tv == pytest.approx(total_variation(q, p), abs=1e-10)
    assert tv <= np.sqrt(k / 2) + 1e-9  # Pinsker
    assert j <= LOG2 * tv + 1e-9
    assert j >= tv**2 / 2 - 1e-9  # Pinsker at the midpoint, twice


@given(two_vectors)
@prove
def test_divergences_of_vectors_are_ordered_and_bounded(pair: tuple[np.ndarray, np.ndarray]) -> None:
    p, q = pair
    k, j, tv = kl(p, q), js(p, q), total_variation(p, q)
    assert k >= 0
    assert 0 <= j <= LOG2
    assert j == pytest.approx(js(q, p), abs=1e-14)
    assert tv <= np.sqrt(k / 2) + 1e-12
    assert tv**2 / 2 - 1e-12 <= j <= LOG2 * tv + 1e-12
    assert j == pytest.approx((stats.entropy(p, (p + q) / 2) + stats.entropy(q, (p + q) / 2)) / 2, abs=1e-14)
    assert cross_entropy(p, q) == pytest.approx(cross_entropy(p, p) + k, abs=1e-12)
    assert kl(q, p) - 2 * j == pytest.approx(2 * kl((p + q) / 2, p), abs=1e-12)


@given(mixtures)
@prove
def test_identical_laws_are_at_distance_zero(p: GaussianMixture) -> None:
    assert kl(p, p) == pytest.approx(0, abs=1e-12)
    assert js(p, p) == pytest.approx(0, abs=1e-12)
    assert total_variation(p, p) == pytest.approx(0, abs=1e-12)
    assert value(p, p, optimal_discriminator(p, p)) == pytest.approx(-np.log(4), abs=1e-10)


@given(mixtures, mixtures)
@prove
def test_js_is_the_mean_of_two_kl_to_the_midpoint(p: GaussianMixture, q: GaussianMixture) -> None:
    m = mid(p, q)
    assert js(p, q) == pytest.approx((kl(p, m) + kl(q, m)) / 2, abs=1e-9)


@given(mixtures, mixtures)
@prove
def test_the_optimal_value_is_2_js_minus_log_4(p: GaussianMixture, q: GaussianMixture) -> None:
    assert value(p, q, optimal_discriminator(p, q)) == pytest.approx(2 * js(p, q) - np.log(4), abs=1e-9)


@given(mixtures, mixtures)
@prove
def test_kl_minus_2_js_is_2_kl_of_the_midpoint(p: GaussianMixture, q: GaussianMixture) -> None:
    both = kl(q, p) - 2 * js(p, q)
    assert both == pytest.approx(2 * kl(mid(p, q), p), rel=1e-8, abs=1e-8)


@given(mixtures, mixtures)
@prove
def test_cross_entropy_is_entropy_plus_kl(p: GaussianMixture, q: GaussianMixture) -> None:
    k = kl(p, q)
    assert cross_entropy(p, q) == pytest.approx(cross_entropy(p, p) + k, rel=1e-9, abs=1e-9)


@given(mixtures, mixtures, st.integers(3, 40))
@prove
def test_binning_loses_information(p: GaussianMixture, q: GaussianMixture, count: int) -> None:
    edges = np.linspace(-3, 3, count)  # nowhere so far out that a tail underflows
    a, b = binned(p, edges), binned(q, edges)
    assert a.sum() == pytest.approx(1, abs=1e-12)
    assert kl(a, b) <= kl(p, q) + 1e-9
    assert js(a, b) <= js(p, q) + 1e-9
    assert total_variation(a, b) <= total_variation(p, q) + 1e-9


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


@given(mixtures, mixtures, st.sampled_from([-3.0, 0.01, 250.0]), st.floats(-20, 20))
@prove
def test_divergences_do_not_depend_on_the_unit_or_the_origin(
    p: GaussianMixture, q: GaussianMixture, scale: float, shift: float
) -> None:
    far = moved(p, scale, shift), moved(q, scale, shift)
    for divergence in (kl, js, total_variation):
        assert divergence(*far) == pytest.approx(divergence(p, q), rel=1e-8, abs=1e-9)


@given(mixtures, mixtures, st.floats(0.05, 0.95))
@prove
def test_the_prior_of_d_and_of_the_value(p: GaussianMixture, q: GaussianMixture, prior: float) -> None:
    best = optimal_discriminator(p, q, prior)
    x = np.linspace(-4, 4, 9)
    odds = prior * stats.norm.pdf(0) * p.prob(x) / ((1 - prior) * stats.norm.pdf(0) * q.prob(x))
    np.testing.assert_allclose(best(x), odds / (1 + odds), rtol=1e-9)
    top = value(p, q, best, prior)
    assert top >= value(p, q, optimal_discriminator(p, q), prior) - 1e-9
    assert top >= value(p, q, lambda x: prior, prior) - 1e-9


def test_half_and_half_is_the_usual_value_halved() -> None:
    p, q = gaussian(0.0), gaussian(1.0)
    best = optimal_discriminator(p, q)
    assert value(p, q, best, 0.5) == pytest.approx(value(p, q, best) / 2, abs=1e-12)


def test_both_tails_of_a_binned_law_are_exact() -> None:
    left, _, right = binned(gaussian(0.0, 0.5), [-6.0, 6.0])
    assert left == pytest.approx(stats.norm.cdf(-12), rel=1e-10, abs=0)
    assert right == pytest.approx(stats.norm.sf(12), rel=1e-10, abs=0)


def test_binned_divergences_approach_the_exact_ones() -> None:
    p, q = two_modes(), gaussian(0.0, 1.5)
    off = [kl(p, q) - kl(*(binned(law, np.linspace(-8, 8, n)) for law in (p, q))) for n in (17, 65, 257, 1025)]
    assert off[0] > off[1] > off[2] > off[3] > 0
    assert off[3] < 1e-4


def test_binned_probabilities_and_samples() -> None:
    p, edges = two_modes(), np.linspace(-3, 3, 13)
    exact = np.diff(np.r_[0, 0.5 * stats.norm.cdf(edges, -2, 0.5) + 0.5 * stats.norm.cdf(edges, 2, 0.5), 1])
    np.testing.assert_allclose(binned(p, edges), exact, atol=1e-15)
    counted = binned(p.sample(200_000, generator=0), edges)
    np.testing.assert_allclose(counted, exact, atol=0.005)
    assert counted.sum() == pytest.approx(1, abs=1e-12)
    # A sample on an edge belongs to the cell on its left.
    assert binned([0.0, 1.0], [0.0, 1.0]).tolist() == [0.5, 0.5, 0.0]


def test_optimal_discriminator_by_its_own_formula() -> None:
    p, q, x = two_modes(), gaussian(0.5, 1.5), np.linspace(-4, 4, 33)
    best = optimal_discriminator(p, q)
    np.testing.assert_allclose(best(x), p.prob(x) / (p.prob(x) + q.prob(x)), rtol=1e-12)
    np.testing.assert_allclose(best.logit(x), np.log(p.prob(x) / q.prob(x)), rtol=1e-9, atol=1e-12)
    assert best(0.0).shape == ()
    flat = optimal_discriminator(ring(), grid())
    assert flat(np.zeros((3, 4, 2))).shape == (3, 4)


# --- hostile inputs ---------------------------------------------------------------------------------------------------


def test_laws_fifty_stds_apart() -> None:
    p, q = gaussian(0.0), gaussian(50.0)
    assert kl(p, q) == pytest.approx(1250, rel=1e-9)
    assert js(p, q) == pytest.approx(LOG2, abs=1e-12)
    assert total_variation(p, q) == pytest.approx(1, abs=1e-12)
    best = optimal_discriminator(p, q)
    assert value(p, q, best) == pytest.approx(0, abs=1e-10)
    assert best.logit(-1e4) == pytest.approx(0.5 * ((-1e4 - 50) ** 2 - 1e8))
    assert best([-1e4, 25.0, 1e4]).tolist() == [1.0, 0.5, 0.0]


@pytest.mark.parametrize("std", [1e-4, 1e-2, 1e2, 1e4])
def test_scales_from_tiny_to_huge(std: float) -> None:
    p, q = gaussian(0.0, std), gaussian(1.0)
    assert kl(p, q) == pytest.approx(gauss_kl(0, std, 1, 1), rel=1e-9)
    assert kl(q, p) == pytest.approx(gauss_kl(1, 1, 0, std), rel=1e-9)
    assert js(p, q) == pytest.approx((kl(p, mid(p, q)) + kl(q, mid(p, q))) / 2, abs=1e-9)
    assert value(p, q, optimal_discriminator(p, q)) == pytest.approx(2 * js(p, q) - np.log(4), abs=1e-9)


@pytest.mark.parametrize("std", [0.1, 0.02, 5e-3, 1e-3])
def test_the_optimal_value_of_narrow_data_off_the_generators_centre(std: float) -> None:
    p, g = gaussian(0.3, std), gaussian(0.0)
    best = optimal_discriminator(p, g)
    assert value(p, g, best) == pytest.approx(2 * js(p, g) - np.log(4), abs=1e-9)
    assert value(g, p, optimal_discriminator(g, p)) == pytest.approx(value(p, g, best), abs=1e-9)


def test_a_narrow_component_far_away_is_not_missed() -> None:
    p = GaussianMixture([0.0, 1000.0], [1.0, 1e-4], [0.5, 0.5])
    assert expectation(p, lambda x: x) == pytest.approx(500, rel=1e-10)
    assert total_variation(p, gaussian(0.0)) == pytest.approx(0.5, abs=1e-9)
    assert js(p, gaussian(0.0)) == pytest.approx(js([0.5, 0.5], [1.0, 0.0]), abs=1e-9)


def test_tiny_weights() -> None:
    p = GaussianMixture([0.0, 10.0], 1.0, [1 - 1e-12, 1e-12])
    q = gaussian(0.0)
    assert kl(p, q) == pytest.approx(1e-12 * (np.log(1e-12) + 50), abs=1e-10)
    assert kl(q, p) == pytest.approx(0, abs=1e-10)
    exact = -0.5 * np.log(1e-12) - LOG2  # the second half of the mass pays log(1/1e-12)
    halves = GaussianMixture([0.0, 30.0], 1.0, [0.5, 0.5])
    rare = GaussianMixture([0.0, 30.0], 1.0, [1 - 1e-12, 1e-12])
    assert kl(halves, rare) == pytest.approx(exact, abs=1e-8)


def test_ten_components() -> None:
    rng = np.random.default_rng(0)
    p = GaussianMixture(rng.uniform(-20, 20, 10), rng.uniform(0.05, 2, 10), rng.dirichlet(np.ones(10)))
    q = GaussianMixture(rng.uniform(-20, 20, 10), rng.uniform(0.5, 2, 10), rng.dirichlet(np.ones(10)))
    x = np.linspace(-60, 60, 240_001)
    a, b = p.prob(x), q.prob(x)
    assert total_variation(p, q) == pytest.approx(np.trapezoid(np.abs(a - b), x) / 2, abs=1e-6)
    assert kl(p, q) == pytest.approx(np.trapezoid(a * (p.log_prob(x) - q.log_prob(x)), x), rel=1e-8)
    m = np.logaddexp(p.log_prob(x), q.log_prob(x)) - LOG2
    exact = np.trapezoid(a * (p.log_prob(x) - m) + b * (q.log_prob(x) - m), x) / 2
    assert js(p, q) == pytest.approx(exact, abs=1e-8)


def test_disjoint_vectors() -> None:
    p, q = [1.0, 0.0], [0.0, 1.0]
    assert kl(p, q) == np.inf
    assert cross_entropy(p, q) == np.inf
    assert js(p, q) == pytest.approx(LOG2, abs=1e-15)
    assert total_variation(p, q) == 1
    assert value(p, q, p) == 0


def test_identical_vectors() -> None:
    p = [0.3, 0.7, 0.0]
    assert kl(p, p) == js(p, p) == total_variation(p, p) == 0


def test_in_the_plane() -> None:
    p = GaussianMixture([[0.0, 0.0], [3.0, 1.0]], [0.5, 1.0], [0.4, 0.6])
    q = gaussian([1.0, 0.0], 1.5)
    x = np.stack(np.meshgrid(np.linspace(-10, 12, 701), np.linspace(-10, 12, 701), indexing="ij"), -1)
    cell = (22 / 700) ** 2
    a, b = p.prob(x), q.prob(x)
    assert kl(p, q) == pytest.approx((a * (p.log_prob(x) - q.log_prob(x))).sum() * cell, abs=1e-5)
    assert js(p, q) == pytest.approx((rel_entr(a, (a + b) / 2) + rel_entr(b, (a + b) / 2)).sum() * cell / 2, abs=1e-5)
    assert total_variation(p, q) == pytest.approx(np.abs(a - b).sum() * cell / 2, abs=1e-4)
    best = optimal_discriminator(p, q)
    assert value(p, q, best) == pytest.approx(2 * js(p, q) - np.log(4), abs=2e-5)
    assert cross_entropy(p, q) == pytest.approx(-(a * q.log_prob(x)).sum() * cell, abs=1e-5)


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


# --- refusals -----------------------------------------------------------------------------------------------------------


def half(x: np.ndarray) -> float:
    return 0.5


REFUSALS: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: expectation(gaussian(), lambda x: np.exp(x**2)),
        "f(x) must stay finite and not outgrow the tails of p",
    ),
    (
        lambda: expectation(gaussian(), lambda x: np.exp(x**2 / 2)),
        "f(x) must stay finite and not outgrow the tails of p",
    ),
    (
        lambda: expectation(gaussian(), lambda x: np.where(x > 1, np.nan, x)),
        "f(x) must be a number wherever p has mass, got NaN",
    ),
    (
        lambda: expectation(gaussian(), [1.0]),
        "f must be a function of x for a density, got numbers; wrap them in a lambda",
    ),
    (
        lambda: expectation(gaussian([0.0] * 3), half),
        "quadrature needs dimension 1 or 2, got 3; average over p.sample(...)",
    ),
    (
        lambda: expectation([0.5, 0.5], [1.0]),
        "f must be one number per entry of p, (2,), without NaN, got (1,); align them",
    ),
    (
        lambda: expectation([0.5, 0.5], [1.0, np.nan]),
        "f must be one number per entry of p, (2,), without NaN, got (2,)",
    ),
    (
        lambda: kl(gaussian(), [1.0]),
        "both laws must be of one kind, got a density and a vector; use binned(density, edges)",
    ),
    (
        lambda: js([1.0], gaussian()),
        "both laws must be of one kind, got a density and a vector; use binned(density, edges)",
    ),
    (lambda: js(gaussian(), ring()), "both densities must have the same dimension, 1 or 2, got 1 and 2; change one"),
    (
        lambda: kl(gaussian([0.0] * 3), gaussian([0.0] * 3)),
        "both densities must have the same dimension, 1 or 2, got 3 and 3",
    ),
    (lambda: kl([0.5, 0.5], [1.0]), "probability vectors must have one shape (n,), got (2,) and (1,); align them"),
    (lambda: kl([], []), "probability vectors must have one shape (n,), got (0,) and (0,); align them"),
    (
        lambda: kl([0.5, 0.6], [0.5, 0.5]),
        "probabilities must be finite, non-negative and sum to 1, got sum 1.1; divide by",
    ),
    (
        lambda: total_variation([1.5, -0.5], [0.5, 0.5]),
        "probabilities must be finite, non-negative and sum to 1, got sum 1;",
    ),
    (
        lambda: cross_entropy([np.nan, 1.0], [0.5, 0.5]),
        "probabilities must be finite, non-negative and sum to 1, got sum nan",
    ),
    (
        lambda: optimal_discriminator([1.0], [1.0]),
        "D* as a function of x needs two densities, got vectors; for vectors it is",
    ),
    (
        lambda: optimal_discriminator(gaussian(), gaussian(), 1.0),
        "prior_real must lie strictly between 0 and 1, got 1.0; it is",
    ),
    (
        lambda: optimal_discriminator(gaussian(), ring()),
        "both densities must have the same dimension, 1 or 2, got 1 and 2",
    ),
    (
        lambda: value(gaussian(), gaussian(), half, 0.0),
        "prior_real must lie strictly between 0 and 1, got 0.0; it is the share",
    ),
    (
        lambda: value(gaussian(), gaussian(), 0.5),
        "D must be a function of x for densities, got numbers; wrap a constant in a",
    ),
    (
        lambda: value(gaussian(), gaussian(), lambda x: x),
        "D must return probabilities in [0, 1], got a value outside or NaN; apply",
    ),
    (
        lambda: value([0.5, 0.5], [0.5, 0.5], [0.5, np.nan]),
        "D must return probabilities in [0, 1], got a value outside or NaN",
    ),
    (
        lambda: binned(gaussian(), [0.0]),
        "edges must be at least two increasing numbers, got shape (1,); use np.linspace",
    ),
    (
        lambda: binned(gaussian(), [1.0, 0.0]),
        "edges must be at least two increasing numbers, got shape (2,); use np.linspace",
    ),
    (
        lambda: binned([], [0.0, 1.0]),
        "samples must be a non-empty vector of finite numbers, got shape (0,); drop NaN and flatten",
    ),
    (
        lambda: binned([np.nan], [0.0, 1.0]),
        "samples must be a non-empty vector of finite numbers, got shape (1,); drop NaN",
    ),
    (lambda: binned(ring(), [0.0, 1.0]), "cdf needs a one-dimensional mixture, got dimension 2; use samples instead"),
]


@pytest.mark.parametrize(("call", "words"), REFUSALS, ids=[str(i) for i in range(len(REFUSALS))])
def test_refusals_say_what_to_do(call: Callable[[], Any], words: str) -> None:
    with np.errstate(over="ignore"), pytest.raises(ValueError, match=re.escape(words)):
        call()


def test_narrow_bumps_are_found_where_they_are_announced() -> None:
    broad, narrow = gaussian(0.0), gaussian(0.3, 1e-3)
    d = optimal_discriminator(narrow, broad)
    exact = value(narrow, broad, d)
    inner = expectation(narrow, lambda x: -np.logaddexp(0, -d.logit(x)))
    outer = expectation(broad, lambda x: -np.logaddexp(0, d.logit(x)), near=(narrow,))
    assert abs(inner + outer - exact) < 1e-9
    assert abs(exact - (2 * js(narrow, broad) - np.log(4))) < 1e-9


def test_a_vector_takes_no_function() -> None:
    with pytest.raises(ValueError, match="f must be the vector of values for a probability vector, got a function"):
        expectation([0.5, 0.5], lambda i: i)
