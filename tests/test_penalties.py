"""Tests of gan_edu.games: penalties by loops and their gradients, and matched features."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from gan_edu.games import PENALTIES, feature_matching, gradient_penalty
from gan_edu.networks import Ensemble

# --- penalties ---------------------------------------------------------------------------------------------------


def test_what_a_gradient_costs() -> None:
    norms = torch.tensor([0.0, 0.25, 1.0, 1.5, 4.0], dtype=torch.float64)
    costs = {
        "two-sided": [1.0, 0.5625, 0.0, 0.25, 9.0],
        "one-sided": [0.0, 0.0, 0.0, 0.25, 9.0],
        "hinge": [0.0, 0.0, 0.0, 0.5, 3.0],
    }
    assert {name: cost(norms).tolist() for name, cost in PENALTIES.items()} == costs


def quartic(w: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """f(x) = (w . x)^2 / 2 + |x|^4 / 4, whose gradient is (w . x) w + |x|^2 x."""
    return lambda x: (x @ w) ** 2 / 2 + (x**2).sum(-1) ** 2 / 4


def by_loop(w: np.ndarray, real: np.ndarray, fake: np.ndarray, eps: np.ndarray, one_sided: bool = False) -> float:
    costs = []
    for x, y, e in zip(real, fake, eps, strict=True):
        x_hat = e * x + (1 - e) * y
        excess = np.linalg.norm((x_hat @ w) * w + x_hat @ x_hat * x_hat) - 1
        costs.append(max(0.0, excess) ** 2 if one_sided else excess**2)
    return float(np.mean(costs))


def pairs(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    stream = torch.Generator().manual_seed(3)
    return tuple(torch.randn(*shape, generator=stream, dtype=torch.float64) / 2 for _ in range(2))


W = torch.tensor([0.8, -0.5, 0.3], dtype=torch.float64)


@pytest.mark.parametrize("one_sided", [False, True])
def test_gradient_penalty_pair_by_pair(one_sided: bool) -> None:
    real, fake = pairs(20, 3)
    eps = torch.rand(20, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    penalty = gradient_penalty(quartic(W), real, fake, one_sided, eps=eps)
    assert penalty.shape == ()
    exact = by_loop(*(t.numpy() for t in (W, real, fake, eps)), one_sided)
    assert penalty.item() == pytest.approx(exact, rel=1e-12)
    assert exact != by_loop(*(t.numpy() for t in (W, fake, real, eps)), one_sided)


def test_gradient_penalty_at_either_end() -> None:
    real, fake = pairs(20, 3)
    ones = np.ones(20)
    at_real = gradient_penalty(quartic(W), real, fake, eps=torch.ones(20, dtype=torch.float64)).item()
    at_fake = gradient_penalty(quartic(W), real, fake, eps=torch.zeros(20, dtype=torch.float64)).item()
    assert at_real == pytest.approx(by_loop(W.numpy(), real.numpy(), real.numpy(), ones), rel=1e-12)
    assert at_fake == pytest.approx(by_loop(W.numpy(), fake.numpy(), fake.numpy(), ones), rel=1e-12)


def test_one_eps_for_each_pair_and_not_for_each_coordinate() -> None:
    seen = []

    def watching(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.detach())
        return x.sum(-1)

    real, fake = torch.zeros(2, 1000, 3, dtype=torch.float64), torch.tensor([1.0, 2.0, 4.0]).double().expand(2, 1000, 3)
    gradient_penalty(watching, real, fake, generator=torch.Generator().manual_seed(0))
    rest = seen[0] / fake  # 1 - eps
    torch.testing.assert_close(rest, rest[..., :1].expand_as(rest))
    eps = 1 - rest[..., 0].flatten().numpy()
    assert len(np.unique(eps)) == 2000  # and another one for each pair and each member
    assert 0 <= eps.min() < 0.01 < 0.99 < eps.max() <= 1
    assert eps.mean() == pytest.approx(0.5, abs=4 * math.sqrt(1 / 12 / 2000))
    assert eps.var() == pytest.approx(1 / 12, abs=0.005)


def test_eps_comes_from_the_generator_alone() -> None:
    real, fake = pairs(8, 3)
    before = torch.get_rng_state()
    first, again, other = (
        gradient_penalty(quartic(W), real, fake, generator=torch.Generator().manual_seed(seed)).item()
        for seed in (1, 1, 2)
    )
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), before)
    eps = torch.rand(8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert first == gradient_penalty(quartic(W), real, fake, eps=eps).item()


@pytest.mark.parametrize("one_sided", [False, True])
def test_gradient_penalty_is_differentiable_by_the_parameters(one_sided: bool) -> None:
    real, fake = pairs(12, 3)
    eps, h = torch.linspace(0, 1, 12, dtype=torch.float64), 1e-6
    w = (2 * W).requires_grad_()
    (slope,) = torch.autograd.grad(gradient_penalty(quartic(w), real, fake, one_sided, eps=eps), w)
    numbers = [t.detach().numpy() for t in (w, real, fake, eps)]
    differences = [
        (by_loop(numbers[0] + e, *numbers[1:], one_sided) - by_loop(numbers[0] - e, *numbers[1:], one_sided)) / (2 * h)
        for e in h * np.eye(3)
    ]
    assert np.abs(differences).max() > 1e-3
    np.testing.assert_allclose(slope.numpy(), differences, rtol=1e-6, atol=1e-8)


def test_gradient_penalty_does_not_move_the_samples() -> None:
    real, fake = (t.requires_grad_() for t in pairs(4, 3))
    w = W.clone().requires_grad_()
    gradient_penalty(quartic(w), real, fake, eps=torch.full((4,), 0.5, dtype=torch.float64)).backward()
    assert w.grad is not None
    assert real.grad is None
    assert fake.grad is None


@pytest.mark.parametrize("one_sided", [False, True])
def test_gradient_penalty_of_an_ensemble_is_each_member_s_own(one_sided: bool) -> None:
    net = Ensemble([3, 8, 1], [torch.Generator().manual_seed(e) for e in range(4)], "tanh", torch.float64)
    with torch.no_grad():
        for weight in net.weights:
            weight *= 3
    real, fake = pairs(4, 10, 3)
    eps = torch.rand(4, 10, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    penalties = gradient_penalty(net, real, fake, one_sided, eps=eps)
    assert penalties.shape == (4,)
    for e in range(4):
        (w0, w1), (b0, _) = ([p[e].detach() for p in part] for part in (net.weights, net.biases))
        x_hat = eps[e, :, None] * real[e] + (1 - eps[e, :, None]) * fake[e]
        excess = ((1 - torch.tanh(x_hat @ w0 + b0) ** 2) * w1[:, 0] @ w0.T).norm(dim=-1) - 1
        cost = excess.clamp(min=0) ** 2 if one_sided else excess**2
        assert penalties[e].item() == pytest.approx(cost.mean().item(), rel=1e-12)


def test_gradient_penalty_keeps_the_dtype() -> None:
    real, fake = (t.float() for t in pairs(4, 3))
    assert gradient_penalty(quartic(W.float()), real, fake).dtype == torch.float32


# --- features ----------------------------------------------------------------------------------------------------


def test_feature_matching_is_the_squared_distance_of_the_means() -> None:
    stream = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(2, n, 5, generator=stream, dtype=torch.float64) for n in (7, 4))
    matched = feature_matching(real, fake)
    assert matched.shape == (2,)
    for e in range(2):
        gaps = [sum(real[e, :, k].tolist()) / 7 - sum(fake[e, :, k].tolist()) / 4 for k in range(5)]
        assert matched[e].item() == pytest.approx(sum(gap**2 for gap in gaps), rel=1e-12)
    torch.testing.assert_close(feature_matching(fake, real), matched)


# --- refusals ----------------------------------------------------------------------------------------------------


REFUSALS: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: gradient_penalty(quartic(W), torch.zeros(4, 3), torch.zeros(5, 3)),
        "real and fake must have one shape (..., N, d) and eps (..., N), got [(4, 3), (5, 3)]; pair them",
    ),
    (
        lambda: gradient_penalty(quartic(W), torch.zeros(3), torch.zeros(3)),
        "real and fake must have one shape (..., N, d)",
    ),
    (
        lambda: gradient_penalty(quartic(W), torch.zeros(4, 3), torch.zeros(4, 3), eps=torch.zeros(4, 1)),
        "real and fake must have one shape (..., N, d) and eps (..., N), got [(4, 3), (4, 3), (4, 1)]; pair them",
    ),
    (
        lambda: gradient_penalty(lambda x: x, torch.zeros(4, 3), torch.zeros(4, 3)),
        "the critic must return one number a point, (4,), got (4, 3); sum or pick one",
    ),
]


@pytest.mark.parametrize(("call", "words"), REFUSALS, ids=[str(i) for i in range(len(REFUSALS))])
def test_refusals_say_what_to_do(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        call()
