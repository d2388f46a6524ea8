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

from gan_edu.densities import GaussianMixture, Uniform
from gan_edu.explore.marks import ROLES
from gan_edu.games import find_game
from gan_edu.training import Run
from gan_edu.training.batches import Law, as_law

__all__ = ["COLORS", "plot_band", "plot_field", "plot_fit", "plot_history", "use_style"]

Array = NDArray[np.float64]
COLORS = {role: colour for role, (colour, _, _) in ROLES.items()}
"""Colour of each role, on every figure of the book: those of `gan_edu.explore` for the light theme."""
OPINION = LinearSegmentedColormap.from_list("opinion", [COLORS["generator"], "white", COLORS["data"]])

PAPER = (
    "figure.facecolor",
    "figure.edgecolor",
    "axes.facecolor",
    "savefig.facecolor",
    "savefig.edgecolor",
    "legend.facecolor",
)
INK = (
    "text.color", "axes.labelcolor", "axes.titlecolor", "legend.labelcolor", "xtick.color", "ytick.color",
    "xtick.labelcolor", "ytick.labelcolor", "lines.color", "patch.edgecolor", "hatch.color", "boxplot.boxprops.color",
    "boxplot.whiskerprops.color", "boxplot.capprops.color", "boxplot.flierprops.color", "boxplot.flierprops.markeredgecolor",
)  # fmt: skip


def use_style() -> None:
    """Set Matplotlib's defaults to the book's style, for the rest of the session: the one function here that does.

    Paper is white and ink dark, whatever style was set before.

    Chapter: 01.
    """
    style: dict[Any, Any] = {
        "figure.figsize": (7.2, 3.4),
        "figure.dpi": 110,
        "figure.constrained_layout.use": True,
        **dict.fromkeys(PAPER, "white"),
        **dict.fromkeys(INK, "black"),
        "axes.prop_cycle": mpl.rcParamsDefault["axes.prop_cycle"],
        "axes.spines.top": False,
        "axes.grid": True,
        "grid.color": "#e4e4e4",
        "grid.linewidth": 0.6,
        "axes.axisbelow": True,
        "axes.edgecolor": "#888888",
        "legend.edgecolor": "#cccccc",
        "axes.titlesize": 11,
        "axes.labelsize": 11,
        "font.size": 11,
        "lines.linewidth": 2.0,
        "legend.frameon": False,
        "legend.fontsize": 10,
    }
    mpl.rcParams.update(style)


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
    p_data: GaussianMixture | Uniform | ArrayLike,
    fit: Run | GaussianMixture | Uniform,
    discriminator: Callable[[Array], ArrayLike] | None = None,
    *,
    snapshot: int = -1,
    member: int | None = None,
    limits: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """p_data, p_g and the discriminator in one picture; D has the right axis, fixed to [0, 1], with the line 1/2.

    A critic or an energy is drawn in its own units, on a right axis that is symmetric about 0; of a critic, which is
    given up to a constant only, the mean over the points is subtracted. In the plane, D is an area where the points of
    the run are a grid, and a coloured dot at each of them where they are not.

    Args:
        p_data: density of the data, on the line or in the plane; or the data, shape (n,) or (n, d), of which a histogram
            is drawn, or 500 points.
        fit: a Run or the density of a generator.
        discriminator: D to draw for a density; a Run brings its own.
        snapshot: which recorded moment of a Run.
        member: which member of a Run; if left out, median and band of all on the line, and the first in the plane.
        limits: range of x on the line; they must hold at least 99 % of p_data.
        ax: where to draw; a new figure if left out.

    Raises:
        ValueError: a dimension other than 1 or 2, or not that of the fit, limits that cut off more than 1 % of p_data, or
            a run with labels.

    Chapter: 01, 02.
    """
    if isinstance(fit, Run) and fit.config.classes:
        raise ValueError(
            f"plot_fit draws runs without labels, got {fit.config.classes} labels; draw `run.samples[:, :, label::classes]`"
        )
    law = as_law("p_data", p_data)
    dim = law.shape[1] if isinstance(law, np.ndarray) else law.dim
    if dim not in (1, 2):
        raise ValueError(f"plot_fit draws dimension 1 or 2, got {dim}; project the samples first")
    other = fit.samples.shape[-1] if isinstance(fit, Run) else fit.dim
    if other != dim:
        raise ValueError(
            f"p_data and fit must have the same dimension, got {dim} and {other}; draw what belongs together"
        )
    ax = plt.subplots()[1] if ax is None else ax
    if dim == 2:
        return _plot_plane(law, fit, snapshot, ax, member or 0)
    return _plot_line(law, fit, discriminator, snapshot, ax, member, limits)


