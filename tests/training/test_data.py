"""What can be trained on: densities, arrays, tables, tensors, data sets; data of another size or place; what is refused."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from trainings import DATA, EXACT, TINY, parameters

from gan_edu.densities import GaussianMixture, Uniform, gaussian, ring, two_modes
from gan_edu.training import Run, batches, train

ROWS = two_modes(3.0, 0.6).sample(500, generator=0)


def test_a_uniform_density() -> None:
    config = train(Uniform(2.0, 5.0), **TINY).config
    source = batches.Batches(Uniform(2.0, 5.0), config, 1, torch.device("cpu"))
    drawn = torch.cat([next(source) for _ in range(40)], 1)
    assert drawn.min() >= 2
    assert drawn.max() <= 5
    np.testing.assert_allclose([drawn.mean(), drawn.std()], [3.5, 3 / np.sqrt(12)], atol=0.05)
    run = train(Uniform(-1.0, 1.0), **TINY, record=("w1",))
    assert run.points[0, 0] < -1
    assert np.isfinite(run.records["w1"]).all()
    assert train(DATA, p_g=Uniform(0.0, 1.0), **TINY).config.generator_steps == 0


class Table:
    """What a data frame is to NumPy."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return ROWS


class Pairs(torch.utils.data.Dataset):
    """Map-style: an example and its label."""

    def __len__(self) -> int:
        return len(ROWS)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return torch.tensor(ROWS[i], dtype=torch.float64), 0


@pytest.mark.parametrize(
    "data",
    [Table(), torch.tensor(ROWS, requires_grad=True), ROWS.tolist(), Pairs(), np.ma.masked_invalid(ROWS)],
    ids=["table", "tensor", "list", "dataset", "unmasked"],
)
def test_the_same_rows_give_the_same_run(data: Any) -> None:
    np.testing.assert_array_equal(train(data, **EXACT).samples, train(ROWS, **EXACT).samples)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (torch.utils.data.DataLoader(Pairs()), "collect its examples into an array, one row each"),
        (3.0, "data must be a GaussianMixture, a Uniform or an array of shape (n, d), got a float"),
        (np.ma.masked_values([0.0, 0.1, -999.0], -999.0), "data must have no masked entries, got 1 among 3"),
    ],
)
def test_what_is_no_data(data: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        train(data, **TINY)


def test_other_refusals() -> None:
    with pytest.raises(
        ValueError, match=re.escape("points must be an array of shape (n, d), got a density; sample it")
    ):
        train(DATA, points=gaussian(0.0), **TINY)
    with pytest.raises(TypeError, match=re.escape("init must be a Run, got a str; read a file with Run.load")):
        train(DATA, init="run.npz")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=re.escape("p_g must be a density, got a list; try gaussian(0.0)")):
        train(DATA, p_g=[0.0], **TINY)  # type: ignore[arg-type]
    run = train(DATA, **TINY)
    for n in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match="n must be a whole number of at least 1, got"):
            run.generate(n)  # type: ignore[arg-type]
    assert run.generate(np.int64(3)).shape == (3, 3, 1)


def test_numbers_of_numpy_and_pytorch_are_settings() -> None:
    run = train(
        DATA, **{**TINY, "steps": np.int64(5), "members": torch.tensor(2), "device": torch.device("cpu")},
        lr_g=np.float32(1e-3), betas=[np.float64(0.5), 0.9], seed=np.uint8(3),
    )  # fmt: skip
    config = run.config
    assert (config.steps, config.members, config.seed, config.betas, config.device) == (5, 2, 3, (0.5, 0.9), "cpu")
    assert {type(v) for v in (config.steps, config.members, config.seed)} == {int}
    assert type(config.lr_g) is float


