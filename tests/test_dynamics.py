"""Tests of gan_edu.dynamics: the Dirac-GAN's formulas by hand, invariants of orbits, finite differences."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from gan_edu.dynamics import Field, bilinear, dirac_gan, jacobian_eigenvalues, simulate

prove = settings(max_examples=25, deadline=None, derandomize=True)
STATES = np.random.default_rng(0).normal(0, 2, (3, 7, 2))
numbers = st.floats(-3, 3)


def minimax(state: np.ndarray, gamma: float = 0.0) -> np.ndarray:
    """theta' = psi sigma(psi theta), psi' = -theta sigma(psi theta) - gamma psi."""
    theta, psi = state[..., 0], state[..., 1]
    return np.stack([psi * expit(psi * theta), -theta * expit(psi * theta) - gamma * psi], -1)


def non_saturating(state: np.ndarray, gamma: float = 0.0) -> np.ndarray:
    """theta' = psi sigma(-psi theta); D plays as before."""
    theta, psi = state[..., 0], state[..., 1]
    return np.stack([psi * expit(-psi * theta), -theta * expit(psi * theta) - gamma * psi], -1)


FIELDS = {"minimax": minimax, "non-saturating": non_saturating}


# --- velocities ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [0.0, 0.7])
@pytest.mark.parametrize("game", sorted(FIELDS))
def test_velocities_of_the_dirac_gan(game: str, gamma: float) -> None:
    velocity = dirac_gan(game, gamma)(STATES)
    assert velocity.shape == STATES.shape
    assert velocity.dtype == np.float64
    np.testing.assert_allclose(velocity, FIELDS[game](STATES, gamma), rtol=1e-12, atol=1e-14)


def test_r1_adds_gamma_psi_to_the_discriminator_alone() -> None:
    pull = dirac_gan("non-saturating", 0.3)(STATES) - dirac_gan("non-saturating")(STATES)
    np.testing.assert_allclose(pull, np.stack([0 * STATES[..., 0], -0.3 * STATES[..., 1]], -1), atol=1e-15)


def test_bilinear_turns_by_a_quarter() -> None:
    np.testing.assert_array_equal(bilinear()(STATES), np.stack([-STATES[..., 1], STATES[..., 0]], -1))


def test_each_player_walks_downhill_in_its_own_loss() -> None:
    field = Field(lambda theta, psi: theta**3 * psi, lambda theta, psi: theta * psi**2)
    theta, psi = STATES[..., 0], STATES[..., 1]
    np.testing.assert_allclose(field(STATES), np.stack([-3 * theta**2 * psi, -2 * theta * psi], -1), rtol=1e-13)


def test_a_field_leaves_its_argument_alone() -> None:
    state = np.array([1.0, 2.0])
    bilinear()(state)[0] = 9.0
    assert state.tolist() == [1.0, 2.0]
    assert bilinear()([1, 2]).tolist() == [-2.0, 1.0]  # integers are numbers, too


# --- orbits -------------------------------------------------------------------------------------------------------


@prove
@given(numbers, numbers, st.floats(0.01, 1.5))
def test_simultaneous_steps_of_the_bilinear_game_grow_by_one_factor(theta: float, psi: float, h: float) -> None:
    orbit = simulate(bilinear(), [theta, psi], 12, h)
    radius = np.hypot(theta, psi) * (1 + h**2) ** (np.arange(13) / 2)
    np.testing.assert_allclose(np.hypot(*orbit.T), radius, rtol=1e-11)
    turned = (complex(theta, psi) * (1 + 1j * h) ** np.arange(13)).view(np.float64).reshape(-1, 2)
    np.testing.assert_allclose(orbit, turned, rtol=1e-10, atol=1e-10)


