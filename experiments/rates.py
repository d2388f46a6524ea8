"""Modes held on the ring against the ratio of the two learning rates, for both losses, after 500 and after 2000 updates.

Chapter 06. Ten minutes on one core: 28 rows of 32 members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common import make

from gan_edu import GaussianMixture, Run, mode_coverage, ring

LAWS = {"ring": ring(8, 2.0, 0.1)}
SETTINGS = {"members": 32, "snapshots": 2}
# Their geometric mean stays: only the ratio lr_g / lr_d changes along a curve.
RATIOS = {"1/16": 1 / 16, "1/4": 1 / 4, "1/2": 1 / 2, "1": 1.0, "2": 2.0, "4": 4.0, "16": 16.0}
ROWS = [
    {"game": game, "steps": steps, "lr_g": round(1.5e-3 * ratio**0.5, 6), "lr_d": round(1.5e-3 / ratio**0.5, 6)}
    for game in ("minimax", "non-saturating")
    for steps in (500, 2000)
    for ratio in RATIOS.values()
]


def score(run: Run, law: GaussianMixture) -> Mapping[str, Any]:
    """Modes by the strict count, and the share of samples near one."""
    return mode_coverage(run.generate(4096), law, fair=0.5)._asdict()


if __name__ == "__main__":
    make("rates", LAWS, SETTINGS, ROWS, score)