@pytest.mark.parametrize("move", [(1.0, 1e8), (255.0, 0.0), (1e-4, 0.0), (1.0, 80.0)])
def test_data_out_of_reach_are_told(move: tuple[float, float]) -> None:
    rows = move[0] * ROWS + move[1]
    with pytest.warns(UserWarning, match=r"networks start near 0 with a spread of about 1 .* pass standardize=True"):
        train(rows, **TINY)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(rows, **TINY, standardize=True)
        train(ROWS, **TINY)


@pytest.mark.parametrize(
    ("mean", "std", "reach"),
    [
        (0.0, 0.0099, "0.0099"),
        (0.0, 0.01, None),
        (0.0, 30.0, None),
        (0.0, 30.1, "30.1"),
        (58.0, 1.9, None),
        (58.0, 2.1, "60.1"),
        (-58.0, 2.1, "60.1"),
        ([0.0, 58.0], 1.9, None),
        ([0.0, 58.0], 2.1, "60.1"),
        ([0.0, -58.0], 2.1, "60.1"),
    ],
)
def test_where_data_begin_to_be_out_of_reach(mean: Any, std: float, reach: str | None) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        train(gaussian(mean, std), **{**TINY, "steps": 0})
    words = f"the data lie around {reach} with a spread of {std:.3g}, but networks start near 0"
    assert [str(w.message)[: len(words)] for w in told] == ([] if reach is None else [words])


def test_data_beyond_float32_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"data must fit float32, which ends at 3\.4e38, got .*e\+40; pass standardize=True"
    ):
        train(1e40 * ROWS, **TINY)
    still = {**TINY, "steps": 0}
    with pytest.warns(UserWarning, match=r"the data lie around 9\.9e\+37"):
        train(gaussian(9.9e37), **still)
    with pytest.raises(ValueError, match=r"data must fit float32, which ends at 3\.4e38, got 1\.01e\+38"):
        train(gaussian(-1.01e38), **still)
    with pytest.warns(UserWarning, match=r"the data lie around 1\.01e\+38"):
        train(gaussian(1.01e38), **still, dtype="float64")


def test_standardized_data_give_the_same_game_in_other_units() -> None:
    """x = centre + scale u: the run on u, moved; samples, points, records and `generate` are in the units of x."""
    u = (ROWS - ROWS.mean()) / ROWS.std()
    centre, scale = 40.0, 1e3
    plain = train(u, **EXACT, record=("w1",))
    run = train(centre + scale * u, **EXACT, record=("w1",), standardize=True)
    for a, b in zip(parameters(run.generator), parameters(plain.generator), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)
    np.testing.assert_allclose(run.samples, centre + scale * plain.samples, atol=1e-6)
    np.testing.assert_allclose(run.generate(50), centre + scale * plain.generate(50), atol=1e-6)
    np.testing.assert_allclose(run.points, centre + scale * plain.points, atol=1e-2)
    np.testing.assert_allclose(run.d_output, plain.d_output, atol=1e-5)
    np.testing.assert_allclose(run.records["w1"], scale * plain.records["w1"], rtol=1e-6)


U = GaussianMixture([[-0.6, 1.2], [0.2, -0.4]], [0.3, 0.6], [0.25, 0.75])  # its mean is 0
U = GaussianMixture(U.means / (SPREAD := 0.7697402159170327), U.stds / SPREAD, U.weights)


