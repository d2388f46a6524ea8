"""Tests of gan_edu.densities: SciPy, finite differences, quadrature and moments."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from scipy import integrate, stats

from gan_edu.densities import GaussianMixture, gaussian, grid, ring, two_modes

LINE = GaussianMixture([-3.0, 0.0, 2.5], [0.6, 0.8, 0.4], [0.2, 0.5, 0.3])
PLANE = GaussianMixture([[0.0, 1.0], [2.0, -1.0]], [0.5, 1.5], [0.3, 0.7])


def scipy_prob(p: GaussianMixture, x: np.ndarray) -> np.ndarray:
    eye = np.eye(p.dim)
    parts = [stats.multivariate_normal(m, s**2 * eye).pdf(x) for m, s in zip(p.means, p.stds, strict=True)]
    return np.asarray(p.weights @ np.array(parts))


@pytest.mark.parametrize("p", [LINE, PLANE, gaussian(1.0, 2.0), gaussian([1.0, 2.0, 3.0], 0.5)])
def test_densities_agree_with_scipy(p: GaussianMixture) -> None:
    x = np.random.default_rng(0).normal(0, 3, (50, p.dim))
    points = x[:, 0] if p.dim == 1 else x
    np.testing.assert_allclose(p.prob(points), scipy_prob(p, x), rtol=1e-12)
    np.testing.assert_allclose(p.log_prob(points), np.log(scipy_prob(p, x)), rtol=1e-10, atol=1e-12)


def test_log_density_is_finite_far_out_where_the_density_rounds_to_zero() -> None:
    assert gaussian().prob(100.0) == 0
    assert gaussian().log_prob(100.0) == pytest.approx(stats.norm.logpdf(100.0), rel=1e-14)


def test_points_keep_their_shape() -> None:
    assert LINE.prob(0.0).shape == LINE.cdf(0.0).shape == ()
    assert LINE.log_prob(np.zeros((2, 3))).shape == LINE.score(np.zeros((2, 3))).shape == (2, 3)
    assert PLANE.prob(np.zeros((4, 5, 2))).shape == (4, 5)
    assert PLANE.score(np.zeros((4, 5, 2))).shape == (4, 5, 2)


@pytest.mark.parametrize("p", [LINE, PLANE, gaussian([1.0, 2.0, 3.0], 0.5)])
def test_score_is_the_gradient_of_the_log_density(p: GaussianMixture) -> None:
    x, h = np.random.default_rng(1).normal(0, 2, (20, p.dim)), 1e-5
    shifts = h * np.eye(p.dim)
    log_prob = p.log_prob if p.dim > 1 else lambda y: p.log_prob(y[..., 0])
    slopes = np.stack([(log_prob(x + e) - log_prob(x - e)) / (2 * h) for e in shifts], -1)
    score = p.score(x) if p.dim > 1 else p.score(x[:, 0])[:, None]
    np.testing.assert_allclose(score, slopes, rtol=1e-6, atol=1e-6)


def test_score_far_out_is_the_nearest_component_s() -> None:
    assert LINE.score(1000.0) == pytest.approx((0.0 - 1000.0) / 0.8**2, rel=1e-12)  # the widest one


@pytest.mark.parametrize("x", [-4.0, -0.3, 0.0, 2.2, 5.0])
def test_cdf_is_the_integral_of_the_density(x: float) -> None:
    area, _ = integrate.quad(LINE.prob, -10, x, points=[p for p in (-3.0, 0.0, 2.5) if p < x] or None, epsabs=1e-12)
    assert float(LINE.cdf(x)) == pytest.approx(area, abs=1e-10)


def test_cdf_is_the_weighted_sum_of_scipy_s() -> None:
    x = np.linspace(-6, 6, 13)
    by_scipy = LINE.weights @ stats.norm.cdf(x, LINE.means, LINE.stds[:, None])
    np.testing.assert_allclose(LINE.cdf(x), by_scipy, atol=1e-15)


def test_samples_on_the_line_pass_a_kolmogorov_smirnov_test() -> None:
    x = LINE.sample(20_000, generator=0)
    assert x.shape == (20_000,)
    assert stats.kstest(x, LINE.cdf).pvalue > 0.01


def test_samples_in_the_plane_have_the_mixtures_moments() -> None:
    x = PLANE.sample(200_000, generator=3)
    mean = PLANE.weights @ PLANE.means
    spread = np.einsum("k,ki,kj->ij", PLANE.weights, PLANE.means - mean, PLANE.means - mean)
    covariance = spread + (PLANE.weights @ PLANE.stds**2) * np.eye(2)
    assert x.shape == (200_000, 2)
    np.testing.assert_allclose(x.mean(0), mean, atol=0.02)
    np.testing.assert_allclose(np.cov(x.T), covariance, atol=0.04)


def test_samples_depend_on_the_seed_alone() -> None:
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again = LINE.sample(5, generator=7), LINE.sample(5, generator=7)
    assert (first == again).all()
    assert (first != LINE.sample(5, generator=8)).any()
    rng = np.random.default_rng(7)
    assert (LINE.sample(5, generator=rng) == first).all()
    assert (LINE.sample(5, generator=rng) != first).any()  # a generator moves on
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


def test_named_laws() -> None:
    assert gaussian(1.0, 2.0).dim == 1
    assert gaussian([0.0, 0.0]).dim == 2
    modes = two_modes(separation=3.0, std=0.6, weight=0.8)
    assert modes.means[:, 0].tolist() == [-1.5, 1.5]
    np.testing.assert_allclose(modes.weights, [0.8, 0.2])
    np.testing.assert_allclose(np.linalg.norm(ring(8, 2.0).means, axis=1), 2.0)
    np.testing.assert_allclose(ring(8, 2.0).means[:3], [[2, 0], [2**0.5, 2**0.5], [0, 2]], atol=1e-15)
    square = grid(5, 2.0, 0.05)
    assert square.means.shape == (25, 2)
    assert sorted(set(square.means[:, 0])) == sorted(set(square.means[:, 1])) == [-4, -2, 0, 2, 4]
    assert (square.stds == 0.05).all()


def test_a_mixture_is_frozen_and_owns_its_numbers() -> None:
    means = np.array([0.0, 1.0])
    p = GaussianMixture(means, 1.0)
    means[0] = 5.0
    assert p.means[0, 0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        p.means[0, 0] = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        p.means = means


def test_zero_weight_components_do_not_count() -> None:
    p = GaussianMixture([0.0, 9.0], 1.0, [1.0, 0.0])
    x = np.linspace(-3, 12, 9)
    np.testing.assert_allclose(p.log_prob(x), gaussian().log_prob(x), rtol=1e-14)
    np.testing.assert_allclose(p.score(x), -x, rtol=1e-14)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: GaussianMixture([], 1.0), "means must have shape (K, d) with K, d >= 1, got (0, 1); give one row per"),
        (
            lambda: GaussianMixture(np.zeros((1, 2, 3)), 1.0),
            "means must have shape (K, d) with K, d >= 1, got (1, 2, 3)",
        ),
        (
            lambda: GaussianMixture([0.0, 1.0], [1.0]),
            "stds must have shape (2,) like means, got (1,); give one per component",
        ),
        (
            lambda: GaussianMixture([0.0, 1.0], 1.0, [1.0]),
            "weights must have shape (2,) like means, got (1,); give one per",
        ),
        (
            lambda: GaussianMixture([np.nan], 1.0),
            "means, stds and weights must be finite, got NaN or infinity; remove it",
        ),
        (
            lambda: GaussianMixture([0.0], np.inf),
            "means, stds and weights must be finite, got NaN or infinity; remove it",
        ),
        (
            lambda: GaussianMixture([0.0], 0.0),
            "stds must be positive, got 0.0; give standard deviations, not variances",
        ),
        (
            lambda: gaussian(0.0, -1.0),
            "stds must be positive, got -1.0; give standard deviations, not variances or logs",
        ),
        (
            lambda: GaussianMixture([0.0, 1.0], 1.0, [0.5, 0.6]),
            "weights must be non-negative and sum to 1, got [0.5, 0.6] (sum 1.1); divide by the sum",
        ),
        (
            lambda: GaussianMixture([0.0, 1.0], 1.0, [1.5, -0.5]),
            "weights must be non-negative and sum to 1, got [1.5, -0.5]",
        ),
        (lambda: PLANE.prob(0.0), "points must have shape (..., 2), got (); put coordinates in the last axis"),
        (
            lambda: PLANE.score(np.zeros((4, 3))),
            "points must have shape (..., 2), got (4, 3); put coordinates in the last",
        ),
        (lambda: PLANE.cdf([0.0, 0.0]), "cdf needs a one-dimensional mixture, got dimension 2; use samples instead"),
    ],
)
def test_errors_say_what_to_do(build, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        build()
