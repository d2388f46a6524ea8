"""Tests of gan_edu.evaluation: SciPy's densities and laws, brute force over all pairs, simulation, invariances."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from shared import prove

from gan_edu.densities import GaussianMixture, gaussian, grid, ring, two_modes
from gan_edu.evaluation import interval, mode_coverage, nearest_neighbours, null_coverage, parzen_log_likelihood

UNEQUAL = GaussianMixture([[0.0, 0.0], [4.0, 0.0]], [0.1, 1.0])


# --- modes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stds", [1.0, 2.0, 3.0])
@pytest.mark.parametrize(
    ("target", "dim"), [(two_modes(20.0, 0.5), 1), (ring(8, 20.0, 0.2), 2), (grid(3, 20.0, 1.0), 2)]
)
def test_a_perfect_sampler_has_the_chi_square_share(target: GaussianMixture, dim: int, stds: float) -> None:
    n = 200_000
    coverage = mode_coverage(target.sample(n, generator=0), target, stds=stds)
    share = stats.chi2.cdf(stds**2, dim)  # 98.889 % in the plane at 3 stds, 99.730 % on the line
    assert coverage.modes == len(target.weights)
    assert coverage.high_quality == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / n))
    assert isinstance(coverage.modes, int)
    assert isinstance(coverage.high_quality, float)


def test_in_three_dimensions() -> None:
    target = gaussian([1.0, 2.0, 3.0], 2.0)
    share = stats.chi2.cdf(4.0, 3)
    assert mode_coverage(target.sample(100_000, generator=1), target, stds=2.0).high_quality == pytest.approx(
        share, abs=0.006
    )


@prove
@given(st.integers(0, 10**6), st.floats(0.2, 4), st.sampled_from([0.0, 0.05, 0.2]))
def test_coverage_counted_by_hand(seed: int, stds: float, share: float) -> None:
    rng = np.random.default_rng(seed)
    target = GaussianMixture(rng.uniform(-3, 3, (4, 2)), rng.uniform(0.1, 1, 4))
    x = rng.uniform(-4, 4, (30, 2))
    hits = dict.fromkeys(range(4), 0)
    for point in x:
        far = [math.dist(point, mean) / std for mean, std in zip(target.means, target.stds, strict=True)]
        if min(far) <= stds:
            hits[far.index(min(far))] += 1
    coverage = mode_coverage(x, target, stds=stds, share=share)
    assert coverage.modes == sum(count / 30 > share for count in hits.values())
    assert coverage.high_quality == pytest.approx(sum(hits.values()) / 30, abs=1e-15)


def test_nearest_is_measured_in_standard_deviations() -> None:
    # (1, 0) is 10 stds from the first mode and 3 from the second, though the first is three times nearer.
    assert mode_coverage([[1.0, 0.0]], UNEQUAL, stds=3.0) == (1, 1.0)
    assert mode_coverage([[1.0, 0.0]], UNEQUAL, stds=2.9) == (0, 0.0)
    assert mode_coverage([[0.3, 0.0], [0.0, 0.31]], UNEQUAL, stds=3.05) == (1, 0.5)
    # A point within both radii belongs to the nearer mode alone.
    both = GaussianMixture([0.0, 1.0], [1.0, 2.0])
    assert mode_coverage([0.3], both).modes == 1
    assert mode_coverage([0.3, 1.2], both).modes == 2


def test_the_radius_itself_counts() -> None:
    assert mode_coverage([3.0, 3.0001], gaussian()) == (1, 0.5)
    target = GaussianMixture([0.0, 100.0, 200.0], [1.0, 4.0, 0.5])
    just = target.means[:, 0] + 3 * target.stds * np.array([[1.0], [-1.0]])
    assert mode_coverage(just.ravel(), target) == (3, 1.0)
    for k in range(3):  # one step beyond, of one mode at a time, for a member that is not the first
        beyond = np.stack([just, just, just])
        beyond[1, :, k] += target.stds[k] * np.array([1e-9, -1e-9])
        found = mode_coverage(beyond.reshape(3, 6), target)
        assert found.modes.tolist() == [3, 2, 3]
        np.testing.assert_allclose(found.high_quality, [1, 2 / 3, 1])


def test_a_mode_needs_more_than_its_share_of_all_samples() -> None:
    target = two_modes(20.0, 1.0)
    x = [-10.0] * 8 + [10.0] + [0.0]  # the last is of no mode
    assert mode_coverage(x, target) == (2, 0.9)
    assert mode_coverage(x, target, share=0.09).modes == 2
    assert mode_coverage(x, target, share=0.1).modes == 1  # 1/10 is not more than 0.1
    assert mode_coverage(x, target, share=0.105).modes == 1  # 1/9 of the good ones would be
    assert mode_coverage(x, target, share=0.8).modes == 0


def test_members_have_axes_of_their_own() -> None:
    target = ring(4, 5.0, 0.3)
    x = np.stack([target.means[:k].repeat(12 // k, 0) for k in (1, 2, 3, 4, 1, 2)]).reshape(2, 3, 12, 2)
    x[1, 0, :2] = 0.0
    coverage = mode_coverage(x, target)
    assert coverage.modes.tolist() == [[1, 2, 3], [4, 1, 2]]
    np.testing.assert_allclose(coverage.high_quality, [[1, 1, 1], [5 / 6, 1, 1]])
    assert coverage.modes[0, 2] == mode_coverage(x[0, 2], target).modes


def test_samples_on_the_line_with_or_without_a_coordinate_axis() -> None:
    target = two_modes()
    x = np.array([[-2.0, -2.0, 0.0], [-2.0, 2.0, 2.1]])
    flat, columns = mode_coverage(x, target), mode_coverage(x[..., None], target)
    assert flat.modes.tolist() == columns.modes.tolist() == [1, 2]
    np.testing.assert_allclose(flat.high_quality, [2 / 3, 1])
    np.testing.assert_allclose(columns.high_quality, [2 / 3, 1])
    assert mode_coverage(x[0], target) == mode_coverage(x[0, :, None], target) == (1, 2 / 3)
    assert mode_coverage([1.9], target) == (1, 1.0)
    assert mode_coverage(x[None], target).modes.shape == (1, 2)


def test_coverage_does_not_depend_on_the_frame() -> None:
    target, rng = ring(6, 2.0, 0.2), np.random.default_rng(0)
    x = rng.normal(0, 2, (500, 2))
    turn, _ = np.linalg.qr(rng.normal(size=(2, 2)))
    moved = GaussianMixture(7 * target.means @ turn + 3, 7 * target.stds)
    assert mode_coverage(7 * x @ turn + 3, moved) == mode_coverage(x, target)


# --- what laws without modes get ---------------------------------------------------------------------------------


def test_a_mode_needs_a_fraction_of_its_fair_share() -> None:
    target = GaussianMixture([[0.0, 0.0], [9.0, 0.0]], 1.0, [0.25, 0.75])
    x = np.repeat([[0.0, 1.0], [9.0, 0.5], [4.5, 0.0]], [10, 40, 50], axis=0)
    fair = np.array([0.25, 0.75]) * (1 - np.exp(-9 / 2))  # within 3 stds in the plane
    just = np.array([0.1, 0.4]) / fair
    assert just.round(3).tolist() == [0.404, 0.539]
    for fraction, modes in ((0.0, 2), (just[0], 2), (0.41, 1), (just[1], 1), (0.54, 0), (1.0, 0)):
        assert mode_coverage(x, target, fair=fraction) == (modes, 0.5)
    within = 1 - np.exp(-4 / 2)  # at two stds
    for side in (-1e-9, 1e-9):
        assert mode_coverage(x, target, stds=2.0, fair=0.1 / 0.25 / within + side).modes == (2 if side < 0 else 1)
        assert mode_coverage(x, target, stds=2.0, fair=0.4 / 0.75 / within + side).modes == (1 if side < 0 else 0)
    assert mode_coverage(target.sample(2000, generator=0), target, fair=0.9).modes == 2


@pytest.mark.parametrize(("dim", "within"), [(1, math.erf(2 / 2**0.5)), (3, float(stats.maxwell.cdf(2)))])
def test_a_fair_share_depends_on_the_dimension(dim: int, within: float) -> None:
    """What lies within two stds, by the normal law on the line and by Maxwell's in space; for the second mode, too."""
    means = np.zeros((2, dim))
    means[1, -1] = 9.0
    target, x = GaussianMixture(means, [1.0, 0.5], [0.4, 0.6]), np.repeat(means, [4, 3], axis=0)
    least = 3 / 7 / (0.6 * within)  # the second needs more, and has less
    for fair, modes in ((0.0, 2), (least - 1e-9, 2), (least + 1e-9, 1)):
        assert mode_coverage(x, target, stds=2.0, fair=fair).modes == modes
    both = mode_coverage(np.stack([x, x[::-1], x * 0]), target, stds=2.0, fair=0.7)
    assert both.modes.tolist() == [2, 2, 1]


