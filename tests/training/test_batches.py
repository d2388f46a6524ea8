"""What a step draws: batches, packs, labels, minibatch kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from trainings import DATA, EXACT, TINY, same_runs

from gan_edu.densities import GaussianMixture, Uniform, digits, gaussian, ring, swiss_roll
from gan_edu.training import Run, TrainConfig, batches, train


def test_batches_longer_than_a_chunk_go_on() -> None:
    config = TrainConfig(**EXACT)
    source = batches.Batches(DATA, config, 1, torch.device("cpu"))
    drawn = torch.stack([next(source) for _ in range(2 * batches.CHUNK + 3)])
    assert drawn.shape == (2 * batches.CHUNK + 3, 3, 16, 1)
    assert len(drawn.flatten().unique()) == drawn.numel()


LAWS = {
    "two modes": DATA,
    "unequal": GaussianMixture([-2.0, 1.0, 4.0], [0.2, 0.5, 1.0], [0.1, 0.6, 0.3]),
    "one": gaussian(3.0, 0.5),
    "one in space": gaussian([3.0, -1.0, 0.5], 0.5),
    "plane": GaussianMixture([[-2.0, 5.0], [1.0, -1.0], [4.0, 0.0]], [0.2, 0.5, 1.0], [0.1, 0.6, 0.3]),
    "no weight first": GaussianMixture([9.0, -2.0, 1.0], [0.1, 0.2, 0.5], [0.0, 0.3, 0.7]),
}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_batches_follow_the_law(law: GaussianMixture) -> None:
    """For each member, along each coordinate."""
    config = TrainConfig(members=3, batch_size=256, seed=2)
    source = batches.Batches(law, config, 1, torch.device("cpu"))
    assert next(source).dtype == torch.float32
    x = torch.cat([next(source) for _ in range(40)], 1).numpy()
    for member in x:
        for coordinate, means in zip(member.T, law.means.T, strict=True):
            shadow = GaussianMixture(means, law.stds, law.weights)
            assert stats.kstest(coordinate, shadow.cdf).pvalue > 1e-3


@pytest.mark.parametrize(("latent", "law"), [("normal", stats.norm()), ("uniform", stats.uniform(-1, 2))])
def test_latent_points_have_the_law_that_is_asked_for(monkeypatch: pytest.MonkeyPatch, latent: str, law: Any) -> None:
    """In batches, in the probes and where samples are generated: every member, every coordinate."""
    run = train(DATA, **{**TINY, "steps": 0, "batch_size": 256}, latent=latent, latent_dim=3)
    source = batches.Latents(Uniform(), run.config, 2, torch.device("cpu"))
    drawn = torch.cat([next(source) for _ in range(20)], 1)
    monkeypatch.setattr("gan_edu.training.run.images", lambda net, z: z.numpy()[None])
    for member in [*drawn.numpy(), batches.probes(run.config).numpy(), run.generate(5000, seed=3)[0]]:
        assert member.shape[1] == 3
        for coordinate in member.T:
            assert stats.kstest(coordinate, law.cdf).pvalue > 1e-3
    one = batches.probes(TrainConfig(latent=latent, latent_dim=1, probes=100))[:, 0].numpy()
    np.testing.assert_allclose(law.cdf(one), (np.arange(100) + 0.5) / 100, atol=1e-12)


@pytest.mark.parametrize("latent_dim", [1, 2, 4])
def test_the_probe_points_are_spread_like_a_normal(latent_dim: int) -> None:
    config = TrainConfig(latent_dim=latent_dim)
    z = batches.probes(config).numpy()
    assert z.shape == (4096, latent_dim)
    for column in z.T:
        assert stats.kstest(column, "norm").statistic < 0.01
    np.testing.assert_allclose(np.cov(z.T), np.eye(latent_dim) if latent_dim > 1 else 1.0, atol=0.02)
    assert (np.diff(z[:, 0]) > 0).all() == (latent_dim == 1)
    assert torch.equal(batches.probes(config), torch.from_numpy(z))


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
    z = batches.probes(run.config)
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
    drawn = next(batches.Batches(np.hstack([rows, one_hot[y]]), run.config, 5, torch.device("cpu")))
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


@pytest.mark.parametrize("label", [-1, 3, True])
def test_a_label_that_is_not_there(label: int) -> None:
    run = train(swiss_roll(60, generator=0), labels=np.arange(60) % 3, **TINY)
    with pytest.raises(ValueError, match=f"^label must be one of 0 to 2, got {label}; change it$"):
        run.generate(4, label=label)
    assert [len(run.generate(4, label=there)[0]) for there in (0, 2)] == [4, 4]


@pytest.mark.parametrize("label", [0, 1])
def test_a_run_without_labels_has_no_label_0(label: int) -> None:
    with pytest.raises(ValueError, match=f"^label must be left out: the run has no labels, got {label}; change it$"):
        train(DATA, **{**TINY, "steps": 0}).generate(4, label=label)


def test_d_is_recorded_around_every_component_and_along_every_axis() -> None:
    """From 4 stds beyond the outermost of each axis, and a quarter more: exact for components of other widths."""
    law = GaussianMixture([[-5.0, 1.0], [0.0, 2.0], [3.0, -8.0]], [0.1, 1.5, 0.5])
    at = batches.grid_over(law)
    low, high = np.array([-6.0, -10.0]), np.array([6.0, 8.0])
    margin = 0.25 * (high - low) + 1e-6
    np.testing.assert_allclose([at.min(0), at.max(0)], [low - margin, high + margin], atol=1e-12)
    line = batches.grid_over(GaussianMixture([0.0, 7.0], [2.0, 0.5]))
    assert line.shape == (241, 1)
    np.testing.assert_allclose(line[[0, -1], 0], [-8 - 4.25 - 1e-6, 9 + 4.25 + 1e-6], atol=1e-12)
    rows = np.random.default_rng(0).normal(size=(50, 2)) * [1.0, 20.0]
    around = batches.grid_over(rows)
    margin = 0.25 * np.ptp(rows, axis=0) + 1e-6
    np.testing.assert_allclose([around.min(0), around.max(0)], [rows.min(0) - margin, rows.max(0) + margin])
    space = gaussian([1.0, 2.0, 3.0], 0.5)
    np.testing.assert_array_equal(batches.grid_over(space), space.sample(256, generator=0))