@prove
@given(numbers, numbers, st.floats(0.01, 1.5))
def test_alternating_steps_of_the_bilinear_game_stay_on_an_ellipse(theta: float, psi: float, h: float) -> None:
    x, y = simulate(bilinear(), [theta, psi], 40, h, "alternating").T
    invariant = x**2 + y**2 + h * x * y  # psi first; theta first would make it -h x y
    np.testing.assert_allclose(invariant, invariant[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("game", sorted(FIELDS))
def test_orbits_of_the_dirac_gan_step_by_step(game: str) -> None:
    start, h, gamma = np.array([1.5, -0.4]), 0.3, 0.2
    old, new = (
        simulate(dirac_gan(game, gamma), start, 9, h),
        simulate(dirac_gan(game, gamma), start, 9, h, "alternating"),
    )
    for k in range(9):
        np.testing.assert_allclose(old[k + 1], old[k] + h * FIELDS[game](old[k], gamma), rtol=1e-12, atol=1e-14)
        theta, psi = new[k]
        psi_next = psi + h * FIELDS[game](np.array([theta, psi]), gamma)[1]
        theta_next = theta + h * FIELDS[game](np.array([theta, psi_next]), gamma)[0]
        np.testing.assert_allclose(new[k + 1], [theta_next, psi_next], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("update", ["simultaneous", "alternating"])
def test_many_starts_at_once(update: str) -> None:
    orbits = simulate(dirac_gan(), STATES, 5, 0.2, update)
    assert orbits.shape == (6, 3, 7, 2)
    np.testing.assert_array_equal(orbits[0], STATES)
    np.testing.assert_allclose(orbits[:, 2, 4], simulate(dirac_gan(), STATES[2, 4], 5, 0.2, update), rtol=1e-14)


@pytest.mark.parametrize("update", ["simultaneous", "alternating"])
def test_an_orbit_owns_its_numbers(update: str) -> None:
    start = np.array([1.0, 0.5])
    orbit = simulate(bilinear(), start, 3, 0.5, update)
    kept = orbit.copy()
    assert start.tolist() == orbit[0].tolist() == [1.0, 0.5]
    assert len({tuple(state) for state in orbit}) == 4
    start += 1
    orbit[3] = 0.0
    np.testing.assert_array_equal(orbit[:3], kept[:3])
    assert simulate(bilinear(), [1, 2], 0, 0.1).tolist() == [[1.0, 2.0]]


def test_any_function_of_states_is_a_field() -> None:
    decay = simulate(lambda state: -np.asarray(state), [[1.0, 4.0], [2.0, 0.0]], 3, 0.5)
    np.testing.assert_allclose(decay, 0.5 ** np.arange(4)[:, None, None] * np.array([[1.0, 4.0], [2.0, 0.0]]))
    # The function may hand out one array that it fills again and again.
    same = np.empty(2)

    def recycled(state: np.ndarray) -> np.ndarray:
        same[:] = -state[1], state[0]
        return same

    for update in ("simultaneous", "alternating"):
        np.testing.assert_array_equal(
            simulate(recycled, [1.0, 2.0], 4, 0.1, update), simulate(bilinear(), [1.0, 2.0], 4, 0.1, update)
        )


def test_r1_makes_the_orbits_converge() -> None:
    far, near = (
        simulate(dirac_gan(), [1.0, 1.0], 400, 0.2)[-1],
        simulate(dirac_gan("minimax", 1.0), [1.0, 1.0], 400, 0.2)[-1],
    )
    assert np.hypot(*far) > np.sqrt(2)
    assert np.hypot(*near) < 1e-6


# --- eigenvalues --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("game", sorted(FIELDS))
@pytest.mark.parametrize("gamma", [0.0, 0.2, 0.999, 1.0, 1.001, 1.5, 3.0])
def test_eigenvalues_of_the_dirac_gan(game: str, gamma: float) -> None:
    root = np.emath.sqrt(gamma**2 / 4 - 0.25)
    exact = np.array([-gamma / 2 + root, -gamma / 2 - root], dtype=complex)
    found = jacobian_eigenvalues(dirac_gan(game, gamma), [0.0, 0.0])
    assert found.shape == (2,)
    assert found.dtype == np.complex128
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-13)


def test_eigenvalues_that_meet_keep_all_their_digits() -> None:
    assert jacobian_eigenvalues(dirac_gan("minimax", 1.0), [0.0, 0.0]).tolist() == [-0.5, -0.5]


@prove
@given(numbers, numbers, st.sampled_from(sorted(FIELDS)), st.floats(0, 2))
def test_eigenvalues_of_finite_differences(theta: float, psi: float, game: str, gamma: float) -> None:
    h, state = 1e-5, np.array([theta, psi])
    columns = [(FIELDS[game](state + e, gamma) - FIELDS[game](state - e, gamma)) / (2 * h) for e in h * np.eye(2)]
    found = jacobian_eigenvalues(dirac_gan(game, gamma), state)
    jacobian = np.stack(columns, -1)
    # Trace and determinant, which stay well conditioned where the eigenvalues meet.
    assert found.sum() == pytest.approx(np.trace(jacobian), abs=1e-8)
    assert found.prod() == pytest.approx(np.linalg.det(jacobian), abs=1e-7)
    assert found[0].real >= found[1].real
    assert found[0].imag >= found[1].imag or found[0].real > found[1].real


@pytest.mark.parametrize("matrix", [[[1.0, 2.0], [3.0, -4.0]], [[0.5, -3.0], [2.0, 0.1]], [[2.0, 0.0], [1.0, -1.0]]])
def test_eigenvalues_of_a_linear_field_are_numpy_s(matrix: list[list[float]]) -> None:
    (a, b), (c, d) = matrix
    field = Field(lambda t, p: -(a * t**2 / 2 + b * t * p), lambda t, p: -(c * t * p + d * p**2 / 2))
    exact = sorted(np.linalg.eigvals(matrix), key=lambda z: (-z.real, -z.imag))
    np.testing.assert_allclose(jacobian_eigenvalues(field, [0.3, -0.8]), exact, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("h", [0.1, 2.0])
def test_eigenvalues_of_the_step(h: float) -> None:
    field = dirac_gan("minimax", 0.4)
    flow = jacobian_eigenvalues(field, [0.0, 0.0])
    np.testing.assert_allclose(jacobian_eigenvalues(field, [0.0, 0.0], h), 1 + h * flow, rtol=1e-14)
    # ... are those of one simulated step.
    e = 1e-6
    columns = [simulate(field, [x, y], 1, h)[1] / e for x, y in ((e, 0.0), (0.0, e))]
    step = np.linalg.eigvals(np.stack(columns, -1))
    np.testing.assert_allclose(sorted(np.abs(step)), sorted(np.abs(1 + h * flow)), rtol=1e-5)


@pytest.mark.parametrize("game", ["minimax", "wgan-gp"])
def test_a_step_of_size_0_stays_where_it_is(game: str) -> None:
    """Zero is a step size: the matrix is I, and not the Jacobian that is given without one."""
    found = jacobian_eigenvalues(dirac_gan(game, 0.4), [0.3, -1.2], 0)
    assert (found.tolist(), found.dtype) == ([1.0, 1.0], np.complex128)
    assert jacobian_eigenvalues(dirac_gan(game, 0.4), [0.3, -1.2]).tolist() != [1.0, 1.0]


def test_the_bilinear_game_spirals_out() -> None:
    assert jacobian_eigenvalues(bilinear(), [5.0, 2.0]).tolist() == [1j, -1j]
    assert np.abs(jacobian_eigenvalues(bilinear(), [0.0, 0.0], 0.5)).tolist() == pytest.approx([np.sqrt(1.25)] * 2)


def test_a_constant_field_has_a_jacobian() -> None:
    assert jacobian_eigenvalues(Field(lambda t, p: 2 * t, lambda t, p: -p), [1.0, 2.0]).tolist() == [0, 0]


# --- refusals -----------------------------------------------------------------------------------------------------

REFUSALS: list[tuple[Callable[[], Any], str]] = [
    (lambda: dirac_gan("wgan"), "unknown game 'wgan'; choose one of 'ebgan', 'feature-matching'"),
    (
        lambda: dirac_gan("wgan-clip"),
        "the game must be one of losses and penalties of a linear critic, got 'wgan-clip'",
    ),
    (
        lambda: dirac_gan(penalty_weight=-1.0),
        "penalty_weight must be finite and not negative, got -1.0; 0 turns it off",
    ),
    (lambda: dirac_gan(penalty_weight=np.inf), "penalty_weight must be finite and not negative, got inf"),
    (lambda: dirac_gan(penalty_weight=np.nan), "penalty_weight must be finite and not negative, got nan"),
    (lambda: bilinear()([1.0, 2.0, 3.0]), "a state is (theta, psi), shape (..., 2), finite, got (3,); stack the two"),
    (lambda: bilinear()(1.0), "a state is (theta, psi), shape (..., 2), finite, got (); stack the two"),
    (lambda: bilinear()([1.0, np.nan]), "a state is (theta, psi), shape (..., 2), finite, got (2,)"),
    (
        lambda: simulate(bilinear(), [1.0, 0.0], 3, 0.1, "random"),
        "unknown update 'random'; choose one of 'alternating', 'simultaneous'",
    ),
    (lambda: simulate(bilinear(), [1.0, 0.0], -1, 0.1), "steps must be >= 0 and step_size positive, got -1 and 0.1"),
    (lambda: simulate(bilinear(), [1.0, 0.0], 1, 0.0), "steps must be >= 0 and step_size positive, got 1 and 0.0"),
    (lambda: simulate(bilinear(), [1.0, 0.0], 3, -0.1), "steps must be >= 0 and step_size positive, got 3 and -0.1"),
    (lambda: dirac_gan("wgan-gp", -5e-324), "penalty_weight must be finite and not negative, got -5e-324; 0 turns it"),
    (lambda: simulate(bilinear(), [1.0, 0.0], 1, np.nan), "steps must be >= 0 and step_size positive, got 1 and nan"),
    (
        lambda: simulate(bilinear(), [1.0, 0.0], 9, 1e150),
        "the orbit left the floating-point numbers after 3 steps; use a smaller step_size",
    ),
    (
        lambda: simulate(bilinear(), [1.0, np.nan], 1, 0.1),
        "start must be finite states (theta, psi), shape (..., 2), got (2,)",
    ),
    (
        lambda: jacobian_eigenvalues(bilinear(), [[0.0, 0.0]]),
        "the point must be one finite state (theta, psi), got shape (1, 2); give two numbers",
    ),
    (lambda: jacobian_eigenvalues(bilinear(), [np.nan, 0.0]), "the point must be one finite state (theta, psi), got"),
]


@pytest.mark.parametrize(("call", "words"), REFUSALS, ids=[str(i) for i in range(len(REFUSALS))])
def test_refusals_say_what_to_do(call: Callable[[], Any], words: str) -> None:
    with np.errstate(over="ignore"), pytest.raises(ValueError, match=re.escape(words)):
        call()


def test_a_loss_without_its_own_player_does_not_move_it() -> None:
    assert Field(lambda theta, psi: psi, lambda theta, psi: psi**2)([1.0, 2.0]).tolist() == [0.0, -4.0]


def test_a_start_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="start must be finite states"):
        simulate(lambda state: np.zeros(2), [np.nan, 0.0], 0, 1.0)


def test_the_dirac_game_of_a_critic_is_bilinear_and_its_penalty_pulls_the_slope_to_1() -> None:
    states = np.array([[0.7, 0.4], [-1.0, 2.0], [0.3, -1.5]])
    theta, psi = states.T
    excess = np.abs(psi) - 1
    for game, kept in (("wgan-gp", excess), ("wgan-gp-one-sided", np.maximum(excess, 0))):
        expected = np.column_stack([psi, -theta - 20 * kept * np.sign(psi)])
        np.testing.assert_allclose(dirac_gan(game)(states), expected, atol=1e-12)
        # R1 comes on top of the game's own penalty, and 0 of it is none of it.
        np.testing.assert_array_equal(dirac_gan(game, 0)(states), dirac_gan(game)(states))
        with_r1 = expected - np.column_stack([0 * psi, 0.7 * psi])
        np.testing.assert_allclose(dirac_gan(game, 0.7)(states), with_r1, atol=1e-12)
