"""Integrals against densities in one and two dimensions, to a stated accuracy or not at all.

Cells are laid around every component of the laws involved, so that no narrow bump hides inside a wide cell, and are
halved until two rules agree on them. The mass inside the cells is compared with 1 first. Points are floating-point
numbers: around a mean m they are np.spacing(m) apart, and an error of about that many stds comes with them.
NumPy's warnings are off meanwhile, in functions that are passed in, too: infinity and NaN are seen in the values.
Chapter: 01, 02, 03.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gan_edu.densities import GaussianMixture, Uniform
from gan_edu.reading import numbers, probabilities, quiet

__all__ = ["expectation"]

Array = NDArray[np.float64]
Density = GaussianMixture | Uniform
Law = Density | ArrayLike
Function = Callable[[Array], ArrayLike]
# On the line, cells are cut at these multiples of each component's std; in the plane a cell is at most WIDTH stds
# wide if it lies within REACH stds of a component.
CUTS = np.array([0, 1, 2, 3, 4.5, 6, 8, 10, 14, 20, 38.0])
REACH = {1: 38.0, 2: 6.5}
WIDTH = 3.0
TOLERANCE = {1: 1e-12, 2: 1e-8}


def _lobatto(n: int) -> tuple[Array, Array]:
    """Gauss-Lobatto rule on [-1, 1], whose nodes include the ends: a jump close to an end of a cell shows."""
    last = np.polynomial.legendre.Legendre.basis(n - 1)
    node = np.r_[-1.0, np.sort(last.deriv().roots()), 1.0]
    weight = 2 / (n * (n - 1) * last(node) ** 2)
    return node * (1 - 1e-12), weight * 2 / weight.sum()


# Each cell is summed by a rule and by a shorter one; their difference is taken for the error of the former.
RULES = {1: (_lobatto(13), _lobatto(9)), 2: (np.polynomial.legendre.leggauss(9), np.polynomial.legendre.leggauss(7))}


def as_laws(p: Law, q: Law) -> tuple[Density, Density] | tuple[Array, Array]:
    """Both laws, checked to be of one kind and to live in the same space."""
    if isinstance(p, Density) and isinstance(q, Density):
        if p.dim != q.dim or p.dim > 2:
            raise ValueError(
                f"both densities must have the same dimension, 1 or 2, got {p.dim} and {q.dim}; change one"
            )
        return p, q
    kind = "a GaussianMixture, a Uniform or a vector of probabilities"
    first, second = (None if isinstance(law, Density) else numbers("a law", law, kind) for law in (p, q))
    if first is None or second is None:
        raise ValueError(
            "both laws must be of one kind, got a density and a vector; use binned(density, edges) for the density"
        )
    if first.ndim != 1 or first.shape != second.shape or first.size == 0:
        raise ValueError(
            f"probability vectors must have one shape (n,), got {first.shape} and {second.shape}; align them"
        )
    return probabilities("probabilities", p), probabilities("probabilities", q)  # type: ignore[arg-type]


def as_points(points: ArrayLike, name: str) -> Array:
    """Points as an array (n, d)."""
    cloud = numbers(name, points, "points, numbers of shape (n,) or (n, d)")
    cloud = cloud[:, None] if cloud.ndim == 1 else cloud
    if cloud.ndim != 2 or cloud.size == 0 or not np.isfinite(cloud).all():
        raise ValueError(
            f"{name} must be points of shape (n,) or (n, d), at least one, all finite, got shape {np.shape(points)}"
        )
    return cloud


def _intervals(laws: Sequence[Density], cover: Sequence[Density], reach: float) -> tuple[Array, Array]:
    """Cells on the line, from the first to the last point that `cover` reaches: (low (C, 1), size (C, 1))."""
    ends = np.concatenate([law.box(reach) for law in cover])[:, 0]
    points = []
    for law in laws:
        if isinstance(law, Uniform):
            points.append(np.array([law.low, law.high]))
        else:
            cuts = np.concatenate([-CUTS[:0:-1], CUTS])
            points.append((law.means + law.stds[:, None] * cuts).ravel())
    inner = np.concatenate(points)
    edges = np.unique(np.concatenate([[ends.min(), ends.max()], inner[(inner > ends.min()) & (inner < ends.max())]]))
    # Two edges closer than rounding would make a cell without inner points.
    edges = edges[np.concatenate([[True], np.diff(edges) > 1e-13 * np.abs(edges[1:])])]
    return edges[:-1, None], np.diff(edges)[:, None]


def _squares(laws: Sequence[GaussianMixture], cover: Sequence[GaussianMixture], reach: float) -> tuple[Array, Array]:
    """Cells in the plane: a square around `cover` is quartered until each cell is fine enough for all that is near it."""
    corners = np.concatenate([law.box(reach) for law in cover])
    side = np.ptp(corners, axis=0).max()
    low, done_low, done_size = corners.min(0)[None], [], []
    means, stds = (np.concatenate([getattr(law, name) for law in laws]) for name in ("means", "stds"))
    near_cover = [
        (law.means[law.weights > 0], reach * law.stds[law.weights > 0]) for law in cover
    ]  # outside these discs there is nothing to integrate

    def distance(to: Array) -> Array:
        gap = np.maximum(np.abs(low[:, None] + side / 2 - to) - side / 2, 0)
        result: Array = np.hypot(gap[..., 0], gap[..., 1])
        return result

    for _ in range(100):
        keep = np.any([(distance(mu) <= radius).any(1) for mu, radius in near_cover], axis=0)
        low = low[keep]
        coarse = ((distance(means) <= REACH[2] * stds) & (side > WIDTH * stds)).any(1)
        done_low.append(low[~coarse])
        done_size.append(np.full((int((~coarse).sum()), 2), side))
        if not coarse.any():
            break
        side /= 2
        low = (low[coarse][:, None] + side * np.array([[0, 0], [0, 1], [1, 0], [1, 1]])).reshape(-1, 2)
    return np.concatenate(done_low), np.concatenate(done_size)


def _first_cells(laws: Sequence[Density], cover: Sequence[Density], reach: float, pieces: int) -> tuple[Array, Array]:
    """Cells around `cover` that are fine enough for `laws`, cut into `pieces` along each axis: (low (C, d), size (C, d))."""
    for law in laws:
        if isinstance(law, GaussianMixture) and (np.spacing(np.abs(law.means).max(1)) > 1e-4 * law.stds).any():
            raise ValueError(
                "the integral would miss mass: a component is narrower than 10000 spacings of the floating-point numbers "
                "around its mean; shift or scale the problem"
            )
    dim = cover[0].dim
    low, size = _intervals(laws, cover, reach) if dim == 1 else _squares(laws, cover, reach)  # type: ignore[arg-type]
    corners = np.stack(np.meshgrid(*[np.arange(pieces) / pieces] * dim, indexing="ij"), -1).reshape(-1, dim)
    return (low[:, None] + corners * size[:, None]).reshape(-1, dim), np.repeat(size / pieces, len(corners), axis=0)


@quiet
def integrate(
    f: Function,
    laws: Sequence[Density],
    cover: Sequence[Density] | None = None,
    reach: float | None = None,
    pieces: int = 1,
) -> float:
    """Integral of f over the cells of `cover` (default: of all laws), which are fine enough for each of `laws`.

    `f` maps points, (n,) on the line and (n, 2) in the plane, to values (n,); inf is returned where f is infinite.
    Each cell is cut into `pieces` along each axis to begin with.

    Raises:
        ValueError: the cells miss mass of a covering law, or halving does not settle.
    """
    cover = cover or laws
    dim = cover[0].dim
    low, size = _first_cells(laws, cover, reach or REACH[dim], pieces)
    grids = [np.stack(np.meshgrid(*[(node + 1) / 2] * dim, indexing="ij"), -1) for node, _ in RULES[dim]]
    factors = [np.prod(np.meshgrid(*[weight / 2] * dim, indexing="ij"), axis=0) for _, weight in RULES[dim]]
    nodes = np.concatenate([grid.reshape(-1, dim) for grid in grids])
    first = factors[0].size
    halves = np.stack(np.meshgrid(*[[0, 0.5]] * dim, indexing="ij"), -1).reshape(-1, dim)

    def sums(g: Function) -> Array:
        """Integral over each cell by both rules, shape (C, 2)."""
        result = np.empty((len(low), 2))
        for block in range(0, len(low), 500):  # bounded memory: mixtures make one number per point and component
            part = slice(block, block + 500)
            points = (low[part, None] + size[part, None] * nodes).reshape(-1, dim)
            values = numbers("f(x)", g(points[:, 0] if dim == 1 else points))
            by_cell = values.reshape(-1, len(nodes))  # the rules apart: 0 * inf would be NaN
            both = by_cell[:, :first] @ factors[0].ravel(), by_cell[:, first:] @ factors[1].ravel()
            result[part] = np.stack(both, -1) * size[part].prod(-1, keepdims=True)
        return result

    for law in cover:
        if not abs((mass := sums(law.prob)[:, 0].sum()) - 1) < 1e-6:  # 6 stds hold all but 2e-9
            raise ValueError(f"the integral would miss mass: its cells hold {mass:.9g} instead of 1; reach further")
    total = 0.0
    for _ in range(60):
        both = sums(f)
        if not np.isfinite(both).all():
            return float(np.sum(both[:, 0]) + total)
        wrong = np.abs(both[:, 0] - both[:, 1]) > TOLERANCE[dim] * max(1.0, abs(total + both[:, 0].sum()))
        total += float(both[~wrong, 0].sum())
        if not wrong.any():
            return total
        low = (low[wrong][:, None] + halves * size[wrong][:, None]).reshape(-1, dim)
        size = np.repeat(size[wrong] / 2, len(halves), axis=0)
        if len(low) > 400_000:
            break
    raise ValueError("the integral did not settle: the function is too rough for its scale; smooth it or use samples")


def _rim(p: Density, reach: float) -> tuple[Array, Array]:
    """Points at the edge of what p reaches, and the area (length) of a std there."""
    if isinstance(p, Uniform):
        return np.empty(0), np.empty(0)
    heavy = p.weights > 0
    means, stds = p.means[heavy], p.stds[heavy]
    if p.dim == 1:
        return np.array(p.box(reach))[:, 0], np.repeat(stds.max(), 2)
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circles = means[:, None] + reach * stds[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    points, area = circles.reshape(-1, 2), np.repeat(stds**2, 24)
    outside = (np.linalg.norm(points[:, None] - means, axis=-1) > 0.999 * reach * stds).all(1)
    return points[outside], area[outside]


def _check_near(near: Sequence[Density], dim: int) -> None:
    """Refuse what cannot be announced to `expectation`."""
    if not isinstance(near, Sequence) or not all(isinstance(law, Density) for law in near):
        raise TypeError(f"near must be a tuple of densities, got {near!r:.60}; write near=(q,)")
    if any(law.dim != dim for law in near):
        raise ValueError(f"near must have the dimension of p, {dim}, got {[law.dim for law in near]}; leave it out")


@quiet
def expectation(p: Law, f: Function | ArrayLike, *, near: Sequence[Density] = ()) -> float:
    """Expectation E_{x ~ p}[f(x)] = int p(x) f(x) dx by adaptive quadrature (1-D: 1e-10, 2-D: 1e-6 of max(1, |value|)).

    f may jump and bend; what it does within a twentieth of a component's std may be missed unless `near` announces it.
    Beyond 9 stds f is looked at only where p f is not negligible there.

    Args:
        p: a density, or a probability vector; then `f` is the vector of values.
        f: function of an array of points, (n,) on the line and (n, 2) in the plane.
        near: densities that f is made of. Cells are cut around their components, too: nobody else could know that
            f has a narrow bump there.

    Raises:
        ValueError: f returns NaN where p has mass, outgrows the tails of p, or the integral does not settle; `near` has
            another dimension than p.
        TypeError: p is no law, `near` holds something else than densities, f returns no numbers.

    Example:
        >>> from gan_edu.densities import gaussian
        >>> round(expectation(gaussian(1.0, 2.0), lambda x: x**2), 9)
        5.0

    Chapter: 01.
    """
    if not isinstance(p, Density):
        if callable(f):
            raise ValueError(
                "f must be the vector of values for a probability vector, got a function; call it on the points"
            )
        p_vector, values = np.asarray(as_laws(p, p)[0]), numbers("f", f)
        if values.shape not in ((), p_vector.shape) or np.isnan(values).any():
            raise ValueError(
                f"f must be one number per entry of p, {p_vector.shape}, without NaN, got {values.shape}; align them"
            )
        return float(np.where(p_vector > 0, p_vector * values, 0.0).sum())
    if p.dim > 2:
        raise ValueError(f"quadrature needs dimension 1 or 2, got {p.dim}; average over p.sample(...) instead")
    if not callable(f):
        raise ValueError("f must be a function of x for a density, got numbers; wrap them in a lambda")
    _check_near(near, p.dim)

    def integrand(x: Array) -> Array:
        density = p.prob(x)
        values = np.broadcast_to(numbers("f(x)", f(x)), density.shape)
        if np.isnan(values[density > 0]).any():
            raise ValueError("f(x) must be a number wherever p has mass, got NaN; check f outside the range you drew")
        return np.where(density > 0, density * values, 0.0)

    # Just as far out as it matters: a D that was computed without logits rounds to 0 or 1 in the far tails.
    for reach in (9.0, 14.0, 38.0):
        rim, unit = _rim(p, reach)
        if not rim.size or np.abs(integrand(rim) * unit).max() < 1e-14:
            return integrate(integrand, (p, *near), (p,), reach, pieces=4 if p.dim == 1 else 2)
    if np.isinf(inner := integrate(integrand, (p, *near), (p,), 6.0)):
        return inner
    raise ValueError(
        "f(x) must stay finite and not outgrow the tails of p, but p f is not small far out; "
        "if f is a logarithm of a rounded D, give D a `logit`"
    )
