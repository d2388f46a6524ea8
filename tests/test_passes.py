"""Tests of gan_edu.networks: the pass that is written by hand is autograd's, in memory that nothing else holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gan_edu.games import GAMES
from gan_edu.lipschitz import spectral_bound
from gan_edu.networks import ACTIVATIONS, Ensemble, Pass, Room, Slopes
from gan_edu.training import train

OWN: dict[str, Callable[[Tensor], Tensor]] = {
    "elu_in_place": lambda x: torch.nn.functional.elu_(x),
    "gelu": torch.nn.functional.gelu,
    "leaky": lambda x: torch.where(x > 0, 2 * x, x / 3),
    "sine": torch.sin,
}
KNOWN = sorted(ACTIVATIONS)
WIDTHS = [(3, 1), (2, 8, 1), (1, 1, 1), (2, 1, 5, 1), (3, 6, 4, 2), (1, 4, 1, 3, 2, 1)]


@pytest.fixture(autouse=True)
def own_activations(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader's additions to the registry."""
    for name, act in OWN.items():
        monkeypatch.setitem(ACTIVATIONS, name, act)


def network(widths: tuple[int, ...], members: int = 3, activation: str = "relu") -> Ensemble:
    streams = [torch.Generator().manual_seed(e) for e in range(members)]
    net = Ensemble(widths, streams, activation, torch.float64)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 2
    return net


