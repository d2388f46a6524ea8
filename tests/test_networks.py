"""Tests of gan_edu.networks: an ensemble is E separate networks; minibatch discrimination by loops."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import LAYERS, plain

from gan_edu.networks import ACTIVATIONS, Ensemble, minibatch_closeness

prove = settings(max_examples=25, deadline=None, derandomize=True)


def streams(count: int, seed: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(100 * seed + e) for e in range(count)]


def normal(*shape: int, seed: int = 5) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def discriminating(
    widths: tuple[int, ...] = (2, 8, 1), members: int = 3, activation: str = "tanh", kernels: int = 3
) -> Ensemble:
    return Ensemble(widths, streams(members), activation, torch.float64, kernels)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("widths", [(2, 8, 8, 1), (1, 16, 2), (3, 1)])
def test_an_ensemble_equals_separate_networks(activation: str, widths: tuple[int, ...]) -> None:
    net = Ensemble(widths, streams(4), activation, torch.float64)
    x = torch.randn(4, 10, widths[0], generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    together = net(x)
    assert together.shape == (4, 10, widths[-1])
    assert net.members == 4
    for e in range(4):
        torch.testing.assert_close(together[e], plain(net, e)(x[e]), rtol=0, atol=1e-12)


def test_gradients_of_an_ensemble_equal_those_of_separate_networks() -> None:
    net = Ensemble((2, 8, 1), streams(3), "tanh", torch.float64)
    x = torch.randn(3, 10, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    (net(x) ** 2).mean((1, 2)).sum().backward()
    for e in range(3):
        alone = plain(net, e)
        (alone(x[e]) ** 2).mean().backward()
        torch.testing.assert_close(net.weights[0].grad[e].T, alone[0].weight.grad, rtol=0, atol=1e-12)
        torch.testing.assert_close(net.biases[-1].grad[e, 0], alone[2].bias.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize("widths", [(2, 8, 8, 1), (1, 16, 1), (3, 1)])
def test_slopes_are_autograd_s_and_can_be_differentiated(widths: tuple[int, ...]) -> None:
    net = Ensemble(widths, streams(3), "relu", torch.float64)
    x = normal(3, 10, widths[0]).requires_grad_()
    (expected,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    slopes = net.slopes(x.detach())
    torch.testing.assert_close(slopes, expected, rtol=0, atol=1e-12)
    by_slopes, by_autograd = (
        torch.autograd.grad((s.norm(dim=-1) ** 3).mean(), list(net.weights)) for s in (slopes, expected)
    )
    for a, b in zip(by_slopes, by_autograd, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("change", [dict(activation="tanh"), dict(kernels=2), dict(widths=(2, 8, 2))])
def test_slopes_of_other_networks_are_refused(change: dict[str, Any]) -> None:
    given = {"widths": (2, 8, 1), "activation": "relu", "kernels": 0, **change}
    net = Ensemble(given["widths"], streams(2), given["activation"], kernels=given["kernels"])
    with pytest.raises(ValueError, match=r"slopes needs ReLU, no kernels and one output, got .* use gradient_norms"):
        net.slopes(torch.zeros(2, 5, 2))


def test_the_start_of_a_member_does_not_depend_on_the_number_of_members() -> None:
    few, many = (Ensemble((2, 8, 1), streams(count)) for count in (2, 5))
    for a, b in zip(few.parameters(), many.parameters(), strict=True):
        assert torch.equal(a, b[:2])


def test_members_start_apart_and_other_seeds_start_elsewhere() -> None:
    net, other = Ensemble((2, 8, 1), streams(3)), Ensemble((2, 8, 1), streams(3, seed=1))
    for a, b in zip(net.parameters(), other.parameters(), strict=True):
        assert not torch.equal(a[0], a[1])
        assert not torch.equal(a, b)


def test_the_start_is_uniform_with_pytorch_s_bound() -> None:
    net = Ensemble((16, 64, 4), streams(20))
    for fan_in, weight, bias in zip((16, 64), net.weights, net.biases, strict=True):
        bound = 1 / math.sqrt(fan_in)
        for start in (weight.detach(), bias.detach()):
            assert start.abs().max() <= bound
            assert float(start.std()) == pytest.approx(bound / math.sqrt(3), rel=0.15)
            assert float(start.abs().max()) > 0.9 * bound
    reference = torch.nn.Linear(16, 64).weight.detach()
    assert float(reference.abs().max()) <= 1 / 4
    assert float(net.weights[0].detach().std()) == pytest.approx(float(reference.std()), rel=0.1)


def test_the_start_leaves_pytorch_s_own_stream_alone() -> None:
    before = torch.get_rng_state()
    Ensemble((2, 8, 1), streams(3))
    assert torch.equal(torch.get_rng_state(), before)


def test_float32_unless_asked() -> None:
    assert {p.dtype for p in Ensemble((1, 2), streams(1)).parameters()} == {torch.float32}
    assert {p.dtype for p in Ensemble((1, 2), streams(1), dtype=torch.float64).parameters()} == {torch.float64}


@pytest.mark.parametrize(("widths", "count"), [((2,), 3), ((), 3), ((2, 0, 1), 3), ((2, 1), 0)])
def test_bad_widths(widths: tuple[int, ...], count: int) -> None:
    words = f"a network needs members and at least two widths of 1 or more, got {list(widths)}; list input to output"
    with pytest.raises(ValueError, match=re.escape(words)):
        Ensemble(widths, streams(count))


def test_unknown_activation() -> None:
    words = "unknown activation 'gelu'; choose one of 'relu', 'softplus', 'tanh', or register your own by ACTIVATIONS['gelu']"
    with pytest.raises(ValueError, match=re.escape(words)):
        Ensemble((1, 1), streams(1), "gelu")


# --- the start, drawn by hand -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernels", [0, 4])
@pytest.mark.parametrize("widths", [(2, 8, 1), (3, 4, 6, 2)])
def test_the_start_is_drawn_layer_by_layer_and_the_kernels_last(widths: tuple[int, ...], kernels: int) -> None:
    net = discriminating(widths, kernels=kernels)
    sizes = list(pairwise(widths))
    sizes[-1] = (widths[-2] + kernels, widths[-1])
    for e, stream in enumerate(streams(3)):
        for (fan_in, fan_out), weight, bias in zip(sizes, net.weights, net.biases, strict=True):
            draw = torch.rand(fan_in + 1, fan_out, generator=stream, dtype=torch.float64)
            start = (2 * draw - 1) / math.sqrt(fan_in)
            torch.testing.assert_close(weight[e], start[:fan_in], rtol=0, atol=1e-15)
            torch.testing.assert_close(bias[e, 0], start[fan_in], rtol=0, atol=1e-15)
        assert len(net.kernels) == (kernels > 0)
        for kernel in net.kernels:
            draw = torch.rand(widths[-2], 5 * kernels, generator=stream, dtype=torch.float64)
            torch.testing.assert_close(kernel[e], (2 * draw - 1) / math.sqrt(widths[-2]), rtol=0, atol=1e-15)


def test_hidden_layers_start_alike_with_and_without_kernels() -> None:
    with_kernels, without = (discriminating((2, 8, 8, 1), kernels=kernels) for kernels in (3, 0))
    for layer in range(2):
        assert torch.equal(with_kernels.weights[layer], without.weights[layer])
        assert torch.equal(with_kernels.biases[layer], without.biases[layer])
    assert with_kernels.weights[2].shape == (3, 8 + 3, 1)
    assert without.weights[2].shape == (3, 8, 1)


def test_the_start_of_a_member_with_kernels_does_not_depend_on_the_number_of_members() -> None:
    few, many = (discriminating(members=count) for count in (2, 5))
    for a, b in zip(few.parameters(), many.parameters(), strict=True):
        assert torch.equal(a, b[:2])


def test_parameters_come_as_weights_then_biases_then_kernels() -> None:
    net = discriminating((2, 8, 8, 1))
    for found, named in zip(net.parameters(), [*net.weights, *net.biases, *net.kernels], strict=True):
        assert found is named
    assert {p.dtype for p in Ensemble((2, 8, 1), streams(1), kernels=2).parameters()} == {torch.float32}


# --- in-place activations ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernels", [0, 3])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_a_pass_leaves_its_inputs_and_parameters_alone(activation: str, kernels: int) -> None:
    net = discriminating((2, 8, 8, 1), activation=activation, kernels=kernels)
    x, among = normal(3, 10, 2), normal(3, 7, 2, seed=6)
    held = [x, among, *net.parameters()]
    before = [tensor.detach().clone() for tensor in held]
    first = net(x, among)
    net.features(x)
    assert torch.equal(net(x, among), first)
    assert all(torch.equal(a, b) for a, b in zip(held, before, strict=True))


def test_one_layer_leaves_its_input_alone() -> None:
    net, x = Ensemble((3, 1), streams(2), "relu", torch.float64), normal(2, 10, 3)
    before = x.clone()
    net(x)
    assert torch.equal(net.features(x), before)
    assert torch.equal(x, before)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("widths", [(2, 8, 1), (2, 8, 8, 1)])
def test_gradients_of_a_gradient_penalty_equal_those_of_separate_networks(
    activation: str, widths: tuple[int, ...]
) -> None:
    net = discriminating(widths, activation=activation, kernels=0)

    def penalised(critic: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        at = x.clone().requires_grad_()
        out = critic(at)
        (slope,) = torch.autograd.grad(out.sum(), at, create_graph=True)
        return ((slope.norm(dim=-1) - 1) ** 2).mean(-1).sum() + (out**2).mean((-1, -2)).sum()

    x = normal(3, 10, 2)
    penalised(net, x).backward()
    for e in range(3):
        alone = plain(net, e)
        penalised(alone, x[e]).backward()
        linears = [layer for layer in alone if isinstance(layer, torch.nn.Linear)]
        for linear, weight, bias in zip(linears, net.weights, net.biases, strict=True):
            torch.testing.assert_close(weight.grad[e].T, linear.weight.grad, rtol=0, atol=1e-12)
            torch.testing.assert_close(bias.grad[e, 0], linear.bias.grad, rtol=0, atol=1e-12)


# --- minibatch discrimination --------------------------------------------------------------------------------------


def test_minibatch_closeness_by_loops() -> None:
    m = normal(2, 5, 3, 4) / 3
    closeness = minibatch_closeness(m)
    assert closeness.shape == (2, 5, 3)
    for e, i, b in np.ndindex(2, 5, 3):
        row = [math.exp(-sum(abs(float(m[e, i, b, c] - m[e, j, b, c])) for c in range(4))) for j in range(5)]
        assert closeness[e, i, b].item() == pytest.approx(sum(row), rel=1e-12)


@pytest.mark.parametrize("others", [1, 5, 7])
def test_minibatch_closeness_among_others_by_loops(others: int) -> None:
    m, among = normal(2, 5, 3, 4) / 3, normal(2, others, 3, 4, seed=6) / 3
    closeness = minibatch_closeness(m, among)
    assert closeness.shape == (2, 5, 3)
    for e, i, b in np.ndindex(2, 5, 3):
        row = [math.exp(-sum(abs(float(m[e, i, b, c] - among[e, j, b, c])) for c in range(4))) for j in range(others)]
        assert closeness[e, i, b].item() == pytest.approx(sum(row), rel=1e-12)


@prove
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_minibatch_closeness_lies_between_one_and_the_batch(seed: int, n: int) -> None:
    m = normal(n, 2, 3, seed=seed)
    closeness = minibatch_closeness(m)
    assert (closeness >= 1).all()
    assert (closeness <= n).all()
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(minibatch_closeness(m[order]), closeness[order])


@prove
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 6))
def test_minibatch_closeness_adds_up_over_the_others(seed: int, first: int, second: int) -> None:
    m, a, b = normal(4, 2, 3, seed=seed), normal(first, 2, 3, seed=seed + 1), normal(second, 2, 3, seed=seed + 2)
    together = minibatch_closeness(m, torch.cat([a, b]))
    torch.testing.assert_close(together, minibatch_closeness(m, a) + minibatch_closeness(m, b), rtol=1e-12, atol=0)
    torch.testing.assert_close(minibatch_closeness(m, m), minibatch_closeness(m), rtol=0, atol=0)
    assert (together <= first + second).all()


def test_minibatch_closeness_has_the_gradient_of_finite_differences() -> None:
    m, among = (normal(count, 2, 3, seed=count).requires_grad_() for count in (4, 6))
    assert torch.autograd.gradcheck(minibatch_closeness, (m,))
    assert torch.autograd.gradcheck(minibatch_closeness, (m, among))


def test_minibatch_closeness_refuses_two_axes() -> None:
    words = "features must have shape (..., N, B, C), got (4, 3); reshape the layer's output"
    with pytest.raises(ValueError, match=re.escape(words)):
        minibatch_closeness(torch.zeros(4, 3))


def seen_by_hand(net: Ensemble, e: int, x: torch.Tensor, among: torch.Tensor) -> torch.Tensor:
    """What the last layer of member e sees of its batch x (N, in), compared to the batch `among`."""

    def hidden(rows: torch.Tensor) -> torch.Tensor:
        for weight, bias in zip(net.weights[:-1], net.biases[:-1], strict=True):
            rows = LAYERS[net.activation]()(rows @ weight[e] + bias[e])
        return rows

    def compared(rows: torch.Tensor) -> torch.Tensor:
        return (rows @ net.kernels[0][e]).reshape(len(rows), -1, 5)

    mine, others = compared(hidden(x)), compared(hidden(among))
    close = [sum(torch.exp(-(row - other).abs().sum(-1)) for other in others) for row in mine]
    return torch.cat([hidden(x), torch.stack(close)], -1)


def by_hand(net: Ensemble, e: int, x: torch.Tensor, among: torch.Tensor) -> torch.Tensor:
    return seen_by_hand(net, e, x, among) @ net.weights[-1][e] + net.biases[-1][e]


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("widths", [(2, 8, 8, 1), (1, 6, 2)])
@pytest.mark.parametrize("others", [0, 7])
def test_kernels_by_hand(activation: str, widths: tuple[int, ...], others: int) -> None:
    net = discriminating(widths, activation=activation)
    x = normal(3, 10, widths[0])
    among = normal(3, others, widths[0], seed=6) if others else x
    together = net(x, among) if others else net(x)
    assert together.shape == (3, 10, widths[-1])
    assert net.features(x).shape == (3, 10, widths[-2] + 3)
    for e in range(3):
        torch.testing.assert_close(together[e], by_hand(net, e, x[e], among[e]), rtol=0, atol=1e-12)
        seen = net.features(x, among)[e]
        torch.testing.assert_close(seen, seen_by_hand(net, e, x[e], among[e]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("others", [0, 7])
def test_gradients_through_kernels_by_hand(activation: str, others: int) -> None:
    net = discriminating((2, 8, 1), activation=activation)
    x = normal(3, 10, 2).requires_grad_()
    among = normal(3, others, 2, seed=6).requires_grad_() if others else x
    sources = [*net.parameters(), x, *([among] if others else [])]
    loss = (net(x, among if others else None) ** 2).mean((1, 2)).sum()
    hand = torch.stack([(by_hand(net, e, x[e], among[e]) ** 2).mean() for e in range(3)]).sum()
    for found, expected in zip(torch.autograd.grad(loss, sources), torch.autograd.grad(hand, sources), strict=True):
        assert expected.abs().max() > 1e-6
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_among_the_batch_itself_is_the_default() -> None:
    net, x = discriminating(), normal(3, 10, 2)
    torch.testing.assert_close(net(x, among=x), net(x), rtol=0, atol=1e-14)
    torch.testing.assert_close(net.features(x, among=x), net.features(x), rtol=0, atol=1e-14)
    assert (net(x, among=normal(3, 10, 2, seed=6)) - net(x)).abs().max() > 1e-3


def test_samples_see_each_other_only_through_kernels() -> None:
    x = normal(3, 10, 2)
    changed = x.clone()
    changed[:, 5:] += 3
    for kernels in (0, 3):
        net = discriminating(kernels=kernels)
        gap = (net(x) - net(changed))[:, :5].abs().max()
        assert gap > 1e-3 if kernels else gap == 0
    among = normal(3, 7, 2, seed=6)
    for kernels in (0, 3):
        net = discriminating(kernels=kernels)
        torch.testing.assert_close(net(x, among)[:, :5], net(changed, among)[:, :5], rtol=0, atol=1e-14)
        torch.testing.assert_close(net(x, among)[:, :5], net(x[:, :5], among), rtol=0, atol=1e-14)


def test_members_with_kernels_see_their_own_batch_only() -> None:
    net, x = discriminating(), normal(3, 10, 2)
    changed = x.clone()
    changed[1] += 3
    assert torch.equal(net(x)[[0, 2]], net(changed)[[0, 2]])


def test_a_saved_net_with_kernels_comes_back() -> None:
    net, other = discriminating(), Ensemble((2, 8, 1), streams(3, seed=1), "tanh", torch.float64, 3)
    x = normal(3, 10, 2)
    assert not torch.equal(net(x), other(x))
    other.load_state_dict(net.state_dict())
    assert torch.equal(net(x), other(x))
    with pytest.raises(RuntimeError, match="kernels"):
        discriminating(kernels=0).load_state_dict(net.state_dict())


@pytest.mark.parametrize(("widths", "kernels"), [((2, 8, 1), -1), ((2, 1), 3), ((2, 1), -2)])
def test_bad_kernels(widths: tuple[int, ...], kernels: int) -> None:
    words = f"kernels must be 0, or positive with a hidden layer, got {kernels}; add a width"
    with pytest.raises(ValueError, match=re.escape(words)):
        discriminating(widths, kernels=kernels)


# --- parts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("members", [slice(1, 4), slice(0, 2), slice(None), slice(0, 5, 2)])
@pytest.mark.parametrize("kernels", [0, 3])
def test_a_part_computes_what_its_members_do(members: slice, kernels: int) -> None:
    net = discriminating(members=5, kernels=kernels)
    part, x = net.part(members), normal(5, 10, 2)
    assert part.members == len(range(5)[members])
    torch.testing.assert_close(part(x[members]), net(x)[members], rtol=0, atol=1e-14)
    whole = torch.autograd.grad((net(x) ** 2).sum(), list(net.parameters()))
    gradients = torch.autograd.grad((part(x[members]) ** 2).sum(), list(part.parameters()))
    for a, b in zip(gradients, whole, strict=True):
        torch.testing.assert_close(a, b[members], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam, torch.optim.RMSprop])
@pytest.mark.parametrize("kernels", [0, 3])
def test_training_a_part_trains_those_members_of_the_whole_alone(
    optimizer: type[torch.optim.Optimizer], kernels: int
) -> None:
    net = discriminating(members=5, kernels=kernels)
    x = normal(5, 10, 2)
    (net(x) ** 2).sum().backward()
    part, before = net.part(slice(1, 3)), [p.detach().clone() for p in net.parameters()]
    training = optimizer(part.parameters(), lr=0.1)
    for _ in range(3):
        training.zero_grad()
        (part(x[1:3]) ** 2).sum().backward()
        training.step()
    for now, start in zip(net.parameters(), before, strict=True):
        assert torch.equal(now[[0, 3, 4]], start[[0, 3, 4]])
        assert all((now[e] - start[e]).abs().max() > 1e-6 for e in (1, 2))
    torch.testing.assert_close(net(x)[1:3], part(x[1:3]), rtol=0, atol=1e-14)


def test_loading_the_whole_loads_its_parts() -> None:
    net, other = discriminating(members=5), Ensemble((2, 8, 1), streams(5, seed=1), "tanh", torch.float64, 3)
    part, x = net.part(slice(2, 5)), normal(5, 10, 2)
    net.load_state_dict(other.state_dict())
    torch.testing.assert_close(part(x[2:]), other(x)[2:], rtol=0, atol=1e-14)
    assert (part.widths, part.activation, net.members) == ((2, 8, 1), "tanh", 5)
