"""Tests of the drawing in the page, read back into data through its own axes, against `Figure.evaluate`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from drawings import (
    GAMES,
    PAINTED,
    PANELS,
    READ,
    READOUT,
    STEPS,
    Axes,
    across,
    lopsided,
    number,
    read_axes,
    recordings,
    strokes,
    worth,
)

from gan_edu.explore import Heat, HLine, Line, Marker, Points, Segments, VLine

FIGURE = lopsided()
START = {"frame": 2, "game": 1, "mu": 0.7, "rate": 0.000335}
SETTINGS = {
    "start": START,
    "frame": START | {"frame": 4},
    "first frame": START | {"frame": 0},
    "option": START | {"game": 2},
    "slider": START | {"mu": -1.3},
    "all": {"frame": 5, "game": 0, "mu": 2.1, "rate": 0.001035},
}
VERMILION, BLUE = (213, 94, 0), (0, 114, 178)


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    page = context.new_page()
    page.set_content(f'<!doctype html><html lang="en" data-theme="light"><body>{FIGURE.to_html()}')
    page.wait_for_selector("figure[data-ready='1']")
    yield page
    context.close()


@pytest.fixture
def moved(page: Any) -> Iterator[Any]:
    """Move the controls of the page as a reader does; all is put back afterwards."""

    def go(values: dict[str, float]) -> dict[str, Any]:
        names = {"frame": "update", "mu": "mean of", "rate": "learning rate"}
        for name, label in names.items():
            page.get_by_role("slider", name=label).evaluate(
                "(e, v) => { e.value = v; e.dispatchEvent(new Event('input')); }", values[name]
            )
        page.get_by_label("game").select_option(index=values["game"])
        return look(page)

    yield go
    page.mouse.move(0, 0)
    page.get_by_role("button", name="Reset").click()


def look(page: Any) -> dict[str, Any]:
    page.evaluate(PAINTED)
    found: dict[str, Any] = json.loads(page.evaluate(READ))
    return found


def runs(x: Any, y: Any) -> list[Any]:
    """Points (N, 2) of each unbroken piece: members apart, and cut where a value is missing."""
    pieces = []
    for row in np.atleast_2d(y):
        seen = np.isfinite(row) & np.isfinite(x)
        for part in np.split(np.arange(row.size), np.flatnonzero(np.diff(seen)) + 1):
            pieces += [np.stack([x[part], row[part]], -1)] if seen[part].all() and part.size > 1 else []
    return pieces


def same_strokes(found: list[Any], wanted: list[Any], axes: Axes, mark: Any) -> None:
    """The strokes on the screen are these points of data, to a tenth of a pixel, in this order."""
    assert len(found) == len(wanted), mark
    for stroke, points in zip(found, wanted, strict=True):
        places = np.stack([axes.x.place(points[:, 0]), axes.of(mark).place(points[:, 1])], -1)
        np.testing.assert_allclose(stroke, places, atol=0.2, err_msg=str(mark))


def check_points(paths: list[dict[str, Any]], env: dict[str, Any], axes: Axes, mark: Any) -> None:
    """One symbol a point: a cross of the size asked for where it is the generator's, else a dot."""
    x, y = np.atleast_1d(worth(env, mark.x)), np.atleast_1d(worth(env, mark.y))
    wanted = np.stack([axes.x.place(x), axes.of(mark).place(y)], -1)
    assert [p["name"].split()[-1] for p in paths] == [
        "gan-halo",
        "gan-dots" if isinstance(mark, Points) else "gan-marker",
    ]
    for p in paths:
        drawn = np.array(strokes(p["d"], p["ctm"]))
        if mark.role == "generator":
            drawn = drawn.reshape(len(x), 2, 2, 2)
            extent = np.ptp(drawn, axis=2)
            np.testing.assert_allclose(extent, mark.size, atol=0.01)
            rising = np.sign(np.prod(drawn[:, :, 1] - drawn[:, :, 0], axis=-1))
            assert (rising.prod(1) == -1).all(), "two diagonals, not one twice"
            centres = drawn.mean((1, 2))
        else:
            assert (np.ptp(drawn, axis=1) == 0).all()
            centres = drawn[:, 0]
            halo = 1.6 if isinstance(mark, Points) else 3
            thick = (mark.size if isinstance(mark, Points) else 9) + ("halo" in p["name"]) * halo
            assert float(p["width"].removesuffix("px")) == pytest.approx(thick)
        np.testing.assert_allclose(centres, wanted, atol=0.2)


