"""The reference cases, run through the public functions of gan_edu.

`pytest --cases FILE` checks another file of the same format. A case passes where every element of the answer is within
tol * max(1, |expected|) of the expected one; the string "inf" stands for an infinite value.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import torch
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.special import log_expit
from shared import Logistic
from slow_reference import SLOW, jitter

from gan_edu import (
    GAMES,
    PENALTIES,
    GaussianMixture,
    Uniform,
    bilinear,
    clip_bound,
    cross_entropy,
    dirac_gan,
    expectation,
    fit_gaussian,
    gaussian,
    generator_gradient,
    gradient_norms,
    gradient_penalty,
    interpolates,
    jacobian_eigenvalues,
    js,
    kl,
    kl_gaussians,
    lipschitz_lower_bound,
    optimal_critic,
    optimal_discriminator,
    parzen_log_likelihood,
    relu_lipschitz,
    ring,
    secant_slopes,
    simulate,
    spectral_bound,
    total_variation,
    transport,
    value,
    wasserstein1,
)
from gan_edu.games import feature_matching
from gan_edu.networks import minibatch_closeness

ROOT = Path(__file__).resolve().parents[1]
OWN_FILE = Path(__file__).with_name("reference_cases.json")
Params = dict[str, Any]
Answer = list[float]
MINIMAX, NON_SATURATING = GAMES["minimax"], GAMES["non-saturating"]


# --- from the parameters of a case to the objects of gan_edu ------------------------------------------------------


def law(spec: Params) -> GaussianMixture:
    """A mixture {"w", "mu", "sd"} or a Gaussian {"mean", "std"}."""
    return gaussian(spec["mean"], spec["std"]) if "mean" in spec else GaussianMixture(spec["mu"], spec["sd"], spec["w"])


def pair(params: Params) -> tuple[GaussianMixture, GaussianMixture]:
    return (law(params["p"]), law(params["q"])) if "p" in params else (law(params["pr"]), law(params["pg"]))


def unit(params: Params) -> float:
    """What a value in nats is divided by: log of the base that the case asks for."""
    base = params.get("log_base", "e")
    return 1.0 if base == "e" else float(np.log(float(base)))


def rings(params: Params) -> tuple[GaussianMixture, GaussianMixture]:
    """The full ring and the generator's, which has only the kept modes."""
    full = ring(params["k"], params["radius"], params["sigma"])
    return full, GaussianMixture(full.means[params["kept"]], params["sigma"])


def kept_modes(params: Params) -> tuple[np.ndarray, np.ndarray]:
    """Probability vectors of the data and of a generator that has only the kept modes, renormalised."""
    p = np.array(params["weights"])
    q = np.where(np.isin(np.arange(len(p)), params["kept"]), p, 0)
    return p, q / q.sum()


def one_logit(loss: Callable[[torch.Tensor], torch.Tensor], a: np.ndarray) -> np.ndarray:
    """A game's loss on batches of one logit each."""
    return loss(torch.as_tensor(np.asarray(a), dtype=torch.float64)[..., None]).numpy()


# --- one route for each family ------------------------------------------------------------------------------------


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


def bce_hard_labels(params: Params) -> Answer:
    d, y = torch.tensor(params["D"], dtype=torch.float64), torch.tensor(params["y"])
    logits, share = torch.logit(d), y.double().mean()
    # E log D and E log(1 - D) apart, to weigh them by the shares of the labels; half of d_loss where these are equal.
    if share == 0.5:
        return [0.5 * float(MINIMAX.d_loss(logits[y == 1], logits[y == 0]))]
    real = share * NON_SATURATING.g_loss(logits[y == 1]) if share > 0 else 0.0
    fake = (1 - share) * MINIMAX.g_loss(logits[y == 0]) if share < 1 else 0.0
    return [float(real - fake)]


def stable_log_sigmoid(params: Params) -> Answer:
    a = np.array(params["logits"])
    log_d, log_1_d = -one_logit(NON_SATURATING.g_loss, a), one_logit(MINIMAX.g_loss, a)
    return np.stack([log_d, log_1_d], -1).ravel().tolist()


