"""Tests of gan_edu.games: PyTorch's own losses, gradients, extremes; theorems by finite differences."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from gan_edu import js, kl
from gan_edu.densities import GaussianMixture, gaussian, ring
from gan_edu.games import GAMES, ebgan, find_game, generator_gradient

NAMES = sorted(GAMES)
CLASSIFIERS = ["minimax", "non-saturating"]  # whose generator follows a divergence against D*
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


@pytest.mark.parametrize("name", CLASSIFIERS)
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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            dict(penalty="one_sided"),
            "penalty must be None or one of ['hinge', 'one-sided', 'two-sided'], got 'one_sided'",
        ),
        (dict(output="probability"), "output must be one of ['energy', 'label', 'logit', 'score'], got 'probability'"),
    ],
)
def test_a_game_of_unknown_rules_is_refused(change: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        replace(GAMES["wgan-gp"], **change)


def test_unknown_game() -> None:
    choices = ", ".join(repr(name) for name in NAMES)
    with pytest.raises(ValueError, match=re.escape(f"unknown game 'wgan'; choose one of {choices}")):
        find_game("wgan")


# --- losses to the last digit ------------------------------------------------------------------------------------


def log1p_exp(a: float) -> float:
    """log(1 + e^a), by the branch that does not round."""
    return a + math.log1p(math.exp(-a)) if a > 0 else math.log1p(math.exp(a))


@pytest.mark.parametrize("a", [-800.0, -39.9, -30.0, -20.5, -1.0, 1.0, 19.9, 20.1, 25.0, 30.0, 36.0, 39.9, 40.1, 800.0])
def test_losses_are_exact_in_float64(a: float) -> None:
    logit, zero = torch.tensor([a], dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    exact = {"minimax": -log1p_exp(a), "non-saturating": log1p_exp(-a)}
    for name, loss in exact.items():
        assert GAMES[name].g_loss(logit).item() == pytest.approx(loss, rel=1e-15, abs=0)
        for real, fake in ((logit, zero), (zero, logit), (logit, -logit)):
            d_loss = log1p_exp(-real.item()) + log1p_exp(fake.item())
            assert GAMES[name].d_loss(real, fake).item() == pytest.approx(d_loss, rel=1e-15, abs=0)


# --- what a generator step descends ------------------------------------------------------------------------------


def descended(game: str, p: GaussianMixture, g: GaussianMixture) -> float:
    """Theorems 2.4 and 2.5 of Arjovsky and Bottou: what has the same gradient as the loss against D* held fixed."""
    return 2 * js(p, g) if game == "minimax" else kl(g, p) - 2 * js(p, g)


def by_differences(game: str, p: GaussianMixture, g: GaussianMixture, h: float) -> tuple[np.ndarray, np.ndarray]:
    """Central differences of fourth order, by the means and by the stds of g."""

    def moved(shape: tuple[int, ...], index: tuple[int, ...], step: float) -> np.ndarray:
        change = np.zeros(shape)
        change[index] = step
        return change

    def slope(along: Callable[[float], GaussianMixture]) -> float:
        f = [descended(game, p, along(k * h)) for k in (-2, -1, 1, 2)]
        return (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h)

    means = [
        slope(lambda t, i=i: GaussianMixture(g.means + moved(g.means.shape, i, t), g.stds, g.weights))
        for i in np.ndindex(g.means.shape)
    ]
    stds = [
        slope(lambda t, i=i: GaussianMixture(g.means, g.stds + moved(g.stds.shape, i, t), g.weights))
        for i in np.ndindex(g.stds.shape)
    ]
    return np.reshape(means, g.means.shape), np.array(stds)


LINES = [
    (gaussian(0.0), gaussian(1.5, 0.6)),
    (
        GaussianMixture([-1.5, 2.0], [0.5, 0.8], [0.3, 0.7]),
        GaussianMixture([-1.0, 0.5, 2.5], [0.7, 0.4, 1.1], [0.5, 0.2, 0.3]),
    ),
    (gaussian(3.0, 2.0), GaussianMixture([-1.0, 1.0], [0.5, 0.7], [0.9, 0.1])),
]


@pytest.mark.parametrize("game", CLASSIFIERS)
@pytest.mark.parametrize(("p", "g"), LINES)
def test_a_generator_step_descends_what_the_theorems_say(game: str, p: GaussianMixture, g: GaussianMixture) -> None:
    means, stds = generator_gradient(p, g, game)
    assert means.shape == g.means.shape
    assert stds.shape == g.stds.shape
    exact_means, exact_stds = by_differences(game, p, g, 5e-3)
    np.testing.assert_allclose(means, exact_means, rtol=2e-7, atol=2e-7)
    np.testing.assert_allclose(stds, exact_stds, rtol=2e-7, atol=2e-7)


@pytest.mark.parametrize("game", CLASSIFIERS)
def test_a_generator_step_in_the_plane(game: str) -> None:
    p, g = gaussian([0.0, 0.0], 1.0), GaussianMixture([[1.0, -0.5], [-0.5, 1.0]], [0.7, 1.2], [0.4, 0.6])
    exact_means, exact_stds = by_differences(game, p, g, 0.03)
    means, stds = generator_gradient(p, g, game)
    np.testing.assert_allclose(means, exact_means, atol=2e-5)
    np.testing.assert_allclose(stds, exact_stds, atol=2e-5)


def test_minimax_gradients_vanish_far_away_and_the_heuristic_s_grow() -> None:
    for far in (6.0, 10.0, 20.0):
        vanishing = generator_gradient(gaussian(0.0), gaussian(far))[0].item()
        growing = generator_gradient(gaussian(0.0), gaussian(far), "non-saturating")[0].item()
        assert 0 < vanishing < math.exp(-(far**2) / 8) * far
        assert growing == pytest.approx(far, abs=math.exp(-(far**2) / 8) * far + 1e-9)


@pytest.mark.parametrize("game", CLASSIFIERS)
def test_there_is_no_gradient_where_the_laws_agree(game: str) -> None:
    law = GaussianMixture([-1.0, 1.0], [0.5, 0.7], [0.4, 0.6])
    for gradient in generator_gradient(law, law, game):
        np.testing.assert_allclose(gradient, 0, atol=1e-12)


# --- refusals ----------------------------------------------------------------------------------------------------


REFUSALS: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: generator_gradient(gaussian(0.0), gaussian(1.0), "wgan"),
        "unknown game 'wgan'; choose one of 'ebgan', 'feature-matching', 'least-squares', 'minimax'",
    ),
    (
        lambda: generator_gradient(gaussian(0.0), ring()),
        "both densities must have the same dimension, 1 or 2, got 1 and 2",
    ),
]


@pytest.mark.parametrize(("call", "words"), REFUSALS, ids=[str(i) for i in range(len(REFUSALS))])
def test_refusals_say_what_to_do(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        call()


# --- the other games ---------------------------------------------------------------------------------------------


REAL, FAKE = torch.tensor([0.5, 2.0], dtype=torch.float64), torch.tensor([-1.0, 0.25], dtype=torch.float64)


@pytest.mark.parametrize(
    ("name", "d_loss", "g_loss"),
    [
        ("least-squares", (0.25 + 1) / 4 + (1 + 0.0625) / 4, (4 + 0.5625) / 4),
        ("wgan-clip", -0.375 - 1.25, 0.375),
        ("wgan-gp", -0.375 - 1.25, 0.375),
        ("wgan-gp-one-sided", -0.375 - 1.25, 0.375),
        ("ebgan", 1.25 + (2 + 0.75) / 2, -0.375),
    ],
)
def test_losses_by_hand(name: str, d_loss: float, g_loss: float) -> None:
    assert GAMES[name].d_loss(REAL, FAKE).item() == pytest.approx(d_loss, abs=1e-15)
    assert GAMES[name].g_loss(FAKE).item() == pytest.approx(g_loss, abs=1e-15)


def test_the_best_least_squares_d_is_the_optimal_discriminator() -> None:
    """At a point with densities p and g the loss p (d - 1)^2 + g d^2 is least at p / (p + g)."""
    p, g = 0.3, 0.9
    d = torch.linspace(-1, 2, 30001, dtype=torch.float64)
    half = torch.zeros_like(d)
    of_real = GAMES["least-squares"].d_loss(d[:, None], half[:, None]) - 0.0
    of_fake = GAMES["least-squares"].d_loss((half + 1)[:, None], d[:, None])
    assert d[(p * of_real + g * of_fake).argmin()].item() == pytest.approx(p / (p + g), abs=1e-4)


def test_an_energy_is_the_distance_from_the_reconstruction() -> None:
    x = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    assert GAMES["ebgan"].read(x + torch.tensor([3.0, 4.0]), x).tolist() == [5.0, 5.0]
    assert GAMES["wgan-gp"].read(torch.tensor([[7.0], [8.0]]), x).tolist() == [7.0, 8.0]


def test_the_margin_of_an_energy_based_game() -> None:
    game = ebgan(3.0)
    assert game.d_loss(torch.tensor([1.0]), torch.tensor([2.5])).item() == 1.5
    assert game.d_loss(torch.tensor([1.0]), torch.tensor([3.5])).item() == 1.0
    for margin in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="margin must be positive and finite"):
            ebgan(margin)


@pytest.mark.parametrize("name", ["wgan-gp", "ebgan", "feature-matching", "least-squares"])
def test_gradients_against_d_star_are_for_classifiers(name: str) -> None:
    with pytest.raises(ValueError, match=f"the game must be one of classification, such as 'minimax', got '{name}'"):
        generator_gradient(gaussian(0.0), gaussian(1.0), name)
