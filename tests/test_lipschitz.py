"""Tests of gan_edu.lipschitz: gradient norms, secants, bounds from both sides, against closed forms and NumPy's singular values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from relu_nets import ONE, ensemble, member, random_net, relu_critic, steepest
from shared import prove

from gan_edu.lipschitz import (
    clip_bound,
    gradient_norms,
    lipschitz_lower_bound,
    relu_lipschitz,
    secant_slopes,
    spectral_bound,
)

# --- gradient norms ----------------------------------------------------------------------------------------------


def test_gradient_norms_of_closed_forms() -> None:
    x = torch.tensor([[0.3, -1.2], [2.0, 0.5], [-0.7, 0.1]], dtype=torch.float64)
    norm = x.norm(dim=-1)
    torch.testing.assert_close(gradient_norms(lambda x: (x**2).sum(-1), x), 2 * norm)
    torch.testing.assert_close(gradient_norms(lambda x: (x**4).sum(-1), x), 4 * (x**6).sum(-1).sqrt())
    affine = gradient_norms(lambda x: x @ torch.tensor([[3.0], [-4.0]], dtype=torch.float64) + 7, x)
    torch.testing.assert_close(affine, torch.full((3,), 5.0, dtype=torch.float64))  # shape (..., 1) is one number too
    torch.testing.assert_close(
        gradient_norms(lambda x: torch.exp(-(x**2).sum(-1) / 2), x), norm * torch.exp(-(norm**2) / 2)
    )


def test_gradient_norms_keep_the_axes_and_the_dtype() -> None:
    x = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    norms = gradient_norms(lambda x: (x**2).sum(-1) / 2, x)
    assert norms.dtype == torch.float32
    torch.testing.assert_close(norms, x.norm(dim=-1))
    assert not norms.requires_grad
    assert not x.requires_grad
    assert gradient_norms(lambda x: x.sum(-1), np.zeros((5, 2))).dtype == torch.float64
    assert float(gradient_norms(lambda x: (x**2).sum(), [3.0, 4.0])) == 10.0  # one point, no batch


def test_gradient_norms_of_an_ensemble_are_each_member_s_own() -> None:
    net = ensemble([2, 7, 5, 1], 3, "tanh")
    x = torch.randn(3, 11, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    norms, h = gradient_norms(net, x), 1e-6
    assert norms.shape == (3, 11)
    with torch.no_grad():
        slopes = [(net(x + h * e) - net(x - h * e))[..., 0] / (2 * h) for e in torch.eye(2, dtype=torch.float64)]
    torch.testing.assert_close(norms, torch.stack(slopes, -1).norm(dim=-1), rtol=1e-7, atol=1e-9)


def test_gradient_norms_can_be_differentiated_again() -> None:
    x = torch.tensor([[0.4, -0.9], [1.1, 0.3]], dtype=torch.float64)

    def mean_norm(w: torch.Tensor) -> torch.Tensor:
        return gradient_norms(lambda x: torch.sin(x @ w), x, create_graph=True).mean()

    w, h = torch.tensor([0.7, -1.3], dtype=torch.float64), 1e-6
    (slope,) = torch.autograd.grad(mean_norm(v := w.clone().requires_grad_()), v)
    shifts = h * torch.eye(2, dtype=torch.float64)
    by_differences = [(mean_norm(w + e) - mean_norm(w - e)).item() / (2 * h) for e in shifts]
    assert slope.tolist() == pytest.approx(by_differences, rel=1e-7)
    by_hand = ((x @ w).cos().abs() * w.norm()).mean()
    torch.testing.assert_close(mean_norm(w), by_hand)


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradient_norms_of_a_constant_are_zero(create_graph: bool) -> None:
    x = torch.ones(2, 3, 4, dtype=torch.float64)
    norms = gradient_norms(lambda x: torch.full(x.shape[:-1], 7.0), x, create_graph=create_graph)
    assert norms.tolist() == [[0.0] * 3] * 2
    assert gradient_norms(lambda x: 0 * x.sum(-1), x, create_graph=create_graph).tolist() == [[0.0] * 3] * 2


def test_gradient_norms_work_where_gradients_are_switched_off() -> None:
    with torch.no_grad():
        assert gradient_norms(lambda x: 2 * x[..., 0], [[1.0]]).tolist() == [2.0]


# --- secants -----------------------------------------------------------------------------------------------------


def test_secant_slopes_of_closed_forms() -> None:
    x = torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    y = torch.tensor([[3.0, 4.0], [1.0, -1.0]], dtype=torch.float64)
    assert secant_slopes(lambda x: x[..., 0] ** 2, x, y).tolist() == [9 / 5, 0.0]
    assert secant_slopes(lambda x: -2 * x[..., 1:], x, y).tolist() == [8 / 5, 2.0]  # (..., 1) is one number too
    assert secant_slopes(lambda x: x.sum(-1), x[None], y[None]).shape == (1, 2)
    assert not secant_slopes(ensemble([2, 3, 1], 1), x[None], y[None]).requires_grad


@prove
@given(st.integers(0, 10**6))
def test_no_secant_is_steeper_than_the_lipschitz_constant(seed: int) -> None:
    net, rng = random_net([2, 4, 1], seed), np.random.default_rng(seed)
    x, y = rng.normal(0, 3, (2, 200, 2))
    assert float(secant_slopes(relu_critic(net), x, y).max()) <= relu_lipschitz(net) * (1 + 1e-9)


# --- upper bounds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("widths", [[2, 1], [3, 5, 2], [4, 3, 6, 1], [1, 1, 1]])
def test_spectral_bound_is_the_product_of_numpy_s_norms(widths: list[int]) -> None:
    net = random_net(widths, 1)
    largest = [np.linalg.svd(w, compute_uv=False)[0] for w, _ in net]
    squares = [(w**2).sum() for w, _ in net]
    assert spectral_bound(net) == pytest.approx(np.prod(largest), rel=1e-12)
    assert spectral_bound(net, norm="frobenius") == pytest.approx(np.sqrt(np.prod(squares)), rel=1e-12)
    assert isinstance(spectral_bound(net), float)


@pytest.mark.parametrize("bound", [spectral_bound, relu_lipschitz, lambda net: spectral_bound(net, norm="frobenius")])
def test_an_ensemble_has_one_constant_a_member(bound: Callable[[Any], Any]) -> None:
    net = ensemble([2, 5, 3, 1], 4)
    constants = bound(net)
    assert constants.shape == (4,)
    assert constants.tolist() == pytest.approx([bound(member(net, e)) for e in range(4)], rel=1e-12)
    assert len(set(constants.round(9))) == 4
    with torch.no_grad():  # `member` reads the weights as the net itself does
        x = torch.randn(4, 6, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        for e in range(4):
            torch.testing.assert_close(relu_critic(member(net, e))(x[e]), net(x)[e, :, 0])


def test_spectral_bound_holds_for_tanh_too() -> None:
    net = ensemble([2, 6, 1], 3, "tanh")
    x = torch.randn(3, 500, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert (gradient_norms(net, x).max(-1).values.numpy() <= spectral_bound(net)).all()


@pytest.mark.parametrize("widths", [[2, 1], [2, 8, 1], [3, 4, 5, 1], [1, 3, 2]])
def test_clip_bound_is_attained_by_the_net_whose_weights_are_all_c(widths: list[int]) -> None:
    c = 0.3
    net = [(np.full((n, m), c), np.zeros(n)) for m, n in pairwise(widths)]
    inside = np.full((1, widths[0]), 2.0)
    assert steepest(net, inside) == pytest.approx(clip_bound(c, widths), rel=1e-12)
    assert relu_lipschitz(net) == pytest.approx(clip_bound(c, widths), rel=1e-9)
    if widths[-1] == 1:
        assert float(gradient_norms(relu_critic(net), inside)[0]) == pytest.approx(clip_bound(c, widths), rel=1e-12)


@prove
@given(st.integers(0, 10**6), st.floats(0.01, 3), st.lists(st.integers(1, 5), min_size=2, max_size=4))
def test_no_net_with_clipped_weights_exceeds_the_clip_bound(seed: int, c: float, widths: list[int]) -> None:
    rng = np.random.default_rng(seed)
    net = [(rng.uniform(-c, c, (n, m)), 10 * rng.normal(size=n)) for m, n in pairwise(widths)]  # biases are not bounded
    assert spectral_bound(net) <= clip_bound(c, widths) * (1 + 1e-12)
    assert steepest(net, rng.normal(0, 5, (200, widths[0]))) <= clip_bound(c, widths) * (1 + 1e-12)


def test_clip_bound_of_no_weight_at_all() -> None:
    assert clip_bound(0.0, [2, 3, 1]) == 0.0


# --- the lower bound by search -----------------------------------------------------------------------------------


def test_lower_bound_of_a_tanh_net_on_the_line_against_a_dense_grid() -> None:
    rng = np.random.default_rng(0)
    w, b, v = rng.normal(0, 2, 6), rng.normal(0, 3, 6), rng.normal(size=6)
    x = np.linspace(-10, 10, 2_000_001)
    slope = sum(v[k] * w[k] / np.cosh(w[k] * x + b[k]) ** 2 for k in range(6))
    tensors = [torch.as_tensor(a) for a in (w, b, v)]
    start = (-b / w)[:, None]
    found, where = lipschitz_lower_bound(lambda x: torch.tanh(x * tensors[0] + tensors[1]) @ tensors[2], start)
    assert found == pytest.approx(np.abs(slope).max(), rel=1e-9)
    assert where.shape == (1,)
    assert abs(where[0] - x[np.abs(slope).argmax()]) < 1e-4


def test_lower_bound_of_a_tanh_net_in_the_plane_against_a_dense_grid() -> None:
    net = ensemble([2, 6, 1], 1, "tanh")
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 4
    ticks = torch.linspace(-4, 4, 401, dtype=torch.float64)
    plane = torch.stack(torch.meshgrid(ticks, ticks, indexing="ij"), -1).reshape(-1, 2)
    fine = float(gradient_norms(net, plane[None]).max())
    found, where = lipschitz_lower_bound(lambda x: net(x[None])[0], plane[::97])
    assert fine * (1 - 1e-12) <= found <= fine * 1.001
    assert float(gradient_norms(net, torch.as_tensor(where)[None, None])) == pytest.approx(found, rel=1e-12)


def test_the_search_starts_from_the_best_and_never_loses_it() -> None:
    points = [[0.1], [3.0], [0.2]]

    def square(x: torch.Tensor) -> torch.Tensor:
        return x[..., 0] ** 2

    best, where = lipschitz_lower_bound(square, points, climb=0)
    assert (best, where.tolist()) == (6.0, [3.0])
    assert lipschitz_lower_bound(square, points, climb=1)[0] > 6
    # One point alone has no spread to step by, and still climbs.
    alone, _ = lipschitz_lower_bound(lambda x: torch.sin(x[..., 0]), [[0.3]])
    assert alone == pytest.approx(1, abs=1e-9)


def test_as_many_starts_climb_as_are_asked_for() -> None:
    """Six hills, the steepest starts at the foot of the lowest: of 1, ..., 6 climbs the last finds the highest each time."""
    height = torch.arange(1.0, 7.0, dtype=torch.float64)
    at = 100 * torch.arange(6.0, dtype=torch.float64)
    start = at + torch.arccosh((height / (0.95 - 0.1 * torch.arange(6))) ** 0.5)  # slopes of 0.95, 0.85, ..., 0.45

    def hills(x: torch.Tensor) -> torch.Tensor:
        return (height * torch.tanh(x[..., :1] - at)).sum(-1)

    for climb, top in ((0, 0.95), (1, 1.0), (3, 3.0), (6, 6.0)):
        found, where = lipschitz_lower_bound(hills, start[:, None], climb=climb)
        assert found == pytest.approx(top, rel=1e-6)
        assert where[0] == pytest.approx(float(at[climb - 1] if climb else start[0]), abs=1e-3)
    assert lipschitz_lower_bound(hills, start[:, None])[0] == pytest.approx(5, rel=1e-6)


def test_the_search_climbs_from_the_best_points_not_the_worst() -> None:
    def two_steps(x: torch.Tensor) -> torch.Tensor:
        return 2 * torch.tanh(x[..., 0]) + torch.tanh(2 * (x[..., 0] - 50)) / 4  # slopes of 2 at 0, 1/2 at 50

    best, where = lipschitz_lower_bound(two_steps, [[49.9], [0.4], [50.3]], climb=1)
    assert best == pytest.approx(2, rel=1e-9)
    assert abs(where[0]) < 1e-4


# --- refusals ----------------------------------------------------------------------------------------------------


REFUSALS: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: gradient_norms(lambda x: x, np.zeros((3, 2))),
        "the critic must return one number a point, (3,), got (3, 2); sum or pick one",
    ),
    (
        lambda: gradient_norms(lambda x: x.sum(), np.zeros((3, 2))),
        "the critic must return one number a point, (3,), got ()",
    ),
    (
        lambda: gradient_norms(lambda x: x, 1.0),
        "points must have shape (..., d) and be at least one, got (); add an axis",
    ),
    (
        lambda: gradient_norms(lambda x: x, np.zeros((0, 2))),
        "points must have shape (..., d) and be at least one, got (0, 2)",
    ),
    (
        lambda: secant_slopes(lambda x: x[..., 0], np.zeros((3, 2)), np.ones((1, 2))),
        "x and y must have one shape, got (3, 2) and (1, 2); pair the points",
    ),
    (
        lambda: secant_slopes(lambda x: x[..., 0], [[0.0], [1.0]], [[2.0], [1.0]]),
        "the two points of a secant must differ, got a pair that coincides; drop it",
    ),
    (
        lambda: lipschitz_lower_bound(lambda x: x[..., 0], np.zeros((2, 2, 2))),
        "points must have shape (n, d) and finite",
    ),
    (
        lambda: lipschitz_lower_bound(lambda x: torch.sqrt(x[..., 0]), [[0.0], [1.0]]),
        "points must have shape (n, d) and finite gradients there, got shape (2, 1)",
    ),
    (lambda: spectral_bound(ONE, norm="max"), "unknown norm 'max'; choose one of 'frobenius', 'spectral'"),
    (
        lambda: spectral_bound([]),
        "a net is pairs of W (out, in) and b (out,), each in the out of the one before, got []",
    ),
    (
        lambda: spectral_bound([(np.array([[np.nan]]), np.zeros(1))]),
        "weights and biases must be finite, got NaN or infinity; the training has diverged",
    ),
    (
        lambda: clip_bound(-0.1, [2, 1]),
        "c must be finite and >= 0, widths at least two positive numbers, got -0.1 and [2, 1]",
    ),
    (lambda: clip_bound(math.nan, [2, 1]), "c must be finite and >= 0, widths at least two positive numbers, got nan"),
    (lambda: clip_bound(0.1, [2]), "c must be finite and >= 0, widths at least two positive numbers, got 0.1 and [2]"),
    (lambda: clip_bound(0.1, [2, 0, 1]), "c must be finite and >= 0, widths at least two positive numbers"),
]


@pytest.mark.parametrize(("call", "words"), REFUSALS, ids=[str(i) for i in range(len(REFUSALS))])
def test_refusals_say_what_to_do(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        call()


@pytest.mark.parametrize("bound", [spectral_bound, relu_lipschitz, lambda net: spectral_bound(net, norm="frobenius")])
def test_diverged_weights_of_an_ensemble_are_refused(bound: Callable[[Any], Any]) -> None:
    net = ensemble([2, 3, 1], 2)
    with torch.no_grad():
        net.weights[0][1, 0, 0] = math.nan
    with pytest.raises(ValueError, match="weights and biases must be finite, got NaN or infinity"):
        bound(net)


def test_a_critic_that_ignores_x_is_flat() -> None:
    level = torch.zeros((), dtype=torch.float64, requires_grad=True)
    assert gradient_norms(lambda x: level.expand(x.shape[:-1]), [[1.0], [2.0]]).tolist() == [0.0, 0.0]


def test_secants_of_vector_outputs() -> None:
    turned = torch.tensor([[0.0, -3.0], [3.0, 0.0]], dtype=torch.float64)
    assert secant_slopes(lambda x: x @ turned, [[0.0, 0.0]], [[1.0, 2.0]]).tolist() == pytest.approx([3.0])
    with pytest.raises(ValueError, match="one number or vector a point"):
        secant_slopes(lambda x: x.sum(), [[0.0, 0.0]], [[1.0, 2.0]])