def dstar_points(params: Params) -> Answer:
    return optimal_discriminator(*pair(params))(params["x"]).tolist()


def dstar_prior(params: Params) -> Answer:
    p, g = pair(params)
    best = optimal_discriminator(p, g, params["prior_real"])
    return [*best(params["x"]).tolist(), value(p, g, best, params["prior_real"])]


def dstar_logit_gauss(params: Params) -> Answer:
    best = optimal_discriminator(gaussian(params["mr"], params["sr"]), gaussian(params["mg"], params["sg"]))
    left, middle, right = best.logit([-1.0, 0.0, 1.0])  # three values of a quadratic
    return [(left + right) / 2 - middle, (right - left) / 2, middle]


def v_star(params: Params) -> Answer:
    return [value(*pair(params), optimal_discriminator(*pair(params)))]


def v_logistic(params: Params) -> Answer:
    v = value(*pair(params), Logistic(params["a"], params["b"]))
    return [v, v_star(params)[0] - v]


def v_constant_d(params: Params) -> Answer:
    return [value(gaussian(0.0), GaussianMixture([-2.0, 1.0], [0.5, 3.0]), lambda x: params["c"])]


def equilibrium(params: Params) -> Answer:
    p = law(params["pr"])
    best = optimal_discriminator(p, p)
    return [value(p, p, best), float(best(p.means[0, 0])), js(p, p)]


def bayes_accuracy(params: Params) -> Answer:
    p, g = pair(params)
    best = optimal_discriminator(p, g)
    right = expectation(p, lambda x: best(x) > 0.5) + expectation(g, lambda x: best(x) <= 0.5)
    return [total_variation(p, g), right / 2]


def lotus_logistic(params: Params) -> Answer:
    maps = {"affine": lambda z: z, "exp": lambda z: np.exp(z), "cubic": lambda z: z**3, "cube": lambda z: z**3}
    shape, scale, shift = maps[params["map"]], params["scale"], params["shift"]
    push = (lambda z: np.exp(scale * z) + shift) if params["map"] == "exp" else (lambda z: scale * shape(z) + shift)
    return [expectation(gaussian(), lambda z: one_logit(MINIMAX.g_loss, params["a"] * push(z) + params["b"]))]


def mode_drop(params: Params) -> Answer:
    p, g = kept_modes(params)
    # The same atoms as narrow Gaussians far apart, for D* is a function of x.
    places = 1000.0 * np.arange(len(p))
    best = optimal_discriminator(GaussianMixture(places, 1.0, p), GaussianMixture(places, 1.0, g))
    verdicts = best(places)
    return [kl(g, p), kl(p, g), js(p, g), verdicts[params["kept"][0]], kl(g, p) - 2 * js(p, g), value(p, g, verdicts)]


def ring_mode_drop_2d(params: Params) -> Answer:
    full, part = rings(params)
    return [js(full, part), kl(part, full)]


def dstar_ring_points_2d(params: Params) -> Answer:
    return optimal_discriminator(*rings(params))(params["x"]).tolist()


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


def logit_gradients(params: Params) -> Answer:
    answer: Answer = []
    for number in params["logits"]:
        a = torch.tensor([number], dtype=torch.float64, requires_grad=True)
        d = torch.sigmoid(a).detach().requires_grad_()
        by_logit = [torch.autograd.grad(game.g_loss(a), a)[0] for game in (MINIMAX, NON_SATURATING)]
        by_d = [torch.autograd.grad(game.g_loss(torch.logit(d)), d)[0] for game in (MINIMAX, NON_SATURATING)]
        answer += [v.item() for v in (d, *by_logit, *by_d)]
    return answer


