"""What is recorded on request."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from shared import plain
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from trainings import DATA, EXACT, TINY, same_runs

from gan_edu.densities import Uniform, digits, gaussian, ring
from gan_edu.evaluation import sample_js, sample_w1
from gan_edu.training import Run, batches, loop, train


def test_records_leave_the_training_alone() -> None:
    plain, recorded = train(DATA, **EXACT), train(DATA, **EXACT, record=("w1", "js", "g_gradient", "d_gradients"))
    assert same_runs(plain, recorded)
    assert plain.records == {}


@pytest.mark.parametrize("record", [("w1",), ("js",), ("g_gradient",)])
def test_a_fixed_density_leaves_no_generator_to_record(record: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="with p_g there is no generator to record"):
        train(DATA, p_g=DATA, **TINY, record=record)


def test_js_is_recorded_in_two_coordinates_at_most() -> None:
    for data, dim in ((digits()[0], 64), (gaussian([0.0] * 3), 3)):
        words = f"recording 'js' needs data with one or two coordinates, got {dim}; record 'w1'"
        with pytest.raises(ValueError, match=words):
            train(data, **TINY, record=("w1", "js"))


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

    monkeypatch.setattr(loop, "sample_w1", slow)
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

    monkeypatch.setattr(loop, "sample_w1", slow)
    with pytest.warns(UserWarning, match="training interrupted at step 4 of 6"):
        run = train(DATA, **TINY, record=("w1",))
    assert run.steps.tolist() == [0, 2]
    assert run.interrupted


@pytest.mark.parametrize("data", [DATA, ring(3, std=0.2), DATA.sample(300, generator=0)])
def test_distances_are_recorded(data: Any) -> None:
    """Of every member at every snapshot, each its own."""
    run = train(data, **EXACT, record=("w1", "js"))
    for name, distance in (("w1", sample_w1), ("js", sample_js)):
        assert run.records[name].shape == (4, 3)
        for t, e in np.ndindex(4, 3):
            assert run.records[name][t, e] == distance(run.samples[t, e], data)
    assert np.unique(run.records["w1"]).size == 12


@pytest.mark.parametrize("game", ["minimax", "wgan-gp"])
def test_gradients_are_recorded(game: str) -> None:
    """Those of the last snapshot, by hand, on the batches set aside; G's also where G does not learn."""
    run = train(DATA, **EXACT, game=game, generator_steps=0, record=("g_gradient", "d_gradients"))
    assert (run.records["g_gradient"] > 0).all()
    assert run.records["d_gradients"].shape == (4, 3, 3)
    cpu = torch.device("cpu")
    real, noise, uniform = (
        kind(law, run.config, purpose, cpu)
        for kind, law, purpose in (
            (batches.Batches, DATA, 5),
            (batches.Latents, Uniform(), 6),
            (batches.Batches, Uniform(), 7),
        )
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
