"""Tests of gan_edu.evaluation: the distances of samples by hand, by assignment and by what they estimate."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from shared import prove

from gan_edu.densities import GaussianMixture, digits, gaussian, grid, parallel_line, ring, swiss_roll, two_modes
from gan_edu.divergences import js, wasserstein1
from gan_edu.evaluation import sample_js, sample_w1

# --- W1 of samples -----------------------------------------------------------------------------------------------

THREE = GaussianMixture([-3.0, 0.5, 4.0], [0.2, 1.0, 0.05], [0.2, 0.5, 0.3])
LINE = {
    "gaussian": gaussian(),
    "narrow": gaussian(3.0, 0.02),
    "two modes": two_modes(),
    "unequal modes": two_modes(6.0, 0.5, 0.3),
    "three stds": THREE,
}
on_the_line = pytest.mark.parametrize("law", LINE.values(), ids=LINE)


def quantiles(law: GaussianMixture, n: int) -> np.ndarray:
    """The law's quantiles at the middles of n equal shares, by bisection."""
    low, high = (np.full(n, end) for end in law.box(12.0)[:, 0])
    for _ in range(80):
        middle = (low + high) / 2
        below = law.cdf(middle) < (np.arange(n) + 0.5) / n
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return low


@on_the_line
@pytest.mark.parametrize("n", [1, 2, 40, 1001])
def test_w1_of_quantiles_moved_and_stretched(law: GaussianMixture, n: int) -> None:
    x, near = quantiles(law, n), 2e-4 * law.stds.max()
    assert sample_w1(x, law) == pytest.approx(0, abs=near)
    assert sample_w1(x + 1.7, law) == pytest.approx(1.7, abs=near)
    assert sample_w1(x - 0.3, law) == pytest.approx(0.3, abs=near)
    assert sample_w1(2.5 * x, law) == pytest.approx(1.5 * np.abs(x).mean(), abs=near)


@pytest.mark.parametrize(
    ("p", "q"),
    [
        (gaussian(), gaussian(1.5)),
        (gaussian(1.0, 2.0), gaussian(1.0, 0.5)),
        (two_modes(), gaussian()),
        (gaussian(-2.0, 0.5), two_modes()),
        (two_modes(4.0, 0.5, 0.2), two_modes(4.0, 0.5, 0.7)),
        (THREE, two_modes()),
    ],
)
def test_w1_of_many_samples_is_that_of_the_laws(p: GaussianMixture, q: GaussianMixture) -> None:
    exact = wasserstein1(p, q)
    assert sample_w1(quantiles(p, 4000), q) == pytest.approx(exact, abs=2e-3)
    spread = sum(math.sqrt(law.weights @ (law.stds**2 + law.means[:, 0] ** 2)) for law in (p, q))
    assert sample_w1(p.sample(40_000, generator=1), q) == pytest.approx(exact, abs=3 * spread / math.sqrt(40_000))


@prove
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12))
def test_w1_of_arrays_on_the_line_by_repeating_their_points(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=n), rng.normal(1, 2, m)
    brute = np.abs(np.sort(x.repeat(m)) - np.sort(y.repeat(n))).mean()
    assert sample_w1(x, y) == pytest.approx(brute, rel=1e-12)
    assert sample_w1(x[:, None], y[:, None]) == pytest.approx(stats.wasserstein_distance(x, y), rel=1e-12)


def assigned(x: np.ndarray, y: np.ndarray) -> float:
    far = cdist(x, y)
    return float(far[linear_sum_assignment(far)].mean())


def own() -> np.random.Generator:
    """What `sample_w1` documents as its own: the seed of its draws, and of the subset that is the same in every call."""
    return np.random.default_rng([256, 0x5731])


def some(x: np.ndarray) -> np.ndarray:
    """256 rows by chance."""
    return x[own().choice(len(x), 256, replace=False)] if len(x) > 256 else x


