"""Many small networks trained as one: E independent multilayer perceptrons in a single batched product.

Chapter: 01.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

__all__ = ["ACTIVATIONS", "Ensemble", "minibatch_closeness"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu_,
    "softplus": torch.nn.functional.softplus,
    "tanh": torch.tanh,
}
"""Functions between the layers, by name; each is 1-Lipschitz and may overwrite its argument."""
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
        ValueError: fewer than two widths, a width below 1, no members, or an unknown activation; kernels without a
            hidden layer.

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
            raise ValueError(f"unknown activation {activation!r}; choose one of {choices}")
        if kernels < 0 or (kernels and len(widths) < 3):
            raise ValueError(f"kernels must be 0, or positive with a hidden layer, got {kernels}; add a width")
        self.widths, self.activation = tuple(widths), activation
        self.weights, self.biases, self.kernels = (torch.nn.ParameterList() for _ in range(3))
        sizes = [*pairwise(widths[:-1]), (widths[-2] + kernels, widths[-1])]
        for fan_in, fan_out in sizes:
            # Row fan_in of each draw is the bias.
            draws = [torch.rand(fan_in + 1, fan_out, generator=g, dtype=torch.float64) for g in generators]
            start = ((2 * torch.stack(draws) - 1) / math.sqrt(fan_in)).to(dtype)
            self.weights.append(torch.nn.Parameter(start[:, :-1].clone()))
            self.biases.append(torch.nn.Parameter(start[:, -1:].clone()))

        if kernels:
            draws = [torch.rand(widths[-2], kernels * KERNEL_DIM, generator=g, dtype=torch.float64) for g in generators]
            start = ((2 * torch.stack(draws) - 1) / math.sqrt(widths[-2])).to(dtype)
            self.kernels.append(torch.nn.Parameter(start))

    @property
    def members(self) -> int:
        """Number E of networks."""
        return int(self.weights[0].shape[0])

    def part(self, members: slice) -> Ensemble:
        """Some of the networks, in the same memory: what trains the part trains the whole."""
        part = copy.deepcopy(self)
        for mine, whole in zip(part.parameters(), self.parameters(), strict=True):
            mine.data = whole.data[members]
        return part

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
        if self.activation != "relu" or self.kernels or self.widths[-1] != 1:
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
        act, layers = ACTIVATIONS[self.activation], [x.mT]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            layers.append(act(torch.baddbmm(bias.mT, weight.mT, layers[-1])))
        return layers

    def _compared(self, h: Tensor) -> Tensor:
        """M of every sample, (E, N, B, C), from its features (E, W, N)."""
        m = torch.bmm(self.kernels[0].mT, h).mT
        return m.reshape(*m.shape[:2], -1, KERNEL_DIM)
