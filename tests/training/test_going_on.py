"""A training that goes on from another is one training, unless it is asked to start anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from trainings import DATA, EXACT, TINY, identical, parameters

from gan_edu.densities import Uniform, gaussian, ring
from gan_edu.training import Run, batches, loop, train

LEGS: list[dict[str, Any]] = [
    dict(game="minimax"),
    dict(game="wgan-gp", critic_steps=3),
    dict(game="wgan-clip", optimizer="rmsprop"),
    dict(game="non-saturating", optimizer="sgd", lr_decay=0.1, instance_noise=0.2),
    dict(game="feature-matching", record=("g_gradient", "d_gradients")),
    dict(game="minimax", kernels=2, latent="uniform"),
    dict(game="non-saturating", standardize=True, seed=3),
]


@pytest.mark.parametrize("settings", LEGS, ids=[each["game"] for each in LEGS])
@pytest.mark.parametrize("legs", [(4, 8), (70, 30)])  # the second ends within another chunk of batches
def test_two_legs_are_one_training(tmp_path: Any, settings: dict[str, Any], legs: tuple[int, int]) -> None:
    """Bit for bit, in float32, through a file, and for every member."""
    first, second = legs
    how = {**TINY, **settings, "snapshots": 1}
    data = ring(4, std=0.3)
    whole = train(data, **{**how, "steps": first + second})
    start = train(data, **{**how, "steps": first})
    start.save(tmp_path / "first.npz")
    for init in (start, Run.load(tmp_path / "first.npz")):
        end = train(data, init=init, steps=second)
        assert identical(parameters(end.generator), parameters(whole.generator))
        assert identical(parameters(end.discriminator), parameters(whole.discriminator))
        np.testing.assert_array_equal(end.samples[-1], whole.samples[-1])
        # Snapshots draw batches of their own, and two trainings have one snapshot more.
        for name, values in end.state.items():
            np.testing.assert_array_equal(values[:, :4], whole.state[name][:, :4])


def test_a_leg_draws_other_batches_than_the_one_before() -> None:
    still = dict(batch_size=16, lr_g=1e-12, lr_d=1e-12, steps=40, snapshots=4, progress=False, members=2)
    a = train(DATA, **still)
    b = train(DATA, init=a, **still)
    assert (a.d_loss[1:] != b.d_loss[1:]).all()
    again = train(DATA, init=a, anew=True, **still)
    np.testing.assert_allclose(again.d_loss[1:], a.d_loss[1:], atol=1e-6)  # the same batches, as asked


def test_anew_forgets_the_moments_of_the_optimizer() -> None:
    a = train(DATA, **EXACT)
    fresh, on = (train(DATA, init=a, anew=anew, steps=1, seed=5) for anew in (True, False))
    # Adam's first step is the step size in each direction, whatever the gradient: (1 - beta) / (1 - beta) = 1.
    step = np.abs(parameters(fresh.discriminator)[0].numpy() - parameters(a.discriminator)[0].numpy())
    np.testing.assert_allclose(step[step > 0], 1e-3, rtol=1e-3)
    step = np.abs(parameters(on.discriminator)[0].numpy() - parameters(a.discriminator)[0].numpy())
    assert (np.abs(step / 1e-3 - 1) > 0.05).mean() > 0.5
    assert on.state["updates"].tolist() == [[7.0, 7.0]] * 3
    assert fresh.state["updates"].tolist() == [[1.0, 1.0]] * 3


def test_another_optimizer_starts_anew() -> None:
    a = train(DATA, **EXACT)
    b = train(DATA, init=a, optimizer="rmsprop", steps=1)
    assert b.state["updates"].max() == 1


@pytest.mark.parametrize("size", [1, 2])
def test_going_on_in_other_blocks(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    a = train(DATA, **EXACT)
    whole = train(DATA, init=a, steps=5)
    monkeypatch.setattr(loop, "BLOCK", size)
    parts = train(DATA, init=a, steps=5)
    np.testing.assert_allclose(parts.samples, whole.samples, atol=1e-12)


def test_a_fixed_density_and_then_a_generator() -> None:
    alone = train(DATA, p_g=gaussian(), **EXACT)
    assert alone.state["updates"].tolist() == [[0.0, 6.0]] * 3
    both = train(DATA, init=alone)
    assert both.state["updates"].tolist() == [[6.0, 12.0]] * 3


def test_other_data_are_seen_in_the_units_of_the_run_that_goes_on() -> None:
    first, other = 500 + 90 * DATA.sample(200, generator=0), 700 + 30 * DATA.sample(100, generator=1)
    a = train(first, **TINY, standardize=True)
    on, fresh = train(other, init=a, steps=0), train(other, **TINY, standardize=True)
    assert (on.centre.tolist(), on.scale) == (a.centre.tolist(), a.scale)
    np.testing.assert_array_equal(on.samples[0], a.samples[-1])
    assert fresh.centre == pytest.approx(other.mean())
    later = train(other, init=train(DATA, **TINY), standardize=True, steps=0)  # there were no units before
    assert (later.centre.tolist(), later.scale) == (fresh.centre.tolist(), fresh.scale)


def test_no_weight_of_a_start_is_drawn_twice() -> None:
    """Seeds 0 to 2, members 0 to 3, both players, every layer: what is drawn, before it is scaled to the layer."""
    drawn = []
    for seed in range(3):
        run = train(DATA, **{**EXACT, "steps": 0, "members": 4}, seed=seed, kernels=2)
        for net in (run.generator, run.discriminator):
            for weight, bias in zip(net.weights, net.biases, strict=True):
                drawn += [v.detach() * weight.shape[1] ** 0.5 for v in (weight, bias)]
            drawn += [kernel.detach() * net.widths[-2] ** 0.5 for kernel in net.kernels]
    numbers = torch.cat([each.flatten() for each in drawn])
    assert len(numbers.round(decimals=12).unique()) == len(numbers) > 3000


def test_what_is_generated_is_no_latent_point_of_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor of another seed: z of `generate`, of both players' batches and of the probes, for seeds and members 0 to 2."""
    seen: list[torch.Tensor] = []
    for seed in range(3):
        run = train(DATA, **{**EXACT, "steps": 0}, seed=seed)
        for purpose in (2, 6):
            source = batches.Latents(Uniform(), run.config, purpose, torch.device("cpu"))
            seen += [next(source) for _ in range(batches.CHUNK + 2)]
    monkeypatch.setattr("gan_edu.training.run.images", lambda net, z: z.numpy()[None])
    seen += [torch.from_numpy(run.generate(500, seed=seed)) for seed in range(3)]
    seen += [batches.probes(run.config)]
    numbers = torch.cat([z.flatten() for z in seen])
    assert len(numbers.unique()) == len(numbers)


def test_seeds_and_members_share_no_batch() -> None:
    """Seeds 0 and 1, all members, all purposes, first and second chunk: no number is drawn twice."""
    seen: list[float] = []
    for seed in (0, 1):
        config = train(DATA, **{**TINY, "steps": 0}, seed=seed).config
        for purpose in range(9):
            source = batches.Batches(gaussian(), config, purpose, torch.device("cpu"))
            for _ in range(batches.CHUNK + 1):
                drawn = next(source)
            seen += drawn[:, 0, 0].tolist()
    assert len(set(seen)) == len(seen) == 2 * 9 * 3
