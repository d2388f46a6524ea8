"""Algorithm 1: k updates of the discriminator, then one of the generator, for a block of members at a time.

Source: Goodfellow et al. (2014), algorithm 1. Chapter: 01.
"""

from __future__ import annotations

from threading import Event

import numpy as np
import torch
from torch import Tensor

from gan_edu.densities import GaussianMixture
from gan_edu.games import PENALTIES, feature_matching, find_game
from gan_edu.lipschitz import gradient_norms
from gan_edu.networks import Ensemble
from gan_edu.training.batches import Array, Draws, beside
from gan_edu.training.settings import TrainConfig


class Player:
    """One network with its optimizer; members whose gradient turns non-finite stop moving."""

    def __init__(self, net: Ensemble, lr: float, config: TrainConfig) -> None:
        self.net, self.parameters = net, list(net.parameters())
        self.optimizer: torch.optim.Optimizer = (
            torch.optim.Adam(self.parameters, lr=lr, betas=config.betas, fused=True)
            if config.optimizer == "adam"
            else torch.optim.RMSprop(self.parameters, lr=lr)
        )

    def step(self, loss: Tensor, alive: Tensor) -> Tensor:
        """One Adam step on the summed loss (E,); returns which members are still finite."""
        gradients = torch.autograd.grad(loss.sum(), self.parameters)
        alive = (
            alive & torch.stack([g.flatten(1).sum(1) for g in gradients]).sum(0).isfinite() & loss.detach().isfinite()
        )
        if not alive.all():
            gradients = tuple(torch.where(alive[:, None, None], g, torch.zeros_like(g)) for g in gradients)
            for p in self.parameters:  # momentum would carry a frozen member on
                for moment in self.optimizer.state[p].values():
                    if moment.ndim:
                        moment[~alive] = 0
        for p, g in zip(self.parameters, gradients, strict=True):
            p.grad = g.contiguous()  # the fused step reads memory in order, and a penalty's gradients may be transposed
        self.optimizer.step()
        return alive


