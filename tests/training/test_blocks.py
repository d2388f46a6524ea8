"""Blocks of members in threads."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from trainings import DATA, EXACT, TINY

from gan_edu.games import GAMES, Game
from gan_edu.training import algorithm, loop, train
from gan_edu.training.run import networks


def test_pytorch_s_threads_are_given_back() -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        train(DATA, **TINY)
        assert torch.get_num_threads() == 2
        with pytest.raises(RuntimeError, match="mine"):
            train(DATA, **TINY, on_snapshot=_fail)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_blocks_run_in_as_many_threads_as_pytorch_has(monkeypatch: pytest.MonkeyPatch) -> None:
    names: set[str] = set()
    step = algorithm.Player.step

    def noted(self: Any, *args: Any) -> Any:
        names.add(threading.current_thread().name)
        time.sleep(0.01)
        assert torch.get_num_threads() == 1
        return step(self, *args)

    monkeypatch.setattr(algorithm.Player, "step", noted)
    monkeypatch.setattr(loop, "BLOCK", 1)
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            names.clear()
            torch.set_num_threads(count)
            train(DATA, **TINY)
            assert len(names) == count
    finally:
        torch.set_num_threads(threads)


def test_ctrl_c_leaves_all_blocks_at_the_same_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """One block is interrupted at once, the others are ahead of it: all are brought to one step."""
    monkeypatch.setattr(loop, "BLOCK", 1)
    step = algorithm.Player.step
    hit: list[int] = []

    def interrupt(self: Any, *args: Any) -> Any:
        if not hit and self.net.weights[0].data_ptr() == first[0]:
            hit.append(1)
            raise KeyboardInterrupt
        return step(self, *args)

    first: list[int] = []
    build = algorithm.Block.__init__

    def remember(self: Any, *args: Any) -> None:
        build(self, *args)
        first.append(self.D.net.weights[0].data_ptr())

    monkeypatch.setattr(algorithm.Block, "__init__", remember)
    monkeypatch.setattr(algorithm.Player, "step", interrupt)
    with pytest.warns(UserWarning, match=r"training interrupted at step \d of 6"):
        run = train(DATA, **EXACT)
    assert run.interrupted
    monkeypatch.undo()
    reached = int(run.steps[-1])
    whole = train(DATA, **{**EXACT, "snapshots": 6})
    # The interrupted update of D had drawn its batch: that member goes on with the next one, the others are untouched.
    np.testing.assert_allclose(run.samples[-1, 1:], whole.samples[reached, 1:], atol=1e-12)


@pytest.mark.parametrize("size", [1, 8])
def test_a_block_without_members_left_stops_no_other(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    build, nets = networks, []

    def poison(step: int, *_: Any) -> None:
        if step == 2:
            with torch.no_grad():
                nets[0][0].weights[0][1, 0, 0] = torch.inf

    monkeypatch.setattr(loop, "networks", lambda *a: nets.append(build(*a)) or nets[-1])
    monkeypatch.setattr(loop, "BLOCK", size)
    run = train(DATA, **{**EXACT, "steps": 8, "snapshots": 8}, on_snapshot=poison)
    assert run.diverged.tolist() == [-1, 3, -1]
    assert run.steps.tolist() == list(range(9))
    assert np.isfinite(run.d_loss[1:, [0, 2]]).all()
    assert np.isnan(run.d_loss[4:, 1]).all()


def test_ctrl_c_stops_blocks_that_are_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "BLOCK", 1)
    advance, inside, told = algorithm.Block.advance, threading.Event(), []

    def interrupted(self: Any, until: int, stop: threading.Event) -> None:
        if self.members.start == 0 and not told:
            inside.wait(5)
            raise KeyboardInterrupt
        if not told and self.members.start == 1:
            inside.set()
            told.append(stop.wait(5))
        advance(self, until, stop)

    monkeypatch.setattr(algorithm.Block, "advance", interrupted)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.warns(UserWarning, match="training interrupted at step 0"):
            run = train(DATA, **{**TINY, "members": 2, "snapshots": 1})
    finally:
        torch.set_num_threads(threads)
    assert told == [True]
    assert run.steps.tolist() == [0]


def test_a_block_never_runs_twice_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while another block is busy: it is waited for before all are brought to one step."""
    monkeypatch.setattr(loop, "BLOCK", 1)
    advance, started = algorithm.Block.advance, threading.Event()
    busy: set[int] = set()
    twice: list[int] = []
    called: set[int] = set()

    def watched(self: Any, until: int, stop: threading.Event) -> None:
        member = self.members.start
        if member in busy:
            twice.append(member)
        busy.add(member)
        try:
            if member not in called:
                called.add(member)
                if member == 0:
                    assert started.wait(5)
                    raise KeyboardInterrupt
                started.set()
                assert stop.wait(5)  # no step before the interruption, however slow the machine
                time.sleep(0.3)
            advance(self, until, stop)
        finally:
            busy.discard(member)

    monkeypatch.setattr(algorithm.Block, "advance", watched)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with pytest.warns(UserWarning, match="training interrupted at step 0"):
            train(DATA, **{**TINY, "snapshots": 1})
    finally:
        torch.set_num_threads(threads)
    assert len(called) > 1
    assert not twice


