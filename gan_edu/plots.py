"""Figures on paper: densities with the discriminator laid over them, and how a training went.

Colour is role everywhere: data blue and solid, generator vermilion and dashed, discriminator grey and dotted.
Chapter: 01, 02.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import ArrayLike, NDArray

from gan_edu.densities import GaussianMixture
from gan_edu.explore.marks import ROLES
from gan_edu.games import find_game
from gan_edu.training import Run

__all__ = ["COLORS", "plot_band", "plot_field", "plot_fit", "plot_history", "use_style"]

Array = NDArray[np.float64]
COLORS = {role: colour for role, (colour, _, _) in ROLES.items()}
"""Colour of each role, on every figure of the book: those of `gan_edu.explore` for the light theme."""
OPINION = LinearSegmentedColormap.from_list("opinion", [COLORS["generator"], "white", COLORS["data"]])


def use_style() -> None:
    """Set Matplotlib's defaults to the book's style, for the rest of the session: the one function here that does.

    Chapter: 01.
    """
    mpl.rcParams.update(
        {
            "figure.figsize": (7.2, 3.4),
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "figure.facecolor": "white",
            "axes.facecolor": "white",
            "axes.spines.top": False,
            "axes.grid": True,
            "grid.color": "#e4e4e4",
            "grid.linewidth": 0.6,
            "axes.axisbelow": True,
            "axes.edgecolor": "#888888",
            "axes.titlesize": 11,
            "axes.labelsize": 11,
            "font.size": 11,
            "lines.linewidth": 2.0,
            "legend.frameon": False,
            "legend.fontsize": 10,
        }
    )


def plot_band(
    x: ArrayLike,
    curves: ArrayLike,
    color: str,
    ax: Axes | None = None,
    label: str = "",
    style: str = "-",
    thin: int = 8,
) -> Axes:
    """Median of the members' curves (E, M) with the band from the 10th to the 90th percentile, and some members as thin lines.

    Args:
        x: shape (M,).
        curves: one row a member, shape (E, M); NaN is left out.
        color: Matplotlib colour of all of it.
        ax: where to draw; a new figure if left out.
        label: entry of the median in the legend.
        style: line style of the median.
        thin: number of members to draw.

    Chapter: 01.
    """
    ax = plt.subplots()[1] if ax is None else ax
    y = np.asarray(curves, dtype=np.float64)
    low, middle, high = np.full((3, y.shape[1]), np.nan)
    if (seen := np.isfinite(y).any(0)).any():  # a frozen player has no losses at all
        low[seen], middle[seen], high[seen] = np.nanquantile(y[:, seen], [0.1, 0.5, 0.9], axis=0)
    ax.fill_between(np.asarray(x), low, high, color=color, alpha=0.18, linewidth=0)
    ax.plot(np.asarray(x), y[:thin].T, color=color, linewidth=0.5, alpha=0.45)
    ax.plot(np.asarray(x), middle, style, color=color, label=label)
    return ax


def plot_fit(
    p_data: GaussianMixture,
    fit: Run | GaussianMixture,
    discriminator: Callable[[Array], ArrayLike] | None = None,
    *,
    snapshot: int = -1,
    member: int | None = None,
    limits: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """p_data, p_g and the discriminator in one picture; D has the right axis, fixed to [0, 1], with the line 1/2.

    A critic or an energy is drawn in its own units, on a right axis that is symmetric about 0; of a critic, which is
    given up to a constant only, the mean over the points is subtracted.

    Args:
        p_data: density of the data, on the line or in the plane.
        fit: a Run or the density of a generator.
        discriminator: D to draw for a density; a Run brings its own.
        snapshot: which recorded moment of a Run.
        member: which member of a Run; if left out, median and band of all on the line, and the first in the plane.
        limits: range of x on the line; they must hold at least 99 % of p_data.
        ax: where to draw; a new figure if left out.

    Raises:
        ValueError: a dimension other than 1 or 2, limits that cut off more than 1 % of p_data, or a run with labels.

    Chapter: 01, 02.
    """
    if isinstance(fit, Run) and fit.config.classes:
        raise ValueError(
            f"plot_fit draws runs without labels, got {fit.config.classes} labels; draw `run.samples[:, :, label::classes]`"
        )
    ax = plt.subplots()[1] if ax is None else ax
    if p_data.dim == 2:
        return _plot_plane(p_data, fit, snapshot, ax, member or 0)
    if p_data.dim != 1:
        raise ValueError(f"plot_fit draws dimension 1 or 2, got {p_data.dim}; project the samples first")
    return _plot_line(p_data, fit, discriminator, snapshot, ax, member, limits)


def _plot_line(
    p_data: GaussianMixture,
    fit: Run | GaussianMixture,
    discriminator: Callable[[Array], ArrayLike] | None,
    snapshot: int,
    ax: Axes,
    member: int | None,
    limits: tuple[float, float] | None,
) -> Axes:
    """Both densities, and D on the right axis."""
    reach = 4 * p_data.stds
    low, high = limits or (float((p_data.means[:, 0] - reach).min()), float((p_data.means[:, 0] + reach).max()))
    mass = float(p_data.cdf(high) - p_data.cdf(low))
    if mass < 0.99:
        raise ValueError(
            f"limits must hold at least 99 % of p_data, got {100 * mass:.1f} % between {low} and {high}; widen them"
        )
    x = np.linspace(low, high, 401)
    ax.plot(x, p_data.prob(x), color=COLORS["data"], label="$p_{data}$")
    right = ax.twinx()
    right.set(ylim=(0, 1), ylabel="D(x)")
    right.grid(False)
    middle = 0.5
    if isinstance(fit, Run):
        chosen = slice(None) if member is None else slice(member, member + 1)
        d, top = _opinion(fit, snapshot)
        if top is not None:
            middle = 0.0
            right.set(ylim=(-top, top), ylabel=find_game(fit.config.game).output)
        plot_band(x, fit.density(x)[snapshot, chosen], COLORS["generator"], ax, "$p_g$", "--")
        plot_band(fit.points[:, 0], d[chosen], COLORS["discriminator"], right, "D", ":")
        ax.set_title(f"step {fit.steps[snapshot]}")
    else:
        ax.plot(x, fit.prob(x), "--", color=COLORS["generator"], label="$p_g$")
        if discriminator is not None:
            d = np.broadcast_to(np.asarray(discriminator(x)), x.shape)
            right.plot(x, d, ":", color=COLORS["discriminator"], label="D")
    right.axhline(middle, color=COLORS["discriminator"], linewidth=0.6)
    ax.set(xlim=(low, high), ylim=(0, None), xlabel="x", ylabel="density")
    lines = [*ax.get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]]
    ax.legend(lines, [str(line.get_label()) for line in lines], loc="upper right")
    return ax


def _opinion(run: Run, snapshot: int) -> tuple[Array, float | None]:
    """D's output (E, M) as it is drawn, and half of its symmetric range; None where the range is [0, 1]."""
    d, kind = run.d_output[snapshot], find_game(run.config.game).output
    if kind in ("logit", "label"):
        return d, None
    d = d - d.mean(-1, keepdims=True) if kind == "score" else d
    return d, 1.05 * float(np.nanmax(np.abs(d))) + 1e-9


