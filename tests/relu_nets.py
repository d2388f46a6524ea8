"""Networks that the tests of Lipschitz constants compare: random, of an ensemble, and their Jacobians by hand."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch

from gan_edu.networks import Ensemble

Net = list[tuple[np.ndarray, np.ndarray]]


def random_net(widths: list[int], seed: int, bias: float = 1.0) -> Net:
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=(n, m)), bias * rng.normal(size=n)) for m, n in pairwise(widths)]


def ensemble(widths: list[int], members: int, activation: str = "relu") -> Ensemble:
    streams = [torch.Generator().manual_seed(e) for e in range(members)]
    return Ensemble(widths, streams, activation, torch.float64)


def member(net: Ensemble, e: int) -> Net:
    """Member e as pairs W (out, in) and b (out,)."""
    weights, biases = ([p.detach().numpy() for p in part] for part in (net.weights, net.biases))
    return [(w[e].T, b[e, 0]) for w, b in zip(weights, biases, strict=True)]


def relu_critic(net: Net) -> Callable[[torch.Tensor], torch.Tensor]:
    def critic(x: torch.Tensor) -> torch.Tensor:
        for layer, (w, b) in enumerate(net):
            x = (x if layer == 0 else torch.relu(x)) @ torch.as_tensor(w).T + torch.as_tensor(b)
        return x[..., 0]

    return critic


def jacobians(net: Net, x: np.ndarray) -> np.ndarray:
    """Jacobian of a ReLU net at each point (n, d), by the chain rule: (n, out, d)."""
    jacobian = np.broadcast_to(np.eye(x.shape[1]), (len(x), x.shape[1], x.shape[1]))
    for layer, (w, b) in enumerate(net):
        jacobian, x = w @ jacobian, x @ w.T + b
        if layer < len(net) - 1:
            jacobian, x = jacobian * (x > 0)[..., None], np.maximum(x, 0)
    return jacobian


def steepest(net: Net, x: np.ndarray) -> float:
    return float(np.linalg.svd(jacobians(net, x), compute_uv=False).max())


ONE = [(np.ones((1, 2)), np.zeros(1))]
