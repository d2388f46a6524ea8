"""Two players with one parameter each: gradient dynamics of the Dirac-GAN and of the bilinear game.

The state is (theta, psi), generator first. A game's losses are those of `games`, differentiated automatically.
Chapter: 04.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from gan_edu.games import PENALTIES, check_losses, find_game

__all__ = ["Field", "bilinear", "dirac_gan", "jacobian_eigenvalues", "simulate"]

Array = NDArray[np.float64]
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Field:
    """Velocity (-d g_loss / d theta, -d d_loss / d psi): each player walks downhill in its own loss.

    Called with states of shape (..., 2), it returns velocities of the same shape.

    Example:
        >>> Field(lambda theta, psi: theta * psi, lambda theta, psi: -theta * psi)([2.0, 1.0]).tolist()
        [-1.0, 2.0]
    """

    g_loss: Loss
    """The generator's loss of (theta, psi), element by element."""
    d_loss: Loss
    """The discriminator's loss of (theta, psi), element by element."""

    def velocity(self, state: Tensor, create_graph: bool = False) -> Tensor:
        """The velocity as a tensor, shape (..., 2).

        Raises:
            ValueError: a loss is not one number a state, or changes with its own player's parameter while autograd
                sees no way from one to the other.
        """
        with torch.enable_grad():
            theta, psi = state.unbind(-1)
            by_theta = self._slope("g_loss", self.g_loss, (theta, psi), 0, create_graph)
            by_psi = self._slope("d_loss", self.d_loss, (theta, psi), 1, create_graph)
            return -torch.stack([by_theta, by_psi], -1)

    @staticmethod
    def _slope(name: str, loss: Loss, state: tuple[Tensor, Tensor], player: int, create_graph: bool) -> Tensor:
        """Derivative of a loss by one of the two parameters, state by state."""
        own, value = state[player], loss(*state)
        if not isinstance(value, Tensor) or value.shape != own.shape:
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(
                f"{name} must return one number a state, shape {tuple(own.shape)}, got {got}; leave out means, and write "
                "a constant as 0 * theta"
            )
        slope = None
        if value.requires_grad:
            (slope,) = torch.autograd.grad(value.sum(), own, create_graph=create_graph, allow_unused=True)
        if slope is not None:
            return slope
        moved = [each + 1 if k == player else each for k, each in enumerate(state)]
        if not torch.equal(loss(*moved), value):
            raise ValueError(
                f"{name} must be differentiable, got one that changes with {('theta', 'psi')[player]} while autograd sees "
                "no way from one to the other; leave out detach, no_grad, item and NumPy"
            )
        return torch.zeros_like(own)

    def __call__(self, state: ArrayLike) -> Array:
        """Velocity at each state, shape (..., 2).

        Raises:
            ValueError: the states are not finite or of another shape, or a loss cannot be differentiated.
        """
        points = np.asarray(state, dtype=np.float64)
        if points.ndim == 0 or points.shape[-1] != 2 or not np.isfinite(points).all():
            raise ValueError(f"a state is (theta, psi), shape (..., 2), finite, got {points.shape}; stack the two")
        with torch.inference_mode(False):
            return np.asarray(self.velocity(_leaf(points)).detach().numpy())


def _leaf(state: Array) -> Tensor:
    """A state to differentiate by, whatever PyTorch's defaults."""
    return torch.tensor(state, requires_grad=True, device="cpu")


def dirac_gan(game: str = "minimax", penalty_weight: float = 0.0) -> Field:
    """Field of the Dirac-GAN: p_data = delta_0, p_g = delta_theta, the logit of D (the critic) is psi x.

    Args:
        game: a key of `GAMES`.
        penalty_weight: gamma of R1, which adds (gamma / 2) E_{p_data}|grad logit|^2 = (gamma / 2) psi^2 to D's loss.

    Raises:
        ValueError: the game is unknown or cannot be played with one parameter, its losses are refused by `check_losses`,
            or the weight is negative or not finite.

    Example:
        >>> dirac_gan("minimax")([1.0, 0.0]).tolist()
        [0.0, -0.5]

    Source: Mescheder, Geiger and Nowozin (2018), on the Dirac-GAN. Chapter: 04.
    """
    if not 0 <= penalty_weight < np.inf:
        raise ValueError(f"penalty_weight must be finite and not negative, got {penalty_weight}; 0 turns it off")
    rules = find_game(game)
    if rules.output == "energy" or rules.match_features or rules.clip is not None:
        raise ValueError(
            f"the game must be one of losses and penalties of a linear critic, got {game!r}; try 'wgan-gp'"
        )

    check_losses(rules, dtype=torch.float64)

    def d_loss(theta: Tensor, psi: Tensor) -> Tensor:
        # A batch of one real sample, 0, and one generated sample, theta; the critic's gradient is psi everywhere.
        loss = rules.d_loss((0 * psi)[..., None], (psi * theta)[..., None]) + penalty_weight / 2 * psi**2
        return loss if rules.penalty is None else loss + rules.penalty_weight * PENALTIES[rules.penalty](psi.abs())

    return Field(lambda theta, psi: rules.g_loss((psi * theta)[..., None]), d_loss)


