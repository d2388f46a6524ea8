"""How steep a network can be: gradient norms, a lower bound by search, the exact constant of small ReLU nets, upper bounds.

K is a Lipschitz constant of f if |f(x) - f(y)| <= K |x - y| for all x and y, with Euclidean norms; "the" constant is
the smallest one. Outputs may be vectors, then |f(x) - f(y)| is a norm, too, and the gradient a Jacobian.
Chapter: 09, 10, 11.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import scipy
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from gan_edu.layers import Layer, Net, read_layers, refuse_mixing
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


def _tensor(x: Tensor | ArrayLike, critic: Critic | None = None) -> Tensor:
    """Points as a tensor of the critic's type and device where it is a module with parameters; else of their own.

    Numbers that are not floating-point tensors become float64 on the CPU, whatever PyTorch's defaults.
    """
    if not isinstance(x, Tensor):
        x = torch.as_tensor(np.asarray(x, dtype=np.float64), device="cpu")
    if x.ndim == 0 or x.numel() == 0:
        raise ValueError(f"points must have shape (..., d) and be at least one, got {tuple(x.shape)}; add an axis")
    x = x if x.is_floating_point() else x.double()
    if isinstance(critic, torch.nn.Module):
        refuse_mixing("the critic", critic)
        for own in (*critic.parameters(), *critic.buffers()):
            if own.is_floating_point():
                return x.to(own.device, own.dtype)
    return x


def _called(critic: Critic, x: Tensor) -> Tensor:
    """The critic's outputs at x, as a tensor."""
    try:
        f = critic(x)
    except RuntimeError as error:
        if "call numpy()" in str(error):
            raise ValueError(
                "the critic must be written with PyTorch alone, got one that calls NumPy; use torch.sin for np.sin"
            ) from error
        if re.search("dtype|scalar type|same device", str(error)):
            raise ValueError(
                f"the critic must take points of type {x.dtype} on {x.device}, got one that does not ({error}); "
                "pass the nn.Module itself, or points as a tensor of its type"
            ) from error
        raise
    if not isinstance(f, Tensor):
        raise ValueError(f"the critic must return a tensor, got {type(f).__name__}; use PyTorch in place of NumPy")
    return f if f.is_floating_point() else f.to(x.dtype)


def _refuse_if_cut_off(critic: Critic, x: Tensor, f: Tensor) -> None:
    """A critic without a gradient must be a constant: its values may not change where x does."""
    with torch.no_grad():
        for other in (x + 1, x - 1, -9 * x):
            if not torch.equal(_called(critic, other), f):
                raise ValueError(
                    "the critic must be differentiable by x, got one whose values change with x while autograd sees no way "
                    "from one to the other; leave out detach, no_grad, inference_mode, item, NumPy and comparisons"
                )


def gradient_norms(critic: Critic, x: Tensor | ArrayLike, *, create_graph: bool = False) -> Tensor:
    """Norm of the critic's gradient at each point, |grad f(x)|, shape x.shape[:-1], in units of f per unit of x.

    Args:
        critic: maps points (..., d) to one number each, (...) or (..., 1), each from its own point alone
            (batch normalisation would mix them in training, and is refused); the points follow the type and device of an
            nn.Module's parameters.
        x: points, shape (..., d).
        create_graph: True if the norms themselves will be differentiated, as in a gradient penalty.

    Raises:
        ValueError: there are no points, the critic returns several numbers a point or no tensor, or its values change
            with x while autograd sees no way from one to the other. A constant has gradient 0; `0 * x.sum(-1)` is one
            that needs no such test.

    Example:
        >>> gradient_norms(lambda x: (x**2).sum(-1), [[3.0, 4.0], [0.0, 0.0]]).tolist()
        [10.0, 0.0]

    Source: Gulrajani et al. (2017), section 4. Chapter: 09, 10, 11.
    """
    with torch.inference_mode(False), torch.enable_grad():
        x = _tensor(x, critic).detach().clone().requires_grad_()
        f = _called(critic, x)
        if f.shape not in (x.shape[:-1], (*x.shape[:-1], 1)):
            raise ValueError(
                f"the critic must return one number a point, {tuple(x.shape[:-1])}, got {tuple(f.shape)}; sum or pick one"
            )
        gradient = None
        if f.requires_grad:
            (gradient,) = torch.autograd.grad(f.sum(), x, create_graph=create_graph, allow_unused=True)
        if gradient is None:
            _refuse_if_cut_off(critic, x.detach(), f)
            return torch.zeros_like(x[..., 0])  # a constant
        norms: Tensor = torch.linalg.vector_norm(gradient, dim=-1)
    return norms