class Block:
    """Some of the members: their nets, optimizers and random streams, and the two kinds of step."""

    def __init__(
        self,
        members: range,
        G: Ensemble,
        D: Ensemble,
        config: TrainConfig,
        law: GaussianMixture | Array,
        p_g: GaussianMixture | None,
    ) -> None:
        part, device = slice(members.start, members.stop), G.weights[0].device
        self.config, self.game, self.members, self.dim = config, find_game(config.game), part, G.widths[-1]
        self.G = Player(G.part(part), config.lr_g, config)
        self.D = Player(D.part(part), config.lr_d, config)
        self.draws = Draws(law, p_g, config, self.dim, device, members)
        self.aside = Draws(law, p_g, config, self.dim, device, members, shift=4)  # for what is recorded on request
        self.alive = torch.ones(len(members), dtype=torch.bool, device=device)
        self.diverged = np.full(len(members), -1, dtype=np.int64)
        self.step = 0
        self.losses: dict[str, list[Tensor]] = {"d": [], "g": []}
        self.weight = self.game.penalty_weight if config.penalty_weight is None else config.penalty_weight
        self.clip = self.game.clip if config.clip is None else config.clip

    def score(self, x: Tensor, y: Tensor) -> Tensor:
        """D's number for each sample x, or pack of them, with labels y; (E, N / pack)."""
        x = beside(x, y)
        return self.game.read(self.D.net(x), x)

    def steepness(self, x: Tensor, y: Tensor) -> Tensor:
        """Norm of D's gradient by each sample x, or pack of them, (E, N / pack); differentiable by D's parameters."""
        if self.config.activation != "relu" or self.game.output == "energy":
            return gradient_norms(lambda x: self.score(x, y), x, create_graph=True)
        norms: Tensor = torch.linalg.vector_norm(self.D.net.slopes(beside(x, y))[..., : x.shape[-1]], dim=-1)
        return norms

    def packed(self, x: Tensor) -> Tensor:
        """Samples side by side, (E, N, d) -> (E, N / pack, pack * d)."""
        members, count, dim = x.shape
        return x.reshape(members, count // self.config.pack, dim * self.config.pack)

    def shown(self, x: Tensor, draws: Draws) -> Tensor:
        """What D gets to see of x."""
        return self.packed(x + self.config.instance_noise * next(draws.blur) if self.config.instance_noise else x)

    def example(self, draws: Draws) -> tuple[Tensor, Tensor]:
        """Real samples and their one-hot labels, (E, N, d) and (E, N, C); C may be 0."""
        rows = next(draws.real)
        return rows[..., : self.dim], rows[..., self.dim :]

    def generated(self, y: Tensor, draws: Draws) -> Tensor:
        """G's samples for labels y, or those of the fixed density in its place."""
        return next(draws.fixed) if draws.fixed else torch.as_tensor(self.G.net(beside(next(draws.noise), y)))

    def d_loss(self, draws: Draws) -> Tensor:
        """D's loss of every member, penalties included, (E,); differentiable by D's parameters."""
        real, y = self.example(draws)
        with torch.no_grad():  # D's update sees generated points, not the generator behind them
            fake = self.shown(self.generated(y, draws), draws)
        real, y = self.shown(real, draws), self.packed(y)
        if self.config.kernels:  # each batch is compared with itself
            on_real, on_fake = self.score(real, y), self.score(fake, y)
        else:  # one pass for both
            on_real, on_fake = self.score(torch.cat([real, fake], 1), torch.cat([y, y], 1)).chunk(2, 1)
        loss = self.game.d_loss(on_real, on_fake)
        if self.game.penalty and self.weight:
            eps = next(draws.eps)[:, : real.shape[1]]
            norms = self.steepness(eps * real + (1 - eps) * fake, y)
            loss = loss + self.weight * PENALTIES[self.game.penalty](norms).mean(-1)
        if self.config.r1:
            loss = loss + self.config.r1 / 2 * (self.steepness(real, y) ** 2).mean(-1)
        return loss

    def g_loss(self, draws: Draws) -> Tensor:
        """G's loss of every member, (E,); differentiable by G's parameters."""
        if not (self.config.classes or self.game.match_features):
            unlabelled = self.G.net.weights[0].new_empty(len(self.alive), self.config.batch_size, 0)
            return self.game.g_loss(self.score(self.shown(self.generated(unlabelled, draws), draws), unlabelled))
        real, y = self.example(draws)
        fake, seen = self.shown(self.generated(y, draws), draws), self.packed(y)
        if not self.game.match_features:
            return self.game.g_loss(self.score(fake, seen))
        with torch.no_grad():
            goal = self.D.net.features(beside(self.shown(real, draws), seen))
        return feature_matching(goal, self.D.net.features(beside(fake, seen)))

    def advance(self, until: int, stop: Event) -> None:
        """Go on to a step: k updates of D, then one of G, each time; sooner if told to stop or no member is finite."""
        while self.step < until and not stop.is_set() and bool(self.alive.any()):
            for _ in range(self.config.critic_steps):
                loss = self.d_loss(self.draws)
                self.alive = self.D.step(loss, self.alive)
                if self.clip:
                    with torch.no_grad():
                        for p in self.D.parameters:
                            p.clamp_(-self.clip, self.clip)
                self.losses["d"].append(torch.where(self.alive, loss.detach(), torch.nan))
            for _ in range(self.config.generator_steps):
                loss = self.g_loss(self.draws)
                self.alive = self.G.step(loss, self.alive)  # gradients for G's parameters alone: D is not touched
                self.losses["g"].append(torch.where(self.alive, loss.detach(), torch.nan))
            self.step += 1
            self.diverged[(~self.alive.cpu().numpy()) & (self.diverged < 0)] = self.step

    def mean_loss(self, player: str) -> Array:
        """(E,) mean over the updates since it was last asked for while the member was finite; NaN if there were none."""
        record, self.losses[player] = self.losses[player], []
        if not record:
            return np.full(len(self.diverged), np.nan)
        return np.asarray(torch.stack(record).double().nanmean(0).cpu().numpy())

    def gradient_norms(self, name: str) -> Array:
        """Of G's loss by all of G's parameters, (E,), or "d_gradients": of D's by each layer's weights, (E, L)."""
        player, loss = (self.G, self.g_loss) if name == "g_gradient" else (self.D, self.d_loss)
        with torch.enable_grad():
            gradients = torch.autograd.grad(loss(self.aside).sum(), player.parameters)
        if name == "d_gradients":
            gradients = gradients[: len(self.D.net.weights)]  # biases and kernels come after
        norms = torch.stack([g.flatten(1).double().norm(dim=1) for g in gradients], 1).cpu().numpy()
        return np.asarray(np.sqrt((norms**2).sum(1)) if name == "g_gradient" else norms)

    def share_at_clip(self) -> Array:
        """(E,) share of D's weights and biases at the bounds of clipping."""
        flat = torch.cat([p.detach().flatten(1).abs() for p in self.D.parameters], 1)
        return np.asarray((flat == flat.new_tensor(self.clip)).double().mean(1).cpu().numpy())
