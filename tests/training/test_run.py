"""What a run holds, and its file."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from trainings import DATA, EXACT, TINY, poisoned, same_runs, with_samples

from gan_edu.densities import GaussianMixture, ring
from gan_edu.games import GAMES, Game
from gan_edu.training import Run, batches, train


def test_the_shapes_of_a_run(run: Run) -> None:
    assert run.steps.tolist() == [0, 2, 4, 6]
    assert run.d_loss.shape == run.g_loss.shape == (4, 3)
    assert run.samples.shape == (4, 3, 4096, 1)
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


def test_samples_are_images_of_the_probe_points(run: Run) -> None:
    with torch.no_grad():
        z = batches.probes(run.config).float().expand(3, -1, -1)
        np.testing.assert_allclose(run.samples[-1], run.generator(z).numpy(), atol=1e-6)


def test_generate_draws_fresh_samples(run: Run) -> None:
    x = run.generate(100, seed=1)
    assert x.shape == (3, 100, 1)
    assert (x == run.generate(100, seed=1)).all()
    assert (x != run.generate(100, seed=2)).any()
    stream = torch.Generator().manual_seed(1)  # more than are computed in one piece, by each member's own network
    z = torch.randn(700, 2, generator=stream, dtype=torch.float64).float().expand(3, -1, -1)
    np.testing.assert_allclose(run.generate(700, seed=1), run.generator(z).detach().numpy(), atol=1e-6)
    assert (run.generate(100) == run.generate(100, seed=0)).all()


def test_density_is_the_law_smoothed_by_the_kernel(run: Run) -> None:
    law = GaussianMixture([-1.0, 1.0], [0.3, 0.6], [0.4, 0.6])
    known = with_samples(run, law.sample(200_000, generator=0).reshape(2, 1, 100_000, 1))
    x = np.linspace(-5, 5, 501)
    estimate = known.density(x, bandwidth=0.2)
    assert estimate.shape == (2, 1, 501)
    np.testing.assert_allclose(np.trapezoid(estimate, x), 1.0, atol=1e-6)
    smoothed = GaussianMixture(law.means, np.hypot(law.stds, 0.2), law.weights)
    np.testing.assert_allclose(estimate, np.broadcast_to(smoothed.prob(x), estimate.shape), atol=0.01)


def test_the_density_of_each_moment_and_member_is_its_own(run: Run) -> None:
    means, stds = np.array([[-3.0, 0.0, 2.0], [1.0, 4.0, -1.0]]), np.array([[0.3, 0.5, 0.8], [1.0, 0.4, 0.6]])
    quantiles = stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    estimate = with_samples(run, (means[..., None] + stds[..., None] * quantiles)[..., None]).density(
        x := np.linspace(-6, 7, 131), 0.3
    )
    for t, e in np.ndindex(2, 3):
        np.testing.assert_allclose(estimate[t, e], stats.norm.pdf(x, means[t, e], np.hypot(stds[t, e], 0.3)), atol=2e-3)


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
    what = (
        "hold all of a run, but something is missing" if damage is missing_weights else "be a file written by Run.save"
    )
    words = f"^{re.escape(str(path))} must {what}(?s:.*); train again and save the run$"
    with pytest.raises(ValueError, match=words):
        Run.load(path)


def test_a_missing_file_is_reported_as_missing(tmp_path: Any) -> None:
    with pytest.raises(FileNotFoundError):
        Run.load(tmp_path / "none.npz")


@pytest.mark.parametrize(("dim", "bandwidth"), [(2, 0.1), (1, 0.0), (1, -1.0)])
def test_density_refuses(run: Run, dim: int, bandwidth: float) -> None:
    known = with_samples(run, np.zeros((1, 1, 10, dim)))
    words = f"density needs data on the line and a positive bandwidth, got dimension and bandwidth ({dim}, {bandwidth}); change them"
    with pytest.raises(ValueError, match=re.escape(words)):
        known.density([0.0], bandwidth)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_save_that_fails_leaves_the_old_file(
    run: Run, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    path = tmp_path / "run.npz"
    run.save(path)
    before = path.read_bytes()

    def half(file: Any, **arrays: Any) -> None:
        file.write(b"half of it")
        raise error

    monkeypatch.setattr(np, "savez_compressed", half)
    with pytest.raises(type(error)):
        run.save(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["run.npz"]


def test_what_load_says_of_a_game_and_of_another_version(
    run: Run, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.npz"
    rules = GAMES["minimax"]
    monkeypatch.setitem(GAMES, "mine", Game("mine", rules.d_loss, rules.g_loss, "the same", "this test"))
    train(DATA, **TINY, game="mine").save(path)
    assert Run.load(path).config.game == "mine"
    monkeypatch.delitem(GAMES, "mine")
    with pytest.raises(ValueError, match=r"unknown game 'mine'.*GAMES\['mine'\] = Game"):
        Run.load(path)
    run.save(path)
    with np.load(path) as file:
        data = {key: file[key] for key in file.files}
    data["meta"] = np.array(str(data["meta"]).replace('"format": 2', '"format": 1'))
    np.savez(path, **data)
    with pytest.raises(ValueError, match=r"must be a run of this version of gan_edu, got format 1 with other settings"):
        Run.load(path)