def check_segments(path: dict[str, Any], env: dict[str, Any], axes: Axes, mark: Segments) -> None:
    x0, y0, x1, y1 = np.broadcast_arrays(*(np.atleast_1d(worth(env, e)) for e in (mark.x0, mark.y0, mark.x1, mark.y1)))
    found = strokes(path["d"], path["ctm"])
    same_strokes(found[:: 2 if mark.arrows else 1], list(np.stack([[x0, y0], [x1, y1]]).transpose(2, 0, 1)), axes, mark)
    if not mark.arrows:
        return
    assert len(found) == 2 * len(x0)
    for (start, end), head in zip(found[::2], found[1::2], strict=True):
        np.testing.assert_allclose(head[1], end, atol=0.2)
        behind = (head[[0, 2]] - end) @ (end - start) / np.hypot(*(end - start))
        np.testing.assert_allclose(behind, -6, atol=0.2)  # both barbs lie behind the tip, one on each side
        across = (head[[0, 2]] - end) @ ((end - start)[::-1] * [-1, 1]) / np.hypot(*(end - start))
        np.testing.assert_allclose(sorted(across), [-3, 3], atol=0.2)


def opinion(canvas: dict[str, Any]) -> Any:
    """The tint of each pixel read from -1 (vermilion, lo) over 0 (paper) to 1 (blue, hi), top row first."""
    rgba = np.reshape(canvas["pixels"], (*canvas["shape"], 4)).astype(float)
    strength = rgba[..., 3] / 255
    dark = strength > 0.1  # the canvas stores colours multiplied with their opacity: faint ones are rounded
    red = rgba[..., 0] > 100
    for side, colour, most in ((red, VERMILION, 0.55), (~red, BLUE, 0.7)):
        np.testing.assert_allclose(
            rgba[dark & side][:, :3], np.broadcast_to(colour, (int((dark & side).sum()), 3)), atol=6
        )
        assert strength[side].max() <= most + 0.003
    return np.where(red, -strength / 0.55, strength / 0.7)


def check_heat(canvas: dict[str, Any], env: dict[str, Any], axes: Axes, mark: Heat) -> None:
    """Each pixel lies on its grid point and has the tint of the value there."""
    x, y, z = env["x"], env["y"], env[mark.z]
    left, top, right, bottom = canvas["rect"]
    assert canvas["shape"] == [len(y), len(x)]
    columns = left + (np.arange(len(x)) + 0.5) * (right - left) / len(x)
    rows = top + (np.arange(len(y)) + 0.5) * (bottom - top) / len(y)
    np.testing.assert_allclose(axes.x.value(columns), x, atol=0.01)
    np.testing.assert_allclose(axes.left.value(rows)[::-1], y, atol=0.01)
    wanted = np.clip(2 * (z - mark.lo) / (mark.hi - mark.lo) - 1, -1, 1)
    np.testing.assert_allclose(opinion(canvas)[::-1], wanted, atol=0.02)