def ns_identity(params: Params) -> Answer:
    p, g = pair(params)
    best = optimal_discriminator(p, g)
    m = GaussianMixture(np.vstack([p.means, g.means]), np.r_[p.stds, g.stds], np.r_[p.weights, g.weights] / 2)
    left = expectation(g, lambda x: one_logit(NON_SATURATING.g_loss, best.logit(x)))
    log_d = expectation(p, lambda x: -one_logit(NON_SATURATING.g_loss, best.logit(x)))
    terms = kl(g, p) - 2 * js(p, g) + log_d
    return [left, kl(g, p), js(p, g), log_d, terms + np.log(4), terms - np.log(4), 2 * kl(m, p)]


def frozen_d_best_response(params: Params) -> Answer:
    p, g = gaussian(params["mr"], params["sr"]), gaussian(params["mg"], params["sg"])
    best = optimal_discriminator(p, g)
    peak = brentq(lambda x: float(p.score(x) - g.score(x)), -1e4, 1e4, xtol=1e-13)  # the logit's slope vanishes
    return [peak, float(best(peak)), float(one_logit(MINIMAX.g_loss, best.logit(peak)))]


def mc_standard_error(params: Params) -> Answer:
    p, g = pair(params)
    best = optimal_discriminator(p, g)

    def variance(density: GaussianMixture, sign: int) -> float:
        mean = expectation(density, lambda x: log_expit(sign * best.logit(x)))
        return expectation(density, lambda x: (log_expit(sign * best.logit(x)) - mean) ** 2)

    return [value(p, g, best), float(np.sqrt((variance(p, 1) + variance(g, -1)) / params["N"]))]


def nn1_vs_bayes(params: Params) -> Answer:
    p, g = pair(params)
    best = optimal_discriminator(p, g)
    # A nearest neighbour errs where it carries the other label: that of a fresh draw at the same place.
    errs = expectation(p, lambda x: 1 - best(x), near=(g,)) + expectation(g, best, near=(p,))
    return [1 - bayes_accuracy(params)[1], errs / 2]


def uniform_shift(params: Params) -> Answer:
    p, q = Uniform(0, 1), Uniform(params["theta"], 1 + params["theta"])
    return [js(p, q), total_variation(p, q), wasserstein1(p, q), kl(p, q)]


def gen_grad_mean(params: Params) -> Answer:
    p, g = gaussian(params["mr"], params["sr"]), gaussian(params["mg"], params["sg"])
    frozen = [generator_gradient(p, g, name)[0].item() for name in ("minimax", "non-saturating")]

    def moving(shift: float) -> float:
        """-E log D* where D* follows the generator."""
        h = gaussian(params["mg"] + shift, params["sg"])
        best = optimal_discriminator(p, h)
        return expectation(h, lambda x: one_logit(NON_SATURATING.g_loss, best.logit(x)), near=(p,))

    h = 0.01 * min(params["sr"], params["sg"])
    slope = (8 * (moving(h) - moving(-h)) - (moving(2 * h) - moving(-2 * h))) / (12 * h)
    return [*frozen, slope]


def gen_grad_std(params: Params) -> Answer:
    p, g = gaussian(params["mr"], params["sr"]), gaussian(params["mg"], params["sg"])
    return [generator_gradient(p, g, name)[1].item() for name in ("minimax", "non-saturating")]


def w1_of_points(params: Params) -> Answer:
    return [transport(params["x"], params["y"], params.get("wx"), params.get("wy")).cost]


def parallel_lines(params: Params) -> Answer:
    height = (np.arange(40) + 0.5) / 40  # midpoints of the cells of both segments
    x, y = (np.column_stack([np.full(40, side), height]) for side in (0.0, params["theta"]))
    moved = transport(x, y)
    atoms = np.unique(np.vstack([x, y]), axis=0)
    p, q = ((atoms[:, None] == points).all(-1).mean(1) for points in (x, y))
    return [moved.cost, js(p, q), total_variation(p, q), kl(p, q), moved.gradient[:, 0].sum()]


def parallel_lines_noisy(params: Params) -> Answer:
    # Heights have the same law on both lines, independent of the horizontal noise: only the latter tells the lines apart.
    p, q = (gaussian(side, params["sigma"]) for side in (0.0, params["theta"]))
    return [js(p, q), kl(p, q), total_variation(p, q), wasserstein1(p, q)]


