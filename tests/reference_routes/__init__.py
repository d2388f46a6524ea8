"""The families of the reference cases, computed by the public functions of gan_edu.

`ROUTES` maps each family to a function from the parameters of a case to its flat list of values.
"""

from __future__ import annotations

from reference_routes import critics, divergences, dynamics, players, transport

ROUTES = divergences.ROUTES | players.ROUTES | transport.ROUTES | critics.ROUTES | dynamics.ROUTES
