"""Tests of gan_edu.plots: every snapshot and every member is drawn as its own, in the units of its run."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from test_plots import LINE, PLANE, TINY, line, quiet, right_of

from gan_edu.densities import gaussian
from gan_edu.plots import plot_band, plot_fit
from gan_edu.training import train

__all__ = ["quiet"]  # a fixture of every test here, too


@pytest.mark.parametrize(("snapshot", "member"), [(0, 0), (1, 2), (-1, 1), (2, 0), (0, 2)])
@pytest.mark.parametrize("game", ["minimax", "wgan-gp"])
def test_the_plane_of_a_snapshot_and_a_member_is_theirs(game: str, snapshot: int, member: int) -> None:
    run = train(PLANE, **TINY, game=game)
    ax = plot_fit(PLANE, run, snapshot=snapshot, member=member)
    (mesh,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    d = run.d_output[snapshot]
    if game == "wgan-gp":  # each critic is given up to a constant of its own; the range is that of the steepest
        d = d - d.mean(1)[:, None]
        assert mesh.get_clim()[1] == pytest.approx(1.05 * np.abs(d).max())
    np.testing.assert_allclose(np.asarray(mesh.get_array()).reshape(41, 41).T.ravel(), d[member])
    np.testing.assert_allclose(np.stack(line(ax, "generated").get_data(), 1), run.samples[snapshot, member, :500])
    assert ax.get_title() == f"step {run.steps[snapshot]}, member {member}"


@pytest.mark.parametrize(("snapshot", "member"), [(0, 0), (1, 2), (2, 1), (0, None), (1, None)])
@pytest.mark.parametrize("game", ["minimax", "wgan-gp"])
def test_the_line_of_a_snapshot_and_a_member_is_theirs(game: str, snapshot: int, member: int | None) -> None:
    run = train(LINE, **TINY, game=game)
    ax = plot_fit(LINE, run, snapshot=snapshot, member=member)
    x, d, p_g = (
        line(ax, "$p_g$").get_xdata(),
        run.d_output[snapshot],
        run.density(line(ax, "$p_g$").get_xdata())[snapshot],
    )
    if game == "wgan-gp":
        d = d - d.mean(1)[:, None]
        assert right_of(ax).get_ylim()[1] == pytest.approx(1.05 * np.abs(d).max())
    for at, label, curves in ((ax, "$p_g$", p_g), (right_of(ax), "D", d)):
        shown = np.median(curves, 0) if member is None else curves[member]
        np.testing.assert_allclose(line(at, label).get_ydata(), shown)
        thin = [artist for artist in at.get_lines() if artist.get_linewidth() == 0.5]
        assert len(thin) == (3 if member is None else 1)
    assert len(x) == 401
    assert ax.get_title() == f"step {run.steps[snapshot]}"


@pytest.mark.parametrize(("scale", "kernel"), [(0.01, 0.002), (50.0, 5.0)])
def test_the_kernel_of_a_density_is_a_tenth_of_the_run_s_unit(scale: float, kernel: float) -> None:
    """0.1 of it, or the width of a pixel of the picture where that is more."""
    law = gaussian(7.0, scale)
    run = train(law, **TINY, standardize=True)
    wide = (7.0 - 40 * scale, 7.0 + 40 * scale) if scale < 1 else None
    ax = plot_fit(law, run, limits=wide, member=2)
    drawn = line(ax, "$p_g$")
    expected = run.density(drawn.get_xdata(), kernel)[-1, 2]
    np.testing.assert_allclose(drawn.get_ydata(), expected, atol=0.01 * expected.max())


def test_a_band_of_lopsided_members_is_lopsided() -> None:
    """Quantiles, not a mean and a std: for each x its own; a lost member is left out; eight are drawn, not more."""
    y = np.geomspace(1, 1e4, 21)[:, None] ** np.array([1.0, -1.0, 0.5])
    y = np.random.default_rng(0).permuted(y, axis=0)
    y[4, 1] = np.nan
    ax = plot_band([0.0, 1.0, 5.0], y, "k", label="m")
    exact = [np.quantile(column[np.isfinite(column)], [0.1, 0.5, 0.9]) for column in y.T]
    np.testing.assert_allclose(line(ax, "m").get_ydata(), [middle for _, middle, _ in exact])
    corners = ax.collections[0].get_paths()[0].vertices
    for x, (low, _, high) in zip((0.0, 1.0, 5.0), exact, strict=True):
        at = corners[corners[:, 0] == x, 1]
        assert (at.min(), at.max()) == pytest.approx((low, high))
    thin = [artist.get_ydata() for artist in ax.get_lines()[:-1]]
    np.testing.assert_array_equal(thin, y[:8])
