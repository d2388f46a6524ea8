"""Tests of gan_edu.training: what an ensemble run is, what stays put, what is kept, and every refusal."""

from __future__ import annotations

import multiprocessing
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from shared import plain
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from gan_edu import training
from gan_edu.densities import GaussianMixture, digits, gaussian, parallel_line, ring, swiss_roll, two_modes
from gan_edu.evaluation import sample_js, sample_w1
from gan_edu.games import GAMES, PENALTIES, Game
from gan_edu.networks import Ensemble
from gan_edu.training import PRESETS, Run, TrainConfig, sweep, train

DATA = two_modes(3.0, 0.6)
TINY: dict[str, Any] = dict(members=3, steps=6, batch_size=16, hidden=(8, 8), snapshots=3, progress=False, device="cpu")
EXACT: dict[str, Any] = {**TINY, "dtype": "float64"}


@pytest.fixture(scope="module")
def run() -> Run:
    return train(DATA, **TINY)


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


# --- an ensemble is E separate trainings -------------------------------------------------------------------------


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
    nets = training._networks(config, dim)
    G: Any = plain(nets[0], e)
    D: Any = Kerneled(nets[1], e) if config.kernels else plain(nets[1], e)

    def optimizer(net: torch.nn.Module, lr: float) -> torch.optim.Optimizer:
        if config.optimizer == "rmsprop":
            return torch.optim.RMSprop(net.parameters(), lr=lr)
        return torch.optim.Adam(net.parameters(), lr=lr, betas=config.betas)

    opt_G, opt_D = optimizer(G, config.lr_g), optimizer(D, config.lr_d)
    latent = GaussianMixture(np.zeros((1, config.latent_dim)), 1.0)
    ambient = GaussianMixture(np.zeros((1, dim)), 1.0)
    real = training._Batches(data, config, 1, cpu)
    noise = training._Batches(latent, config, 2, cpu)
    fixed = None if p_g is None else training._Batches(p_g, config, 2, cpu)
    uniform, blur = training._Batches(None, config, 3, cpu), training._Batches(ambient, config, 4, cpu)

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


SEPARATE = [
    *[dict(game=game, critic_steps=k) for game in sorted(GAMES) for k in (1, 3)],
    dict(game="wgan-gp", penalty_weight=0.1, optimizer="rmsprop"),
    dict(game="wgan-clip", clip=0.05, optimizer="rmsprop", critic_steps=2),
    dict(game="minimax", r1=0.7),
    dict(game="non-saturating", instance_noise=0.3),
    dict(game="feature-matching", instance_noise=0.3, r1=0.1),
    dict(game="non-saturating", pack=2, instance_noise=0.3),
    dict(game="wgan-gp", pack=4, critic_steps=2),
    dict(game="ebgan", pack=2),
    dict(game="minimax", kernels=2),
    dict(game="wgan-clip", kernels=1, pack=2),
    dict(game="wgan-gp", activation="tanh"),
    dict(game="wgan-gp", activation="relu", r1=0.3),
    dict(game="minimax", activation="softplus", r1=0.7),
    dict(game="minimax", activation="relu", r1=0.7),
]


@pytest.mark.parametrize("settings", SEPARATE, ids=["-".join(map(str, each.values())) for each in SEPARATE])
def test_an_ensemble_equals_separate_trainings(settings: dict[str, Any]) -> None:
    run = train(DATA, **{**EXACT, "steps": 30}, lr_d=2e-3, betas=(0.4, 0.95), **settings)
    for e in range(3):
        G, D, record = by_hand(run.config, DATA, 1, e)
        assert furthest(parameters(run.generator, e), G) < 1e-10
        assert furthest(parameters(run.discriminator, e), D) < 1e-10
        d, g = np.array(record["d"]).reshape(3, -1), np.array(record["g"]).reshape(3, -1)
        np.testing.assert_allclose(run.d_loss[1:, e], d.mean(1), atol=1e-10)
        np.testing.assert_allclose(run.g_loss[1:, e], g.mean(1), atol=1e-10)


@pytest.mark.parametrize("game", ["non-saturating", "wgan-gp", "feature-matching", "ebgan"])
@pytest.mark.parametrize("pack", [1, 2])
def test_conditional_trainings_equal_separate_ones(game: str, pack: int) -> None:
    x, y = swiss_roll(60, generator=0), np.arange(60) % 3
    run = train(x, labels=y, **EXACT, game=game, pack=pack, r1=0.2)
    assert run.config.classes == 3
    rows = np.hstack([x, np.eye(3)[y]])
    for e in range(3):
        G, D, _ = by_hand(run.config, rows, 2, e)
        assert furthest(parameters(run.generator, e), G) < 1e-10
        assert furthest(parameters(run.discriminator, e), D) < 1e-10