PLANE = {
    "gaussian": gaussian([1.0, -1.0], 0.5),
    "ring": ring(8, 2.0, 0.1),
    "grid": grid(3, 2.0, 0.3),
    "unequal": GaussianMixture([[0.0, 0.0], [4.0, 1.0]], [0.1, 1.0], [0.3, 0.7]),
}
in_the_plane = pytest.mark.parametrize("law", PLANE.values(), ids=PLANE)


@in_the_plane
@pytest.mark.parametrize("n", [256, 700])
def test_w1_in_the_plane_is_an_assignment_to_draws_of_the_law(law: GaussianMixture, n: int) -> None:
    x = swiss_roll(n, generator=1)
    exact = assigned(some(x), law.sample(256, generator=own()))
    assert sample_w1(x, law) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(30, 30), (700, 256), (256, 1000), (999, 5000)])
def test_w1_of_arrays_in_the_plane_is_an_assignment(n: int, m: int) -> None:
    x, y = swiss_roll(n, generator=1), swiss_roll(m, generator=2) @ [[0.0, 1.0], [1.0, 0.5]]
    exact = assigned(x, y) if n == 30 else assigned(some(x), some(y))
    assert sample_w1(x, y) == pytest.approx(exact, rel=1e-9)


def test_w1_of_few_samples_in_the_plane_uses_them_all() -> None:
    x, y = swiss_roll(32, generator=1), swiss_roll(64, generator=2)
    assert sample_w1(x, y) == pytest.approx(assigned(x.repeat(2, 0), y), rel=1e-9)
    assert sample_w1(x[:1], y) == pytest.approx(cdist(x[:1], y).mean(), rel=1e-9)


def test_w1_of_ordered_samples_sees_all_of_them() -> None:
    x = np.stack([np.linspace(0, 1, 4096), np.zeros(4096)], -1)
    assert sample_w1(x, x[:256] * 4096 / 256) == pytest.approx(
        0, abs=0.03
    )  # Kolmogorov: 256 draws are off by 1/16 at most


@pytest.mark.parametrize("period", [2, 3, 5, 16, 17])
@pytest.mark.parametrize("n", [511, 512, 4096])
def test_w1_does_not_fall_in_step_with_regular_rows(period: int, n: int) -> None:
    x = np.stack([100.0 * (np.arange(n) % period == 0), np.zeros(n)], -1)
    mixed = np.random.default_rng(0).permutation(x)
    # Chance: two hypergeometric counts of 256 differ by sqrt(2 256 p (1 - p)); one point moves 100 / 256.
    spread = 100 / 256 * math.sqrt(2 * 256 / period * (1 - 1 / period))
    assert sample_w1(x, mixed) <= 3 * spread
    assert sample_w1(x, x) == 0


def test_w1_takes_the_same_rows_in_every_call() -> None:
    x, y = swiss_roll(3000, generator=1), swiss_roll(700, generator=2)
    assert sample_w1(x, y).item() == sample_w1(np.stack([x, x]), y)[1]
    assert np.array_equal(sample_w1(x, ring()), sample_w1(x, ring()))


@pytest.mark.parametrize("seed", range(6))
def test_w1_of_a_caller_s_own_draws_is_not_zero(seed: int) -> None:
    assert 0.1 < sample_w1(ring().sample(256, generator=seed), ring()) < 0.5


@pytest.mark.parametrize(
    ("law", "floor"), [(gaussian([0.0] * 2), 0.27), (ring(), 0.20), (grid(), 0.47), (gaussian([0.0] * 5), 1.1)]
)
def test_the_floor_of_w1_that_is_documented(law: GaussianMixture, floor: float) -> None:
    draws = law.sample(16 * 256, generator=1).reshape(16, 256, -1)
    assert np.median(sample_w1(draws, law)) == pytest.approx(floor, rel=0.2)