def test_nulls_are_held_against_what_is_asked_of_the_score() -> None:
    """The box, the radius and both shares are the caller's own, for each of the three laws."""
    target = GaussianMixture([[0.0, 0.0], [6.0, 2.0]], [0.5, 1.5], [0.3, 0.7])
    plain = null_coverage(3000, target, generator=0)
    assert [law.modes.shape for law in plain] == [(16,)] * 3
    for stds in (1.0, 2.0):
        nulls = null_coverage(3000, target, generator=0, stds=stds)
        low, high = target.box(stds)
        areas = np.pi * (stds * target.stds) ** 2 / np.prod(high - low)
        assert nulls.uniform.high_quality.mean() == pytest.approx(areas.sum(), abs=0.01)
        assert nulls.perfect.high_quality.mean() == pytest.approx(1 - np.exp(-(stds**2) / 2), abs=0.01)
        # The blob: mean (4.2, 1.4), covariance 0.21 (36, 12; 12, 4) + (0.3 0.25 + 0.7 2.25) I, by counting its own draws.
        blob = stats.multivariate_normal([4.2, 1.4], [[9.21, 2.52], [2.52, 2.49]], seed=1).rvs(200_000)
        assert nulls.blob.high_quality.mean() == pytest.approx(
            mode_coverage(blob, target, stds=stds).high_quality, abs=0.01
        )
    for law, part in zip(null_coverage(3000, target, generator=0, share=0.5), plain, strict=True):
        assert (law.modes <= 1).all()
        np.testing.assert_array_equal(law.high_quality, part.high_quality)
    for law in null_coverage(3000, target, generator=0, fair=1.0, stds=3.0)[:2]:
        assert (law.modes < 2).any()


