"""Many trainings: one after the other, or on the workers of an executor."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from gan_edu.densities import GaussianMixture
from gan_edu.training.batches import Array, as_law
from gan_edu.training.loop import train
from gan_edu.training.run import Run

__all__ = ["sweep"]


def _trained(data: GaussianMixture | Array, settings: dict[str, Any]) -> bytes:
    """A run as bytes: what a worker sends back, whatever machine it is on."""
    file = io.BytesIO()
    train(data, **{"progress": False, **settings}).save(file)
    return file.getvalue()


def sweep(
    data: GaussianMixture | ArrayLike, configs: Sequence[Mapping[str, Any]], executor: Executor | None = None
) -> list[Run | None]:
    """Train once for each of `configs`, in this process or on the workers of an executor; the runs in the same order.

    Args:
        data: as for `train`.
        configs: settings of each training, the fields of `TrainConfig`.
        executor: any `concurrent.futures.Executor`, such as a `ProcessPoolExecutor` (make its workers with
            `multiprocessing.get_context("spawn")`). Many machines are one executor, too, by dask:
            `from distributed import Client`, then `sweep(data, configs, Client("scheduler:8786").get_executor())`,
            with gan_edu installed on each machine.

    Returns:
        one Run for each configuration. A training that fails, or whose worker dies, leaves None in its place and a
        warning with its configuration; the others are kept.

    Example:
        >>> from gan_edu import two_modes
        >>> few = dict(members=2, steps=5, snapshots=1, device="cpu")
        >>> [run.config.game for run in sweep(two_modes(), [{"game": name, **few} for name in ("minimax", "wgan-gp")])]
        ['minimax', 'wgan-gp']

    Chapter: 06, 11.
    """
    law, settings = as_law("data", data), [dict(config) for config in configs]
    runs: list[Run | None] = [None] * len(settings)
    quiet = bool(os.environ.get("TQDM_DISABLE")) or not all(s.get("progress", True) for s in settings)
    jobs = [None if executor is None else executor.submit(_trained, law, each) for each in settings]
    for i, (job, each) in enumerate(
        zip(tqdm(jobs, disable=quiet, delay=1, leave=False, unit="run"), settings, strict=True)
    ):
        try:
            runs[i] = run = Run.load(io.BytesIO(_trained(law, each) if job is None else job.result()))
            if job is None and run.interrupted:  # Ctrl-C, of which train has warned, ends the sweep as well
                break
        except Exception as error:  # of any kind: what a worker died of must not cost the other runs
            warnings.warn(
                f"configuration {i} failed and leaves None: {each} ({type(error).__name__}: {error})", stacklevel=2
            )
    return runs
