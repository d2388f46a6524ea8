"""Experiments that take minutes: their stored tables, and how a run of today is held against one.

Each table was made by the script of its name in the folder `experiments/` of the book, on the machine that it names; `make
experiments` makes all of them again.

Chapter: 06, 11.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from gan_edu.reading import numbers, quiet

__all__ = ["Prediction", "Row", "Stored", "prediction", "stored"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One row of a stored table."""

    settings: dict[str, Any]
    """What distinguishes the row: settings of `train`, and "data" where there are several laws."""
    scores: dict[str, Array]
    """Scores by name, each of shape (members,); NaN where a member diverged."""


@dataclass(frozen=True)
class Stored:
    """A stored table."""

    settings: dict[str, Any]
    """Settings of `train` that all rows share."""
    rows: tuple[Row, ...]
    made: dict[str, Any]
    """Versions, processor and seconds of the run that made it."""

    def row(self, **settings: Any) -> Row:
        """The one row with these settings.

        Raises:
            ValueError: no row has them, or several have.
        """
        found = [row for row in self.rows if settings.items() <= row.settings.items()]
        if len(found) != 1:
            known = ", ".join(str(row.settings) for row in self.rows)
            raise ValueError(f"one row must have {settings}, and {len(found)} have; the rows are {known}")
        return found[0]


def stored(name: str) -> Stored:
    """Read the table that `experiments/NAME.py` has stored.

    Args:
        name: of the script, without its ending.

    Raises:
        ValueError: there is no such table.

    Example:
        >>> table = stored("rates")
        >>> table.settings["members"], sorted(table.rows[0].scores)
        (32, ['high_quality', 'modes'])

    Chapter: 06, 11.
    """
    folder = files("gan_edu") / "tables"
    known = sorted(path.name.removesuffix(".json") for path in folder.iterdir() if path.name.endswith(".json"))
    if name not in known:
        raise ValueError(f"unknown table {name!r}; choose one of {', '.join(map(repr, known))}")
    read = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    rows = tuple(
        Row(row["settings"], {k: np.array(v, dtype=float) for k, v in row["scores"].items()}) for row in read["rows"]
    )
    return Stored(read["settings"], rows, read["made"])


@dataclass(frozen=True)
class Prediction:
    """What `prediction` returns."""

    low: float
    high: float
    level: float
    """Probability with which such intervals hold the new median: at least the level asked for."""


@quiet
def prediction(values: ArrayLike, new: int, level: float = 0.999) -> Prediction:
    """Where the median of `new` further members will lie, from members that stand: an interval between two order statistics.

    If all n + m values are drawn alike, the number of the n old ones below the r-th of the m new ones is i with
    probability C(i + r - 1, i) C(n - i + m - r, n - i) / C(n + m, n), whatever their law. The interval is
    [x_(k), x_(n + 1 - k)] with the largest k that leaves at most (1 - level) / 2 on either side; with too few old
    values for that it is the whole line, of level 1. With m even the median lies between the two values in the middle,
    and each side is counted for its own of them, which errs on the safe side. Ties only make it safer.

    Args:
        values: one number a member, shape (n,).
        new: number m of the members to come.
        level: probability asked for, inside (0, 1).

    Raises:
        ValueError: a value is masked or not finite, new is not positive, or level is out of range.

    Example:
        >>> prediction(range(64), new=16)
        Prediction(low=5.0, high=58.0, level=0.9993289332682305)

    Source: Hahn and Meeker (1991), on prediction intervals without a law. Chapter: 06, 11.
    """
    x = np.sort(numbers("values", values).ravel())
    if new < 1 or not 0 < level < 1 or not np.isfinite(x).all() or not len(x):
        raise ValueError(
            f"values must be finite and some, new positive and level inside (0, 1), got {len(x)} values, new = {new} "
            f"and level = {level}; count diverged members apart"
        )
    n, lower = len(x), (new + 1) // 2  # the lower of the new values in the middle
    below = scipy.stats.nhypergeom(n + new, n, lower).cdf(np.arange(n))  # P(at most i old ones lie below it)
    k = int(np.searchsorted(below, (1 - level) / 2, side="right"))
    if k == 0:  # even the extremes of the old values promise less
        return Prediction(-np.inf, np.inf, 1.0)
    return Prediction(float(x[k - 1]), float(x[n - k]), 1 - 2 * float(below[k - 1]))
