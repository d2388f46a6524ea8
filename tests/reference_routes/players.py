"""Routes of the families about what a discriminator and a generator do, and what they lose."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import log_expit
from shared import Logistic

from gan_edu import (
    GAMES,
    GaussianMixture,
    expectation,
    gaussian,
    generator_gradient,
    js,
    kl,
    optimal_discriminator,
    total_variation,
    value,
)
from reference_routes.objects import Answer, Params, Route, law, pair

MINIMAX, NON_SATURATING = GAMES["minimax"], GAMES["non-saturating"]


def kept_modes(params: Params) -> tuple[np.ndarray, np.ndarray]:
    """Probability vectors of the data and of a generator that has only the kept modes, renormalised."""
    p = np.array(params["weights"])
    q = np.where(np.isin(np.arange(len(p)), params["kept"]), p, 0)
    return p, q / q.sum()


def one_logit(loss: Callable[[torch.Tensor], torch.Tensor], a: np.ndarray) -> np.ndarray:
    """A game's loss on batches of one logit each."""
    return loss(torch.as_tensor(np.asarray(a), dtype=torch.float64)[..., None]).numpy()


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


ROUTES: dict[str, Route] = {
    "bayes_accuracy": bayes_accuracy,
    "bce_hard_labels": bce_hard_labels,
    "dstar_logit_gauss": dstar_logit_gauss,
    "dstar_points": dstar_points,
    "dstar_prior": dstar_prior,
    "equilibrium": equilibrium,
    "frozen_d_best_response": frozen_d_best_response,
    "gen_grad_mean": gen_grad_mean,
    "gen_grad_std": gen_grad_std,
    "logit_gradients": logit_gradients,
    "lotus_logistic": lotus_logistic,
    "mc_standard_error": mc_standard_error,
    "mode_drop": mode_drop,
    "nn1_vs_bayes": nn1_vs_bayes,
    "ns_identity": ns_identity,
    "stable_log_sigmoid": stable_log_sigmoid,
    "v_constant_d": v_constant_d,
    "v_logistic": v_logistic,
    "v_star": v_star,
}
