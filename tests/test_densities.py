"""Tests of gan_edu.densities: SciPy, finite differences, quadrature and moments."""

from __future__ import annotations

import dataclasses
import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from gan_edu.densities import (
    GaussianMixture,
    Uniform,
    gaussian,
    grid,
    interpolates,
    parallel_line,
    ring,
    swiss_roll,
    two_modes,
)

prove = settings(max_examples=25, deadline=None, derandomize=True)

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


def test_named_laws_as_they_come() -> None:
    for law, same in (
        (gaussian(), GaussianMixture([0.0], 1.0)),
        (two_modes(), GaussianMixture([-2.0, 2.0], 0.5)),
        (ring(), ring(8, 2.0, 0.02)),
        (grid(), grid(5, 2.0, 0.05)),
        (two_modes(weight=0.0), GaussianMixture([-2.0, 2.0], 0.5, [0.0, 1.0])),
        (ring(3, radius=0.0), GaussianMixture(np.zeros((3, 2)), 0.02)),
    ):
        for name in ("means", "stds", "weights"):
            np.testing.assert_array_equal(getattr(law, name), getattr(same, name))
    assert (Uniform().low, Uniform().high) == (0.0, 1.0)
    # The noise of the spiral is a std of 0.25 before all is divided by 7.5, along both axes and around every point.
    (rough, exact) = (swiss_roll(20_000, *noise, generator=5) for noise in ((), (0.0,)))
    np.testing.assert_allclose((rough - exact).std(0), 0.25 / 7.5, rtol=0.03)


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


# --- tails, noise, boxes ------------------------------------------------------------------------------------------


def test_survival_function_is_the_rest_of_the_cdf() -> None:
    x = np.linspace(-6, 6, 49)
    np.testing.assert_allclose(LINE.sf(x) + LINE.cdf(x), 1, atol=1e-15)
    assert LINE.sf(np.zeros((2, 3))).shape == (2, 3)
    assert LINE.sf(0.0).shape == ()


def test_survival_function_keeps_its_digits_in_the_tail() -> None:
    x = np.array([3.0, 6.0, 12.0, 18.0])
    np.testing.assert_allclose(LINE.sf(x), LINE.weights @ stats.norm.sf(x, LINE.means, LINE.stds[:, None]), rtol=1e-12)
    assert 0 < float(LINE.sf(12.0)) < 1e-40
    assert float(gaussian(2.0, 3.0).sf(92.0)) == pytest.approx(stats.norm.sf(30.0), rel=1e-12)


@pytest.mark.parametrize("p", [LINE, PLANE])
def test_noise_adds_its_variance(p: GaussianMixture) -> None:
    blurred = p.smoothed(0.75)
    np.testing.assert_allclose(blurred.stds**2, p.stds**2 + 0.75**2, rtol=1e-14)
    np.testing.assert_array_equal(blurred.means, p.means)
    np.testing.assert_array_equal(blurred.weights, p.weights)
    np.testing.assert_array_equal(p.smoothed(0.0).stds, p.stds)


@pytest.mark.parametrize("x", [-3.0, 0.2, 1.7])
def test_smoothing_is_the_convolution_with_a_normal_density(x: float) -> None:
    product = integrate.quad(
        lambda t: float(LINE.prob(t)) * stats.norm.pdf(x, t, 0.75), -8, 8, points=(-3, 0, 2.5), epsabs=1e-12
    )
    assert float(LINE.smoothed(0.75).prob(x)) == pytest.approx(product[0], rel=1e-9)


def test_box_reaches_around_every_component_that_has_weight() -> None:
    np.testing.assert_allclose(LINE.box(2.0), [[-4.2], [3.3]])
    np.testing.assert_allclose(PLANE.box(3.0), [[-2.5, -5.5], [6.5, 3.5]])
    np.testing.assert_allclose(GaussianMixture([0.0, 9.0], [1.0, 5.0], [1.0, 0.0]).box(4.0), [[-4], [4]])
    light = GaussianMixture([[-9.0, 50.0], [0.0, 1.0], [5.0, -7.0]], [2.0, 1.0, 0.5], [0.0, 1 - 1e-9, 1e-9])
    np.testing.assert_allclose(light.box(2.0), [[-2.0, -8.0], [6.0, 3.0]])  # a little is not none
    np.testing.assert_allclose(light.box(0.0), [[0.0, -7.0], [5.0, 1.0]])


