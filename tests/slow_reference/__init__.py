"""The families of the reference cases a second time: their definitions, evaluated slowly in 20 digits.

Nothing of gan_edu is used here. `SLOW` maps each family to a function from the parameters of a case to its flat list of
values; `jittering` moves the parameters of a case by up to ten per cent. Integrals are taken by mpmath piece by piece,
optima by golden section, gradients by differences, transport by enumeration or by the dual linear programme. Planar
integrals and the two double ones are float64 sums over grids on which smooth integrands leave rounding errors only.
"""

from __future__ import annotations

from typing import Any

import mpmath as mp

from slow_reference import critics, divergences, dynamics, players, transport
from slow_reference.calculus import Family


def exact(value: Any) -> Any:
    """Floats as numbers of mpmath, so that nothing is rounded to 16 digits on the way."""
    if isinstance(value, dict):
        return {k: exact(v) for k, v in value.items()}
    if isinstance(value, list):
        return [exact(v) for v in value]
    return mp.mpf(value) if isinstance(value, float) else value


def with_exact_numbers(f: Family) -> Family:
    return lambda params: f(exact(params))


FAMILIES = divergences.FAMILIES | players.FAMILIES | transport.FAMILIES | critics.FAMILIES | dynamics.FAMILIES
SLOW = {name: with_exact_numbers(family) for name, family in FAMILIES.items()}
