"""Tests of gan_edu.divergences: closed forms, theorems as properties, and hostile inputs."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import linprog
from scipy.special import expit, logsumexp, rel_entr
from shared import Logistic

from gan_edu.densities import GaussianMixture, Uniform, gaussian, grid, ring, two_modes
from gan_edu.divergences import (
    binned,
    cross_entropy,
    fit_gaussian,
    js,
    kl,
    kl_gaussians,
    optimal_discriminator,
    total_variation,
    value,
)
from gan_edu.quadrature import expectation
from gan_edu.transport import optimal_critic, transport, wasserstein1

MODULE = importlib.import_module("gan_edu.transport")  # `gan_edu.transport` is the function

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


class Constant:
    """D(x) = sigmoid(a), with its logit."""

    def __init__(self, a: float) -> None:
        self.a = a

    def logit(self, x: np.ndarray) -> np.ndarray:
        return np.full(len(x), self.a)

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


def test_both_tails_of_a_binned_law_are_exact() -> None:
    left, _, right = binned(gaussian(0.0, 0.5), [-6.0, 6.0])
    assert left == pytest.approx(stats.norm.cdf(-12), rel=1e-10, abs=0)
    assert right == pytest.approx(stats.norm.sf(12), rel=1e-10, abs=0)


def test_the_valleys_of_a_binned_law_are_exact() -> None:
    p, edges = GaussianMixture([-2.0, 0.0, 4.0], [0.1, 0.1, 0.2], [0.2, 0.3, 0.5]), np.linspace(-5, 6, 23)
    left, right = np.r_[-np.inf, edges][:, None], np.r_[edges, np.inf][:, None]
    a, b = (left - p.means[:, 0]) / p.stds, (right - p.means[:, 0]) / p.stds
    exact = np.where(a > 0, stats.norm.sf(a) - stats.norm.sf(b), stats.norm.cdf(b) - stats.norm.cdf(a)) @ p.weights
    np.testing.assert_allclose(binned(p, edges), exact, rtol=1e-9)


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


# --- against a slow rule that shares nothing ------------------------------------------------------------------------------


def slow(f: Callable[[np.ndarray], np.ndarray], laws: list[GaussianMixture], bends: np.ndarray) -> float:
    """Integral of f: 12 Gauss points in every half std of every component, and in cells that shrink towards `bends`."""
    step = np.r_[-40, -34, -28, -24, np.arange(-20, 20.1, 0.5), 24, 28, 34, 40]
    edges = np.concatenate([(p.means + p.stds[:, None] * step).ravel() for p in laws])
    near = np.ptp(edges) * 2.0 ** -np.arange(1, 50)
    at = bends[(bends > edges.min()) & (bends < edges.max())][:, None]
    edges = np.unique(np.clip(np.concatenate([edges, (at + np.r_[-near, 0, near]).ravel()]), edges.min(), edges.max()))
    node, weight = np.polynomial.legendre.leggauss(12)
    half = np.diff(edges)[:, None] / 2
    return float((f(edges[:-1, None] + half * (node + 1)) * weight * half).sum())


def bends(p: GaussianMixture, q: GaussianMixture) -> np.ndarray:
    """Where two of all components are equally dense (a logarithm of a sum bends there), and where p = q or F_p = F_q."""
    m = mid(p, q)
    grid = np.unique(m.means + m.stds[:, None] * np.linspace(-40, 40, 1601))
    log_terms = np.log(m.weights) - np.log(m.stds) - ((grid[:, None] - m.means[:, 0]) / m.stds) ** 2 / 2
    rows = [log_terms[:, i] - log_terms[:, j] for i in range(len(m.stds)) for j in range(i)]
    rows += [p.log_prob(grid) - q.log_prob(grid), p.cdf(grid) - q.cdf(grid)]
    found = [grid[:-1][np.sign(row[1:]) != np.sign(row[:-1])] for row in rows]
    found += [grid[1:][np.sign(row[1:]) != np.sign(row[:-1])] for row in rows]
    return np.unique(np.concatenate(found))


def crossings(f: Callable[[np.ndarray], np.ndarray], at: np.ndarray) -> np.ndarray:
    """Zeros of f between neighbours of `at`, bisected."""
    at = at[f(at) != 0]
    sign = np.sign(f(at))
    low, high, left = at[:-1][sign[1:] != sign[:-1]], at[1:][sign[1:] != sign[:-1]], sign[:-1][sign[1:] != sign[:-1]]
    for _ in range(100):
        middle = (low + high) / 2
        same = np.sign(f(middle)) == left
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return low


def hostile(seed: int) -> tuple[GaussianMixture, GaussianMixture]:
    """Two mixtures of up to four components: stds over eight decades, means far apart, weights down to 1e-13."""
    rng = np.random.default_rng(seed)

    def law() -> GaussianMixture:
        count = int(rng.integers(1, 5))
        means, stds = [
            (rng.uniform(-5, 5, count), rng.uniform(0.1, 3, count)),
            (rng.uniform(-5, 5, count) * 10.0 ** rng.uniform(-3, 3, count), 10.0 ** rng.uniform(-4, 4, count)),
            (rng.integers(-3, 4, count) * 50.0, 10.0 ** rng.uniform(-1, 1, count)),
            (np.zeros(count), 10.0 ** rng.uniform(-4, 4, count)),
        ][seed % 4]
        w = 10.0 ** rng.uniform(-13, 0, count) if rng.random() < 0.4 else rng.uniform(0, 1, count)
        return GaussianMixture(means, stds, w / w.sum())

    return law(), law()


@pytest.mark.parametrize("seed", range(28))
def test_hostile_mixtures_against_a_slow_rule(seed: int) -> None:
    p, q = hostile(seed)
    grid = bends(p, q)
    grid = np.unique(
        np.r_[
            grid,
            crossings(lambda x: p.log_prob(x) - q.log_prob(x), grid),
            crossings(lambda x: p.cdf(x) - q.cdf(x), grid),
        ]
    )

    def gain(x: np.ndarray) -> np.ndarray:
        log_p, log_q = p.log_prob(x), q.log_prob(x)
        return np.exp(log_p) * (log_p - log_q)

    def js_of(x: np.ndarray) -> np.ndarray:
        log_p, log_q, log_m = p.log_prob(x), q.log_prob(x), mid(p, q).log_prob(x)
        return (np.exp(log_p) * (log_p - log_m) + np.exp(log_q) * (log_q - log_m)) / 2

    exact = slow(js_of, [p, q], grid)
    assert kl(p, q) == pytest.approx(slow(gain, [p, q], grid), rel=1e-9, abs=1e-9)
    assert js(p, q) == pytest.approx(exact, abs=1e-9)
    assert value(p, q, optimal_discriminator(p, q)) == pytest.approx(2 * exact - np.log(4), abs=1e-9)
    tv = slow(lambda x: np.abs(p.prob(x) - q.prob(x)) / 2, [p, q], grid)
    assert total_variation(p, q) == pytest.approx(tv, abs=1e-9)
    w1 = slow(lambda x: np.abs(np.where(p.cdf(x) < 0.5, p.cdf(x) - q.cdf(x), q.sf(x) - p.sf(x))), [p, q], grid)
    assert wasserstein1(p, q) == pytest.approx(w1, rel=1e-9, abs=1e-9)
    h = slow(lambda x: -p.prob(x) * q.log_prob(x), [p, q], grid)
    assert cross_entropy(p, q) == pytest.approx(h, rel=1e-9, abs=1e-9)


# --- hostile laws with exact answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("gap", [1e3, 1e6])
@pytest.mark.parametrize("dim", [1, 2])
def test_islands_are_as_far_apart_as_their_weights(dim: int, gap: float) -> None:
    """Components that never meet: all divergences are those of the two weight vectors."""
    count = 10 if dim == 1 else 4
    stds = np.logspace(-4, 1, count)
    means = np.zeros((count, dim))
    means[:, 0] = gap * np.arange(count)
    rng = np.random.default_rng(0)
    v, w = rng.dirichlet(np.ones(count), 2)
    v[1], w[2] = 1e-12, 1e-12
    v, w = v / v.sum(), w / w.sum()
    p, q = GaussianMixture(means, stds, v), GaussianMixture(means, stds, w)
    close = dict(rel=1e-9, abs=1e-9) if dim == 1 else dict(rel=1e-5, abs=1e-5)
    assert kl(p, q) == pytest.approx(float(rel_entr(v, w).sum()), **close)
    assert js(p, q) == pytest.approx(stats.entropy(v, (v + w) / 2) / 2 + stats.entropy(w, (v + w) / 2) / 2, **close)
    assert total_variation(p, q) == pytest.approx(np.abs(v - w).sum() / 2, **close)
    assert value(p, q, optimal_discriminator(p, q)) == pytest.approx(2 * js(v, w) - np.log(4), **close)
    if dim == 1:
        exact = stats.wasserstein_distance(means[:, 0], means[:, 0], v, w)
        assert wasserstein1(p, q) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("std", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("distance", [50.0, 1e6])
@pytest.mark.parametrize("dim", [1, 2])
def test_laws_that_do_not_meet(dim: int, distance: float, std: float) -> None:
    p, q = gaussian(np.zeros(dim), std), gaussian(np.r_[distance * std, np.zeros(dim - 1)], std)
    assert kl(p, q) == pytest.approx(distance**2 / 2, rel=1e-9 if dim == 1 else 1e-5)
    assert js(p, q) == pytest.approx(LOG2, abs=1e-9)
    assert js(p, q) <= LOG2
    assert total_variation(p, q) == pytest.approx(1, abs=1e-7)
    assert total_variation(p, q) <= 1
    assert value(p, q, optimal_discriminator(p, q)) == pytest.approx(0, abs=1e-7)
    assert wasserstein1(p, q) == pytest.approx(distance * std, rel=1e-9)


@pytest.mark.parametrize(
    "p",
    [
        gaussian(0.0),
        gaussian(1e6, 1e-4),
        GaussianMixture([0.0, 1e6], [1e-4, 1e4], [1e-12, 1 - 1e-12]),
        GaussianMixture([0.0, 50.0], 1.0, [1.0, 0.0]),
        Uniform(-1.0, 3.0),
        ring(),
        GaussianMixture([[0.0, 0.0], [1e6, 0.0]], [1e-4, 1e4]),
    ],
    ids=["normal", "far", "tiny weight", "zero weight", "uniform", "ring", "plane"],
)
def test_a_law_and_itself(p: Any) -> None:
    for divergence in (kl, js, total_variation, wasserstein1):
        assert 0 <= divergence(p, p) < 1e-12
    if isinstance(p, GaussianMixture):
        again = GaussianMixture(p.means[::-1], p.stds[::-1], p.weights[::-1])
        for divergence in (kl, js, total_variation, wasserstein1):
            assert 0 <= divergence(p, again) < 1e-9


def test_uniform_laws() -> None:
    p, q = Uniform(0.0, 1.0), Uniform(2.0, 5.0)
    assert (kl(p, q), kl(q, p), cross_entropy(p, q)) == (np.inf, np.inf, np.inf)
    assert js(p, q) == pytest.approx(LOG2, abs=1e-12)
    assert total_variation(p, q) == pytest.approx(1, abs=1e-12)
    assert wasserstein1(p, q) == pytest.approx(3, abs=1e-9)
    assert value(p, q, optimal_discriminator(p, q)) == pytest.approx(0, abs=1e-12)
    inner, outer = Uniform(0.0, 1.0), Uniform(-1.0, 3.0)
    assert kl(inner, outer) == pytest.approx(np.log(4), abs=1e-12)
    assert kl(outer, inner) == np.inf
    assert kl(Uniform(0.0, 1.0), Uniform(0.0, 1.0)) == 0
    assert cross_entropy(inner, outer) == pytest.approx(np.log(4), abs=1e-12)
    assert optimal_discriminator(p, q)([0.5, 1.5, 3.0]).tolist() == [1.0, 0.5, 0.0]
    assert optimal_discriminator(p, q, 0.2)(1.5) == pytest.approx(0.2, abs=1e-15)


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0.01, 5), st.floats(0.01, 5))
@prove
def test_overlapping_uniform_laws(a: float, b: float, width_a: float, width_b: float) -> None:
    p, q = Uniform(a, a + width_a), Uniform(b, b + width_b)
    wide_p, wide_q = p.high - p.low, q.high - q.low
    both = max(0.0, min(p.high, q.high) - max(p.low, q.low))
    cells_p = np.array([both, wide_p - both, 0]) / wide_p  # the overlap, what is only p's, what is only q's
    cells_q = np.array([both, 0, wide_q - both]) / wide_q
    m = (cells_p + cells_q) / 2
    exact = float((rel_entr(cells_p, m) + rel_entr(cells_q, m)).sum() / 2)
    assert js(p, q) == pytest.approx(exact, abs=1e-9)
    assert total_variation(p, q) == pytest.approx(np.abs(cells_p - cells_q).sum() / 2, abs=1e-9)
    assert value(p, q, optimal_discriminator(p, q)) == pytest.approx(2 * exact - np.log(4), abs=1e-9)
    u = (np.arange(20_000) + 0.5) / 20_000  # W1 in quantiles
    w1 = np.abs(p.low + wide_p * u - q.low - wide_q * u).mean()
    assert wasserstein1(p, q) == pytest.approx(w1, abs=1e-6)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.5, 1e-4), (2.0, 1e4), (-50.0, 1.0)])
def test_uniform_against_gaussian(mean: float, std: float) -> None:
    p, q = Uniform(0.0, 1.0), gaussian(mean, std)
    inside = ((1 - mean) ** 3 + mean**3) / 3  # E_p (x - mean)^2
    exact = 0.5 * np.log(2 * np.pi) + np.log(std) + inside / (2 * std**2)
    assert kl(p, q) == pytest.approx(exact, rel=1e-9)
    assert cross_entropy(p, q) == pytest.approx(exact, rel=1e-9)  # the entropy of p is log 1
    assert kl(q, p) == np.inf
    assert cross_entropy(q, p) == np.inf
    assert cross_entropy(q, q) == pytest.approx(stats.norm(0, std).entropy(), abs=1e-9)
    half = std * np.sqrt(max(0.0, -2 * np.log(std * np.sqrt(2 * np.pi))))  # q > 1 within mean +- half
    low, high = np.clip([mean - half, mean + half], 0, 1)
    above = stats.norm.cdf(high, mean, std) - stats.norm.cdf(low, mean, std)
    out = 1 - (stats.norm.cdf(1, mean, std) - stats.norm.cdf(0, mean, std))
    assert total_variation(p, q) == pytest.approx(out + above - (high - low), abs=1e-9)
    assert js(p, q) == pytest.approx(js(q, p), abs=1e-10)
    assert value(p, q, optimal_discriminator(p, q)) == pytest.approx(2 * js(p, q) - np.log(4), abs=1e-9)
    w1 = wasserstein1(p, q)
    assert w1 == pytest.approx(wasserstein1(q, p), rel=1e-10)
    quantiles = (np.arange(200_000) + 0.5) / 200_000
    assert w1 == pytest.approx(np.abs(quantiles - stats.norm.ppf(quantiles, mean, std)).mean(), rel=1e-3)


@given(st.floats(-4, 4), st.floats(-2, 2), st.floats(-2, 2))
@prove
def test_wasserstein1_of_gaussians_is_a_folded_normal_s_mean(shift: float, log_s: float, log_t: float) -> None:
    s, t = 10**log_s, 10**log_t
    exact = stats.foldnorm.mean(abs(shift) / abs(s - t), scale=abs(s - t)) if abs(s - t) > 1e-3 else abs(shift)
    found = wasserstein1(gaussian(0.0, s), gaussian(shift, t))
    assert found == pytest.approx(exact, rel=1e-9, abs=1e-9 if abs(s - t) > 1e-3 else 1e-3)


@pytest.mark.parametrize("ratio", [1.001, 2.0, 1e4, 1e8])
def test_total_variation_of_concentric_gaussians(ratio: float) -> None:
    r2 = 2 * np.log(ratio) / (1 - ratio**-2)  # the squared radius at which both are equally dense, in one dimension ...
    exact = 2 * (stats.norm.cdf(np.sqrt(r2)) - stats.norm.cdf(np.sqrt(r2) / ratio))
    assert total_variation(gaussian(3.0, 1e-4), gaussian(3.0, 1e-4 * ratio)) == pytest.approx(exact, abs=1e-9)
    exact = np.exp(-r2 / ratio**2) - np.exp(-r2)  # ... and half of that in two
    p, q = gaussian([3.0, 4.0], 1e-4), gaussian([3.0, 4.0], 1e-4 * ratio)
    assert total_variation(p, q) == pytest.approx(exact, abs=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_the_plane_along_a_line_is_the_line(seed: int) -> None:
    """Components on a line, all of one std: across the line both laws are alike and nothing is gained."""
    rng = np.random.default_rng(seed)
    std, angle, off = 10 ** rng.uniform(-4, 4), rng.uniform(0, 6), rng.normal(size=2)
    along = np.array([np.cos(angle), np.sin(angle)])
    line, plane = [], []
    for _ in range(2):
        count = int(rng.integers(1, 5))
        place, w = rng.normal(0, 10 ** rng.uniform(-1, 1.5), count) * std, rng.dirichlet(np.ones(count))
        line.append(GaussianMixture(place, std, w))
        plane.append(GaussianMixture(off * std + place[:, None] * along, std, w))
    assert kl(*plane) == pytest.approx(kl(*line), rel=1e-5, abs=1e-5)
    assert js(*plane) == pytest.approx(js(*line), abs=1e-5)
    assert total_variation(*plane) == pytest.approx(total_variation(*line), abs=1e-4)
    best = optimal_discriminator(*plane)
    assert value(*plane, best) == pytest.approx(2 * js(*line) - np.log(4), abs=1e-5)


def test_scales_in_the_plane() -> None:
    p, q = gaussian([0.0, 0.0], 1e-4), gaussian([1e4, 0.0], 1e4)
    assert kl(p, q) == pytest.approx(-2 * np.log(1e-8) + 0.5 - 1, rel=1e-5)  # two Gaussians with 2-D traces
    assert kl(q, p) == pytest.approx(2 * np.log(1e-8) + 1e16 + 0.5e16 - 1, rel=1e-5)
    assert js(p, q) == pytest.approx(LOG2, abs=1e-5)
    nested = GaussianMixture([[0.0, 0.0], [0.0, 0.0]], [1e-4, 1e4], [0.3, 0.7])
    other = GaussianMixture([[0.0, 0.0], [0.0, 0.0]], [1e-4, 1e4], [0.6, 0.4])
    assert kl(nested, other) == pytest.approx(kl([0.3, 0.7], [0.6, 0.4]), abs=1e-5)
    assert js(nested, other) == pytest.approx(js([0.3, 0.7], [0.6, 0.4]), abs=1e-5)
    assert total_variation(nested, other) == pytest.approx(0.3, abs=1e-4)
    exact = 2 * js([0.3, 0.7], [0.6, 0.4]) - np.log(4)
    assert value(nested, other, optimal_discriminator(nested, other)) == pytest.approx(exact, abs=1e-5)


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


# --- more theorems ----------------------------------------------------------------------------------------------------------


@given(mixtures, mixtures)
@prove
def test_the_non_saturating_loss_at_the_optimal_discriminator(p: GaussianMixture, g: GaussianMixture) -> None:
    """E_g[-log D*] = KL(g || p) - 2 JS + 2 log 2 + E_p[log D*]."""
    best = optimal_discriminator(p, g)
    loss = expectation(g, lambda x: np.logaddexp(0, -best.logit(x)), near=(p,))
    of_real = expectation(p, lambda x: -np.logaddexp(0, -best.logit(x)), near=(g,))
    assert loss == pytest.approx(kl(g, p) - 2 * js(p, g) + 2 * LOG2 + of_real, rel=1e-9, abs=1e-9)


@given(two_vectors, st.integers(0, 10**6))
@prove
def test_a_channel_never_adds_information(pair: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    p, q = pair
    rng = np.random.default_rng(seed)
    channel = rng.dirichlet(np.ones(3), len(p))
    merged = np.eye(2)[rng.integers(0, 2, len(p))]
    for way in (channel, merged):
        for divergence in (kl, js, total_variation):
            assert divergence(p @ way, q @ way) <= divergence(p, q) + 1e-12
    for divergence in (kl, js, total_variation):  # telling an atom's halves apart adds nothing
        split = divergence(np.r_[p[:-1], p[-1] / 2, p[-1] / 2], np.r_[q[:-1], q[-1] / 2, q[-1] / 2])
        assert split == pytest.approx(divergence(p, q), abs=1e-12)


@given(mixtures, mixtures, st.floats(0.01, 3))
@prove
def test_smoothing_brings_laws_together(p: GaussianMixture, q: GaussianMixture, std: float) -> None:
    for divergence in (kl, js, total_variation, wasserstein1):
        assert divergence(p.smoothed(std), q.smoothed(std)) <= divergence(p, q) + 1e-9


@given(mixtures, mixtures, mixtures)
@prove
def test_wasserstein1_is_a_metric(p: GaussianMixture, q: GaussianMixture, r: GaussianMixture) -> None:
    there = wasserstein1(p, q)
    assert there >= abs(float(p.weights @ p.means[:, 0] - q.weights @ q.means[:, 0])) - 1e-9
    assert there == pytest.approx(wasserstein1(q, p), rel=1e-10, abs=1e-10)
    assert there <= wasserstein1(p, r) + wasserstein1(r, q) + 1e-9
    assert 0 <= wasserstein1(p, p) <= 1e-12


@given(mixtures, mixtures, st.sampled_from([-3.0, 1e-3, 250.0]), st.floats(-20, 20))
@prove
def test_wasserstein1_is_measured_in_units_of_x(
    p: GaussianMixture, q: GaussianMixture, scale: float, shift: float
) -> None:
    far = wasserstein1(moved(p, scale, shift), moved(q, scale, shift))
    assert far == pytest.approx(abs(scale) * wasserstein1(p, q), rel=1e-8, abs=1e-9)
    assert wasserstein1(p, moved(p, 1.0, shift)) == pytest.approx(abs(shift), rel=1e-9, abs=1e-9)


@given(mixtures, mixtures)
@prove
def test_the_optimal_critic_proves_wasserstein1(p: GaussianMixture, q: GaussianMixture) -> None:
    f = optimal_critic(p, q)
    gap = expectation(p, f, near=(q,)) - expectation(q, f, near=(p,))
    # The critic's knots are searched on a grid: what lies between two of its points is worth less than 1e-6.
    assert gap == pytest.approx(wasserstein1(p, q), abs=1e-6)
    x = np.linspace(-12, 12, 4001)
    assert np.abs(np.diff(f(x))).max() <= np.diff(x).max() * (1 + 1e-9)


# --- critics ------------------------------------------------------------------------------------------------------------------


def lines() -> list[tuple[Any, Any]]:
    return [
        (gaussian(0.0), gaussian(3.0)),
        (gaussian(0.0), gaussian(0.0, 2.0)),
        (gaussian(1000.0), gaussian(1003.0)),
        (gaussian(0.0, 1e-3), gaussian(0.003, 1e-3)),
        (gaussian(5.0, 1e-3), gaussian(5.0, 3e-3)),
        (gaussian(-1e4, 1e4), gaussian(2e4, 3e4)),
        (two_modes(4.0, 0.5), gaussian(0.0)),
        (two_modes(1000.0, 0.1), GaussianMixture([-499.0, 490.0, 501.0], [0.1, 2.0, 0.2])),
        (Uniform(5.0, 6.0), Uniform(7.0, 8.0)),
        (Uniform(0.0, 1.0), Uniform(-1.0, 2.0)),
        (Uniform(0.0, 1.0), gaussian(0.3, 0.5)),
        (gaussian(2.0), gaussian(2.0)),
    ]


@pytest.mark.parametrize(("p", "q"), lines())
def test_critics_on_the_line(p: Any, q: Any) -> None:
    f, w1 = optimal_critic(p, q), wasserstein1(p, q)
    near = (lambda law: (law,) if isinstance(law, GaussianMixture) else ())(q)
    gap = expectation(p, f, near=near) - expectation(q, f, near=(p,))
    assert gap == pytest.approx(w1, rel=1e-8, abs=1e-9)
    low = min(p.box(8).min(), q.box(8).min())
    high = max(p.box(8).max(), q.box(8).max())
    x = np.linspace(low, high, 20_011)
    rise, run = np.diff(f(x)), np.diff(x)
    assert (np.abs(rise) <= run * (1 + 1e-6) + 1e-12).all()
    # Continuous, and its slope is its gradient wherever no knot lies between.
    left, right = f.gradient(x[:-1]), f.gradient(x[1:])
    same = (left == right) & (left != 0)
    assert np.abs(rise - run * left)[same].max(initial=0) < 1e-6 * run.max() + 1e-9
    assert set(np.unique(f.gradient(x))) <= {-1.0, 0.0, 1.0}
    # It falls towards where q has too much mass.
    sign = np.sign(q.cdf(x) - p.cdf(x))
    clear = np.abs(q.cdf(x) - p.cdf(x)) > 1e-9
    assert (f.gradient(x) == sign)[clear].all()


def test_the_critic_s_slope_in_both_far_tails() -> None:
    f = optimal_critic(gaussian(0.0), gaussian(3.0))
    assert f.gradient([-20.0, -10.0, 15.0, 30.0]).tolist() == [-1.0] * 4


def planes() -> list[tuple[GaussianMixture, GaussianMixture]]:
    p, two = ring(8, 2.0, 0.1), GaussianMixture([[0.0, 0.0], [1.0, 1.0]], 0.3)
    return [
        (gaussian([0.0, 0.0]), gaussian([3.0, 4.0])),
        (gaussian([1.0, 0.0], 2.0), gaussian([0.0, 1.0], 0.5)),
        (p, GaussianMixture(p.means + np.array([1.0, 2.0]), p.stds)),
        (p, GaussianMixture(1.5 * p.means[::-1] + [0.3, -0.2], 1.5 * p.stds)),
        (two, GaussianMixture(two.means + np.array([1.0, 0.0]), 0.1 * 3)),
        (two, two),
        (grid(3), GaussianMixture(0.5 * grid(3).means, 0.5 * grid(3).stds)),
    ]


@pytest.mark.parametrize(("p", "q"), planes())
def test_critics_in_the_plane(p: GaussianMixture, q: GaussianMixture) -> None:
    f, w1 = optimal_critic(p, q), wasserstein1(p, q)
    gap = expectation(p, f) - expectation(q, f)
    assert gap == pytest.approx(w1, rel=1e-4, abs=1e-5)
    assert w1 == pytest.approx(wasserstein1(q, p), rel=1e-9, abs=1e-12)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 500, 2)) * 4
    assert (np.abs(f(x) - f(y)) <= np.linalg.norm(x - y, axis=1) + 1e-9).all()
    step = 1e-6
    slope = np.stack([(f(x + step * e) - f(x - step * e)) / (2 * step) for e in np.eye(2)], -1)
    np.testing.assert_allclose(slope, f.gradient(x), atol=1e-4)
    assert f(x.reshape(5, 100, 2)).shape == (5, 100)


def test_dilations_in_the_plane_against_samples_and_the_line() -> None:
    for p, q in planes()[:4]:
        uniform = np.vstack([stats.qmc.Sobol(3, rng=seed).random(512) for seed in (0, 1)])
        draws = []
        for law, u in zip((p, q), np.split(uniform, 2), strict=True):
            k = np.minimum((u[:, 0] * len(law.stds)).astype(int), len(law.stds) - 1)
            draws.append(law.means[k] + law.stds[k, None] * stats.norm.ppf(u[:, 1:]))
        assert transport(*draws).cost == pytest.approx(wasserstein1(p, q), rel=0.1)
    # Far beyond its width a dilation looks like the line: sqrt(D^2 + (a s)^2) with D >> s.
    assert wasserstein1(gaussian([0.0, 0.0], 1e-4), gaussian([3.0, 4.0], 2e-4)) == pytest.approx(5, rel=1e-8)
    # Concentric: |N(0, s^2 I)| has mean s sqrt(pi / 2) in the plane and 2 s sqrt(2 / pi) in space.
    for dim, mean in ((2, np.sqrt(np.pi / 2)), (3, 2 * np.sqrt(2 / np.pi))):
        p, q = gaussian([1.0] * dim, 2.0), gaussian([1.0] * dim, 5.0)
        assert wasserstein1(p, q) == pytest.approx(3 * mean, rel=1e-9)
    # A translation in any dimension.
    assert wasserstein1(gaussian([0.0] * 5), gaussian([2.0] * 5)) == pytest.approx(np.sqrt(20), rel=1e-12)
    exact = expectation(gaussian([3.0, 1.0], 2.0), lambda x: np.hypot(x[..., 0], x[..., 1]))
    assert wasserstein1(gaussian([0.0, 0.0], 1.0), gaussian([3.0, 1.0], 3.0)) == pytest.approx(exact, rel=1e-6)


# --- transport ----------------------------------------------------------------------------------------------------------------


def clouds(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Two weighted clouds; some on a lattice, some sharing points, some of weight 0 or 1e-12."""
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 9, 2)
    dim, scale = int(rng.integers(1, 4)), 10 ** rng.uniform(-4, 4)
    x, y = rng.normal(size=(n, dim)), rng.normal(size=(m, dim))
    if seed % 3 == 0:
        x, y = np.round(x), np.round(y)
    if seed % 4 == 0:
        y[: min(n, m)] = x[: min(n, m)]
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    if seed % 5 == 0:
        a[0], b[-1] = (1e-12 if n > 1 else 1), (0 if m > 1 else 1)
    if seed % 7 == 0:
        a[:], b[:] = 1, 1
    return x * scale, y * scale, a / a.sum(), b / b.sum()