def critic_slope_1d(params: Params) -> Answer:
    p, g = pair(params)
    critic = optimal_critic(p, g)
    gap = expectation(p, critic, near=(g,)) - expectation(g, critic, near=(p,))
    return [*critic.gradient(params["x"]).tolist(), gap]


def w1_shift_gradient(params: Params) -> Answer:
    p, g = pair(params)
    return [-expectation(g, optimal_critic(p, g).gradient, near=(p,))]


def kr_scaling(params: Params) -> Answer:
    p, q = pair(params)
    steepest = optimal_critic(p, q)
    k = params["K"]
    return [expectation(p, lambda x: k * steepest(x), near=(q,)) - expectation(q, lambda x: k * steepest(x), near=(p,))]


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


def dirac_gan_orbit(params: Params) -> Answer:
    field = bilinear() if "loss" not in params else dirac_gan(params["loss"].replace("nons", "non-s"))
    orbit = simulate(field, [params["theta0"], params["psi0"]], params["n"], params["h"], params["mode"])
    return [*orbit[-1], np.hypot(*orbit[-1])]


def dirac_gan_r1_eigs(params: Params) -> Answer:
    field = dirac_gan(penalty_weight=params["gamma"])
    first, second = jacobian_eigenvalues(field, [0, 0])
    radius = abs(jacobian_eigenvalues(field, [0, 0], params["h"])).max()
    return [first.real, first.imag, second.real, second.imag, radius]


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


def moments(spec: Params, count: int) -> torch.Tensor:
    """E (x, ..., x^count), as a batch of one."""
    if "dirac" in spec:
        means = [spec["dirac"] ** k for k in range(1, count + 1)]
    else:
        means = [expectation(law(spec), lambda x, k=k: x**k) for k in range(1, count + 1)]
    return torch.tensor([means], dtype=torch.float64)


def feature_matching_loss(params: Params) -> Answer:
    return [feature_matching(*(moments(params[name], params["n_powers"]) for name in ("pr", "pg"))).item()]


def transport_rays_2d(params: Params) -> Answer:
    x, y = (np.array(params[name], dtype=float) for name in "xy")
    moved = transport(x, y)
    pairs = moved.plan.argmax(1)
    ray = y[pairs] - x
    length = np.linalg.norm(ray, axis=1)
    middle, step = (x + y[pairs]) / 2, 1e-4 * ray
    slopes = (moved.critic(middle - step) - moved.critic(middle + step)) / (2e-4 * length)
    return [*(moved.critic(x) - moved.critic(y[pairs])), *slopes, moved.cost]


def w1_2d_shift(params: Params) -> Answer:
    # One law moved as a whole: the same for any points in the place of the law, so also for a few of N(., S).
    points = np.random.default_rng(0).standard_normal((20, 2)) @ np.linalg.cholesky(params["S"]).T
    moved = transport(points + params["mr"], points + params["mg"])
    return [moved.cost, *-moved.gradient.sum(0)]


def w1_2d_radial(params: Params) -> Answer:
    p, g = gaussian([0.0, 0.0], params["sr"]), gaussian([0.0, 0.0], params["sg"])
    return [wasserstein1(p, g), optimal_critic(p, g).gradient([1.0, 0.0])[0]]


