"""Tests of gan_edu.games: what a reader's own game must be, and the slopes that the trainer takes from a table."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from gan_edu.games import GAMES, PENALTIES, SLOPES, Game, check_losses, find_game, square


def good_d(d_real: Tensor, d_fake: Tensor) -> Tensor:
    return softplus(-d_real).mean(-1) + softplus(d_fake).mean(-1)


def good_g(d_fake: Tensor) -> Tensor:
    return softplus(-d_fake).mean(-1)


def game(d_loss: Callable[..., Any] = good_d, g_loss: Callable[..., Any] = good_g, **rules: Any) -> Game:
    return Game("mine", d_loss, g_loss, "", "", **rules)


# --- losses of one's own -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", sorted(GAMES))
def test_the_games_of_the_book_pass(name: str, dtype: torch.dtype) -> None:
    check_losses(GAMES[name], dtype=dtype)
    if GAMES[name].penalty:
        for penalty in PENALTIES:
            check_losses(replace(GAMES[name], penalty=penalty), dtype=dtype)


def noisy(d_real: Tensor, d_fake: Tensor) -> Tensor:
    """Labels that are smoothed at random, another number at each call."""
    labels = 0.9 + 0.1 * torch.rand_like(d_real)
    return binary_cross_entropy_with_logits(d_real, labels, reduction="none").mean(-1) + softplus(d_fake).mean(-1)


@pytest.mark.parametrize(
    "own",
    [
        game(noisy),
        game(lambda r, f: r.sum(-1) - f.sum(-1)),
        game(lambda r, f: softplus(f - r.mean(-1, keepdim=True)).mean(-1)),  # a relativistic average
        game(lambda r, f: 0 * r.mean(-1)),  # a constant, as the refusal tells to write it
        game(lambda r, f: torch.stack([good_d(*pair) for pair in zip(r, f, strict=True)])),
        game(lambda r, f: f.mean(-1) - r.mean(-1).detach()),
        game(g_loss=lambda f: f.mean(), match_features=True),  # never called
        game(lambda r, f: r.log().mean(-1) + f.sqrt().mean(-1), output="energy"),  # energies are positive
    ],
)
def test_a_game_that_can_be_trained_passes(own: Game) -> None:
    before = torch.get_rng_state()
    with torch.no_grad():
        check_losses(own)
    with torch.inference_mode():
        check_losses(own)
    assert torch.equal(torch.get_rng_state(), before)


MEAN = "take the mean over the last axis alone, .mean(-1)"
SHAPE = "of game 'mine' must return shape (3,) for numbers of shape (3, 5), one loss a member, got"
MIXED = f"of game 'mine' must give one loss a member from its own numbers, got one that mixes them; {MEAN}"
CUT = (
    "of game 'mine' must be differentiable by D's numbers, got one that is cut off from them; leave out detach, item, "
    "no_grad and NumPy, and write a constant as 0 * d.mean(-1)"
)


def without_gradients(d_fake: Tensor) -> Tensor:
    with torch.no_grad():
        return d_fake.mean(-1)


LOSSES: list[tuple[Game, str]] = [
    (game(lambda r, f: f.mean() - r.mean()), f"d_loss {SHAPE} shape (); {MEAN}"),
    (game(g_loss=lambda f: -f.mean()), f"g_loss {SHAPE} shape (); {MEAN}"),
    (game(lambda r, f: binary_cross_entropy_with_logits(r, torch.ones_like(r))), f"d_loss {SHAPE} shape (); {MEAN}"),
    (game(g_loss=lambda f: f), f"g_loss {SHAPE} shape (3, 5); {MEAN}"),
    (game(g_loss=lambda f: f.mean(0)), f"g_loss {SHAPE} shape (5,)"),
    (game(g_loss=lambda f: f.mean(-1, keepdim=True)), f"g_loss {SHAPE} shape (3, 1)"),
    (game(g_loss=lambda f: f.mean().item()), f"g_loss {SHAPE} type float; {MEAN}"),
    (game(g_loss=lambda f: f.detach().numpy().mean(-1)), f"g_loss {SHAPE} type ndarray"),
    (game(lambda r, f: f.mean(-1) - r.mean()), f"d_loss {MIXED}"),
    (game(g_loss=lambda f: f.mean().expand(3)), f"g_loss {MIXED}"),
    (game(g_loss=lambda f: f.mean(-1).softmax(0)), f"g_loss {MIXED}"),
    (game(g_loss=lambda f: (f - f.mean().detach()).mean(-1)), f"g_loss {MIXED}"),  # no gradient tells of it
    (game(g_loss=lambda f: f.flip(0).mean(-1)), f"g_loss {MIXED}"),
    (game(g_loss=lambda f: torch.cat([f[:2].mean(-1), f[1:].mean()[None]])), f"g_loss {MIXED}"),  # the last one alone
    (game(lambda r, f: torch.cat([(f - r)[:2].mean(-1), (f[2:] - r[:1]).mean(-1)])), f"d_loss {MIXED}"),
    (
        game(g_loss=lambda f: torch.cat([f[:2].mean(-1), f[2:].mean(-1) / 0])),
        "must be finite, and its gradient too, got",
    ),
    (game(g_loss=lambda f: f.mean(-1).detach()), f"g_loss {CUT}"),
    (game(g_loss=without_gradients), f"g_loss {CUT}"),
    (game(lambda r, f: torch.zeros(3)), f"d_loss {CUT}"),
    (game(lambda r, f: -r.log().mean(-1)), "d_loss of game 'mine' must be finite, and its gradient too, got nan for"),
    (
        game(g_loss=lambda f: (0 * f).sqrt().mean(-1)),
        "g_loss of game 'mine' must be finite, and its gradient too, got 0",
    ),
    (game(g_loss=lambda f: f.mean(-1) + torch.inf), "D's numbers are no probabilities: for a logit a, log D is"),
]


@pytest.mark.parametrize(("own", "words"), LOSSES, ids=[str(i) for i in range(len(LOSSES))])
def test_a_game_that_cannot_be_trained_is_refused(own: Game, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        check_losses(own)


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        (
            lambda n: (n**2).mean(),
            "must return shape (3, 5) for numbers of shape (3, 5), one charge a norm, got shape ()",
        ),
        (lambda n: (n**2).mean(-1), "got shape (3,); leave out means and sums"),
        (lambda n: n - n.mean(), "must give one charge a norm from its own numbers, got one that mixes them"),
        (lambda n: (n**2).detach(), "must be differentiable by D's numbers"),
        (lambda n: (n - 100).log(), "must be finite, and its gradient too, got nan for numbers from 0."),
    ],
)
def test_a_penalty_of_one_s_own(monkeypatch: pytest.MonkeyPatch, cost: Callable[[Tensor], Tensor], words: str) -> None:
    monkeypatch.setitem(PENALTIES, "flat", lambda n: n**3)
    check_losses(game(penalty="flat"))
    monkeypatch.setitem(PENALTIES, "flat", cost)
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        check_losses(game(penalty="flat"))
    assert str(caught.value).startswith("penalty 'flat' of game 'mine' must ")


def test_an_error_of_a_loss_itself_is_passed_on() -> None:
    def broken(d_fake: Tensor) -> Tensor:
        raise ZeroDivisionError("a reader's mistake")

    with pytest.raises(ZeroDivisionError, match="a reader's mistake"):
        check_losses(game(g_loss=broken))


def test_a_game_that_is_not_registered_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=re.escape("or register your own by GAMES['mine'] = Game(...)")):
        find_game("mine")
    monkeypatch.setitem(GAMES, "mine", game())
    assert find_game("mine").d_loss is good_d


# --- slopes from the table ---------------------------------------------------------------------------------------


def by_autograd(loss: Callable[..., Tensor], given: list[Tensor]) -> list[Tensor]:
    given = [x.clone().requires_grad_() for x in given]
    return list(torch.autograd.grad(loss(*given).sum(), given))


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("player", ["d_loss", "g_loss"])
@pytest.mark.parametrize("name", sorted(GAMES))
def test_the_slopes_of_losses_are_autograd_s(name: str, player: str, scale: float) -> None:
    loss = getattr(GAMES[name], player)
    if loss not in SLOPES:
        assert name == "ebgan", "its losses are made with their margin; all others have their slopes in the table"
        return
    stream = torch.Generator().manual_seed(1)
    given = [scale * torch.randn(4, 9, generator=stream, dtype=torch.float64) for _ in range(1 + (player == "d_loss"))]
    for slope, exact in zip(SLOPES[loss](*given), by_autograd(loss, given), strict=True):
        np.testing.assert_allclose(slope.numpy() / 9, exact.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("cost", [square, *PENALTIES.values()])
def test_the_slopes_of_penalties_are_autograd_s(cost: Callable[[Tensor], Tensor]) -> None:
    norms = 3 * torch.rand(4, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    if cost not in SLOPES:
        assert cost is PENALTIES["hinge"]
        return
    torch.testing.assert_close(SLOPES[cost](norms)[0], by_autograd(cost, [norms])[0], rtol=1e-12, atol=1e-15)