@pytest.mark.parametrize("kind", ["mixture", "rows", "uniform"])
@pytest.mark.parametrize("alone", [False, True], ids=["G learns", "a fixed p_g"])
def test_all_that_is_trained_on_is_standardized(kind: str, alone: bool) -> None:
    """x = centre + scale u, another centre for each coordinate, components of other weights and widths; p_g is moved, too."""
    scale, centre = 500.0, np.array([40.0, -7000.0] if kind != "uniform" else [40.0])
    u: Any = {"mixture": U, "rows": U.sample(90, generator=0), "uniform": Uniform(-(3**0.5), 3**0.5)}[kind]
    if kind == "rows":
        u = (u - u.mean(0)) / np.sqrt(u.var(0).mean())

    def away(law: Any) -> Any:
        if isinstance(law, Uniform):
            return Uniform(centre[0] + scale * law.low, centre[0] + scale * law.high)
        if isinstance(law, GaussianMixture):
            return GaussianMixture(centre + scale * law.means, scale * law.stds, law.weights)
        return centre + scale * law

    start = GaussianMixture(np.arange(2.0 * centre.size).reshape(2, -1) / 2, [0.5, 1.5], [0.2, 0.8]) if alone else None
    plain = train(u, p_g=start, **EXACT)
    run = train(away(u), p_g=away(start) if alone else None, **EXACT, standardize=True, points=away(plain.points))
    np.testing.assert_allclose(run.centre, centre, rtol=1e-12)
    assert run.scale == pytest.approx(scale, rel=1e-12)
    np.testing.assert_allclose(run.samples, centre + scale * plain.samples, rtol=0, atol=1e-6)
    np.testing.assert_allclose(run.d_output, plain.d_output, atol=1e-9)
    np.testing.assert_allclose(run.d_loss, plain.d_loss, atol=1e-9)


def test_rows_that_are_all_alike_have_a_spread_of_1() -> None:
    run = train(np.full((9, 2), [5.0, -3.0]), **TINY, standardize=True)
    assert (run.centre.tolist(), run.scale) == ([5.0, -3.0], 1.0)
    assert np.isfinite(run.samples).all()


@pytest.mark.parametrize("law", [ring(8, 200.0, 3.0), Uniform(-500.0, 900.0)])
def test_standardized_densities(law: Any, tmp_path: Any) -> None:
    run = train(law, **TINY, standardize=True)
    centre, scale = (law.low + law.high) / 2 if isinstance(law, Uniform) else np.zeros(2), run.scale
    np.testing.assert_allclose(run.centre, centre, atol=1e-9)
    exact = 1400 / np.sqrt(12) if isinstance(law, Uniform) else np.sqrt(200**2 / 2 + 9)
    np.testing.assert_allclose(scale, exact)
    run.save(tmp_path / "run.npz")
    again = Run.load(tmp_path / "run.npz")
    np.testing.assert_array_equal(again.generate(9), run.generate(9))
    assert np.abs(run.samples).max() > 20


def test_how_many_images_are_kept() -> None:
    run = train(np.random.default_rng(0).random((40, 784)), **TINY, probes=10)
    assert run.samples.shape == (4, 3, 10, 784)
    assert run.samples.dtype == np.float32
    assert train(DATA, **TINY, probes=100, latent_dim=3).samples.shape[2] == 100  # not a power of two


def test_only_true_stops() -> None:
    for told in (1, "yes", [1], object(), None, False):
        assert train(DATA, **TINY, on_snapshot=lambda *_, told=told: told).steps[-1] == 6  # type: ignore[arg-type,misc]
    for told in (True, np.True_):
        assert train(DATA, **TINY, on_snapshot=lambda *_, told=told: told).steps.tolist() == [0]  # type: ignore[arg-type,misc]


def test_the_caller_s_numpy_settings_do_not_disturb() -> None:
    with np.errstate(all="raise"):
        train(DATA, **TINY, record=("w1", "js"))


@pytest.mark.parametrize("setting", ["float64", "float16", "meta", "inference"])
def test_global_switches_of_pytorch_change_nothing(setting: str) -> None:
    expected = train(DATA, **TINY, game="wgan-gp")
    try:
        if setting == "meta":
            torch.set_default_device("meta")
        elif setting != "inference":
            torch.set_default_dtype(getattr(torch, setting))
        with torch.inference_mode(setting == "inference"):
            run = train(DATA, **TINY, game="wgan-gp")
            made = run.generate(5)
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(run.samples, expected.samples)
    np.testing.assert_array_equal(made, expected.generate(5))