def bilinear() -> Field:
    """Field of the game V = theta psi, which theta minimises and psi maximises: (theta, psi)' = (-psi, theta).

    Example:
        >>> bilinear()([0.0, 1.0]).tolist()
        [-1.0, 0.0]

    Source: Goodfellow (2016), exercise 7.2; Salimans et al. (2016), section 3. Chapter: 04.
    """
    return Field(lambda theta, psi: theta * psi, lambda theta, psi: -theta * psi)


def simulate(
    field: Callable[[ArrayLike], Array], start: ArrayLike, steps: int, step_size: float, update: str = "simultaneous"
) -> Array:
    """Orbit of gradient steps of size h from `start`, the start included: shape (steps + 1, ..., 2).

    Args:
        field: velocity of a state; a `Field`, or any function of states (..., 2).
        start: (theta, psi), or many of them, shape (..., 2).
        steps: number of steps.
        step_size: h > 0.
        update: "simultaneous": both players move by the old state; "alternating": psi first, then theta, which sees it.

    Raises:
        ValueError: an argument is out of range, or the orbit leaves the floating-point numbers.

    Example:
        >>> orbit = simulate(bilinear(), [1.0, 0.0], 100, 0.1)
        >>> round(float(np.hypot(*orbit[-1])), 6), round((1 + 0.1**2) ** 50, 6)
        (1.644632, 1.644632)

    Source: Mescheder, Geiger and Nowozin (2018), on the Dirac-GAN. Chapter: 04.
    """
    if update not in ("simultaneous", "alternating"):
        raise ValueError(f"unknown update {update!r}; choose one of 'alternating', 'simultaneous'")
    if steps < 0 or not 0 < step_size < np.inf:
        raise ValueError(f"steps must be >= 0 and step_size positive, got {steps} and {step_size}")
    state = np.array(start, dtype=np.float64)
    if state.ndim == 0 or state.shape[-1] != 2 or not np.isfinite(state).all():
        raise ValueError(f"start must be finite states (theta, psi), shape (..., 2), got {state.shape}; stack the two")
    orbit = [state]
    for _ in range(steps):
        with np.errstate(over="ignore", invalid="ignore"):
            if update == "simultaneous":
                state = state + step_size * field(state)
            else:
                state = state + step_size * field(state) * [0.0, 1.0]
                state = state + step_size * field(state) * [1.0, 0.0]
        if not np.isfinite(state).all():
            raise ValueError(
                f"the orbit left the floating-point numbers after {len(orbit)} steps; use a smaller step_size"
            )
        orbit.append(state)
    return np.stack(orbit)


def jacobian_eigenvalues(field: Field, point: ArrayLike, step_size: float | None = None) -> NDArray[np.complex128]:
    """Eigenvalues of the field's Jacobian J at a point, shape (2,), by falling real, then imaginary part.

    The flow spirals in where both real parts are negative. With `step_size` h, the eigenvalues of the simultaneous
    step's matrix I + h J instead: the steps converge where both lie inside the unit circle.

    Args:
        field: a `Field`.
        point: (theta, psi), as a rule where the velocity vanishes.
        step_size: h; the Jacobian itself if left out.

    Raises:
        ValueError: the point is not one finite state.

    Example:
        >>> jacobian_eigenvalues(dirac_gan("minimax"), [0.0, 0.0]).tolist()
        [0.5j, -0.5j]

    Source: Mescheder, Geiger and Nowozin (2018), on the Dirac-GAN. Chapter: 04.
    """
    state = np.asarray(point, dtype=np.float64)
    if state.shape != (2,) or not np.isfinite(state).all():
        raise ValueError(f"the point must be one finite state (theta, psi), got shape {state.shape}; give two numbers")
    with torch.inference_mode(False), torch.enable_grad():
        x = _leaf(state)
        velocity = (
            field.velocity(x, create_graph=True) + 0 * x
        )  # a field that does not depend on x still has a Jacobian
        jacobian = torch.stack([torch.autograd.grad(v, x, retain_graph=True)[0] for v in velocity]).numpy()
    # By the quadratic formula: a general routine loses half the digits where two eigenvalues meet.
    half_trace = np.trace(jacobian) / 2
    root = np.emath.sqrt(((jacobian[0, 0] - jacobian[1, 1]) / 2) ** 2 + jacobian[0, 1] * jacobian[1, 0])
    pair = np.array([half_trace + root, half_trace - root], dtype=np.complex128)
    return pair if step_size is None else 1 + step_size * pair