@pytest.mark.parametrize("seed", range(40))
def test_transport_proves_itself(seed: int) -> None:
    x, y, a, b = clouds(seed)
    t = transport(x, y, a, b)
    cost = np.linalg.norm(x[:, None] - y, axis=-1)
    scale = max(cost.max(), 1e-300)
    assert (t.plan >= -1e-10).all()
    np.testing.assert_allclose(t.plan.sum(1), a, atol=1e-9)
    np.testing.assert_allclose(t.plan.sum(0), b, atol=1e-9)
    assert t.cost == pytest.approx((t.plan * cost).sum(), abs=1e-12 * scale)
    assert a @ t.f_x - b @ t.f_y == pytest.approx(t.cost, abs=1e-9 * scale)
    assert np.abs(t.plan * (t.f_x[:, None] - t.f_y - cost)).max() <= 1e-9 * scale
    z, f = np.vstack([x, y]), np.r_[t.f_x, t.f_y]
    assert (f[:, None] - f <= np.linalg.norm(z[:, None] - z, axis=-1) + 1e-9 * scale).all()
    np.testing.assert_allclose(t.critic(z), f, atol=1e-9 * scale)
    far = np.random.default_rng(seed).normal(size=(50, x.shape[1])) * 3 * scale
    there = t.critic(far)
    assert (np.abs(there[:, None] - there) <= np.linalg.norm(far[:, None] - far, axis=-1) + 1e-9 * scale).all()
    # SciPy on the line, the whole linear program beyond it.
    if x.shape[1] == 1:
        exact = stats.wasserstein_distance(x[:, 0], y[:, 0], a, b)
    else:
        n, m = cost.shape
        sums = np.vstack([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
        tight = dict(primal_feasibility_tolerance=1e-10, dual_feasibility_tolerance=1e-10)
        found = linprog(cost.ravel() / scale, A_eq=sums, b_eq=np.r_[a, b], options=tight)
        exact = found.fun * scale
    assert t.cost == pytest.approx(exact, abs=1e-8 * scale)


@pytest.mark.parametrize("seed", range(12))
def test_what_does_not_change_a_transport(seed: int) -> None:
    x, y, a, b = clouds(seed)
    rng = np.random.default_rng(seed)
    i, j = rng.permutation(len(x)), rng.permutation(len(y))
    cost = transport(x, y, a, b).cost
    scale = max(1e-300, np.abs(x).max() + np.abs(y).max())
    close = dict(abs=1e-9 * scale)
    assert transport(x[i], y[j], a[i], b[j]).cost == pytest.approx(cost, **close)
    assert transport(y, x, b, a).cost == pytest.approx(cost, **close)
    assert transport(x + 3 * scale, y + 3 * scale, a, b).cost == pytest.approx(cost, **close)
    assert transport(x * 7, y * 7, a, b).cost == pytest.approx(7 * cost, abs=1e-8 * scale)
    twice = transport(np.vstack([x, x[:1]]), y, np.r_[a[0] / 3, a[1:], 2 * a[0] / 3], b)
    assert twice.cost == pytest.approx(cost, **close)
    assert transport(x, x, a, a).cost == pytest.approx(0, **close)


@pytest.mark.parametrize("seed", range(4))
def test_transport_of_many_points_at_many_scales(seed: int) -> None:
    """The first guess of the pairs that matter is too small here: the dual must ask for more."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 60, 2)) * 10.0 ** rng.uniform(-4, 0, (2, 60, 1))
    a, b = rng.dirichlet(np.ones(60), 2)
    t = transport(x, y, a, b)
    cost = np.linalg.norm(x[:, None] - y, axis=-1)
    assert (t.f_x[:, None] - t.f_y <= cost + 1e-12).all()
    assert a @ t.f_x - b @ t.f_y == pytest.approx((t.plan * cost).sum(), abs=1e-10)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_of_a_transport(weighted: bool) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(6, 2)), rng.normal(size=(6, 2)) + 1
    a, b = (rng.dirichlet(np.ones(6), 2)) if weighted else (np.full(6, 1 / 6), np.full(6, 1 / 6))
    t, step = transport(x, y, a, b), 1e-5
    for j in range(6):
        for k in range(2):
            move = np.zeros_like(y)
            move[j, k] = step
            slope = (transport(x, y + move, a, b).cost - transport(x, y - move, a, b).cost) / (2 * step)
            assert t.gradient[j, k] == pytest.approx(slope, abs=1e-6)
    assert transport([0.0], [0.0]).gradient.tolist() == [[0.0]]
    assert transport([0.0], [2.0]).gradient.tolist() == [[1.0]]


def test_assignment_and_program_agree() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 2)), rng.normal(size=(40, 2)) + 0.5
    matched = transport(x, y)
    nearly = np.full(40, 1 / 40)
    nearly[0] += 1e-13  # no longer equal weights: a linear program
    weighted = transport(x, y, nearly / nearly.sum())
    assert weighted.cost == pytest.approx(matched.cost, abs=1e-9)
    assert transport([1.0], [4.0]).cost == 3
    assert transport([[0.0, 0.0]], [[3.0, 4.0], [0.0, 1.0]]).cost == pytest.approx(3, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_wasserstein1_of_vectors(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, q, place = rng.dirichlet(np.ones(7)), rng.dirichlet(np.ones(7)), rng.normal(size=7)
    assert wasserstein1(p, q, place) == pytest.approx(stats.wasserstein_distance(place, place, p, q), abs=1e-12)
    assert wasserstein1(p, q) == pytest.approx(stats.wasserstein_distance(range(7), range(7), p, q), abs=1e-12)
    flat = np.stack([3 * place, 4 * place], -1)
    assert wasserstein1(p, q, flat) == pytest.approx(5 * wasserstein1(p, q, place), abs=1e-9)
    assert wasserstein1([1.0], [1.0]) == 0


def test_many_bins_approach_wasserstein1() -> None:
    p, q, edges = two_modes(), gaussian(0.5, 1.5), np.linspace(-10, 10, 4001)
    middle = np.r_[edges[0], (edges[1:] + edges[:-1]) / 2, edges[-1]]
    assert wasserstein1(binned(p, edges), binned(q, edges), middle) == pytest.approx(wasserstein1(p, q), abs=1e-4)


# --- Gaussians ----------------------------------------------------------------------------------------------------------------


def covariance(rng: np.random.Generator, d: int) -> np.ndarray:
    root = rng.normal(size=(d, d))
    return root @ root.T + 0.1 * np.eye(d)


@pytest.mark.parametrize("d", [1, 2, 3, 6])
def test_kl_of_gaussians_with_covariances(d: int) -> None:
    rng = np.random.default_rng(d)
    m, n, s, t = rng.normal(size=d), rng.normal(size=d), covariance(rng, d), covariance(rng, d)
    found = kl_gaussians(m, s, n, t)
    linear, shift = rng.normal(size=(d, d)) + 3 * np.eye(d), rng.normal(size=d)
    same = kl_gaussians(linear @ m + shift, linear @ s @ linear.T, linear @ n + shift, linear @ t @ linear.T)
    assert same == pytest.approx(found, rel=1e-8)
    assert kl_gaussians(m, s, m, s) == pytest.approx(0, abs=1e-12)
    diagonal = [kl_gaussians([0.3], [[v]], [1.0], [[w]]) for v, w in zip(np.diag(s), np.diag(t), strict=True)]
    product = kl_gaussians(np.full(d, 0.3), np.diag(np.diag(s)), np.ones(d), np.diag(np.diag(t)))
    assert product == pytest.approx(sum(diagonal), rel=1e-10)
    assert diagonal[0] == pytest.approx(gauss_kl(0.3, s[0, 0] ** 0.5, 1.0, t[0, 0] ** 0.5), rel=1e-10)
    x = rng.multivariate_normal(m, s, 400_000)
    ratio = stats.multivariate_normal(m, s).logpdf(x) - stats.multivariate_normal(n, t).logpdf(x)
    assert found == pytest.approx(ratio.mean(), abs=6 * ratio.std() / np.sqrt(len(x)))


def test_kl_of_gaussians_by_quadrature() -> None:
    m, s, n, t = [0.5, -0.3], [[1.0, 0.6], [0.6, 0.8]], [0.0, 0.0], [[2.0, -0.5], [-0.5, 1.0]]
    p, q = stats.multivariate_normal(m, s), stats.multivariate_normal(n, t)
    x = np.stack(np.meshgrid(np.linspace(-10, 10, 801), np.linspace(-10, 10, 801), indexing="ij"), -1)
    exact = (p.pdf(x) * (p.logpdf(x) - q.logpdf(x))).sum() * (20 / 800) ** 2
    assert kl_gaussians(m, s, n, t) == pytest.approx(exact, rel=1e-9)
    assert kl_gaussians(m, np.eye(2) * 0.49, n, np.eye(2) * 4) == pytest.approx(
        kl(gaussian(m, 0.7), gaussian(n, 2.0)), abs=1e-5
    )


def test_fits() -> None:
    p = GaussianMixture([-2.0, 1.0, 3.0], [0.3, 0.5, 1.0], [0.2, 0.5, 0.3])
    mean = float(p.weights @ p.means[:, 0])
    std = float(np.sqrt(p.weights @ (p.stds**2 + p.means[:, 0] ** 2) - mean**2))
    covers, loss = fit_gaussian(lambda g: kl(p, g), (1.0, 2.0))
    assert [covers.means[0, 0], covers.stds[0]] == pytest.approx([mean, std], abs=1e-5)
    assert loss == pytest.approx(kl(p, gaussian(mean, std)), abs=1e-9)
    modes = two_modes(6.0, 0.5)
    for start in (-3.0, 3.0):
        seeks, loss = fit_gaussian(lambda g: kl(g, modes), (start, 0.5))
        assert [seeks.means[0, 0], seeks.stds[0]] == pytest.approx([start, 0.5], abs=1e-4)
        assert loss == pytest.approx(LOG2, abs=1e-6)
    same, loss = fit_gaussian(lambda g: wasserstein1(gaussian(2.0, 0.7), g), (0.0, 1.0))
    assert [same.means[0, 0], same.stds[0]] == pytest.approx([2.0, 0.7], abs=1e-4)
    assert loss == pytest.approx(0, abs=1e-4)


# --- refusals -----------------------------------------------------------------------------------------------------------


def half(x: np.ndarray) -> float:
    return 0.5


ONE = [[1.0]]
BEYOND = "beyond the line both densities must be of one shape, moved and scaled; transport samples of them instead"
FINITE = "points of shape (n,) or (n, d), at least one, all finite, got shape"
PRIOR = "prior_real must lie strictly between 0 and 1, got"
DEFINITE = "covariances must be symmetric and positive definite, got one that is not; give variances on the diagonal"
PROBABILITY = "D must return probabilities in [0, 1], got a value outside or NaN; apply a sigmoid to logits"
SAMPLES = "samples must be a non-empty vector of finite numbers, got shape"
EDGES = "edges must be at least two increasing numbers, got shape"

REFUSALS: list[tuple[Callable[[], Any], str]] = [
    (lambda: kl(gaussian(), [1.0]), "both laws must be of one kind, got a density and a vector"),
    (lambda: js([1.0], gaussian()), "both laws must be of one kind, got a density and a vector"),
    (lambda: total_variation(gaussian(), ring()), "both densities must have the same dimension, 1 or 2, got 1 and 2"),
    (lambda: cross_entropy([0.5, 0.5], [1.0]), "probability vectors must have one shape (n,), got (2,) and (1,)"),
    (lambda: wasserstein1([0.5, 0.6], [0.5, 0.5]), "probabilities must be finite, non-negative and sum to 1, got"),
    (lambda: optimal_discriminator([1.0], [1.0]), "D* as a function of x needs two densities, got vectors; for"),
    (lambda: optimal_discriminator(gaussian(), gaussian(), 1.0), f"{PRIOR} 1.0; it is the share of real samples"),
    (lambda: optimal_discriminator(gaussian(), gaussian(), np.nan), f"{PRIOR} nan"),
    (lambda: optimal_discriminator(gaussian(), ring()), "both densities must have the same dimension, 1 or 2"),
    (lambda: value(gaussian(), gaussian(), half, 0.0), f"{PRIOR} 0.0; it is the share of real samples"),
    (lambda: value(gaussian(), gaussian(), 0.5), "D must be a function of x for densities, got numbers; wrap a"),
    (lambda: value(gaussian(), gaussian(), lambda x: x), PROBABILITY),
    (lambda: value(gaussian(), gaussian(), lambda x: np.nan), PROBABILITY),
    (lambda: value([0.5, 0.5], [0.5, 0.5], [0.5, np.nan]), PROBABILITY),
    (lambda: value([0.5, 0.5], [0.5, 0.5], [0.5, 1.1]), PROBABILITY),
    (lambda: value([0.5, 0.5], [0.5, 0.5], [-0.1, 1.0]), PROBABILITY),
    (lambda: value(gaussian(), gaussian(), Logistic(np.nan, 0.0)), "f(x) must be a number wherever p has mass, got"),
    (lambda: binned(gaussian(), [0.0]), f"{EDGES} (1,); use np.linspace(low, high, n)"),
    (lambda: binned(gaussian(), [1.0, 0.0]), f"{EDGES} (2,); use np.linspace(low, high, n)"),
    (lambda: binned(gaussian(), [0.0, 0.0]), f"{EDGES} (2,)"),
    (lambda: binned(gaussian(), [0.0, np.nan]), f"{EDGES} (2,)"),
    (lambda: binned(gaussian(), [[0.0, 1.0]]), f"{EDGES} (1, 2)"),
    (lambda: binned([], [0.0, 1.0]), f"{SAMPLES} (0,); drop NaN and flatten"),
    (lambda: binned([np.nan], [0.0, 1.0]), f"{SAMPLES} (1,); drop NaN and flatten"),
    (lambda: binned([[1.0]], [0.0, 1.0]), f"{SAMPLES} (1, 1); drop NaN and flatten"),
    (lambda: binned(ring(), [0.0, 1.0]), "a one-dimensional mixture, got dimension 2; use samples instead"),
    (
        lambda: kl_gaussians([0.0, 0.0], ONE, [0.0], ONE),
        "means must have shape (d,) and covariances (d, d), got (2,), (1, 1), (1,), (1, 1)",
    ),
    (
        lambda: kl_gaussians([0.0], [1.0], [0.0], ONE),
        "means must have shape (d,) and covariances (d, d), got (1,), (1,)",
    ),
    (lambda: kl_gaussians([0.0], ONE, [0.0], [[-1.0]]), DEFINITE),
    (lambda: kl_gaussians([0.0], [[0.0]], [0.0], ONE), DEFINITE),
    (lambda: kl_gaussians([0.0] * 2, [[1.0, 0.3], [0.0, 1.0]], [0.0] * 2, np.eye(2)), DEFINITE),
    (lambda: kl_gaussians([0.0] * 2, np.eye(2), [0.0] * 2, [[1.0, 0.3], [0.0, 1.0]]), DEFINITE),
    (lambda: kl_gaussians([0.0] * 2, [[1e-10, 9e-11], [0.0, 1e-10]], [0.0] * 2, np.eye(2)), DEFINITE),
    (lambda: kl_gaussians([0.0] * 2, [[1.0, 2.0], [2.0, 1.0]], [0.0] * 2, np.eye(2)), DEFINITE),
    (lambda: kl_gaussians([np.nan], ONE, [0.0], ONE), "means and covariances must be finite, got NaN or infinity"),
    (lambda: kl_gaussians([0.0], ONE, [0.0], [[np.inf]]), "means and covariances must be finite, got NaN or infinity"),
    (lambda: fit_gaussian(lambda g: 1.0, (0.0, 0.0)), "start must be a finite mean and a positive std, got (0.0, 0.0)"),
    (lambda: fit_gaussian(lambda g: 1.0, (np.nan, 1.0)), "start must be a finite mean and a positive std, got (nan"),
    (lambda: fit_gaussian(lambda g: 1.0, (0.0, np.inf)), "start must be a finite mean and a positive std, got (0.0"),
    (lambda: fit_gaussian(lambda g: np.nan), "the loss must be finite at the start, got nan at (0.0, 1.0); start else"),
    (lambda: fit_gaussian(lambda g: np.inf), "the loss must be finite at the start, got inf at (0.0, 1.0); start else"),
    (
        lambda: fit_gaussian(lambda g: float(g.means[0, 0])),
        "the loss must have a minimum near (0.0, 1.0), but the search ran away; start elsewhere",
    ),
    (
        lambda: fit_gaussian(lambda g, rng=np.random.default_rng(0): rng.random()),  # noqa: B008
        "the loss must have a minimum near (0.0, 1.0), but the search did not converge; start elsewhere",
    ),
    (lambda: wasserstein1(ring(), grid()), BEYOND),
    (lambda: wasserstein1(ring(8), ring(7)), BEYOND),
    # Same places, centre and spread; other weights.
    (lambda: wasserstein1(ring(4), GaussianMixture(ring(4).means, 0.02, [0.3, 0.2, 0.3, 0.2])), BEYOND),
    (lambda: wasserstein1(ring(8, 2.0, 0.1), ring(8, 3.0, 0.1)), BEYOND),
    (lambda: wasserstein1(gaussian([0.0, 0.0]), gaussian([0.0] * 3)), "both densities must have the same dimension"),
    (
        lambda: wasserstein1(
            GaussianMixture([[0.0, 0.0], [1.0, 0.0]], 1.0, [0.3, 0.7]),
            GaussianMixture([[0.0, 0.0], [1.0, 0.0]], 1.0, [0.7, 0.3]),
        ),
        BEYOND,
    ),
    (lambda: wasserstein1(gaussian(), gaussian(), [0.0]), "points belong to probability vectors, got them with densit"),
    (lambda: wasserstein1([0.5, 0.5], [0.5, 0.5], [0.0]), "points must be one per entry, 2, got 1; align them"),
    (lambda: wasserstein1([0.5, 0.5], [0.5, 0.5], [0.0, np.nan]), f"points must be {FINITE} (2,)"),
    (lambda: wasserstein1([], []), "probability vectors must have one shape (n,), got (0,) and (0,)"),
    (lambda: optimal_critic([1.0], [1.0]), "the optimal critic needs two densities of one dimension; for points, see"),
    (lambda: optimal_critic(gaussian(), ring()), "the optimal critic needs two densities of one dimension"),
    (lambda: optimal_critic(ring(), grid()), BEYOND),
    (lambda: transport([], [1.0]), f"x must be {FINITE} (0,)"),
    (lambda: transport([1.0], []), f"y must be {FINITE} (0,)"),
    (lambda: transport([1.0], [np.nan]), f"y must be {FINITE} (1,)"),
    (lambda: transport([np.inf], [1.0]), f"x must be {FINITE} (1,)"),
    (lambda: transport([1.0], [[1.0, 2.0]]), "x and y must have one dimension, got 1 and 2"),
    (lambda: transport([1.0], [1.0], [0.5]), "wx must be 1 non-negative numbers with sum 1, got shape (1,), sum 0.5;"),
    (lambda: transport([1.0], [1.0], None, [[1.0]]), "wy must be 1 non-negative numbers with sum 1, got shape (1, 1)"),
    (lambda: transport([1.0, 2.0], [1.0], [1.5, -0.5]), "wx must be 2 non-negative numbers with sum 1, got shape (2,)"),
    (lambda: transport([1.0, 2.0], [1.0], [np.nan, 1.0]), "wx must be 2 non-negative numbers with sum 1, got shape"),
    (lambda: transport([1.0], [2.0]).critic([np.nan]), f"points must be {FINITE} (1,)"),
]


@pytest.mark.parametrize(("call", "words"), REFUSALS, ids=[str(i) for i in range(len(REFUSALS))])
def test_refusals_say_what_to_do(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        call()


def test_a_plan_without_a_proof_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "linear_sum_assignment", lambda cost: (np.arange(2), np.array([1, 0])))
    with pytest.raises(ValueError, match=r"plan and potential must prove each other, got 9 and .*; rescale the points"):
        transport([0.0, 10.0], [1.0, 9.0])


def test_a_program_without_a_solution_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = type("Result", (), {"status": 4, "message": "numerical difficulties"})
    monkeypatch.setattr(MODULE, "linprog", lambda *args, **options: failed)
    words = "the transport problem could not be solved: numerical difficulties; merge points of tiny weight"
    with pytest.raises(ValueError, match=words):
        transport([0.0, 1.0], [5.0])


def test_a_transport_unpacks() -> None:
    moved = transport([0.0, 1.0], [3.0, 5.0])
    plan, (f_x, f_y), cost = moved
    assert plan is moved.plan
    assert (f_x is moved.f_x, f_y is moved.f_y, cost) == (True, True, 3.5)


@pytest.mark.parametrize(
    "first",
    [
        "import gan_edu.transport",
        "from gan_edu.transport import transport",
        "import gan_edu.transport as renamed",
        "from gan_edu.divergences import transport",
        "import gan_edu.divergences, importlib; importlib.import_module('gan_edu.transport')",
    ],
)
def test_the_name_in_the_package_is_the_function_whatever_is_imported_first(first: str) -> None:
    said = (
        f"{first}; import gan_edu, gan_edu.transport; from gan_edu import transport; from gan_edu.transport import Transport;"
        "from gan_edu.divergences import Transport as T, transport as again;"
        "assert gan_edu.transport is transport is again and T is Transport; assert transport([0.0], [3.0]).cost == 3"
    )
    subprocess.run([sys.executable, "-c", said], check=True)
