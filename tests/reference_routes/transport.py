"""Routes of the families about moving mass."""

from __future__ import annotations

import numpy as np

from gan_edu import expectation, gaussian, js, kl, optimal_critic, total_variation, transport, wasserstein1
from reference_routes.objects import Answer, Params, Route, pair


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


ROUTES: dict[str, Route] = {
    "critic_slope_1d": critic_slope_1d,
    "kr_scaling": kr_scaling,
    "parallel_lines": parallel_lines,
    "parallel_lines_noisy": parallel_lines_noisy,
    "transport_rays_2d": transport_rays_2d,
    "w1_2d_points": w1_of_points,
    "w1_2d_radial": w1_2d_radial,
    "w1_2d_shift": w1_2d_shift,
    "w1_empirical": w1_of_points,
    "w1_gauss": lambda params: [wasserstein1(*pair(params))],
    "w1_mog": lambda params: [wasserstein1(*pair(params))],
    "w1_shift_gradient": w1_shift_gradient,
}
