"""Many small networks trained as one: E independent multilayer perceptrons in a single batched product.

Chapter: 01.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["ACTIVATIONS", "Ensemble", "minibatch_closeness"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu_,
    "softplus": torch.nn.functional.softplus,
    "tanh": torch.tanh,
}
"""Functions between the layers, by name; `ACTIVATIONS["mine"] = f` adds one. Each may overwrite its argument."""
# Those above, with PyTorch's names: 1-Lipschitz, whatever a name in the registry comes to stand for.
ONE_LIPSCHITZ: dict[Callable[[Tensor], Tensor], str] = {
    torch.relu_: "ReLU",
    torch.nn.functional.softplus: "Softplus",
    torch.tanh: "Tanh",
}
KERNEL_DIM = 5  # C, numbers that each kernel of minibatch discrimination compares (as in the code of Salimans et al.)


def minibatch_closeness(features: Tensor, among: Tensor | None = None) -> Tensor:
    """o(x_i)_b = sum_j exp(-|M_ib - M_jb|_1), how close sample i is to the batch: (..., N, B, C) -> (..., N, B).

    Args:
        features: M, of shape (..., N, B, C).
        among: the samples j, of shape (..., J, B, C); the batch itself, each sample included, if left out.

    Raises:
        ValueError: there are fewer than three axes.

    Example:
        >>> minibatch_closeness(torch.zeros(4, 1, 2)).squeeze().tolist()
        [4.0, 4.0, 4.0, 4.0]

    Source: Salimans et al. (2016), section 3.2. Chapter: 07.
    """
    if features.ndim < 3:
        raise ValueError(
            f"features must have shape (..., N, B, C), got {tuple(features.shape)}; reshape the layer's output"
        )
    others = features if among is None else among
    distance = (features.unsqueeze(-3) - others.unsqueeze(-4)).abs().sum(-1)
    return torch.exp(-distance).sum(-2)


def _check_activation(name: str) -> None:
    """Refuse an activation of a reader's own that is no differentiable function of each number by itself."""
    act = ACTIVATIONS[name]
    if act in ONE_LIPSCHITZ:
        return
    with torch.inference_mode(False), torch.enable_grad():
        x = torch.linspace(-2, 2, 24, dtype=torch.float64, device="cpu").reshape(2, 3, 4).requires_grad_()
        out, got = act(x.clone()), None
        if not isinstance(out, Tensor) or out.shape != x.shape:
            got = f"shape {tuple(out.shape)}" if isinstance(out, Tensor) else type(out).__name__
        elif not out.requires_grad:
            got = "one that is cut off from it"
        elif torch.autograd.grad(out[0, 0, 0], x)[0].count_nonzero() > 1:
            got = "one that mixes numbers"
    if got:
        raise ValueError(
            f"activation {name!r} must be a differentiable function of each number by itself, got {got} for shape "
            f"{tuple(x.shape)}; write it with PyTorch, number by number"
        )


