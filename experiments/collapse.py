"""Collapse and recovery: a hasty generator on the ring, looked at early and late, beside runs with one thing changed; and the grid.

Chapter 06. Twenty minutes on one core: 11 rows of 32 members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from common import make

from gan_edu import GaussianMixture, Run, grid, mode_coverage, ring

LAWS = {"ring": ring(8, 2.0, 0.1), "grid": grid(5, 1.0, 0.1)}
SETTINGS = {"members": 32}
HASTY = {"data": "ring", "game": "minimax", "lr_g": 3e-3, "lr_d": 3e-4}
LATTICE = {"data": "grid", "lr_g": 2e-3, "lr_d": 2e-3, "steps": 2600, "snapshots": 4}
ROWS = [
    {**HASTY, "steps": 6000, "snapshots": 12},
    {**HASTY, "lr_d": 3e-3, "steps": 2000, "snapshots": 4},  # only D faster
    {**HASTY, "lr_g": 3e-4, "steps": 2000, "snapshots": 4},  # only G slower
    {**HASTY, "game": "non-saturating", "steps": 2000, "snapshots": 4},  # only the loss changed
    {**HASTY, "critic_steps": 10, "steps": 500, "snapshots": 1},  # only more updates of D
    {**LATTICE, "game": "minimax"},
    {**LATTICE, "game": "non-saturating", "steps": 7800, "snapshots": 12},
    {**LATTICE, "game": "non-saturating", "lr_g": 1e-3},  # only G slower
    {**HASTY, "betas": [0.0, 0.9], "steps": 2000, "snapshots": 4},  # only no momentum
    {**HASTY, "lr_g": 1e-3, "lr_d": 1e-4, "steps": 3000, "snapshots": 6},  # the same ratio, both slower
    # three times the updates, at the ratio 1/2 of rates.py
    {"data": "ring", "game": "non-saturating", "lr_g": 0.001061, "lr_d": 0.002121, "steps": 6000, "snapshots": 12},
]
WHEN = (500, 650, 2000, 2600, 3000, 6000, 7800)  # updates at which members are scored


def bridges(x: np.ndarray[Any, Any], law: GaussianMixture) -> np.ndarray[Any, Any]:
    """Share of the bad samples, farther than 3 std from each mode, that lie within 2 std of an edge between neighbours."""
    off, std = np.full(x.shape[:-1], np.inf), law.stds[0]
    nearest = np.min([np.linalg.norm(x - mean, axis=-1) for mean in law.means], axis=0)
    side = np.sort(np.linalg.norm(law.means - law.means[0], axis=1))[1]  # from a mode to its neighbour
    for i, a in enumerate(law.means):
        for b in law.means[i + 1 :]:
            if np.linalg.norm(b - a) < 1.01 * side:
                t = np.clip((x - a) @ (b - a) / side**2, 0, 1)
                off = np.minimum(off, np.linalg.norm(x - a - t[..., None] * (b - a), axis=-1))
    bad = nearest > 3 * std
    return (bad & (off < 2 * std)).sum(-1) / np.maximum(bad.sum(-1), 1)


def score(run: Run, law: GaussianMixture) -> Mapping[str, Any]:
    """At some updates: modes by the strict and by a loose count, quality, bridges, spread and place of the samples."""
    scores = {}
    for step, x in zip(run.steps.tolist(), run.samples.astype(float), strict=True):
        if step in WHEN:
            centre = x.mean(1)
            spread = np.sqrt(((x - centre[:, None]) ** 2).sum(-1).mean(-1) / 2)
            scores |= {
                f"modes_{step}": mode_coverage(x, law, fair=0.5).modes,
                f"loose_{step}": mode_coverage(x, law, share=0.005).modes,
                f"quality_{step}": mode_coverage(x, law).high_quality,
                f"bridges_{step}": bridges(x, law),
                f"spread_{step}": spread,
                f"distance_{step}": np.linalg.norm(centre, axis=-1),
            }
    return scores


if __name__ == "__main__":
    make("collapse", LAWS, SETTINGS, ROWS, score)
