"""An ensemble is E separate trainings in plain PyTorch; who learns and who does not; members that diverge."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from trainings import DATA, EXACT, TINY, by_hand, furthest, identical, parameters, poisoned

from gan_edu.densities import GaussianMixture, Uniform, gaussian, ring, swiss_roll
from gan_edu.games import GAMES
from gan_edu.training import loop, settings, train

SEPARATE = [
    *[dict(game=game, critic_steps=k) for game in sorted(GAMES) for k in (1, 3)],
    dict(game="wgan-gp", penalty_weight=0.1, optimizer="rmsprop"),
    dict(game="wgan-clip", clip=0.05, optimizer="rmsprop", critic_steps=2),
    dict(game="minimax", r1=0.7),
    dict(game="non-saturating", instance_noise=0.3),
    dict(game="feature-matching", instance_noise=0.3, r1=0.1),
    dict(game="non-saturating", pack=2, instance_noise=0.3),
    dict(game="wgan-gp", pack=4, critic_steps=2),
    dict(game="ebgan", pack=2),
    dict(game="minimax", kernels=2),
    dict(game="wgan-clip", kernels=1, pack=2),
    dict(game="wgan-gp", activation="tanh"),
    dict(game="wgan-gp", activation="relu", r1=0.3),
    dict(game="minimax", activation="softplus", r1=0.7),
    dict(game="minimax", activation="relu", r1=0.7),
    dict(game="non-saturating", optimizer="sgd", lr_decay=0.2, critic_steps=2),
    dict(game="wgan-gp", lr_decay=0.1),
    dict(game="minimax", smoothing=0.1),
    dict(game="minimax", smoothing=0.1, kernels=1),
    dict(game="least-squares", latent="uniform", latent_dim=3),
]


@pytest.mark.parametrize("settings", SEPARATE, ids=["-".join(map(str, each.values())) for each in SEPARATE])
def test_an_ensemble_equals_separate_trainings(settings: dict[str, Any]) -> None:
    run = train(DATA, **{**EXACT, "steps": 30}, lr_d=2e-3, betas=(0.4, 0.95), **settings)
    for e in range(3):
        G, D, record = by_hand(run.config, DATA, 1, e)
        assert furthest(parameters(run.generator, e), G) < 1e-10
        assert furthest(parameters(run.discriminator, e), D) < 1e-10
        d, g = np.array(record["d"]).reshape(3, -1), np.array(record["g"]).reshape(3, -1)
        np.testing.assert_allclose(run.d_loss[1:, e], d.mean(1), atol=1e-10)
        np.testing.assert_allclose(run.g_loss[1:, e], g.mean(1), atol=1e-10)


@pytest.mark.parametrize("game", ["non-saturating", "wgan-gp", "feature-matching", "ebgan"])
@pytest.mark.parametrize("pack", [1, 2])
def test_conditional_trainings_equal_separate_ones(game: str, pack: int) -> None:
    x, y = swiss_roll(60, generator=0), np.arange(60) % 3
    run = train(x, labels=y, **EXACT, game=game, pack=pack, r1=0.2)
    assert run.config.classes == 3
    rows = np.hstack([x, np.eye(3)[y]])
    for e in range(3):
        G, D, _ = by_hand(run.config, rows, 2, e)
        assert furthest(parameters(run.generator, e), G) < 1e-10
        assert furthest(parameters(run.discriminator, e), D) < 1e-10


@pytest.mark.parametrize("game", ["minimax", "wgan-gp"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_blocks_of_members_equal_one_block(monkeypatch: pytest.MonkeyPatch, game: str, size: int) -> None:
    given = {**EXACT, "members": 5, "game": game, "record": settings.RECORDS[:4], "steps": 30}
    whole = train(DATA, **given)
    monkeypatch.setattr(loop, "BLOCK", size)
    parts = train(DATA, **given)
    for name in ("steps", "samples", "d_output", "d_loss", "g_loss", "diverged"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=0, atol=1e-12)
    for name, values in whole.records.items():
        np.testing.assert_allclose(parts.records[name], values, rtol=0, atol=1e-10)


UNEQUAL = GaussianMixture([[-2.0, 5.0], [1.0, -1.0], [4.0, 0.0]], [0.2, 0.5, 1.0], [0.1, 0.6, 0.3])
OTHER_DATA = {"rows": ring(4, std=0.1).sample(50, generator=0), "mixture": UNEQUAL, "uniform": Uniform(-1.0, 4.0)}


@pytest.mark.parametrize("data", OTHER_DATA.values(), ids=OTHER_DATA)
def test_an_ensemble_equals_separate_trainings_on_other_data(data: Any) -> None:
    """Examples and unequal components in the plane, and what has no components."""
    run = train(data, **EXACT)
    for e in range(3):
        G, D, _ = by_hand(run.config, data, 1 if isinstance(data, Uniform) else 2, e)
        assert furthest(parameters(run.generator, e), G) < 1e-10
        assert furthest(parameters(run.discriminator, e), D) < 1e-10


@pytest.mark.parametrize("p_g", [gaussian(1.0, 2.0), GaussianMixture([0.0, 3.0], [0.5, 2.0], [0.2, 0.8])])
def test_a_discriminator_alone_equals_separate_trainings(p_g: GaussianMixture) -> None:
    run = train(DATA, p_g=p_g, **EXACT)
    for e in range(3):
        G, D, record = by_hand(run.config, DATA, 1, e, p_g)
        assert furthest(parameters(run.generator, e), G) == 0
        assert furthest(parameters(run.discriminator, e), D) < 1e-10
        assert record["g"] == []


def test_a_member_does_not_depend_on_how_many_there_are() -> None:
    few, many = train(DATA, **{**EXACT, "steps": 30}), train(DATA, **{**EXACT, "steps": 30, "members": 5})
    for name in ("d_loss", "g_loss", "samples", "d_output"):
        np.testing.assert_allclose(getattr(few, name), getattr(many, name)[:, :3], atol=1e-9)
    for name in ("generator", "discriminator"):
        assert furthest(parameters(getattr(few, name)), parameters(getattr(many, name), slice(3))) < 1e-9


def test_members_are_independent_of_each_other() -> None:
    run = train(DATA, **EXACT)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert furthest(parameters(run.generator, a), parameters(run.generator, b)) > 1e-3
        assert abs(run.d_loss[1, a] - run.d_loss[1, b]) > 1e-6


def test_the_step_of_g_leaves_d_alone() -> None:
    start = train(DATA, **{**TINY, "steps": 0})
    run = train(DATA, **TINY, critic_steps=0)
    assert identical(parameters(run.discriminator), parameters(start.discriminator))
    assert not identical(parameters(run.generator), parameters(start.generator))
    assert all(p.grad is None for p in run.discriminator.parameters())
    assert np.isnan(run.d_loss).all()
    assert np.isfinite(run.g_loss[1:]).all()
    assert (run.d_output == run.d_output[0]).all()


def test_a_frozen_g_stands_still() -> None:
    start = train(DATA, **{**TINY, "steps": 0})
    run = train(DATA, **TINY, generator_steps=0)
    assert identical(parameters(run.generator), parameters(start.generator))
    assert not identical(parameters(run.discriminator), parameters(start.discriminator))
    assert all(p.grad is None for p in run.generator.parameters())  # the step of D sends no gradient into G
    assert np.isnan(run.g_loss).all()
    assert (run.samples == run.samples[0]).all()


def test_a_given_p_g_takes_the_place_of_g() -> None:
    start = train(DATA, **{**TINY, "steps": 0})
    run = train(DATA, p_g=gaussian(0.0, 2.0), **TINY)
    assert run.config.generator_steps == 0
    assert identical(parameters(run.generator), parameters(start.generator))
    assert not identical(parameters(run.discriminator), parameters(start.discriminator))


def test_a_discriminator_alone_approaches_the_optimal_one() -> None:
    p, g = gaussian(0.0), gaussian(2.0)
    x = np.linspace(-1, 3, 41)
    run = train(p, p_g=g, **{**TINY, "steps": 300, "batch_size": 128}, lr_d=1e-2, points=x)
    best = p.prob(x) / (p.prob(x) + g.prob(x))
    assert np.abs(run.d_output[-1] - best).max() < 0.15
    assert np.abs(run.d_output[0] - best).max() > 0.3


@pytest.mark.parametrize("player", [0, 1], ids=["G", "D"])
@pytest.mark.parametrize("at", [0, 4])
def test_a_member_that_diverges_is_frozen_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, at: int, player: int
) -> None:
    run, seen = poisoned(monkeypatch, at, player)
    healthy = train(DATA, **{**EXACT, "steps": 8, "snapshots": 8})
    assert run.diverged.tolist() == [-1, at + 1, -1]
    assert not run.interrupted
    assert run.steps[-1] == 8
    # Neither gradients nor momentum moved it any more.
    assert identical(parameters(run.generator, 1) + parameters(run.discriminator, 1), seen)
    for e in (0, 2):
        for name in ("generator", "discriminator"):
            assert furthest(parameters(getattr(run, name), e), parameters(getattr(healthy, name), e)) < 1e-12
        np.testing.assert_allclose(run.samples[:, e], healthy.samples[:, e], atol=1e-12)
        np.testing.assert_allclose(run.d_loss[:, e], healthy.d_loss[:, e], atol=1e-12)
    assert healthy.diverged.tolist() == [-1, -1, -1]


def test_a_step_size_that_overflows_ends_the_training() -> None:
    run = train(DATA, **{**TINY, "steps": 50}, lr_d=1e30, lr_g=1e30)
    assert (run.diverged > 0).all()
    assert run.steps[-1] == run.diverged.max() < 50  # nobody is left