def secant_slopes(critic: Critic, x: Tensor | ArrayLike, y: Tensor | ArrayLike) -> Tensor:
    """Slopes |f(x) - f(y)| / |x - y| of the secants from each point of x to the point of y beside it, shape x.shape[:-1].

    Each is a lower bound of every Lipschitz constant of f.

    Args:
        critic: maps points (..., d) to one number each, (...), or to vectors, (..., m); as in `gradient_norms`.
        x: first ends, shape (..., d).
        y: second ends, the same shape.

    Raises:
        ValueError: shapes differ, two points coincide, or the critic returns no tensor.

    Example:
        >>> secant_slopes(lambda x: x[..., 0] ** 2, [[0.0], [1.0]], [[1.0], [3.0]]).tolist()
        [1.0, 4.0]

    Chapter: 10.
    """
    x, y = _tensor(x, critic), _tensor(y, critic)
    if x.shape != y.shape:
        raise ValueError(f"x and y must have one shape, got {tuple(x.shape)} and {tuple(y.shape)}; pair the points")
    run = torch.linalg.vector_norm(x - y, dim=-1)
    if not (run > 0).all():
        raise ValueError("the two points of a secant must differ, got a pair that coincides; drop it")
    with torch.no_grad():
        rise = _called(critic, x) - _called(critic, y)
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
        critic: maps points (n, d) to one number each; as in `gradient_norms`.
        points: where to look first, shape (n, d).
        climb: number of points to improve by Nelder and Mead's search.

    Raises:
        ValueError: points do not have shape (n, d), a gradient is not finite, or as in `gradient_norms`.

    Example:
        >>> k, where = lipschitz_lower_bound(lambda x: torch.tanh(x[..., 0] - 2), [[1.0], [3.5]])
        >>> round(k, 9), round(float(where[0]), 4)
        (1.0, 2.0)

    Chapter: 10.
    """
    x = _tensor(points, critic).detach()
    norms = gradient_norms(critic, x).detach()
    if x.ndim != 2 or not torch.isfinite(norms).all():
        raise ValueError(f"points must have shape (n, d) and finite gradients there, got shape {tuple(x.shape)}")

    def negative(v: Array) -> float:
        return -float(gradient_norms(critic, torch.as_tensor(v, dtype=x.dtype, device=x.device)[None])[0])

    starts = x.double().cpu().numpy()
    best, where = float(norms.max()), starts[int(norms.argmax())]
    spread = np.ptp(starts, axis=0) / len(x) ** (1 / x.shape[1])
    for start in starts[norms.argsort(descending=True)[:climb].cpu().numpy()]:
        simplex = np.vstack([start, start + np.diag(np.where(spread > 0, spread, 1e-2))])
        options = {"initial_simplex": simplex, "xatol": 1e-10, "fatol": 1e-15, "maxiter": 400 * len(start)}
        found = scipy.optimize.minimize(negative, start, method="Nelder-Mead", options=options)
        if -found.fun > best:
            best, where = -float(found.fun), found.x
    return best, where


def _per_member(net: Net, values: list[float]) -> float | Array:
    return np.array(values) if isinstance(net, Ensemble) else values[0]


def spectral_bound(net: Net, *, norm: str = "spectral") -> float | Array:
    """Product of the layers' norms and of their activations' largest slopes, prod_l s_l |W_l|: a Lipschitz constant.

    Affine layers with nothing between them, batch normalisation in eval mode among them, count as the one matrix that
    they are; a net without activations has exactly this constant.

    Args:
        net: an Ensemble, an nn.Sequential of layers whose slopes are known (it may be nested), or pairs (W, b), W (out, in)
            and b (out,), with activations between them whose slopes lie in [-1, 1].
        norm: "spectral", the largest singular value, or "frobenius", which is larger and cheaper.

    Returns:
        one number, in units of the output per unit of x; for an Ensemble one a member, shape (E,).

    Raises:
        ValueError: a layer's slope is not known (convolutions, attention, modules and functions of one's own), it mixes
            samples or draws at random in training mode, the shapes do not chain, a number is not finite, or the norm is
            unknown.

    Example:
        >>> w = [([[1.0, 2.0], [3.0, 4.0]], [0.0, 0.0])]
        >>> round(spectral_bound(w), 6), round(spectral_bound(w, norm="frobenius"), 6)
        (5.464986, 5.477226)

    Source: Szegedy et al. (2014), section 4.3. Chapter: 10.
    """
    if norm not in ("frobenius", "spectral"):
        raise ValueError(f"unknown norm {norm!r}; choose one of 'frobenius', 'spectral'")

    def size(layer: Layer) -> float:
        if not layer.weight.size:
            return layer.slope
        return float(np.linalg.norm(layer.weight, 2) if norm == "spectral" else np.linalg.norm(layer.weight))

    return _per_member(net, [math.prod(map(size, layers)) for layers in read_layers(net)])


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
        net: an Ensemble, an nn.Sequential (affine layers, such as batch normalisation in eval mode, may follow each
            other), or pairs (W, b), W (out, in) and b (out,); ReLU between the layers.
        max_regions: where to give up.

    Returns:
        one number, in units of the output per unit of x; for an Ensemble one a member, shape (E,).

    Raises:
        ValueError: the net is not made of affine layers and ReLU, the shapes do not chain, or there are more than `max_regions` regions.

    Example:
        >>> # relu(x) - 3 relu(x - 1)
        >>> tent = [([[1.0], [1.0]], [0.0, -1.0]), ([[1.0, -3.0]], [0.0])]
        >>> relu_lipschitz(tent)
        2.0

    Source: Montufar et al. (2014), for the regions. Chapter: 10.
    """
    constants = []
    for layers in read_layers(net):
        kinds = [layer.name for layer in layers]
        if kinds != ["Linear", "ReLU"] * (len(kinds) // 2) + ["Linear"]:
            raise ValueError(f"only Linear, ReLU, ..., Linear can be enumerated, got {kinds}; use spectral_bound")
        pairs = [(layer.weight, layer.bias) for layer in layers if layer.weight.size]
        constants.append(_largest_jacobian(pairs, max_regions))
    return _per_member(net, constants)


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
                else:
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
