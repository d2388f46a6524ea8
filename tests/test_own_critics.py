"""Tests of gan_edu.lipschitz, games, dynamics and divergences with critics that a reader writes, and PyTorch's global switches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from relu_nets import ensemble
from torch import Tensor, nn

from gan_edu.densities import gaussian, ring
from gan_edu.divergences import value
from gan_edu.dynamics import Field, bilinear, dirac_gan, jacobian_eigenvalues, simulate
from gan_edu.games import GAMES, Game, check_losses, generator_gradient, gradient_penalty
from gan_edu.layers import as_function, read_layers
from gan_edu.lipschitz import gradient_norms, lipschitz_lower_bound, relu_lipschitz, secant_slopes, spectral_bound
from gan_edu.networks import Ensemble, minibatch_closeness

POINTS = np.random.default_rng(0).normal(size=(6, 2))


def net(dtype: torch.dtype = torch.float32, last: nn.Module | None = None) -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1), *([last] if last else [])]
    return nn.Sequential(*layers).to(dtype)


NET = net(torch.float64)
ON_THE_LINE = nn.Linear(1, 1)


# --- critics that autograd cannot see through --------------------------------------------------------------------


def without_gradients(x: Tensor) -> Tensor:
    with torch.no_grad():
        return NET(x)


def inferring(x: Tensor) -> Tensor:
    with torch.inference_mode():
        return NET(x)


CUT: dict[str, Callable[[Tensor], Tensor]] = {
    "detach": lambda x: NET(x).detach(),
    "detached points": lambda x: NET(x.detach()),
    "data": lambda x: NET(x).data,
    "no_grad": without_gradients,
    "inference_mode": inferring,
    "numpy": lambda x: torch.from_numpy(np.sin(x.detach().numpy())).sum(-1),
    "tensor of numbers": lambda x: torch.tensor(x.sum(-1).tolist(), dtype=x.dtype),
    "comparison": lambda x: (x[..., 0] > 0).double(),
    "integers": lambda x: x[..., 0].round().long(),
}
CUT_OFF = "the critic must be differentiable by x, got one whose values change with x while autograd sees no way"
TRIED: list[Callable[[Callable[[Tensor], Tensor]], Any]] = [
    lambda critic: gradient_norms(critic, POINTS),
    lambda critic: gradient_norms(critic, POINTS[:1]),
    lambda critic: gradient_norms(critic, POINTS, create_graph=True),
    lambda critic: lipschitz_lower_bound(critic, POINTS),
    lambda critic: gradient_penalty(critic, *torch.from_numpy(np.stack([POINTS, POINTS + 1]))),
]


@pytest.mark.parametrize("call", TRIED, ids=map(str, range(len(TRIED))))
@pytest.mark.parametrize("name", sorted(CUT))
def test_a_critic_that_is_cut_off_is_no_constant(name: str, call: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=re.escape(CUT_OFF)):
        call(CUT[name])


CONSTANTS: list[Callable[[Tensor], Tensor]] = [
    lambda x: torch.zeros(len(x)),
    lambda x: torch.full(x.shape[:-1], 7.0),
    lambda x: 0 * x.sum(-1),
    lambda x: torch.arange(len(x)),  # other numbers at other places of the batch, whatever x
    lambda x: NET[2].bias.expand(len(x)),
    lambda x: NET[2].bias.detach().expand(len(x), 1),
]


@pytest.mark.parametrize("critic", CONSTANTS)
def test_a_constant_has_no_slope(critic: Callable[[Tensor], Tensor]) -> None:
    assert gradient_norms(critic, POINTS).tolist() == [0.0] * 6
    assert lipschitz_lower_bound(critic, POINTS)[0] == 0
    assert gradient_penalty(critic, *torch.from_numpy(np.stack([POINTS, POINTS + 1]))).item() == 1


WRITTEN: list[tuple[Callable[[Tensor], Any], str]] = [
    (
        lambda x: np.sin(x).sum(-1),
        "the critic must be written with PyTorch alone, got one that calls NumPy; use torch.sin",
    ),
    (lambda x: x.numpy().sum(-1), "the critic must be written with PyTorch alone, got one that calls NumPy"),
    (
        lambda x: x.detach().numpy().sum(-1),
        "the critic must return a tensor, got ndarray; use PyTorch in place of NumPy",
    ),
    (lambda x: 0.0, "the critic must return a tensor, got float"),
    (lambda x: None, "the critic must return a tensor, got NoneType"),
]


@pytest.mark.parametrize(("critic", "words"), WRITTEN, ids=map(str, range(len(WRITTEN))))
@pytest.mark.parametrize("call", TRIED, ids=map(str, range(len(TRIED))))
def test_a_critic_in_numpy_is_refused(critic: Callable[[Tensor], Any], words: str, call: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        call(critic)


MIXING: list[tuple[Callable[[], nn.Module], str]] = [
    (
        lambda: nn.Sequential(net(last=nn.BatchNorm1d(1))),
        "got BatchNorm1d in training, which mixes the points of a batch; call its eval() first, or normalise each point",
    ),
    (
        lambda: net(last=nn.BatchNorm1d(1, track_running_stats=False)).eval(),
        "got BatchNorm1d without running statistics",
    ),
    (lambda: Ensemble([2, 4, 1], [stream()], kernels=2), "got Ensemble with minibatch kernels, which mixes the points"),
]


@pytest.mark.parametrize(("make", "words"), MIXING, ids=map(str, range(len(MIXING))))
def test_a_critic_that_mixes_points_has_no_gradient_at_a_point(make: Callable[[], nn.Module], words: str) -> None:
    for call in (*TRIED, lambda critic: secant_slopes(critic, POINTS, POINTS + 1)):
        with pytest.raises(ValueError, match=re.escape(f"the critic must map each point alone, {words}")):
            call(make())


def test_batch_normalisation_outside_training_is_a_critic() -> None:
    norm = nn.BatchNorm1d(1)
    norm.weight.data.fill_(3.0)
    at, after = gradient_norms(net(), POINTS), gradient_norms(net(last=norm).eval(), POINTS)
    torch.testing.assert_close(after, 3 * at, rtol=1e-4, atol=0)


def test_secants_need_no_gradient_but_a_tensor() -> None:
    x, y = np.zeros((1, 2)), np.array([[3.0, 4.0]])
    assert secant_slopes(lambda x: x.sum(-1).detach(), x, y).tolist() == [7 / 5]
    assert secant_slopes(lambda x: x[..., 0] > 1, x, y).tolist() == [1 / 5]
    assert secant_slopes(lambda x: x[..., 0].long(), x, y).tolist() == [3 / 5]
    assert secant_slopes(lambda x: x.long(), x, y).tolist() == [1.0]
    with pytest.raises(ValueError, match="the critic must return a tensor, got ndarray"):
        secant_slopes(lambda x: x.numpy().sum(-1), x, y)


# --- types and devices -------------------------------------------------------------------------------------------


def test_points_follow_a_module_s_type() -> None:
    single, double = net(), net().double()
    exact = gradient_norms(double, POINTS)
    for points in (POINTS, POINTS.tolist(), torch.from_numpy(POINTS), torch.from_numpy(POINTS).half()):
        norms = gradient_norms(single, points)
        assert norms.dtype == torch.float32
        torch.testing.assert_close(norms.double(), exact, rtol=2e-2, atol=0)
    assert gradient_norms(double, torch.from_numpy(POINTS).float()).dtype == torch.float64
    best, where = lipschitz_lower_bound(single, POINTS)
    assert best == pytest.approx(lipschitz_lower_bound(double, POINTS)[0], rel=1e-4)
    assert float(gradient_norms(single, where[None])) == pytest.approx(best, rel=1e-6)
    assert secant_slopes(single, POINTS, POINTS + 1).dtype == torch.float32
    assert gradient_norms(nn.Flatten(0), POINTS[:, :1]).dtype == torch.float64  # it has no parameters
    assert gradient_norms(nn.BatchNorm1d(1, affine=False).eval(), POINTS[:, :1]).dtype == torch.float32


def test_whole_numbers_are_points_too() -> None:
    assert gradient_norms(lambda x: (x**2).sum(-1), torch.tensor([[3, 4]])).tolist() == [10.0]
    assert gradient_norms(lambda x: (x**2).sum(-1), [[3, 4]]).tolist() == [10.0]


def test_points_that_a_critic_s_own_type_does_not_fit() -> None:
    words = "the critic must take points of type torch.float64 on cpu, got one that does not"
    for call in (gradient_norms, lambda critic, x: secant_slopes(critic, x, x + 1), lipschitz_lower_bound):
        with pytest.raises(ValueError, match=re.escape(words)) as caught:
            call(lambda x: net()(x), POINTS)
        assert "pass the nn.Module itself, or points as a tensor of its type" in str(caught.value)


def test_other_errors_of_a_critic_are_passed_on() -> None:
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        gradient_norms(net(), np.zeros((3, 5)))


def test_points_that_are_differentiated_elsewhere_are_left_alone() -> None:
    x = torch.from_numpy(POINTS).requires_grad_()
    lipschitz_lower_bound(NET, x)
    gradient_norms(NET, x)
    assert x.grad is None


# --- networks as discriminators ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [1, 2])
def test_a_module_is_a_discriminator(dim: int) -> None:
    torch.manual_seed(0)
    p, q = (gaussian(0.0), gaussian(1.0)) if dim == 1 else (gaussian([0.0, 0.0]), gaussian([1.0, 0.0]))
    D = nn.Sequential(nn.Linear(dim, 4), nn.Tanh(), nn.Linear(4, 1), nn.Sigmoid())
    weights = [parameter.detach().double().numpy() for parameter in D.parameters()]

    def by_hand(x: np.ndarray) -> np.ndarray:
        hidden = np.tanh(x.reshape(-1, dim) @ weights[0].T + weights[1])
        return 1 / (1 + np.exp(-(hidden @ weights[2][0] + weights[3][0])))

    assert value(p, q, D) == pytest.approx(value(p, q, by_hand), abs=1e-12)
    assert value(p, q, nn.Sequential(D, nn.Flatten(0))) == pytest.approx(value(p, q, by_hand), abs=1e-12)
    assert {parameter.dtype for parameter in D.parameters()} == {torch.float32}
    x = p.sample(5, generator=0)
    np.testing.assert_allclose(as_function(D)(x), by_hand(x), rtol=1e-12)
    with pytest.raises(ValueError, match=r"D must return probabilities in .* apply a sigmoid to logits"):
        value(p, q, D[:3])


def test_a_module_with_a_layer_named_logit() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.logit = nn.Linear(1, 1)

        def forward(self, x: Tensor) -> Tensor:
            return torch.sigmoid(self.logit(x))

    D = Named()
    a, b = D.logit.weight.item(), D.logit.bias.item()
    assert value(gaussian(), gaussian(1.0), D) == pytest.approx(
        value(gaussian(), gaussian(1.0), lambda x: 1 / (1 + np.exp(-a * x - b))), abs=1e-12
    )


@pytest.mark.parametrize("train", [True, False])
def test_spectral_normalisation_of_a_discriminator_is_left_alone(train: bool) -> None:
    torch.manual_seed(0)
    D = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(1, 4)), nn.Linear(4, 1), nn.Sigmoid())
    before = {name: v.clone() for name, v in D.train(train).state_dict().items()}
    assert value(gaussian(), gaussian(1.0), D) == value(gaussian(), gaussian(1.0), D)
    assert all(torch.equal(v, before[name]) for name, v in D.state_dict().items())


MODULES: list[tuple[Callable[[], nn.Module], str]] = [
    (
        lambda: ensemble([1, 2, 1], 3),
        "D must be one network, got an Ensemble of 3 that returns logits; write a function",
    ),
    (
        lambda: nn.Sequential(nn.Linear(1, 3)),
        "D must return one number a point, (182,) or (182, 1), got (182, 3); pick one",
    ),
    (
        lambda: nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1)),
        "D must map each point alone, got BatchNorm1d in training, which mixes the points of a batch; call its eval() first",
    ),
    (
        lambda: nn.Sequential(nn.Dropout(), nn.Linear(1, 1)),
        "D must map each point always alike, got Dropout in training; call D.eval() first",
    ),
]


@pytest.mark.parametrize(("make", "words"), MODULES, ids=map(str, range(len(MODULES))))
def test_a_module_that_is_no_discriminator_is_refused(make: Callable[[], nn.Module], words: str) -> None:
    pattern = re.escape(words).replace("182", "[0-9]+")
    with pytest.raises(ValueError, match=pattern):
        value(gaussian(), gaussian(1.0), make())


# --- losses of two parameters ------------------------------------------------------------------------------------


FIELDS: list[tuple[Callable[..., Any], str]] = [
    (
        lambda t, p: (t * p).detach(),
        "g_loss must be differentiable, got one that changes with theta while autograd sees no",
    ),
    (lambda t, p: t.detach() * p, "g_loss must be differentiable, got one that changes with theta"),
    (lambda t, p: (t * p).mean(), "g_loss must return one number a state, shape (3,), got (); leave out means"),
    (lambda t, p: 0.0, "g_loss must return one number a state, shape (3,), got float"),
    (
        lambda t, p: torch.from_numpy(t.detach().numpy() ** 2),
        "g_loss must be differentiable, got one that changes with theta",
    ),
]


@pytest.mark.parametrize(("loss", "words"), FIELDS, ids=map(str, range(len(FIELDS))))
def test_a_field_whose_losses_autograd_cannot_see_is_refused(loss: Callable[..., Any], words: str) -> None:
    states = np.arange(6.0).reshape(3, 2)
    with pytest.raises(ValueError, match=re.escape(words)):
        Field(loss, lambda t, p: t * p)(states)
    with pytest.raises(ValueError, match=re.escape(words.replace("g_loss", "d_loss").replace("theta", "psi", 1))):
        Field(lambda t, p: t * p, lambda t, p: loss(p, t))(states)


def test_a_loss_without_parameters_moves_nobody() -> None:
    for still in (lambda t, p: torch.ones_like(t), lambda t, p: 0 * t, lambda t, p: p.detach() ** 2):
        assert Field(still, lambda t, p: p**2)([1.0, 2.0]).tolist() == [0.0, -4.0]
        assert jacobian_eigenvalues(Field(still, lambda t, p: p**2), [1.0, 2.0]).tolist() == [0, -2]


@pytest.mark.parametrize("player", ["d_loss", "g_loss"])
def test_a_game_of_means_over_everything_has_no_dynamics(player: str, monkeypatch: pytest.MonkeyPatch) -> None:
    losses: dict[str, Any] = dict(d_loss=GAMES["minimax"].d_loss, g_loss=GAMES["minimax"].g_loss)
    losses[player] = (lambda r, f: f.mean() - r.mean()) if player == "d_loss" else lambda f: -f.mean()
    monkeypatch.setitem(GAMES, "mine", Game("mine", **losses, minimises="", source=""))
    words = (
        f"{player} of game 'mine' must return shape (3,) for numbers of shape (3, 5), one loss a member, got shape ()"
    )
    for call in (lambda: dirac_gan("mine"), lambda: generator_gradient(gaussian(), gaussian(1.0), "mine")):
        with pytest.raises(ValueError, match=re.escape(words)):
            call()


# --- PyTorch's global switches -----------------------------------------------------------------------------------


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def default_device(name: str) -> Iterator[None]:
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


SWITCHES: dict[str, Callable[[], Any]] = {
    "nothing": nullcontext,
    "float64": lambda: default_dtype(torch.float64),
    "float16": lambda: default_dtype(torch.float16),
    "meta": lambda: default_device("meta"),
    "cpu": lambda: default_device("cpu"),
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
}


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(seed)


def everything() -> dict[str, Any]:
    """What the functions return, as numbers."""
    xs, ys = torch.from_numpy(POINTS), torch.from_numpy(POINTS) + 1
    made = Ensemble([2, 4, 1], [stream(), stream(1)])
    return {
        "gradient_norms": gradient_norms(NET, POINTS).tolist(),
        "gradient_norms of a function": gradient_norms(lambda x: torch.sin(x).sum(-1), POINTS).tolist(),
        "gradient_norms of a constant": gradient_norms(lambda x: x.new_zeros(len(x)), POINTS).tolist(),
        "create_graph": gradient_norms(NET, POINTS, create_graph=True).tolist(),
        "secant_slopes": secant_slopes(NET, POINTS, POINTS + 1).tolist(),
        "lower": lipschitz_lower_bound(NET, POINTS, climb=1)[0],
        "upper": spectral_bound(NET),
        "layers": [layer.weight.tolist() for layer in read_layers(NET)[0]],
        "exact": relu_lipschitz([([[1.0], [1.0]], [0.0, -1.0]), ([[1.0, -3.0]], [0.0])]),
        "exact of an ensemble": relu_lipschitz(made).tolist(),
        "penalty": gradient_penalty(NET, xs, ys, generator=stream()).item(),
        "generator_gradient": [part.tolist() for part in generator_gradient(gaussian(), gaussian(1.0))],
        "check_losses": [check_losses(game) for game in GAMES.values()],
        "dirac_gan": dirac_gan("wgan-gp")([1.0, 0.5]).tolist(),
        "simulate": simulate(dirac_gan(), [1.0, 0.0], 3, 0.1).tolist(),
        "eigenvalues": jacobian_eigenvalues(bilinear(), [0.0, 0.0]).tolist(),
        "ensemble": [parameter.tolist() for parameter in made.parameters()],
        "type of an ensemble": {str(parameter.dtype) for parameter in made.parameters()},
        "outputs": made(torch.stack([xs, ys]).float()).tolist(),
        "slopes": made.slopes(torch.stack([xs, ys]).float()).tolist(),
        "closeness": minibatch_closeness(xs[:, :, None]).tolist(),
        "value": value(gaussian(), gaussian(1.0), nn.Sequential(ON_THE_LINE, nn.Sigmoid())),
        "value in the plane": value(ring(4), ring(4, std=0.2), nn.Sequential(NET, nn.Sigmoid())),
    }


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    return everything()


@pytest.mark.parametrize("switch", sorted(SWITCHES))
def test_no_global_switch_of_pytorch_changes_a_result(switch: str, expected: dict[str, Any]) -> None:
    with SWITCHES[switch]():
        found = everything()
    for name in expected:
        assert found[name] == expected[name], name
