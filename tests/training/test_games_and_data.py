"""Every game, a reader's own, and other data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from trainings import DATA, EXACT, TINY, parameters, same_runs

from gan_edu.densities import digits, parallel_line, ring, swiss_roll
from gan_edu.games import GAMES, PENALTIES, Game
from gan_edu.training import Run, train


def test_clipped_weights_stay_in_their_bounds() -> None:
    run = train(DATA, **EXACT, game="wgan-clip", clip=0.03)
    largest = [float(p.abs().max()) for p in parameters(run.discriminator)]
    assert max(largest) == 0.03  # in float64 exactly, and some weight has arrived
    assert max(float(p.abs().max()) for p in parameters(run.generator)) > 0.03


def test_the_games_own_weights_are_the_papers() -> None:
    assert GAMES["wgan-clip"].clip == 0.01
    assert [GAMES[name].penalty_weight for name in ("wgan-gp", "wgan-gp-one-sided")] == [10.0, 10.0]
    explicit = train(DATA, **EXACT, game="wgan-gp", penalty_weight=10.0)
    assert same_runs(train(DATA, **EXACT, game="wgan-gp"), explicit)
    assert not same_runs(train(DATA, **EXACT, game="wgan-gp", penalty_weight=0.0), explicit)


@pytest.mark.parametrize(
    ("game", "zero", "without"),
    [
        ("wgan-clip", "clip", dict(clip=None)),
        ("wgan-gp", "penalty_weight", dict(penalty=None)),
        ("wgan-gp-one-sided", "penalty_weight", dict(penalty=None)),
    ],
)
def test_zero_turns_off_what_the_game_has_of_its_own(
    monkeypatch: pytest.MonkeyPatch, game: str, zero: str, without: dict[str, Any]
) -> None:
    """Zero is a weight, and not the absence of one: the game's own would come in its place."""
    monkeypatch.setitem(GAMES, "without", replace(GAMES[game], **without))
    how: dict[str, Any] = dict(**EXACT, lr_d=0.1)  # steep enough for each penalty to be felt
    off = train(DATA, **how, game=game, **{zero: 0})
    assert same_runs(off, train(DATA, **how, game="without"))
    assert not same_runs(off, train(DATA, **how, game=game))


def test_what_d_outputs_is_recorded_by_its_kind() -> None:
    runs = {name: train(DATA, **TINY, game=name) for name in ("minimax", "wgan-gp", "ebgan")}
    for run in runs.values():
        at = torch.from_numpy(run.points).to(torch.float32)
        numbers = GAMES[run.config.game].read(run.discriminator(at.expand(3, -1, -1)), at).detach().double()
        expected = torch.sigmoid(numbers) if run.config.game == "minimax" else numbers
        np.testing.assert_allclose(run.d_output[-1], expected.numpy(), atol=1e-6)
    assert runs["ebgan"].discriminator.widths == (1, 8, 8, 1)
    assert (runs["ebgan"].d_output >= 0).all()
    assert (runs["wgan-gp"].d_output < 0).any()


def test_an_autoencoder_in_the_plane_survives_saving(tmp_path: Any) -> None:
    run = train(ring(4, std=0.1), **TINY, game="ebgan")
    assert run.discriminator.widths == (2, 8, 8, 2)
    run.save(tmp_path / "run.npz")
    assert same_runs(run, Run.load(tmp_path / "run.npz"))


def test_a_reader_s_own_game(monkeypatch: pytest.MonkeyPatch) -> None:
    copy = GAMES["minimax"]
    monkeypatch.setitem(GAMES, "mine", Game("mine", copy.d_loss, copy.g_loss, "the same", "this test"))
    mine, theirs = train(DATA, **EXACT, game="mine"), train(DATA, **EXACT, game="minimax")
    np.testing.assert_array_equal(mine.samples, theirs.samples)


def test_a_reader_s_own_penalty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer charges what the game's penalty says, whatever it is."""
    monkeypatch.setitem(PENALTIES, "flat", lambda norm: norm**2)
    for name in ("hinge", "flat"):
        monkeypatch.setitem(GAMES, name, replace(GAMES["wgan-gp"], name=name, penalty=name))

    def points(game: str, weight: float) -> Any:
        return train(DATA, **EXACT, game=game, penalty_weight=weight, critic_steps=20).d_output

    free, hinge, flat, two_sided = (
        points(*each) for each in (("flat", 0.0), ("hinge", 9.0), ("flat", 9.0), ("wgan-gp", 9.0))
    )
    np.testing.assert_array_equal(hinge, free)  # the slopes stay below 1
    assert not np.array_equal(two_sided, free)
    steep = [np.abs(np.diff(values[-1], axis=-1)).max(-1) for values in (flat, free)]
    assert (steep[0] < steep[1]).all()


def test_instance_noise_reaches_d_alone() -> None:
    """What is recorded of G are its images without noise."""
    quiet, loud = (train(DATA, **{**EXACT, "steps": 1, "snapshots": 1}, instance_noise=std) for std in (0.0, 5.0))
    np.testing.assert_array_equal(quiet.samples[0], loud.samples[0])
    assert not np.array_equal(quiet.samples[1], loud.samples[1])


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_members_frozen_under_a_penalty_stay_finite(optimizer: str) -> None:
    settings = {**EXACT, "steps": 40, "game": "wgan-gp", "optimizer": optimizer, "lr_d": 1e150}
    run = train(DATA, **settings)
    assert (run.diverged > 0).all()
    assert all(p.isfinite().all() for p in parameters(run.generator))


@pytest.mark.parametrize("data", [swiss_roll(50, generator=0), parallel_line(0.5, 50, generator=0), digits()[0]])
@pytest.mark.parametrize("game", ["wgan-gp", "ebgan"])
def test_other_data(data: np.ndarray, game: str) -> None:
    run = train(data, **TINY, game=game)
    assert run.samples.shape == (4, 3, 4096, data.shape[1])
    assert (run.diverged == -1).all()


@pytest.mark.parametrize("game", sorted(GAMES))
def test_one_thread_or_two_give_the_same_run(game: str) -> None:
    threads = torch.get_num_threads()
    runs = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            runs.append(train(DATA, **EXACT, game=game))
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_allclose(runs[0].samples, runs[1].samples, rtol=0, atol=1e-12)
    np.testing.assert_allclose(runs[0].d_output, runs[1].d_output, rtol=0, atol=1e-12)
