"""One lopsided figure, and how its drawing in the page is read back into data through its own axes.

Nothing in the figure is symmetric, equally spaced or at its default, so that whatever is exchanged, turned over or one
off is seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from gan_edu.explore import Choice, Figure, Heat, HLine, Line, Marker, Panel, Points, Segments, Slider, Snapshots, VLine

Array = Any
# The look of each role, here and nowhere else by value: colour on light and on dark; dash, cap and width of a line in the
# page; dash and width on paper; and the symbol of its points, in the page (how the dot of a pen ends) and on paper.
LOOKS: dict[str, dict[str, Any]] = {
    role: dict(
        zip(("light", "dark", "dash", "cap", "wide", "paper_dash", "paper_wide", "dot", "symbol"), look, strict=True)
    )
    for role, look in {
        "data": ("#0072b2", "#56b4f0", "none", "round", 2.2, "-", 2, "round", "o"),
        "generator": ("#d55e00", "#ff9447", "8px, 5px", "butt", 2.2, "--", 2, "cross", "X"),
        "discriminator": ("#444444", "#cccccc", "0.1px, 4.5px", "round", 2.4, ":", 2.2, "square", "s"),
        "optimal": ("#00856a", "#3fd0ac", "none", "round", 1.5, "-", 1.4, "square", "s"),
        "third": ("#aa3377", "#f08bc3", "10px, 4px, 2px, 4px", "butt", 2.2, "-.", 2, "square", "s"),
        "fourth": ("#8a6a00", "#e3c04d", "4px, 3px", "butt", 2.2, (0, (4, 2)), 2, "square", "s"),
        "fifth": ("#5b4fcf", "#b0a8ff", "14px, 4px", "butt", 2.2, (0, (9, 3)), 2, "square", "s"),
        "muted": ("#808080", "#909090", "none", "round", 1.2, "-", 1, "square", "s"),
    }.items()
}
WORDS = {"here": 1.5, "mid": 0.5}  # what ticks say that are no numbers
STEPS = [10, 20, 50, 120, 400, 1000]
GAMES = ["minimax", "non-saturating", "wgan-gp"]
PANELS = [
    Panel(
        x=(-3, 5),
        y=(-0.6, 1.4),
        right=(-20, 60),
        xlabel="place",
        ylabel="density",
        right_label="output",
        title="laws",
        xticks=[-2, 0, (1.5, "here"), 4],
        marks=[
            Line("pd", label="p_data", role="data"),
            Line("pg", label="p_g", role="generator", band=("lower", "upper")),
            Line("D", label="D", role="discriminator", axis="right"),
            Line("gap", label="gap", role="third"),
            Line("secret", label="secret", role="fifth", toggle=True, shown=False),
            Line("kept", label="kept", role="fourth", toggle=True),
            Line("fan", label="members", thin=True),
            VLine("mu", label="mean", role="optimal"),
            HLine("level", label="level", axis="right", role="discriminator"),
        ],
    ),
    Panel(
        x=(-3, 5),
        y=(-1, 2),
        xlabel="x1",
        ylabel="x2",
        height=260,
        yticks=[-1, (0.5, "mid"), 2],
        marks=[
            Heat("tilt", lo=-4, hi=10, contour=2.5, label="tilt"),
            Heat("turned", lo=0, hi=3, contour=None, label="turned", toggle=True, shown=False),
            Points("r1", "r2", label="real", role="data", size=5),
            Points("g1", "g2", label="generated", role="generator", size=8),
            Points("s1", "s2", label="between", role="optimal", size=6),
            Segments("r1", "r2", "s1", "s2", label="moves", role="fourth", arrows=True),
            Segments("r1", "r2", "mu", "half", label="spokes", role="fifth"),
            Marker("mu", "half", label="dot", role="third"),
        ],
    ),
    Panel(
        x=(0, 1100),
        y=(0.2, 2.6),
        xlabel="update",
        title="over time",
        marks=[Line("losses", label="all", thin=True), Line("loss", label="one", role="data")],
    ),
    Panel(
        x=(-2, 4),
        y=(-1.5, 1),
        xlabel="theta",
        ylabel="psi",
        height=150,
        equal=True,
        marks=[Line("psi", x="theta", label="orbit", role="discriminator")],
    ),
]
# label, expression, and the words at the start: a small number is shown as itself, never as 0.000
READOUT = [
    ("tiny", "0.000335", "3.35e−4"),
    ("small", "0.00123", "0.0012"),
    ("rate", "rate", "3.35e−4"),
    ("below", "-12.3456", "−12.35"),
    ("one", "1.23456", "1.235"),
    ("many", "123.456", "123.5"),
    ("huge", "1234567", "1.23e+6"),
    ("nothing", "1e-14", "0"),
    ("undefined", "log(0 - 1)", "–"),
    ("endless", "1/0", "∞"),
    ("bottomless", "-1/0", "−∞"),
    ("now", "at(loss, steps, step)", ""),
    ("area of p_g", "integral(pg, x)", ""),
    ("from mu", "10*mu - 0.123", "6.877"),
]


def recordings() -> dict[str, Array]:
    """What was recorded of the run: each game, member and frame differs from every other."""
    rng, x = np.random.default_rng(4), np.linspace(-3, 5, 81)
    game, frame = np.arange(3)[:, None, None], np.arange(6)[:, None]
    bump = (0.3 + 0.1 * frame) * np.exp(-((x - 0.5 * frame + 0.7 * game) ** 2))
    time = np.arange(6)
    return {
        "pg": bump,
        "fan": np.stack([0.8 + 0.08 * frame - 0.04 * x, 1.1 - 0.05 * frame * np.tanh(x)]),
        "loss": 0.5 + 0.3 * time + 0.2 * np.arange(3)[:, None],
        "losses": 2.2 - 0.25 * time + 0.2 * np.arange(2)[:, None] + 0.03 * np.arange(3)[:, None, None],
        "r1": rng.uniform(-2.5, 1, 7),
        "r2": rng.uniform(-0.9, 1.9, 7),
        "g1": rng.uniform(-2, 4, (6, 5)),
        "g2": rng.uniform(-0.5, 1.5, (6, 5)),
    }


def lopsided(frame: int = 2, game: int = 1, mu: float = 0.7) -> Figure:
    """Build the figure so that it starts at these settings."""
    at = {k: {"bits": 16} for k in ("pg", "fan", "loss", "losses", "r1", "r2", "g1", "g2")}
    at["pg"] |= {"grid": "x", "over": ("game",)}
    at["fan"] |= {"grid": "x", "many": True}
    at["loss"] |= {"over": ("game",), "time": True}
    at["losses"] |= {"over": ("game",), "time": True, "many": True}
    for name, cloud in (("r", "real"), ("g", "fake")):
        for k in "12":
            at[name + k] |= {"grid": cloud, "fixed": name == "r"}
    return Figure(
        alt="A lopsided figure.",
        title="Lopsided",
        caption="Look at p_g.",
        panels=PANELS,
        columns=2,
        grids={"x": (-3, 5, 81), "y": (-1, 2, 25)},
        sliders={
            "mu": Slider(-2, 2.5, 0.1, mu, "mean of p_data"),
            "rate": Slider(0.000135, 0.001135, 0.00005, 0.000335, "learning rate"),
        },
        choices={"game": Choice(GAMES, "game", game)},
        steps=STEPS,
        step_label="update",
        ms=30,
        frame=frame,
        snapshots={k: Snapshots(array, **at[k]) for k, array in recordings().items()},
        formulas={
            "pd": "1.1*normal(x, mu, 0.6)",
            "lower": "0.7*pg - 0.1",
            "upper": "1.2*pg + 0.05",
            "D": "40*sigmoid(x - mu) - 10",
            "gap": "log(x)/4 + 0*log(abs(x - 2) - 0.33)",
            "secret": "0.6 + 0.02*x",
            "kept": "0.1*x + 0.4",
            "level": "25 + 2*mu",
            "tilt": "3*x - 2*y + x*y/2 + mu",
            "turned": "y - 0.2*x + 1",
            "s1": "r1 + 1.2 + mu/4",
            "s2": "r2/2 + 0.3",
            "half": "mu/2 - 0.2",
        },
        iterate={"theta": ("1 + mu", "theta - 0.1*psi"), "psi": ("0.5", "psi + 0.1*theta")},
        iterations=60,
        readout=[(label, expression) for label, expression, _ in READOUT],
    )


READ = """() => {
  const rect = e => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
  const ctm = e => { const m = e.getScreenCTM(); return [m.a, m.c, m.e, m.b, m.d, m.f]; };
  const hidden = e => e !== document && (getComputedStyle(e).display === 'none' || hidden(e.parentNode));
  const path = e => { const c = getComputedStyle(e); return {name: e.getAttribute('class') || '', d: e.getAttribute('d') || '',
    ctm: ctm(e), seen: !hidden(e), stroke: c.stroke, dash: c.strokeDasharray, cap: c.strokeLinecap,
    width: c.strokeWidth, fill: c.fill}; };
  const paths = e => [...e.querySelectorAll('path')].map(path);
  const text = e => e.textContent.replaceAll('\\u200b', '');
  const canvas = c => ({rect: rect(c), seen: !hidden(c), shape: [c.height, c.width],
    pixels: [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]});
  const panels = [...document.querySelectorAll('.gan-panel')].map(p => {
    const svg = p.querySelector('.gan-plot > svg'), plot = svg.querySelector('svg'), axes = svg.querySelector('.gan-axes');
    const title = p.querySelector('.gan-title');
    return {title: title ? text(title) : '', plot: rect(svg),
      window: [ctm(plot), +plot.getAttribute('width'), +plot.getAttribute('height')], under: rect(p.querySelector('.gan-window')),
      texts: [...axes.querySelectorAll('text')].map(e => ({text: text(e), ctm: ctm(e), x: +e.getAttribute('x'),
        y: +e.getAttribute('y'), rect: rect(e), anchor: getComputedStyle(e).textAnchor, name: e.getAttribute('class') || ''})),
      frame: paths(axes), marks: [...plot.querySelectorAll('g')].map(g => ({role: g.getAttribute('class'), paths: paths(g)})),
      cursor: plot.querySelector('.gan-cursor').getAttribute('d') || '', canvases: [...p.querySelectorAll('canvas')].map(canvas),
      legend: [...p.querySelector('.gan-legend').children].map(item => ({text: text(item.lastChild), words: text(item),
        box: item.querySelector('input') && item.querySelector('input').checked,
        role: (item.querySelector('svg') || item).getAttribute('class'), paths: paths(item)}))};
  });
  const sliders = [...document.querySelectorAll('.gan-slider')].map(row => { const input = row.querySelector('input');
    return [text(row.querySelector('span')), text(row.querySelector('b')), input.getAttribute('aria-valuetext'), +input.value]; });
  const choices = [...document.querySelectorAll('.gan-choice')].map(row => [text(row.querySelector('span')),
    text(row.querySelector('select').selectedOptions[0]), [...row.querySelectorAll('option')].map(text)]);
  const readout = [...document.querySelectorAll('.gan-readout > span')].map(e => [text(e.firstChild), text(e.lastChild)]);
  const words = ['.gan-heading', 'figcaption'].map(k => document.querySelector(k).innerHTML);
  return JSON.stringify({panels, sliders, choices, readout, words});
}"""
PAINTED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))"


def number(text: str) -> float:
    """What is written; a minus is the true sign, and a dash or infinity is what it says."""
    return {"–": np.nan, "∞": np.inf, "−∞": -np.inf}.get(text) or float(text.replace("−", "-"))


def strokes(d: str, ctm: list[float]) -> list[Array]:
    """Every stroke of a path as points (N, 2) on the screen: where the pen goes down and moves."""
    out: list[list[Array]] = []
    at = np.zeros(2)
    for letter, rest in re.findall(r"([A-Za-z])([^A-Za-z]*)", d):
        values = [float(v) for v in re.findall(r"-?[\d.]+(?:e-?\d+)?", rest)]
        for v in np.reshape(values, (-1, 1 if letter in "hHvV" else 2)):
            base = at if letter.islower() else np.zeros(2)
            at = {"h": [base[0] + v[0], at[1]], "v": [at[0], base[1] + v[0]]}.get(letter.lower(), base + v[:2] * 1.0)
            at = np.asarray(at, dtype=float)
            out = [*out, [at]] if letter in "mM" else [*out[:-1], [*out[-1], at]]
    a, c, e, b, f, g = ctm
    turn, shift = np.array([[a, b], [c, f]]), np.array([e, g])
    return [np.array(points) @ turn + shift for points in out if len(points) > 1]


@dataclass(frozen=True)
class Scale:
    """A straight axis on the screen: place = origin + unit * value."""

    origin: float
    unit: float

    @classmethod
    def through(cls, values: list[float], places: list[float]) -> Scale:
        """The axis on which ticks with these values stand at these places: at least two, all on one straight scale."""
        assert len(values) > 1, "an axis needs two ticks to be read"
        unit, origin = np.polyfit(values, places, 1)
        np.testing.assert_allclose(origin + unit * np.array(values), places, atol=0.12)
        return cls(float(origin), float(unit))

    def place(self, value: Array) -> Array:
        """Where a value stands."""
        return self.origin + self.unit * np.asarray(value, dtype=float)

    def value(self, place: Array) -> Array:
        """What stands there."""
        return (np.asarray(place) - self.origin) / self.unit


@dataclass(frozen=True)
class Axes:
    """The scales of one panel as they are read from its ticks."""

    x: Scale
    left: Scale
    right: Scale | None
    names: dict[str, str]
    ticks: dict[str, list[float]]

    def of(self, mark: Any) -> Scale:
        """The vertical scale of a mark."""
        side = self.left if mark.axis == "left" else self.right
        assert side
        return side


def read_axes(drawn: dict[str, Any]) -> Axes:
    """Read the scales of a panel from its ticks."""
    ticks: dict[str, list[tuple[float, float]]] = {"x": [], "left": [], "right": []}
    names: dict[str, str] = {}
    (ca, _, ce, _, cd, cf), width, height = drawn["window"]
    low, top, width, height = ce, cf, ca * width, cd * height
    for t in drawn["texts"]:
        a, _, e, _, d, f = t["ctm"]
        x, y, box = a * t["x"] + e, d * t["y"] + f, t["rect"]
        if t["name"]:
            side = "x" if y > top + height else "right" if t["anchor"] == "end" else "left"
            names[side] = t["text"]
            continue
        value = WORDS[t["text"]] if t["text"] in WORDS else number(t["text"])
        middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        if y > top + height + 8:
            ticks["x"].append((value, x))
            assert abs(middle[0] - x) < 2
        else:
            side = "left" if box[2] < low else "right"
            assert side == "left" or box[0] > low + width
            ticks[side].append((value, y - 4))
            assert abs(middle[1] - (y - 4)) < 3
    straight = [stroke for p in drawn["frame"] if not p["name"] for stroke in strokes(p["d"], p["ctm"])]
    lines = {
        "x": [s[0, 0] for s in straight if s[0, 0] == s[1, 0]],
        "left": [s[0, 1] for s in straight if s[0, 1] == s[1, 1]],
    }
    for side, places in lines.items():  # a grid line through every tick
        np.testing.assert_allclose(sorted(places), sorted(place for _, place in ticks[side]), atol=0.11)
    found = {side: Scale.through(*map(list, zip(*pairs, strict=True))) for side, pairs in ticks.items() if pairs}
    assert found["x"].unit > 0 > found["left"].unit
    values = {side: [value for value, _ in pairs] for side, pairs in ticks.items()}
    return Axes(found["x"], found["left"], found.get("right"), names, values)


def worth(env: dict[str, Any], expression: Any) -> Any:
    """The value of a slot of a mark: of these panels all are names or numbers."""
    return env[expression] if isinstance(expression, str) else float(expression)


def across(env: dict[str, Any], mark: Line) -> Any:
    """The x of a line: its own, or the variable over which the figure says that it runs."""
    return worth(env, mark.x or ("steps" if mark.y in ("loss", "losses") else "x"))
