"""What several test files use: how theorems are tried, a logistic discriminator, a member as an ordinary network."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import settings
from scipy.special import expit

from gan_edu.networks import Ensemble

prove = settings(max_examples=25, deadline=None, derandomize=True)
LAYERS = {"relu": torch.nn.ReLU, "softplus": torch.nn.Softplus, "tanh": torch.nn.Tanh}


class Logistic:
    """D(x) = sigmoid(a x + b), with its logit."""

    def __init__(self, a: float, b: float) -> None:
        self.a, self.b = a, b

    def logit(self, x: np.ndarray) -> np.ndarray:
        return self.a * x + self.b

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return expit(self.logit(x))


def plain(net: Ensemble, e: int) -> torch.nn.Sequential:
    """Member e as an ordinary PyTorch network."""
    layers: list[torch.nn.Module] = []
    for weight, bias in zip(net.weights, net.biases, strict=True):
        linear = torch.nn.Linear(weight.shape[1], weight.shape[2], dtype=weight.dtype)
        with torch.no_grad():
            linear.weight.copy_(weight[e].T)
            linear.bias.copy_(bias[e, 0])
        layers += [linear, LAYERS[net.activation]()]
    return torch.nn.Sequential(*layers[:-1])