# --- intervals ----------------------------------------------------------------------------------------------------


@prove
@given(st.floats(-5, 5), st.floats(0.1, 5), st.lists(st.floats(-12, 12), min_size=1, max_size=5))
def test_uniform_laws_are_scipy_s(low: float, width: float, x: list[float]) -> None:
    p, exact = Uniform(low, low + width), stats.uniform(low, low + width - low)
    np.testing.assert_allclose(p.prob(x), exact.pdf(x), rtol=1e-12)
    np.testing.assert_allclose(p.cdf(x), exact.cdf(x), atol=1e-12)
    np.testing.assert_allclose(p.sf(x), exact.sf(x), atol=1e-12)
    np.testing.assert_allclose(np.asarray(p.cdf(x)) + p.sf(x), 1, atol=1e-14)


def test_uniform_at_its_edges() -> None:
    p = Uniform(-1.0, 3.0)
    assert p.prob([-1.0, 3.0]).tolist() == [0.25, 0.25]
    assert p.prob([-1.0001, 3.0001]).tolist() == [0.0, 0.0]
    assert p.log_prob([-2.0, 0.0]).tolist() == [-np.inf, -np.log(4)]
    assert p.cdf([-9.0, -1.0, 0.0, 3.0, 9.0]).tolist() == [0, 0, 0.25, 1, 1]
    assert p.sf([-9.0, -1.0, 0.0, 3.0, 9.0]).tolist() == [1, 1, 0.75, 0, 0]
    assert p.sf(3.0 - 1e-16 * 4) > 0
    assert p.box(7.0).tolist() == [[-1.0], [3.0]]
    assert p.dim == 1
    assert p.prob(0.0).shape == p.cdf(0.0).shape == p.log_prob(0.0).shape == ()
    assert p.log_prob(np.zeros((2, 3))).shape == (2, 3)
    assert Uniform() == Uniform(0.0, 1.0)


def test_uniform_samples() -> None:
    p = Uniform(-1.0, 3.0)
    x = p.sample(20_000, generator=0)
    assert x.shape == (20_000,)
    assert stats.kstest(x, stats.uniform(-1, 4).cdf).pvalue > 0.01
    assert (p.sample(5, generator=7) == p.sample(5, generator=np.random.default_rng(7))).all()
    with pytest.raises(dataclasses.FrozenInstanceError):
        p.low = 0.0


# --- where a gradient penalty looks -------------------------------------------------------------------------------