@in_the_plane
@pytest.mark.parametrize("move", [(3.0, 4.0), (0.1, -0.2)])
def test_w1_in_the_plane_moves_by_the_shift(law: GaussianMixture, move: tuple[float, float]) -> None:
    length = math.hypot(*move)
    assert sample_w1(law.sample(256, generator=own()) + move, law) == pytest.approx(length, rel=1e-9)
    x = law.sample(256, generator=1)
    apart, moved = sample_w1(x, law), sample_w1(x + move, law)
    assert 0 < apart < 1.0  # chance, though the laws agree
    assert abs(length - apart) <= moved <= length + apart
    centre = np.linalg.norm(x.mean(0) + move - law.sample(256, generator=own()).mean(0))
    assert centre <= moved * (1 + 1e-12)


def test_w1_in_many_dimensions() -> None:
    images = digits()[0]
    assert sample_w1(images[:100], images[:100]) == pytest.approx(0, abs=1e-12)
    assert sample_w1(images[:100] + 0.25, images[:100]) == pytest.approx(0.25 * 8, rel=1e-9)


# --- JS of samples -----------------------------------------------------------------------------------------------


def shares_by_hand(x: np.ndarray, edges: list[np.ndarray]) -> np.ndarray:
    counts, _ = np.histogramdd(x, [np.r_[-1e9, e, 1e9] for e in edges])
    return counts.ravel() / len(x)


def edges_by_hand(there: np.ndarray, cells: int) -> list[np.ndarray]:
    return [np.array([np.quantile(axis, k / cells) for k in range(1, cells)]) for axis in there.T]


def law_by_hand(law: GaussianMixture, edges: list[np.ndarray]) -> np.ndarray:
    """Probability of every cell, component by component."""
    total = np.zeros([len(e) + 1 for e in edges])
    for weight, mean, std in zip(law.weights, law.means, law.stds, strict=True):
        cdfs = [stats.norm.cdf(np.r_[-np.inf, e, np.inf], mu, std) for e, mu in zip(edges, mean, strict=True)]
        for cell in np.ndindex(total.shape):
            total[cell] += weight * math.prod(cdf[i + 1] - cdf[i] for cdf, i in zip(cdfs, cell, strict=True))
    return total.ravel()


@pytest.mark.parametrize("cells", [2, 7, 32])
@pytest.mark.parametrize("law", [*LINE.values(), *PLANE.values()], ids=[*LINE, *(f"{name} 2-D" for name in PLANE)])
def test_js_of_samples_and_a_mixture_by_hand(law: GaussianMixture, cells: int) -> None:
    rng = np.random.default_rng(0)
    x = law.sample(500, generator=1).reshape(500, -1) * 1.1 + rng.normal(0.1, 0.2, (500, law.dim))
    edges = edges_by_hand(law.sample(65536, generator=0).reshape(-1, law.dim), cells)
    exact = js(law_by_hand(law, edges), shares_by_hand(x, edges))
    assert sample_js(x, law, cells) == pytest.approx(exact, abs=1e-12)
    if cells == 32:
        assert sample_js(x, law) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("cells", [2, 7, 32])
@pytest.mark.parametrize("dim", [1, 2])
def test_js_of_samples_and_an_array_by_hand(dim: int, cells: int) -> None:
    y, x = swiss_roll(1000, generator=1)[:, :dim], swiss_roll(333, generator=2)[:, ::-1][:, :dim]
    edges = edges_by_hand(y, cells)
    exact = js(shares_by_hand(y, edges), shares_by_hand(x, edges))
    assert sample_js(x, y, cells) == pytest.approx(exact, abs=1e-12)
    assert exact > 0.005


def test_js_of_atoms() -> None:
    y = [0.0] * 40 + [1.0] * 60
    assert sample_js([0.0, 0.0, 1.0, 1.0, 1.0], y) == 0
    assert sample_js([1.0, 1.0], y) == pytest.approx(js([0.4, 0.6], [0.0, 1.0]), abs=1e-15)
    between = pytest.approx(js([0.4, 0.0, 0.6], [0.0, 0.5, 0.5]), abs=1e-15)  # each atom has a cell of its own
    assert sample_js([0.5, 1.0], y) == between
    for elsewhere in (-1.0, 0.5, 2.0):
        assert sample_js([elsewhere], y) == pytest.approx(math.log(2), abs=1e-15)


