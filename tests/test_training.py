"""Tests of gan_edu.training: what an ensemble run is, what stays put, what is kept, and every refusal."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from gan_edu import training
from gan_edu.densities import GaussianMixture, gaussian, ring, two_modes
from gan_edu.networks import Ensemble
from gan_edu.training import Run, TrainConfig, train

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


def plain(net: Ensemble, e: int) -> torch.nn.Sequential:
    """Member e as an ordinary PyTorch network."""
    layers: list[torch.nn.Module] = []
    for weight, bias in zip(net.weights, net.biases, strict=True):
        linear = torch.nn.Linear(weight.shape[1], weight.shape[2], dtype=weight.dtype)
        with torch.no_grad():
            linear.weight.copy_(weight[e].T)
            linear.bias.copy_(bias[e, 0])
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def flat(net: torch.nn.Sequential) -> list[torch.Tensor]:
    linears = [layer for layer in net if isinstance(layer, torch.nn.Linear)]
    return [layer.weight.detach().T for layer in linears] + [layer.bias.detach()[None] for layer in linears]


def by_hand(config: TrainConfig, data: Any, dim: int, e: int, p_g: GaussianMixture | None = None) -> tuple[Any, ...]:
    """Algorithm 1 in the most ordinary PyTorch, one member, fed that member's batches."""
    cpu = torch.device("cpu")
    G, D = (plain(net, e) for net in training._networks(config, dim))
    opt_G = torch.optim.Adam(G.parameters(), lr=config.lr_g, betas=config.betas)
    opt_D = torch.optim.Adam(D.parameters(), lr=config.lr_d, betas=config.betas)
    latent = GaussianMixture(np.zeros((1, config.latent_dim)), 1.0)
    real = training._Batches(data, config, 1, cpu)
    noise = training._Batches(latent, config, 2, cpu)
    fixed = None if p_g is None else training._Batches(p_g, config, 2, cpu)
    record: dict[str, list[float]] = {"d": [], "g": []}
    for _ in range(config.steps):
        for _ in range(config.critic_steps):
            fake = next(fixed)[e] if fixed is not None else G(next(noise)[e]).detach()
            on_real, on_fake = D(next(real)[e]), D(fake)
            loss = bce(on_real, torch.ones_like(on_real)) + bce(on_fake, torch.zeros_like(on_fake))
            opt_D.zero_grad()
            loss.backward()
            opt_D.step()
            record["d"].append(loss.item())
        for _ in range(config.generator_steps):
            on_fake = D(G(next(noise)[e]))
            if config.game == "minimax":
                loss = -bce(on_fake, torch.zeros_like(on_fake))
            else:
                loss = bce(on_fake, torch.ones_like(on_fake))
            opt_G.zero_grad()
            loss.backward()
            opt_G.step()
            record["g"].append(loss.item())
    return flat(G), flat(D), record


@pytest.mark.parametrize("game", ["minimax", "non-saturating"])
@pytest.mark.parametrize("critic_steps", [1, 3])
def test_an_ensemble_equals_separate_trainings(game: str, critic_steps: int) -> None:
    run = train(DATA, **{**EXACT, "steps": 30}, game=game, critic_steps=critic_steps, lr_d=2e-3, betas=(0.4, 0.95))
    for e in range(3):
        G, D, record = by_hand(run.config, DATA, 1, e)
        assert furthest(parameters(run.generator, e), G) < 1e-10
        assert furthest(parameters(run.discriminator, e), D) < 1e-10
        d, g = np.array(record["d"]).reshape(3, -1), np.array(record["g"]).reshape(3, -1)
        np.testing.assert_allclose(run.d_loss[1:, e], d.mean(1), atol=1e-10)
        np.testing.assert_allclose(run.g_loss[1:, e], g.mean(1), atol=1e-10)


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
        ({"device": "tpu"}, "device must be 'auto', 'cpu' or a CUDA device that is there, got 'tpu'; choose another"),
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
        TypeError, match=r"^unknown setting 'learning_rate'; choose from activation, batch_size, betas, critic"
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


@pytest.mark.parametrize(("dim", "bandwidth"), [(2, 0.1), (1, 0.0), (1, -1.0)])
def test_density_refuses(run: Run, dim: int, bandwidth: float) -> None:
    known = with_samples(run, np.zeros((1, 1, 10, dim)))
    words = f"density needs data on the line and a positive bandwidth, got dimension and bandwidth ({dim}, {bandwidth}); change them"
    with pytest.raises(ValueError, match=re.escape(words)):
        known.density([0.0], bandwidth)