def moments(p: GaussianMixture) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of a mixture."""
    mean = p.weights @ p.means
    centred = p.means - mean
    return mean, (p.weights * centred.T) @ centred + (p.weights @ p.stds**2) * np.eye(p.dim)


@prove
@given(st.floats(-4, 4), st.floats(0.2, 2), st.floats(-4, 4), st.floats(0.2, 2))
def test_interpolates_have_the_closed_moments(m1: float, s1: float, m2: float, s2: float) -> None:
    mean, variance = moments(interpolates(gaussian(m1, s1), gaussian(m2, s2)))
    assert mean[0] == pytest.approx((m1 + m2) / 2, abs=1e-12)
    assert variance[0, 0] == pytest.approx((s1**2 + s2**2) / 3 + (m1 - m2) ** 2 / 12, rel=1e-12)


@pytest.mark.parametrize(
    ("p", "g"), [(LINE, two_modes()), (gaussian([1.0, 2.0], 0.5), PLANE), (PLANE, ring(3, 2.0, 0.5))]
)
def test_interpolates_of_mixtures_have_the_closed_moments(p: GaussianMixture, g: GaussianMixture) -> None:
    (m1, c1), (m2, c2) = moments(p), moments(g)
    mean, covariance = moments(interpolates(p, g))
    np.testing.assert_allclose(mean, (m1 + m2) / 2, atol=1e-12)
    # E eps^2 = E (1 - eps)^2 = 1/3, and var eps = 1/12.
    np.testing.assert_allclose(covariance, (c1 + c2) / 3 + np.outer(m1 - m2, m1 - m2) / 12, atol=1e-11)
    assert interpolates(p, g).weights.sum() == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize(("p", "g"), [(LINE, two_modes()), (gaussian(0.0, 0.3), gaussian(4.0, 1.0))])
def test_interpolates_have_the_law_of_interpolated_samples(p: GaussianMixture, g: GaussianMixture) -> None:
    rng = np.random.default_rng(0)
    eps = rng.random(20_000)
    x_hat = eps * p.sample(20_000, generator=rng) + (1 - eps) * g.sample(20_000, generator=rng)
    assert stats.kstest(x_hat, interpolates(p, g).cdf).pvalue > 0.01


def test_interpolates_in_the_plane_have_the_law_of_interpolated_samples() -> None:
    p, g, rng = PLANE, ring(3, 2.0, 0.5), np.random.default_rng(1)
    eps = rng.random((20_000, 1))
    x_hat = eps * p.sample(20_000, generator=rng) + (1 - eps) * g.sample(20_000, generator=rng)
    law = interpolates(p, g)
    for direction in np.array([[1.0, 0.0], [0.0, 1.0], [0.6, -0.8]]):  # every projection is a mixture on the line
        shadow = GaussianMixture(law.means @ direction, law.stds, law.weights)
        assert stats.kstest(x_hat @ direction, shadow.cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("far", "s1", "s2"),
    [
        (4.0, 1.0, 1.0),
        (4.0, 0.1, 1.0),
        (3.0, 0.2, 0.2),
        (6.0, 0.05, 0.05),
        (0.0, 1.0, 2.0),
        (4.0, 0.01, 1.0),
    ],
)
def test_density_of_interpolates_is_the_mean_over_eps(far: float, s1: float, s2: float) -> None:
    law = interpolates(gaussian(0.0, s1), gaussian(far, s2))
    cuts = [0, 0.25, 0.5, 0.75, 0.9, 0.97, 0.99, 0.997, 0.999, 1]
    for x in [*np.linspace(-2 * s1, 2 * s1, 7), *np.linspace(-1, far + 1, 7)]:
        parts = [
            integrate.quad(lambda e, x=x: stats.norm.pdf(x, (1 - e) * far, np.hypot(e * s1, (1 - e) * s2)), a, b)[0]
            for a, b in pairwise(cuts)
        ]
        assert float(law.prob(x)) == pytest.approx(sum(parts), abs=1e-8)


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
            "weights must be finite, non-negative and sum to 1, got sum - 1 = 0.1, in float64 at most 1e-09; divide by",
        ),
        (
            lambda: GaussianMixture([0.0, 1.0], 1.0, [1.5, -0.5]),
            "weights must be finite, non-negative and sum to 1, got -0.5",
        ),
        *(
            (lambda stds=stds: GaussianMixture([0.0, 1.0, 2.0], stds), f"stds must be positive, got {worst}; give")
            for stds, worst in (([1.0, 2.0, 0.0], 0.0), ([1.0, -3.0, -2.0], -3.0))
        ),
        *(
            (lambda given=given: GaussianMixture(*given), "means, stds and weights must be finite, got NaN or infinity")
            for given in (
                ([[0.0, 1.0], [2.0, np.inf]], 1.0),
                ([0.0, 1.0], [1.0, np.nan]),
                ([0.0, 1.0], 1.0, [0.5, np.nan]),
                ([0.0, 1.0], 1.0, [0.5, np.inf]),
            )
        ),
        (lambda: PLANE.prob(0.0), "points must have shape (..., 2), got (); put coordinates in the last axis"),
        (
            lambda: PLANE.score(np.zeros((4, 3))),
            "points must have shape (..., 2), got (4, 3); put coordinates in the last",
        ),
        (lambda: PLANE.cdf([0.0, 0.0]), "a one-dimensional mixture, got dimension 2; use samples instead"),
        (lambda: PLANE.sf([0.0, 0.0]), "a one-dimensional mixture, got dimension 2; use samples instead"),
        (lambda: LINE.smoothed(-0.1), "the noise's std must be finite and not negative, got -0.1; zero adds none"),
        (lambda: LINE.smoothed(np.nan), "the noise's std must be finite and not negative, got nan; zero adds none"),
        (lambda: Uniform(1.0, 1.0), "low must be below high, both finite, got [1.0, 1.0]; swap or mend the ends"),
        (lambda: Uniform(2.0, 1.0), "low must be below high, both finite, got [2.0, 1.0]; swap or mend the ends"),
        (lambda: Uniform(0.0, np.inf), "low must be below high, both finite, got [0.0, inf]; swap or mend the ends"),
        (lambda: Uniform(np.nan, 1.0), "low must be below high, both finite, got [nan, 1.0]; swap or mend the ends"),
        (
            lambda: interpolates(LINE, PLANE),
            "both densities must have the same dimension, got 1 and 2; change one",
        ),
        (
            lambda: interpolates(ring(8, 2.0, 0.001), ring(8, 2.0, 0.001)),
            "the components must not be narrow beside their distance, got std 0.000707 for distance 4; average over",
        ),
    ],
)
def test_errors_say_what_to_do(build, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        build()


def test_samples_without_a_density() -> None:
    line = parallel_line(-1.5, 2000, generator=3)
    assert (line[:, 0] == -1.5).all()
    assert stats.kstest(line[:, 1], "uniform").pvalue > 1e-3
    roll = swiss_roll(2000, 0.0, generator=3)
    np.testing.assert_array_equal(roll, swiss_roll(2000, 0.0, generator=3))
    assert not np.array_equal(roll, swiss_roll(2000, 0.0, generator=4))
    t = 7.5 * np.hypot(*roll.T)  # on the spiral (t cos t, t sin t), t in [3 pi / 2, 9 pi / 2]
    np.testing.assert_allclose(roll, np.column_stack([t * np.cos(t), t * np.sin(t)]) / 7.5, atol=1e-9)
    assert 4.7 < t.min() < t.max() < 14.2


def test_the_last_numbers_that_make_a_law() -> None:
    """Just inside the bounds that are refused beyond them."""
    assert GaussianMixture([0.0, 1.0], [1.0, 5e-324]).stds[1] == 5e-324
    assert LINE.smoothed(0.0).stds.tolist() == LINE.stds.tolist()
    assert Uniform(1.0, np.nextafter(1.0, 2.0)).prob(1.0) == pytest.approx(2.0**52)
    for off in (9e-10, -9e-10):
        law = GaussianMixture([0.0, 1.0, 2.0], 1.0, [0.5, 0.0, 0.5 + off])
        assert law.weights.sum() == pytest.approx(1, abs=1e-15)
        with pytest.raises(ValueError, match="weights must be finite, non-negative and sum to 1, got sum - 1 ="):
            GaussianMixture([0.0, 1.0, 2.0], 1.0, [0.5, 0.0, 0.5 + 1.2 * off])


def test_how_narrow_the_components_between_which_one_interpolates_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 + 3 travel / std nodes for each pair of components, where 1 / std^2 adds up, and 20000 at most."""
    # Gauss's own nodes take a minute, and it is their number that counts.
    monkeypatch.setattr("gan_edu.densities.roots_legendre", lambda n: (np.linspace(-1, 1, n), np.full(n, 2 / n)))
    far, pairs = gaussian(1.0, 2**0.5 / 6600), GaussianMixture([0.0, 1.0], 2**0.5 / 1600)
    assert len(interpolates(gaussian(0.0, 2**0.5 / 6600), far).weights) == pytest.approx(40 + 19_800, abs=1)
    assert len(interpolates(pairs, pairs).weights) == pytest.approx(4 * (40 + 4800), abs=4)
    for narrow in (6700, 1e5):
        with pytest.raises(ValueError, match="the components must not be narrow beside their distance"):
            interpolates(gaussian(0.0, 2**0.5 / narrow), gaussian(1.0, 2**0.5 / narrow))
    with pytest.raises(ValueError, match="the components must not be narrow beside their distance"):
        interpolates(*[GaussianMixture([0.0, 1.0], 2**0.5 / 1700)] * 2)