def check_contour(path: dict[str, Any], env: dict[str, Any], axes: Axes, mark: Heat) -> None:
    """A piece in each cell that the level crosses, between two points of its edges where the value is the level."""
    x, y, z = env["x"], env["y"], env[mark.z]
    pieces = np.array(strokes(path["d"], path["ctm"]))
    at = np.stack([axes.x.value(pieces[..., 0]), axes.left.value(pieces[..., 1])], -1)
    np.testing.assert_allclose(
        3 * at[..., 0] - 2 * at[..., 1] + at[..., 0] * at[..., 1] / 2 + env["mu"], mark.contour, atol=0.02
    )
    above = z >= mark.contour
    cells = np.stack([above[:-1, :-1], above[1:, :-1], above[:-1, 1:], above[1:, 1:]])
    crossed = {*zip(*np.nonzero(cells.any(0) & ~cells.all(0)), strict=True)}
    middle = at.mean(1)
    inside = np.floor((middle[:, 1] - y[0]) / (y[1] - y[0])), np.floor((middle[:, 0] - x[0]) / (x[1] - x[0]))
    assert {*zip(*(k.astype(int) for k in inside), strict=True)} == crossed


def check_mark(drawn: dict[str, Any], canvas: Any, env: dict[str, Any], axes: Axes, mark: Any, shown: bool) -> None:
    assert drawn["role"] == f"gan-{mark.role}"
    assert {p["seen"] for p in drawn["paths"]} <= {shown}
    if not shown:
        assert canvas is None or not canvas["seen"]
        return
    match mark:
        case Line():
            x, y = across(env, mark), worth(env, mark.y)
            *band, line = drawn["paths"]
            same_strokes(strokes(line["d"], line["ctm"]), runs(x, y), axes, mark)
            assert line["name"].split() == ["gan-line", "gan-thin"][: 1 + mark.thin]
            assert len(band) == (mark.band is not None)
            if band:
                low, high = (np.stack([x, env[name]], -1) for name in mark.band)
                same_strokes(strokes(band[0]["d"], band[0]["ctm"]), [np.vstack([low, high[::-1]])], axes, mark)
                assert band[0]["fill"] == line["stroke"]
        case Points() | Marker():
            check_points(drawn["paths"], env, axes, mark)
        case Segments():
            check_segments(drawn["paths"][0], env, axes, mark)
        case Heat():
            assert canvas["seen"]
            check_heat(canvas, env, axes, mark)
            assert len(drawn["paths"]) == (mark.contour is not None)
            if drawn["paths"]:
                check_contour(drawn["paths"][0], env, axes, mark)
        case VLine():
            (stroke,) = strokes(drawn["paths"][0]["d"], drawn["paths"][0]["ctm"])
            np.testing.assert_allclose(stroke[:, 0], axes.x.place(worth(env, mark.x)), atol=0.2)
            assert np.ptp(stroke[:, 1]) > 200
        case HLine():
            (stroke,) = strokes(drawn["paths"][0]["d"], drawn["paths"][0]["ctm"])
            np.testing.assert_allclose(stroke[:, 1], axes.of(mark).place(worth(env, mark.y)), atol=0.2)
            assert np.ptp(stroke[:, 0]) > 200


def with_cursors(panel: Any) -> list[Any]:
    """What is drawn of a panel: its marks, and a line at the current step where one of them runs over the steps."""
    return [*panel.marks, *([VLine("step")] if panel.title == "over time" else [])]


