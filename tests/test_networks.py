"""Tests of gan_edu.networks: an ensemble is E separate networks."""

from __future__ import annotations

import math
import re

import pytest
import torch
from shared import plain

from gan_edu.networks import ACTIVATIONS, Ensemble


def streams(count: int, seed: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(100 * seed + e) for e in range(count)]


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
    words = "unknown activation 'gelu'; choose one of 'relu', 'softplus', 'tanh'"
    with pytest.raises(ValueError, match=re.escape(words)):
        Ensemble((1, 1), streams(1), "gelu")