def test_what_a_uniform_law_captures_is_a_matter_of_areas() -> None:
    target, n, members = grid(5, 2.0, 0.05), 1000, 400
    share = np.pi * 0.15**2 / 8.3**2  # a disc of 3 stds, in a square of side 4 * 2 + 2 * 3 * 0.05
    nulls = null_coverage(n, target, generator=0, members=members).uniform
    spread = np.sqrt(25 * share * (1 - 25 * share) / n / members)
    assert nulls.high_quality.mean() == pytest.approx(25 * share, abs=4 * spread)
    assert nulls.modes.mean() == pytest.approx(25 * (1 - (1 - share) ** n), abs=4 * 2.1 / np.sqrt(members))


def test_the_blob_has_the_target_s_mean_and_covariance() -> None:
    # Modes at (0, 0) and (4, 2), of weights 1/4 and 3/4: mean (3, 1.5), covariance 3/16 (16, 8; 8, 4) + 0.01 I.
    target = GaussianMixture([[0.0, 0.0], [4.0, 2.0]], 0.1, [0.25, 0.75])
    blob = stats.multivariate_normal([3.0, 1.5], [[3.01, 1.5], [1.5, 0.76]])
    at, n, members = 0.3 * np.stack(np.meshgrid(*[np.linspace(-1, 1, 301)] * 2), -1), 500, 400
    inside = np.linalg.norm(at, axis=-1) <= 0.3
    share = sum(blob.pdf(at + mean)[inside].sum() * 0.002**2 for mean in target.means)
    found = null_coverage(n, target, generator=0, members=members).blob.high_quality.mean()
    assert found == pytest.approx(share, abs=4 * np.sqrt(share / n / members))