def check_panel(drawn: dict[str, Any], panel: Any, env: dict[str, Any], hidden: set[str]) -> Axes:
    axes = read_axes(drawn)
    (a, _, left, _, d, top), width, height = drawn["window"]
    assert (a, d) == pytest.approx((1, 1), abs=2e-3)
    width, height = a * width, d * height
    np.testing.assert_allclose(axes.x.value([left, left + width]), panel.x, atol=2e-3 * np.ptp(panel.x))
    outer = drawn["plot"]
    assert outer[0] < left < left + width < outer[2]
    assert outer[1] < top < top + height < outer[3]
    for side, limits in ((axes.left, panel.y), (axes.right, panel.right)):
        assert (side is None) == (limits is None)
        if side is not None:
            np.testing.assert_allclose(side.value([top + height, top]), limits, atol=2e-3 * np.ptp(limits))
    for own, side in ((panel.xticks, "x"), (panel.yticks, "left")):
        assert own is None or axes.ticks[side] == [t if isinstance(t, (int, float)) else t[0] for t in own]
    if panel.right:
        assert axes.ticks["right"] == [-20, 0, 20, 40, 60]
    if panel.equal:
        assert axes.x.unit == pytest.approx(-axes.left.unit, rel=2e-3)
    if drawn["canvases"]:
        np.testing.assert_allclose(drawn["under"], [left, top, left + width, top + height], atol=0.5)
    assert drawn["title"] == panel.title
    assert axes.names == {"x": panel.xlabel, "left": panel.ylabel, "right": panel.right_label}
    canvases = iter(drawn["canvases"])
    for found, mark in zip(drawn["marks"], with_cursors(panel), strict=True):
        canvas = next(canvases) if isinstance(mark, Heat) else None
        check_mark(found, canvas, env, axes, mark, mark.label not in hidden)
    return axes


def check(seen: dict[str, Any], values: dict[str, Any], hidden: set[str] | None = None) -> None:
    """All that is drawn and written is what the figure's numbers are at these settings."""
    env = FIGURE.evaluate(**values)
    for drawn, panel in zip(seen["panels"], PANELS, strict=True):
        check_panel(drawn, panel, env, {"secret", "turned"} if hidden is None else hidden)
    written = [("update", STEPS[values["frame"]], "{}"), ("mean of pdata", values["mu"], "{:.1f}")]
    for (label, text, spoken, at), (name, value, form) in zip(
        seen["sliders"], [*written, ("learning rate", values["rate"], "{:.6f}")], strict=True
    ):
        assert label == name
        assert text == spoken == form.format(value).replace("-", "−")
        assert at == pytest.approx(values["frame"] if name == "update" else value)
    assert seen["choices"] == [["game", GAMES[values["game"]], GAMES]]
    assert seen["words"] == ["Lopsided", "Look at p<sub>g</sub>."]
    plain = {"now": env["loss"][values["frame"]], "area of p_g": np.trapezoid(env["pg"], env["x"])}
    plain |= {"rate": values["rate"], "from mu": 10 * values["mu"] - 0.123}
    assert [label for label, _ in seen["readout"]] == [label.replace("p_g", "pg") for label, *_ in READOUT]
    for (_, text), (label, _, start) in zip(seen["readout"], READOUT, strict=True):
        if label in plain:
            near(text, plain[label])
        if start and (label not in plain or values == START):
            assert text == start


def near(text: str, value: float) -> None:
    """What is written is the value, rounded to the digits that are written, and those are enough to tell it from 0."""
    digits, _, power = text.replace("−", "-").partition("e")
    half = 0.5 * 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))
    assert abs(number(text) - value) <= half * (1 + 1e-6)
    assert half <= 0.05 * abs(value) or abs(value) < 1e-12


@pytest.mark.parametrize("name", SETTINGS)
def test_the_drawing_is_the_numbers(moved: Any, name: str) -> None:
    check(moved(SETTINGS[name]), SETTINGS[name])


def test_the_numbers_are_what_was_recorded() -> None:
    raw = recordings()
    for frame in range(6):
        for game in range(3):
            env = FIGURE.evaluate(frame=frame, game=game)
            for name, wanted in (
                ("pg", raw["pg"][game, frame]),
                ("fan", raw["fan"][:, frame]),
                ("loss", raw["loss"][game]),
                ("losses", raw["losses"][game]),
                ("g1", raw["g1"][frame]),
                ("r2", raw["r2"]),
                ("step", STEPS[frame]),
            ):
                np.testing.assert_allclose(env[name], wanted, atol=1e-4)


