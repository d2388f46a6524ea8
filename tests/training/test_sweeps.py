"""Sweeps, here and in other processes."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np
import pytest
from trainings import DATA, TINY, same_runs

from gan_edu.training import algorithm, sweep, train

CONFIGS = [{**TINY, "game": "minimax"}, {**TINY, "game": "wgan-gp", "seed": 3}]


def test_a_sweep_is_its_trainings() -> None:
    for run, config in zip(sweep(DATA, CONFIGS), CONFIGS, strict=True):
        assert run is not None
        assert same_runs(run, train(DATA, **config))


@pytest.mark.slow
def test_a_sweep_in_other_processes_is_the_same() -> None:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        runs = sweep(DATA, CONFIGS, pool)
    for run, config in zip(runs, CONFIGS, strict=True):
        assert run is not None
        np.testing.assert_allclose(run.samples, train(DATA, **config).samples, atol=1e-5)


@pytest.mark.slow
def test_a_sweep_on_a_cluster_is_the_same() -> None:
    distributed = pytest.importorskip(
        "distributed", reason="dask's distributed is not installed: pip install distributed"
    )
    cluster = distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None)
    with cluster, distributed.Client(cluster) as client:
        runs = sweep(DATA, CONFIGS, client.get_executor())
    for run, config in zip(runs, CONFIGS, strict=True):
        assert run is not None
        np.testing.assert_allclose(run.samples, train(DATA, **config).samples, atol=1e-5)


class Dying(Executor):
    """An executor whose worker dies at the first job."""

    def __init__(self) -> None:
        self.jobs = 0

    def submit(self, f: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.jobs += 1
        if self.jobs == 1:
            future.set_exception(BrokenProcessPool("a worker was killed"))
        else:
            future.set_result(f(*args, **kwargs))
        return future


def test_a_worker_that_dies_is_reported_and_the_others_are_kept() -> None:
    with pytest.warns(UserWarning, match=r"configuration 0 failed and leaves None: .*minimax.*a worker was killed"):
        lost, kept = sweep(DATA, CONFIGS, Dying())
    assert lost is None
    assert kept is not None
    assert same_runs(kept, train(DATA, **CONFIGS[1]))


def test_ctrl_c_ends_a_sweep_and_keeps_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    step, calls = algorithm.Player.step, []

    def interrupt(self: Any, *args: Any) -> Any:
        calls.append(1)
        if len(calls) == 20:  # each training of 6 rounds takes 12
            raise KeyboardInterrupt
        return step(self, *args)

    monkeypatch.setattr(algorithm.Player, "step", interrupt)
    with pytest.warns(UserWarning, match="training interrupted at step"):
        whole, part, none = sweep(DATA, [CONFIGS[0]] * 3)
    assert whole is not None
    assert not whole.interrupted
    assert part is not None
    assert part.interrupted
    assert none is None


def test_a_bad_configuration_costs_no_other() -> None:
    with pytest.warns(UserWarning, match=r"configuration 1 failed and leaves None: .*unknown game 'none'"):
        first, lost, last = sweep(DATA, [CONFIGS[0], {**TINY, "game": "none"}, CONFIGS[1]])
    assert lost is None
    for kept, config in ((first, CONFIGS[0]), (last, CONFIGS[1])):
        assert kept is not None
        assert same_runs(kept, train(DATA, **config))
