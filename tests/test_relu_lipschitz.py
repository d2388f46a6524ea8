"""Tests of gan_edu.lipschitz: the exact constant of a ReLU net, every region by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from relu_nets import ONE, Net, ensemble, random_net, relu_critic, steepest
from shared import prove

from gan_edu.lipschitz import gradient_norms, lipschitz_lower_bound, relu_lipschitz, spectral_bound


def breakpoints(net: Net) -> np.ndarray:
    """Where a net on the line changes slope: the zeros of every neuron, piece by piece."""
    ends = np.array([-1e4, 1e4])
    for depth in range(1, len(net)):
        found = []
        for low, high in pairwise(ends):
            x = np.array([[low + (high - low) / 3], [high - (high - low) / 3]])
            out = x
            for layer, (w, b) in enumerate(net[:depth]):
                out = (out if layer == 0 else np.maximum(out, 0)) @ w.T + b
            slope = (out[1] - out[0]) / (x[1] - x[0])
            with np.errstate(divide="ignore", invalid="ignore"):
                zero = x[0] - out[0] / slope
            found.append(zero[(zero > low) & (zero < high)])
        ends = np.sort(np.concatenate([ends, *found]))
    return ends


def cells_of_the_plane(w: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A point in every cell that the lines w x + b = 0 cut the plane into; not all of them may be parallel."""
    norm = np.linalg.norm(w, axis=1)
    w, b = w[norm > 0] / norm[norm > 0, None], b[norm > 0] / norm[norm > 0]
    points = []
    for i, j in combinations(range(len(w)), 2):
        if abs(np.linalg.det(w[[i, j]])) < 1e-9:
            continue
        corner = np.linalg.solve(w[[i, j]], -b[[i, j]])
        gap = np.abs(w @ corner + b)
        through = gap < 1e-9
        # Directions of the lines through the corner; a point between any two neighbours of these.
        angle = np.sort(np.arctan2(w[through, 0], -w[through, 1]) % np.pi)
        angle = np.concatenate([angle, angle + np.pi])
        between = (angle + np.append(angle[1:], angle[0] + 2 * np.pi)) / 2
        radius = 0.5 * gap[~through].min() if (~through).any() else 1.0
        points.append(corner + radius * np.column_stack([np.cos(between), np.sin(between)]))
    return np.concatenate(points)


# --- the exact constant ------------------------------------------------------------------------------------------


def test_patterns_that_no_input_shows_do_not_count() -> None:
    # relu(x) - 3 relu(x - 1): slopes 0, 1, -2; -3 alone would need x > 1 and x < 0.
    tent = [(np.ones((2, 1)), np.array([0.0, -1.0])), (np.array([[1.0, -3.0]]), np.zeros(1))]
    assert relu_lipschitz(tent) == pytest.approx(2, rel=1e-12)
    # A third layer of one neuron that is on only where the tent is above 1/2, that is on (1/2, 5/4).
    clipped = [*tent[:1], (np.array([[1.0, -3.0]]), np.array([-0.5])), (np.array([[5.0]]), np.zeros(1))]
    assert relu_lipschitz(clipped) == pytest.approx(10, rel=1e-12)
    # ... and where it is above 2, that is nowhere: the tent's top is 1.
    never = [*tent[:1], (np.array([[1.0, -3.0]]), np.array([-2.0])), (np.array([[5.0]]), np.zeros(1))]
    assert relu_lipschitz(never) == 0.0


@pytest.mark.parametrize("widths", [[1, 1, 1], [1, 3, 1], [1, 8, 1], [1, 3, 3, 1], [1, 5, 4, 2], [1, 3, 3, 3, 1]])
@pytest.mark.parametrize("seed", range(4))
def test_on_the_line_it_is_the_steepest_piece_between_breakpoints(widths: list[int], seed: int) -> None:
    net = random_net(widths, seed)
    ends = breakpoints(net)
    assert relu_lipschitz(net) == pytest.approx(steepest(net, (ends[1:, None] + ends[:-1, None]) / 2), rel=1e-9)


@pytest.mark.parametrize("widths", [[2, 2, 1], [2, 4, 1], [2, 6, 1], [2, 4, 3]])
@pytest.mark.parametrize("seed", range(3))
def test_in_the_plane_it_is_the_steepest_of_the_cells_between_lines(widths: list[int], seed: int) -> None:
    net = random_net(widths, seed)
    assert relu_lipschitz(net) == pytest.approx(steepest(net, cells_of_the_plane(*net[0])), rel=1e-9)


