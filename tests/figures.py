"""Figures that the tests of `gan_edu.explore` have in common, and how to read the description back."""

from __future__ import annotations

import json
import re

import numpy as np

from gan_edu.explore import Choice, Figure, Heat, HLine, Line, Marker, Panel, Points, Segments, Slider, Snapshots, VLine

PANEL = Panel(x=(-6, 6), y=(0, 1), marks=[HLine(0.5)])
PARTS = {"grids": {"x": (-6, 6, 401), "y": (-3, 3, 31)}, "sliders": {"mu": Slider(-4, 4, 0.05, 2.0, "mean of p_g")}}


def figure(formulas=None, panels=(PANEL,), **more) -> Figure:
    return Figure(**{"alt": "A figure.", "panels": panels, "formulas": formulas or {}, **PARTS, **more})


def two_gaussians() -> Figure:
    return figure(
        {
            "pd": "normal(x, 0, 1)",
            "pg": "normal(x, mu, 1)",
            "D": "pd / (pd + pg)",
            "JS": "integral(xlogy(pd, 2*pd/(pd + pg)) + xlogy(pg, 2*pg/(pd + pg)), x) / 2",
        },
        title={"en": "Two Gaussians", "zh": "两个高斯"},
        alt="Two bell curves and D* </script> <b>",
        caption="Move the mean of p_g.",
        grids={"x": (-14, 14, 801)},
        panels=[
            Panel(
                x=(-6, 6),
                y=(0, 0.8),
                right=(0, 1),
                xlabel="x",
                ylabel="density",
                marks=[
                    Line("pd", label="p_data", role="data"),
                    Line("pg", label="p_g", role="generator"),
                    Line("D", label="D*", role="optimal", axis="right", toggle=True),
                ],
            )
        ],
        readout={"JS(p_data, p_g)": "JS"},
    )


def everything() -> Figure:
    """Build a figure with every function, reduction, shape of snapshot and mark."""
    rng = np.random.default_rng(0)
    frames, members = 5, 3
    return figure(
        {
            "s": "sqrt(abs(mu)) + 0.5",
            "p": "normal(x, mu, s)",
            "q": "where(member == 1, exp(-x**2), where(game != 0, tanh(x)**2, cos(x) + 2)) / 3",
            "edges": "(x > mu) + (x >= 0)/2 + (x < -1)/4 + (x <= y)/8",
            "curves": "erf(x/2) + sigmoid(x) + softplus(mu*x) + log_sigmoid(3*x) - minimum(x, mu) + maximum(-x, 1)",
            "gap": "log(x)",
            "plane": "p * normal(y, 0.3, 1) + sin(x*y)/10",
            "area": "integral(plane, x, y)",
            "column": "integral(plane, x)",
            "top": "argmax(p, x)",
            "row": "argmax(plane, y)",
            "most": "maximum_over(plane, x)",
            "value": "at(p, x, mu/2)",
            "composed": "at(p, x, tanh(y) * 2)",
            "entropy": "-integral(xlogy(p, p), x)",
            "from_frame": "pg * 2 + frame + step/100 + pi",
            "shift": "members - at(loss, steps, step)",
            "norm": "sqrt(theta**2 + psi**2) + n/400",
            "last": "at(norm, n, 399.5)",
        },
        choices={"game": Choice(["minimax", "non-saturating"], "game"), "member": Choice(["1", "2", "3"])},
        steps=[0, 10, 20, 50, 100],
        snapshots={
            "pg": Snapshots(rng.random((2, members, frames, 401)), "x", over=("game", "member")),
            "tint": Snapshots(rng.random((frames, 31, 401)), ("y", "x"), lo=0, hi=1),
            "turned": Snapshots(rng.random((frames, 401, 31)), ("x", "y"), bits=16),
            "real": Snapshots(rng.normal(size=20), "real", fixed=True, bits=16),
            "loss": Snapshots(rng.random((3, frames)), over=("member",), time=True, bits=16),
            "members": Snapshots(rng.random((2, 7, frames)), over=("game",), time=True, many=True),
            "fan": Snapshots(rng.random((7, frames, 401)), "x", many=True),
            "score": Snapshots(rng.random(frames)),
        },
        iterate={"theta": ("1", "theta - 0.1*s*psi"), "psi": ("mu/4", "psi + 0.1*theta")},
        panels=[
            Panel(
                x=(-6, 6),
                y=(-3, 3),
                right=(0, 1),
                ylabel="y",
                xticks=[-5, 5],
                yticks=[(0, "zero")],
                marks=[
                    Heat("plane", hi=0.2, contour=0.1, label="tint"),
                    Heat("tint", contour=None, toggle=True, shown=False, label="second tint"),
                    Line("p", label="p", role="generator", band=("p*0.9", "p*1.1"), axis="right"),
                    Line("gap", label="log", role="third"),
                    Line("fan", thin=True),
                    Points("real", "0*real + mu/2", label="real", role="data"),
                    Points("real", "mu", role="generator", size=7),
                    Segments("y", 0, "y*s", 1, label="arrows", arrows=True, role="fourth"),
                    Marker("mu", "value", label="dot"),
                    VLine("top", role="fifth", label="top"),
                    HLine(0.5, axis="right"),
                ],
            ),
            Panel(x=(0, 100), y=(0, 1), marks=[Line("members", thin=True), Line("loss", label="loss", role="data")]),
            Panel(
                x=(-2, 2), y=(-2, 2), equal=True, marks=[Line("psi", x="theta", label="orbit", role="discriminator")]
            ),
        ],
        readout=[({"en": "area", "zh": "面积"}, "area"), ("twice", "2*last")],
        columns=2,
    )


def description(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)[1])
