"""The same seed gives the same run; runs that end early or go on from others; every refusal."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from trainings import DATA, EXACT, TINY, identical, parameters, same_runs

from gan_edu.densities import gaussian, ring
from gan_edu.training import Run, algorithm, train


def test_the_same_seed_gives_the_same_run(run: Run) -> None:
    assert same_runs(run, train(DATA, **TINY))
    assert not same_runs(run, train(DATA, **TINY, seed=1))


def test_global_state_is_left_alone() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()  # noqa: NPY002
    train(DATA, **TINY)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
    assert torch.get_num_threads() == before[2]
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()


def test_float32_unless_asked(run: Run) -> None:
    assert {p.dtype for p in run.generator.parameters()} == {torch.float32}
    assert {p.dtype for p in train(DATA, **EXACT).discriminator.parameters()} == {torch.float64}
    assert run.samples.dtype == np.float32
    assert run.d_output.dtype == run.d_loss.dtype == np.float64
    assert train(DATA, **EXACT).samples.dtype == np.float64


def test_training_on_the_chosen_device(device: str) -> None:
    run = train(DATA, **{**TINY, "device": device})
    assert np.isfinite(run.samples).all()
    assert {p.device.type for p in [*run.generator.parameters(), *run.discriminator.parameters()]} == {
        "cpu"
    }  # moved back


def test_ctrl_c_keeps_the_run() -> None:
    def stop(step: int, samples: np.ndarray, d: np.ndarray) -> None:
        if step == 4:
            raise KeyboardInterrupt

    words = "^training interrupted at step 4 of 6; the run holds what was computed$"
    with pytest.warns(UserWarning, match=words) as caught:
        run = train(DATA, **TINY, on_snapshot=stop)
    assert caught[0].filename == __file__
    whole = train(DATA, **TINY)
    assert run.interrupted
    assert not whole.interrupted
    assert run.steps.tolist() == [0, 2, 4]
    assert (run.samples == whole.samples[:3]).all()
    assert (run.d_loss[1:] == whole.d_loss[1:3]).all()


def test_ctrl_c_between_snapshots_records_the_last_step(monkeypatch: pytest.MonkeyPatch) -> None:
    step = algorithm.Player.step
    calls: list[int] = []

    def interrupt(self: Any, *args: Any) -> Any:
        calls.append(1)
        if len(calls) == 7:  # the step of D in the fourth round
            raise KeyboardInterrupt
        return step(self, *args)

    monkeypatch.setattr(algorithm.Player, "step", interrupt)
    with pytest.warns(UserWarning, match="training interrupted at step 3 of 6"):
        run = train(DATA, **TINY)
    assert run.steps.tolist() == [0, 2, 3]
    assert run.interrupted
    assert np.isfinite(run.generate(10)).all()


def test_on_snapshot_sees_the_run_and_can_stop_it() -> None:
    seen: list[tuple[int, np.ndarray, np.ndarray]] = []

    def watch(step: int, samples: np.ndarray, d: np.ndarray) -> bool:
        seen.append((step, samples, d))
        return step >= 2

    run = train(DATA, **TINY, on_snapshot=watch)
    assert run.interrupted
    assert run.steps.tolist() == [step for step, _, _ in seen] == [0, 2]
    for t, (_, samples, d) in enumerate(seen):
        assert (samples == run.samples[t]).all()
        assert (d == run.d_output[t]).all()


@pytest.mark.parametrize(
    ("steps", "snapshots", "recorded"), [(7, 3, [0, 2, 5, 7]), (2, 20, [0, 1, 2]), (5, 1, [0, 5]), (0, 4, [0])]
)
def test_snapshots_are_evenly_spaced_up_to_the_last_step(steps: int, snapshots: int, recorded: list[int]) -> None:
    run = train(DATA, **{**TINY, "steps": steps, "snapshots": snapshots})
    assert run.steps.tolist() == recorded
    every = train(DATA, **{**TINY, "steps": steps, "snapshots": max(steps, 1)})
    for now, t in enumerate(recorded):  # each is of its own moment
        np.testing.assert_array_equal(run.samples[now], every.samples[t])
        np.testing.assert_array_equal(run.d_output[now], every.d_output[t])


def test_a_stop_at_the_last_step_interrupts_nothing() -> None:
    last = train(DATA, **TINY, on_snapshot=lambda step, *_: step == 6)
    assert (last.steps[-1], last.interrupted) == (6, False)
    assert train(DATA, **TINY, on_snapshot=lambda step, *_: step == 4).interrupted


def test_other_errors_of_on_snapshot_are_not_swallowed() -> None:
    def broken(step: int, samples: np.ndarray, d: np.ndarray) -> None:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        train(DATA, **TINY, on_snapshot=broken)


def test_init_goes_on_from_a_run(run: Run) -> None:
    on = train(DATA, init=run, steps=0)
    assert identical(parameters(on.generator), parameters(run.generator))
    assert identical(parameters(on.discriminator), parameters(run.discriminator))
    assert (on.samples[0] == run.samples[-1]).all()
    assert on.config.hidden == run.config.hidden
    before = parameters(run.generator)
    further = train(DATA, init=run, steps=3)
    assert not identical(parameters(further.generator), before)
    assert identical(parameters(run.generator), before)  # the run that was given is not changed


def test_init_from_a_discriminator_alone_lets_g_learn_again() -> None:
    alone = train(DATA, p_g=gaussian(), **TINY)
    on = train(DATA, init=alone)
    assert on.config.generator_steps == 1
    assert not identical(parameters(on.generator), parameters(alone.generator))
    assert train(DATA, init=on, critic_steps=0).config.critic_steps == 0
    still = train(DATA, init=alone, generator_steps=0)
    assert identical(parameters(still.generator), parameters(alone.generator))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="device must be 'auto', 'cpu' or a CUDA device that is there, got 'cuda'"):
        train(DATA, **{**TINY, "device": "cuda"})


@pytest.mark.parametrize(
    ("data", "more", "words"),
    [
        ([0.0, np.nan, 1.0, np.inf], {}, "data must be finite, got NaN or infinity in 2 rows; remove them"),
        (
            np.zeros((2, 3, 4)),
            {},
            "data must be a GaussianMixture or an array of shape (n, d), got shape (2, 3, 4); one row per",
        ),
        ([], {}, "data must be a GaussianMixture or an array of shape (n, d), got shape (0, 1); one row per example"),
        (
            DATA,
            {"p_g": gaussian([0.0, 0.0])},
            "p_g must live in the same space as the data, got dimensions 2 and 1; change one",
        ),
        (DATA, {"points": np.zeros((4, 2))}, "points must have 1 coordinates like the data, got 2; change points"),
        (DATA, {"points": [np.nan]}, "points must be finite, got NaN or infinity in 1 rows; remove them"),
    ],
)
def test_bad_data(data: Any, more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        train(data, **TINY, **more)


def test_an_init_that_does_not_fit(run: Run) -> None:
    words = "init must have 4 members in dimension 1, got another run; match members and data"
    with pytest.raises(ValueError, match=re.escape(words)):
        train(DATA, init=run, members=4)
    with pytest.raises(ValueError, match="init must have 3 members in dimension 2, got another run"):
        train(ring(), init=run)
    for other in (
        dict(hidden=(8,)),
        dict(pack=2),
        dict(kernels=1),
        dict(latent_dim=3),
        dict(activation="tanh"),
    ):
        with pytest.raises(
            ValueError, match="init must have networks of the same shape, got others; keep its game, hidden"
        ):
            train(DATA, init=run, **other)
