"""Many small networks trained as one: E independent multilayer perceptrons in a single batched product.

Chapter: 01.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

__all__ = ["ACTIVATIONS", "Ensemble"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "softplus": torch.nn.functional.softplus,
    "tanh": torch.tanh,
}
"""Functions between the layers, by name; each is 1-Lipschitz."""


class Ensemble(torch.nn.Module):
    """E multilayer perceptrons side by side, (E, N, widths[0]) -> (E, N, widths[-1]).

    Layer l of member e computes x W[l][e] + b[l][e]; the activation stands between layers, not after the last.
    Weights and biases start uniform in +-1/sqrt(fan_in), PyTorch's own default for linear layers, and member e draws
    its start from `generators[e]` alone: it does not depend on how many members there are.

    Args:
        widths: layer sizes, input first, at least two.
        generators: one CPU `torch.Generator` a member.
        activation: a key of ACTIVATIONS.

    Raises:
        ValueError: fewer than two widths, a width below 1, no members, or an unknown activation.

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
    ) -> None:
        super().__init__()
        if len(widths) < 2 or min(widths) < 1 or not generators:
            raise ValueError(
                f"a network needs members and at least two widths of 1 or more, got {list(widths)}; list input to output"
            )
        if activation not in ACTIVATIONS:
            choices = ", ".join(repr(known) for known in sorted(ACTIVATIONS))
            raise ValueError(f"unknown activation {activation!r}; choose one of {choices}")
        self.widths, self.activation = tuple(widths), activation
        self.weights, self.biases = torch.nn.ParameterList(), torch.nn.ParameterList()
        for fan_in, fan_out in pairwise(widths):
            # Row fan_in of each draw is the bias.
            draws = [torch.rand(fan_in + 1, fan_out, generator=g, dtype=torch.float64) for g in generators]
            start = ((2 * torch.stack(draws) - 1) / math.sqrt(fan_in)).to(dtype)
            self.weights.append(torch.nn.Parameter(start[:, :-1].clone()))
            self.biases.append(torch.nn.Parameter(start[:, -1:].clone()))

    @property
    def members(self) -> int:
        """Number E of networks."""
        return int(self.weights[0].shape[0])

    def forward(self, x: Tensor) -> Tensor:
        """Output of every member for its own batch x, shape (E, N, in)."""
        return torch.baddbmm(self.biases[-1], self.features(x), self.weights[-1])

    def features(self, x: Tensor) -> Tensor:
        """Last hidden layer of every member, shape (E, N, widths[-2])."""
        act = ACTIVATIONS[self.activation]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = act(torch.baddbmm(bias, x, weight))
        return x
