"""Routes of the families about two laws: divergences, fits, likelihoods."""

from __future__ import annotations

from gan_edu import (
    GaussianMixture,
    Uniform,
    cross_entropy,
    fit_gaussian,
    gaussian,
    js,
    kl,
    kl_gaussians,
    optimal_discriminator,
    parzen_log_likelihood,
    ring,
    total_variation,
    wasserstein1,
)
from reference_routes.objects import Answer, Params, Route, law, pair, unit


def rings(params: Params) -> tuple[GaussianMixture, GaussianMixture]:
    """The full ring and the generator's, which has only the kept modes."""
    full = ring(params["k"], params["radius"], params["sigma"])
    return full, GaussianMixture(full.means[params["kept"]], params["sigma"])


def kl_of_densities(params: Params) -> Answer:
    return [kl(*pair(params)) / unit(params)]


def js_of_densities(params: Params) -> Answer:
    return [js(*pair(params)) / unit(params)]


def gaussian_small_shift(params: Params) -> Answer:
    p, q = gaussian(0.0, params["std"]), gaussian(params["theta"], params["std"])
    return [js(p, q), kl(p, q), kl(p, q) - 2 * js(p, q)]


def cross_entropy_gauss(params: Params) -> Answer:
    p, q = pair(params)
    return [cross_entropy(p, q), cross_entropy(p, p), kl(p, q)]


def ring_mode_drop_2d(params: Params) -> Answer:
    full, part = rings(params)
    return [js(full, part), kl(part, full)]


def dstar_ring_points_2d(params: Params) -> Answer:
    return optimal_discriminator(*rings(params))(params["x"]).tolist()


def uniform_shift(params: Params) -> Answer:
    p, q = Uniform(0, 1), Uniform(params["theta"], 1 + params["theta"])
    return [js(p, q), total_variation(p, q), wasserstein1(p, q), kl(p, q)]


def as_fit(found: tuple[GaussianMixture, float]) -> Answer:
    return [found[0].means[0, 0], found[0].stds[0], found[1]]


def forward_kl_fit(params: Params) -> Answer:
    target = law(params["target"])
    return as_fit(fit_gaussian(lambda g: kl(target, g), (target.means[0, 0], target.stds[0])))


def reverse_kl_fit(params: Params) -> Answer:
    target = law(params["target"])
    return as_fit(fit_gaussian(lambda g: kl(g, target), tuple(params["init"])))


def parzen_population(params: Params) -> Answer:
    p = gaussian(0.0, params["s"])
    return [-cross_entropy(p, p.smoothed(params["sigma"])), -cross_entropy(p, p)]


ROUTES: dict[str, Route] = {
    "cross_entropy_gauss": cross_entropy_gauss,
    "dstar_ring_points_2d": dstar_ring_points_2d,
    "forward_kl_fit": forward_kl_fit,
    "gaussian_small_shift": gaussian_small_shift,
    "js_discrete": lambda params: [js(params["p"], params["q"]) / unit(params)],
    "js_mog_1d": js_of_densities,
    "kl_discrete": lambda params: [kl(params["p"], params["q"]) / unit(params)],
    "kl_gauss_1d": kl_of_densities,
    "kl_gauss_2d": lambda params: [kl_gaussians(*(params[name] for name in ("m1", "S1", "m2", "S2")))],
    "kl_mog_1d": kl_of_densities,
    "parzen_loglik": lambda params: [
        parzen_log_likelihood(params["samples"], params["sigma"], params["test"]).mean().item()
    ],
    "parzen_population": parzen_population,
    "reverse_kl_fit": reverse_kl_fit,
    "ring_mode_drop_2d": ring_mode_drop_2d,
    "uniform_shift": uniform_shift,
}
