"""The same cases at other parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from slow_reference.calculus import Number, Params

COUNTS = {"N", "n", "k", "kept", "n_powers", "widths"}
SHARES = {"weights", "wx", "wy", "p", "q"}  # lists that sum to one, as does "w" beside "mu"
COVARIANCES = {"S", "S1", "S2"}
INSIDE_UNIT_INTERVAL = {"D", "prior_real", "c of v_constant_d", "y of pointwise_objective"}
NOT_NEGATIVE = {"gamma", "norms"}


def jitter(params: Params, rng: np.random.Generator, family: str) -> Params:
    """The same parameters, each real number moved by up to ten per cent and a zero by up to 0.1.

    Counts, labels and strings stay; so do the zeros of probability vectors, the sum of these, what lies between zero
    and one, covariances being positive definite, and what a family needs in order to have an answer.
    """

    def number(v: Number, key: str) -> Number:
        step, names = rng.uniform(-0.1, 0.1), {key, f"{key} of {family}"}
        if names & INSIDE_UNIT_INTERVAL:
            return v + step * min(v, 1 - v)
        moved = float(v + step * (v or 1))
        return abs(moved) if key in NOT_NEGATIVE else moved

    def shares(v: list[float]) -> list[float]:
        moved = [number(x, "") if x else 0.0 for x in v]
        return [x / sum(moved) for x in moved]

    def move(v: Any, key: str = "") -> Any:
        if isinstance(v, dict):
            return {k: shares(x) if k == "w" and "mu" in v else move(x, k) for k, x in v.items()}
        labels = (family, key) == ("bce_hard_labels", "y")
        if isinstance(v, str) or key in COUNTS or labels or (family, v) == ("parallel_lines", 0):
            return v
        if isinstance(v, list) and key in SHARES:
            return shares(v)
        if key in COVARIANCES:
            lower = np.tril(move(v))
            return (lower + np.tril(lower, -1).T).tolist()
        return [move(x, key) for x in v] if isinstance(v, list) else number(v, key)

    while True:
        moved = move(params)
        good = all(np.linalg.eigvalsh(moved[k]).min() > 0 for k in COVARIANCES & set(moved))
        if family == "frozen_d_best_response":
            good = moved["sg"] > moved["sr"]
        if family == "linear_critic_gp" and moved["penalty"] == "hinge_max":
            good = moved["lam"] > abs(moved["mr"] - moved["mg"])
        if good:
            return moved