def test_a_step_forward_or_back_draws_the_neighbouring_snapshot(page: Any, moved: Any) -> None:
    moved(START)
    for button, frame in (("One step forward", 3), ("One step back", 2), ("One step back", 1)):
        page.get_by_role("button", name=button).click()
        check(look(page), START | {"frame": frame})


def test_playing_shows_every_snapshot_in_turn_to_the_end_and_then_from_the_first(page: Any, moved: Any) -> None:
    moved(START)
    for wanted in (["120", "400", "1000"], ["10", "20", "50", "120", "400", "1000"]):
        shown = page.evaluate(
            """() => new Promise(done => { const shown = [], play = document.querySelector('.gan-steps button'),
            label = document.querySelector('.gan-steps b'), watch = new MutationObserver(() => {
                shown.push(label.textContent); if (label.textContent === '1000') { watch.disconnect(); done(shown); } });
            watch.observe(label, {childList: true, characterData: true, subtree: true}); play.click();
            setTimeout(() => done(shown), 3000); })"""
        )
        assert shown == wanted
        page.get_by_role("button", name="Play").wait_for()
    check(look(page), START | {"frame": 5})


def test_ticks_that_are_hidden_or_shown_and_a_reset(page: Any, moved: Any) -> None:
    moved(SETTINGS["all"])
    for label in ("secret", "kept", "turned"):
        page.get_by_label(label).click()
    check(look(page), SETTINGS["all"], hidden={"kept"})
    page.get_by_role("button", name="Reset").click()
    seen = look(page)
    check(seen, START)
    boxes = {
        item["text"]: item["box"] for drawn in seen["panels"] for item in drawn["legend"] if item["box"] is not None
    }
    assert boxes == {"secret": False, "kept": True, "turned": False}


def test_the_legend_names_each_mark_in_its_own_look(moved: Any) -> None:
    for drawn, panel in zip(moved(START)["panels"], PANELS, strict=True):
        named = [(found, mark) for found, mark in zip(drawn["marks"], panel.marks, strict=False) if mark.label]
        for item, (found, mark) in zip(drawn["legend"], named, strict=True):
            assert item["text"] == (mark.label.replace("_", "") if not isinstance(mark, Heat) else f"{mark.label}")
            if isinstance(mark, Heat):
                assert item["words"] == f"{mark.lo:g}{mark.hi:g}{mark.label}".replace("-", "−")
                continue
            assert item["role"].split() == ["gan-key", f"gan-{mark.role}"]
            if mark.label == "secret":
                continue  # nothing is drawn yet
            look = ("name", "stroke", "dash", "cap", "width", "fill")
            assert [[p[k] for k in look] for p in item["paths"]] == [[p[k] for k in look] for p in found["paths"]]
            crosses = [len(strokes(p["d"], p["ctm"])) == 2 for p in item["paths"]]
            assert all(crosses) == (mark.role == "generator" and isinstance(mark, Points)) or isinstance(mark, Segments)


def expected_words(panel: Any, env: dict[str, Any], axes: Axes, x: float, y: float, hidden: set[str]) -> list[Any]:
    """Name and value of each row that the cursor shows at (x, y) of a panel."""
    rows: list[Any] = [(panel.xlabel, x)]
    if any(isinstance(mark, Heat) and mark.label not in hidden for mark in panel.marks):
        rows.append((panel.ylabel, y))
    for mark in panel.marks:
        if mark.label in hidden:
            continue
        if isinstance(mark, Heat):
            rows.append((mark.label, env[mark.z][abs(env["y"] - y).argmin(), abs(env["x"] - x).argmin()]))
        elif isinstance(mark, Line) and env[mark.y].ndim == 1:
            u, v = across(env, mark), env[mark.y]
            off = axes.of(mark).place(v) - axes.left.place(y) if mark.x else 0
            k = np.hypot(axes.x.place(u) - axes.x.place(x), off).argmin()
            rows.append((mark.label, (u[k], v[k]) if mark.x else v[k]))
    return rows


