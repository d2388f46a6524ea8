"""What the tests of trainings share: small runs, and algorithm 1 in the most ordinary PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from shared import plain
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from gan_edu.densities import GaussianMixture, two_modes
from gan_edu.networks import Ensemble
from gan_edu.training import Run, TrainConfig, batches, loop, train
from gan_edu.training.run import networks

DATA = two_modes(3.0, 0.6)
TINY: dict[str, Any] = dict(members=3, steps=6, batch_size=16, hidden=(8, 8), snapshots=3, progress=False, device="cpu")
EXACT: dict[str, Any] = {**TINY, "dtype": "float64"}


def parameters(net: Ensemble, members: slice | int = slice(None)) -> list[torch.Tensor]:
    return [p.detach()[members].clone() for p in net.parameters()]


def identical(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def furthest(a: list[torch.Tensor], b: list[torch.Tensor]) -> float:
    return max(float((x - y).abs().max()) for x, y in zip(a, b, strict=True))


def same_runs(a: Run, b: Run) -> bool:
    arrays = ("steps", "d_loss", "g_loss", "samples", "points", "d_output", "diverged")
    nets = (identical(parameters(getattr(a, n)), parameters(getattr(b, n))) for n in ("generator", "discriminator"))
    return all(np.array_equal(getattr(a, n), getattr(b, n), equal_nan=True) for n in arrays) and all(nets)


def flat(net: torch.nn.Module) -> list[torch.Tensor]:
    linears = [layer for layer in net.modules() if isinstance(layer, torch.nn.Linear)]
    kernels = [net.kernels.detach()] if isinstance(net, Kerneled) else []
    return [layer.weight.detach().T for layer in linears] + [layer.bias.detach()[None] for layer in linears] + kernels


class Kerneled(torch.nn.Module):
    """Member e of a net with minibatch discrimination, written out."""

    def __init__(self, net: Ensemble, e: int) -> None:
        super().__init__()
        self.layers = plain(net, e)
        self.kernels = torch.nn.Parameter(net.kernels[0].detach()[e].clone())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.layers[:-1](x)
        m = (h @ self.kernels).reshape(len(x), -1, 5)
        closeness = torch.stack([torch.exp(-(row - m).abs().sum(2)).sum(0) for row in m])
        return self.layers[-1](torch.cat([h, closeness], 1))


def by_hand(config: TrainConfig, data: Any, dim: int, e: int, p_g: GaussianMixture | None = None) -> tuple[Any, ...]:
    """Algorithm 1 in the most ordinary PyTorch, one member, fed that member's batches; data with one-hot labels beside."""
    cpu = torch.device("cpu")
    game, classes = config.game, config.classes
    nets = networks(config, dim)
    G: Any = plain(nets[0], e)
    D: Any = Kerneled(nets[1], e) if config.kernels else plain(nets[1], e)

    def optimizer(net: torch.nn.Module, lr: float) -> torch.optim.Optimizer:
        if config.optimizer == "rmsprop":
            return torch.optim.RMSprop(net.parameters(), lr=lr)
        return torch.optim.Adam(net.parameters(), lr=lr, betas=config.betas)

    opt_G, opt_D = optimizer(G, config.lr_g), optimizer(D, config.lr_d)
    latent = GaussianMixture(np.zeros((1, config.latent_dim)), 1.0)
    ambient = GaussianMixture(np.zeros((1, dim)), 1.0)
    real = batches.Batches(data, config, 1, cpu)
    noise = batches.Batches(latent, config, 2, cpu)
    fixed = None if p_g is None else batches.Batches(p_g, config, 2, cpu)
    uniform, blur = batches.Batches(None, config, 3, cpu), batches.Batches(ambient, config, 4, cpu)

    def pack(x: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.cat(list(group)) for group in x.split(config.pack)])

    def blurred(x: torch.Tensor) -> torch.Tensor:
        return pack(x + config.instance_noise * next(blur)[e] if config.instance_noise > 0 else x)

    def labelled(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, pack(y)], 1) if classes else x

    def example() -> tuple[torch.Tensor, torch.Tensor]:
        rows = next(real)[e]
        return rows[:, :dim], rows[:, dim:]

    def generated(y: torch.Tensor) -> torch.Tensor:
        return next(fixed)[e] if fixed is not None else G(torch.cat([next(noise)[e], y], 1))

    def energy(x: torch.Tensor) -> torch.Tensor:
        return (D(x) - x).pow(2).sum(1).sqrt()

    def slopes(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x = x.clone().requires_grad_()
        out = (energy if game == "ebgan" else D)(labelled(x, y))
        (gradient,) = torch.autograd.grad(out.sum(), x, create_graph=True)
        return gradient

    def loss_of_d(x: torch.Tensor, fake: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if game == "ebgan":
            return energy(labelled(x, y)).mean() + (1 - energy(labelled(fake, y))).clamp(min=0).mean()
        on_real, on_fake = D(labelled(x, y)), D(labelled(fake, y))
        if game == "least-squares":
            return 0.5 * (on_real - 1).pow(2).mean() + 0.5 * on_fake.pow(2).mean()
        if game.startswith("wgan"):
            loss = on_fake.mean() - on_real.mean()
            if "gp" in game:
                eps = next(uniform)[e][: len(x)]
                excess = slopes(eps * x + (1 - eps) * fake, y).norm(dim=1) - 1
                excess = excess.clamp(min=0) if game == "wgan-gp-one-sided" else excess
                loss = loss + (10 if config.penalty_weight is None else config.penalty_weight) * excess.pow(2).mean()
            return loss
        return bce(on_real, torch.ones_like(on_real)) + bce(on_fake, torch.zeros_like(on_fake))

    def loss_of_g() -> torch.Tensor:
        x, y = (
            example() if classes or game == "feature-matching" else (torch.empty(0), torch.empty(config.batch_size, 0))
        )
        fake = labelled(blurred(generated(y)), y)
        if game == "feature-matching":
            hidden = D[:-1]
            return (hidden(labelled(blurred(x), y)).detach().mean(0) - hidden(fake).mean(0)).pow(2).sum()
        if game == "ebgan":
            return energy(fake).mean()
        on_fake = D(fake)
        if game == "least-squares":
            return 0.5 * (on_fake - 1).pow(2).mean()
        if game.startswith("wgan"):
            return -on_fake.mean()
        if game == "minimax":
            return -bce(on_fake, torch.zeros_like(on_fake))
        return bce(on_fake, torch.ones_like(on_fake))

    record: dict[str, list[float]] = {"d": [], "g": []}
    for _ in range(config.steps):
        for _ in range(config.critic_steps):
            x, y = example()
            fake = blurred(generated(y).detach())
            x = blurred(x)
            loss = loss_of_d(x, fake, y)
            if config.r1 > 0:
                loss = loss + 0.5 * config.r1 * slopes(x, y).pow(2).sum(1).mean()
            opt_D.zero_grad()
            loss.backward()
            opt_D.step()
            if game == "wgan-clip":
                for parameter in D.parameters():
                    parameter.data.clamp_(-(config.clip or 0.01), config.clip or 0.01)
            record["d"].append(loss.item())
        for _ in range(config.generator_steps):
            loss = loss_of_g()
            opt_G.zero_grad()
            loss.backward()
            opt_G.step()
            record["g"].append(loss.item())
    return flat(G), flat(D), record


def poisoned(monkeypatch: pytest.MonkeyPatch, at: int, player: int, **settings: Any) -> tuple[Run, list[torch.Tensor]]:
    """A run whose member 1 gets an infinite weight right after step `at`; also that member's parameters then."""
    nets: list[tuple[Ensemble, Ensemble]] = []
    seen: list[torch.Tensor] = []
    build = networks
    monkeypatch.setattr(loop, "networks", lambda *args: nets.append(build(*args)) or nets[-1])

    def poison(step: int, samples: np.ndarray, d: np.ndarray) -> None:
        if step == at:
            with torch.no_grad():
                nets[0][player].weights[0][1, 0, 0] = torch.inf
            seen.extend(parameters(nets[0][0], 1) + parameters(nets[0][1], 1))

    run = train(DATA, **{**EXACT, "steps": 8, "snapshots": 8, **settings}, on_snapshot=poison)
    monkeypatch.undo()
    return run, seen


def with_samples(run: Run, samples: np.ndarray) -> Run:
    return Run(**{name: getattr(run, name) for name in Run.__dataclass_fields__} | {"samples": samples})