ROUTES: dict[str, Callable[[Params], Answer]] = {
    "bayes_accuracy": bayes_accuracy,
    "bce_hard_labels": bce_hard_labels,
    "cauchy_tail": cauchy_tail,
    "clip_bound": lambda params: [clip_bound(params["c"], params["widths"])],
    "clip_linear": clip_linear,
    "critic_slope_1d": critic_slope_1d,
    "cross_entropy_gauss": cross_entropy_gauss,
    "dirac_gan_bilinear": dirac_gan_orbit,
    "dirac_gan_logistic": dirac_gan_orbit,
    "dirac_gan_r1_eigs": dirac_gan_r1_eigs,
    "dirac_generator_duality_gap": dirac_generator_duality_gap,
    "dstar_logit_gauss": dstar_logit_gauss,
    "dstar_points": dstar_points,
    "dstar_prior": dstar_prior,
    "dstar_ring_points_2d": dstar_ring_points_2d,
    "ebgan_value": ebgan_value,
    "equilibrium": equilibrium,
    "feature_matching": feature_matching_loss,
    "forward_kl_fit": forward_kl_fit,
    "frozen_d_best_response": frozen_d_best_response,
    "gaussian_small_shift": gaussian_small_shift,
    "gen_grad_mean": gen_grad_mean,
    "gen_grad_std": gen_grad_std,
    "gp_value": gp_value,
    "js_discrete": lambda params: [js(params["p"], params["q"]) / unit(params)],
    "js_mog_1d": js_of_densities,
    "kl_discrete": lambda params: [kl(params["p"], params["q"]) / unit(params)],
    "kl_gauss_1d": kl_of_densities,
    "kl_gauss_2d": lambda params: [kl_gaussians(*(params[name] for name in ("m1", "S1", "m2", "S2")))],
    "kl_mog_1d": kl_of_densities,
    "kr_scaling": kr_scaling,
    "linear_critic_gp": linear_critic_gp,
    "lipschitz_relu_net": lipschitz_relu_net,
    "lipschitz_tanh_net_1d": lipschitz_tanh_net_1d,
    "logit_gradients": logit_gradients,
    "lotus_logistic": lotus_logistic,
    "mc_standard_error": mc_standard_error,
    "minibatch_closeness": lambda params: (
        minibatch_closeness(torch.tensor(params["M"], dtype=torch.float64)).ravel().tolist()
    ),
    "mode_drop": mode_drop,
    "nn1_vs_bayes": nn1_vs_bayes,
    "ns_identity": ns_identity,
    "parallel_lines": parallel_lines,
    "parallel_lines_noisy": parallel_lines_noisy,
    "parzen_loglik": lambda params: [
        parzen_log_likelihood(params["samples"], params["sigma"], params["test"]).mean().item()
    ],
    "parzen_population": parzen_population,
    "penalty_table": penalty_table,
    "reverse_kl_fit": reverse_kl_fit,
    "ring_mode_drop_2d": ring_mode_drop_2d,
    "slit_plane_lipschitz": slit_plane_lipschitz,
    "spectral_norm": spectral_norm,
    "stable_log_sigmoid": stable_log_sigmoid,
    "transport_rays_2d": transport_rays_2d,
    "uniform_shift": uniform_shift,
    "v_constant_d": v_constant_d,
    "v_logistic": v_logistic,
    "v_star": v_star,
    "w1_2d_points": w1_of_points,
    "w1_2d_radial": w1_2d_radial,
    "w1_2d_shift": w1_2d_shift,
    "w1_empirical": w1_of_points,
    "w1_gauss": lambda params: [wasserstein1(*pair(params))],
    "w1_mog": lambda params: [wasserstein1(*pair(params))],
    "w1_shift_gradient": w1_shift_gradient,
    "xhat_moments": xhat_moments,
}

# What only one chapter computes: the notebook whose cells assert the values.
CHAPTER = {
    "pointwise_objective": "02_optimal_discriminator",
    "pushforward_density": "01_minimax_game",
}


# --- the tests ----------------------------------------------------------------------------------------------------


@cache
def read(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))["cases"]


def as_list(numbers: Any) -> list[float]:
    return [float(v) for v in (numbers if isinstance(numbers, list) else [numbers])]


def misses(values: Answer, expected: list[float], tol: float) -> list[str]:
    """What is wrong with an answer, in words; empty where it passes."""
    if len(values) != len(expected):
        return [f"{len(values)} values where {len(expected)} are expected"]
    wrong = []
    for i, (v, e) in enumerate(zip(values, expected, strict=True)):
        good = v == e if np.isinf(e) else abs(v - e) <= tol * max(1, abs(e))
        if not good:
            wrong.append(
                f"element {i}: {v!r} instead of {e!r}, off by {abs(v - e):.3g}, allowed {tol * max(1, abs(e)):.3g}"
            )
    return wrong


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        path = Path(metafunc.config.getoption("--cases"))
        cases = [case for case in read(path) if case["family"] in ROUTES] if path.is_file() else []
        metafunc.parametrize("case", cases, ids=[case["id"] for case in cases])