class Ensemble(torch.nn.Module):
    """E multilayer perceptrons side by side, (E, N, widths[0]) -> (E, N, widths[-1]).

    Layer l of member e computes x W[l][e] + b[l][e]; the activation stands between layers, not after the last.
    Weights and biases start uniform in +-1/sqrt(fan_in), PyTorch's own default for linear layers, and member e draws
    its start from `generators[e]` alone: it does not depend on how many members there are.

    Args:
        widths: layer sizes, input first, at least two.
        generators: one CPU `torch.Generator` a member.
        activation: a key of ACTIVATIONS.
        kernels: B of minibatch discrimination: the last layer also sees how close each sample's features are to those
            of its batch, in B ways. 0 leaves it out, and samples do not see each other.

    Raises:
        ValueError: fewer than two widths, a width below 1, no members, or an unknown activation; one that is no
            differentiable function of each number by itself; kernels without a hidden layer.

    Example:
        >>> net = Ensemble([2, 8, 1], [torch.Generator().manual_seed(e) for e in range(3)])
        >>> net(torch.zeros(3, 5, 2)).shape
        torch.Size([3, 5, 1])
    """

    def __init__(
        self,
        widths: Sequence[int],
        generators: Sequence[torch.Generator],
        activation: str = "relu",
        dtype: torch.dtype = torch.float32,
        kernels: int = 0,
    ) -> None:
        super().__init__()
        if len(widths) < 2 or min(widths) < 1 or not generators:
            raise ValueError(
                f"a network needs members and at least two widths of 1 or more, got {list(widths)}; list input to output"
            )
        if activation not in ACTIVATIONS:
            choices = ", ".join(repr(known) for known in sorted(ACTIVATIONS))
            raise ValueError(
                f"unknown activation {activation!r}; choose one of {choices}, or register your own by "
                f"ACTIVATIONS[{activation!r}] = f"
            )
        _check_activation(activation)
        if kernels < 0 or (kernels and len(widths) < 3):
            raise ValueError(f"kernels must be 0, or positive with a hidden layer, got {kernels}; add a width")
        self.widths, self.activation = tuple(widths), activation
        self.weights, self.biases, self.kernels = (torch.nn.ParameterList() for _ in range(3))
        sizes = [*pairwise(widths[:-1]), (widths[-2] + kernels, widths[-1])]
        for fan_in, fan_out in sizes:
            # Row fan_in of each draw is the bias.
            draws = [
                torch.rand(fan_in + 1, fan_out, generator=g, dtype=torch.float64, device=g.device) for g in generators
            ]
            start = ((2 * torch.stack(draws) - 1) / math.sqrt(fan_in)).to(dtype)
            self.weights.append(torch.nn.Parameter(start[:, :-1].clone()))
            self.biases.append(torch.nn.Parameter(start[:, -1:].clone()))

        if kernels:
            draws = [
                torch.rand(widths[-2], kernels * KERNEL_DIM, generator=g, dtype=torch.float64, device=g.device)
                for g in generators
            ]
            start = ((2 * torch.stack(draws) - 1) / math.sqrt(widths[-2])).to(dtype)
            self.kernels.append(torch.nn.Parameter(start))

    @property
    def members(self) -> int:
        """Number E of networks."""
        return int(self.weights[0].shape[0])

    def flatten(self) -> Tensor:
        """All parameters in one tensor, (E, P), in whose memory they live from now on: row e is member e."""
        parameters = list(self.parameters())
        flat = torch.cat([p.detach().flatten(1) for p in parameters], 1)
        for p, piece in zip(parameters, torch.split(flat, [p[0].numel() for p in parameters], 1), strict=True):
            p.data = piece.view(p.shape)
        return flat

    def part(self, members: slice) -> Ensemble:
        """Some of the networks, in the same memory: what trains the part trains the whole."""
        part = copy.deepcopy(self)
        for mine, whole in zip(part.parameters(), self.parameters(), strict=True):
            mine.data = whole.data[members]
        return part

    def layers(self) -> Layers:
        """The parameters as plain tensors."""
        return Layers([w.detach() for w in self.weights], [b.detach() for b in self.biases], self.activation)

    def forward(self, x: Tensor, among: Tensor | None = None) -> Tensor:
        """Output of every member for its own batch x, shape (E, N, in); `among` as in `features`."""
        return torch.baddbmm(self.biases[-1].mT, self.weights[-1].mT, self.features(x, among).mT).mT

    def features(self, x: Tensor, among: Tensor | None = None) -> Tensor:
        """What the last layer of every member sees, shape (E, N, widths[-2] + B).

        Args:
            x: inputs, shape (E, N, in).
            among: with kernels, the batch (E, J, in) to whose features those of x are compared; x itself if left out.
        """
        h = self._layers(x)[-1]
        if not self.kernels:
            return h.mT
        others = None if among is None else self._compared(self._layers(among)[-1])
        return torch.cat([h.mT, minibatch_closeness(self._compared(h), others)], -1)

    def slopes(self, x: Tensor) -> Tensor:
        """Gradient of the one output by the input at every sample, (E, N, in) -> (E, N, in), for ReLU without kernels.

        Near almost every x such a network is linear: its gradient is the product of its weights over the units that are
        on, and depends on nothing else. Differentiable by the weights, in half the time of autograd's second pass back.

        Raises:
            ValueError: another activation, kernels, or several outputs.
        """
        if ACTIVATIONS[self.activation] is not torch.relu_ or self.kernels or self.widths[-1] != 1:
            given = self.activation, len(self.kernels), self.widths[-1]
            raise ValueError(
                f"slopes needs ReLU, no kernels and one output, got {given}; use gradient_norms, which asks autograd"
            )
        with torch.no_grad():  # which units are on does not change with small changes of x or the weights
            hidden = self._layers(x)[1:]
        slope: Tensor = self.weights[-1].expand(-1, -1, x.shape[1])
        for weight, h in zip(reversed(self.weights[:-1]), reversed(hidden), strict=True):
            slope = torch.bmm(weight, slope * h.sign())
        return slope.mT

    def _layers(self, x: Tensor) -> list[Tensor]:
        """Input and hidden layers, (E, W, N): with samples last, layers of one or two units are several times as fast."""
        if x.ndim != 3 or (len(x), x.shape[2]) != (self.members, self.widths[0]):
            raise ValueError(
                f"x must have shape (E, N, in), here ({self.members}, N, {self.widths[0]}), got {tuple(x.shape)}; "
                f"x.expand({self.members}, -1, -1) shows every member the same"
            )
        act, layers = ACTIVATIONS[self.activation], [x.mT]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            layers.append(act(torch.baddbmm(bias.mT, weight.mT, layers[-1])))
        return layers

    def _compared(self, h: Tensor) -> Tensor:
        """M of every sample, (E, N, B, C), from its features (E, W, N)."""
        m = torch.bmm(self.kernels[0].mT, h).mT
        return m.reshape(*m.shape[:2], -1, KERNEL_DIM)


