"""Tests of the roles: one palette on paper, in the figures of the page and on the page around them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gan_edu.explore import style
from gan_edu.explore.marks import ROLES

BOOK = (Path(__file__).resolve().parents[2] / "book" / "assets" / "book.css").read_text(encoding="utf-8")
HEX = r"#[0-9A-Fa-f]{3,8}\b"


def colour(text: str) -> tuple[int, ...]:
    """Red, green and blue, whether written with three digits or with six; opacity is left out."""
    digits = text.lstrip("#")
    digits = "".join(2 * d for d in digits) if len(digits) < 6 else digits
    return tuple(int(digits[i : i + 2], 16) for i in (0, 2, 4))


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """As WCAG 2 defines it."""

    def luminance(rgb: tuple[int, ...]) -> float:
        linear = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


PAPER = {role: colour(look[0]) for role, look in ROLES.items()}
PAIRS = {
    role: (colour(light), colour(dark))
    for role, light, dark in re.findall(rf"--gan-(\w+): light-dark\(({HEX}), ({HEX})\)", style())
}


def theme(selector: str) -> dict[str, tuple[int, ...]]:
    """The colours that the stylesheet of the book names under a selector."""
    block = re.search(rf"^{re.escape(selector)} \{{(.*?)^\}}", BOOK, re.DOTALL | re.MULTILINE)
    assert block, f"book.css must have a block {selector}"
    return {role: colour(text) for role, text in re.findall(rf"--gan-(\w+): ({HEX});", block[1])}


def test_paper_and_page_have_the_same_colours() -> None:
    assert {role: light for role, (light, _) in PAIRS.items() if role != "paper"} == PAPER
    scale = re.search(r"linear-gradient\((.*?)\)", style())
    assert scale
    assert {colour(text) for text in re.findall(HEX, scale[1])} == {PAPER["generator"], PAPER["data"]}


@pytest.mark.parametrize(("selector", "place"), [(":root", 0), ('html[data-theme="dark"]', 1)])
def test_the_page_around_has_the_same_colours(selector: str, place: int) -> None:
    named = theme(selector)
    named.pop("grey")  # of the page's words, not of a role
    assert len(named) > 2
    assert named == {role: PAIRS[role][place] for role in named}


@pytest.mark.parametrize("role", ROLES)
def test_each_colour_is_seen_in_both_themes(role: str) -> None:
    for shown, paper in zip(PAIRS[role], PAIRS["paper"], strict=True):
        assert contrast(shown, paper) >= 3


def test_the_optimal_discriminator_may_be_written_in_its_colour() -> None:
    assert contrast(PAPER["optimal"], colour("#fff")) >= 4.5