def _plot_plane(p_data: GaussianMixture, fit: Run | GaussianMixture, snapshot: int, ax: Axes, member: int) -> Axes:
    """Data and generated points over D's opinion: vermilion for generated, blue for real, a line in the middle."""
    if isinstance(fit, Run):
        side = int(np.sqrt(len(fit.points)))
        if side**2 == len(fit.points):
            x, y = fit.points[::side, 0], fit.points[:side, 1]
            outputs, top = _opinion(fit, snapshot)
            d = outputs[member].reshape(side, side).T
            low, middle, high = (0.0, 0.5, 1.0) if top is None else (-top, 0.0, top)
            ax.pcolormesh(x, y, d, cmap=OPINION, vmin=low, vmax=high, shading="nearest", alpha=0.6, rasterized=True)
            if d.min() < middle < d.max():
                ax.contour(x, y, d, levels=[middle], colors=COLORS["discriminator"], linewidths=1)
        fake = fit.samples[snapshot, member, :500]
        ax.set_title(f"step {fit.steps[snapshot]}, member {member}")
    else:
        fake = fit.sample(500, generator=1)
    real = p_data.sample(500, generator=0)
    ax.plot(real[:, 0], real[:, 1], ".", color=COLORS["data"], markersize=4, label="data")
    ax.plot(fake[:, 0], fake[:, 1], "x", color=COLORS["generator"], markersize=4, label="generated")
    ax.set(aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
    ax.legend(loc="upper right")
    return ax


def plot_field(
    field: Callable[[ArrayLike], Array],
    xlim: tuple[float, float],
    ylim: tuple[float, float],
    ax: Axes | None = None,
    count: int = 15,
) -> Axes:
    """Velocities of a two-player field as arrows on a count x count grid; an arrow's colour, not its length, is the speed.

    Args:
        field: velocity of states (..., 2), such as `dirac_gan()`.
        xlim: range of theta, the generator's parameter.
        ylim: range of psi, the discriminator's.
        ax: where to draw; a new figure if left out.
        count: arrows along each axis, at least 2.

    Raises:
        ValueError: a range is empty, or count is too small.

    Chapter: 04.
    """
    if not (xlim[0] < xlim[1] and ylim[0] < ylim[1]) or count < 2:
        raise ValueError(
            f"ranges must be (low, high) and count at least 2, got {xlim}, {ylim} and {count}; change them"
        )
    ax = plt.subplots()[1] if ax is None else ax
    theta, psi = np.meshgrid(np.linspace(*xlim, count), np.linspace(*ylim, count))
    velocity = field(np.stack([theta, psi], -1))
    speed = np.linalg.norm(velocity, axis=-1)
    unit = velocity / np.maximum(speed, 1e-300)[..., None]
    gap = (xlim[1] - xlim[0]) / (count - 1)
    ax.quiver(
        theta, psi, unit[..., 0], unit[..., 1], speed, cmap="Greys", clim=(-0.4 * speed.max() - 1e-12, speed.max()),
        angles="xy", scale_units="xy", scale=1.4 / gap, pivot="mid", width=0.004,
    )  # fmt: skip
    ax.set(aspect="equal", xlabel="theta (generator)", ylabel="psi (discriminator)")
    return ax


def plot_history(run: Run, ax: Axes | None = None) -> Axes:
    """Both losses over the training, all members; for a classifier with the values log 4 and +-log 2 that D = 1/2 gives.

    Chapter: 01.
    """
    ax = plt.subplots()[1] if ax is None else ax
    plot_band(run.steps[1:], run.d_loss[1:].T, COLORS["discriminator"], ax, "loss of D", ":")
    plot_band(run.steps[1:], run.g_loss[1:].T, COLORS["generator"], ax, "loss of G", "--")
    logit = find_game(run.config.game).output == "logit"
    if run.config.game in ("minimax", "non-saturating"):
        style: dict[str, Any] = dict(linewidth=0.8, color="#888888")
        ax.axhline(np.log(4), **style)
        ax.axhline(-np.log(2) if run.config.game == "minimax" else np.log(2), **style)
    ax.set(xlabel="update of G", ylabel="loss (nats)" if logit else "loss")
    ax.legend(loc="best")
    return ax