def test_reference_case(case: dict[str, Any]) -> None:
    values = [float(v) for v in ROUTES[case["family"]](case["params"])]
    wrong = misses(values, as_list(case["expected"]), case["tol"])
    assert not wrong, "\n".join([f"{case['id']}: {case['what']}", f"with {json.dumps(case['params'])}", *wrong])


def test_every_family_of_the_file_has_a_place(cases_file: Path) -> None:
    unplaced = {case["family"] for case in read(cases_file)} - set(ROUTES) - set(CHAPTER)
    assert not unplaced, f"no route or chapter for {sorted(unplaced)}"


def test_the_two_lists_partition_the_families_of_the_books_own_file() -> None:
    parts = [set(ROUTES), set(CHAPTER)]
    assert sum(map(len, parts)) == len(set.union(*parts)), "a family is listed twice"
    assert set.union(*parts) == {case["family"] for case in read(OWN_FILE)}


def asserted_numbers(notebook: str) -> list[float]:
    """Numbers written in the assertions of a chapter's cells."""
    cells = json.loads((ROOT / "book" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    asserts = [node for code in sources for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Assert)]
    constants = [node.value for a in asserts for node in ast.walk(a) if isinstance(node, ast.Constant)]
    return [float(c) for c in constants if isinstance(c, (int, float)) and not isinstance(c, bool)]


@pytest.mark.parametrize("family", sorted(CHAPTER))
def test_chapter_asserts_the_values_of_its_family(family: str) -> None:
    numbers = {round(abs(v), 6) for v in asserted_numbers(CHAPTER[family])}
    expected = [v for case in read(OWN_FILE) if case["family"] == family for v in as_list(case["expected"])]
    missing = [v for v in expected if round(abs(v), 6) not in numbers]
    assert not missing, f"book/{CHAPTER[family]}.ipynb asserts nothing about {missing} of {family}"


@pytest.mark.parametrize(
    ("values", "expected", "tol", "passes"),
    [
        ([1.0], [1.0 + 5e-10], 1e-9, True),
        ([1.0], [1.0 + 5e-9], 1e-9, False),
        ([1000.0], [1000.0 + 5e-7], 1e-9, True),
        ([1e-9], [0.0], 1e-9, True),
        ([np.inf], [np.inf], 0, True),
        ([-np.inf], [np.inf], 0, False),
        ([1e300], [np.inf], 1.0, False),
        ([np.inf], [1.0], 1.0, False),
        ([np.nan], [1.0], 1.0, False),
        ([1.0, 2.0], [1.0], 1.0, False),
    ],
)
def test_the_pass_rule_itself(values: Answer, expected: list[float], tol: float, passes: bool) -> None:
    assert (not misses(values, expected, tol)) == passes


# --- the same cases at other parameters, against definitions evaluated slowly in many digits -----------------------

JITTERED = [case for case in read(OWN_FILE) if case["family"] in ROUTES]


@pytest.mark.parametrize("original", JITTERED, ids=[f"{case['id']}-jittered" for case in JITTERED])
def test_jittered_case(original: dict[str, Any]) -> None:
    family = original["family"]
    params = jitter(original["params"], np.random.default_rng(JITTERED.index(original)), family)
    assert params != original["params"] or params.get("theta") == 0.0
    with mp.workdps(20):
        expected = [float(v) for v in SLOW[family](params)]
    values = [float(v) for v in ROUTES[family](params)]
    wrong = misses(values, expected, max(original["tol"], 1e-12))
    assert not wrong, "\n".join([f"{original['id']} jittered: {json.dumps(params)}", *wrong])