def test_a_fair_share_tells_the_target_from_laws_without_modes() -> None:
    for target in (grid(), grid(5, 1.0, 0.1), ring(), ring(8, 2.0, 0.1)):
        nulls = null_coverage(4096, target, generator=0, fair=0.5)
        count = len(target.stds)
        assert np.median(nulls.uniform.modes) == 0
        # N(0, 2.01 I) has 0.57 of the fair share at the centre of the narrow grid, and 0.44 at its four neighbours.
        assert nulls.blob.modes.max() <= (3 if target.stds[0] == 0.1 and count == 25 else 0)
        assert nulls.perfect.modes.tolist() == [count] * 16
        assert nulls.perfect.high_quality.mean() == pytest.approx(1 - np.exp(-9 / 2), abs=0.002)
    loose = null_coverage(4096, grid(5, 1.0, 0.1), generator=0, share=0.004)
    assert np.median(loose.uniform.modes) == 25  # a uniform square captures 25 of 25


def test_nulls_on_the_line_depend_on_the_seed_alone() -> None:
    one, again, other = (null_coverage(50, two_modes(9.0), generator=seed, members=3) for seed in (0, 0, 1))
    assert one.uniform.modes.shape == one.blob.high_quality.shape == (3,)
    assert np.array_equal(one.uniform.high_quality, again.uniform.high_quality)
    assert not np.array_equal(one.uniform.high_quality, other.uniform.high_quality)


# --- Parzen windows ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_parzen_windows_are_scipy_s_mixture_of_normals(dim: int) -> None:
    rng = np.random.default_rng(dim)
    x, t, window = rng.normal(size=(40, dim)), rng.normal(0, 2, (15, dim)), 0.7
    parts = [stats.multivariate_normal(centre, window**2 * np.eye(dim)).logpdf(t) for centre in x]
    np.testing.assert_allclose(parzen_log_likelihood(x, window, t), logsumexp(parts, axis=0) - np.log(40), rtol=1e-12)


def test_parzen_windows_on_the_line_are_scipy_s_kernel_estimate() -> None:
    rng = np.random.default_rng(0)
    x, t, window = rng.normal(size=50), rng.normal(0, 2, 20), 0.3
    kernel = stats.gaussian_kde(x, bw_method=window / x.std(ddof=1))
    np.testing.assert_allclose(parzen_log_likelihood(x, window, t), np.log(kernel(t)), rtol=1e-10)


def test_parzen_windows_integrate_to_one() -> None:
    ticks = np.linspace(-8, 8, 401)
    plane = np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2)
    mass = np.exp(parzen_log_likelihood(np.random.default_rng(0).normal(size=(5, 2)), 0.6, plane)).sum() * 0.04**2
    assert mass == pytest.approx(1, abs=1e-9)


def test_parzen_windows_in_many_dimensions_do_not_underflow() -> None:
    x = np.zeros((1, 784))
    t = np.full((1, 784), 2.0)
    exact = 784 * stats.norm.logpdf(2.0, 0, 0.05)  # about -6e5, as a density zero
    assert parzen_log_likelihood(x, 0.05, t).tolist() == pytest.approx([exact], rel=1e-13)


def test_parzen_windows_in_several_blocks() -> None:
    rng = np.random.default_rng(1)
    x, t = rng.normal(size=(2000, 500)), rng.normal(size=(11, 500))  # 4 test points a block
    whole = parzen_log_likelihood(x, 5.0, t)
    assert whole.shape == (11,)
    squares = cdist(t, x, "sqeuclidean")
    exact = logsumexp(-squares / 50, axis=1) - np.log(2000) - 500 * np.log(5 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(whole, exact, rtol=1e-12)


@prove
@given(st.floats(0.1, 10), st.integers(1, 4))
def test_parzen_windows_scale_like_a_density(scale: float, dim: int) -> None:
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(9, dim)), rng.normal(size=(6, dim))
    scaled = parzen_log_likelihood(scale * x, scale * 0.5, scale * t)
    np.testing.assert_allclose(scaled, parzen_log_likelihood(x, 0.5, t) - dim * np.log(scale), rtol=1e-9, atol=1e-9)


# --- neighbours --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 7])
@pytest.mark.parametrize("dim", [1, 2, 10])
def test_nearest_neighbours_of_all_pairs(k: int, dim: int) -> None:
    rng = np.random.default_rng(dim)
    x, y = rng.normal(size=(30, dim)), rng.normal(size=(50, dim))
    far = cdist(x, y)
    distance, index = nearest_neighbours(x, y, k)
    assert distance.shape == index.shape == (30, k)
    np.testing.assert_array_equal(index, far.argsort(1)[:, :k])
    np.testing.assert_allclose(distance, np.sort(far, 1)[:, :k], rtol=1e-12)