def test_js_of_lines_that_do_not_meet_is_log_2_on_both_sides() -> None:
    line = parallel_line(0.0, 2000, generator=0)
    for theta in (-1.0, 1.0):
        assert sample_js(parallel_line(theta, 2000, generator=1), line) == pytest.approx(math.log(2), abs=1e-12)


PAIRS = [
    (gaussian(), gaussian(1.0)),
    (two_modes(), gaussian(0.0, 2.0)),
    (two_modes(4.0, 0.5, 0.2), two_modes()),
    (gaussian(0.0, 2.0), gaussian(0.0, 0.5)),  # most of p lies in the outermost cells of q
    (gaussian([0.0, 0.0]), gaussian([1.0, 0.5])),
    (ring(8, 2.0, 0.5), ring(3, 2.0, 0.5)),
    (gaussian([0.0, 0.0], 2.0), grid(3, 2.0, 0.8)),
]
CLOSE = [0.98, 0.96, 0.97, 0.85, 0.97, 0.95, 0.6]


@pytest.mark.parametrize(("p", "q", "share"), [(*pair, share) for pair, share in zip(PAIRS, CLOSE, strict=True)])
def test_js_of_samples_is_a_close_lower_bound(p: GaussianMixture, q: GaussianMixture, share: float) -> None:
    n, exact = 100_000, js(p, q)
    found = sample_js(p.sample(n, generator=1), q)
    chance = 32**p.dim / (8 * n)
    assert found <= exact + chance + 4 * math.sqrt(exact / n)
    assert found >= share * exact


@pytest.mark.parametrize(("p", "q"), PAIRS)
def test_finer_cells_raise_js(p: GaussianMixture, q: GaussianMixture) -> None:
    x = p.sample(2000, generator=1)
    by_cells = [sample_js(x, q, cells).item() for cells in (1, 2, 4, 8, 16, 32)]
    assert by_cells[0] == pytest.approx(0, abs=1e-15)
    assert all(coarse <= fine + 1e-12 for coarse, fine in pairwise(by_cells))
    assert by_cells[-1] <= math.log(2)


@pytest.mark.parametrize(("law", "cells"), [(gaussian(), 32), (two_modes(), 32), (gaussian([1.0, 2.0], 3.0), 6)])
def test_js_of_a_perfect_sampler_is_chance(law: GaussianMixture, cells: int) -> None:
    members, n = 200, 2000
    x = law.sample(members * n, generator=3).reshape(members, n, -1)
    assert sample_js(x, law, cells).mean() == pytest.approx((cells**law.dim - 1) / (8 * n), rel=0.08)


def test_js_of_equal_and_of_remote_samples() -> None:
    y = swiss_roll(1000, generator=1)
    assert sample_js(y, y) == 0
    assert sample_js(y[:, 0], y[:, 0]) == 0
    corner = sample_js(y * 0 + 99.0, y)  # all samples in the last cell, where few examples are
    assert math.log(2) * 0.9 < corner <= math.log(2)
    assert sample_js(gaussian(50.0).sample(100, generator=0), gaussian()) == pytest.approx(
        js(np.full(32, 1 / 32), np.eye(32)[31]), abs=3e-3
    )


@prove
@given(st.integers(0, 10**6), st.integers(1, 40), st.sampled_from([*LINE.values(), *PLANE.values()]))
def test_js_of_samples_lies_between_zero_and_log_two(seed: int, n: int, law: GaussianMixture) -> None:
    x = np.random.default_rng(seed).normal(0, 3, (n, law.dim))
    assert 0 <= sample_js(x, law, 8) <= math.log(2)
    assert 0 <= sample_js(x, law.sample(50, generator=seed), 8) <= math.log(2)