@pytest.mark.parametrize("settings", ["start", "all"])
@pytest.mark.parametrize("k", range(4))
def test_the_cursor_says_what_each_curve_is_worth_there(page: Any, moved: Any, k: int, settings: str) -> None:
    """Also left of where a curve is defined, at the ends and on both sides of the middle."""
    drawn, env, panel = moved(SETTINGS[settings])["panels"][k], FIGURE.evaluate(**SETTINGS[settings]), PANELS[k]
    axes, (left, *_) = read_axes(drawn), drawn["plot"]
    for u, v in ((0.11, 0.2), (0.44, 0.83), (0.64, 0.42), (0.96, 0.66)):
        x, y = (lo + t * (hi - lo) for t, (lo, hi) in ((u, panel.x), (v, panel.y)))
        page.mouse.move(float(axes.x.place(x)), float(axes.left.place(y)))
        tip = page.locator(".gan-tip").nth(k)
        assert tip.get_attribute("role") == "status"
        rows = [
            line.split("\t")
            for line in tip.evaluate(
                "e => [...e.children].map(d => [...d.children].map(c => c.textContent).join('\\t'))"
            )
        ]
        wanted = expected_words(panel, env, axes, x, y, {"secret", "turned"})
        assert [name for name, _ in rows] == [name.replace("p_", "p") for name, _ in wanted]
        for (name, text), (_, value) in zip(rows, wanted, strict=True):
            texts, values = text.strip("()").split(", "), np.atleast_1d(value)
            for one, v in zip(texts, values, strict=True):
                if name in (panel.xlabel, panel.ylabel):
                    assert number(one) == pytest.approx(v, abs=2e-3 * np.ptp(panel.x))
                else:
                    assert np.isnan(number(one)) == np.isnan(v) or not np.isfinite(v)
                    if np.isfinite(v):
                        near(one, v)
        at = strokes(look(page)["panels"][k]["cursor"], drawn["window"][0])[0][:, 0]
        np.testing.assert_allclose(at, axes.x.place(x), atol=0.4)
        box = tip.bounding_box()
        assert left - 1 <= box["x"]
        assert box["x"] + box["width"] <= drawn["plot"][2] + 1
        assert box["x"] > at[0] or box["x"] + box["width"] < at[0], "the words do not cover what they tell of"


def test_the_arrow_keys_move_the_cursor_by_a_sixtieth(page: Any, moved: Any) -> None:
    moved(START)
    plot, tip = page.locator(".gan-plot > svg").nth(1), page.locator(".gan-tip").nth(1)
    plot.focus()
    at = np.array([1.0, 0.5])
    for key, step in (
        ("Right", (1, 0)),
        ("Up", (0, 1)),
        ("Up", (0, 1)),
        ("Left", (-1, 0)),
        ("Left", (-1, 0)),
        ("Down", (0, -1)),
    ):
        plot.press(f"Arrow{key}")
        at = at + np.array(step) * [8 / 60, 3 / 60]
        said = [number(t) for t in tip.locator("b").all_inner_texts()[:2]]
        np.testing.assert_allclose(said, at, atol=2e-3)
    plot.press("Escape")
    assert tip.is_hidden()


def test_words_in_place_of_a_picture_say_the_same_numbers() -> None:
    said = dict(pair.split(" = ") for pair in repr(FIGURE).splitlines()[-1].split("; "))
    assert list(said) == [label for label, *_ in READOUT]
    assert (said["tiny"], said["rate"], said["small"], said["below"]) == ("0.000335", "0.000335", "0.00123", "-12.35")


def test_without_a_script_there_are_the_words_and_the_caption(browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_content(f"<body>{FIGURE.to_html()}")
    assert page.locator(".gan-body").inner_text().strip() == "A lopsided figure."
    assert page.locator("figcaption").inner_text().strip() == "Look at p_g."
    context.close()