def test_a_memorised_point_is_at_distance_zero() -> None:
    y = np.random.default_rng(0).normal(size=(20, 3))
    distance, index = nearest_neighbours(y[[4, 17]], y)
    assert distance.tolist() == [[0.0], [0.0]]
    assert index.tolist() == [[4], [17]]
    assert nearest_neighbours([0.0], [3.0], 1)[0].tolist() == [[3.0]]  # vectors are points on the line
    assert nearest_neighbours(y[:3], y)[0].shape == (3, 1)  # one neighbour, if not more are asked for
    assert nearest_neighbours(y[:3], y, len(y))[1].shape == (3, 20)


# --- intervals ---------------------------------------------------------------------------------------------------


def tail(n: int, r: int) -> float:
    """P(Binomial(n, 1/2) < r), counted."""
    return sum(math.comb(n, k) for k in range(r)) / 2**n


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6, 8, 9, 16, 31, 100, 257])
@pytest.mark.parametrize("level", [0.3, 0.8, 0.95, 0.99])
def test_interval_is_the_shortest_that_holds_the_level(n: int, level: float) -> None:
    ranks = [r for r in range(1, n // 2 + 2) if 1 - 2 * tail(n, r) >= level]
    x = np.random.default_rng(n).permutation(n) * 1.0  # x_(r) = r - 1
    if not ranks:
        with pytest.raises(ValueError, match=re.escape(f"level {level} needs more values than the {n} given")):
            interval(x, level)
        return
    found = interval(x, level)
    assert found.low == max(ranks) - 1
    assert found.high == n - max(ranks)
    assert found.level == pytest.approx(1 - 2 * tail(n, max(ranks)), abs=1e-13)
    assert found.median == (n - 1) / 2


@pytest.mark.parametrize(("n", "r"), [(2, 1), (6, 1), (4, 2), (10, 3)])
def test_a_level_that_is_attained_exactly(n: int, r: int) -> None:
    level = 1 - 2 * tail(n, r)  # a dyadic number, without rounding
    assert interval(range(n), level)[::2] == (r - 1, n - r)


def test_intervals_hold_the_median_as_often_as_they_say() -> None:
    rng, runs, n = np.random.default_rng(0), 3000, 11
    draws = rng.lognormal(0.7, 1.5, (runs, n))  # far from symmetric; median e^0.7
    ends = [interval(values, 0.9) for values in draws]
    held = np.mean([end.low <= math.exp(0.7) <= end.high for end in ends])
    said = ends[0].level
    assert said == pytest.approx(1 - 2 * tail(11, 3), abs=1e-15)
    assert held == pytest.approx(said, abs=4 * math.sqrt(said * (1 - said) / runs))


@prove
@given(st.lists(st.floats(-5, 5), min_size=7, max_size=25))
def test_intervals_follow_increasing_maps(values: list[float]) -> None:
    plain, mapped = interval(values), interval(np.exp(values))
    assert (mapped.low, mapped.high) == (np.exp(plain.low), np.exp(plain.high))
    turned = interval([-v for v in values])
    assert (turned.low, turned.median, turned.high) == (-plain.high, -plain.median, -plain.low)
    assert interval(values[::-1]) == plain
    assert plain.low <= plain.median <= plain.high
    assert plain.median == np.median(values)


def test_higher_levels_give_wider_intervals() -> None:
    x = np.random.default_rng(0).normal(size=40)
    ends = [interval(x, level) for level in (0.5, 0.8, 0.95, 0.999)]
    for narrow, wide in pairwise(ends):
        assert wide.low < narrow.low < narrow.high < wide.high
        assert wide.level > narrow.level


# --- refusals ----------------------------------------------------------------------------------------------------


REFUSALS: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: mode_coverage([], two_modes()),
        "samples must be finite, of shape (..., n, 1), at least one, got (0,); leave diverged members out",
    ),
    (
        lambda: mode_coverage(np.zeros((0, 2)), ring()),
        "samples must be finite, of shape (..., n, 2), at least one, got",
    ),
    (lambda: mode_coverage([np.nan, 1.0], two_modes()), "samples must be finite, of shape (..., n, 1), at least one"),
    (lambda: mode_coverage([[np.inf, 1.0]], ring()), "samples must be finite, of shape (..., n, 2), at least one"),
    (lambda: mode_coverage([1.0, 2.0], ring()), "samples must be finite, of shape (..., n, 2), at least one, got (2,)"),
    (
        lambda: mode_coverage(np.zeros((5, 3)), ring()),
        "samples must be finite, of shape (..., n, 2), at least one, got",
    ),
    (lambda: mode_coverage([1.0], gaussian(), stds=0.0), "stds must be positive and share in [0, 1), got 0.0 and 0.0"),
    (lambda: mode_coverage([1.0], gaussian(), stds=np.nan), "stds must be positive and share in [0, 1), got nan"),
    (lambda: mode_coverage([1.0], gaussian(), share=1.0), "stds must be positive and share in [0, 1), got 3.0 and 1.0"),
    (
        lambda: mode_coverage([1.0], gaussian(), share=-0.1),
        "stds must be positive and share in [0, 1), got 3.0 and -0.1",
    ),
    (
        lambda: mode_coverage([1.0], gaussian(), fair=np.nextafter(1, 2)),
        "fair must be in [0, 1], got 1.0000000000000002",
    ),
    (lambda: mode_coverage([1.0], gaussian(), fair=-0.1), "fair must be in [0, 1], got -0.1"),
    (lambda: mode_coverage([1.0], gaussian(), stds=np.inf), "stds must be positive and share in [0, 1), got inf"),
    (lambda: mode_coverage([1.0], gaussian(), fair=1.1), "fair must be in [0, 1], got 1.1"),
    (lambda: null_coverage(0, ring(), generator=0), "n and members must be positive, got 0 and 16; n is the number of"),
    (lambda: null_coverage(5, ring(), generator=0, members=0), "n and members must be positive, got 5 and 0"),
    (
        lambda: parzen_log_likelihood(np.zeros((3, 2)), 1.0, np.zeros((3, 1))),
        "samples and test must have one dimension and a positive window, got 2, 1 and 1.0",
    ),
    (
        lambda: parzen_log_likelihood([1.0], 0.0, [1.0]),
        "samples and test must have one dimension and a positive window, got 1, 1 and 0.0",
    ),
    (lambda: parzen_log_likelihood([1.0], np.inf, [1.0]), "samples and test must have one dimension and a positive"),
    (lambda: parzen_log_likelihood([], 1.0, [1.0]), "samples must be points of shape (n,) or (n, d), at least one"),
    (lambda: parzen_log_likelihood([1.0], 1.0, [np.nan]), "test must be points of shape (n,) or (n, d), at least one"),
    (lambda: nearest_neighbours([1.0], [1.0, 2.0], 3), "dimensions must agree and k be in 1..2, got 1, 1 and k = 3"),
    (lambda: nearest_neighbours([1.0], [1.0, 2.0], 0), "dimensions must agree and k be in 1..2, got 1, 1 and k = 0"),
    (lambda: nearest_neighbours(np.zeros((1, 2)), [1.0]), "dimensions must agree and k be in 1..1, got 2, 1 and k = 1"),
    (
        lambda: nearest_neighbours([1.0], [np.inf]),
        "data must be points of shape (n,) or (n, d), at least one, all finite",
    ),
    (
        lambda: interval(range(5)),
        "level 0.95 needs more values than the 5 given; train more members or lower the level",
    ),
    (lambda: interval([]), "level 0.95 needs more values than the 0 given; train more members or lower the level"),
    (
        lambda: interval([1.0, np.nan, 2.0]),
        "values must be finite and level inside (0, 1), got level 0.95; count diverged members apart",
    ),
    (lambda: interval([1.0, 2.0], 1.0), "values must be finite and level inside (0, 1), got level 1.0"),
    (lambda: interval([1.0, 2.0], 0.0), "values must be finite and level inside (0, 1), got level 0.0"),
]


@pytest.mark.parametrize(("call", "words"), REFUSALS, ids=[str(i) for i in range(len(REFUSALS))])
def test_refusals_say_what_to_do(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        call()
