"""Tests of gan_edu.divergences: closed forms, theorems as properties, and refusals."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws import LOG2, gauss_kl, mid, mixtures, moved, two_vectors
from scipy import stats
from shared import prove

from gan_edu.densities import GaussianMixture, gaussian, ring, two_modes
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
from gan_edu.transport import wasserstein1

# --- closed forms and SciPy --------------------------------------------------------------------------------------


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


# --- theorems, as properties -------------------------------------------------------------------------------------


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


@given(mixtures, mixtures, st.sampled_from([-3.0, 0.01, 250.0]), st.floats(-20, 20))
@prove
def test_divergences_do_not_depend_on_the_unit_or_the_origin(
    p: GaussianMixture, q: GaussianMixture, scale: float, shift: float
) -> None:
    far = moved(p, scale, shift), moved(q, scale, shift)
    for divergence in (kl, js, total_variation):
        assert divergence(*far) == pytest.approx(divergence(p, q), rel=1e-8, abs=1e-9)


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


# --- Gaussians ---------------------------------------------------------------------------------------------------


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


def test_covariances_are_symmetric_to_nine_digits() -> None:
    """Up to rounding, in either argument and above or below the diagonal."""
    eye = np.eye(3)
    for place in ((0, 2), (2, 1)):
        for scale in (1.0, 1e8):
            within, beyond = eye.copy(), eye.copy()
            within[place], beyond[place] = 9e-10, 1.1e-9
            for a, b in ((within, eye), (eye, within)):
                assert kl_gaussians(np.zeros(3), scale * a, np.zeros(3), scale * b) == pytest.approx(0, abs=1e-8)
            for a, b in ((beyond, eye), (eye, beyond)):
                with pytest.raises(ValueError, match="covariances must be symmetric and positive definite"):
                    kl_gaussians(np.zeros(3), scale * a, np.zeros(3), scale * b)


@pytest.mark.parametrize("std", [1e-4, 1e4])
def test_fits_of_laws_of_any_width(std: float) -> None:
    found, loss = fit_gaussian(lambda g: kl(gaussian(3 * std, std), g), (0.0, 2 * std))
    assert [found.means[0, 0] / std, found.stds[0] / std] == pytest.approx([3, 1], abs=1e-4)
    assert loss == pytest.approx(0, abs=1e-8)


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


# --- refusals ----------------------------------------------------------------------------------------------------


ONE = [[1.0]]
DEFINITE = "covariances must be symmetric and positive definite, got one that is not; give variances on the diagonal"
SAMPLES = "samples must be a non-empty vector of finite numbers, got shape"
EDGES = "edges must be at least two increasing numbers, got shape"

REFUSALS: list[tuple[Callable[[], Any], str]] = [
    (lambda: kl(gaussian(), [1.0]), "both laws must be of one kind, got a density and a vector"),
    (lambda: js([1.0], gaussian()), "both laws must be of one kind, got a density and a vector"),
    (lambda: total_variation(gaussian(), ring()), "both densities must have the same dimension, 1 or 2, got 1 and 2"),
    (lambda: cross_entropy([0.5, 0.5], [1.0]), "probability vectors must have one shape (n,), got (2,) and (1,)"),
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
]


@pytest.mark.parametrize(("call", "words"), REFUSALS, ids=[str(i) for i in range(len(REFUSALS))])
def test_refusals_say_what_to_do(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        call()
