"""A figure on paper: the picture at the start values, for readers without scripts."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from gan_edu.explore.formulas import Array, value
from gan_edu.explore.marks import ROLES, SLOTS, Text, english

__all__ = ["png"]


def png(spec: Mapping[str, Any], env: Mapping[str, Array]) -> bytes:
    """Return the picture of a compiled description where its names have the values in `env`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Paper

    panels, width = spec["panels"], spec["columns"]
    rows = [panels[i : i + width] for i in range(0, len(panels), width)]
    heights = [max(panel["height"] for panel in row) + 30 for row in rows]
    paper = Paper(figsize=(spec["width"] / 100, sum(heights) / 100 + 0.3), dpi=100, layout="constrained")
    FigureCanvasAgg(paper)
    grid = paper.subplots(len(rows), len(rows[0]), squeeze=False, height_ratios=heights)
    for ax in grid.flat[len(panels) :]:
        ax.axis("off")
    axes = {axis["name"]: axis for axis in spec["axes"]}
    for ax, panel in zip(grid.flat, panels, strict=False):
        right = ax.twinx() if panel["right"] else ax
        ax.grid(alpha=0.2)
        for mark in filter(lambda mark: mark["shown"], panel["marks"]):
            with np.errstate(all="ignore"):
                v = {s: value(mark[s], env, axes).reshape(-1, mark.get("row", 1)) for s in SLOTS if s in mark}
            _draw(right if mark["axis"] == "right" else ax, mark, v, env)
        _label(ax, right, panel)
    paper.suptitle(_math(spec["title"]), fontsize=11)
    buffer = io.BytesIO()
    paper.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _draw(on: Any, mark: Mapping[str, Any], v: Mapping[str, Array], env: Mapping[str, Array]) -> None:
    colour, dash, wide = ROLES[mark["role"]]
    look = {"color": colour, "label": _math(mark["label"]) or None}
    match mark["kind"]:
        case "Line":
            if "low" in v:
                on.fill_between(v["x"][0], v["low"][0], v["high"][0], color=colour, alpha=0.18, lw=0)
            lines = on.plot(v["x"].T, v["y"].T, ls=dash, lw=0.7 if mark["thin"] else wide, color=colour)
            lines[0].set_label(look["label"])
        case "Points" | "Marker":
            shape = {"data": "o", "generator": "X"}.get(mark["role"], "s") if "size" in mark else "o"
            edge = {"ms": mark.get("size", 8), "mec": "white", "mew": 0.5, "ls": "none", "zorder": 3}
            on.plot(v["x"].ravel(), v["y"].ravel(), shape, **edge, **look)
        case "Segments":
            x0, y0, x1, y1 = (v[s].ravel() for s in ("x0", "y0", "x1", "y1"))
            head = {"headwidth": 4, "headlength": 5} if mark["arrows"] else {"headwidth": 0, "headlength": 0}
            on.quiver(x0, y0, x1 - x0, y1 - y0, angles="xy", scale_units="xy", scale=1, width=0.003, **head, **look)
        case "Heat":
            _tint(on, mark, v["z"], *(env[a].ravel() for a in reversed(mark["axes"])))
        case "VLine":
            on.axvline(v["x"].item(), ls=dash, lw=1, **look)
        case "HLine":
            on.axhline(v["y"].item(), ls=dash, lw=1, **look)


def _tint(on: Any, mark: Mapping[str, Any], z: Array, x: Array, y: Array) -> None:
    dx, dy = (x[1] - x[0]) / 2, (y[1] - y[0]) / 2
    t = np.clip(2 * (z[..., None] - mark["lo"]) / (mark["hi"] - mark["lo"]) - 1, -1, 1)
    ink = np.where(t < 0, -0.55 * t * [0.16, 0.63, 1], 0.7 * t * [1, 0.55, 0.3])  # 1 - vermilion, 1 - blue
    extent = (x[0] - dx, x[-1] + dx, y[0] - dy, y[-1] + dy)
    on.imshow(1 - ink, origin="lower", aspect="auto", extent=extent, interpolation="bilinear", zorder=0)
    if mark["contour"] is not None and z.min() < mark["contour"] < z.max():
        colour = ROLES[mark["role"]][0]
        on.contour(x, y, z, [mark["contour"]], colors=[colour], linewidths=1.4)
        on.plot([], [], color=colour, label=f"{_math(mark['label'])} = {_number(mark['contour'])}")


def _label(ax: Any, right: Any, panel: Mapping[str, Any]) -> None:
    """Ranges, names, ticks and the legend; `right` is `ax` where there is no right axis."""
    ax.set(xlim=panel["x"], ylim=panel["y"], xlabel=_math(panel["xlabel"]), ylabel=_math(panel["ylabel"]))
    ax.set_title(_math(panel["title"]), fontsize=10)
    for axis, ticks in ((ax.xaxis, panel["xticks"]), (ax.yaxis, panel["yticks"])):
        if ticks is not None:
            pairs = [(t, _number(t)) if isinstance(t, (int, float)) else (t[0], _math(t[1])) for t in ticks]
            axis.set_ticks([t for t, _ in pairs], labels=[text for _, text in pairs])
    if panel["equal"]:
        ax.set_aspect("equal", adjustable="box")
    if right is not ax:
        right.set(ylim=panel["right"], ylabel=_math(panel["right_label"]))
    handles = [h for a in dict.fromkeys((ax, right)) for h in a.get_legend_handles_labels()[0]]
    if handles:
        right.legend(handles=handles, fontsize=8, loc="upper right", framealpha=0.85)


def _number(value: float) -> str:
    """Write a number as Matplotlib and the page do, with a true minus."""
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def _math(text: Text) -> str:
    """Set the index of p_data below, as the page does."""
    return re.sub(r"\b([A-Za-z])_(\w+)", r"$\1_{\\mathrm{\2}}$", english(text))
