"""Tests of gan_edu.plots: what is drawn, where, and what is left alone."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_hex
from matplotlib.quiver import Quiver

from gan_edu.densities import GaussianMixture, Uniform, gaussian, ring, two_modes
from gan_edu.divergences import optimal_discriminator
from gan_edu.dynamics import dirac_gan
from gan_edu.plots import COLORS, plot_band, plot_field, plot_fit, plot_history, use_style
from gan_edu.training import Run, train

TINY: dict[str, Any] = dict(members=3, steps=4, batch_size=16, hidden=(8,), snapshots=2, progress=False, device="cpu")
LINE, PLANE = two_modes(3.0, 0.6), ring(4, std=0.1)


@pytest.fixture(scope="module")
def runs() -> dict[int, Run]:
    return {1: train(LINE, **TINY), 2: train(PLANE, **TINY)}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Every test closes its figures, and nothing but use_style changes Matplotlib's defaults."""
    before = dict(mpl.rcParams)
    yield
    changed = {key for key, setting in mpl.rcParams.items() if before[key] != setting}
    mpl.rcParams.update(before)
    plt.close("all")
    assert not changed


def right_of(ax: Axes) -> Axes:
    (twin,) = [other for other in ax.figure.axes if other is not ax and other.bbox.bounds == ax.bbox.bounds]
    return twin


def line(ax: Axes, label: str) -> Any:
    (found,) = [artist for artist in ax.get_lines() if artist.get_label() == label]
    return found


def test_use_style_sets_the_defaults() -> None:
    with mpl.rc_context():
        use_style()
        assert mpl.rcParams["legend.frameon"] is False
        assert tuple(mpl.rcParams["figure.figsize"]) == (7.2, 3.4)
        plot_fit(LINE, gaussian()).figure.canvas.draw()


@pytest.mark.parametrize("before", ["default", "dark_background", "Solarize_Light2", "ggplot", "seaborn-v0_8-darkgrid"])
def test_the_style_is_ink_on_white_paper_whatever_was_set_before(before: str) -> None:
    with mpl.rc_context():
        mpl.style.use(before)
        use_style()
        ax = plot_fit(LINE, gaussian(), lambda x: 0.25)
        ax.set_title("a title")
        plain, right = ax.plot([0, 1], [0, 1])[0], right_of(ax)
        ax.figure.canvas.draw()
        for at in (ax, right):
            words = [*at.get_xticklabels(), *at.get_yticklabels(), at.xaxis.label, at.yaxis.label, at.title]
            ticks = [mark for axis in (at.xaxis, at.yaxis) for mark in axis.get_ticklines()]
            assert {to_hex(w.get_color()) for w in [*words, *ticks]} == {"#000000"}
        assert {to_hex(w.get_color()) for w in ax.get_legend().get_texts()} == {"#000000"}
        assert to_hex(ax.spines["bottom"].get_edgecolor()) == "#888888"
        assert to_hex(ax.get_xgridlines()[0].get_color()) == "#e4e4e4"
        assert to_hex(plain.get_color()) == "#1f77b4"
        fresh = plt.legend([plain], ["a"], frameon=True).get_frame()
        assert to_hex(fresh.get_facecolor()) == "#ffffff"
        file = io.BytesIO()
        ax.figure.savefig(file, format="png")
        file.seek(0)
        assert plt.imread(file)[0, 0, :3].tolist() == [1, 1, 1]


def test_plotters_return_the_axes_they_are_given(runs: dict[int, Run]) -> None:
    _, axes = plt.subplots(1, 4)
    assert plot_fit(LINE, runs[1], ax=axes[0]) is axes[0]
    assert plot_fit(PLANE, runs[2], ax=axes[1]) is axes[1]
    assert plot_history(runs[1], axes[2]) is axes[2]
    assert plot_band([0, 1], np.zeros((3, 2)), "k", axes[3]) is axes[3]
    axes[0].figure.canvas.draw()


def test_plotters_make_their_own_figure(runs: dict[int, Run]) -> None:
    drawn = [
        plot_fit(LINE, runs[1]),
        plot_fit(PLANE, runs[2]),
        plot_history(runs[1]),
        plot_band([0, 1], np.zeros((3, 2)), "k"),
    ]
    assert all(isinstance(ax, Axes) for ax in drawn)
    assert len(plt.get_fignums()) == 4
    for ax in drawn:
        ax.figure.canvas.draw()


