"""What the experiments share: train every row, score every member, store the table beside the package."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from gan_edu import GaussianMixture, Run, __version__, sweep

TABLES = Path(__file__).resolve().parents[1] / "gan_edu" / "tables"
Score = Callable[[Run, GaussianMixture], Mapping[str, Any]]


def processor() -> str:
    """The name of this machine's processor, as far as it tells."""
    info = Path("/proc/cpuinfo")
    names = (
        [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    return names[0] if names else platform.processor() or platform.machine()


def workers() -> AbstractContextManager[Executor]:
    """The executor that the command line asks for: processes here, or a dask cluster."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes of this machine (default: all)")
    parser.add_argument("--dask", metavar="ADDRESS", help="scheduler of a dask cluster that has gan_edu, instead")
    asked = parser.parse_args()
    if asked.dask:
        from distributed import Client

        return nullcontext(Client(asked.dask).get_executor())
    os.environ["OMP_NUM_THREADS"] = "1"  # of the workers, which inherit it
    return ProcessPoolExecutor(asked.workers, mp_context=get_context("spawn"))


def make(
    name: str,
    laws: Mapping[str, GaussianMixture],
    settings: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    score: Score,
) -> None:
    """Train each row and store the scores of its members as `gan_edu/tables/NAME.json`.

    Args:
        name: of the table.
        laws: the data by name; a row says which by "data", where there are several.
        settings: of `train`, for all rows.
        rows: what each row sets beside them.
        score: takes a run and its law, returns scores of shape (members,).
    """
    start, stored = time.perf_counter(), []
    with workers() as executor:
        for law_name, law in laws.items():
            chosen = [row for row in rows if len(laws) == 1 or row["data"] == law_name]
            own = [{k: v for k, v in row.items() if k != "data"} for row in chosen]
            for row, run in zip(chosen, sweep(law, [{**settings, **each} for each in own], executor), strict=True):
                if run is None:
                    raise SystemExit(f"{name}: the row {row} failed, and nothing was stored")
                scores = {k: [round(float(x), 4) for x in np.asarray(v)] for k, v in score(run, law).items()}
                stored.append({"settings": dict(row), "scores": scores})
    made = {
        "gan_edu": __version__,  # of this folder, whichever else may be installed
        **{package: version(package) for package in ("torch", "numpy")},
        "python": platform.python_version(),
        "processor": processor(),
        "seconds": round(time.perf_counter() - start),
    }
    # One row a line: a table that is made anew shows in a comparison which rows changed.
    lines = ",\n".join("  " + json.dumps(row) for row in stored)
    text = f'{{"settings": {json.dumps(dict(settings))},\n"made": {json.dumps(made)},\n"rows": [\n{lines}\n]}}\n'
    TABLES.mkdir(exist_ok=True)
    (TABLES / f"{name}.json").write_text(text.replace("NaN", "null"), encoding="utf-8")
    print(f"{name}: {len(stored)} rows in {made['seconds']} s")