@pytest.mark.parametrize("widths", [[2, 3, 1], [2, 5, 2], [2, 7, 1]])
@pytest.mark.parametrize("seed", range(3))
def test_lines_through_one_point(widths: list[int], seed: int) -> None:
    net = random_net(widths, seed, bias=0.0)
    assert relu_lipschitz(net) == pytest.approx(steepest(net, cells_of_the_plane(*net[0])), rel=1e-9)
    moved = [(net[0][0], net[0][0] @ np.array([2.0, -3.0])), *net[1:]]  # all lines through (-2, 3)
    assert relu_lipschitz(moved) == pytest.approx(relu_lipschitz(net), rel=1e-9)


@pytest.mark.parametrize("bias", [0.0, 1.0])
@pytest.mark.parametrize("widths", [[2, 3, 3, 1], [2, 4, 3, 2], [2, 3, 2, 2, 1]])
@pytest.mark.parametrize("seed", range(3))
def test_deep_nets_in_the_plane_against_many_points(widths: list[int], bias: float, seed: int) -> None:
    net, ticks = random_net(widths, seed, bias), np.linspace(-1, 1, 301)
    plane = np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2)
    brute = max(steepest(net, scale * plane) for scale in (3.0, 30.0, 1000.0))
    assert relu_lipschitz(net) == pytest.approx(brute, rel=1e-9)


def test_dead_and_duplicate_and_parallel_neurons() -> None:
    (w, b), (v, c) = random_net([2, 4, 1], 5)
    exact = relu_lipschitz([(w, b), (v, c)])
    dead = [(np.vstack([w, np.zeros(2)]), np.append(b, -1.0)), (np.append(v, [[9.0]], 1), c)]
    assert relu_lipschitz(dead) == pytest.approx(exact, rel=1e-9)
    constant = [(np.vstack([w, np.zeros(2)]), np.append(b, 1.0)), (np.append(v, [[9.0]], 1), c)]
    assert relu_lipschitz(constant) == pytest.approx(exact, rel=1e-9)
    # The first neuron in two copies that share its output weight, one of them 3 times as steep and a third as heavy.
    split = [(np.vstack([w, w[0], 3 * w[0]]), np.r_[b, b[0], 3 * b[0]])]
    split += [(np.column_stack([v[0, 0] / 2, v[:, 1:], v[0, 0] / 4, v[0, 0] / 12]), c)]
    assert relu_lipschitz(split) == pytest.approx(exact, rel=1e-9)
    # Mirror images: relu(a) - relu(-a) = a, so the slope is |w| everywhere; relu(a) + relu(-a) = |a| likewise.
    for sign in (1.0, -1.0):
        mirror = [(np.array([[3.0, 4.0], [-3.0, -4.0]]), np.array([1.0, -1.0])), (np.array([[1.0, sign]]), np.zeros(1))]
        assert relu_lipschitz(mirror) == pytest.approx(5, rel=1e-9)
    # Parallel lines: only three of the four patterns exist.
    strip = [(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0.0, -1.0])), (np.array([[1.0, -3.0]]), np.zeros(1))]
    assert relu_lipschitz(strip) == pytest.approx(2, rel=1e-9)


def test_hidden_neurons_that_are_dead_in_the_second_layer() -> None:
    # relu(-relu(x) - 1) is off everywhere, relu(relu(x) + 1) is on everywhere.
    net = [(np.ones((1, 1)), np.zeros(1)), (np.array([[-1.0], [1.0]]), np.array([-1.0, 1.0]))]
    net += [(np.array([[7.0, 2.0]]), np.zeros(1))]
    assert relu_lipschitz(net) == pytest.approx(2, rel=1e-12)


def test_neurons_that_do_not_see_the_input_still_shift_the_next_layer() -> None:
    # relu(c - relu(x)) has slope 1 on (0, c) if c > 0, and is 0 if a neuron that is off stands for c.
    for bias, weight, exact in ((1.0, 1.0, 1.0), (-1.0, -1.0, 0.0), (-1.0, 1.0, 0.0)):
        net = [(np.array([[1.0], [0.0]]), np.array([0.0, bias])), (np.array([[-1.0, weight]]), np.zeros(1))]
        assert relu_lipschitz([*net, (np.ones((1, 1)), np.zeros(1))]) == pytest.approx(exact, abs=1e-12)


def test_three_inputs_and_vector_outputs() -> None:
    rng = np.random.default_rng(3)
    net = random_net([3, 4, 2], 7)
    points = rng.normal(size=(200_000, 3)) * rng.choice([1.0, 10.0, 100.0], size=(200_000, 1))
    assert relu_lipschitz(net) == pytest.approx(steepest(net, points), rel=1e-9)


def test_a_net_without_hidden_layer_has_its_matrix_s_norm() -> None:
    w = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert relu_lipschitz([(w, np.ones(2))]) == pytest.approx(np.sqrt(np.linalg.eigvalsh(w.T @ w)[-1]), rel=1e-12)