class Room:
    """Memory that every step uses again: a tensor that was made once is taken, and given back."""

    def __init__(self) -> None:
        self.made: list[Tensor] = []
        self.free: dict[tuple[int, ...], list[Tensor]] = {}

    def take(self, like: Tensor, *shape: int) -> Tensor:
        """A tensor of this shape with whatever numbers in it, of the kind of another."""
        free = self.free.setdefault(shape, [])
        if not free:
            free.append(like.new_empty(shape))
            self.made.append(free[0])
        return free.pop()

    def give(self, back: Tensor) -> None:
        """Return a tensor that is needed no more."""
        self.free[tuple(back.shape)].append(back)

    def clear(self) -> None:
        """Return all."""
        for free in self.free.values():
            free.clear()
        for each in self.made:
            self.give(each)


def _relu_back(d: Tensor, h: Tensor) -> Tensor:
    torch.ops.aten.threshold_backward.grad_input(d, h, 0, grad_input=d)
    return d


# activation -> what multiplies d, in place, by its slope where its output is h; autograd finds those that are not here
_BACK: dict[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]] = {
    torch.relu_: _relu_back,
    torch.nn.functional.softplus: lambda d, h: d.mul_(-torch.expm1(-h)),
    torch.tanh: lambda d, h: d.mul_(1 - h * h),
}


class Layers(NamedTuple):
    """The layers of an ensemble as plain tensors, in the memory of its parameters."""

    weights: list[Tensor]
    biases: list[Tensor]
    activation: str


