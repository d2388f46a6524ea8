"""Routes of the families about two players that move in turn or together, and the gap between them."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from gan_edu import GaussianMixture, bilinear, dirac_gan, jacobian_eigenvalues, optimal_discriminator, simulate, value
from reference_routes.objects import Answer, Params, Route


def dirac_generator_duality_gap(params: Params) -> Answer:
    p = np.array(params["weights"])
    atoms = np.eye(len(p))
    places = 1000.0 * np.arange(len(p))
    laws = [(GaussianMixture(places, 1.0, p), GaussianMixture(places, 1.0, atom)) for atom in atoms]
    least = min(value(p, atom, optimal_discriminator(*two)(places)) for atom, two in zip(atoms, laws, strict=True))
    # max over D of the smallest value: the largest t with value(p, atom, D) >= t for every atom.
    found = minimize(
        lambda v: -v[-1],
        np.r_[np.full(len(p), 0.3), -3.0],
        method="SLSQP",
        bounds=[(1e-6, 1 - 1e-6)] * len(p) + [(-50, 0)],
        constraints=[{"type": "ineq", "fun": lambda v, a=a: value(p, a, v[:-1]) - v[-1]} for a in atoms],
        options={"ftol": 1e-13, "maxiter": 500},
    )
    return [least, found.x[-1], least - found.x[-1]]


def dirac_gan_orbit(params: Params) -> Answer:
    field = bilinear() if "loss" not in params else dirac_gan(params["loss"].replace("nons", "non-s"))
    orbit = simulate(field, [params["theta0"], params["psi0"]], params["n"], params["h"], params["mode"])
    return [*orbit[-1], np.hypot(*orbit[-1])]


def dirac_gan_r1_eigs(params: Params) -> Answer:
    field = dirac_gan(penalty_weight=params["gamma"])
    first, second = jacobian_eigenvalues(field, [0, 0])
    radius = abs(jacobian_eigenvalues(field, [0, 0], params["h"])).max()
    return [first.real, first.imag, second.real, second.imag, radius]


ROUTES: dict[str, Route] = {
    "dirac_gan_bilinear": dirac_gan_orbit,
    "dirac_gan_logistic": dirac_gan_orbit,
    "dirac_gan_r1_eigs": dirac_gan_r1_eigs,
    "dirac_generator_duality_gap": dirac_generator_duality_gap,
}