def test_colours_and_styles_are_roles() -> None:
    ax = plot_fit(LINE, gaussian(), optimal_discriminator(LINE, gaussian()))
    data, generated, d = line(ax, "$p_{data}$"), line(ax, "$p_g$"), line(right_of(ax), "D")
    assert (to_hex(data.get_color()), data.get_linestyle()) == (COLORS["data"].lower(), "-")
    assert (to_hex(generated.get_color()), generated.get_linestyle()) == (COLORS["generator"].lower(), "--")
    assert (to_hex(d.get_color()), d.get_linestyle()) == (COLORS["discriminator"].lower(), ":")


def test_curves_are_the_laws_and_d_has_its_own_axis() -> None:
    best = optimal_discriminator(LINE, gaussian())
    ax = plot_fit(LINE, gaussian(), best)
    right = right_of(ax)
    x = line(ax, "$p_g$").get_xdata()
    np.testing.assert_allclose(line(ax, "$p_{data}$").get_ydata(), LINE.prob(x))
    np.testing.assert_allclose(line(ax, "$p_g$").get_ydata(), gaussian().prob(x))
    np.testing.assert_allclose(line(right, "D").get_ydata(), best(x))
    assert right.get_ylim() == (0, 1)
    assert any(np.allclose(artist.get_ydata(), 0.5) for artist in right.get_lines())
    assert ax.get_ylim()[0] == 0
    assert (ax.get_xlabel(), ax.get_ylabel(), right.get_ylabel()) == ("x", "density", "D(x)")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["$p_{data}$", "$p_g$", "D"]


def test_a_constant_d_is_a_line() -> None:
    ax = plot_fit(LINE, gaussian(), lambda x: 0.25)
    assert set(line(right_of(ax), "D").get_ydata()) == {0.25}


def test_a_run_is_drawn_at_the_snapshot_asked_for(runs: dict[int, Run]) -> None:
    run = runs[1]
    for snapshot in (0, -1):
        ax = plot_fit(LINE, run, snapshot=snapshot)
        middle = np.median(run.density(line(ax, "$p_g$").get_xdata())[snapshot], axis=0)
        np.testing.assert_allclose(line(ax, "$p_g$").get_ydata(), middle)
        np.testing.assert_allclose(line(right_of(ax), "D").get_ydata(), np.median(run.d_output[snapshot], axis=0))
        assert ax.get_title() == f"step {run.steps[snapshot]}"
        plt.close("all")


def test_the_plane_shows_data_generated_points_and_the_opinion_of_d(runs: dict[int, Run]) -> None:
    run = runs[2]
    ax = plot_fit(PLANE, run)
    (mesh,) = [c for c in ax.collections if type(c).__name__ == "QuadMesh"]
    assert mesh.get_clim() == (0, 1)
    # Column by column: the value at (x_i, y_j) is D there.
    at = run.points.reshape(41, 41, 2)
    shown = np.asarray(mesh.get_array()).reshape(41, 41)
    np.testing.assert_allclose(shown[5, 20], run.d_output[-1, 0].reshape(41, 41)[20, 5])
    assert (at[20, 5] == [at[20, 0, 0], at[0, 5, 1]]).all()
    assert len(line(ax, "data").get_xdata()) == len(line(ax, "generated").get_xdata()) == 500
    np.testing.assert_allclose(line(ax, "generated").get_xdata(), run.samples[-1, 0, :500, 0])
    assert ax.get_aspect() == 1
    density = plot_fit(PLANE, ring(8))
    assert len(line(density, "generated").get_xdata()) == 500


def test_a_generator_that_is_the_data_is_drawn_by_other_points() -> None:
    ax = plot_fit(PLANE, PLANE)
    real, fake = (np.stack(line(ax, label).get_data(), 1) for label in ("data", "generated"))
    assert not set(map(tuple, real)) & set(map(tuple, fake))


def test_the_line_reaches_around_every_component() -> None:
    law = GaussianMixture([-1.0, 0.0, 5.0], [3.0, 0.1, 0.5], [0.5, 0.3, 0.2])
    assert plot_fit(law, gaussian()).get_xlim() == (-13.0, 11.0)
    assert plot_fit(GaussianMixture([0.0, 1.0], [0.1, 2.0]), gaussian()).get_xlim() == (-7.0, 9.0)


