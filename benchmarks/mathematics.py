"""How long the exact divergences and transport take, and beside them other routes to the same number.

`make bench` runs it. All times are medians in one process on one thread, so that their ratios mean something. POT
(Python Optimal Transport) is compared where it is installed; the book does not need it.
"""

from __future__ import annotations

import importlib.util
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
from scipy.integrate import dblquad, quad
from scipy.optimize import linprog
from scipy.sparse import eye_array, kron, vstack
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from gan_edu import GaussianMixture, grid, js, kl, ring, total_variation, transport, wasserstein1

LINE = (
    GaussianMixture([-3.0, 0.0, 2.5], [0.6, 0.8, 0.4], [0.2, 0.5, 0.3]),
    GaussianMixture([-2.0, 1.0, 3.0], [1.0, 1.2, 0.5], [0.4, 0.3, 0.3]),
)
PLANE = (
    GaussianMixture([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]], [0.5, 0.3, 0.4]),
    GaussianMixture([[0.5, 0.0], [2.0, 1.0], [0.0, 1.0]], [0.5, 0.6, 0.4]),
)


def median_time(f: Callable[[], float], budget: float = 1.0) -> tuple[float, float]:
    """Seconds a call takes (median over about `budget` seconds, at least three calls), and what it returns."""
    times: list[float] = []
    while len(times) < 3 or (sum(times) < budget and len(times) < 200):
        start = time.perf_counter()
        result = f()
        times.append(time.perf_counter() - start)
        if times[0] > 20:
            break
    return statistics.median(times), float(result)


def show(name: str, ours: Callable[[], float], others: dict[str, Callable[[], float]], goal: float) -> None:
    """One line for our route and one for each other route to the same number."""
    seconds, expected = median_time(ours)
    print(f"{name:<44} {1e3 * seconds:10.2f} ms   goal {1e3 * goal:6.0f} ms {'met' if seconds <= goal else 'MISSED'}")
    for other, f in others.items():
        took, found = median_time(f)
        print(
            f"    {other:<40} {1e3 * took:10.2f} ms   {took / seconds:8.3g} x   differs by {abs(found - expected):.1e}"
        )


def log_ratio(p: GaussianMixture, q: GaussianMixture) -> Callable[..., float]:
    """The integrand of KL(p || q), of one or two numbers."""

    def f(*x: float) -> float:
        point = x[0] if len(x) == 1 else x[::-1]
        return float(p.prob(point) * (p.log_prob(point) - q.log_prob(point)))

    return f


def linear_program(cost: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """Transport as one linear program over all pairs."""
    n, m = cost.shape
    sums = vstack([kron(eye_array(n), np.ones((1, m))), kron(np.ones((1, n)), eye_array(m))]).tocsc()
    return float(linprog(cost.ravel(), A_eq=sums, b_eq=np.r_[a, b], method="highs").fun)


def gap(p: GaussianMixture, q: GaussianMixture) -> Callable[[float], float]:
    """The integrand of W1."""
    return lambda x: float(abs(p.cdf(x) - q.cdf(x)))


def main() -> None:
    p, q = LINE
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}\n")
    cuts = [-6, -3, -1, 0, 1, 2.5, 4, 6]
    show("kl, 3 + 3 components, line", lambda: kl(p, q), {
        "scipy.integrate.quad, told where to look": lambda: quad(log_ratio(p, q), -12, 12, points=cuts, epsabs=1e-10, limit=200)[0],
    }, 5e-3)  # fmt: skip
    show("js, line", lambda: js(p, q), {}, 5e-3)
    show("total_variation, line", lambda: total_variation(p, q), {}, 5e-3)
    show("wasserstein1, line", lambda: wasserstein1(p, q), {
        "scipy.integrate.quad of |F - G|": lambda: quad(gap(p, q), -12, 12, points=cuts, epsabs=1e-10, limit=200)[0],
    }, 5e-3)  # fmt: skip

    p2, q2 = PLANE
    show("kl, 3 + 3 components, plane", lambda: kl(p2, q2), {
        "scipy.integrate.dblquad, to 1e-6": lambda: dblquad(log_ratio(p2, q2), -4, 5, -4, 5, epsabs=1e-6)[0],
    }, 1.0)  # fmt: skip
    show("js, plane", lambda: js(p2, q2), {}, 1.0)
    show("total_variation, plane", lambda: total_variation(p2, q2), {}, 1.0)
    show("js, ring of 8 against grid of 25", lambda: js(ring(), grid()), {}, 1.0)

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((500, 2)), rng.standard_normal((500, 2)) + 1
    a, b = rng.dirichlet(np.ones(500)), rng.dirichlet(np.ones(500))
    even, cost = np.full(500, 1 / 500), cdist(x, y)
    pot: dict[str, Callable[[], float]] = {}
    weighted: dict[str, Callable[[], float]] = {
        "scipy.optimize.linprog over all pairs": lambda: linear_program(cost, a, b)
    }
    if importlib.util.find_spec("ot"):
        import ot

        pot["POT, ot.emd2"] = lambda: float(ot.emd2(even, even, cost))
        weighted["POT, ot.emd2"] = lambda: float(ot.emd2(a, b, cost))
    else:
        print("    (POT is not installed, so there is no comparison with it)")
    show("transport, 500 to 500 points, plane", lambda: transport(x, y).cost, pot, 2.0)
    show("transport, 500 to 500 weighted points", lambda: transport(x, y, a, b).cost, weighted, 2.0)
    u, v = x[:, 0], y[:, 0]
    show("transport, 500 to 500 points, line", lambda: transport(u, v).cost, {
        "scipy.stats.wasserstein_distance (no plan)": lambda: wasserstein_distance(u, v),
    }, 2.0)  # fmt: skip


if __name__ == "__main__":
    main()
