"""Algorithm 1: k updates of the discriminator, then one of the generator, for a block of members at a time.

Source: Goodfellow et al. (2014), algorithm 1. Chapter: 01.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from threading import Event
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.rmsprop import rmsprop

from gan_edu.games import PENALTIES, SLOPES, feature_matching, find_game, smoothed, square
from gan_edu.lipschitz import gradient_norms
from gan_edu.networks import ACTIVATIONS, Ensemble, Pass, Room, Slopes
from gan_edu.training.batches import Array, Draws, Law, beside
from gan_edu.training.settings import TrainConfig

# Defaults of PyTorch's optimizers that are not settings here.
_ADAM: dict[str, Any] = dict(amsgrad=False, weight_decay=0.0, eps=1e-8, maximize=False)
_RMSPROP: dict[str, Any] = dict(alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False)


class Player:
    """One network with its optimizer; members whose gradient turns non-finite stop moving.

    Autograd differentiates the losses down to what the network puts out; from there `gradient` goes on by hand.
    """

    def __init__(self, net: Ensemble, flat: Tensor, room: Room, lr: float, config: TrainConfig) -> None:
        self.net, self.room, self.parameters, self.layers = net, room, list(net.parameters()), net.layers()
        self.passes: list[Pass | Slopes] = []  # those that the next gradient goes back through
        self.flat = flat  # (E, P): all parameters of a member in a row
        self.state = torch.zeros(2, *flat.shape, dtype=flat.dtype, device=flat.device)
        """Running means of the gradient and of its square."""
        self.updates, self.lr, self.config = torch.zeros((), dtype=torch.float32, device=flat.device), lr, config

    def __call__(self, x: Tensor) -> Tensor:
        """The network's outputs for x (E, N, in), (E, N, out); with kernels by autograd."""
        return cast(Tensor, self.net(x)) if self.net.kernels else self._out(Pass(self.layers, x.mT, self.room))

    def slopes(self, x: Tensor) -> Tensor:
        """Gradient of the one output by the input x, (E, N, in), for ReLU without kernels."""
        return self._out(Slopes(self.layers, x.mT, self.room))

    def _out(self, passed: Pass | Slopes) -> Tensor:
        if torch.is_grad_enabled():
            self.passes.append(passed)
        return passed.out.mT

    def gradient(self, loss: Tensor) -> Tensor:
        """Gradient of the summed loss (E,) by all parameters, (E, P)."""
        passes, self.passes, parts = self.passes, [], []
        if loss.requires_grad:  # down to the outputs whose slopes are not known yet, or all the way past our passes
            unknown = [each for each in passes if each.d is None]
            ends = [*(each.out for each in unknown), *self.parameters]
            found = torch.autograd.grad(loss, ends, torch.ones_like(loss), allow_unused=True)
            for each, d in zip(unknown, found, strict=False):
                each.d = d
            plain = found[len(unknown) :]
            if any(g is not None for g in plain):
                some = zip(self.parameters, plain, strict=True)
                parts.append([torch.zeros_like(p) if g is None else g for p, g in some])
        parts += [each.back(each.d)[0] for each in passes if each.d is not None]
        return functools.reduce(torch.add, (torch.cat([g.flatten(1) for g in part], 1) for part in parts))

    def step(self, loss: Tensor, alive: Tensor) -> Tensor:
        """One step of the optimizer on the summed loss (E,); returns which members are still finite."""
        gradient, loss = self.gradient(loss), loss.detach()
        if not math.isfinite((gradient.sum() + loss.sum()).item()):
            alive = alive & gradient.sum(1).isfinite() & loss.isfinite()
            for each in (gradient, *self.state):  # momentum would carry a frozen member on
                each[~alive] = 0
        self.move(gradient)
        return alive

    @torch.no_grad()
    def move(self, gradient: Tensor) -> None:
        """Adam, RMSprop or plain descent, by PyTorch's own functions of all that they remember."""
        mean, square = self.state
        lr = self.lr / (1 + self.config.lr_decay * self.updates.item()) if self.config.lr_decay else self.lr
        one = [self.flat], [gradient]
        if self.config.optimizer == "adam":
            beta1, beta2 = self.config.betas
            adam(*one, [mean], [square], [], [self.updates], fused=True, lr=lr, beta1=beta1, beta2=beta2, **_ADAM)
        elif self.config.optimizer == "rmsprop":
            rmsprop(*one, [square], [], [], [self.updates], foreach=False, lr=lr, **_RMSPROP)
        else:
            self.flat.sub_(gradient, alpha=lr)
            self.updates += 1