AXES = np.linspace(-3, 3, 7), np.linspace(-2, 2, 5)
ALONG = np.stack(np.meshgrid(*AXES, indexing="ij"), -1).reshape(-1, 2)  # 7 x 5 points, y runs fastest
GRIDS = {"y first": ALONG, "x first": np.stack(np.meshgrid(*AXES), -1).reshape(-1, 2), "downwards": ALONG[::-1]}
GRIDS["shuffled"] = np.random.default_rng(0).permutation(ALONG)


@pytest.mark.parametrize("order", sorted(GRIDS))
def test_a_grid_is_recognised_in_any_order(order: str) -> None:
    run = train(PLANE, **TINY, points=GRIDS[order])
    (mesh,) = [c for c in plot_fit(PLANE, run).collections if isinstance(c, QuadMesh)]
    shown = np.asarray(mesh.get_array()).reshape(5, 7)
    for at, d in zip(run.points, run.d_output[-1, 0], strict=True):
        i, j = np.abs(AXES[0] - at[0]).argmin(), np.abs(AXES[1] - at[1]).argmin()
        assert shown[j, i] == d
    corners = np.asarray(mesh.get_coordinates())
    assert corners[0, 0].tolist() == [-3.5, -2.5]
    assert corners[-1, -1].tolist() == [3.5, 2.5]


@pytest.mark.parametrize(
    "points",
    [
        np.random.default_rng(0).uniform(-1, 1, (400, 2)),
        np.stack([np.linspace(-1, 1, 25), np.zeros(25)], -1),  # a line
        np.repeat(ALONG[:18], 2, 0),  # 36 points, 18 of them twice
        np.vstack([ALONG[:-1], [[9.0, 9.0]]]),  # a grid with one point elsewhere
    ],
)
def test_points_that_are_no_grid_are_dots_in_the_colour_of_d(points: np.ndarray) -> None:
    run = train(PLANE, **TINY, points=points)
    ax = plot_fit(PLANE, run, member=2)
    (drawn,) = ax.collections
    np.testing.assert_allclose(drawn.get_offsets(), points)
    np.testing.assert_allclose(drawn.get_array(), run.d_output[-1, 2])
    assert (drawn.get_clim(), drawn.get_cmap().name) == ((0, 1), "opinion")
    ax.figure.canvas.draw()


def test_points_on_the_line_are_drawn_from_left_to_right() -> None:
    points = np.random.default_rng(0).uniform(-4, 4, 50)
    run = train(LINE, **TINY, points=points)
    drawn = line(right_of(plot_fit(LINE, run, member=0)), "D")
    np.testing.assert_allclose(drawn.get_xdata(), np.sort(points))
    np.testing.assert_allclose(drawn.get_ydata(), run.d_output[-1, 0, np.argsort(points)])


@pytest.mark.parametrize("shape", [(-1,), (-1, 1), "list"])
@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_own_data_on_the_line_are_a_histogram(shape: Any, scale: float) -> None:
    x = scale * LINE.sample(3000, generator=3)
    run = train(x, **TINY, standardize=True)
    ax = plot_fit(x.ravel().tolist() if shape == "list" else x.reshape(shape), run)
    area = sum(bar.get_width() * bar.get_height() for bar in ax.patches)
    tallest = max(bar.get_height() for bar in ax.patches)
    assert area == pytest.approx(1)
    assert tallest == pytest.approx(LINE.prob(1.5) / scale, rel=0.3)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["data", "$p_g$", "D"]
    generated = line(ax, "$p_g$")
    low, high = ax.get_xlim()
    assert low < x.min() < x.max() < high
    # the generator starts near the middle of the data: its mass is inside the picture
    assert np.trapezoid(generated.get_ydata(), generated.get_xdata()) == pytest.approx(1, abs=0.1)
    assert line(right_of(ax), "D").get_xdata()[[0, -1]] == pytest.approx(run.points[[0, -1], 0])
    ax.figure.canvas.draw()


