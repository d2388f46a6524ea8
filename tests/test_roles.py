"""Tests of the roles by value: plots, figures, their style sheet and the book's all show one table of looks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drawings import LOOKS, lopsided
from matplotlib.colors import to_hex

from gan_edu.explore import style
from gan_edu.explore.marks import ROLES
from gan_edu.plots import COLORS, OPINION

ASSETS = Path(__file__).resolve().parents[1] / "book" / "assets"
KINDS = {"line": "gan-line", "thin": "gan-line gan-thin", "contour": "gan-line gan-contour", "rule": "gan-rule"}
KINDS |= {"band": "gan-band", "segments": "gan-segments", "dots": "gan-dots", "marker": "gan-marker"}
LOOK = """([roles, kinds]) => {
    const body = document.querySelector('.gan-panel'), found = {};
    for (const role of roles) {
        const drawing = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
        drawing.innerHTML = `<g class="gan-${role}" style="--size:5px">` +
            Object.values(kinds).map(k => `<path class="${k}"/>`).join('') + '</g>';
        body.append(drawing);
        found[role] = Object.fromEntries(Object.keys(kinds).map((k, i) => {
            const s = getComputedStyle(drawing.firstChild.children[i]);
            return [k, {stroke: s.stroke, fill: s.fill, dash: s.strokeDasharray, cap: s.strokeLinecap,
                width: parseFloat(s.strokeWidth)}]; }));
        drawing.remove();
    }
    return found; }"""


@pytest.fixture(scope="module", params=["light", "dark"])
def looks(request: pytest.FixtureRequest, browser: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The theme, and the computed look of each kind of mark in each role in it."""
    context = browser.new_context()
    page = context.new_page()
    page.set_content(f'<!doctype html><html lang="en" data-theme="{request.param}"><body>{lopsided().to_html()}')
    page.wait_for_selector("figure[data-ready='1']")
    yield request.param, page.evaluate(LOOK, [[*LOOKS], KINDS])
    context.close()


def rgb(colour: str) -> str:
    return "rgb({}, {}, {})".format(*(int(colour[i : i + 2], 16) for i in (1, 3, 5)))


def long(colour: str) -> str:
    """#abc as #aabbcc."""
    return colour.lower() if len(colour) > 4 else "#" + "".join(2 * c for c in colour[1:].lower())


def test_paper_has_these_looks() -> None:
    wanted = {role: (look["light"], look["paper_dash"], look["paper_wide"]) for role, look in LOOKS.items()}
    assert {role: (colour.lower(), dash, wide) for role, (colour, dash, wide) in ROLES.items()} == wanted
    assert {role: colour.lower() for role, colour in COLORS.items()} == {r: look["light"] for r, look in LOOKS.items()}


def test_the_style_sheets_name_these_colours() -> None:
    pairs = re.findall(r"--gan-(\w+): light-dark\((#\w+), (#\w+)\)", style())
    named = {role: (long(light), long(dark)) for role, light, dark in pairs if role in LOOKS}
    assert named == {role: (look["light"], look["dark"]) for role, look in LOOKS.items()}
    for sheet, themes in (("book.css", ["light", "dark"]), ("print.css", ["light"])):
        text = (ASSETS / sheet).read_text(encoding="utf-8")
        for role, look in LOOKS.items():
            found = [long(colour) for colour in re.findall(rf"--gan-{role}: (#\w+)", text)]
            assert found in ([], [look[theme] for theme in themes]), (sheet, role)


def test_lines_in_the_page_have_these_looks(looks: tuple[str, dict[str, Any]]) -> None:
    theme, found = looks
    for role, look in LOOKS.items():
        line = {"stroke": rgb(look[theme]), "fill": "none", "dash": look["dash"], "cap": look["cap"]}
        assert found[role]["line"] == line | {"width": look["wide"]}, role
        assert found[role]["thin"] == line | {"width": 1}, role
        assert found[role]["rule"] == line | {"width": 1.2}, role
        assert found[role]["contour"] == line | {"width": 1.8, "dash": "none"}, role
        assert found[role]["segments"]["stroke"] == rgb(look[theme])
        assert (found[role]["band"]["fill"], found[role]["band"]["stroke"]) == (rgb(look[theme]), "none")


def test_points_in_the_page_have_these_looks(looks: tuple[str, dict[str, Any]]) -> None:
    """A dot is where a pen of its size stands: its shape is how a line ends. A cross is drawn with a thin pen."""
    theme, found = looks
    for role, look in LOOKS.items():
        dots, marker = found[role]["dots"], found[role]["marker"]
        assert dots["stroke"] == marker["stroke"] == rgb(look[theme])
        assert (marker["cap"], marker["width"]) == ("round", 9)
        cross = look["dot"] == "cross"
        assert (dots["cap"], dots["width"]) == (("round", 1.6) if cross else (look["dot"], 5)), role


def test_symbols_on_paper_and_in_the_page_are_the_same() -> None:
    assert {(look["dot"], look["symbol"]) for look in LOOKS.values()} == {
        ("round", "o"),
        ("cross", "X"),
        ("square", "s"),
    }


def test_a_dash_shorter_than_its_pen_ends_round(looks: tuple[str, dict[str, Any]]) -> None:
    """A tenth of a pixel with straight ends would be seen by nobody."""
    for role, kinds in looks[1].items():
        for kind, drawn in kinds.items():
            if drawn["dash"] != "none" and float(drawn["dash"].split("px")[0]) < 1:
                assert drawn["cap"] == "round", (role, kind)


def test_what_d_believes_has_the_colours_of_generator_and_data() -> None:
    ends = [LOOKS["generator"]["light"], "#ffffff", LOOKS["data"]["light"]]
    assert [to_hex(OPINION(t)) for t in (0.0, 1.0)] == [ends[0], ends[2]]
    assert OPINION(0.5)[:3] == pytest.approx((1, 1, 1), abs=0.01)
    scale = re.search(r"linear-gradient\(90deg, (#\w{6})8c, (#\w{6})00 50%, (#\w{6})00 50%, (#\w{6})b3\)", style())
    assert scale
    assert [colour.lower() for colour in scale.groups()] == [ends[0], ends[0], ends[2], ends[2]]
