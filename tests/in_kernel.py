"""Runs in a notebook's kernel, by `runpy`, and leaves nothing there: answers the questions of a table (tests/prose.py)."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any


def plain(value: Any) -> str | bool | float:
    """A word, a truth or a number."""
    if isinstance(value, (str, bool)):
        return value
    return bool(value) if type(value).__name__ in ("bool", "bool_") else float(value)


def displayed(namespace: dict[str, Any]) -> Any:
    """The figure that the last cell showed."""
    from gan_edu.explore import Figure

    shown = list(namespace["_oh"].values())
    if not shown or not isinstance(shown[-1], Figure):
        raise TypeError("the cell must end with a Figure")
    return shown[-1]


def reads(figure: Any, at: dict[str, float]) -> dict[str, float]:
    """Every read-out at a setting."""
    from gan_edu.explore.formulas import value
    from gan_edu.explore.marks import english

    env = figure._environment(at)
    return {english(label): value(tree, env, figure._axes).item() for label, tree in figure.spec["readout"]}


def leaving(figure: Any, at: dict[str, float]) -> Iterator[str]:
    """Which shown line or dot leaves its panel's axes at a setting, and how far; beside the panel it may be anywhere."""
    import numpy as np

    from gan_edu.explore.formulas import value
    from gan_edu.explore.marks import english

    env = figure._environment(at)
    for number, panel in enumerate(figure.spec["panels"], start=1):
        for mark in panel["marks"]:
            if mark["kind"] not in ("Line", "Marker") or not mark["shown"]:
                continue
            x, y = np.broadcast_arrays(*(value(mark[s], env, figure._axes) for s in ("x", "y")))
            seen = y[np.isfinite(y) & (x >= panel["x"][0]) & (x <= panel["x"][1])]
            lo, hi = panel["right" if mark["axis"] == "right" else "y"]
            rim, name = (hi - lo) / 200, f"{english(mark['label']) or mark['kind']!r} of panel {number}"  # half a line
            if mark["kind"] == "Marker" and not seen.size:
                yield f"{name} stands beside its axes"
            elif seen.size and (seen.max() > hi + rim or seen.min() < lo - rim):
                yield f"{name} runs from {seen.min():.4g} to {seen.max():.4g} and its axis from {lo:g} to {hi:g}"


def one(namespace: dict[str, Any], asked: dict[str, Any]) -> Any:
    at, kind = asked.get("at", {}), asked["kind"]
    if kind == "read-out":
        return reads(displayed(namespace), at)[asked["label"]]
    if kind == "leaving":
        return "; ".join(leaving(displayed(namespace), at))
    more: dict[str, Any] = {}
    if kind == "in figure":
        more = displayed(namespace).evaluate(**at)
    elif kind == "at":
        more = {**displayed(namespace)._start, **at}
    return plain(eval(f"({asked['expression']})", {**namespace, **more}))


def answer(namespace: dict[str, Any], questions: str) -> str:
    """Answer each question with its value, or with the error that it raised."""
    answers = []
    for asked in json.loads(questions):
        name = asked.get("expression") or asked.get("label") or asked["kind"]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                answers.append({"asked": name, "value": one(namespace, asked)})
        except Exception as error:  # whatever an expression of the table may raise
            answers.append({"asked": name, "error": f"{type(error).__name__}: {error}"})
    return json.dumps(answers)