def test_own_data_in_the_plane_are_points() -> None:
    x = 300 + 50 * PLANE.sample(2000, generator=3)
    x = x[np.argsort(x[:, 0])]
    run = train(x, **TINY, standardize=True)
    ax = plot_fit(x, run)
    drawn = np.stack(line(ax, "data").get_data(), -1)
    assert len(drawn) == 500
    assert {*map(tuple, drawn)} <= {*map(tuple, x)}
    assert abs(drawn.mean(0) - x.mean(0)).max() < 10  # of sorted rows not the first
    (mesh,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    assert mesh.get_array().size == 41**2
    assert len(line(plot_fit(x[:20], run), "data").get_xdata()) == 20


def test_a_uniform_law_is_drawn() -> None:
    law = Uniform(2.0, 4.0)
    ax = plot_fit(law, train(law, **TINY))
    assert ax.get_xlim() == (1.5, 4.5)
    x, y = line(ax, "$p_{data}$").get_data()
    np.testing.assert_allclose(y, np.where((x >= 2) & (x <= 4), 0.5, 0))
    assert line(plot_fit(gaussian(), law), "$p_g$").get_ydata().max() == 0.5


def test_history_shows_both_losses_and_the_levels_of_an_undecided_d(runs: dict[int, Run]) -> None:
    run = runs[1]
    ax = plot_history(run)
    np.testing.assert_allclose(line(ax, "loss of D").get_ydata(), np.median(run.d_loss[1:], 1))
    np.testing.assert_allclose(line(ax, "loss of G").get_ydata(), np.median(run.g_loss[1:], 1))
    for player in "DG":  # the mean since the snapshot before stands at the snapshot
        assert line(ax, f"loss of {player}").get_xdata().tolist() == [2, 4]
    levels = {round(float(artist.get_ydata()[0]), 9) for artist in ax.get_lines() if len(set(artist.get_ydata())) == 1}
    assert {round(np.log(4), 9), round(np.log(2), 9)} <= levels
    for game, of_g in (("minimax", -np.log(2)), ("non-saturating", np.log(2))):
        drawn = plot_history(train(LINE, **TINY, game=game)).get_lines()
        level = sorted(float(artist.get_ydata()[0]) for artist in drawn if artist.get_color() == "#888888")
        assert level == pytest.approx(sorted([of_g, np.log(4)]))


@pytest.mark.parametrize("frozen", ["critic_steps", "generator_steps"])
def test_history_of_a_frozen_player_draws_without_a_warning(frozen: str) -> None:
    plot_history(train(LINE, **TINY, **{frozen: 0})).figure.canvas.draw()


def test_a_band_is_the_middle_of_the_members() -> None:
    y = np.arange(11.0)[:, None] * np.ones(5)
    ax = plot_band(np.arange(5), y, COLORS["data"], label="m", thin=3)
    assert (line(ax, "m").get_ydata() == 5).all()
    (band,) = ax.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((1.0, 9.0))
    assert len(ax.get_lines()) == 4


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: plot_fit(LINE, gaussian(), limits=(-1.5, 5.0)),
            "limits must hold at least 99 % of p_data, got 75.0 % between -1.5 and 5.0; widen them",
        ),
        (
            lambda: plot_fit(LINE, gaussian(), limits=(-5.0, 1.5)),
            "limits must hold at least 99 % of p_data, got 75.0 % between -5.0 and 1.5; widen them",
        ),
        (
            lambda: plot_fit(Uniform(0.0, 1.0), gaussian(), limits=(0.0101, 1.0)),
            "limits must hold at least 99 % of p_data, got 99.0 % between 0.0101 and 1.0; widen them",
        ),
        (
            lambda: plot_fit(np.arange(1000.0), gaussian(), limits=(10.5, 1e3)),
            "limits must hold at least 99 % of p_data, got 98.9 % between 10.5 and 1000.0; widen them",
        ),
        (
            lambda: plot_fit(gaussian([0.0] * 3), gaussian([0.0] * 3)),
            "plot_fit draws dimension 1 or 2, got 3; project the samples",
        ),
        (
            lambda: plot_fit(np.arange(100.0), gaussian(), limits=(-1.0, 89.0)),
            "limits must hold at least 99 % of p_data, got 90.0 % between -1.0 and 89.0; widen them",
        ),
        (lambda: plot_fit(np.zeros((5, 3)), gaussian()), "plot_fit draws dimension 1 or 2, got 3; project the samples"),
        (
            lambda: plot_fit(np.zeros(5), PLANE),
            "p_data and fit must have the same dimension, got 1 and 2; draw what belongs together",
        ),
        (lambda: plot_fit([0.0, np.nan], gaussian()), "p_data must be finite, got NaN or infinity in 1 rows; remove"),
        (
            lambda: plot_fit(LINE, train([0.0, 1.0], labels=[0, 1], members=1, steps=0, progress=False, device="cpu")),
            "plot_fit draws runs without labels, got 2 labels; draw `run.samples[:, :, label::classes]`",
        ),
        (
            lambda: plot_field(dirac_gan(), (1.0, 1.0), (0.0, 1.0)),
            "ranges must be (low, high) and count at least 2, got (1.0, 1.0), (0.0, 1.0) and 15; change them",
        ),
        (lambda: plot_field(dirac_gan(), (0.0, 1.0), (0.0, 1.0), count=1), "count at least 2, got"),
    ],
)
def test_refusals_say_what_to_do(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        call()


def test_limits_are_kept() -> None:
    assert plot_fit(LINE, gaussian(), limits=(-4.5, 6.0)).get_xlim() == (-4.5, 6.0)
    # just 99 %
    assert plot_fit(Uniform(0.0, 1.0), gaussian(), limits=(0.0099, 3.0)).get_xlim() == (0.0099, 3.0)
    assert plot_fit(np.arange(1000.0), gaussian(), limits=(9.5, 2e3)).get_xlim() == (9.5, 2e3)


def test_one_member_can_be_picked(runs: dict[int, Run]) -> None:
    (line,) = [line for line in plot_fit(LINE, runs[1], member=1).get_lines() if line.get_label() == "$p_g$"]
    assert np.allclose(line.get_ydata(), runs[1].density(line.get_xdata())[-1, 1])


@pytest.mark.parametrize(("game", "label"), [("wgan-gp", "score"), ("ebgan", "energy")])
def test_critics_have_a_symmetric_axis_of_their_own(game: str, label: str) -> None:
    run = train(LINE, **TINY, game=game)
    right = right_of(plot_fit(LINE, run, member=1))
    low, high = right.get_ylim()
    drawn = line(right, "D").get_ydata()
    assert low == -high
    assert right.get_ylabel() == label
    expected = run.d_output[-1, 1] - (run.d_output[-1, 1].mean() if game == "wgan-gp" else 0)
    np.testing.assert_allclose(drawn, expected)
    assert high > np.abs(drawn).max()


def test_labels_are_drawn_like_probabilities() -> None:
    assert right_of(plot_fit(LINE, train(LINE, **TINY, game="least-squares"))).get_ylim() == (0, 1)


@pytest.mark.parametrize("game", ["wgan-clip", "ebgan", "least-squares"])
def test_critics_in_the_plane(game: str) -> None:
    ax = plot_fit(PLANE, train(PLANE, **TINY, game=game))
    low, high = ax.collections[0].get_clim()
    assert (low, high) == (0, 1) if game == "least-squares" else low == -high < 0


def test_only_classifiers_have_lines_at_log_2_and_log_4() -> None:
    for game, count in (("minimax", 2), ("wgan-gp", 0), ("least-squares", 0)):
        ax = plot_history(train(LINE, **TINY, game=game))
        constant = [
            artist for artist in ax.get_lines() if len(set(artist.get_ydata())) == 1 and len(artist.get_ydata()) == 2
        ]
        assert len([a for a in constant if a.get_color() == "#888888"]) == count
        assert ax.get_ylabel() == ("loss (nats)" if game == "minimax" else "loss")


def test_arrows_of_a_field_point_along_its_velocity() -> None:
    field = dirac_gan("minimax", 0.5)
    ax = plot_field(field, (-2.0, 2.0), (-1.0, 1.0), count=5)
    (arrows,) = [artist for artist in ax.collections if isinstance(artist, Quiver)]
    at = np.asarray(arrows.XY)
    velocity = field(at)
    drawn = np.stack([np.ravel(arrows.U), np.ravel(arrows.V)], 1)
    speed = np.linalg.norm(velocity, axis=1)
    np.testing.assert_allclose(drawn * speed[:, None], velocity, atol=1e-12)
    np.testing.assert_allclose(np.ravel(arrows.get_array()), speed)
    assert at[:, 0].min() == -2.0
    assert at[:, 1].max() == 1.0
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("theta (generator)", "psi (discriminator)")