def test_trainings_that_overlap_give_the_threads_back() -> None:
    """The first to start ends before the second."""
    second_runs, first_is_done = threading.Event(), threading.Event()
    threads = torch.get_num_threads()
    torch.set_num_threads(2)

    def first(step: int, *_: Any) -> None:
        second_runs.wait(5)

    def second(step: int, *_: Any) -> None:
        second_runs.set()
        first_is_done.wait(5)

    try:
        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(train, DATA, **TINY, on_snapshot=first)
            two = pool.submit(train, DATA, **TINY, on_snapshot=second)
            one.result()
            first_is_done.set()
            two.result()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_members_diverge_alone_in_any_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {**EXACT, "members": 4, "steps": 40, "lr_d": 1e150, "game": "wgan-gp"}
    whole = train(DATA, **settings)
    monkeypatch.setattr(loop, "BLOCK", 1)
    parts = train(DATA, **settings)
    np.testing.assert_allclose(parts.d_loss, whole.d_loss, rtol=1e-9)
    np.testing.assert_allclose(parts.g_loss, whole.g_loss, rtol=1e-9)
    assert (whole.diverged > 0).all()
    assert parts.diverged.tolist() == whole.diverged.tolist()
    assert parts.steps[-1] == whole.steps[-1]
    np.testing.assert_array_equal(parts.samples[-1], whole.samples[-1])


def test_a_loss_is_the_mean_over_the_updates_while_the_member_was_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ten updates between two snapshots; the last of three members is lost in the fifth."""
    rules, calls = GAMES["minimax"], []

    def failing(d_real: torch.Tensor, d_fake: torch.Tensor) -> torch.Tensor:
        calls.append(d_real.shape[-1] == 16)  # other shapes are those of the trial before a training
        return rules.d_loss(d_real, d_fake) + torch.tensor([0.0, 0.0, torch.inf if sum(calls) >= 5 else 0.0])

    monkeypatch.setitem(GAMES, "failing", replace(rules, d_loss=failing))
    lost = train(DATA, **{**EXACT, "steps": 10, "snapshots": 1}, game="failing")
    whole = train(DATA, **{**EXACT, "steps": 10, "snapshots": 10}, game="minimax")
    assert lost.diverged.tolist() == [-1, -1, 5]
    for found, each in ((lost.d_loss, whole.d_loss[1:]), (lost.g_loss, whole.g_loss[1:])):
        np.testing.assert_allclose(found[1], [each[:, 0].mean(), each[:, 1].mean(), each[:4, 2].mean()], atol=1e-12)


def test_an_error_in_one_block_ends_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(d_real: torch.Tensor, d_fake: torch.Tensor) -> torch.Tensor:
        if d_real.shape[-1] == 16:  # not yet where losses are tried before a training
            raise ZeroDivisionError("a reader's mistake")
        return d_fake.mean(-1) - d_real.mean(-1)

    monkeypatch.setitem(GAMES, "mine", Game("mine", broken, lambda d: d.mean(-1), "", ""))
    with pytest.raises(ZeroDivisionError, match="a reader's mistake"):
        train(DATA, **TINY, game="mine")


def _fail(step: int, samples: np.ndarray, d: np.ndarray) -> None:
    raise RuntimeError("mine")