def normal(*shape: int, seed: int = 5) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def assert_same(found: list[Tensor], exact: list[Tensor]) -> None:
    for a, b in zip(found, exact, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


# --- Pass --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", [*KNOWN, *OWN])
@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize(("members", "samples"), [(3, 7), (1, 7), (3, 1), (1, 1)])
def test_a_pass_and_its_gradients_are_autograd_s(
    activation: str, widths: tuple[int, ...], members: int, samples: int
) -> None:
    net, x = network(widths, members, activation), normal(members, samples, widths[0]).requires_grad_()
    out, pull = net(x), normal(members, samples, widths[-1], seed=6)
    exact = torch.autograd.grad(out, [*net.parameters(), x], pull)
    with torch.no_grad():
        passed = Pass(net.layers(), x.mT, Room())
        assert_same([passed.out.mT], [out])
        by_parameters, by_inputs = passed.back(pull.mT, inputs=True)
    assert_same([*by_parameters, by_inputs.mT], list(exact))


@pytest.mark.parametrize("activation", [*KNOWN, *OWN])
def test_one_pass_goes_back_as_often_as_asked_and_for_what_is_asked(activation: str) -> None:
    net, x = network((2, 6, 4, 1), activation=activation), normal(3, 7, 2)
    passed, pull = Pass(net.layers(), x.mT, Room()), normal(3, 1, 7, seed=6)
    whole, by_inputs = passed.back(pull, inputs=True)
    by_inputs = by_inputs.clone()  # it is the room's
    assert_same(passed.back(pull)[0], whole)
    none, again = passed.back(pull, learns=False, inputs=True)
    assert none == []
    assert_same([again], [by_inputs])
    torch.testing.assert_close(pull, normal(3, 1, 7, seed=6))  # what is given is left alone
    assert_same([x, *net.parameters()], [normal(3, 7, 2), *network((2, 6, 4, 1)).parameters()])


@pytest.mark.parametrize("activation", [*KNOWN, *OWN])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_pass_through_the_first_layers(activation: str, depth: int) -> None:
    net, x = network((2, 6, 4, 1), activation=activation), normal(3, 7, 2).requires_grad_()
    out = net._layers(x)[depth] if depth < 3 else net(x).mT
    passed, pull = Pass(net.layers(), x.mT, Room(), depth), normal(*out.shape, seed=6)
    assert_same([passed.out], [out])
    used = [*list(net.weights)[:depth], *list(net.biases)[:depth]]
    found, by_inputs = passed.back(pull, inputs=True)
    assert_same([*found, by_inputs.mT], list(torch.autograd.grad(out, [*used, x], pull)))


def test_a_pass_through_no_layer_is_its_input() -> None:
    net, x = network((2, 6, 1)), normal(3, 7, 2)
    passed = Pass(net.layers(), x.mT, Room(), 0)
    assert torch.equal(passed.out.mT, x)


# --- Slopes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("widths", [(3, 1), (2, 8, 1), (1, 1, 1), (2, 1, 5, 1), (1, 4, 1, 3, 2, 1)])
@pytest.mark.parametrize(("members", "samples"), [(3, 7), (1, 1)])
def test_slopes_and_their_gradients_are_autograd_s(widths: tuple[int, ...], members: int, samples: int) -> None:
    net, x = network(widths, members), normal(members, samples, widths[0])
    exact, pull = net.slopes(x), normal(members, samples, widths[0], seed=6)
    gradients = torch.autograd.grad(exact, list(net.weights), pull)
    at = x.clone().requires_grad_()
    assert_same([exact], list(torch.autograd.grad(net(at).sum(), at)))
    slopes = Slopes(net.layers(), x.mT, Room())
    assert_same([slopes.out.mT], [exact])
    found, _ = slopes.back(pull.mT)
    assert_same(found[: len(gradients)], list(gradients))
    assert [f.shape for f in found] == [p.shape for p in net.parameters()]
    assert not any(bias.any() for bias in found[len(gradients) :])  # the slope does not see biases


@pytest.mark.parametrize("activation", ["tanh", "leaky"])
def test_slopes_of_other_activations_are_refused(activation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = f"slopes needs ReLU, got '{activation}'; use gradient_norms, which asks autograd"
    with pytest.raises(ValueError, match=words):
        Slopes(network((2, 4, 1), activation=activation).layers(), normal(3, 2, 7), Room())
    monkeypatch.setitem(ACTIVATIONS, "relu", OWN["leaky"])
    with pytest.raises(ValueError, match="slopes needs ReLU, got 'relu'"):
        Slopes(network((2, 4, 1)).layers(), normal(3, 2, 7), Room())
    with pytest.raises(ValueError, match=r"slopes needs ReLU, no kernels and one output, got \('relu', 0, 1\)"):
        network((2, 4, 1)).slopes(normal(3, 7, 2))


# --- Room --------------------------------------------------------------------------------------------------------


def test_a_room_gives_memory_that_nobody_holds() -> None:
    room, like = Room(), normal(1)
    held = [room.take(like, *shape) for shape in [(2, 3), (2, 3), (3, 2), (2, 3)]]
    assert len({tensor.data_ptr() for tensor in held}) == 4
    room.give(held[1])
    again = room.take(like, 2, 3)
    assert again.data_ptr() == held[1].data_ptr()
    assert room.take(like, 2, 3).data_ptr() not in {tensor.data_ptr() for tensor in held}
    assert len(room.made) == 5


def test_a_room_that_is_cleared_gives_the_same_memory_again() -> None:
    room, like = Room(), normal(1)
    first = {room.take(like, 2, 3).data_ptr() for _ in range(3)}
    room.give(taken := room.take(like, 2, 3))
    first |= {taken.data_ptr()}
    room.clear()
    held = [room.take(like, 2, 3).data_ptr() for _ in range(6)]
    assert set(held[:4]) == first
    assert len(set(held)) == 6
    assert len(room.made) == 6


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_two_passes_in_one_room_do_not_disturb_each_other(activation: str) -> None:
    net, room = network((2, 4, 4, 1), activation=activation), Room()
    xs, pull = [normal(3, 7, 2, seed=s) for s in (1, 2)], normal(3, 1, 7, seed=6)
    apart = [Pass(net.layers(), x.mT, Room()) for x in xs]
    exact = [(p.out.detach().clone(), [g.clone() for g in p.back(pull)[0]]) for p in apart]
    for _ in range(3):
        room.clear()
        together = [Pass(net.layers(), x.mT, room) for x in xs]
        if activation == "relu":
            Slopes(net.layers(), xs[0].mT, room).back(normal(3, 2, 7))
        for passed, (out, gradients) in reversed(list(zip(together, exact, strict=True))):
            torch.testing.assert_close(passed.out.detach(), out, rtol=0, atol=0)
            assert_same(passed.back(pull)[0], gradients)
        assert len({tensor.data_ptr() for tensor in room.made}) == len(room.made)
        made = len(room.made)
    room.clear()
    [Pass(net.layers(), x.mT, room).back(pull) for x in xs]
    assert len(room.made) == made


# --- activations of one's own ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "got"),
    [
        (lambda x: torch.softmax(x, -1), "one that mixes numbers for shape (2, 3, 4)"),
        (lambda x: x - x.mean(), "one that mixes numbers"),
        (lambda x: x.sum(), "shape () for shape (2, 3, 4)"),
        (lambda x: torch.tanh(x).detach(), "one that is cut off from it"),
        (lambda x: (x > 0).double(), "one that is cut off from it"),
        (lambda x: 0.0, "float for shape (2, 3, 4); write it with PyTorch, number by number"),
    ],
)
def test_what_is_no_activation_is_refused(
    act: Callable[[Tensor], Any], got: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ACTIVATIONS, "mine", act)
    words = f"activation 'mine' must be a differentiable function of each number by itself, got {got}"
    with torch.no_grad(), pytest.raises(ValueError, match=re.escape(words)):
        network((2, 4, 1), activation="mine")


@pytest.mark.parametrize("game", ["non-saturating", "wgan-gp", "ebgan"])
def test_a_reader_s_own_activation_trains_as_the_book_s(game: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert game in GAMES
    monkeypatch.setitem(ACTIVATIONS, "mine", lambda x: (1 - torch.exp(-2 * x)) / (1 + torch.exp(-2 * x)))
    settings: dict[str, Any] = dict(game=game, members=2, steps=4, hidden=(6, 5), batch_size=16, snapshots=1)
    settings |= dict(dtype="float64", device="cpu", progress=False)
    mine, theirs = (train([0.0, 1.0, 2.0], activation=name, **settings) for name in ("mine", "tanh"))
    for a, b in zip(mine.discriminator.parameters(), theirs.discriminator.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)


def test_the_bound_of_an_activation_of_one_s_own_is_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "a bound needs the slope of every layer, got the activation 'leaky', whose slope is not known"
    with pytest.raises(ValueError, match=re.escape(words)):
        spectral_bound(network((2, 4, 1), activation="leaky"))
    monkeypatch.setitem(ACTIVATIONS, "tanh", OWN["leaky"])
    with pytest.raises(ValueError, match="got the activation 'tanh'"):
        spectral_bound(network((2, 4, 1), activation="tanh"))


# --- inputs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7, 2), (2, 7, 2), (3, 7, 3), (2,), (3, 1, 7, 2)])
def test_inputs_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    words = (
        f"x must have shape (E, N, in), here (3, N, 2), got {shape}; x.expand(3, -1, -1) shows every member the same"
    )
    for call in (network((2, 4, 1)), network((2, 4, 1)).features, network((2, 4, 1)).slopes):
        with pytest.raises(ValueError, match=re.escape(words)):
            call(torch.zeros(shape, dtype=torch.float64))
