"""Tests of gan_edu.quadrature: exact expectations, hostile laws and functions, and refusals instead of wrong numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtr

from gan_edu.densities import GaussianMixture, Uniform, gaussian, ring, two_modes
from gan_edu.divergences import kl, optimal_discriminator, total_variation, value
from gan_edu.quadrature import as_laws, as_points, expectation, integrate

prove = settings(max_examples=30, deadline=None, derandomize=True)
wild = GaussianMixture([0.0, 1e4, -3.0, 1e6], [1e-4, 1e4, 0.5, 1e-2], [0.3, 0.2, 0.5 - 1e-12, 1e-12])
ten = GaussianMixture(np.linspace(-300, 200, 10), np.logspace(-4, 2, 10), np.r_[0.0, 1e-12, np.full(8, 0.125 - 1e-13)])
LAWS = {
    "wild": wild,
    "ten": ten,
    "fifty stds": GaussianMixture([0.0, 50.0], 1.0, [0.1, 0.9]),
    "a million stds": GaussianMixture([0.0, 1e6], 1.0, [0.1, 0.9]),
    "one of weight zero": GaussianMixture([0.0, 1e5], [1.0, 1e-4], [1.0, 0.0]),
    "nested": GaussianMixture([0.0, 0.0], [1e-4, 1e4]),
}


def by_component(p: GaussianMixture, mean_of: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float:
    """E_p f from the closed form of each N(mu, s)."""
    return float(p.weights @ mean_of(p.means[:, 0], p.stds))


# --- exact values on the line -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p", "f", "exact"),
    [
        (gaussian(1.0, 2.0), lambda x: x, 1.0),
        (gaussian(1.0, 2.0), lambda x: (x - 1) ** 4, 48.0),
        (gaussian(), np.exp, np.exp(0.5)),
        (gaussian(), lambda x: np.exp(15 * x), np.exp(112.5)),
        (gaussian(), lambda x: np.exp(0.4 * x**2), 5**0.5),
        (gaussian(2.0, 3.0), lambda x: x > 2, 0.5),
        (gaussian(), lambda x: 7.0, 7.0),
        (gaussian(), lambda x: np.exp(-1e6 * x**2), (1 + 2e6) ** -0.5),
        (two_modes(4.0, 0.5), lambda x: x**2, 4.25),
        (Uniform(1.0, 3.0), lambda x: x**2, 13 / 3),
        (Uniform(2.0**20, 2.0**20 + 2.0**-10), lambda x: x - 2.0**20, 2.0**-11),
        (gaussian([1.0, 2.0], 0.5), lambda x: x[..., 0] * x[..., 1], 2.0),
        (gaussian([0.0, 0.0]), lambda x: np.exp(5 * x[..., 0]), np.exp(12.5)),
        (ring(8, 2.0, 0.02), lambda x: (x**2).sum(-1), 4 + 2 * 0.02**2),
        ([0.25, 0.75], [4.0, 8.0], 7.0),
        ([0.0, 1.0], [np.inf, 2.0], 2.0),
        ([0.5, 0.5], [np.inf, 2.0], np.inf),
        ([0.5, 0.5], 3.0, 3.0),
    ],
)
def test_expectations(p: Any, f: Any, exact: float) -> None:
    dim = p.dim if isinstance(p, GaussianMixture) else 1
    assert expectation(p, f) == pytest.approx(exact, rel=1e-10 if dim == 1 else 1e-6)


@pytest.mark.parametrize("p", LAWS.values(), ids=LAWS)
def test_moments_of_hostile_mixtures(p: GaussianMixture) -> None:
    mean, second = by_component(p, lambda mu, s: mu), by_component(p, lambda mu, s: mu**2 + s**2)
    assert expectation(p, lambda x: 1.0) == pytest.approx(1, abs=1e-10)
    assert expectation(p, lambda x: x) == pytest.approx(mean, rel=1e-9, abs=1e-9)
    assert expectation(p, lambda x: x**2) == pytest.approx(second, rel=1e-9)


@pytest.mark.parametrize("at", [0.0, 0.123, -3.0, 50.0, 1e4])
@pytest.mark.parametrize("p", LAWS.values(), ids=LAWS)
def test_kinks_and_jumps_of_hostile_mixtures(p: GaussianMixture, at: float) -> None:
    above = by_component(p, lambda mu, s: ndtr((mu - at) / s))
    apart = by_component(
        p, lambda mu, s: 2 * s * stats.norm.pdf((at - mu) / s) + (at - mu) * (1 - 2 * ndtr((mu - at) / s))
    )
    # At the middle of a component the jump is a corner of a cell and belongs to neither side.
    assert expectation(p, lambda x: x > at) == pytest.approx(above, abs=1e-9)
    assert expectation(p, lambda x: np.abs(x - at)) == pytest.approx(apart, rel=1e-9)


@given(st.floats(-5, 5), st.floats(-3, 3), st.sampled_from([0, 1, 2, -3, 0.37, -1.9]), st.floats(-16, 0), st.booleans())
@prove
def test_a_jump_shows_wherever_in_a_cell_it_lies(
    mean: float, log_std: float, place: float, log_gap: float, left: bool
) -> None:
    std = 10**log_std
    at = mean + std * (place + (-1 if left else 1) * 10**log_gap)
    exact = stats.norm.sf((at - mean) / std)
    assert expectation(gaussian(mean, std), lambda x: x > at) == pytest.approx(exact, abs=1e-10)
    assert expectation(Uniform(mean, mean + 1), lambda x: x > mean + 0.3) == pytest.approx(0.7, abs=1e-10)


@pytest.mark.parametrize("k", [0.5, 3.0, 40.0, 428.17, 1000.0])
@pytest.mark.parametrize("phase", [0.0, 0.7, 5.3])
def test_oscillation(k: float, phase: float) -> None:
    p = GaussianMixture(wild.means[[0, 2]], wild.stds[[0, 2]], [0.4, 0.6])
    exact = by_component(p, lambda mu, s: np.exp(-((k * s) ** 2) / 2) * np.sin(k * mu + phase))
    assert expectation(p, lambda x: np.sin(k * x + phase)) == pytest.approx(exact, abs=1e-10)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_the_right_side_of_the_boundary_of_d_star(scale: float) -> None:
    p, q = gaussian(0.0, scale), gaussian(0.0, 3 * scale)
    # p > q within |x| < r, where 4 r^2 / 9 = log 9.
    r = np.sqrt(9 * np.log(9) / 8)
    best = optimal_discriminator(p, q)
    assert expectation(p, lambda x: best(x) > 0.5, near=(q,)) == pytest.approx(2 * ndtr(r) - 1, abs=1e-9)
    assert expectation(q, lambda x: best(x) > 0.5, near=(p,)) == pytest.approx(2 * ndtr(r / 3) - 1, abs=1e-9)
    narrow = optimal_discriminator(gaussian(0.3, 1e-4), gaussian(0.0))
    inside = np.sqrt(2 * np.log(1e4) + 0.3**2) * 1e-4  # where N(0.3, 1e-4) exceeds N(0, 1), to first order in 1e-4
    seen = expectation(gaussian(0.0), lambda x: narrow(x) > 0.5, near=(gaussian(0.3, 1e-4),))
    assert seen == pytest.approx(2 * inside * stats.norm.pdf(0.3), abs=1e-7)


def test_narrow_bumps_are_found_where_they_are_announced() -> None:
    broad, narrow = gaussian(0.0), gaussian(0.3, 1e-5)
    exact = stats.norm.pdf(0.3, 0, np.hypot(1, 1e-5))
    assert expectation(broad, narrow.prob, near=(narrow,)) == pytest.approx(exact, abs=1e-10)
    assert integrate(narrow.prob, (broad, narrow), (broad,)) == pytest.approx(1, abs=1e-10)
    flat, thin = gaussian([0.0, 0.0]), gaussian([0.3, -0.2], 1e-4)
    exact = stats.norm.pdf(0.3) * stats.norm.pdf(0.2)
    assert expectation(flat, thin.prob, near=(thin,)) == pytest.approx(exact, abs=1e-6)
    assert integrate(thin.prob, (flat, thin), (flat,)) == pytest.approx(1, abs=1e-6)


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-1, 1), st.floats(0, 3))
@prove
def test_expectation_is_linear_and_monotone(a: float, b: float, k: float, gap: float) -> None:
    p = GaussianMixture([-2.0, 1.0], [0.3, 1.5], [0.3, 0.7])
    f, g = lambda x: np.sin(3 * x), lambda x: np.exp(k * x)
    both = expectation(p, lambda x: a * f(x) + b * g(x))
    assert both == pytest.approx(a * expectation(p, f) + b * expectation(p, g), rel=1e-9, abs=1e-9)
    assert expectation(p, lambda x: np.maximum(f(x), gap)) >= max(gap, expectation(p, f)) - 1e-9


# --- the plane --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "p",
    [
        GaussianMixture([[0.0, 0.0], [1e6, -1e6]], [1e-4, 1e4], [0.3, 0.7]),
        GaussianMixture([[0.0, 0.0], [50.0, 0.0]], 1.0, [1e-12, 1 - 1e-12]),
        GaussianMixture([[0.0, 0.0], [1.0, 0.0]], [1.0, 0.3], [1.0, 0.0]),
        ring(8, 1e3, 1e-3),
    ],
    ids=["stds 1e-4 and 1e4", "a tiny weight", "a weight of zero", "a thin ring"],
)
def test_moments_in_the_plane(p: GaussianMixture) -> None:
    scale = np.abs(p.means).max()
    for axis in (0, 1):
        mean = float(p.weights @ p.means[:, axis])
        second = float(p.weights @ (p.means[:, axis] ** 2 + p.stds**2)) / scale**2
        assert expectation(p, lambda x, k=axis: x[..., k]) == pytest.approx(mean, rel=1e-6, abs=1e-6)
        assert expectation(p, lambda x, k=axis: (x[..., k] / scale) ** 2) == pytest.approx(second, abs=1e-6)


@pytest.mark.parametrize(
    "p",
    [
        GaussianMixture([[0.0, 0.0], [0.0, 0.0]], [1.0, 0.1]),
        GaussianMixture([[0.0, 0.0], [3.0, 0.0]], [1.0, 0.05]),
        GaussianMixture([[0.0, 0.0], [1.0, 1.0]], [1e4, 1e-4], [0.5, 0.5]),
    ],
)
def test_a_narrow_component_inside_a_wide_one_in_the_plane(p: GaussianMixture) -> None:
    assert expectation(p, lambda x: 1.0) == pytest.approx(1, abs=1e-6)
    q = gaussian([0.0, 0.0], 2.0)
    spread = p.stds**2 + 4
    exact = float(p.weights @ (np.exp(-(p.means**2).sum(-1) / (2 * spread)) / (2 * np.pi * spread)))
    assert expectation(p, q.prob, near=(q,)) == pytest.approx(exact, abs=1e-6)


def test_jumps_in_the_plane() -> None:
    p = gaussian([0.0, 0.0])
    assert expectation(p, lambda x: x[..., 0] > 0.3) == pytest.approx(stats.norm.sf(0.3), abs=1e-5)
    assert expectation(p, lambda x: (x**2).sum(-1) < 2) == pytest.approx(1 - np.exp(-1), abs=1e-4)


# --- infinities, and what cannot be integrated ----------------------------------------------------------------------------


def test_infinite_values_where_there_is_mass() -> None:
    assert expectation(gaussian(), lambda x: np.where(x > 0, np.inf, 0.0)) == np.inf
    assert expectation(gaussian(), lambda x: np.where(x > 0, -np.inf, 0.0)) == -np.inf
    assert expectation(Uniform(0.0, 1.0), lambda x: np.where(x > 0.5, np.inf, 0.0)) == np.inf
    assert expectation(gaussian([0.0, 0.0]), lambda x: np.where(x[..., 0] > 0, np.inf, 0.0)) == np.inf
    # Where there is none, nothing is asked of f.
    assert expectation(Uniform(0.0, 1.0), lambda x: np.where(x > 1, np.nan, x)) == pytest.approx(0.5, abs=1e-10)


def test_rounded_d_needs_a_logit_where_it_matters() -> None:
    p, g = gaussian(0.0), gaussian(12.0)
    best = optimal_discriminator(p, g)
    rounded = lambda x: np.where(best(x) > 1e-20, best(x), 0.0)  # noqa: E731
    assert value(p, g, best) == pytest.approx(0, abs=1e-7)
    with pytest.raises(ValueError, match=re.escape("if f is a logarithm of a rounded D, give D a `logit`")):
        value(p, g, lambda x: rounded(x + 2.5))


def test_a_law_whose_std_is_lost_in_rounding_is_refused() -> None:
    words = re.escape("the integral would miss mass: a component is narrower than")
    for far in (gaussian(1e17, 1e-4), gaussian([1e17, 0.0], 1e-4), GaussianMixture([0.0, 1e13], [1.0, 1e-4])):
        near = gaussian(np.zeros(far.dim))
        for call in (kl, total_variation):
            with pytest.raises(ValueError, match=words):
                call(far, near)
        with pytest.raises(ValueError, match=words):
            expectation(far, lambda x: 1.0)


@pytest.mark.parametrize("far", [1e10, 1e17])
def test_a_light_component_whose_std_is_lost_in_rounding_is_refused(far: float) -> None:
    p = GaussianMixture([0.0, far], [1.0, 1e-7], [1 - 1e-7, 1e-7])
    with pytest.raises(ValueError, match="narrower than"):
        kl(p, gaussian())


def test_a_component_of_ten_thousand_spacings_is_integrated() -> None:
    """Just as wide as is documented, and a little narrower: on the line, along each axis, for any component."""
    for width, mean in ((1.01e4, -1024.0), (0.99e4, -1024.0), (0.99e4, 1.0)):
        std = width * np.spacing(abs(mean))
        line = [gaussian(mean, std), GaussianMixture([0.0, mean], [1.0, std], [0.9, 0.1])]
        # In the plane rounding alone takes a millionth of the mass at the bound, which is refused by other words.
        for p in line if width > 1e4 else [*line, gaussian([0.0, mean], std), gaussian([mean, 0.0], std)]:
            if width > 1e4:
                assert expectation(p, lambda x: 1.0) == pytest.approx(1, abs=1e-4)  # of a std, as is documented
            else:
                with pytest.raises(
                    ValueError, match="the integral would miss mass: a component is narrower than 10000"
                ):
                    expectation(p, lambda x: 1.0)


@pytest.mark.parametrize(("off", "fits"), [(9e-7, True), (-9e-7, True), (1.1e-6, False), (-1.1e-6, False)])
@pytest.mark.parametrize("dim", [1, 2])
def test_cells_may_miss_a_millionth_of_the_mass(dim: int, off: float, fits: bool) -> None:
    class Near(GaussianMixture):
        def prob(self, x: Any) -> np.ndarray:
            return super().prob(x) * (1 + off)

    laws = gaussian(np.zeros(dim)), Near(np.zeros((1, dim)), 1.0)  # the second of those that must be covered
    if fits:
        assert integrate(laws[0].prob, laws, laws) == pytest.approx(1, abs=1e-7)
    else:
        with pytest.raises(ValueError, match=f"its cells hold {1 + off:.9g} instead of 1; reach"):
            integrate(laws[0].prob, laws, laws)


def test_cells_that_do_not_hold_the_mass_are_refused() -> None:
    for p in (gaussian(), gaussian([0.0, 0.0]), GaussianMixture([0.0, 9.0], 1.0, [1e-5, 1 - 1e-5])):
        assert integrate(p.prob, (p,), reach=6.0) == pytest.approx(1, abs=1e-6)
        with pytest.raises(ValueError, match="the integral would miss mass"):
            integrate(p.prob, (p,), reach=3.0)


def test_a_law_that_never_has_mass_one_is_refused() -> None:
    class Broken(GaussianMixture):
        def prob(self, x: Any) -> np.ndarray:
            return super().prob(x) * (1 + 1e-5)

    with pytest.raises(ValueError, match="the integral would miss mass"):
        integrate(lambda x: x, (Broken([0.0], 1.0),))


def test_two_jumps_far_enough_apart_are_seen() -> None:
    for low in np.linspace(-1, 1, 101):
        exact = ndtr(low + 0.06) - ndtr(low)
        assert expectation(gaussian(), lambda x, a=low: (x > a) & (x < a + 0.06)) == pytest.approx(exact, abs=1e-9)


def noise(x: np.ndarray) -> np.ndarray:
    return np.modf(np.sin(x * 1e9) * 1e9)[0]


REFUSALS: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: expectation(gaussian(), lambda x: np.exp(x**2)),
        "f(x) must stay finite and not outgrow the tails of p, but p f is not small far out; if f is a logarithm of a",
    ),
    (
        lambda: expectation(gaussian(), lambda x: np.exp(x**2 / 2)),
        "f(x) must stay finite and not outgrow the tails of p",
    ),
    (
        lambda: expectation(gaussian([0.0, 0.0]), lambda x: np.exp((x**2).sum(-1) / 2)),
        "f(x) must stay finite and not outgrow the tails of p",
    ),
    (
        lambda: expectation(gaussian(), lambda x: np.where(x > 7, np.inf, x)),
        "f(x) must stay finite and not outgrow the tails of p",
    ),
    (
        lambda: expectation(gaussian(), lambda x: np.where(x > 1, np.nan, x)),
        "f(x) must be a number wherever p has mass, got NaN; check f outside the range you drew",
    ),
    (
        lambda: expectation(Uniform(), lambda x: np.full_like(x, np.nan)),
        "f(x) must be a number wherever p has mass, got NaN",
    ),
    (
        lambda: expectation(gaussian([0.0, 0.0]), lambda x: np.full(len(x), np.nan)),
        "f(x) must be a number wherever p has mass, got NaN",
    ),
    (lambda: expectation(gaussian(), noise), "the integral did not settle: the function is too rough for its scale;"),
    (
        lambda: expectation(gaussian([0.0, 0.0]), lambda x: noise(x[..., 0])),
        "the integral did not settle: the function is too rough for its scale; smooth it or use samples",
    ),
    (
        lambda: expectation(gaussian(), [1.0]),
        "f must be a function of x for a density, got numbers; wrap them in a lambda",
    ),
    (
        lambda: expectation(gaussian([0.0] * 3), lambda x: 0.5),
        "quadrature needs dimension 1 or 2, got 3; average over p.sample(...) instead",
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
        lambda: expectation([0.5, 0.5], lambda i: i),
        "f must be the vector of values for a probability vector, got a function; call it on the points",
    ),
    (
        lambda: expectation(gaussian(), lambda x: x, near=(gaussian(), ring())),
        "near must have the dimension of p, 1, got [1, 2]; leave it out",
    ),
    (lambda: expectation([0.5, 0.6], [1.0, 1.0]), "probabilities must be finite, non-negative and sum to 1, got sum"),
    (
        lambda: as_laws(gaussian(), [1.0]),
        "both laws must be of one kind, got a density and a vector; use binned(density, edges)",
    ),
    (
        lambda: as_laws([1.0], Uniform()),
        "both laws must be of one kind, got a density and a vector; use binned(density, edges)",
    ),
    (
        lambda: as_laws(gaussian(), ring()),
        "both densities must have the same dimension, 1 or 2, got 1 and 2; change one",
    ),
    (
        lambda: as_laws(gaussian([0.0] * 3), gaussian([0.0] * 3)),
        "both densities must have the same dimension, 1 or 2, got 3 and 3",
    ),
    (lambda: as_laws([0.5, 0.5], [1.0]), "probability vectors must have one shape (n,), got (2,) and (1,); align them"),
    (lambda: as_laws([], []), "probability vectors must have one shape (n,), got (0,) and (0,); align them"),
    (lambda: as_laws([[1.0]], [[1.0]]), "probability vectors must have one shape (n,), got (1, 1) and (1, 1)"),
    (
        lambda: as_laws([0.5, 0.5], [0.5, 0.6]),
        "probabilities must be finite, non-negative and sum to 1, got sum - 1 = 0.1, in float64 at most 1e-09; divide",
    ),
    (
        lambda: as_laws([1.5, -0.5], [0.5, 0.5]),
        "probabilities must be finite, non-negative and sum to 1, got -0.5; apply a softmax to scores, drop NaN",
    ),
    (
        lambda: as_laws([np.nan, 1.0], [0.5, 0.5]),
        "probabilities must be finite, non-negative and sum to 1, got nan",
    ),
    (
        lambda: as_points([], "x"),
        "x must be points of shape (n,) or (n, d), at least one, all finite, got shape (0,)",
    ),
    (lambda: as_points([np.nan], "y"), "y must be points of shape (n,) or (n, d), at least one, all finite"),
    (lambda: as_points(np.zeros((2, 2, 2)), "z"), "z must be points of shape (n,) or (n, d), at least one, all finite"),
    (lambda: as_points(3.0, "z"), "z must be points of shape (n,) or (n, d), at least one, all finite, got shape ()"),
]


@pytest.mark.parametrize(("call", "words"), REFUSALS, ids=[str(i) for i in range(len(REFUSALS))])
def test_refusals_say_what_to_do(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        call()


def test_points_become_columns() -> None:
    assert as_points([1, 2, 3], "x").shape == (3, 1)
    assert as_points([[1, 2, 3]], "x").shape == (1, 3)
    assert as_points([1], "x").dtype == np.float64
