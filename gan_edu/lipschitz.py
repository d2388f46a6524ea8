"""How steep a network can be: gradient norms, a lower bound by search, the exact constant of small ReLU nets, upper bounds.

K is a Lipschitz constant of f if |f(x) - f(y)| <= K |x - y| for all x and y, with Euclidean norms; "the" constant is
the smallest one. Outputs may be vectors, then |f(x) - f(y)| is a norm, too, and the gradient a Jacobian.
Chapter: 09, 10, 11.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import scipy
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from gan_edu.networks import Ensemble

__all__ = [
    "clip_bound",
    "gradient_norms",
    "lipschitz_lower_bound",
    "relu_lipschitz",
    "secant_slopes",
    "spectral_bound",
]

Array = NDArray[np.float64]
Critic = Callable[[Tensor], Tensor]
Net = Ensemble | torch.nn.Sequential | Sequence[tuple[ArrayLike, ArrayLike]]


def _tensor(x: Tensor | ArrayLike) -> Tensor:
    """Points as a tensor; numbers that are not tensors become float64."""
    x = x if isinstance(x, Tensor) else torch.as_tensor(np.asarray(x, dtype=np.float64))
    if x.ndim == 0 or x.numel() == 0:
        raise ValueError(f"points must have shape (..., d) and be at least one, got {tuple(x.shape)}; add an axis")
    return x


def gradient_norms(critic: Critic, x: Tensor | ArrayLike, *, create_graph: bool = False) -> Tensor:
    """Norm of the critic's gradient at each point, |grad f(x)|, shape x.shape[:-1], in units of f per unit of x.

    Args:
        critic: maps points (..., d) to one number each, (...) or (..., 1), each from its own point alone
            (batch normalisation would mix them).
        x: points, shape (..., d).
        create_graph: True if the norms themselves will be differentiated, as in a gradient penalty.

    Raises:
        ValueError: there are no points, or the critic returns several numbers a point.

    Example:
        >>> gradient_norms(lambda x: (x**2).sum(-1), [[3.0, 4.0], [0.0, 0.0]]).tolist()
        [10.0, 0.0]

    Source: Gulrajani et al. (2017), section 4. Chapter: 09, 10, 11.
    """
    x = _tensor(x).detach().requires_grad_()
    with torch.enable_grad():
        f = critic(x)
        if f.shape not in (x.shape[:-1], (*x.shape[:-1], 1)):
            raise ValueError(
                f"the critic must return one number a point, {tuple(x.shape[:-1])}, got {tuple(f.shape)}; sum or pick one"
            )
        if not f.requires_grad:
            return torch.zeros_like(x[..., 0])  # a constant
        (gradient,) = torch.autograd.grad(f.sum(), x, create_graph=create_graph, materialize_grads=True)
    norms: Tensor = torch.linalg.vector_norm(gradient, dim=-1)
    return norms


def secant_slopes(critic: Critic, x: Tensor | ArrayLike, y: Tensor | ArrayLike) -> Tensor:
    """Slopes |f(x) - f(y)| / |x - y| of the secants from each point of x to the point of y beside it, shape x.shape[:-1].

    Each is a lower bound of every Lipschitz constant of f.

    Args:
        critic: maps points (..., d) to one number each, (...), or to vectors, (..., m).
        x: first ends, shape (..., d).
        y: second ends, the same shape.

    Raises:
        ValueError: shapes differ, or two points coincide.

    Example:
        >>> secant_slopes(lambda x: x[..., 0] ** 2, [[0.0], [1.0]], [[1.0], [3.0]]).tolist()
        [1.0, 4.0]

    Chapter: 10.
    """
    x, y = _tensor(x), _tensor(y)
    if x.shape != y.shape:
        raise ValueError(f"x and y must have one shape, got {tuple(x.shape)} and {tuple(y.shape)}; pair the points")
    run = torch.linalg.vector_norm(x - y, dim=-1)
    if not (run > 0).all():
        raise ValueError("the two points of a secant must differ, got a pair that coincides; drop it")
    with torch.no_grad():
        rise = critic(x) - critic(y)
    if rise.shape not in (run.shape, (*run.shape, rise.shape[-1] if rise.ndim else 0)):
        raise ValueError(
            f"the critic must return one number or vector a point, {tuple(run.shape)} or longer, got {tuple(rise.shape)}"
        )
    slopes: Tensor = (rise.abs() if rise.shape == run.shape else torch.linalg.vector_norm(rise, dim=-1)) / run
    return slopes


def lipschitz_lower_bound(critic: Critic, points: Tensor | ArrayLike, *, climb: int = 5) -> tuple[float, Array]:
    """Largest gradient norm found, and where: the best of `points`, then uphill from the `climb` best of them.

    The value is attained at the point returned, so no Lipschitz constant is smaller; a larger one may have been missed.

    Args:
        critic: maps points (n, d) to one number each.
        points: where to look first, shape (n, d).
        climb: number of points to improve by Nelder and Mead's search.

    Raises:
        ValueError: points do not have shape (n, d), or a gradient is not finite.

    Example:
        >>> k, where = lipschitz_lower_bound(lambda x: torch.tanh(x[..., 0] - 2), [[1.0], [3.5]])
        >>> round(k, 9), round(float(where[0]), 4)
        (1.0, 2.0)

    Chapter: 10.
    """
    x = _tensor(points)
    norms = gradient_norms(critic, x).detach()
    if x.ndim != 2 or not torch.isfinite(norms).all():
        raise ValueError(f"points must have shape (n, d) and finite gradients there, got shape {tuple(x.shape)}")

    def negative(v: Array) -> float:
        return -float(gradient_norms(critic, torch.as_tensor(v, dtype=x.dtype)[None])[0])

    best, where = float(norms.max()), x[int(norms.argmax())].double().numpy()
    spread = (x.max(0).values - x.min(0).values).double().numpy() / len(x) ** (1 / x.shape[1])
    for start in x[norms.argsort(descending=True)[:climb]].double().numpy():
        simplex = np.vstack([start, start + np.diag(np.where(spread > 0, spread, 1e-2))])
        options = {"initial_simplex": simplex, "xatol": 1e-10, "fatol": 1e-15, "maxiter": 400 * len(start)}
        found = scipy.optimize.minimize(negative, start, method="Nelder-Mead", options=options)
        if -found.fun > best:
            best, where = -float(found.fun), found.x
    return best, where


def _layers(net: Net) -> list[list[tuple[Array, Array]]]:
    """For each member of a net, its layers as pairs W (out, in) and b (out,)."""
    if isinstance(net, Ensemble):
        if net.kernels:
            raise ValueError(
                "a bound needs a net that maps each sample alone, got minibatch kernels; train without them"
            )
        parameters = [
            (w.detach().double().cpu().numpy(), b.detach().double().cpu().numpy())
            for w, b in zip(net.weights, net.biases, strict=True)
        ]
        members = [[(w[e].T, b[e, 0]) for w, b in parameters] for e in range(net.members)]
    elif isinstance(net, torch.nn.Sequential):
        linears = [layer.double() for layer in copy.deepcopy(net).cpu() if isinstance(layer, torch.nn.Linear)]
        members = [
            [
                (m.weight.detach().numpy(), np.zeros(m.out_features) if m.bias is None else m.bias.detach().numpy())
                for m in linears
            ]
        ]
    else:
        members = [[(np.asarray(w, dtype=np.float64), np.asarray(b, dtype=np.float64)) for w, b in net]]
    layers = members[0]
    fits = layers and all(w.ndim == 2 and w.size and b.shape == w.shape[:1] for w, b in layers)
    if not fits or any(first.shape[0] != then.shape[1] for (first, _), (then, _) in pairwise(layers)):
        shapes = [(w.shape, b.shape) for w, b in layers]
        raise ValueError(f"a net is pairs of W (out, in) and b (out,), each in the out of the one before, got {shapes}")
    if not all(np.isfinite(v).all() for member in members for layer in member for v in layer):
        raise ValueError("weights and biases must be finite, got NaN or infinity; the training has diverged")
    return members


def _per_member(net: Net, values: list[float]) -> float | Array:
    return np.array(values) if isinstance(net, Ensemble) else values[0]


def spectral_bound(net: Net, *, norm: str = "spectral") -> float | Array:
    """Product of the layers' norms, prod_l |W_l|: a Lipschitz constant of the net if its activations have slopes in [-1, 1].

    Args:
        net: an Ensemble, an nn.Sequential of nn.Linear and activations, or pairs (W, b), W (out, in) and b (out,).
        norm: "spectral", the largest singular value, or "frobenius", which is larger and cheaper.

    Returns:
        one number; for an Ensemble one a member, shape (E,).

    Raises:
        ValueError: the shapes do not chain, a number is not finite, or the norm is unknown.

    Example:
        >>> w = [([[1.0, 2.0], [3.0, 4.0]], [0.0, 0.0])]
        >>> round(spectral_bound(w), 6), round(spectral_bound(w, norm="frobenius"), 6)
        (5.464986, 5.477226)

    Source: Szegedy et al. (2014), section 4.3. Chapter: 10.
    """
    if norm not in ("frobenius", "spectral"):
        raise ValueError(f"unknown norm {norm!r}; choose one of 'frobenius', 'spectral'")

    def size(w: Array) -> float:
        return float(np.linalg.norm(w, 2) if norm == "spectral" else np.linalg.norm(w))

    return _per_member(net, [math.prod([size(w) for w, _ in layers]) for layers in _layers(net)])


def clip_bound(c: float, widths: Sequence[int]) -> float:
    """Largest Lipschitz constant of a ReLU net of these widths whose weights lie in [-c, c]: prod_l c sqrt(n_l n_{l+1}).

    It is attained where all weights are c and the inputs positive; there is no bound on biases.

    Args:
        c: bound of the weights.
        widths: layer sizes, input first.

    Raises:
        ValueError: c is negative or not finite, or there are fewer than two widths.

    Example:
        >>> round(clip_bound(0.01, [2, 64, 64, 1]), 9)
        0.005792619

    Source: Arjovsky et al. (2017), section 3, made explicit. Chapter: 09.
    """
    if not 0 <= c < math.inf or len(widths) < 2 or min(widths) < 1:
        raise ValueError(f"c must be finite and >= 0, widths at least two positive numbers, got {c} and {list(widths)}")
    return math.prod(c * math.sqrt(n_in * n_out) for n_in, n_out in pairwise(widths))


def relu_lipschitz(net: Net, *, max_regions: int = 2000) -> float | Array:
    """Exact Lipschitz constant of a small ReLU net: the largest |Jacobian| (spectral norm) over its linear regions.

    The net is linear where no neuron switches. The regions are enumerated neuron by neuron: each splits the regions so
    far into a part where it is on and one where it is off, and a linear program finds out which parts have an inside.
    Regions thinner than 1e-7 (in the units of x, within a box of 1e6) are left out.

    Args:
        net: an Ensemble, an nn.Sequential, or pairs (W, b), W (out, in) and b (out,); ReLU between the layers.
        max_regions: where to give up.

    Returns:
        one number; for an Ensemble one a member, shape (E,).

    Raises:
        ValueError: the shapes do not chain, the activation is not ReLU, or there are more than `max_regions` regions.

    Example:
        >>> # relu(x) - 3 relu(x - 1)
        >>> tent = [([[1.0], [1.0]], [0.0, -1.0]), ([[1.0, -3.0]], [0.0])]
        >>> relu_lipschitz(tent)
        2.0

    Source: Montufar et al. (2014), for the regions. Chapter: 10.
    """
    if isinstance(net, Ensemble) and net.activation != "relu":
        raise ValueError(f"only a ReLU net has linear regions, got activation {net.activation!r}; use spectral_bound")
    if isinstance(net, torch.nn.Sequential):
        kinds = [type(layer).__name__ for layer in net]
        if kinds != ["Linear", "ReLU"] * (len(kinds) // 2) + ["Linear"]:
            raise ValueError(f"only Linear, ReLU, ..., Linear can be enumerated, got {kinds}; use spectral_bound")
    return _per_member(net, [_largest_jacobian(layers, max_regions) for layers in _layers(net)])


def _largest_jacobian(layers: list[tuple[Array, Array]], max_regions: int) -> float:
    dim = layers[0][0].shape[1]
    # A region: half-spaces h x + c >= 0 with rows (h, c) of length |h| = 1, a point inside, x -> J x + k so far.
    regions = [(np.zeros((0, dim + 1)), np.zeros(dim), np.eye(dim), np.zeros(dim))]
    for weight, bias in layers[:-1]:
        after: list[tuple[Array, Array, Array, Array]] = []
        for walls, inside, jacobian, shift in regions:
            j, k = weight @ jacobian, weight @ shift + bias
            parts = [(walls, inside, np.zeros(0))]
            for h, c, row in zip(j, k, weight, strict=True):
                seen = np.linalg.norm(h) > 1e-12 * np.linalg.norm(row) * np.linalg.norm(jacobian)
                if not seen:  # the neuron does not see x in this region
                    parts = [(w, x, np.append(on, float(c > 0))) for w, x, on in parts]
                    continue
                parts = [half for part in parts for half in _halves(*part, h, float(c))]
                if len(parts) + len(after) > max_regions:
                    raise ValueError(
                        f"the net must have at most {max_regions} linear regions and has more; use spectral_bound and "
                        "lipschitz_lower_bound, or raise max_regions"
                    )
            after += [(w, x, j * on[:, None], k * on) for w, x, on in parts]
        regions = after
    last = layers[-1][0]
    return max(float(np.linalg.norm(last @ jacobian, 2)) for _, _, jacobian, _ in regions)


def _halves(walls: Array, inside: Array, on: Array, h: Array, c: float) -> list[tuple[Array, Array, Array]]:
    """The parts of a region where h x + c > 0 and where it is < 0, those that have an inside."""
    wall = np.append(h, c) / np.linalg.norm(h)
    parts = []
    for sign in (1.0, -1.0):
        rows = np.vstack([walls, sign * wall])
        x, depth = inside, sign * float(wall[:-1] @ inside + wall[-1])
        if depth <= 1e-7:
            # Chebyshev's centre: the point whose distance to the nearest wall, at most 1, is largest.
            found = scipy.optimize.linprog(
                np.r_[np.zeros(len(h)), -1.0],
                A_ub=np.column_stack([-rows[:, :-1], np.ones(len(rows))]),
                b_ub=rows[:, -1],
                bounds=[(-1e6, 1e6)] * len(h) + [(-1, 1)],
                method="highs-ds",
            )
            if found.status != 0 or -found.fun <= 1e-7:
                continue
            x = found.x[:-1]
        parts.append((rows, x, np.append(on, float(sign > 0))))
    return parts