@prove
@given(st.integers(0, 10**6), st.floats(-5, 5))
def test_scaling_the_last_layer_scales_the_constant(seed: int, c: float) -> None:
    net = random_net([2, 4, 2], seed)
    scaled = [*net[:-1], (c * net[-1][0], net[-1][1])]
    assert relu_lipschitz(scaled) == pytest.approx(abs(c) * relu_lipschitz(net), rel=1e-9)


@prove
@given(st.integers(0, 10**6), st.sampled_from([[1, 4, 1], [2, 3, 1], [2, 3, 2, 1], [3, 3, 1]]))
def test_lower_bound_below_exact_below_upper_bounds(seed: int, widths: list[int]) -> None:
    net, rng = random_net(widths, seed), np.random.default_rng(seed)
    lower, where = lipschitz_lower_bound(relu_critic(net), rng.normal(0, 2, (50, widths[0])), climb=1)
    exact, upper = relu_lipschitz(net), spectral_bound(net)
    assert lower <= exact * (1 + 1e-9)
    assert exact <= upper * (1 + 1e-9)
    assert upper <= spectral_bound(net, norm="frobenius") * (1 + 1e-12)
    assert float(gradient_norms(relu_critic(net), where[None])[0]) == pytest.approx(lower, rel=1e-12)


# --- refusals ----------------------------------------------------------------------------------------------------


REFUSALS: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: relu_lipschitz([*ONE, *ONE]),
        "a net is pairs of W (out, in) and b (out,), each in the out of the one before",
    ),
    (lambda: relu_lipschitz([(np.ones(2), np.zeros(1))]), "a net is pairs of W (out, in) and b (out,)"),
    (lambda: relu_lipschitz([(np.ones((1, 2)), np.zeros(2))]), "a net is pairs of W (out, in) and b (out,)"),
    (
        lambda: relu_lipschitz([(np.ones((1, 1)), np.array([np.inf]))]),
        "weights and biases must be finite, got NaN or infinity; the training has diverged",
    ),
    (
        lambda: relu_lipschitz(ensemble([2, 3, 1], 1, "tanh")),
        "only Linear, ReLU, ..., Linear can be enumerated, got ['Linear', 'Tanh', 'Linear']; use spectral_bound",
    ),
    (
        lambda: relu_lipschitz(random_net([2, 8, 1], 0), max_regions=10),
        "the net must have at most 10 linear regions and has more; use spectral_bound and lipschitz_lower_bound, or raise",
    ),
]


@pytest.mark.parametrize(("call", "words"), REFUSALS, ids=[str(i) for i in range(len(REFUSALS))])
def test_refusals_say_what_to_do(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        call()


@pytest.mark.parametrize(("lines", "regions"), [(3, 7), (5, 16)])
def test_lines_in_general_position_cut_the_plane_into_so_many_regions(lines: int, regions: int) -> None:
    net = random_net([2, lines, 1], 0)  # 1 + n + n (n - 1) / 2
    assert relu_lipschitz(net, max_regions=regions) > 0
    with pytest.raises(ValueError, match=f"at most {regions - 1} linear regions"):
        relu_lipschitz(net, max_regions=regions - 1)


def test_the_regions_of_all_layers_together_are_limited() -> None:
    """Of the three pieces of the first layer two are cut into two, and the flat one, which the next does not see, counts."""
    tent = [
        (np.ones((2, 1)), np.array([0.0, -1.0])),
        (np.array([[1.0, -2.0]]), np.array([-0.5])),
        (np.ones((1, 1)), [0.0]),
    ]
    assert relu_lipschitz(tent, max_regions=5) == 1.0
    with pytest.raises(ValueError, match="the net must have at most 4 linear regions and has more"):
        relu_lipschitz(tent, max_regions=4)


def test_small_and_large_weights_cancel_in_the_exact_constant() -> None:
    assert relu_lipschitz([([[1e-13]], [0.0]), ([[1e13]], [0.0])]) == pytest.approx(1.0)


def test_an_ordinary_network_is_its_pairs() -> None:
    net = torch.nn.Sequential(
        torch.nn.Linear(2, 5),
        torch.nn.ReLU(),
        torch.nn.Linear(5, 4, bias=False),
        torch.nn.ReLU(),
        torch.nn.Linear(4, 1),
    )
    linears = [net[0], net[2], net[4]]
    weights = [layer.weight.detach().double().numpy() for layer in linears]
    biases = [np.zeros(4) if layer.bias is None else layer.bias.detach().double().numpy() for layer in linears]
    pairs = list(zip(weights, biases, strict=True))
    assert spectral_bound(net) == spectral_bound(pairs)
    assert relu_lipschitz(net) == relu_lipschitz(pairs)
    assert net[0].weight.dtype == torch.float32
    with pytest.raises(
        ValueError, match=re.escape("only Linear, ReLU, ..., Linear can be enumerated, got ['Linear', 'Tanh'")
    ):
        relu_lipschitz(torch.nn.Sequential(torch.nn.Linear(2, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1)))
