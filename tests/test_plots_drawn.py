"""Tests of what gan_edu.plots draws, read back into data: which member, which moment, which side, which way up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawings import LOOKS
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, PolyCollection, QuadMesh
from matplotlib.colors import to_hex, to_rgba
from matplotlib.contour import QuadContourSet
from matplotlib.lines import Line2D
from matplotlib.quiver import Quiver

from gan_edu.densities import GaussianMixture, Uniform, gaussian, ring
from gan_edu.plots import plot_band, plot_field, plot_fit, plot_history
from gan_edu.training import Run, train

TINY: dict[str, Any] = dict(members=4, steps=6, batch_size=16, hidden=(8,), snapshots=3, progress=False, device="cpu")
LAW = GaussianMixture([[-1.0], [2.5]], [0.3, 0.5], [0.7, 0.3])  # nothing about it is symmetric
X, Y = np.linspace(-2, 3, 11), np.linspace(-1, 1, 6)
AT = np.stack(np.meshgrid(X, Y), -1).reshape(-1, 2)
MOMENTS = [0, 1, -1]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def on_the_line(game: str = "non-saturating") -> Run:
    """A run on the line whose moments and members all differ: where G is, what D says, what the losses are."""
    run = train(LAW, **TINY, game=game)
    frames, members = run.d_output.shape[:2]
    t, m = np.arange(frames)[:, None, None], np.arange(members)[:, None]
    x = run.points[:, 0]
    d = 0.5 + 0.35 * np.tanh(x / 2 - 0.4 * t + 0.25 * m * m) + 0.02 * t
    samples = (np.linspace(-0.5, 0.5, run.samples.shape[2]) * (1 + t) + 0.6 * m - 0.3 * t)[..., None]
    steps = np.arange(len(run.steps))
    losses = [1.2 - 0.1 * steps[:, None] + 0.05 * np.arange(members) ** 2 * s for s in (1, -2)]
    return replace(run, d_output=d, samples=samples, d_loss=losses[0], g_loss=losses[1])


def in_the_plane(game: str = "non-saturating", points: Any = AT) -> Run:
    """The same in the plane; D is tilted, and steeper along the second coordinate."""
    run = train(ring(4, std=0.1), **TINY, game=game, points=points)
    t, m = np.arange(len(run.samples))[:, None, None], np.arange(run.samples.shape[1])[:, None]
    d = 0.5 + 0.11 * (run.points[:, 0] - 0.1 * t) + 0.2 * run.points[:, 1] - 0.03 * m
    samples = run.samples + np.stack([t + 0 * m, m * 10 + 0 * t], -1)
    return replace(run, d_output=d, samples=samples)


@pytest.fixture(scope="module")
def line_run() -> Run:
    return on_the_line()


@pytest.fixture(scope="module")
def plane_run() -> Run:
    return in_the_plane()


def twin(ax: Axes) -> Axes:
    (other,) = [one for one in ax.figure.axes if one is not ax]
    return other


def named(ax: Axes, label: str) -> Line2D:
    (found,) = [artist for artist in ax.get_lines() if artist.get_label() == label]
    return found


def looks(artist: Line2D, role: str) -> bool:
    dash = {"data": "-", "generator": "--", "discriminator": ":"}[role]
    assert dash == LOOKS[role]["paper_dash"]
    return (to_hex(artist.get_color()), artist.get_linestyle()) == (LOOKS[role]["light"], dash)


def read_band(ax: Axes) -> dict[str, Any]:
    """The last band of the axes as x, low and high; its colour and opacity."""
    band = [c for c in ax.collections if isinstance(c, PolyCollection)][-1]
    corners = band.get_paths()[0].vertices
    x = np.unique(corners[:, 0])
    ends = np.array([[f(corners[corners[:, 0] == at, 1]) for f in (np.min, np.max)] for at in x[1:-1]])
    return {"x": x, "low": ends[:, 0], "high": ends[:, 1], "colour": band.get_facecolor()[0]}


def test_a_band_is_read_back_as_median_percentiles_and_the_first_members() -> None:
    x, member = np.array([1.0, 2, 4, 8, 16]), np.arange(21.0)
    curves = member[:, None] ** 2 * np.linspace(0.5, 1, 5) - x
    curves[3, 2] = np.nan
    ax = plot_band(x, curves, "#123456", label="m", style="-.", thin=4)
    *thin, middle = ax.get_lines()
    assert len(thin) == 4
    for artist, row in zip(thin, curves, strict=False):
        np.testing.assert_array_equal(artist.get_xydata(), np.stack([x, row], -1))
        assert artist.get_linewidth() < 1 < middle.get_linewidth()
        assert artist.get_alpha() < 1
        assert to_hex(artist.get_color()) == "#123456"
    tenth, half, last = (np.nanpercentile(curves, q, axis=0) for q in (10, 50, 90))
    np.testing.assert_allclose(middle.get_xydata(), np.stack([x, half], -1))
    assert (middle.get_linestyle(), to_hex(middle.get_color()), middle.get_label()) == ("-.", "#123456", "m")
    band = read_band(ax)
    np.testing.assert_array_equal(band["x"], x)
    np.testing.assert_allclose(np.stack([band["low"], band["high"]]), [tenth[1:-1], last[1:-1]])
    assert tuple(band["colour"]) == to_rgba("#123456", 0.18)


def test_eight_members_are_thin_lines_where_nothing_is_said() -> None:
    curves = np.arange(12.0)[:, None] * np.ones(3)
    ax = plot_band(range(3), curves, "k")
    assert [artist.get_ydata()[0] for artist in ax.get_lines()] == [*range(8), 5.5]
    assert ax.get_lines()[-1].get_linestyle() == "-"


@pytest.mark.parametrize("member", [None, 0, 2])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_on_the_line_is_read_back(line_run: Run, moment: int, member: int | None) -> None:
    """p_data and p_g on the left; D on the right, from 0 to 1, with the line 1/2; of the members asked for."""
    run = line_run
    ax = plot_fit(LAW, run, snapshot=moment, member=member)
    right = twin(ax)
    low, high = LAW.means[0, 0] - 4 * LAW.stds[0], LAW.means[1, 0] + 4 * LAW.stds[1]
    assert ax.get_xlim() == pytest.approx((low, high))
    x = named(ax, "$p_g$").get_xdata()
    assert (x[0], x[-1]) == pytest.approx((low, high))
    np.testing.assert_allclose(named(ax, "$p_{data}$").get_ydata(), LAW.prob(x))
    who = [0, 1, 2, 3] if member is None else [member]
    # by hand: the mean over the samples of a bell of width 0.1 around each
    bells = np.exp(-(((x[:, None, None] - run.samples[moment, who, :, 0]) / 0.1) ** 2) / 2) / (0.1 * np.sqrt(2 * np.pi))
    p_g = bells.mean(-1).T
    np.testing.assert_allclose(named(ax, "$p_g$").get_ydata(), np.median(p_g, 0), atol=0.02 * p_g.max())
    np.testing.assert_allclose(read_band(ax)["high"], np.quantile(p_g, 0.9, 0)[1:-1], atol=0.02 * p_g.max())
    drawn = named(right, "D")
    np.testing.assert_array_equal(drawn.get_xdata(), run.points[:, 0])
    np.testing.assert_allclose(drawn.get_ydata(), np.median(run.d_output[moment, who], 0))
    np.testing.assert_allclose(read_band(right)["low"], np.quantile(run.d_output[moment, who], 0.1, 0)[1:-1])
    assert all(looks(named(a, label), role) for a, label, role in (
        (ax, "$p_{data}$", "data"), (ax, "$p_g$", "generator"), (right, "D", "discriminator")))  # fmt: skip
    assert right.yaxis.get_label_position() == "right"
    assert (right.get_ylim(), right.get_ylabel(), ax.get_ylabel()) == ((0, 1), "D(x)", "density")
    (middle,) = [a for a in right.get_lines() if len(a.get_xdata()) == 2]
    assert (list(middle.get_ydata()), to_hex(middle.get_color())) == ([0.5, 0.5], LOOKS["discriminator"]["light"])
    assert ax.get_title() == f"step {run.steps[moment]}"
    for text, handle in zip(ax.get_legend().get_texts(), ax.get_legend().legend_handles, strict=True):
        role = {"$p_{data}$": "data", "$p_g$": "generator", "D": "discriminator"}[text.get_text()]
        assert looks(handle, role)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(("game", "name"), [("wgan-gp", "score"), ("ebgan", "energy")])
def test_a_critic_is_read_back_in_its_own_units(game: str, name: str, moment: int) -> None:
    """A score less its mean, an energy as it is; on a right axis symmetric about 0 that holds every member."""
    run = on_the_line(game)
    right = twin(plot_fit(LAW, run, snapshot=moment, member=1))
    d = run.d_output[moment] - (run.d_output[moment].mean(-1, keepdims=True) if name == "score" else 0)
    np.testing.assert_allclose(named(right, "D").get_ydata(), d[1])
    assert right.get_ylim() == pytest.approx((-1.05 * np.abs(d).max(), 1.05 * np.abs(d).max()))
    assert right.get_ylabel() == name
    (middle,) = [a for a in right.get_lines() if len(a.get_xdata()) == 2]
    assert list(middle.get_ydata()) == [0, 0]


def test_laws_are_read_back_between_their_limits() -> None:
    fit = gaussian(0.5, 0.8)
    ax = plot_fit(LAW, fit, lambda x: 1 / (1 + np.exp(-x)), limits=(-3.5, 6.0))
    right = twin(ax)
    x = np.linspace(-3.5, 6, 401)
    for artist, wanted, role in (
        (named(ax, "$p_{data}$"), LAW.prob(x), "data"),
        (named(ax, "$p_g$"), fit.prob(x), "generator"),
        (named(right, "D"), 1 / (1 + np.exp(-x)), "discriminator"),
    ):
        np.testing.assert_allclose(artist.get_xydata(), np.stack([x, wanted], -1))
        assert looks(artist, role)
    assert ax.get_title() == ""
    assert plot_fit(Uniform(1.0, 5.0), fit).get_xlim() == (0, 6)


def test_own_data_on_the_line_are_counted_where_they_lie() -> None:
    data = np.concatenate([np.full(300, -1.0), np.linspace(1, 3, 100)])
    ax = plot_fit(data, gaussian(0.5, 0.8))
    assert ax.get_xlim() == (-2, 4)  # a quarter of their width on each side
    assert len(ax.patches) == 60
    for bar in ax.patches:
        inside = (data >= bar.get_x() - 1e-9) & (data < bar.get_x() + bar.get_width() - 1e-9)
        assert bar.get_height() == pytest.approx(inside.mean() / 0.1)
        assert to_hex(bar.get_facecolor()) == LOOKS["data"]["light"]


def half_way(ax: Axes, level: float, run: Run, d: Any) -> bool:
    """Whether the contour is where D, which is linear in the plane, has this level."""
    (contour,) = [c for c in ax.collections if isinstance(c, QuadContourSet)]
    at = np.vstack([path.vertices for path in contour.get_paths()])
    coefficients = np.linalg.lstsq(np.column_stack([run.points, np.ones(len(run.points))]), d, rcond=None)[0]
    assert to_hex(contour.get_edgecolor()[0]) == LOOKS["discriminator"]["light"]
    return len(at) > 2 and np.allclose(np.column_stack([at, np.ones(len(at))]) @ coefficients, level)


@pytest.mark.parametrize("member", [None, 0, 2])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_in_the_plane_is_read_back(plane_run: Run, moment: int, member: int | None) -> None:
    """Each cell has D's opinion there, from vermilion at 0 to blue at 1, with the line 1/2; of the member asked for."""
    run, who = plane_run, member or 0
    ax = plot_fit(ring(4, std=0.1), run, snapshot=moment, member=member)
    (mesh,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    corners = np.asarray(mesh.get_coordinates())
    centres = (corners[:-1, :-1] + corners[1:, 1:]) / 2
    np.testing.assert_allclose(centres.reshape(-1, 2), AT, atol=1e-12)
    shown = np.ravel(np.asarray(mesh.get_array()))
    np.testing.assert_allclose(shown, run.d_output[moment, who])
    assert half_way(ax, 0.5, run, run.d_output[moment, who])
    colours = mesh.to_rgba(np.array([0.0, 0.5, 1.0]))
    assert [to_hex(c) for c in colours[[0, 2]]] == [LOOKS["generator"]["light"], LOOKS["data"]["light"]]
    assert min(colours[1, :3]) > 0.99
    real, fake = named(ax, "data"), named(ax, "generated")
    np.testing.assert_array_equal(real.get_xydata(), ring(4, std=0.1).sample(500, generator=0))
    np.testing.assert_array_equal(fake.get_xydata(), run.samples[moment, who, :500])
    look = [(a.get_marker(), to_hex(a.get_color()), a.get_linestyle()) for a in (real, fake)]
    assert look == [(".", LOOKS["data"]["light"], "None"), ("x", LOOKS["generator"]["light"], "None")]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_aspect()) == ("$x_1$", "$x_2$", 1)
    assert ax.get_title() == f"step {run.steps[moment]}, member {who}"
    assert not ax.xaxis_inverted()
    assert not ax.yaxis_inverted()


