"""One- and two-sided penalty against lambda, the lead of the critic, its optimizer and the number of updates.

Chapter 11. Twelve minutes on one core: 34 rows of 32 members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common import make

from gan_edu import GaussianMixture, Run, grid, mode_coverage, ring, sample_w1

LAWS = {"ring": ring(8, 2.0, 0.1), "grid": grid(5, 1.0, 0.1)}
SETTINGS = {"members": 32, "hidden": (64, 64), "batch_size": 64, "snapshots": 1}
# What a row does not say itself; each row is stored with all of it, so that it can be found.
USUAL = {
    "data": "ring",
    "game": "wgan-gp",
    "penalty_weight": 10.0,
    "critic_steps": 5,
    "steps": 200,
    "lr_g": 1e-3,
    "lr_d": 1e-3,
    "optimizer": "adam",
    "betas": (0.5, 0.9),
}
ONE = {"game": "wgan-gp-one-sided"}
LONG = {"steps": 1000}
WEIGHTS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
SHORT = [{**form, "penalty_weight": weight} for form in ({}, ONE) for weight in WEIGHTS]
LEAD = [{**row, "critic_steps": k} for row in ({}, ONE, {"penalty_weight": 0.1}) for k in (1, 25)]
SLOW = [{**LONG}, {**LONG, "lr_g": 2e-4}, {**LONG, **ONE}, {**LONG, "penalty_weight": 0.1}]
EQUAL = [{**ONE, **LONG, "critic_steps": 1, "lr_g": rate} for rate in (1e-3, 2e-4)]
OTHER = [{"betas": (0.0, 0.9)}, {"optimizer": "rmsprop"}, {"lr_d": 4e-3}]
GRID = [{**ONE, "data": "grid", "steps": steps} for steps in (200, 600, 2000)]
ROWS = [{**USUAL, **row} for row in SHORT + LEAD + SLOW + EQUAL + OTHER + GRID]


def score(run: Run, law: GaussianMixture) -> Mapping[str, Any]:
    """Distance from the data, modes by the strict count, and the share of samples near one."""
    samples = run.samples[-1]
    return {"w1": sample_w1(samples, law), **mode_coverage(samples, law, fair=0.5)._asdict()}


if __name__ == "__main__":
    make("penalties", LAWS, SETTINGS, ROWS, score)
