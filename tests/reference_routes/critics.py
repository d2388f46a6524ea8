"""Routes of the families about critics and features: penalties, energies, Lipschitz constants, distances within a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from gan_edu import (
    PENALTIES,
    GaussianMixture,
    clip_bound,
    expectation,
    gaussian,
    gradient_norms,
    gradient_penalty,
    interpolates,
    lipschitz_lower_bound,
    optimal_discriminator,
    relu_lipschitz,
    secant_slopes,
    spectral_bound,
    transport,
)
from gan_edu.games import feature_matching
from gan_edu.networks import minibatch_closeness
from reference_routes.objects import Answer, Params, Route, law, pair


def ebgan_value(params: Params) -> Answer:
    p, g = pair(params)
    m = params["m"]

    def least(fake: GaussianMixture) -> float:
        """The loss of the best energy, which is m where generated samples are denser than data and 0 elsewhere."""
        energy = lambda x: np.where(optimal_discriminator(p, fake).logit(x) < 0, m, 0.0)  # noqa: E731
        return expectation(p, energy, near=(fake,)) + expectation(
            fake, lambda x: np.maximum(0, m - energy(x)), near=(p,)
        )

    return [least(g), least(p)]


def linear_critic_gp(params: Params) -> Answer:
    gap, lam = params["mr"] - params["mg"], params["lam"]
    real, fake = (torch.tensor([[params[m]]], dtype=torch.float64) for m in ("mr", "mg"))

    def penalty(w: float) -> float:
        critic = lambda x: w * x  # noqa: E731
        if params["penalty"] == "hinge_max":  # max(n, 1) = 1 + max(0, n - 1)
            return 1 + float(PENALTIES["hinge"](gradient_norms(critic, real)))
        return float(gradient_penalty(critic, real, fake, one_sided=params["penalty"] == "one_sided_squared"))

    def argmin(f: Callable[[float], float]) -> float:
        # Convex but for a kink at 0; so one search on each side of it.
        reach = 2 + abs(gap) / lam
        sides = [
            minimize_scalar(f, bounds=b, method="bounded", options={"xatol": 1e-10}) for b in ((0, reach), (-reach, 0))
        ]
        return float(min(sides, key=lambda found: found.fun).x)

    best = argmin(lambda w: lam * penalty(w) - w * gap)
    return [best, best * gap - lam * penalty(best), argmin(lambda w: w * gap + lam * penalty(w))]


def blend(params: Params) -> GaussianMixture:
    return interpolates(gaussian(params["mr"], params["sr"]), gaussian(params["mg"], params["sg"]))


def xhat_moments(params: Params) -> Answer:
    x_hat = blend(params)
    mean = expectation(x_hat, lambda x: x)
    return [mean, expectation(x_hat, lambda x: (x - mean) ** 2)]


def gp_value(params: Params) -> Answer:
    x_hat = blend(params)

    def mean(penalty: str) -> float:
        def cost(x: np.ndarray) -> np.ndarray:
            norms = gradient_norms(lambda v: params["a"] * v**2 / 2 + params["b"] * v, x[:, None])
            return PENALTIES[penalty](norms).numpy()

        return expectation(x_hat, cost)

    return [mean("two-sided"), mean("one-sided"), 1 + mean("hinge")]


def penalty_table(params: Params) -> Answer:
    norms = torch.tensor(params["norms"], dtype=torch.float64)
    two, one, hinge = (PENALTIES[name](norms) for name in ("two-sided", "one-sided", "hinge"))
    return torch.stack([two, one, 1 + hinge, norms - hinge], -1).ravel().tolist()  # max(n, 1) and min(n, 1)


def linear(*weights: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """A net without biases."""
    arrays = [np.atleast_2d(np.asarray(w, dtype=np.float64)) for w in weights]
    return [(w, np.zeros(len(w))) for w in arrays]


def spectral_norm(params: Params) -> Answer:
    net = linear(params["W"])
    return [spectral_bound(net), spectral_bound(net, norm="frobenius")]


def lipschitz_relu_net(params: Params) -> Answer:
    (hidden, _), last = linear(params["W"], params["v"])
    net = [(hidden, np.array(params["b"])), last]
    return [relu_lipschitz(net), spectral_bound(net)]


def lipschitz_tanh_net_1d(params: Params) -> Answer:
    w, b, v = (torch.tensor(params[name], dtype=torch.float64) for name in "wbv")
    # Steep only where a neuron switches, within a few of its widths.
    switches = (-b / w)[:, None] + torch.linspace(-8, 8, 801, dtype=torch.float64) / w.abs()[:, None]
    steepest, where = lipschitz_lower_bound(lambda x: torch.tanh(x * w + b) @ v, switches.reshape(-1, 1))
    return [steepest, spectral_bound(linear(w[:, None], v[None])), where[0]]


def clip_linear(params: Params) -> Answer:
    gap, c = np.subtract(params["mr"], params["mg"]), params["c"]
    w = c * np.sign(gap)
    moved = transport([params["mr"]], [params["mg"]])
    return [float(w @ gap), spectral_bound(linear(w)), moved.cost]


def slit_plane_lipschitz(params: Params) -> Answer:
    angle = lambda x: torch.atan2(x[..., 1], x[..., 0])  # noqa: E731
    above, below = ([[-params["r"], sign * params["eps"]]] for sign in (1, -1))
    return [secant_slopes(angle, above, below).item(), gradient_norms(angle, above).item()]


def cauchy_tail(params: Params) -> Answer:
    numerator = gaussian(0.0, params["s_num"])
    beyond = expectation(
        gaussian(0.0, params["s_den"]), lambda y: numerator.sf(params["t"] * abs(y)), near=(numerator,)
    )
    return [2 * beyond]


def moments(spec: Params, count: int) -> torch.Tensor:
    """E (x, ..., x^count), as a batch of one."""
    if "dirac" in spec:
        means = [spec["dirac"] ** k for k in range(1, count + 1)]
    else:
        means = [expectation(law(spec), lambda x, k=k: x**k) for k in range(1, count + 1)]
    return torch.tensor([means], dtype=torch.float64)


def feature_matching_loss(params: Params) -> Answer:
    return [feature_matching(*(moments(params[name], params["n_powers"]) for name in ("pr", "pg"))).item()]


ROUTES: dict[str, Route] = {
    "cauchy_tail": cauchy_tail,
    "clip_bound": lambda params: [clip_bound(params["c"], params["widths"])],
    "clip_linear": clip_linear,
    "ebgan_value": ebgan_value,
    "feature_matching": feature_matching_loss,
    "gp_value": gp_value,
    "linear_critic_gp": linear_critic_gp,
    "lipschitz_relu_net": lipschitz_relu_net,
    "lipschitz_tanh_net_1d": lipschitz_tanh_net_1d,
    "minibatch_closeness": lambda params: (
        minibatch_closeness(torch.tensor(params["M"], dtype=torch.float64)).ravel().tolist()
    ),
    "penalty_table": penalty_table,
    "slit_plane_lipschitz": slit_plane_lipschitz,
    "spectral_norm": spectral_norm,
    "xhat_moments": xhat_moments,
}
