"""Tests of gan_edu.games: PyTorch's own losses, gradients, extremes."""

from __future__ import annotations

import math
import re

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from gan_edu.games import GAMES, find_game

NAMES = sorted(GAMES)
LOGITS = torch.linspace(-12, 12, 49, dtype=torch.float64)


def batches() -> tuple[torch.Tensor, torch.Tensor]:
    stream = torch.Generator().manual_seed(0)
    return tuple(3 * torch.randn(4, 32, generator=stream, dtype=torch.float64) for _ in range(2))


@pytest.mark.parametrize("name", ["minimax", "non-saturating"])
def test_loss_of_d_is_the_sum_of_pytorch_s_cross_entropies(name: str) -> None:
    real, fake = batches()
    bce = [
        binary_cross_entropy_with_logits(r, torch.ones_like(r))
        + binary_cross_entropy_with_logits(f, torch.zeros_like(f))
        for r, f in zip(real, fake, strict=True)
    ]
    torch.testing.assert_close(GAMES[name].d_loss(real, fake), torch.stack(bce), rtol=1e-12, atol=1e-12)


def test_losses_of_g_are_log_sigmoids() -> None:
    _, fake = batches()
    torch.testing.assert_close(GAMES["minimax"].g_loss(fake), logsigmoid(-fake).mean(-1), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(GAMES["non-saturating"].g_loss(fake), -logsigmoid(fake).mean(-1), rtol=1e-12, atol=1e-12)


def test_minimax_is_zero_sum_up_to_the_term_without_g() -> None:
    real, fake = batches()
    other = GAMES["minimax"].d_loss(real, fake) + GAMES["minimax"].g_loss(fake)
    torch.testing.assert_close(other, -logsigmoid(real).mean(-1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_losses_and_gradients_are_finite_at_extreme_logits(name: str, dtype: torch.dtype) -> None:
    far = torch.tensor([-800.0, 800.0], dtype=dtype, requires_grad=True)
    for loss in (GAMES[name].d_loss(far, far), GAMES[name].g_loss(far)):
        (slope,) = torch.autograd.grad(loss, far)
        assert loss.dtype == dtype
        assert loss.isfinite()
        assert slope.isfinite().all()
    assert GAMES["minimax"].d_loss(far, far).item() == 800.0  # both halves are half wrong by 800 nats


@pytest.mark.parametrize("name", NAMES)
def test_an_undecided_d_loses_log_4(name: str) -> None:
    half = torch.zeros(2, 8, dtype=torch.float64)
    assert GAMES[name].d_loss(half, half).tolist() == pytest.approx([math.log(4)] * 2, abs=1e-15)


def test_an_undecided_d_costs_g_log_2() -> None:
    half = torch.zeros(8, dtype=torch.float64)
    assert float(GAMES["minimax"].g_loss(half)) == pytest.approx(-math.log(2), abs=1e-15)
    assert float(GAMES["non-saturating"].g_loss(half)) == pytest.approx(math.log(2), abs=1e-15)


def slopes(loss, logits: torch.Tensor) -> torch.Tensor:
    a = logits.clone().requires_grad_()
    return torch.autograd.grad(loss(a[:, None]).sum(), a)[0]


def test_gradients_with_respect_to_logits() -> None:
    d = torch.sigmoid(LOGITS)
    torch.testing.assert_close(slopes(GAMES["minimax"].g_loss, LOGITS), -d, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(slopes(GAMES["non-saturating"].g_loss, LOGITS), -(1 - d), rtol=1e-9, atol=1e-12)
    zero = torch.zeros(49, 1, dtype=torch.float64)
    torch.testing.assert_close(
        slopes(lambda a: GAMES["minimax"].d_loss(a, zero), LOGITS), -(1 - d), rtol=1e-9, atol=1e-12
    )
    torch.testing.assert_close(slopes(lambda a: GAMES["minimax"].d_loss(zero, a), LOGITS), d, rtol=1e-9, atol=1e-12)


def test_minimax_saturates_where_d_is_sure_and_the_heuristic_does_not() -> None:
    sure = torch.tensor([-20.0], dtype=torch.float64)  # D is sure that the sample is generated
    assert abs(float(slopes(GAMES["minimax"].g_loss, sure))) < 1e-8
    assert float(slopes(GAMES["non-saturating"].g_loss, sure)) == pytest.approx(-1, abs=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_losses_are_means_over_the_last_axis_alone(name: str) -> None:
    real, fake = batches()
    assert GAMES[name].d_loss(real, fake).shape == GAMES[name].g_loss(fake).shape == (4,)
    twice = torch.cat([fake, fake], -1)
    torch.testing.assert_close(GAMES[name].g_loss(twice), GAMES[name].g_loss(fake))
    torch.testing.assert_close(GAMES[name].d_loss(real, twice), GAMES[name].d_loss(real, fake))


@pytest.mark.parametrize("name", NAMES)
def test_games_are_found_by_their_own_names(name: str) -> None:
    assert find_game(name) is GAMES[name]
    assert GAMES[name].name == name
    assert GAMES[name].minimises
    assert re.search(r"\(\d{4}\)", GAMES[name].source)


def test_unknown_game() -> None:
    choices = ", ".join(repr(name) for name in NAMES)
    with pytest.raises(ValueError, match=re.escape(f"unknown game 'wgan'; choose one of {choices}")):
        find_game("wgan")