class Block:
    """Some of the members: their nets, optimizers and random streams, and the two kinds of step."""

    def __init__(
        self,
        members: range,
        G: tuple[Ensemble, Tensor],
        D: tuple[Ensemble, Tensor],
        config: TrainConfig,
        law: Law,
        p_g: Law | None,
        state: Mapping[str, NDArray[Any]],
    ) -> None:
        part, device, self.room = slice(members.start, members.stop), G[1].device, Room()
        self.config, self.game, self.members, self.dim = config, find_game(config.game), part, G[0].widths[-1]
        self.G = Player(G[0].part(part), G[1][part], self.room, config.lr_g, config)
        self.D = Player(D[0].part(part), D[1][part], self.room, config.lr_d, config)
        self.draws = Draws(law, p_g, config, self.dim, device, members)
        self.aside = Draws(law, p_g, config, self.dim, device, members, shift=4)  # for what is recorded on request
        self.alive = self.all = torch.ones(len(members), dtype=torch.bool, device=device)
        self.diverged = np.full(len(members), -1, dtype=np.int64)
        self.step = 0
        self.losses: dict[str, list[Tensor]] = {"d": [], "g": []}
        self.weight = self.game.penalty_weight if config.penalty_weight is None else config.penalty_weight
        self.clip = self.game.clip if config.clip is None else config.clip
        self.d_cost = smoothed(config.smoothing) if config.smoothing else self.game.d_loss
        if state:
            self.resume({name: values[part] for name, values in state.items()})

    def advance(self, until: int, stop: Event) -> None:
        """Go on to a step: k updates of D, then one of G, each time; sooner if told to stop or no member is finite."""
        while self.step < until and not stop.is_set() and (self.diverged < 0).any():
            for _ in range(self.config.critic_steps):
                loss = self.d_loss(self.draws)
                self.alive = self.D.step(loss, self.alive)
                if self.clip:
                    self.D.flat.clamp_(-self.clip, self.clip)
                self.note("d", loss)
            for _ in range(self.config.generator_steps):
                loss = self.g_loss(self.draws)
                self.alive = self.G.step(loss, self.alive)  # gradients for G's parameters alone: D is not touched
                self.note("g", loss)
            self.step += 1
            if self.alive is not self.all:
                self.diverged[(~self.alive.cpu().numpy()) & (self.diverged < 0)] = self.step

    def begin(self) -> None:
        """Nothing of an earlier step is needed any more."""
        self.room.clear()
        self.G.passes, self.D.passes = [], []

    def d_loss(self, draws: Draws) -> Tensor:
        """D's loss of every member, penalties included, (E,); D's passes lead from it to D's parameters."""
        self.begin()
        real, y = self.example(draws)
        with torch.no_grad():  # D's update sees generated points, not the generator behind them
            fake = self.shown(self.generated(y, draws), draws)
        real, y = self.shown(real, draws), self.packed(y)
        if self.config.kernels:  # each batch is compared with itself
            loss = self.d_cost(*(self.score(self.D, beside(x, y)) for x in (real, fake)))
        else:  # one pass for both
            both = beside(torch.cat([real, fake], 1), torch.cat([y, y], 1))
            loss, slope = self.judged(self.d_cost, 2, self.D(both), both)
            self.D.passes[-1].d = slope
        if self.game.penalty and self.weight:
            eps = next(draws.eps)[:, : real.shape[1]]
            x_hat = eps * real + (1 - eps) * fake
            loss = loss + self.charge(PENALTIES[self.game.penalty], self.weight, x_hat, y)
        if self.config.r1:
            loss = loss + self.charge(square, self.config.r1 / 2, real, y)
        return loss

    def g_loss(self, draws: Draws) -> Tensor:
        """G's loss of every member, (E,), and in G's pass how D pulls at each sample."""
        self.begin()
        if self.config.classes or self.game.match_features:
            real, y = self.example(draws)
        else:
            real, y = None, self.G.flat.new_empty(len(self.alive), self.config.batch_size, 0)
        fake = self.generated(y, draws)
        with torch.no_grad():
            x = beside(self.shown(fake, draws), self.packed(y))
            goal = None
            if self.game.match_features and real is not None:
                goal = self.D.net.features(beside(self.shown(real, draws), self.packed(y)))
        loss, pull = self.pull(x, goal)
        # Noise is added and samples are put side by side: neither changes the pull at a sample.
        self.G.passes[-1].d = pull[..., : self.dim * self.config.pack].reshape(fake.shape).mT
        return loss

    def pull(self, x: Tensor, goal: Tensor | None) -> tuple[Tensor, Tensor]:
        """G's loss at what D is shown, (E,), and its gradient there, of x's shape; `goal` are features to match."""
        x = x.requires_grad_()
        if self.config.kernels or goal is not None:
            if goal is None:
                loss = self.game.g_loss(self.score(self.D.net, x))
            else:
                loss = feature_matching(goal, self.D.net.features(x))
            return loss.detach(), torch.autograd.grad(loss.sum(), x)[0]
        passed = Pass(self.D.layers, x.mT, self.room)
        loss, slope = self.judged(self.game.g_loss, 1, passed.out.mT, x)
        if slope is not None:
            return loss, passed.back(slope, learns=False, inputs=True)[1].mT
        # An energy depends on x directly, too.
        slope, direct = torch.autograd.grad(loss.sum(), (passed.out, x), allow_unused=True)
        through = passed.back(slope, learns=False, inputs=True)[1].mT
        return loss.detach(), through if direct is None else through + direct

    def judged(self, loss: Callable[..., Tensor], kinds: int, out: Tensor, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """A loss of D's outputs at x, one batch for each kind, and its slope by the outputs where the game knows it."""
        slopes = SLOPES.get(loss)
        if slopes is None or self.game.output == "energy":
            return loss(*self.game.read(out, x).chunk(kinds, 1)), None
        numbers = out.detach()[..., 0].chunk(kinds, 1)
        return loss(*numbers), torch.cat(slopes(*numbers), 1).unsqueeze(1).div_(numbers[0].shape[1])

    def charge(self, cost: Callable[[Tensor], Tensor], weight: float, x: Tensor, y: Tensor) -> Tensor:
        """weight E[cost(|grad D|)] at each sample x, or pack of them, (E,)."""
        if (
            ACTIVATIONS[self.config.activation] is not torch.relu_ or self.game.output == "energy"
        ):  # by autograd, which can do it twice
            norms = gradient_norms(lambda x: self.score(self.D.net, beside(x, y)), x, create_graph=True)
            return weight * cost(norms).mean(-1)
        slopes = self.D.slopes(beside(x, y))
        if cost in SLOPES:
            slopes = slopes.detach()
        norms = torch.linalg.vector_norm(slopes[..., : x.shape[-1]], dim=-1)
        if cost in SLOPES:  # the norm's own slope is s / |s|, and 0 where s is
            (slope,) = SLOPES[cost](norms)
            d = slopes * (slope / norms.clamp_min(1e-30)).mul_(weight / norms.shape[1]).unsqueeze(-1)
            d[..., x.shape[-1] :] = 0  # labels are no samples
            self.D.passes[-1].d = d.mT
        return weight * cost(norms).mean(-1)

    def score(self, D: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """D's number for each sample, or pack of them; (E, N / pack)."""
        return self.game.read(D(x), x)

    def generated(self, y: Tensor, draws: Draws) -> Tensor:
        """G's samples for labels y, or those of the fixed density in its place."""
        return next(draws.fixed) if draws.fixed else self.G(beside(next(draws.noise), y))

    def example(self, draws: Draws) -> tuple[Tensor, Tensor]:
        """Real samples and their one-hot labels, (E, N, d) and (E, N, C); C may be 0."""
        rows = next(draws.real)
        return rows[..., : self.dim], rows[..., self.dim :]

    def shown(self, x: Tensor, draws: Draws) -> Tensor:
        """What D gets to see of x."""
        return self.packed(x + self.config.instance_noise * next(draws.blur) if self.config.instance_noise else x)

    def packed(self, x: Tensor) -> Tensor:
        """Samples side by side, (E, N, d) -> (E, N / pack, pack * d)."""
        members, count, dim = x.shape
        return x.reshape(members, count // self.config.pack, dim * self.config.pack)

    def note(self, player: str, loss: Tensor) -> None:
        """Keep a loss, where the member is finite."""
        loss = loss.detach()
        self.losses[player].append(loss if self.alive is self.all else torch.where(self.alive, loss, torch.nan))

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
            gradient = player.gradient(loss(self.aside)).double()
        if name == "g_gradient":
            return np.asarray(gradient.norm(dim=1).cpu().numpy())
        sizes = [p[0].numel() for p in player.net.weights]  # biases and kernels come after
        norms = [g.norm(dim=1) for g in torch.split(gradient[:, : sum(sizes)], sizes, 1)]
        return np.asarray(torch.stack(norms, 1).cpu().numpy())

    def share_at_clip(self) -> Array:
        """(E,) share of D's weights and biases at the bounds of clipping."""
        flat = self.D.flat.detach()
        return np.asarray((flat.abs() == flat.new_tensor(self.clip)).double().mean(1).cpu().numpy())

    def state(self) -> dict[str, NDArray[Any]]:
        """What `resume` needs, member by member."""
        members = len(self.alive)
        counts = [self.G.updates.item(), self.D.updates.item()]
        drawn = [batches.drawn for batches in self.draws.all + self.aside.all]
        moments = {n: p.state.movedim(0, 1).cpu().numpy() for n, p in (("g", self.G), ("d", self.D))}
        return {**moments, "updates": np.tile(counts, (members, 1)), "drawn": np.tile(drawn, (members, 1))}

    def resume(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on where an earlier training of these members ended."""
        for player, name, updates in ((self.G, "g", state["updates"][:, 0]), (self.D, "d", state["updates"][:, 1])):
            player.state.copy_(torch.from_numpy(state[name]).movedim(0, 1))
            player.updates.fill_(float(updates.max()))
        for batches, drawn in zip(self.draws.all + self.aside.all, state["drawn"].T, strict=True):
            batches.drawn = int(drawn.max())
