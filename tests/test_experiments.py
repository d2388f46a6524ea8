"""Tests of `gan_edu.experiments`: stored tables fit their scripts, and new medians fall into predicted intervals."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan_edu.experiments import prediction, stored

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted(path.stem for path in (ROOT / "experiments").glob("*.py") if path.stem != "common")


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("torch")
    monkeypatch.syspath_prepend(str(ROOT / "experiments"))
    monkeypatch.delitem(sys.modules, "common", raising=False)
    spec = importlib.util.spec_from_file_location(name, ROOT / "experiments" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_script_has_its_table() -> None:
    assert sorted(path.stem for path in (ROOT / "gan_edu" / "tables").glob("*.json")) == SCRIPTS


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_table_holds_what_its_script_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, table = script(name, monkeypatch), stored(name)
    assert table.settings == json.loads(json.dumps(module.SETTINGS))
    key = lambda row: json.dumps(row, sort_keys=True)  # noqa: E731
    assert sorted(map(key, (row.settings for row in table.rows))) == sorted(map(key, module.ROWS))
    for row in table.rows:
        members = {**table.settings, **row.settings}["members"]
        assert members >= 32, "the interval of a new median needs 32 members"
        assert {v.shape for v in row.scores.values()} == {(members,)}
    assert set(table.made) >= {"gan_edu", "torch", "numpy", "python", "processor", "seconds"}


def test_rows_are_found_by_their_settings() -> None:
    table = stored("rates")
    wanted = table.rows[-1].settings
    assert table.row(**wanted) is table.rows[-1]
    with pytest.raises(ValueError, match="and 14 have"):
        table.row(game="minimax")
    with pytest.raises(ValueError, match="and 0 have"):
        table.row(game="chess")
    with pytest.raises(ValueError, match=r"unknown table 'rate'; choose one of .*'rates'"):
        stored("rate")


def test_an_experiment_stores_each_row_of_each_law(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way with small trainings: members that diverged are NaN, and each row is scored against its own law."""
    common = script("common", monkeypatch)
    import gan_edu.experiments as reader
    from gan_edu import gaussian

    monkeypatch.setattr(common, "TABLES", tmp_path / "tables")
    monkeypatch.setattr(sys, "argv", ["small.py", "--workers", "1"])
    laws = {"left": gaussian(-3, 1), "right": gaussian(5, 1)}
    rows = [{"data": "right", "seed": 4}, {"data": "left", "seed": 5}, {"data": "right", "seed": 6}]
    settings = {"members": 3, "steps": 2, "snapshots": 1, "device": "cpu"}

    def score(run: Any, law: Any) -> dict[str, Any]:
        return {"mean": [float(law.means[0, 0]), np.nan, run.config.seed]}

    common.make("small", laws, settings, rows, score)
    monkeypatch.setattr(reader, "files", lambda package: tmp_path)
    table = reader.stored("small")
    assert table.settings == settings
    got = {(row.settings["data"], row.settings["seed"]): row.scores["mean"].tolist() for row in table.rows}
    assert {key: (values[0], values[2]) for key, values in got.items()} == {
        ("left", 5): (-3.0, 5.0),
        ("right", 4): (5.0, 4.0),
        ("right", 6): (5.0, 6.0),
    }
    assert all(math.isnan(values[1]) for values in got.values())


@pytest.mark.parametrize(("old", "new", "level"), [(64, 16, 0.9), (33, 7, 0.8), (32, 16, 0.999), (20, 1, 0.9)])
def test_predicted_intervals_hold_new_medians(old: int, new: int, level: float) -> None:
    """As often as they say, by simulation with a skewed law; of an odd number of new values exactly as often."""
    rng = np.random.default_rng(7)
    found = prediction(range(old), new, level)  # its bounds are ranks
    values = np.sort(rng.exponential(size=(40_000, old)), axis=1)
    medians = np.median(rng.exponential(size=(40_000, new)), axis=1)
    held = ((values[:, int(found.low)] <= medians) & (medians <= values[:, int(found.high)])).mean()
    assert found.level >= level
    if new % 2:
        assert held == pytest.approx(found.level, abs=0.006)
        tighter = (values[:, int(found.low) + 1] <= medians) & (medians <= values[:, int(found.high) - 1])
        assert tighter.mean() < level + 0.006  # no shorter interval would do
    else:
        assert found.level - 0.006 < held < 1.0001
    assert (found.low, found.high) == (found.low, old - 1 - found.low)  # symmetric


def test_few_values_promise_nothing() -> None:
    found = prediction(range(16), new=16)
    assert (found.low, found.high, found.level) == (-math.inf, math.inf, 1.0)


@pytest.mark.parametrize(
    ("values", "new", "level"),
    [([1.0, math.nan], 3, 0.9), ([], 3, 0.9), ([1.0], 0, 0.9), ([1.0], 3, 1.0), ([1.0], 3, 0.0)],
)
def test_prediction_refuses(values: list[float], new: int, level: float) -> None:
    with pytest.raises(ValueError, match="values must be finite and some, new positive and level inside"):
        prediction(values, new, level)
