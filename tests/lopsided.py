"""A figure in which nothing is at its first value, and a check of everything that it shows at other settings.

What must be shown comes from the description and from `Figure.evaluate`, never from the script.
"""

from __future__ import annotations

import numpy as np
import pytest
from figures import figure

from gan_edu.explore import Choice, Figure, Heat, Line, Panel, Slider, Snapshots, VLine

STEPS, MS = [10, 11, 40, 100, 250, 251.5], 100
WORDS = {"en": ("Play", "Pause", "One step back", "One step forward", "Reset")}
WORDS["zh"] = ("播放", "暂停", "后退一步", "前进一步", "重置")

# neither 0.05 nor 4.5 is a multiple of the step, and the last value of gain is 3
SLIDERS = {"shift": Slider(0.05, 1.25, 0.1, 0.35, {"en": "the shift", "zh": "位移"}), "gain": Slider(-3, 4.5, 2, 1)}
CHOICES = {
    "game": Choice(["minimax", {"en": "least squares", "zh": "最小二乘"}], "game", value=1),
    "member": Choice(["first", "second", "third"], value=1),
}


def lopsided(**more) -> Figure:
    """A figure in which nothing starts at the first value, no two controls have equal ranges and no step is like another."""
    recorded = np.random.default_rng(5).random((2, 3, len(STEPS)))
    shown = ["shift", "gain", "game", "member", "step", "frame", "score"]
    parts = {
        "alt": {"en": "Waves of a game.", "zh": "博弈的波。"},
        "grids": {"x": (-1, 3, 161), "y": (0, 1, 21)},
        "sliders": SLIDERS,
        "choices": CHOICES,
        "steps": STEPS,
        "frame": 2,
        "ms": MS,
        "snapshots": {
            "score": Snapshots(recorded, over=("game", "member"), bits=16),
            "loss": Snapshots(recorded, over=("game", "member"), bits=16, time=True),
        },
        "formulas": {
            "wave": "gain*sin(3*x - shift) + game",
            "bump": "normal(x, shift, 0.3 + member)",
            "plane": "x*y*gain",
        },
        "readout": [(name, name) for name in shown],
        "panels": [
            Panel(
                x=(-1, 3),
                y=(-5, 5),
                right=(0, 1),
                title={"en": "Left", "zh": "左"},
                marks=[
                    Line("wave", label="the wave", role="data", toggle=True),
                    Line(
                        "bump",
                        label={"en": "the bump", "zh": "包"},
                        role="generator",
                        axis="right",
                        toggle=True,
                        shown=False,
                    ),
                    Line("x", label="the diagonal"),
                    VLine("shift", label="the rule", toggle=True),
                ],
            ),
            Panel(
                x=(-1, 2),
                y=(0, 1),
                right=(-1, 4),
                xlabel="p_1",
                marks=[
                    Heat("plane", lo=-3, hi=3, label="the plane", toggle=True),
                    Line("y*y*gain", x="y", label="the curve", role="third", axis="right"),
                ],
            ),
            Panel(
                x=(10, 250), y=(0, 1), title="Time", marks=[Line("loss", label="the loss", role="data", toggle=True)]
            ),
        ],
    }
    return figure(**{**parts, **more})


FIGURE = lopsided()
START = {"shift": 0.35, "gain": 1, "game": 1, "member": 1, "frame": 2}
BOXES = {"the wave": True, "the bump": False, "the rule": True, "the plane": True, "the loss": True}
# What one sees of a figure, and what one is told by a screen reader, after the next paint.
SEE = """async (figure, paint) => {
    for (let k = 0; k < 2 && paint; k++) await new Promise(requestAnimationFrame);
    const all = (what, f) => [...figure.querySelectorAll(what)].map(f), hidden = e => e.style.display === 'none';
    const text = e => e.textContent.replaceAll('−', '-');
    return {
        sliders: Object.fromEntries(all('.gan-slider', row => [row.firstChild.textContent, [row.querySelector('input').value,
            text(row.querySelector('b')), row.querySelector('input').getAttribute('aria-valuetext').replace('−', '-')]])),
        choices: Object.fromEntries(all('.gan-choice', row => [row.firstChild.textContent, row.querySelector('select').value])),
        boxes: Object.fromEntries(all('.gan-legend label', row => [row.lastChild.textContent, row.querySelector('input').checked])),
        drawn: all('.gan-plot svg svg > g', g => !hidden(g)), tints: all('canvas', c => !hidden(c)),
        numbers: Object.fromEntries(all('output > span', s => s.textContent.replaceAll('−', '-').split(' = '))),
        play: [...figure.querySelectorAll('.gan-steps button')].slice(0, 1)
            .flatMap(b => [b.textContent, b.title, b.getAttribute('aria-label')]),
        live: all('output, .gan-tip', e => e.ariaLive || {status: 'polite'}[e.role]) }; }"""


def check(page, which=0, playing=False, boxes=(), paint=True, **moved) -> None:
    """The figure shows these settings, all others being as they were at the start."""
    now, shown = START | moved, BOXES | dict(boxes)
    values, seen = FIGURE.evaluate(**now), page.locator("figure").nth(which).evaluate(SEE, paint)
    step = f"{STEPS[now['frame']]:g}"
    sliders = {"the shift": (now["shift"], f"{now['shift']:.2f}"), "gain": (now["gain"], f"{now['gain']:.0f}")}
    sliders["step"] = (now["frame"], step)
    assert {name: (float(v), b) for name, (v, b, _) in seen["sliders"].items()} == sliders
    assert [b for _, b, _ in seen["sliders"].values()] == [aloud for *_, aloud in seen["sliders"].values()]
    assert seen["choices"] == {"game": str(now["game"]), "member": str(now["member"])}
    assert seen["boxes"] == shown
    wave, bump, rule, plane, loss = shown.values()
    assert seen["drawn"] == [wave, bump, True, rule, plane, True, loss, True]  # the last is the cursor of the frame
    assert seen["tints"] == [plane]
    assert {name: float(text) for name, text in seen["numbers"].items()} == {
        name: pytest.approx(values[name], abs=5e-5 if abs(values[name]) < 1 else 0.051) for name in seen["numbers"]
    }
    assert set(seen["play"]) == {"Pause" if playing else "Play"}
    assert set(seen["live"]) == {"off" if playing else "polite"}


TELL = """() => { window.told = []; for (const e of document.querySelectorAll('output, .gan-tip')) new MutationObserver(() =>
    told.push([e.tagName, e.ariaLive || {status: 'polite'}[e.role]])).observe(e, {childList: true, subtree: true}); }"""


def press(page, name: str, which=0) -> None:
    page.locator("figure").nth(which).get_by_role("button", name=name, exact=True).click()


def play(page, which=0) -> None:
    press(page, "Play", which)
    page.clock.run_for(20)  # from here on, each frame is painted before the next MS are over


def after(frames: int, page, **what) -> None:
    """Check what a figure shows when it has had this many frames' time."""
    page.clock.run_for(frames * MS)
    check(page, paint=False, **what)