# --- members, for both -------------------------------------------------------------------------------------------


Distance = Callable[..., np.ndarray]
of_samples = pytest.mark.parametrize("distance", [sample_w1, sample_js])
TARGETS: list[GaussianMixture | np.ndarray] = [
    two_modes(),
    ring(),
    swiss_roll(300, generator=3),
    swiss_roll(300, generator=3)[:, 0],
]


@of_samples
@pytest.mark.parametrize("target", TARGETS, ids=["mixture 1-D", "mixture 2-D", "array 2-D", "array 1-D"])
def test_distances_of_members_are_their_own(distance: Distance, target: GaussianMixture | np.ndarray) -> None:
    dim = target.dim if isinstance(target, GaussianMixture) else target[:1].size
    x = np.random.default_rng(0).normal(0, 1, (2, 3, 64, dim)) * np.arange(1, 7).reshape(2, 3, 1, 1)
    together = distance(x, target)
    assert together.shape == (2, 3)
    for i, j in np.ndindex(2, 3):
        assert together[i, j] == distance(x[i, j], target)
    assert np.unique(together).size == 6
    assert distance(x[0, 0], target).shape == ()
    if dim == 1:
        assert distance(x[..., 0], target).tolist() == together.tolist()
        assert distance(x[0, 0, :, 0], target) == together[0, 0]


@of_samples
@pytest.mark.parametrize("target", TARGETS, ids=["mixture 1-D", "mixture 2-D", "array 2-D", "array 1-D"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_diverged_member_alone_is_nan(distance: Distance, target: GaussianMixture | np.ndarray, bad: float) -> None:
    dim = target.dim if isinstance(target, GaussianMixture) else target[:1].size
    x = np.random.default_rng(0).normal(size=(3, 40, dim))
    healthy = distance(x, target)
    x[1, 17, -1] = bad
    broken = distance(x, target)
    assert np.isnan(broken[1])
    assert broken[[0, 2]].tolist() == healthy[[0, 2]].tolist()


# --- refusals ----------------------------------------------------------------------------------------------------


REFUSALS: list[tuple[Callable[[], Any], str]] = [
    *(
        refusal
        for distance in (sample_w1, sample_js)
        for refusal in [
            (partial(distance, [], gaussian()), "samples must have shape (..., n, 1) and be at least one, got (0,)"),
            (
                partial(distance, np.zeros((5, 3)), ring()),
                "samples must have shape (..., n, 2) and be at least one, got (5, 3)",
            ),
            (
                partial(distance, [1.0, 2.0], ring()),
                "samples must have shape (..., n, 2) and be at least one, got (2,)",
            ),
            (
                partial(distance, np.zeros((0, 2)), np.zeros((4, 2))),
                "samples must have shape (..., n, 2) and be at least one, got (0, 2)",
            ),
            (partial(distance, 1.0, gaussian()), "samples must have shape (..., n, 1) and be at least one, got ()"),
            (partial(distance, [1.0], []), "target must be points of shape (n,) or (n, d), at least one, all finite"),
            (partial(distance, [1.0], [np.nan]), "target must be points of shape (n,) or (n, d), at least one, all"),
        ]
    ),
    (
        lambda: sample_js(np.zeros((5, 3)), gaussian([0.0, 0.0, 0.0])),
        "samples must have one or two coordinates and cells be positive, got 3 and 32; in more dimensions most cells would be empty",
    ),
    (
        lambda: sample_js([1.0], gaussian(), cells=0),
        "samples must have one or two coordinates and cells be positive, got 1 and 0",
    ),
    (
        lambda: sample_js(np.zeros((5, 4)), np.zeros((5, 4))),
        "samples must have one or two coordinates and cells be positive, got 4 and 32; in more dimensions most cells would be empty",
    ),
]


@pytest.mark.parametrize(("call", "words"), REFUSALS, ids=[str(i) for i in range(len(REFUSALS))])
def test_refusals_say_what_to_do(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        call()