@pytest.mark.parametrize("game", ["minimax", "wgan-gp"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_blocks_of_members_equal_one_block(monkeypatch: pytest.MonkeyPatch, game: str, size: int) -> None:
    settings = {**EXACT, "members": 5, "game": game, "record": training.RECORDS[:4], "steps": 30}
    whole = train(DATA, **settings)
    monkeypatch.setattr(training, "BLOCK", size)
    parts = train(DATA, **settings)
    for name in ("steps", "samples", "d_output", "d_loss", "g_loss", "diverged"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=0, atol=1e-12)
    for name, values in whole.records.items():
        np.testing.assert_allclose(parts.records[name], values, rtol=0, atol=1e-10)


def test_an_ensemble_equals_separate_trainings_on_examples_in_the_plane() -> None:
    rows = ring(4, std=0.1).sample(50, generator=0)
    run = train(rows, **EXACT)
    for e in range(3):
        G, D, _ = by_hand(run.config, rows, 2, e)
        assert furthest(parameters(run.generator, e), G) < 1e-10
        assert furthest(parameters(run.discriminator, e), D) < 1e-10


def test_a_discriminator_alone_equals_separate_trainings() -> None:
    p_g = gaussian(1.0, 2.0)
    run = train(DATA, p_g=p_g, **EXACT)
    for e in range(3):
        G, D, record = by_hand(run.config, DATA, 1, e, p_g)
        assert furthest(parameters(run.generator, e), G) == 0
        assert furthest(parameters(run.discriminator, e), D) < 1e-10
        assert record["g"] == []


def test_a_member_does_not_depend_on_how_many_there_are() -> None:
    few, many = train(DATA, **{**EXACT, "steps": 30}), train(DATA, **{**EXACT, "steps": 30, "members": 5})
    for name in ("d_loss", "g_loss", "samples", "d_output"):
        np.testing.assert_allclose(getattr(few, name), getattr(many, name)[:, :3], atol=1e-9)
    for name in ("generator", "discriminator"):
        assert furthest(parameters(getattr(few, name)), parameters(getattr(many, name), slice(3))) < 1e-9


def test_members_are_independent_of_each_other() -> None:
    run = train(DATA, **EXACT)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert furthest(parameters(run.generator, a), parameters(run.generator, b)) > 1e-3
        assert abs(run.d_loss[1, a] - run.d_loss[1, b]) > 1e-6


def test_batches_longer_than_a_chunk_go_on() -> None:
    config = TrainConfig(**EXACT)
    batches = training._Batches(DATA, config, 1, torch.device("cpu"))
    drawn = torch.stack([next(batches) for _ in range(2 * training.CHUNK + 3)])
    assert drawn.shape == (2 * training.CHUNK + 3, 3, 16, 1)
    assert len(drawn.flatten().unique()) == drawn.numel()


@pytest.mark.parametrize("law", [DATA, GaussianMixture([-2.0, 1.0, 4.0], [0.2, 0.5, 1.0], [0.1, 0.6, 0.3])])
def test_batches_follow_the_law(law: GaussianMixture) -> None:
    config = TrainConfig(members=1, batch_size=256)
    batches = training._Batches(law, config, 1, torch.device("cpu"))
    assert next(batches).dtype == torch.float32
    x = torch.cat([next(batches)[0, :, 0] for _ in range(40)])
    assert stats.kstest(x.numpy(), law.cdf).pvalue > 0.01


# --- same seed, same run ------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_run(run: Run) -> None:
    assert same_runs(run, train(DATA, **TINY))
    assert not same_runs(run, train(DATA, **TINY, seed=1))


def test_global_state_is_left_alone() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()  # noqa: NPY002
    train(DATA, **TINY)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
    assert torch.get_num_threads() == before[2]
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()


def test_float32_unless_asked(run: Run) -> None:
    assert {p.dtype for p in run.generator.parameters()} == {torch.float32}
    assert {p.dtype for p in train(DATA, **EXACT).discriminator.parameters()} == {torch.float64}
    assert run.samples.dtype == run.d_loss.dtype == np.float64


def test_training_on_the_chosen_device(device: str) -> None:
    run = train(DATA, **{**TINY, "device": device})
    assert np.isfinite(run.samples).all()
    assert {p.device.type for p in [*run.generator.parameters(), *run.discriminator.parameters()]} == {
        "cpu"
    }  # moved back


# --- who learns and who does not -----------------------------------------------------------------------------------


def test_the_step_of_g_leaves_d_alone() -> None:
    start = train(DATA, **{**TINY, "steps": 0})
    run = train(DATA, **TINY, critic_steps=0)
    assert identical(parameters(run.discriminator), parameters(start.discriminator))
    assert not identical(parameters(run.generator), parameters(start.generator))
    assert all(p.grad is None for p in run.discriminator.parameters())
    assert np.isnan(run.d_loss).all()
    assert np.isfinite(run.g_loss[1:]).all()
    assert (run.d_output == run.d_output[0]).all()


def test_a_frozen_g_stands_still() -> None:
    start = train(DATA, **{**TINY, "steps": 0})
    run = train(DATA, **TINY, generator_steps=0)
    assert identical(parameters(run.generator), parameters(start.generator))
    assert not identical(parameters(run.discriminator), parameters(start.discriminator))
    assert all(p.grad is None for p in run.generator.parameters())  # the step of D sends no gradient into G
    assert np.isnan(run.g_loss).all()
    assert (run.samples == run.samples[0]).all()


def test_a_given_p_g_takes_the_place_of_g() -> None:
    start = train(DATA, **{**TINY, "steps": 0})
    run = train(DATA, p_g=gaussian(0.0, 2.0), **TINY)
    assert run.config.generator_steps == 0
    assert identical(parameters(run.generator), parameters(start.generator))
    assert not identical(parameters(run.discriminator), parameters(start.discriminator))


def test_a_discriminator_alone_approaches_the_optimal_one() -> None:
    p, g = gaussian(0.0), gaussian(2.0)
    x = np.linspace(-1, 3, 41)
    run = train(p, p_g=g, **{**TINY, "steps": 300, "batch_size": 128}, lr_d=1e-2, points=x)
    best = p.prob(x) / (p.prob(x) + g.prob(x))
    assert np.abs(run.d_output[-1] - best).max() < 0.15
    assert np.abs(run.d_output[0] - best).max() > 0.3


def test_init_goes_on_from_a_run(run: Run) -> None:
    on = train(DATA, init=run, steps=0)
    assert identical(parameters(on.generator), parameters(run.generator))
    assert identical(parameters(on.discriminator), parameters(run.discriminator))
    assert (on.samples[0] == run.samples[-1]).all()
    assert on.config.hidden == run.config.hidden
    before = parameters(run.generator)
    further = train(DATA, init=run, steps=3)
    assert not identical(parameters(further.generator), before)
    assert identical(parameters(run.generator), before)  # the run that was given is not changed


def test_init_from_a_discriminator_alone_lets_g_learn_again() -> None:
    alone = train(DATA, p_g=gaussian(), **TINY)
    on = train(DATA, init=alone)
    assert on.config.generator_steps == 1
    assert not identical(parameters(on.generator), parameters(alone.generator))
    still = train(DATA, init=alone, generator_steps=0)
    assert identical(parameters(still.generator), parameters(alone.generator))


# --- members that diverge -----------------------------------------------------------------------------------------


def poisoned(monkeypatch: pytest.MonkeyPatch, at: int, player: int, **settings: Any) -> tuple[Run, list[torch.Tensor]]:
    """A run whose member 1 gets an infinite weight right after step `at`; also that member's parameters then."""
    nets: list[tuple[Ensemble, Ensemble]] = []
    seen: list[torch.Tensor] = []
    build = training._networks
    monkeypatch.setattr(training, "_networks", lambda *args: nets.append(build(*args)) or nets[-1])

    def poison(step: int, samples: np.ndarray, d: np.ndarray) -> None:
        if step == at:
            with torch.no_grad():
                nets[0][player].weights[0][1, 0, 0] = torch.inf
            seen.extend(parameters(nets[0][0], 1) + parameters(nets[0][1], 1))

    run = train(DATA, **{**EXACT, "steps": 8, "snapshots": 8, **settings}, on_snapshot=poison)
    monkeypatch.undo()
    return run, seen


@pytest.mark.parametrize("player", [0, 1], ids=["G", "D"])
@pytest.mark.parametrize("at", [0, 4])
def test_a_member_that_diverges_is_frozen_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, at: int, player: int
) -> None:
    run, seen = poisoned(monkeypatch, at, player)
    healthy = train(DATA, **{**EXACT, "steps": 8, "snapshots": 8})
    assert run.diverged.tolist() == [-1, at + 1, -1]
    assert not run.interrupted
    assert run.steps[-1] == 8
    # Neither gradients nor momentum moved it any more.
    assert identical(parameters(run.generator, 1) + parameters(run.discriminator, 1), seen)
    for e in (0, 2):
        for name in ("generator", "discriminator"):
            assert furthest(parameters(getattr(run, name), e), parameters(getattr(healthy, name), e)) < 1e-12
        np.testing.assert_allclose(run.samples[:, e], healthy.samples[:, e], atol=1e-12)
        np.testing.assert_allclose(run.d_loss[:, e], healthy.d_loss[:, e], atol=1e-12)
    assert healthy.diverged.tolist() == [-1, -1, -1]


def test_a_step_size_that_overflows_ends_the_training() -> None:
    run = train(DATA, **{**TINY, "steps": 50}, lr_d=1e30, lr_g=1e30)
    assert (run.diverged > 0).all()
    assert run.steps[-1] == run.diverged.max() < 50  # nobody is left


# --- ends before the end ------------------------------------------------------------------------------------------


def test_ctrl_c_keeps_the_run() -> None:
    def stop(step: int, samples: np.ndarray, d: np.ndarray) -> None:
        if step == 4:
            raise KeyboardInterrupt

    words = "^training interrupted at step 4 of 6; the run holds what was computed$"
    with pytest.warns(UserWarning, match=words) as caught:
        run = train(DATA, **TINY, on_snapshot=stop)
    assert caught[0].filename == __file__
    whole = train(DATA, **TINY)
    assert run.interrupted
    assert not whole.interrupted
    assert run.steps.tolist() == [0, 2, 4]
    assert (run.samples == whole.samples[:3]).all()
    assert (run.d_loss[1:] == whole.d_loss[1:3]).all()


def test_ctrl_c_between_snapshots_records_the_last_step(monkeypatch: pytest.MonkeyPatch) -> None:
    step = training._Player.step
    calls: list[int] = []

    def interrupt(self: Any, *args: Any) -> Any:
        calls.append(1)
        if len(calls) == 7:  # the step of D in the fourth round
            raise KeyboardInterrupt
        return step(self, *args)

    monkeypatch.setattr(training._Player, "step", interrupt)
    with pytest.warns(UserWarning, match="training interrupted at step 3 of 6"):
        run = train(DATA, **TINY)
    assert run.steps.tolist() == [0, 2, 3]
    assert run.interrupted
    assert np.isfinite(run.generate(10)).all()


def test_on_snapshot_sees_the_run_and_can_stop_it() -> None:
    seen: list[tuple[int, np.ndarray, np.ndarray]] = []

    def watch(step: int, samples: np.ndarray, d: np.ndarray) -> bool:
        seen.append((step, samples, d))
        return step >= 2

    run = train(DATA, **TINY, on_snapshot=watch)
    assert run.interrupted
    assert run.steps.tolist() == [step for step, _, _ in seen] == [0, 2]
    for t, (_, samples, d) in enumerate(seen):
        assert (samples == run.samples[t]).all()
        assert (d == run.d_output[t]).all()


def test_other_errors_of_on_snapshot_are_not_swallowed() -> None:
    def broken(step: int, samples: np.ndarray, d: np.ndarray) -> None:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        train(DATA, **TINY, on_snapshot=broken)


# --- what a run holds ---------------------------------------------------------------------------------------------


def test_the_shapes_of_a_run(run: Run) -> None:
    assert run.steps.tolist() == [0, 2, 4, 6]
    assert run.d_loss.shape == run.g_loss.shape == (4, 3)
    assert run.samples.shape == (4, 3, training.PROBES, 1)
    assert run.points.shape == (241, 1)
    assert run.d_output.shape == (4, 3, 241)
    assert np.isnan(run.d_loss[0]).all()
    assert np.isnan(run.g_loss[0]).all()
    assert ((run.d_output >= 0) & (run.d_output <= 1)).all()


def test_the_points_of_d(run: Run) -> None:
    assert run.points.min() < -1.5 - 4 * 0.6
    assert run.points.max() > 1.5 + 4 * 0.6
    assert train(ring(), **TINY).points.shape == (41 * 41, 2)
    rows = np.random.default_rng(0).standard_normal((300, 3))
    assert (train(rows, **TINY).points == rows[:256]).all()
    own = train(DATA, **TINY, points=[-1.0, 0.0, 1.0])
    assert own.points[:, 0].tolist() == [-1, 0, 1]
    with torch.no_grad():
        logits = own.discriminator(torch.tensor([[-1.0], [0.0], [1.0]]).expand(3, 3, 1))[..., 0]
    np.testing.assert_allclose(own.d_output[-1], torch.sigmoid(logits).numpy(), atol=1e-6)


@pytest.mark.parametrize("latent_dim", [1, 2, 4])
def test_the_probe_points_are_spread_like_a_normal(latent_dim: int) -> None:
    z = training._probes(latent_dim).numpy()
    assert z.shape == (training.PROBES, latent_dim)
    for column in z.T:
        assert stats.kstest(column, "norm").statistic < 0.01
    np.testing.assert_allclose(np.cov(z.T), np.eye(latent_dim) if latent_dim > 1 else 1.0, atol=0.02)
    assert (np.diff(z[:, 0]) > 0).all() == (latent_dim == 1)
    assert torch.equal(training._probes(latent_dim), torch.from_numpy(z))


def test_samples_are_images_of_the_probe_points(run: Run) -> None:
    with torch.no_grad():
        z = training._probes(2).float().expand(3, -1, -1)
        np.testing.assert_allclose(run.samples[-1], run.generator(z).numpy(), atol=1e-6)


def test_generate_draws_fresh_samples(run: Run) -> None:
    x = run.generate(100, seed=1)
    assert x.shape == (3, 100, 1)
    assert (x == run.generate(100, seed=1)).all()
    assert (x != run.generate(100, seed=2)).any()


def with_samples(run: Run, samples: np.ndarray) -> Run:
    return Run(**{name: getattr(run, name) for name in Run.__dataclass_fields__} | {"samples": samples})


def test_density_is_the_law_smoothed_by_the_kernel(run: Run) -> None:
    law = GaussianMixture([-1.0, 1.0], [0.3, 0.6], [0.4, 0.6])
    known = with_samples(run, law.sample(200_000, generator=0).reshape(2, 1, 100_000, 1))
    x = np.linspace(-5, 5, 501)
    estimate = known.density(x, bandwidth=0.2)
    assert estimate.shape == (2, 1, 501)
    np.testing.assert_allclose(np.trapezoid(estimate, x), 1.0, atol=1e-6)
    smoothed = GaussianMixture(law.means, np.hypot(law.stds, 0.2), law.weights)
    np.testing.assert_allclose(estimate, np.broadcast_to(smoothed.prob(x), estimate.shape), atol=0.01)


def test_density_of_one_point_is_the_kernel(run: Run) -> None:
    known = with_samples(run, np.full((1, 1, 10, 1), 0.3))
    x = np.linspace(-1, 1, 201)
    np.testing.assert_allclose(known.density(x)[0, 0], stats.norm.pdf(x, 0.3, 0.1), atol=0.2)
    assert known.density([7.0]).item() == 0  # far from every sample


def test_density_does_not_depend_on_the_range_that_is_asked_for(run: Run) -> None:
    wide, narrow = run.density(np.linspace(-3, 3, 61)), run.density(np.linspace(-1, 1, 21))
    np.testing.assert_allclose(wide[..., 20:41], narrow, atol=0.02 * wide.max())


def test_save_and_load_are_exact(run: Run, tmp_path: Any) -> None:
    path = tmp_path / "run.npz"
    run.save(path)
    again = Run.load(path)
    assert same_runs(run, again)
    assert again.config == run.config
    assert again.interrupted is False
    assert (run.generate(5) == again.generate(5)).all()
    with np.load(path, allow_pickle=False) as file:  # every entry is readable without pickle
        assert all(file[key].dtype != object for key in file.files)


def test_save_and_load_keep_double_precision_divergence_and_interruption(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    run, _ = poisoned(monkeypatch, 0, 0)
    stopped = train(ring(), **EXACT, on_snapshot=lambda *_: True)
    for number, one in enumerate((run, stopped)):
        one.save(str(tmp_path / f"{number}.npz"))
        assert same_runs(one, Run.load(str(tmp_path / f"{number}.npz")))
    assert Run.load(tmp_path / "1.npz").interrupted is True
    assert Run.load(tmp_path / "0.npz").diverged.tolist() == [-1, 1, -1]


def cut(path: Any) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def foreign(path: Any) -> None:
    np.savez(path, x=np.zeros(3))


def pickled(path: Any) -> None:
    np.savez(path, meta=np.array([{"a": 1}], dtype=object))


def text(path: Any) -> None:
    path.write_text("not a run", encoding="utf-8")


def missing_weights(path: Any) -> None:
    with np.load(path) as file:
        data = {key: file[key] for key in file.files if key != "generator.weights.0"}
    np.savez(path, **data)


@pytest.mark.parametrize("damage", [cut, foreign, pickled, text, missing_weights])
def test_a_damaged_or_foreign_file(run: Run, tmp_path: Any, damage: Callable[[Any], None]) -> None:
    path = tmp_path / "run.npz"
    run.save(path)
    damage(path)
    words = f"^{re.escape(str(path))} must be a file written by Run.save, but could not be read (?s:.*); save the run again$"
    with pytest.raises(ValueError, match=words):
        Run.load(path)


def test_a_missing_file_is_reported_as_missing(tmp_path: Any) -> None:
    with pytest.raises(FileNotFoundError):
        Run.load(tmp_path / "none.npz")


# --- games, presets and data ----------------------------------------------------------------------------------------


def test_clipped_weights_stay_in_their_bounds() -> None:
    run = train(DATA, **EXACT, game="wgan-clip", clip=0.03)
    largest = [float(p.abs().max()) for p in parameters(run.discriminator)]
    assert max(largest) == 0.03  # in float64 exactly, and some weight has arrived
    assert max(float(p.abs().max()) for p in parameters(run.generator)) > 0.03


def test_the_games_own_weights_are_the_papers() -> None:
    assert GAMES["wgan-clip"].clip == 0.01
    assert [GAMES[name].penalty_weight for name in ("wgan-gp", "wgan-gp-one-sided")] == [10.0, 10.0]
    explicit = train(DATA, **EXACT, game="wgan-gp", penalty_weight=10.0)
    assert same_runs(train(DATA, **EXACT, game="wgan-gp"), explicit)
    assert not same_runs(train(DATA, **EXACT, game="wgan-gp", penalty_weight=0.0), explicit)


def test_what_d_outputs_is_recorded_by_its_kind() -> None:
    runs = {name: train(DATA, **TINY, game=name) for name in ("minimax", "wgan-gp", "ebgan")}
    for run in runs.values():
        at = torch.from_numpy(run.points).to(torch.float32)
        numbers = GAMES[run.config.game].read(run.discriminator(at.expand(3, -1, -1)), at).detach().double()
        expected = torch.sigmoid(numbers) if run.config.game == "minimax" else numbers
        np.testing.assert_allclose(run.d_output[-1], expected.numpy(), atol=1e-6)
    assert runs["ebgan"].discriminator.widths == (1, 8, 8, 1)
    assert (runs["ebgan"].d_output >= 0).all()
    assert (runs["wgan-gp"].d_output < 0).any()


def test_an_autoencoder_in_the_plane_survives_saving(tmp_path: Any) -> None:
    run = train(ring(4, std=0.1), **TINY, game="ebgan")
    assert run.discriminator.widths == (2, 8, 8, 2)
    run.save(tmp_path / "run.npz")
    assert same_runs(run, Run.load(tmp_path / "run.npz"))


def test_a_reader_s_own_game(monkeypatch: pytest.MonkeyPatch) -> None:
    copy = GAMES["minimax"]
    monkeypatch.setitem(GAMES, "mine", Game("mine", copy.d_loss, copy.g_loss, "the same", "this test"))
    mine, theirs = train(DATA, **EXACT, game="mine"), train(DATA, **EXACT, game="minimax")
    np.testing.assert_array_equal(mine.samples, theirs.samples)


def test_a_reader_s_own_penalty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer charges what the game's penalty says, whatever it is."""
    monkeypatch.setitem(PENALTIES, "flat", lambda norm: norm**2)
    for name in ("hinge", "flat"):
        monkeypatch.setitem(GAMES, name, replace(GAMES["wgan-gp"], name=name, penalty=name))

    def points(game: str, weight: float) -> Any:
        return train(DATA, **EXACT, game=game, penalty_weight=weight, critic_steps=20).d_output

    free, hinge, flat, two_sided = (
        points(*each) for each in (("flat", 0.0), ("hinge", 9.0), ("flat", 9.0), ("wgan-gp", 9.0))
    )
    np.testing.assert_array_equal(hinge, free)  # the slopes stay below 1
    assert not np.array_equal(two_sided, free)
    steep = [np.abs(np.diff(values[-1], axis=-1)).max(-1) for values in (flat, free)]
    assert (steep[0] < steep[1]).all()


def test_instance_noise_reaches_d_alone() -> None:
    """What is recorded of G are its images without noise."""
    quiet, loud = (train(DATA, **{**EXACT, "steps": 1, "snapshots": 1}, instance_noise=std) for std in (0.0, 5.0))
    np.testing.assert_array_equal(quiet.samples[0], loud.samples[0])
    assert not np.array_equal(quiet.samples[1], loud.samples[1])


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_members_frozen_under_a_penalty_stay_finite(optimizer: str) -> None:
    settings = {**EXACT, "steps": 40, "game": "wgan-gp", "optimizer": optimizer, "lr_d": 1e150}
    run = train(DATA, **settings)
    assert (run.diverged > 0).all()
    assert all(p.isfinite().all() for p in parameters(run.generator))


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_are_settings(name: str) -> None:
    run = train(DATA, **{**PRESETS[name], **TINY})
    assert run.config.game == PRESETS[name]["game"]
    assert run.config.critic_steps == (5 if "wgan" in name else 1)


def test_the_presets_are_the_papers() -> None:
    gp, toy, clip, pac = (PRESETS[name] for name in ("wgan-gp", "wgan-gp-toy", "wgan", "pacgan"))
    adam = dict(game="non-saturating", lr_g=1e-4, lr_d=1e-4, betas=(0.8, 0.999))
    assert pac == dict(pack=2, batch_size=200, **adam)
    assert PRESETS["dcgan"] == {**adam, "lr_g": 2e-4, "lr_d": 2e-4, "betas": (0.5, 0.999), "batch_size": 128}
    assert (gp["penalty_weight"], gp["lr_g"], gp["lr_d"], gp["betas"]) == (10.0, 1e-4, 1e-4, (0.0, 0.9))
    assert (toy["penalty_weight"], toy["betas"], toy["batch_size"], toy["hidden"]) == (0.1, (0.5, 0.9), 256, (512,) * 3)
    assert (clip["clip"], clip["optimizer"], clip["lr_d"], clip["batch_size"]) == (0.01, "rmsprop", 5e-5, 64)


@pytest.mark.parametrize("data", [swiss_roll(50, generator=0), parallel_line(0.5, 50, generator=0), digits()[0]])
@pytest.mark.parametrize("game", ["wgan-gp", "ebgan"])
def test_other_data(data: np.ndarray, game: str) -> None:
    run = train(data, **TINY, game=game)
    assert run.samples.shape == (4, 3, 4096, data.shape[1])
    assert (run.diverged == -1).all()


@pytest.mark.parametrize("game", sorted(GAMES))
def test_one_thread_or_two_give_the_same_run(game: str) -> None:
    threads = torch.get_num_threads()
    runs = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            runs.append(train(DATA, **EXACT, game=game))
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_allclose(runs[0].samples, runs[1].samples, rtol=0, atol=1e-12)
    np.testing.assert_allclose(runs[0].d_output, runs[1].d_output, rtol=0, atol=1e-12)


# --- packs, labels, minibatch kernels --------------------------------------------------------------------------------


def test_a_pack_is_judged_as_one() -> None:
    """D's record at a point is its number for that point, pack times over."""
    run = train(DATA, **EXACT, pack=4)
    x = torch.from_numpy(run.points).expand(3, -1, -1)
    logits = run.discriminator(torch.cat([x] * 4, -1))[..., 0].detach()
    np.testing.assert_allclose(run.d_output[-1], torch.sigmoid(logits), atol=1e-14)


def test_more_labels_may_be_announced_than_are_there() -> None:
    x, y = swiss_roll(60, generator=0), np.arange(60) % 3
    run = train(x, labels=y, **TINY, classes=5)
    again = train(x, labels=y % 2, init=run, members=3)
    assert run.config.classes == again.config.classes == 5
    assert train(x, labels=y.astype(np.uint8), **TINY).config.classes == 3


def test_distances_of_labelled_data_weigh_labels_by_their_share() -> None:
    """A perfect conditional generator is at distance 0, however rare a label is."""
    x, y = np.concatenate([np.full(90, -2.0), np.full(10, 2.0)]), np.repeat([0, 1], [90, 10])
    run = train(x, labels=y, members=4, steps=300, batch_size=64, progress=False, device="cpu", record=("w1",))
    rare = run.samples[-1, :, 1::2].mean((1, 2))
    assert (rare > 1).all()
    assert (run.records["w1"][-1] < 0.6).all()  # with both labels as frequent it would be 1.6


def test_labels_reach_samples_and_points(tmp_path: Any) -> None:
    rows, labels = digits()
    run = train(rows, labels=labels, **EXACT, latent_dim=4)
    assert run.config.classes == 10
    one_hot = torch.eye(10, dtype=torch.float64)
    z = training._probes(4)
    last = run.generator(torch.cat([z, one_hot[torch.arange(len(z)) % 10]], 1).expand(3, -1, -1)).detach()
    np.testing.assert_allclose(run.samples[-1], last, atol=1e-14)
    assert run.points.shape == (2560, 64)
    seen = torch.cat([torch.from_numpy(run.points), one_hot.repeat_interleave(256, 0)], 1)
    logits = run.discriminator(seen.expand(3, -1, -1))[..., 0].detach()
    np.testing.assert_allclose(run.d_output[-1], torch.sigmoid(logits), atol=1e-14)
    again = run.generate(20, label=7)
    for label in range(10):  # one label, and all in turn
        same = np.isclose(run.generate(20)[:, label::10], again[:, label::10]).all()
        assert same == (label == 7)
    run.save(tmp_path / "run.npz")
    assert same_runs(Run.load(tmp_path / "run.npz"), run)


def test_a_conditional_generator_learns_its_labels() -> None:
    """Labels 0 and 1 of two far modes: each image lies on its label's side."""
    x = np.concatenate([np.full(100, -2.0), np.full(100, 2.0)]) + 0.1 * np.random.default_rng(0).normal(size=200)
    run = train(x, labels=np.repeat([0, 1], 100), members=4, steps=400, batch_size=64, progress=False, device="cpu")
    left, right = run.generate(200, label=0), run.generate(200, label=1)
    assert ((left < 0).mean((1, 2)) > 0.95).all()
    assert ((right > 0).mean((1, 2)) > 0.95).all()


@pytest.mark.parametrize("pack", [1, 2])
def test_kernels_compare_points_with_a_batch_of_data(pack: int) -> None:
    rows, y = swiss_roll(60, generator=0), np.arange(60) % 2
    run = train(rows, labels=y, **EXACT, kernels=3, pack=pack)
    one_hot = torch.eye(2, dtype=torch.float64)
    drawn = next(training._Batches(np.hstack([rows, one_hot[y]]), run.config, 5, torch.device("cpu")))
    x, labels = (v.reshape(3, 16 // pack, -1) for v in (drawn[..., :2], drawn[..., 2:]))
    at = torch.from_numpy(run.points).repeat(1, pack)
    seen = torch.cat([at, one_hot.repeat_interleave(len(at) // 2, 0).repeat(1, pack)], 1)
    logits = run.discriminator(seen.expand(3, -1, -1), torch.cat([x, labels], -1))[..., 0].detach()
    np.testing.assert_allclose(run.d_output[-1], torch.sigmoid(logits), atol=1e-13)


@pytest.mark.parametrize(
    ("labels", "more", "words"),
    [
        (np.zeros(3, int), {}, r"labels must be .*, one for each row of an array of data, got shape \(3,\)"),
        (np.zeros(60), {}, "type float64"),
        (np.full(60, -1), {}, "labels must be whole numbers from 0"),
        (
            np.zeros(60, int),
            {"p_g": ring()},
            "a training with labels needs those of the data, and a generator that learns",
        ),
        (None, {"classes": 3}, "a training with labels needs those of the data"),
        (
            np.arange(60) % 2 * 2,
            {},
            r"labels must use every number from 0 to 2, got \[0, 2\]; number the classes without",
        ),
        (np.arange(60) % 3, {"classes": 2}, r"labels must use every number from 0 to 1, got \[0, 1, 2\]"),
    ],
)
def test_bad_labels(labels: Any, more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        train(swiss_roll(60, generator=0), labels=labels, **TINY, **more)


def test_a_mixture_has_no_labels() -> None:
    with pytest.raises(ValueError, match="for a mixture, sample it and label the samples"):
        train(DATA, labels=[0, 1], **TINY)


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_that_is_not_there(label: int) -> None:
    run = train(swiss_roll(60, generator=0), labels=np.arange(60) % 3, **TINY)
    with pytest.raises(ValueError, match=f"^label must be one of 0 to 2, got {label}; change it$"):
        run.generate(4, label=label)


# --- what is recorded on request --------------------------------------------------------------------------------------


def test_records_leave_the_training_alone() -> None:
    plain, recorded = train(DATA, **EXACT), train(DATA, **EXACT, record=("w1", "js", "g_gradient", "d_gradients"))
    assert same_runs(plain, recorded)
    assert plain.records == {}


@pytest.mark.parametrize("record", [("w1",), ("js",), ("g_gradient",)])
def test_a_fixed_density_leaves_no_generator_to_record(record: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="with p_g there is no generator to record"):
        train(DATA, p_g=DATA, **TINY, record=record)


def test_js_is_recorded_in_two_coordinates_at_most() -> None:
    with pytest.raises(ValueError, match="recording 'js' needs data with one or two coordinates, got 64; record 'w1'"):
        train(digits()[0], **TINY, record=("js",))


def test_gradients_are_recorded_where_gradients_are_off() -> None:
    with torch.no_grad():
        run = train(DATA, **TINY, record=("g_gradient",))
    assert (run.records["g_gradient"] > 0).all()


def test_what_on_snapshot_does_to_its_arrays_stays_there() -> None:
    def spoil(step: int, samples: np.ndarray, d: np.ndarray) -> None:
        samples *= 0
        d *= 0

    assert same_runs(train(DATA, **TINY, on_snapshot=spoil), train(DATA, **TINY))


def test_ctrl_c_while_a_distance_is_computed_loses_no_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def slow(samples: Any, law: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return sample_w1(samples, law)

    monkeypatch.setattr(training, "sample_w1", slow)
    with pytest.warns(UserWarning, match="training interrupted at step 4 of 6"):
        run = train(DATA, **TINY, record=("w1",))
    np.testing.assert_array_equal(run.d_loss[1:], train(DATA, **TINY).d_loss[1:3])


def test_a_second_ctrl_c_does_without_the_last_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def slow(samples: Any, law: Any) -> Any:
        calls.append(1)
        if len(calls) >= 3:
            raise KeyboardInterrupt
        return sample_w1(samples, law)

    monkeypatch.setattr(training, "sample_w1", slow)
    with pytest.warns(UserWarning, match="training interrupted at step 4 of 6"):
        run = train(DATA, **TINY, record=("w1",))
    assert run.steps.tolist() == [0, 2]
    assert run.interrupted


def test_distances_are_recorded() -> None:
    run = train(DATA, **EXACT, record=("w1", "js"))
    np.testing.assert_array_equal(run.records["w1"], sample_w1(run.samples, DATA))
    np.testing.assert_array_equal(run.records["js"], sample_js(run.samples, DATA))
    assert run.records["w1"].shape == (4, 3)


@pytest.mark.parametrize("game", ["minimax", "wgan-gp"])
def test_gradients_are_recorded(game: str) -> None:
    """Those of the last snapshot, by hand, on the batches set aside; G's also where G does not learn."""
    run = train(DATA, **EXACT, game=game, generator_steps=0, record=("g_gradient", "d_gradients"))
    assert (run.records["g_gradient"] > 0).all()
    assert run.records["d_gradients"].shape == (4, 3, 3)
    cpu = torch.device("cpu")
    real, noise, uniform = (
        training._Batches(law, run.config, purpose, cpu)
        for law, purpose in ((DATA, 5), (training._normal(2), 6), (None, 7))
    )
    for _ in range(len(run.steps)):  # each snapshot takes a batch of z for G's gradient, and of everything for D's
        z, x, z_d = next(noise), next(real), next(noise)
        eps = next(uniform) if game == "wgan-gp" else torch.empty(0)
    for e in range(3):
        G, D = plain(run.generator, e), plain(run.discriminator, e)
        out = D(G(z[e]))
        loss = -out.mean() if game == "wgan-gp" else -bce(out, torch.zeros_like(out))
        gradients = torch.autograd.grad(loss, list(G.parameters()))
        norm = torch.cat([g.flatten() for g in gradients]).norm()
        np.testing.assert_allclose(run.records["g_gradient"][-1, e], norm, rtol=1e-9)
        fake = G(z_d[e]).detach()
        on_real, on_fake = D(x[e]), D(fake)
        if game == "wgan-gp":
            x_hat = (eps[e] * x[e] + (1 - eps[e]) * fake).requires_grad_()
            (slope,) = torch.autograd.grad(D(x_hat).sum(), x_hat, create_graph=True)
            loss = on_fake.mean() - on_real.mean() + 10 * ((slope.norm(dim=1) - 1) ** 2).mean()
        else:
            loss = bce(on_real, torch.ones_like(on_real)) + bce(on_fake, torch.zeros_like(on_fake))
        weights = [layer.weight for layer in D if isinstance(layer, torch.nn.Linear)]
        norms = [g.norm() for g in torch.autograd.grad(loss, weights)]
        np.testing.assert_allclose(run.records["d_gradients"][-1, e], norms, rtol=1e-9)


def test_the_share_of_weights_at_the_clip() -> None:
    run = train(DATA, **EXACT, game="wgan-clip", lr_d=0.1, clip=0.02, record=("at_clip",))
    flat = torch.cat([p.detach().flatten(1) for p in run.discriminator.parameters()], 1)
    np.testing.assert_allclose(run.records["at_clip"][-1], (flat.abs() == 0.02).double().mean(1))
    assert (run.records["at_clip"][0] < run.records["at_clip"][-1]).all()
    assert (run.records["at_clip"][-1] > 0.5).all()


def test_records_are_saved(tmp_path: Any) -> None:
    run = train(DATA, **TINY, record=("w1", "d_gradients"))
    run.save(tmp_path / "run.npz")
    again = Run.load(tmp_path / "run.npz")
    assert again.records.keys() == run.records.keys()
    assert all(np.array_equal(again.records[name], run.records[name]) for name in run.records)


# --- blocks in threads ------------------------------------------------------------------------------------------------


def test_pytorch_s_threads_are_given_back() -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        train(DATA, **TINY)
        assert torch.get_num_threads() == 2
        with pytest.raises(RuntimeError, match="mine"):
            train(DATA, **TINY, on_snapshot=_fail)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def _fail(step: int, samples: np.ndarray, d: np.ndarray) -> None:
    raise RuntimeError("mine")


def test_blocks_run_in_as_many_threads_as_pytorch_has(monkeypatch: pytest.MonkeyPatch) -> None:
    names: set[str] = set()
    step = training._Player.step

    def noted(self: Any, *args: Any) -> Any:
        names.add(threading.current_thread().name)
        time.sleep(0.01)
        assert torch.get_num_threads() == 1
        return step(self, *args)

    monkeypatch.setattr(training._Player, "step", noted)
    monkeypatch.setattr(training, "BLOCK", 1)
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            names.clear()
            torch.set_num_threads(count)
            train(DATA, **TINY)
            assert len(names) == count
    finally:
        torch.set_num_threads(threads)


def test_ctrl_c_leaves_all_blocks_at_the_same_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """One block is interrupted at once, the others are ahead of it: all are brought to one step."""
    monkeypatch.setattr(training, "BLOCK", 1)
    step = training._Player.step
    hit: list[int] = []

    def interrupt(self: Any, *args: Any) -> Any:
        if not hit and self.net.weights[0].data_ptr() == first[0]:
            hit.append(1)
            raise KeyboardInterrupt
        return step(self, *args)

    first: list[int] = []
    build = training._Block.__init__

    def remember(self: Any, *args: Any) -> None:
        build(self, *args)
        first.append(self.D.net.weights[0].data_ptr())

    monkeypatch.setattr(training._Block, "__init__", remember)
    monkeypatch.setattr(training._Player, "step", interrupt)
    with pytest.warns(UserWarning, match=r"training interrupted at step \d of 6"):
        run = train(DATA, **EXACT)
    assert run.interrupted
    monkeypatch.undo()
    reached = int(run.steps[-1])
    whole = train(DATA, **{**EXACT, "snapshots": 6})
    # The interrupted update of D had drawn its batch: that member goes on with the next one, the others are untouched.
    np.testing.assert_allclose(run.samples[-1, 1:], whole.samples[reached, 1:], atol=1e-12)


@pytest.mark.parametrize("size", [1, 8])
def test_a_block_without_members_left_stops_no_other(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    build, nets = training._networks, []

    def poison(step: int, *_: Any) -> None:
        if step == 2:
            with torch.no_grad():
                nets[0][0].weights[0][1, 0, 0] = torch.inf

    monkeypatch.setattr(training, "_networks", lambda *a: nets.append(build(*a)) or nets[-1])
    monkeypatch.setattr(training, "BLOCK", size)
    run = train(DATA, **{**EXACT, "steps": 8, "snapshots": 8}, on_snapshot=poison)
    assert run.diverged.tolist() == [-1, 3, -1]
    assert run.steps.tolist() == list(range(9))
    assert np.isfinite(run.d_loss[1:, [0, 2]]).all()
    assert np.isnan(run.d_loss[4:, 1]).all()


def test_ctrl_c_stops_blocks_that_are_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "BLOCK", 1)
    advance, inside, told = training._Block.advance, threading.Event(), []

    def interrupted(self: Any, until: int, stop: threading.Event) -> None:
        if self.members.start == 0 and not told:
            inside.wait(5)
            raise KeyboardInterrupt
        if not told and self.members.start == 1:
            inside.set()
            told.append(stop.wait(5))
        advance(self, until, stop)

    monkeypatch.setattr(training._Block, "advance", interrupted)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.warns(UserWarning, match="training interrupted at step 0"):
            run = train(DATA, **{**TINY, "members": 2, "snapshots": 1})
    finally:
        torch.set_num_threads(threads)
    assert told == [True]
    assert run.steps.tolist() == [0]


def test_a_block_never_runs_twice_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while another block is busy: it is waited for before all are brought to one step."""
    monkeypatch.setattr(training, "BLOCK", 1)
    advance, started = training._Block.advance, threading.Event()
    busy: set[int] = set()
    twice: list[int] = []
    called: set[int] = set()

    def watched(self: Any, until: int, stop: threading.Event) -> None:
        member = self.members.start
        if member in busy:
            twice.append(member)
        busy.add(member)
        try:
            if member not in called:
                called.add(member)
                if member == 0:
                    assert started.wait(5)
                    raise KeyboardInterrupt
                started.set()
                assert stop.wait(5)  # no step before the interruption, however slow the machine
                time.sleep(0.3)
            advance(self, until, stop)
        finally:
            busy.discard(member)

    monkeypatch.setattr(training._Block, "advance", watched)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with pytest.warns(UserWarning, match="training interrupted at step 0"):
            train(DATA, **{**TINY, "snapshots": 1})
    finally:
        torch.set_num_threads(threads)
    assert len(called) > 1
    assert not twice


def test_trainings_that_overlap_give_the_threads_back() -> None:
    """The first to start ends before the second."""
    second_runs, first_is_done = threading.Event(), threading.Event()
    threads = torch.get_num_threads()
    torch.set_num_threads(2)

    def first(step: int, *_: Any) -> None:
        second_runs.wait(5)

    def second(step: int, *_: Any) -> None:
        second_runs.set()
        first_is_done.wait(5)

    try:
        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(train, DATA, **TINY, on_snapshot=first)
            two = pool.submit(train, DATA, **TINY, on_snapshot=second)
            one.result()
            first_is_done.set()
            two.result()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_members_diverge_alone_in_any_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {**EXACT, "members": 4, "steps": 40, "lr_d": 1e150, "game": "wgan-gp"}
    whole = train(DATA, **settings)
    monkeypatch.setattr(training, "BLOCK", 1)
    parts = train(DATA, **settings)
    np.testing.assert_allclose(parts.d_loss, whole.d_loss, rtol=1e-9)
    np.testing.assert_allclose(parts.g_loss, whole.g_loss, rtol=1e-9)
    assert (whole.diverged > 0).all()
    assert parts.diverged.tolist() == whole.diverged.tolist()
    assert parts.steps[-1] == whole.steps[-1]
    np.testing.assert_array_equal(parts.samples[-1], whole.samples[-1])


def test_an_error_in_one_block_ends_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(d_real: torch.Tensor, d_fake: torch.Tensor) -> torch.Tensor:
        raise ZeroDivisionError("a reader's mistake")

    monkeypatch.setitem(GAMES, "mine", Game("mine", broken, lambda d: d.mean(-1), "", ""))
    with pytest.raises(ZeroDivisionError, match="a reader's mistake"):
        train(DATA, **TINY, game="mine")


# --- sweeps ---------------------------------------------------------------------------------------------------------

CONFIGS = [{**TINY, "game": "minimax"}, {**TINY, "game": "wgan-gp", "seed": 3}]


def test_a_sweep_is_its_trainings() -> None:
    for run, config in zip(sweep(DATA, CONFIGS), CONFIGS, strict=True):
        assert run is not None
        assert same_runs(run, train(DATA, **config))


@pytest.mark.slow
def test_a_sweep_in_other_processes_is_the_same() -> None:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        runs = sweep(DATA, CONFIGS, pool)
    for run, config in zip(runs, CONFIGS, strict=True):
        assert run is not None
        np.testing.assert_allclose(run.samples, train(DATA, **config).samples, atol=1e-5)


@pytest.mark.slow
def test_a_sweep_on_a_cluster_is_the_same() -> None:
    distributed = pytest.importorskip(
        "distributed", reason="dask's distributed is not installed: pip install distributed"
    )
    cluster = distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None)
    with cluster, distributed.Client(cluster) as client:
        runs = sweep(DATA, CONFIGS, client.get_executor())
    for run, config in zip(runs, CONFIGS, strict=True):
        assert run is not None
        np.testing.assert_allclose(run.samples, train(DATA, **config).samples, atol=1e-5)


class Dying(Executor):
    """An executor whose worker dies at the first job."""

    def __init__(self) -> None:
        self.jobs = 0

    def submit(self, f: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.jobs += 1
        if self.jobs == 1:
            future.set_exception(BrokenProcessPool("a worker was killed"))
        else:
            future.set_result(f(*args, **kwargs))
        return future


def test_a_worker_that_dies_is_reported_and_the_others_are_kept() -> None:
    with pytest.warns(UserWarning, match=r"configuration 0 failed and leaves None: .*minimax.*a worker was killed"):
        lost, kept = sweep(DATA, CONFIGS, Dying())
    assert lost is None
    assert kept is not None
    assert same_runs(kept, train(DATA, **CONFIGS[1]))


def test_ctrl_c_ends_a_sweep_and_keeps_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    step, calls = training._Player.step, []

    def interrupt(self: Any, *args: Any) -> Any:
        calls.append(1)
        if len(calls) == 20:  # each training of 6 rounds takes 12
            raise KeyboardInterrupt
        return step(self, *args)

    monkeypatch.setattr(training._Player, "step", interrupt)
    with pytest.warns(UserWarning, match="training interrupted at step"):
        whole, part, none = sweep(DATA, [CONFIGS[0]] * 3)
    assert whole is not None
    assert not whole.interrupted
    assert part is not None
    assert part.interrupted
    assert none is None


def test_a_bad_configuration_costs_no_other() -> None:
    with pytest.warns(UserWarning, match=r"configuration 1 failed and leaves None: .*unknown game 'none'"):
        kept, lost = sweep(DATA, [CONFIGS[0], {**TINY, "game": "none"}])
    assert lost is None
    assert kept is not None


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"game": "wgan"}, "unknown game 'wgan'; choose one of"),
        ({"members": 0}, "members must be a whole number of at least 1, got 0; change it"),
        ({"members": 2.0}, "members must be a whole number of at least 1, got 2.0; change it"),
        ({"steps": -1}, "steps must be a whole number of at least 0, got -1; change it"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0; change it"),
        ({"critic_steps": True}, "critic_steps must be a whole number of at least 0, got True; change it"),
        ({"latent_dim": 0}, "latent_dim must be a whole number of at least 1, got 0; change it"),
        ({"snapshots": 0}, "snapshots must be a whole number of at least 1, got 0; change it"),
        ({"generator_steps": -1}, "generator_steps must be a whole number of at least 0, got -1; change it"),
        ({"generator_steps": 2}, "generator_steps must be 0 or 1, got 2; raise critic_steps to change the ratio"),
        ({"lr_g": 0.0}, "lr_g must be a positive finite number, got 0.0; try 1e-3"),
        ({"lr_d": float("inf")}, "lr_d must be a positive finite number, got inf; try 1e-3"),
        ({"lr_d": float("nan")}, "lr_d must be a positive finite number, got nan; try 1e-3"),
        ({"betas": (0.5, 1.0)}, "betas must be two numbers in [0, 1), got (0.5, 1.0); try (0.5, 0.9)"),
        ({"betas": (0.5,)}, "betas must be two numbers in [0, 1), got (0.5,); try (0.5, 0.9)"),
        ({"dtype": "float16"}, "dtype must be 'float32' or 'float64', got 'float16'; choose one"),
        ({"hidden": ()}, "hidden must be a tuple of whole widths of 1 or more, got (); try (64, 64)"),
        ({"hidden": 64}, "hidden must be a tuple of whole widths of 1 or more, got 64; try (64, 64)"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1; change it"),
        ({"hidden": (8, 0)}, "hidden must be a tuple of whole widths of 1 or more, got (8, 0); try (64, 64)"),
        ({"activation": "gelu"}, "unknown activation 'gelu'; choose one of 'relu', 'softplus', 'tanh'"),
        ({"optimizer": "sgd"}, "optimizer must be 'adam' or 'rmsprop', got 'sgd'; choose one"),
        ({"r1": -1.0}, "r1 must be finite and not negative, got -1.0; 0 turns it off"),
        ({"instance_noise": float("nan")}, "instance_noise must be finite and not negative, got nan"),
        ({"clip": float("inf")}, "clip must be finite and not negative, got inf"),
        ({"penalty_weight": 1.0}, "penalty_weight needs a game with a gradient penalty, got 'non-saturating'"),
        ({"device": "tpu"}, "device must be 'auto', 'cpu' or a CUDA device that is there, got 'tpu'; choose another"),
        ({"pack": 0}, "pack must be a whole number of at least 1, got 0"),
        ({"pack": 3}, "batch_size must be a multiple of pack, got 16 and 3; change one"),
        ({"kernels": -1}, "kernels must be a whole number of at least 0, got -1"),
        ({"kernels": 2, "game": "wgan-gp"}, "got 'wgan-gp' with r1 = 0.0"),
        ({"kernels": 2, "r1": 0.5}, "with r1 = 0.5; set kernels=0"),
        ({"kernels": 2, "game": "ebgan"}, "got 'ebgan'"),
        ({"record": ("w2",)}, "got ('w2',); change it"),
        ({"record": "w1"}, "got 'w1'; change it"),
        ({"record": ("w1", "w1")}, "record must be a tuple of different names from"),
        ({"lr_g": np.float32(1e-3)}, "lr_g must be a positive finite number, got"),
        ({"lr_d": "1e-3"}, "lr_d must be a positive finite number, got '1e-3'"),
        ({"record": ("at_clip",)}, "recording 'at_clip' needs clipped weights, got 'non-saturating' without; set clip"),
    ],
)
def test_bad_settings(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        train(DATA, **{**TINY, **settings})


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="device must be 'auto', 'cpu' or a CUDA device that is there, got 'cuda'"):
        train(DATA, **{**TINY, "device": "cuda"})


def test_unknown_setting() -> None:
    with pytest.raises(
        TypeError, match=r"^unknown setting 'learning_rate'; choose from activation, batch_size, betas, classes, clip"
    ):
        train(DATA, learning_rate=1e-3)


@pytest.mark.parametrize(
    ("data", "more", "words"),
    [
        ([0.0, np.nan, 1.0, np.inf], {}, "data must be finite, got NaN or infinity in 2 rows; remove them"),
        (
            np.zeros((2, 3, 4)),
            {},
            "data must be a GaussianMixture or an array of shape (n, d), got shape (2, 3, 4); one row per",
        ),
        ([], {}, "data must be a GaussianMixture or an array of shape (n, d), got shape (0, 1); one row per example"),
        (
            DATA,
            {"p_g": gaussian([0.0, 0.0])},
            "p_g must live in the same space as the data, got dimensions 2 and 1; change one",
        ),
        (DATA, {"points": np.zeros((4, 2))}, "points must have 1 coordinates like the data, got 2; change points"),
        (DATA, {"points": [np.nan]}, "points must be finite, got NaN or infinity in 1 rows; remove them"),
    ],
)
def test_bad_data(data: Any, more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        train(data, **TINY, **more)


def test_an_init_that_does_not_fit(run: Run) -> None:
    words = "init must have 4 members in dimension 1, got another run; match members and data"
    with pytest.raises(ValueError, match=re.escape(words)):
        train(DATA, init=run, members=4)
    with pytest.raises(ValueError, match="init must have 3 members in dimension 2, got another run"):
        train(ring(), init=run)
    for other in (
        dict(hidden=(8,)),
        dict(pack=2),
        dict(kernels=1),
        dict(latent_dim=3),
        dict(activation="tanh", hidden=(9, 9)),
    ):
        with pytest.raises(
            ValueError, match="init must have networks of the same shape, got others; keep its game, hidden"
        ):
            train(DATA, init=run, **other)


@pytest.mark.parametrize(("dim", "bandwidth"), [(2, 0.1), (1, 0.0), (1, -1.0)])
def test_density_refuses(run: Run, dim: int, bandwidth: float) -> None:
    known = with_samples(run, np.zeros((1, 1, 10, dim)))
    words = f"density needs data on the line and a positive bandwidth, got dimension and bandwidth ({dim}, {bandwidth}); change them"
    with pytest.raises(ValueError, match=re.escape(words)):
        known.density([0.0], bandwidth)
