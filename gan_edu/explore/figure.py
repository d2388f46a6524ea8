"""An interactive figure: what it may be made of, and what it ships."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gan_edu.explore.formulas import RESERVED, Array, Axes, Formula, Tree, listed, need, place, run, value
from gan_edu.explore.marks import (
    ROLES,
    Choice,
    HLine,
    Line,
    Mark,
    Marker,
    Panel,
    Slider,
    Snapshots,
    Text,
    VLine,
    english,
)
from gan_edu.explore.page import fragment
from gan_edu.explore.paper import png

__all__ = ["Figure"]


class Figure:
    """An interactive figure. `gan_edu.explore` says how formulas are written; every argument is a keyword.

    Args:
        alt: the text alternative, one or two sentences.
        caption: what to do and what to see.
        grids: variable -> (lo, hi, n). In the plane the variable that comes first is the horizontal one.
        sliders, choices: name -> `Slider` or `Choice`.
        snapshots: name -> `Snapshots`; steps: the label of each frame.
        formulas: name -> expression in the names before it, in order.
        iterate: name -> (first, next), all updated at once, `iterations` times; arrays over ``n``, NaN beyond 1e6.
        readout: label -> scalar expression, shown as a number; or a list of such pairs.
        columns: how many panels stand side by side where there is room.

    Raises:
        ValueError: whatever the page could not draw: unknown names, other syntax, wrong shapes, values out of range.

    Example:
        >>> fig = Figure(
        ...     alt="A bell curve that a slider moves.",
        ...     grids={"x": (-3, 3, 61)},
        ...     sliders={"mu": Slider(-1, 1, 0.1, 0.0, "mean")},
        ...     formulas={"p": "normal(x, mu, 1)", "top": "argmax(p, x)"},
        ...     panels=[Panel(x=(-3, 3), y=(0, 0.5), marks=[Line("p", label="density", role="data")])],
        ... )
        >>> round(fig.evaluate(mu=0.5)["top"], 6)
        0.5
    """

    def __init__(
        self,
        *,
        alt: Text,
        panels: Sequence[Panel],
        title: Text = "",
        caption: Text = "",
        grids: Mapping[str, tuple[float, float, int]] | None = None,
        sliders: Mapping[str, Slider] | None = None,
        choices: Mapping[str, Choice] | None = None,
        snapshots: Mapping[str, Snapshots] | None = None,
        steps: Sequence[float] = (),
        step_label: Text = "step",
        ms: int = 100,
        frame: int = 0,
        autoplay: bool = False,
        formulas: Mapping[str, str] | None = None,
        iterate: Mapping[str, tuple[str, str]] | None = None,
        iterations: int = 400,
        readout: Mapping[str, str] | Sequence[tuple[Text, str]] = (),
        columns: int = 1,
    ):
        need(alt and panels, "a figure must have a text alternative and a panel; give alt=... and panels=[...]")
        self._grids, self._sliders, self._choices = dict(grids or {}), dict(sliders or {}), dict(choices or {})
        self._iterate, self._steps = dict(iterate or {}), [float(s) for s in steps]
        recorded = dict(snapshots or {})
        self._check(recorded, frame, iterations)
        self._axes = self._find_axes(recorded, iterations)
        self._scope: dict[str, Axes] = {name: frozenset() for name in (*self._sliders, *self._choices)}
        self._scope |= {name: frozenset({name}) for name in self._grids}
        if self._steps:
            self._scope |= {"frame": frozenset(), "step": frozenset(), "steps": frozenset({"steps"})}
        self._data: dict[str, Array] = {}
        self._start = {name: s.value for name, s in self._sliders.items()} | {"frame": frame}
        self._start |= {name: c.value for name, c in self._choices.items()}
        text = {"title": title, "alt": alt, "caption": caption, "width": 640, "columns": columns}
        time = {"steps": self._steps, "step_label": step_label, "ms": ms, "frame": frame, "autoplay": autoplay}
        self.spec: dict[str, Any] = {
            **text,
            **time,
            "axes": [{"name": name, **axis} for name, axis in self._axes.items()],
            "sliders": {name: vars(s) | {"label": s.label or name} for name, s in self._sliders.items()},
            "choices": {name: vars(c) | {"label": c.label or name} for name, c in self._choices.items()},
            "snapshots": {name: self._pack(name, snap) for name, snap in recorded.items()},
            "program": self._compile(dict(formulas or {})),
        }
        self.spec["panels"] = [self._panel(panel) for panel in panels]
        pairs = readout.items() if isinstance(readout, Mapping) else readout
        self.spec["readout"] = [[label, self._scalar(e, f"the readout {english(label)!r}")] for label, e in pairs]

    # -- checking and compiling

    def _check(self, recorded: Mapping[str, Snapshots], frame: int, iterations: int) -> None:
        names = [*self._grids, *self._sliders, *self._choices, *recorded, *self._iterate]
        for name in names:
            new = name.isidentifier() and name not in RESERVED and names.count(name) == 1
            need(new, f"a name must be an identifier, used once, and none of {listed(RESERVED)}; got {name!r}")
        for name, (lo, hi, n) in self._grids.items():
            need(lo < hi and n >= 2, f"the grid {name!r} must be (lo, hi, n), lo < hi and n >= 2; got {(lo, hi, n)}")
        for name, s in self._sliders.items():
            off = math.remainder(s.value - s.lo, s.step) if s.step > 0 else math.inf  # the browser would move it
            good = s.lo < s.hi and s.lo <= s.value <= s.hi and abs(off) < 1e-6 * s.step
            need(good, f"the slider {name!r} must start at lo + k * step between lo and hi; got {s}")
        for name, c in self._choices.items():
            need(c.value in range(len(c.options)), f"the choice {name!r} must start at one of its options; got {c}")
        need(all(np.diff(self._steps) > 0), "steps must increase; give the label of each frame once")
        need(frame in range(max(1, len(self._steps))), f"frame must be an index of steps, got {frame}")
        need(iterations >= 1, f"iterations must be at least 1, got {iterations}")

    def _find_axes(self, recorded: Mapping[str, Snapshots], iterations: int) -> dict[str, dict[str, Any]]:
        """Every axis with its length and its values, outermost first: rows before columns, so y before x."""
        axes: dict[str, dict[str, Any]] = {"many": {}}
        for name, (lo, hi, n) in reversed(self._grids.items()):
            axes[name] = {"n": n, "lo": float(lo), "hi": float(hi)}
        if self._steps:
            axes["steps"] = {"n": len(self._steps), "lo": self._steps[0], "hi": self._steps[-1], "values": self._steps}
        if self._iterate:
            axes["n"] = {"n": iterations + 1, "lo": 0.0, "hi": float(iterations)}
        for name, snap in recorded.items():
            shape = np.shape(snap.array)
            counts = {"many": len(snap.over)} if snap.many else {}
            if isinstance(snap.grid, str) and snap.grid not in self._grids:
                counts[snap.grid] = -1
            for axis, i in counts.items():
                size = shape[i] if len(shape) > len(snap.over) else 0
                known = axes.setdefault(axis, {})
                good = "lo" not in known and size and known.setdefault("n", size) == size
                need(good, f"snapshots over {axis!r} must have one length, {name!r} has shape {shape}; rename the axis")
        return {name: axis for name, axis in axes.items() if axis}

    def _pack(self, name: str, snap: Snapshots) -> dict[str, Any]:
        """Quantise one recording, and keep in `self._data` the numbers that the page will see."""
        known = listed(self._choices)
        need(set(snap.over) <= set(self._choices), f"over of {name!r} must name choices, {known}; got {snap.over!r}")
        grid = (snap.grid,) if isinstance(snap.grid, str) else tuple(snap.grid or ())
        good = set(grid) <= set(self._axes) and len(set(grid)) + snap.many <= 2 and not (snap.time and grid)
        need(good, f"the grid of {name!r} must be at most two of {listed(self._axes)}; got {snap.grid!r}")
        need(snap.fixed or self._steps, f"the snapshot {name!r} has frames: give steps=[...], or say fixed=True")
        need(snap.bits in (8, 16), f"bits must be 8 or 16, got {snap.bits} for the snapshot {name!r}")
        over = [len(self._choices[c].options) for c in snap.over]
        many = [self._axes["many"]["n"]] if snap.many else []
        frames = [] if snap.fixed else [len(self._steps)]
        shape = (*over, *many, *frames, *(self._axes[g]["n"] for g in grid))
        array = np.asarray(snap.array, dtype=float)
        what = f"the snapshot {name!r} must"
        need(array.shape == shape, f"{what} have shape {shape} (over, many, frames, grid), got {array.shape}")
        need(np.isfinite(array).all(), f"{what} be finite, and it holds NaN or infinity; cut them off")
        axes = [a for a in self._axes if a in grid or (a == "many" and many) or (a == "steps" and snap.time)]
        moving = not (snap.fixed or snap.time)
        # in memory: choices, then frames, then the axes in the figure's order, so that one frame is one piece
        before = [*snap.over, *(["many"] if many else []), *(["frame"] if moving else ["steps"] if snap.time else [])]
        held = [*before, *grid]
        array = array.transpose([held.index(a) for a in [*snap.over, *(["frame"] if moving else []), *axes]])
        lo = float(array.min() if snap.lo is None else snap.lo)
        hi = float(array.max() if snap.hi is None else snap.hi)
        need(lo <= hi, f"the snapshot {name!r} must have lo <= hi, got {lo} and {hi}")
        top = 2**snap.bits - 1
        codes = np.round((np.clip(array, lo, hi) - lo) / ((hi - lo) or 1.0) * top).astype(f"<u{snap.bits // 8}")
        self._scope[name] = frozenset(axes)
        self._data[name] = lo + (hi - lo) / top * codes
        text = base64.b64encode(codes.tobytes()).decode()
        packed = {"over": list(snap.over), "axes": axes, "moving": moving}
        return packed | {"bits": snap.bits, "lo": lo, "hi": hi, "base64": text}

    def _compile(self, formulas: dict[str, str]) -> list[Any]:
        """Compile to [name, tree]; the iterated map takes its place before the first formula that mentions it."""
        program: list[Any] = []
        for name, source in formulas.items():
            if set(re.findall(r"\w+", str(source))) & {"n", *self._iterate} and "n" not in self._scope:
                program += self._compile_map()
            new = name.isidentifier() and name not in {*self._scope, *self._iterate, *RESERVED}
            need(new, f"a formula must have a new name that is an identifier, got {name!r}")
            tree, self._scope[name] = self._formula(source)
            program.append([name, tree])
        return program if "n" in self._scope else program + self._compile_map()

    def _compile_map(self) -> list[Any]:
        compiled: dict[str, Any] = {}
        during = self._scope | {name: frozenset() for name in self._iterate}
        for name, (first, following) in self._iterate.items():
            parts = Formula(first, self._scope, self._axes), Formula(following, during, self._axes)
            good = not parts[0].axes | parts[1].axes
            need(good, f"the iterated map {name!r} must be made of scalars, got {first!r} and {following!r}")
            compiled[name] = [part.tree for part in parts]
        self._scope |= {name: frozenset({"n"}) for name in (*compiled, "n") if compiled}
        return [compiled] if compiled else []

    def _formula(self, source: object) -> tuple[Tree, Axes]:
        formula = Formula(source, self._scope, self._axes)
        return formula.tree, formula.axes

    def _scalar(self, source: object, what: str) -> Tree:
        tree, axes = self._formula(source)
        need(not axes, f"{what} must be a scalar, {str(source)!r} depends on {listed(axes)}; reduce it, or use at")
        return tree

    def _panel(self, panel: Panel) -> dict[str, Any]:
        spec = {**vars(panel), "marks": [self._mark(mark, panel) for mark in panel.marks]}
        if any(mark.get("over_steps") for mark in spec["marks"]):
            spec["marks"].append(self._mark(VLine("step"), panel))  # the cursor of the current frame
        return spec

    def _mark(self, mark: Mark, panel: Panel) -> dict[str, Any]:
        kind = type(mark).__name__
        spec = {**vars(mark), "kind": kind}
        need(mark.role in ROLES, f"unknown role {mark.role!r}; choose one of {listed(ROLES)}")
        good = mark.axis == "left" or (mark.axis == "right" and panel.right)
        need(good, f"axis must be 'left', or 'right' in a panel with right=(lo, hi); got {mark.axis!r}")
        slots = {s: spec.pop(s) for s in mark.slots}
        if isinstance(mark, (Marker, VLine, HLine)):
            return spec | {s: self._scalar(e, f"{s} of {kind}") for s, e in slots.items()}
        if isinstance(mark, Line):
            spec["curve"] = mark.x is not None  # a curve in the plane, not a graph
            band = spec.pop("band")
            if band:
                slots["low"], slots["high"] = band
            if mark.x is None:
                own = [a for a in self._formula(mark.y)[1] if "lo" in self._axes[a]]
                need(len(own) == 1, f"a Line needs a y that depends on one variable, or x=...; got y={mark.y!r}")
                slots["x"] = own[0]
            spec["over_steps"] = slots["x"] == "steps"
        trees = {s: self._formula(e) for s, e in slots.items()}
        union = frozenset[str]().union(*(axes for _, axes in trees.values()))
        rules = {
            "Line": (len(union - {"many"}) == 1, "one axis besides 'many'"),
            "Heat": (len(union & set(self._grids)) == len(union) == 2, "two grids"),
        }
        good, what = rules.get(kind, (len(union) <= 2, "at most two axes"))
        given = listed(map(str, slots.values()))
        need(good, f"a {kind} must depend on {what}; {given} depends on {listed(union)}")
        for s, (tree, axes) in trees.items():  # every slot is spread over the same axes
            for other, more in trees.values():
                if not more <= axes:
                    tree, axes = ["spread", tree, other], axes | more
            spec[s] = tree
        names = [a for a in self._axes if a in union]
        return spec | {"axes": names, "row": self._axes[names[-1]]["n"] if names else 1}

    # -- numbers

    def evaluate(self, **values: float) -> dict[str, Any]:
        """Compute every name of the figure at these slider values, choices and frame; the others stay at their start.

        Returns:
            name -> float or array, rows before columns: (len(y), len(x)) in the plane, (E, len(x)) for ``many``.

        Raises:
            ValueError: an unknown name, or a value outside its slider, choice or frames.
        """
        env = self._environment(values)
        shapes = {name: [a["n"] for k, a in self._axes.items() if k in axes] for name, axes in self._scope.items()}
        return {name: env[name].reshape(s) if s else env[name].item() for name, s in shapes.items()}

    def _environment(self, values: Mapping[str, float]) -> dict[str, Array]:
        need(set(values) <= set(self._start), f"evaluate takes {listed(self._start)}; got {listed(values)}")
        now: dict[str, Any] = {**self._start, **values}
        for name, s in self._sliders.items():
            need(s.lo <= now[name] <= s.hi, f"{name} must lie in [{s.lo}, {s.hi}], got {now[name]}")
        counts = {name: len(c.options) for name, c in self._choices.items()} | {"frame": max(1, len(self._steps))}
        for name, n in counts.items():
            need(now[name] in range(n), f"{name} must be an index from 0 to {n - 1}, got {now[name]}")
            now[name] = int(now[name])  # 1.0 is no index
        env = {name: np.asarray(float(v)) for name, v in now.items()}
        if self._steps:
            env["step"] = np.asarray(self._steps[now["frame"]])
        for name, axis in self._axes.items():
            if "lo" in axis:
                points = axis.get("values") or np.linspace(axis["lo"], axis["hi"], axis["n"])
                env[name] = place(points, [name], self._axes)
        for name, data in self._data.items():
            snap = self.spec["snapshots"][name]
            at = [*(now[c] for c in snap["over"]), *([now["frame"]] if snap["moving"] else [])]
            env[name] = place(data[tuple(at)], snap["axes"], self._axes)
        return run(self.spec["program"], env, self._axes)

    # -- output

    def to_html(self) -> str:
        """Write one HTML fragment: description, style and script. The same figure gives the same bytes."""
        return fragment(self.spec)

    def to_png(self) -> bytes:
        """Draw the panels at the start values, for readers without scripts."""
        return png(self.spec, self._environment({}))

    def __repr__(self) -> str:
        """Title, text alternative and the numbers at the start."""
        env = self._environment({})
        with np.errstate(all="ignore"):
            pairs = [(english(label), value(tree, env, self._axes).item()) for label, tree in self.spec["readout"]]
        numbers = [f"{label} = {number:.4g}" for label, number in pairs]
        return "\n".join(filter(None, [english(self.spec["title"]), english(self.spec["alt"]), "; ".join(numbers)]))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        png = base64.b64encode(self.to_png()).decode()
        return {"text/html": self.to_html(), "image/png": png, "text/plain": repr(self)}