def _range(law: Law, limits: tuple[float, float] | None) -> tuple[float, float]:
    """What is drawn of the line: the limits, where they hold the data, or what holds all but the last tails."""
    if limits is not None:
        low, high = limits
        inside = np.mean((law >= low) & (law <= high)) if isinstance(law, np.ndarray) else law.cdf(high) - law.cdf(low)
        if inside < 0.99:
            raise ValueError(
                f"limits must hold at least 99 % of p_data, got {100 * inside:.1f} % between {low} and {high}; widen them"
            )
        return low, high
    if isinstance(law, GaussianMixture):
        reach = 4 * law.stds
        return float((law.means[:, 0] - reach).min()), float((law.means[:, 0] + reach).max())
    low, high = (float(law.min()), float(law.max())) if isinstance(law, np.ndarray) else (law.low, law.high)
    margin = 0.25 * (high - low) or 1.0
    return low - margin, high + margin


def _plot_line(
    law: Law,
    fit: Run | GaussianMixture | Uniform,
    discriminator: Callable[[Array], ArrayLike] | None,
    snapshot: int,
    ax: Axes,
    member: int | None,
    limits: tuple[float, float] | None,
) -> Axes:
    """Both densities, and D on the right axis."""
    low, high = _range(law, limits)
    x = np.linspace(low, high, 401)
    if isinstance(law, np.ndarray):
        ax.hist(law[:, 0], 60, range=(low, high), density=True, color=COLORS["data"], alpha=0.45, label="data")
    else:
        ax.plot(x, law.prob(x), color=COLORS["data"], label="$p_{data}$")
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
        # a kernel as wide as the units of the run want it, and no finer than the picture
        bandwidth = max(0.1 * fit.scale, (high - low) / 400)
        plot_band(x, fit.density(x, bandwidth)[snapshot, chosen], COLORS["generator"], ax, "$p_g$", "--")
        order = np.argsort(fit.points[:, 0], kind="stable")
        plot_band(fit.points[order, 0], d[chosen][:, order], COLORS["discriminator"], right, "D", ":")
        ax.set_title(f"step {fit.steps[snapshot]}")
    else:
        ax.plot(x, fit.prob(x), "--", color=COLORS["generator"], label="$p_g$")
        if discriminator is not None:
            d = np.broadcast_to(np.asarray(discriminator(x)), x.shape)
            right.plot(x, d, ":", color=COLORS["discriminator"], label="D")
    right.axhline(middle, color=COLORS["discriminator"], linewidth=0.6)
    ax.set(xlim=(low, high), ylim=(0, None), xlabel="x", ylabel="density")
    labels = ax.get_legend_handles_labels(), right.get_legend_handles_labels()
    ax.legend(labels[0][0] + labels[1][0], labels[0][1] + labels[1][1], loc="upper right")
    return ax


def _opinion(run: Run, snapshot: int) -> tuple[Array, float | None]:
    """D's output (E, M) as it is drawn, and half of its symmetric range; None where the range is [0, 1]."""
    d, kind = run.d_output[snapshot], find_game(run.config.game).output
    if kind in ("logit", "label"):
        return d, None
    d = d - d.mean(-1, keepdims=True) if kind == "score" else d
    return d, 1.05 * float(np.nanmax(np.abs(d))) + 1e-9


def _grid(points: Array) -> tuple[Array, Array, NDArray[np.intp]] | None:
    """Coordinates x and y of a full grid, and the order that sorts its points by y, then x; None if they are no grid."""
    x, y = np.unique(points[:, 0]), np.unique(points[:, 1])
    order = np.lexsort((points[:, 0], points[:, 1]))
    full = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2) if x.size * y.size == len(points) else points[:0]
    return (x, y, order) if min(x.size, y.size) > 1 and np.array_equal(points[order], full) else None


def _plot_opinion(run: Run, snapshot: int, ax: Axes, member: int) -> None:
    """D in the plane: vermilion for generated, blue for real, a line in the middle; dots where the points are no grid."""
    outputs, top = _opinion(run, snapshot)
    low, middle, high = (0.0, 0.5, 1.0) if top is None else (-top, 0.0, top)
    grid = _grid(run.points)
    if grid is None:
        look: dict[str, Any] = dict(s=22, linewidths=0.5, edgecolors="#888888", rasterized=True, label="D")
        ax.scatter(run.points[:, 0], run.points[:, 1], c=outputs[member], cmap=OPINION, vmin=low, vmax=high, **look)
        return
    x, y, order = grid
    d = outputs[member, order].reshape(len(y), len(x))
    ax.pcolormesh(x, y, d, cmap=OPINION, vmin=low, vmax=high, shading="nearest", alpha=0.6, rasterized=True)
    if d.min() < middle < d.max():
        ax.contour(x, y, d, levels=[middle], colors=COLORS["discriminator"], linewidths=1)


def _plot_plane(law: Law, fit: Run | GaussianMixture | Uniform, snapshot: int, ax: Axes, member: int) -> Axes:
    """Data and generated points over D's opinion."""
    if isinstance(fit, Run):
        _plot_opinion(fit, snapshot, ax, member)
        fake = fit.samples[snapshot, member, :500]
        ax.set_title(f"step {fit.steps[snapshot]}, member {member}")
    else:
        fake = fit.sample(500, generator=1)
    if isinstance(law, np.ndarray):  # tables are often sorted: not the first 500
        real = np.random.default_rng(0).permutation(law)[:500]
    else:
        real = law.sample(500, generator=0)
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
