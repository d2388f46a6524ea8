"""Tests of gan_edu.divergences and gan_edu.transport on laws far apart, tiny, huge, narrow, rare or bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws import LOG2, gauss_kl, mid
from scipy import stats
from scipy.special import rel_entr
from shared import prove

from gan_edu.densities import GaussianMixture, Uniform, gaussian, ring
from gan_edu.divergences import cross_entropy, js, kl, optimal_discriminator, total_variation, value
from gan_edu.quadrature import expectation
from gan_edu.transport import wasserstein1

# --- hostile inputs ----------------------------------------------------------------------------------------------


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


# --- against a slow rule that shares nothing ---------------------------------------------------------------------


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


# --- hostile laws with exact answers -----------------------------------------------------------------------------


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