def test_a_critic_in_the_plane_is_read_back() -> None:
    run = in_the_plane("wgan-gp")
    ax = plot_fit(ring(4, std=0.1), run, snapshot=1, member=3)
    centred = run.d_output[1] - run.d_output[1].mean(-1, keepdims=True)
    (mesh,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    np.testing.assert_allclose(np.ravel(np.asarray(mesh.get_array())), centred[3])
    assert mesh.get_clim() == pytest.approx((-1.05 * np.abs(centred).max(), 1.05 * np.abs(centred).max()))
    assert half_way(ax, 0.0, run, centred[3])


def test_points_that_are_no_grid_have_the_colour_of_d_there() -> None:
    points = np.random.default_rng(1).uniform(-1, 2, (30, 2))
    run = in_the_plane(points=points)
    ax = plot_fit(ring(4, std=0.1), run, snapshot=0, member=1)
    (dots,) = [c for c in ax.collections if isinstance(c, PathCollection)]
    np.testing.assert_array_equal(dots.get_offsets(), points)
    np.testing.assert_array_equal(dots.get_array(), run.d_output[0, 1])
    ends = [to_hex(c) for c in dots.to_rgba(np.array([0.0, 1.0]))]
    assert ends == [LOOKS["generator"]["light"], LOOKS["data"]["light"]]


def test_a_law_in_the_plane_is_read_back_as_its_samples() -> None:
    ax = plot_fit(ring(4, std=0.1), ring(3, std=0.2))
    np.testing.assert_array_equal(named(ax, "data").get_xydata(), ring(4, std=0.1).sample(500, generator=0))
    np.testing.assert_array_equal(named(ax, "generated").get_xydata(), ring(3, std=0.2).sample(500, generator=1))


def test_a_field_is_read_back() -> None:
    """Arrows centred on their point, as long as 1 / 1.4 of the gap, along the velocity; the faster, the darker."""

    def field(state: Any) -> Any:
        state = np.asarray(state)
        return np.stack([1 + state[..., 1] ** 2, -3 * state[..., 0] + 0.1], -1)

    ax = plot_field(field, (-1.0, 3.0), (0.0, 2.0), count=5)
    (arrows,) = [c for c in ax.collections if isinstance(c, Quiver)]
    at = np.asarray(arrows.XY)
    wanted = np.stack(np.meshgrid(np.linspace(-1, 3, 5), np.linspace(0, 2, 5)), -1).reshape(-1, 2)
    np.testing.assert_allclose(at, wanted)
    drawn, velocity = np.stack([arrows.U, arrows.V], -1), field(at)
    speed = np.linalg.norm(velocity, axis=-1, keepdims=True)
    np.testing.assert_allclose(drawn, velocity / speed)
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=-1) / arrows.scale, 1.0 / 1.4)
    assert (arrows.angles, arrows.scale_units, arrows.pivot) == ("xy", "xy", "middle")
    np.testing.assert_allclose(np.ravel(arrows.get_array()), speed[:, 0])
    grey = arrows.to_rgba(np.sort(speed[:, 0]))[:, :3]
    assert (np.ptp(grey, axis=1) < 1e-9).all()
    assert (np.diff(grey[:, 0]) <= 0).all()
    assert grey[0, 0] < 0.9  # the slowest is still seen
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_aspect()) == ("theta (generator)", "psi (discriminator)", 1)
    assert len(plot_field(field, (0, 1), (0, 1)).collections[0].U) == 15**2


@pytest.mark.parametrize(
    ("game", "levels"),
    [("minimax", (np.log(4), -np.log(2))), ("non-saturating", (np.log(4), np.log(2))), ("wgan-gp", ())],
)
def test_a_history_is_read_back(game: str, levels: tuple[float, ...]) -> None:
    run = on_the_line(game)
    ax = plot_history(run)
    for label, losses, role in (("loss of D", run.d_loss, "discriminator"), ("loss of G", run.g_loss, "generator")):
        artist = named(ax, label)
        np.testing.assert_allclose(artist.get_xydata(), np.stack([run.steps[1:], np.median(losses[1:], 1)], -1))
        assert looks(artist, role)
        thin = [a for a in ax.get_lines() if to_hex(a.get_color()) == LOOKS[role]["light"] and a is not artist]
        np.testing.assert_allclose([a.get_ydata() for a in thin], losses[1:].T)
    constant = [a.get_ydata()[0] for a in ax.get_lines() if list(a.get_xdata()) == [0, 1]]
    assert constant == pytest.approx(levels)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["loss of D", "loss of G"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("update of G", "loss" if game == "wgan-gp" else "loss (nats)")
