"""A reader's network read as layers: matrices, and functions of single numbers with the largest slope of each.

A product of slopes bounds a network only if every layer is counted, so whatever is not known here is refused by its name.
Chapter: 10.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from gan_edu.networks import ACTIVATIONS, ONE_LIPSCHITZ, Ensemble

__all__ = ["Layer", "as_function", "read_layers"]

Array = NDArray[np.float64]
Net = Ensemble | nn.Module | Sequence[tuple[ArrayLike, ArrayLike]]


class Layer(NamedTuple):
    """One layer, W x + b or a function of every number by itself; layers in a row that are affine make one."""

    name: str
    """What PyTorch calls it; "Linear" for all that are affine."""
    slope: float = 1.0
    """Largest |slope| of the function; 1 for an affine layer, whose matrix says more."""
    weight: Array = np.zeros((0, 0))
    """W, shape (out, in); empty for a function."""
    bias: Array = np.zeros(0)
    """b, shape (out,)."""


def _at_least_1(slope: float) -> float:
    return float(np.maximum(1.0, abs(slope)))  # NaN stays NaN


def _gelu(m: Any) -> float:
    return 1.1289041452 if m.approximate == "none" else 1.1289930687  # at 1.4142 and 1.4185


# Functions of single numbers -> the largest |slope|; inf where there is none, for these settings.
_SLOPES: dict[type[nn.Module], Callable[[Any], float]] = {
    **dict.fromkeys(
        (nn.Hardtanh, nn.LogSigmoid, nn.ReLU, nn.ReLU6, nn.Softshrink, nn.Softsign, nn.Tanh, nn.Tanhshrink),
        lambda m: 1.0,
    ),
    nn.CELU: lambda m: 1.0 if m.alpha > 0 else math.inf,
    nn.ELU: lambda m: _at_least_1(m.alpha),
    nn.GELU: _gelu,
    nn.Hardsigmoid: lambda m: 0.16666667164,  # 1/6, which PyTorch differentiates in single precision
    nn.Hardswish: lambda m: 1.5,
    nn.LeakyReLU: lambda m: _at_least_1(m.negative_slope),
    nn.Mish: lambda m: 1.0884981613,  # at 1.4906
    nn.PReLU: lambda m: _at_least_1(float(m.weight.detach().abs().max())),
    nn.RReLU: lambda m: _at_least_1((m.lower + m.upper) / 2),  # outside training the mean of the two
    nn.SELU: lambda m: 1.7580993409,  # just below 0
    nn.SiLU: lambda m: 1.0998393202,  # at 2.3994
    nn.Sigmoid: lambda m: 0.25,
    nn.Softplus: lambda m: 1.0 if m.threshold >= 20 else math.inf,  # it jumps at the threshold
}
_NOTHING = (nn.AlphaDropout, nn.Dropout, nn.Flatten, nn.Identity)
_DRAWS = (nn.AlphaDropout, nn.Dropout, nn.RReLU)  # at random in training
_KNOWN = sorted(kind.__name__ for kind in (*_SLOPES, *_NOTHING, nn.BatchNorm1d, nn.Linear, nn.Sequential))


def _unknown(what: str, at: str) -> ValueError:
    where = f" at {at}" if at else ""
    return ValueError(
        f"a bound needs the slope of every layer, got {what}{where}, whose slope is not known; use lipschitz_lower_bound, "
        f"which asks any critic, or these layers: {', '.join(_KNOWN)}"
    )


def _restless(name: str, at: str, does: str) -> ValueError:
    where = f" at {at}" if at else ""
    return ValueError(
        f"a bound needs layers that map each sample alone and always alike, got {name}{where}, which {does}"
    )


def _kind(layer: nn.Module, at: str) -> type[nn.Module]:
    """The known class whose work a layer does, and nothing else."""
    kinds = (*_SLOPES, *_NOTHING, nn.BatchNorm1d, nn.Linear, nn.Sequential)
    own: Any = type(layer)
    kind: Any = next((each for each in own.__mro__ if each in kinds), None)
    name = own.__name__
    if kind is None:
        raise _unknown(name, at)
    inherits = own.forward is kind.forward and own.__call__ is nn.Module.__call__
    if not inherits or "forward" in vars(layer):
        raise _unknown(f"{name}, a {kind.__name__} with a forward of its own", at)
    hooks = [*layer._forward_hooks.values(), *layer._forward_pre_hooks.values()]
    if any(not (isinstance(hook, SpectralNorm | WeightNorm) and hook.name == "weight") for hook in hooks):
        raise _unknown(f"{name} with a hook", at)
    known: type[nn.Module] = kind
    return known


def _walk(net: Any, at: str = "") -> Iterator[Layer]:
    """Layers of a module, one after the other."""
    kind = _kind(net, at)
    if kind is nn.Sequential:
        for name, layer in net._modules.items():  # named_children leaves out a layer's second place
            yield from _walk(layer, f"{at}.{name}" if at else name)
    elif kind is nn.BatchNorm1d:
        if net.running_var is None:
            raise _restless("BatchNorm1d", at, "mixes the samples of a batch; let it track running statistics")
        if net.training:
            raise _restless("BatchNorm1d", at, "mixes the samples of a batch in training; call net.eval() first")
        one, mean = np.ones(net.num_features), _numbers(net.running_mean)
        scale = (_numbers(net.weight) if net.affine else one) / np.sqrt(_numbers(net.running_var) + net.eps)
        yield Layer("Linear", 1.0, np.diag(scale), (_numbers(net.bias) if net.affine else 0 * one) - scale * mean)
    elif kind is nn.Linear:
        weight = _numbers(_weight(net))
        yield Layer("Linear", 1.0, weight, np.zeros(len(weight)) if net.bias is None else _numbers(net.bias))
    elif kind in _DRAWS and net.training:
        raise _restless(kind.__name__, at, "draws at random in training; call net.eval() first")
    elif kind not in _NOTHING:
        slope = _SLOPES[kind](net)
        if slope == math.inf:
            raise _unknown(f"{net}", at)
        yield Layer(kind.__name__, slope)


@torch.no_grad()
def _weight(layer: Any) -> Tensor:
    """The weight that the layer multiplies by outside training.

    In training, spectral normalisation first takes a step of its power iteration, which finds a larger norm to divide by.
    """
    parametrized = nn.utils.parametrize.is_parametrized(layer)
    weight: Any = copy.deepcopy(layer).eval().weight if parametrized else layer.weight
    for hook in layer._forward_pre_hooks.values():
        if isinstance(hook, SpectralNorm):
            weight = hook.compute_weight(layer, do_power_iteration=False)
        elif isinstance(hook, WeightNorm):
            weight = hook.compute_weight(layer)
    used: Tensor = weight
    return used


def _numbers(given: Tensor | ArrayLike) -> Array:
    """Real numbers in float64, from tensors with gradients and on other devices too."""
    if isinstance(given, Tensor):
        if given.is_meta or given.is_complex():
            raise ValueError(
                f"weights and biases must be real numbers, got {given.dtype} on {given.device}; load or convert them"
            )
        given = given.detach().double().cpu().numpy()
    return np.asarray(given, dtype=np.float64)


def _pairs(net: Sequence[tuple[ArrayLike, ArrayLike]]) -> list[Layer]:
    """Pairs (W, b) as layers with ReLU between."""
    try:
        layers = [(_numbers(w), b) for w, b in net]
        pairs = [Layer("Linear", 1.0, w, np.zeros(w.shape[:1]) if b is None else _numbers(b)) for w, b in layers]
    except (TypeError, ValueError) as error:
        if "real numbers" in str(error):
            raise
        inside = f" of {type(net[0]).__name__}" if isinstance(net, list | tuple) and net else ""
        raise ValueError(
            "a net must be an Ensemble, an nn.Sequential or pairs of W (out, in) and b (out,), got "
            f"{type(net).__name__}{inside}; put layers into an nn.Sequential"
        ) from None
    return [each for pair in pairs for each in (pair, Layer("ReLU"))][:-1]


def _members(net: Ensemble) -> list[list[Layer]]:
    """The layers of every member of an ensemble."""
    if len(net.kernels):
        raise ValueError("a bound needs a net that maps each sample alone, got minibatch kernels; train without them")
    known = ONE_LIPSCHITZ.get(ACTIVATIONS[net.activation])
    if known is None:
        raise _unknown(f"the activation {net.activation!r}", "")
    parameters = [(_numbers(w), _numbers(b)) for w, b in zip(net.weights, net.biases, strict=True)]
    pairs = [[Layer("Linear", 1.0, w[e].T, b[e, 0]) for w, b in parameters] for e in range(net.members)]
    return [[each for layer in member for each in (layer, Layer(known))][:-1] for member in pairs]


def read_layers(net: Net) -> list[list[Layer]]:
    """The layers of each member of a network in float64, affine ones that follow each other multiplied into one.

    Args:
        net: an Ensemble; an nn.Sequential, nested or not, of layers whose slopes are known; or pairs (W, b), W (out, in)
            and b (out,), with ReLU between them. Normalised weights (spectral_norm, weight_norm) are read as they are
            used outside training.

    Returns:
        a list for each member; one list for a network that is no ensemble.

    Raises:
        ValueError: a layer's slope is not known, it mixes samples or draws at random, shapes do not chain, or a number
            is not finite.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.BatchNorm1d(3), nn.LeakyReLU(3.0)), nn.Linear(3, 1))
        >>> [(layer.name, layer.slope, layer.weight.shape) for layer in read_layers(net.eval())[0]]
        [('Linear', 1.0, (3, 2)), ('LeakyReLU', 3.0, (0, 0)), ('Linear', 1.0, (1, 3))]

    Chapter: 10.
    """
    if isinstance(net, Ensemble) and type(net).forward is Ensemble.forward:
        members = _members(net)
    else:
        members = [list(_walk(net)) if isinstance(net, nn.Module) else _pairs(net)]
    affine = [layer for layer in members[0] if layer.name == "Linear"]
    fits = affine and all(w.ndim == 2 and w.size and b.shape == w.shape[:1] for _, _, w, b in affine)
    if not fits or any(first.weight.shape[0] != then.weight.shape[1] for first, then in pairwise(affine)):
        shapes = [(w.shape, b.shape) for _, _, w, b in affine]
        raise ValueError(
            f"a net is pairs of W (out, in) and b (out,), each in the out of the one before, got {shapes}; mend the shapes"
        )
    for layer in (layer for member in members for layer in member):
        if not (math.isfinite(layer.slope) and np.isfinite(layer.weight).all() and np.isfinite(layer.bias).all()):
            raise ValueError("weights and biases must be finite, got NaN or infinity; the training has diverged")
    return [_merged(member) for member in members]


def _merged(layers: list[Layer]) -> list[Layer]:
    merged: list[Layer] = []
    for layer in layers:
        if merged and layer.name == merged[-1].name == "Linear":
            _, slope, w, b = merged.pop()
            layer = Layer("Linear", slope, layer.weight @ w, layer.weight @ b + layer.bias)
        merged.append(layer)
    return merged


def refuse_mixing(name: str, net: nn.Module) -> None:
    """Refuse a network whose value at a point depends on the other points of the batch."""
    for layer in net.modules():
        kind, remedy = type(layer).__name__, "call its eval() first, or normalise each point alone, by LayerNorm"
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and (layer.training or layer.running_var is None):
            kind = f"{kind} in training" if layer.running_var is not None else f"{kind} without running statistics"
        elif isinstance(layer, Ensemble) and len(layer.kernels):
            kind, remedy = f"{kind} with minibatch kernels", "train without them"
        else:
            continue
        raise ValueError(f"{name} must map each point alone, got {kind}, which mixes the points of a batch; {remedy}")


def as_function(net: nn.Module) -> Callable[[Array], Array]:
    """A network with one output as a function of NumPy points, (n,) or (n, d) -> (n,), computed in float64.

    Args:
        net: maps points (n, d), d = 1 for points on the line, to one number each, (n,) or (n, 1). It is not changed.

    Raises:
        ValueError: it is an Ensemble, mixes samples or draws at random in training, or, when it is called, returns
            several numbers a point.

    Example:
        >>> net = nn.Linear(1, 1)
        >>> _ = nn.init.constant_(net.weight, 2.0), nn.init.constant_(net.bias, 1.0)
        >>> as_function(net)(np.array([0.0, 3.0])).tolist()
        [1.0, 7.0]

    Chapter: 02.
    """
    if isinstance(net, Ensemble):
        raise ValueError(
            f"D must be one network, got an Ensemble of {net.members} that returns logits; write a function of x that "
            "returns the probabilities of one member"
        )
    refuse_mixing("D", net)
    for layer in net.modules():
        if layer.training and isinstance(layer, nn.modules.dropout._DropoutNd | nn.RReLU):
            raise ValueError(
                f"D must map each point always alike, got {type(layer).__name__} in training; call D.eval() first"
            )
    state = {
        name: value.detach().double() if value.is_floating_point() else value
        for name, value in (*net.named_parameters(), *net.named_buffers())
    }
    device = next((value.device for value in state.values()), torch.device("cpu"))

    @torch.no_grad()
    def function(x: Array) -> Array:
        points = torch.tensor(np.reshape(x, (len(x), -1)), dtype=torch.float64, device=device)
        # Copies: in training, normalisation by power iteration moves its own vectors.
        out = torch.func.functional_call(net, {name: value.clone() for name, value in state.items()}, (points,))
        if not isinstance(out, Tensor) or out.shape not in ((len(x),), (len(x), 1)):
            got = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise ValueError(f"D must return one number a point, ({len(x)},) or ({len(x)}, 1), got {got}; pick one")
        return np.asarray(out.reshape(-1).double().cpu().numpy())

    return function
