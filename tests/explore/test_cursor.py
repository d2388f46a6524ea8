"""Tests of the cursor of a panel: where the keys and the mouse take it, and what it reads there."""

from __future__ import annotations

import numpy as np
import pytest
from lopsided import FIGURE, START, check

MOVE = "(e, v) => { e.value = v; e.dispatchEvent(new Event('input')); }"  # without the mouse leaving its place


def readings(page, panel: int) -> list[list[str]]:
    """What the tip of a panel says, name and number a line; nothing where it is hidden."""
    tip = page.locator(".gan-tip").nth(panel)
    rows = "all => all.map(e => [e.firstChild.textContent, e.lastChild.textContent.replaceAll('−', '-')])"
    return [] if tip.is_hidden() else tip.locator("div").evaluate_all(rows)


KEYS = {"ArrowLeft": (-1, 0), "ArrowRight": (1, 0), "ArrowUp": (0, 1), "ArrowDown": (0, -1)}


def numbers(text: str) -> list[float]:
    """The number of a reading, or the two of a point."""
    return [float(t) for t in text.strip("()").split(", ")]


def plot_area(page, panel: int) -> list[float]:
    """Where the axes of a panel lie in its drawing: left, top, width, height."""
    inner = page.locator(".gan-plot > svg > svg").nth(panel)
    return inner.evaluate("e => ['x', 'y', 'width', 'height'].map(k => +e.getAttribute(k))")


def expected_readings(panel: int, x: float, y: float, wide=1.0, tall=1.0, **now) -> list[tuple[str, list[float]]]:
    """The values at the grid point that is nearest; of a curve, the point that is nearest on the screen."""
    v = FIGURE.evaluate(**(START | now))
    at = {name: int(np.argmin(abs(v[name] - where))) for name, where in (("x", x), ("y", y), ("steps", x))}
    if panel == 0:
        return [("x", [x]), ("the wave", [v["wave"][at["x"]]]), ("the diagonal", [v["x"][at["x"]]])]
    if panel == 2:
        return [("x", [x]), ("the loss", [v["loss"][at["steps"]]])]
    curve = np.stack([v["y"], v["y"] ** 2 * v["gain"]])
    near = np.argmin(np.hypot((curve[0] - x) * wide / 3, ((curve[1] + 1) / 5 - y) * tall))  # on the right axis
    return [
        ("p1", [x]),
        ("y", [y]),
        ("the plane", [v["plane"][at["y"], at["x"]]]),
        ("the curve", curve[:, near].tolist()),
    ]


@pytest.mark.parametrize(("panel", "box"), [*enumerate([(-1, 3, -5, 5), (-1, 2, 0, 1), (10, 250, 0, 1)])])
def test_arrow_keys_move_the_cursor_of_a_panel_a_sixtieth(show, panel, box):
    page = show(FIGURE.to_html())
    plot, line = page.locator(".gan-plot > svg").nth(panel), page.locator(".gan-cursor").nth(panel)
    left, right, low, high = box
    x, y = (left + right) / 2, (low + high) / 2
    steps = [*KEYS, *["ArrowRight"] * 3, "Home", "End", "PageUp", "PageDown", *["ArrowDown"] * 2]
    steps += [
        *["ArrowLeft"] * 40,
        "ArrowRight",
        *["ArrowUp"] * 40,
        "ArrowRight",
        *["ArrowDown"] * 62,
        *["ArrowRight"] * 62,
    ]
    plot.focus()
    for k, key in enumerate(steps):
        page.keyboard.press(key)
        dx, dy = KEYS.get(key, (0, 0))
        x = min(max(x + dx * (right - left) / 60, left), right)
        y = min(max(y + dy * (high - low) / 60, low), high)
        if 15 < k < len(steps) - 1 and steps[k + 1] == key:  # looked at when a long way has been gone
            continue
        _, _, wide, tall = plot_area(page, panel)
        said, expected = readings(page, panel), expected_readings(panel, x, y, wide, tall)
        assert [name for name, _ in said] == [name for name, _ in expected]
        assert [numbers(text) for _, text in said] == [pytest.approx(v, rel=5e-3, abs=1e-4) for _, v in expected], key
        assert [readings(page, other) for other in range(3) if other != panel] == [[], []]
        drawn = float(line.get_attribute("d")[1:].split()[0])
        assert drawn == pytest.approx((x - left) / (right - left) * wide, abs=0.2)


def test_the_cursor_goes_with_escape_and_with_the_focus_and_begins_in_the_middle(show):
    page = show(FIGURE.to_html())
    plot = page.locator(".gan-plot > svg").first
    for leave in (lambda: plot.press("Escape"), lambda: plot.press("Tab"), lambda: plot.evaluate("e => e.blur()")):
        plot.press("ArrowRight")
        plot.press("ArrowLeft")
        plot.press("ArrowLeft")
        assert float(readings(page, 0)[0][1]) == pytest.approx(1 - 4 / 60, abs=1e-3)
        leave()
        assert readings(page, 0) == []
        assert not page.locator(".gan-cursor").first.get_attribute("d")
    plot.press("Enter")
    assert readings(page, 0) == []


def test_the_cursor_reads_what_is_shown_now(show):
    page = show(FIGURE.to_html())
    box, (x, y, wide, high) = page.locator(".gan-plot > svg").first.bounding_box(), plot_area(page, 0)
    page.mouse.move(box["x"] + x + wide / 4, box["y"] + y + high / 10)
    for act, now in (
        (lambda: None, {}),
        (lambda: page.locator("input[type=range]").nth(2).evaluate(MOVE, 3), {"gain": 3}),
    ):
        act()
        check(page, **now)
        assert [name for name, _ in readings(page, 0)] == ["x", "the wave", "the diagonal"]
        for (_, text), (_, value) in zip(readings(page, 0), expected_readings(0, 0, 4, **now), strict=True):
            assert numbers(text) == pytest.approx(value, abs=0.03)
    page.get_by_role("checkbox", name="the wave", exact=True).evaluate("e => e.click()")
    page.get_by_role("checkbox", name="the bump", exact=True).evaluate("e => e.click()")
    check(page, gain=3, boxes={"the wave": False, "the bump": True})
    assert [name for name, _ in readings(page, 0)] == ["x", "the bump", "the diagonal"]
