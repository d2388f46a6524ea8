"""Tests of gan_edu.transport: W1 and its critics, plans that prove themselves, and refusals."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws import mixtures, moved
from scipy import stats
from scipy.optimize import linprog
from shared import prove

from gan_edu.densities import GaussianMixture, Uniform, gaussian, grid, ring, two_modes
from gan_edu.divergences import binned
from gan_edu.quadrature import expectation
from gan_edu.transport import optimal_critic, transport, wasserstein1

# --- W1 between densities ----------------------------------------------------------------------------------------


@given(st.floats(-4, 4), st.floats(-2, 2), st.floats(-2, 2))
@prove
def test_wasserstein1_of_gaussians_is_a_folded_normal_s_mean(shift: float, log_s: float, log_t: float) -> None:
    s, t = 10**log_s, 10**log_t
    exact = stats.foldnorm.mean(abs(shift) / abs(s - t), scale=abs(s - t)) if abs(s - t) > 1e-3 else abs(shift)
    found = wasserstein1(gaussian(0.0, s), gaussian(shift, t))
    assert found == pytest.approx(exact, rel=1e-9, abs=1e-9 if abs(s - t) > 1e-3 else 1e-3)


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


# --- critics -----------------------------------------------------------------------------------------------------


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


# --- transport ---------------------------------------------------------------------------------------------------


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


# --- refusals ----------------------------------------------------------------------------------------------------


BEYOND = "beyond the line both densities must be of one shape, moved and scaled; transport samples of them instead"
FINITE = "points of shape (n,) or (n, d), at least one, all finite, got shape"


REFUSALS: list[tuple[Callable[[], Any], str]] = [
    (lambda: wasserstein1([0.5, 0.6], [0.5, 0.5]), "probabilities must be finite, non-negative and sum to 1, got"),
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
    (lambda: optimal_critic([1.0], [1.0]), "two densities of one dimension, got list and list; for points, see"),
    (
        lambda: optimal_critic(gaussian(), ring()),
        "the optimal critic needs two densities of one dimension, got GaussianMixture in dimension 1",
    ),
    (lambda: optimal_critic(ring(), grid()), BEYOND),
    (lambda: transport([], [1.0]), f"x must be {FINITE} (0,)"),
    (lambda: transport([1.0], []), f"y must be {FINITE} (0,)"),
    (lambda: transport([1.0], [np.nan]), f"y must be {FINITE} (1,)"),
    (lambda: transport([np.inf], [1.0]), f"x must be {FINITE} (1,)"),
    (lambda: transport([1.0], [[1.0, 2.0]]), "x and y must have one dimension, got 1 and 2"),
    (lambda: transport([1.0], [1.0], [0.5]), "wx must be finite, non-negative and sum to 1, got sum - 1 = -0.5"),
    (lambda: transport([1.0], [1.0], None, [[1.0]]), "wy must have shape (1,), got (1, 1); align it"),
    (lambda: transport([1.0, 2.0], [1.0], [1.5, -0.5]), "wx must be finite, non-negative and sum to 1, got -0.5"),
    (lambda: transport([1.0, 2.0], [1.0], [np.nan, 1.0]), "wx must be finite, non-negative and sum to 1, got nan"),
    (lambda: transport([1.0], [2.0]).critic([np.nan]), f"points must be {FINITE} (1,)"),
    (lambda: transport([1.0], [2.0]).critic([[1.0, 2.0]]), "points must have the dimension of y, 1, got 2; align them"),
    (
        lambda: transport(np.zeros((12_000, 2)), np.zeros((11_000, 2))),
        "takes at most 16,000,000 pairs, got 12000 x 11000 = 132,000,000; take fewer points of each, or sample_w1",
    ),
    (
        lambda: wasserstein1(np.full(4001, 1 / 4001), np.full(4001, 1 / 4001), np.zeros((4001, 2))),
        "takes at most 16,000,000 pairs, got 4001 x 4001",
    ),
]


@pytest.mark.parametrize(("call", "words"), REFUSALS, ids=[str(i) for i in range(len(REFUSALS))])
def test_refusals_say_what_to_do(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        call()


def test_a_plan_without_a_proof_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scipy.optimize.linear_sum_assignment", lambda cost: (np.arange(2), np.array([1, 0])))
    with pytest.raises(ValueError, match=r"plan and potential must prove each other, got 9 and .*; rescale the points"):
        transport([0.0, 10.0], [1.0, 9.0])


def test_a_program_without_a_solution_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = type("Result", (), {"status": 4, "message": "numerical difficulties"})
    monkeypatch.setattr("scipy.optimize.linprog", lambda *args, **options: failed)
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


def test_as_many_pairs_as_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["gan_edu.transport"], "PAIRS", 12)
    x, y = np.arange(3.0), np.arange(5.0)
    assert transport(x, y[:4]).plan.shape == (3, 4)
    with pytest.raises(ValueError, match=r"takes at most 12 pairs, got 3 x 5 = 15; take fewer"):
        transport(x, y)


def test_which_points_and_which_weights() -> None:
    """An asymmetric case by hand: 0.7 of the mass of 10 goes to 4, 0.1 and all of 0 stay at 0."""
    t = transport([10.0, 0.0, 7.0], [4.0, 0.0], [0.8, 0.2, 0.0], [0.7, 0.3])
    np.testing.assert_allclose(t.plan, [[0.7, 0.1], [0.0, 0.2], [0.0, 0.0]], atol=1e-12)
    assert t.cost == pytest.approx(0.7 * 6 + 0.1 * 10, abs=1e-12)  # a distance, not its square
    assert (t.f_x[:2] - t.f_x[1]).tolist() == pytest.approx([10.0, 0.0])  # f falls where earth moves
    assert (t.f_y - t.f_x[1]).tolist() == pytest.approx([4.0, 0.0])
    np.testing.assert_allclose(t.gradient, [[-0.7], [-0.1]], atol=1e-12)  # y away from x costs less
    equal = transport([10.0, 0.0], [4.0, 0.0], None, [0.25, 0.75])
    np.testing.assert_allclose(equal.plan, [[0.25, 0.25], [0.0, 0.5]], atol=1e-12)
    np.testing.assert_allclose(transport([4.0, 0.0], [10.0, 0.0], [0.25, 0.75]).plan, equal.plan.T, atol=1e-12)
    for wrong in ([0.5, 0.6], [0.5, 0.5, 0.0]):
        with pytest.raises(ValueError, match=r"^wy must"):
            transport([10.0, 0.0], [4.0, 0.0], None, wrong)
    assert wasserstein1([0.8, 0.0, 0.2], [0.0, 0.7, 0.3], [10.0, 4.0, 0.0]) == pytest.approx(t.cost, abs=1e-12)
    assert (
        wasserstein1([1.0, 0.0], [0.0, 1.0], [0.0, 0.0]) == 0
    )  # two atoms at one place; left out, they are at 0 and 1
    assert wasserstein1([1.0, 0.0], [0.0, 1.0]) == 1
