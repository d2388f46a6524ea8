"""Tests of gan_edu.games: PyTorch's own losses, gradients, extremes; theorems by finite differences; penalties by loops."""

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
from gan_edu.games import (
    GAMES,
    PENALTIES,
    ebgan,
    feature_matching,
    find_game,
    generator_gradient,
    gradient_penalty,
)
from gan_edu.networks import Ensemble

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


# --- losses to the last digit -------------------------------------------------------------------------------------


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


# --- what a generator step descends -------------------------------------------------------------------------------


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


# --- penalties ----------------------------------------------------------------------------------------------------


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


# --- features -----------------------------------------------------------------------------------------------------


def test_feature_matching_is_the_squared_distance_of_the_means() -> None:
    stream = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(2, n, 5, generator=stream, dtype=torch.float64) for n in (7, 4))
    matched = feature_matching(real, fake)
    assert matched.shape == (2,)
    for e in range(2):
        gaps = [sum(real[e, :, k].tolist()) / 7 - sum(fake[e, :, k].tolist()) / 4 for k in range(5)]
        assert matched[e].item() == pytest.approx(sum(gap**2 for gap in gaps), rel=1e-12)
    torch.testing.assert_close(feature_matching(fake, real), matched)


# --- refusals -----------------------------------------------------------------------------------------------------

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


# --- the other games ------------------------------------------------------------------------------------------------

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