class Pass:
    """Layers forward and backward, written out: what autograd would do, in memory that is kept.

    Through an activation whose slope is not written down here, one that a reader has added, autograd goes.

    Args:
        layers: those of an ensemble without kernels.
        x: its inputs, (E, in, N), samples last.
        room: memory for what lies between the layers.
        depth: how many layers; all if left out.

    Attributes:
        out: the output of the last of them, (E, out, N): a leaf, at which autograd ends and `back` begins.
        d: gradient of the loss by it, once that is known.
    """

    d: Tensor | None = None

    def __init__(self, layers: Layers, x: Tensor, room: Room, depth: int | None = None) -> None:
        self.of, self.room, self.h = layers, room, [x.detach()]
        self.bend = ACTIVATIONS[layers.activation]
        self.unknown: dict[int, tuple[Tensor, Tensor]] = {}  # layer -> what the activation was given, and its output
        last = len(layers.weights) - 1
        for l, (weight, bias) in enumerate(zip(layers.weights[:depth], layers.biases, strict=False)):
            out = room.take(x, len(weight), weight.shape[2], x.shape[2])
            torch.baddbmm(bias.mT, weight.mT, self.h[-1], out=out)
            # Between the layers stands the activation, after the last none.
            self.h.append(self._bent(l, out) if l < last else out)
        self.out = self.h[-1].detach().requires_grad_()

    def _bent(self, l: int, out: Tensor) -> Tensor:
        """What the activation makes of layer l's output."""
        if self.bend in _BACK:
            return self.bend(out)
        with torch.enable_grad():
            given = out.detach().requires_grad_()
            self.unknown[l] = given, self.bend(given.clone())  # it may overwrite its argument
        return self.unknown[l][1].detach()

    def _bent_back(self, l: int, d: Tensor) -> Tensor:
        """d through the activation after layer l."""
        if l not in self.unknown:
            return _BACK[self.bend](d, self.h[l + 1])
        given, h = self.unknown[l]
        return d.copy_(torch.autograd.grad(h, given, d, retain_graph=True)[0])

    def back(self, d: Tensor, learns: bool = True, inputs: bool = False) -> tuple[list[Tensor], Tensor]:
        """From d = dL/d out, gradients by weights and biases (none if nothing learns), and by the inputs if asked for.

        Through the activation, d *= act'; then dL/dW_l = h_l d^T, dL/db_l = sum d, and for the layer below d = W_l d.
        """
        by_weight, by_bias = list[Tensor](), list[Tensor]()
        d = self.room.take(d, *d.shape).copy_(d)
        for l in reversed(range(len(self.h) - 1)):
            if l < len(self.of.weights) - 1:
                d = self._bent_back(l, d)
            if learns:
                by_weight.insert(0, torch.bmm(self.h[l], d.mT))
                by_bias.insert(0, d.sum(2).unsqueeze(1))
            if l or inputs:
                below = torch.bmm(self.of.weights[l], d, out=self.room.take(d, *self.h[l].shape))
                self.room.give(d)
                d = below
        return by_weight + by_bias, d


class Slopes:
    """`Ensemble.slopes` of a ReLU net, and backward by its weights, written out.

    Near almost every x such a net is linear, so which units are on is a constant: the slope is a product of weights, and
    its derivative by one of them is the product of the others.

    Attributes:
        out: gradient of the one output by the input, (E, in, N), samples last: a leaf, as in `Pass`.
        d: gradient of the loss by it, once that is known.
    """

    d: Tensor | None = None

    def __init__(self, layers: Layers, x: Tensor, room: Room) -> None:
        if ACTIVATIONS[layers.activation] is not torch.relu_:
            raise ValueError(f"slopes needs ReLU, got {layers.activation!r}; use gradient_norms, which asks autograd")
        self.of, self.room, self.arriving = layers, room, list[Tensor]()
        *inner, last = layers.weights
        self.h = Pass(layers, x, room, len(inner)).h
        slope = last.expand(-1, -1, x.shape[2])
        for weight, below, above in zip(reversed(inner), self.h[-2::-1], reversed(self.h), strict=False):
            on = _relu_back(room.take(x, *above.shape).copy_(slope), above)
            self.arriving.insert(0, on)
            slope = torch.bmm(weight, on, out=room.take(x, *below.shape))
        self.out = slope.detach().requires_grad_()

    def back(self, v: Tensor) -> tuple[list[Tensor], Tensor]:
        """From v = dL/d out upwards: dL/dW_l = v (what arrives at l)^T, then v = on_l (W_l^T v)."""
        by_weight = list[Tensor]()
        for weight, arriving, above in zip(self.of.weights, self.arriving, self.h[1:], strict=False):
            by_weight.append(torch.bmm(v, arriving.mT))
            v = torch.bmm(weight.mT, v, out=self.room.take(v, *above.shape))
            v = _relu_back(v, above)
        return [*by_weight, v.sum(2, keepdim=True), *(torch.zeros_like(b) for b in self.of.biases)], v
