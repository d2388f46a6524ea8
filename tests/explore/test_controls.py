"""Tests that every control does what it says, and nothing else: keys, Play, Reset, choices, boxes, what is read aloud.

After every move the whole figure is looked at.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from figures import figure, two_gaussians
from lopsided import BOXES, CHOICES, FIGURE, MS, SLIDERS, START, TELL, WORDS, after, check, lopsided, play, press

from gan_edu.explore import Slider

# -- sliders

RANGES = {"the shift": ("shift", 0.05, 0.1, 12, 1), "gain": ("gain", -3, 2, 3, 1), "step": ("frame", 0, 1, 5, 1)}


@pytest.mark.parametrize("label", RANGES)
def test_every_key_moves_a_slider_as_far_as_it_should(show, label):
    name, lo, step, last, page_step = RANGES[label]
    page, k = show(FIGURE.to_html()), round((START[name] - lo) / step)
    slider = page.get_by_role("slider", name=label, exact=True)
    moves = {
        "ArrowRight": 1,
        "ArrowUp": 1,
        "ArrowLeft": -1,
        "ArrowDown": -1,
        "PageUp": page_step,
        "PageDown": -page_step,
    }
    moves |= {"Home": -99, "End": 99}
    for key in [
        *moves,
        "ArrowRight",
        "ArrowUp",
        "PageUp",
        "PageDown",
        "ArrowLeft",
        "Home",
        "ArrowLeft",
        "ArrowDown",
        "ArrowUp",
    ]:
        slider.press(key)
        k = max(0, min(last, k + moves[key]))
        value = lo + k * step
        check(page, **{name: round(value, 2) if name == "shift" else value})


@pytest.mark.parametrize(
    ("slider", "texts"),
    [
        (Slider(0.05, 1, 0.1, 0.15), ["0.15", "0.25"]),
        (Slider(-1, 1, 0.5, -0.5), ["-0.5", "0.0"]),
        (Slider(0, 1e-5, 2.5e-7, 5e-7), ["0.00000050", "0.00000075"]),
        (Slider(100, 900, 100, 200), ["200", "300"]),
        (Slider(0.125, 2, 1, 0.125), ["0.125", "1.125"]),
    ],
    ids=str,
)
def test_a_slider_shows_its_value_to_the_last_digit(show, slider, texts):
    page = show(figure(sliders={"a": slider}).to_html())
    for text in texts:
        shown = [page.locator(".gan-slider b").inner_text(), page.get_by_role("slider").get_attribute("aria-valuetext")]
        assert [t.replace("−", "-") for t in shown] == [text] * 2
        page.get_by_role("slider").press("ArrowRight")


# -- Play


# A figure draws itself anew when its width has changed, which observers are told in their order.
LAID_OUT = """() => new Promise(done => new ResizeObserver((_, me) => { me.disconnect(); done(); })
    .observe(document.querySelector('.gan-panels')))"""


@pytest.fixture
def paused(show):
    """Open a figure whose time stands still until `pass_by` moves it."""

    def go(body: str, **options):
        page = show(body, **options)
        page.clock.install()
        page.clock.pause_at("2100-01-01")
        return page

    return go


def test_play_shows_every_frame_once_and_stops_at_the_end(paused):
    page = paused(FIGURE.to_html())
    page.evaluate(TELL)
    play(page)
    after(0, page, playing=True)
    for frame in (3, 4, 5):
        after(1, page, playing=True, frame=frame)
    after(1, page, frame=5)
    after(5, page, frame=5)
    assert {live for _, live in page.evaluate("told")} == {"off"}


def test_play_at_the_end_begins_again(paused):
    page = paused(lopsided(frame=5).to_html())
    play(page)
    after(0, page, playing=True, frame=0)
    after(2, page, playing=True, frame=2)


def test_pause_holds_the_frame_and_play_goes_on_from_there(paused):
    page = paused(FIGURE.to_html())
    for _ in range(3):
        play(page)
        press(page, "Pause")
    after(3, page)
    play(page)  # one clock runs, however often it was started
    after(1, page, playing=True, frame=3)
    press(page, "Pause")
    after(3, page, frame=3)
    play(page)
    after(1, page, playing=True, frame=4)


@pytest.mark.parametrize(("button", "far"), [("One step back", -1), ("One step forward", 1)])
def test_a_step_goes_one_frame_stops_playing_and_ends_at_the_ends(paused, button, far):
    page, frame = paused(FIGURE.to_html()), 3
    play(page)
    after(1, page, playing=True, frame=frame)
    for _ in range(5):
        press(page, button)
        frame = max(0, min(5, frame + far))
        after(1, page, frame=frame)


def test_what_is_moved_while_it_plays_is_kept(paused):
    page = paused(FIGURE.to_html())
    play(page)
    after(1, page, playing=True, frame=3)
    page.get_by_role("slider", name="gain", exact=True).press("ArrowLeft")
    page.get_by_role("combobox", name="member", exact=True).select_option("third")
    page.get_by_role("slider", name="step", exact=True).press("Home")
    after(1, page, playing=True, frame=1, gain=-1, member=2)


def test_reset_ends_playing_and_brings_everything_back(paused):
    page = paused(FIGURE.to_html())
    for name in BOXES:
        page.get_by_role("checkbox", name=name, exact=True).click()
    page.get_by_role("combobox", name="game", exact=True).select_option("minimax")
    page.get_by_role("combobox", name="member", exact=True).select_option("first")
    page.get_by_role("slider", name="the shift", exact=True).press("End")
    page.get_by_role("slider", name="gain", exact=True).press("Home")
    play(page)
    moved = {"frame": 3, "game": 0, "member": 0, "shift": 1.25, "gain": -3}
    after(1, page, playing=True, boxes={name: not on for name, on in BOXES.items()}, **moved)
    page.evaluate(TELL)
    press(page, "Reset")
    for _ in range(3):
        after(1, page)
    assert {live for _, live in page.evaluate("told")} == {"polite"}  # where one is now is said


def test_playing_ends_with_a_figure_that_is_taken_away(paused):
    page = paused(FIGURE.to_html())
    play(page)
    page.evaluate("window.old = document.querySelector('figure'); old.remove()")
    page.clock.run_for(3 * MS)
    page.evaluate("document.body.append(old)")
    page.evaluate(LAID_OUT)
    after(1, page)


def test_where_motion_is_not_welcome_a_figure_plays_only_when_told_to(paused):
    page = paused(lopsided(autoplay=True).to_html(), reduced_motion="reduce")
    after(3, page)
    play(page)
    after(1, page, playing=True, frame=3)


def test_a_figure_that_plays_by_itself_does_so_in_view_until_the_reader_takes_over(paused):
    far = "<div style='height: 3000px'></div>"
    page = paused(far + lopsided(autoplay=True).to_html() + far)
    # the observer of what is in view calls before the next frame but one of the true clock
    look = """where => { scrollTo(0, where * document.body.scrollHeight); return new Promise(done => {
        const e = document.querySelector('.gan-body'); let count = 0;
        new IntersectionObserver((_, me) => { me.disconnect(); done(); }).observe(e); }); }"""
    after(3, page)
    page.evaluate(look, 0.45)
    page.clock.run_for(20)
    after(1, page, playing=True, frame=3)
    page.evaluate(look, 0)
    after(3, page, frame=3)
    page.evaluate(look, 0.45)
    page.clock.run_for(20)
    after(1, page, playing=True, frame=4)
    page.locator(".gan-reset").press("Shift")
    page.evaluate(look, 0)
    page.evaluate(look, 0.45)
    after(0, page, playing=True, frame=4)  # it neither stops nor starts by itself any more
    press(page, "Pause")
    page.evaluate(look, 0)
    page.evaluate(look, 0.45)
    after(3, page, frame=4)


# -- choices and boxes


def test_a_choice_is_made_by_keys_and_by_the_mouse(show):
    page = show(FIGURE.to_html())
    member = page.get_by_role("combobox", name="member", exact=True)
    for key, value in (
        ("ArrowDown", 2),
        ("ArrowDown", 2),
        ("ArrowUp", 1),
        ("Home", 0),
        ("ArrowUp", 0),
        ("s", 1),
        ("End", 2),
    ):
        member.press(key)
        check(page, member=value)
    game = page.get_by_role("combobox", name="game", exact=True)
    game.select_option("minimax")
    check(page, member=2, game=0)
    assert game.locator("option").all_inner_texts() == ["minimax", "least squares"]


@pytest.mark.parametrize("name", BOXES)
def test_a_box_hides_and_shows_its_mark_alone(show, name):
    page = show(FIGURE.to_html())
    box, boxes = page.get_by_role("checkbox", name=name, exact=True), dict(BOXES)
    for act in (lambda: box.press("Space"), lambda: page.get_by_text(name, exact=True).click(), box.click):
        act()
        boxes[name] = not boxes[name]
        check(page, boxes=boxes)
    page.get_by_role("slider", name="gain", exact=True).press("ArrowUp")  # it stays so, and is drawn anew when shown
    check(page, gain=3, boxes=boxes)
    box.click()
    check(page, gain=3, boxes=boxes | {name: not boxes[name]})


def test_a_mark_that_is_shown_again_is_where_it_would_be(show):
    page, paths = show(FIGURE.to_html()), "all => all.map(e => e.getAttribute('d'))"
    lines = page.locator(".gan-plot svg svg path")
    for name in BOXES:
        page.get_by_role("checkbox", name=name, exact=True).set_checked(False)
    page.get_by_role("slider", name="the shift", exact=True).press("ArrowUp")
    page.get_by_role("combobox", name="member", exact=True).select_option("first")
    for name in BOXES:
        page.get_by_role("checkbox", name=name, exact=True).set_checked(True)
    sliders = SLIDERS | {"shift": replace(SLIDERS["shift"], value=0.45)}
    choices = CHOICES | {"member": replace(CHOICES["member"], value=0)}
    moved = show(lopsided(sliders=sliders, choices=choices).to_html())
    moved.get_by_role("checkbox", name="the bump", exact=True).set_checked(True)
    for one in (page, moved):
        check(one, shift=0.45, member=0, boxes={"the bump": True})
    assert lines.evaluate_all(paths) == moved.locator(".gan-plot svg svg path").evaluate_all(paths)


# -- what is said


def test_readouts_change_once_for_a_move_and_not_at_all_without_one(show):
    page = show(FIGURE.to_html())
    page.evaluate(TELL)
    page.get_by_role("slider", name="gain", exact=True).press("ArrowUp")
    check(page, gain=3)
    check(page, gain=3)
    assert page.evaluate("told") == [["OUTPUT", "polite"]]
    page.get_by_role("slider", name="gain", exact=True).evaluate(
        "e => { for (e.value of ['-3', '-1', '1']) e.dispatchEvent(new Event('input')) }"
    )
    check(page)
    assert page.evaluate("told.length") == 2  # several moves before a paint are told as one


@pytest.mark.parametrize("language", ["en", "zh", "de"])
def test_everything_has_its_name_in_the_language_of_the_page(show, language):
    known = "zh" if language == "zh" else "en"
    page = show(FIGURE.to_html(), lang=language)
    play, pause, back, forward, reset = WORDS[known]
    alt, left, shift, bump, squares = {
        "en": ("Waves of a game.", "Left", "the shift", "the bump", "least squares"),
        "zh": ("博弈的波。", "左", "位移", "包", "最小二乘"),
    }[known]
    hint = {"en": "Plot; the arrow keys move a cursor that reads out values", "zh": "图；方向键移动光标并读出数值"}[
        known
    ]
    named = [("group", alt), *(("img", f"{title}. {hint}") for title in (left, alt, "Time"))]
    named += [("slider", name) for name in ("step", shift, "gain")]
    named += [("combobox", name) for name in ("game", "member")]
    named += [("checkbox", name) for name in ("the wave", bump, "the rule", "the plane", "the loss")]
    named += [("button", name) for name in (play, back, forward, reset)]
    for role, name in named:
        assert page.get_by_role(role, name=name, exact=True).count() == 1, (role, name)
    reached = page.locator("figure :is(button, input, select, svg[tabindex])").count()
    assert reached == len(named) - 1  # the group is not stopped at
    assert page.get_by_role("combobox", name="game").locator("option").all_inner_texts() == ["minimax", squares]
    page.get_by_role("button", name=play, exact=True).click()
    button = page.get_by_role("button", name=pause, exact=True)
    assert button.evaluate("b => [b.textContent, b.title]") == [pause, pause]


def test_a_text_without_english_is_said_in_the_language_that_it_has(show):
    page = show(figure(sliders={"a": Slider(0, 1, 0.5, 0, {"fr": "moyenne"})}).to_html())
    assert page.get_by_role("slider", name="moyenne", exact=True).count() == 1


NUMBERS = (
    "0/0 –, 1/0 ∞, -1/0 −∞, 0 0, -1e-13 0, 0.25 0.2500, -1.5 −1.500, 12.345678 12.35, -987.66 −987.7, 0.001 0.0010"
)
NUMBERS += ", 99999 99999.0, 123456 1.23e+5, 0.00012345 1.23e−4, -1e-12 −1.00e−12, 9.9994 9.999, 0.99991 0.9999"


def test_a_number_is_shown_with_its_leading_digits(show):
    pairs = [pair.split() for pair in NUMBERS.split(", ")]
    page = show(figure(readout=[("a", source) for source, _ in pairs]).to_html())
    assert page.locator("output b").all_inner_texts() == [text for _, text in pairs]


# -- more than one figure, themes


def test_two_figures_do_not_disturb_each_other(paused):
    other = lopsided(frame=4)
    page = paused(FIGURE.to_html() + other.to_html())
    play(page, 1)
    page.get_by_role("slider", name="gain", exact=True).nth(1).press("Home")
    page.get_by_role("combobox", name="member", exact=True).nth(1).select_option("third")
    page.get_by_role("checkbox", name="the bump", exact=True).nth(1).click()
    after(1, page)
    check(page, 1, playing=True, paint=False, frame=5, gain=-3, member=2, boxes={"the bump": True})
    play(page, 0)
    press(page, "Reset", 1)
    after(1, page, playing=True, frame=3)
    check(page, 1, paint=False, frame=4)
    page.evaluate("ganExplore.mountAll()")  # as the script of a third figure would
    after(1, page, playing=True, frame=4)
    check(page, 1, paint=False, frame=4)


def test_a_theme_that_changes_moves_nothing(paused):
    page = paused(FIGURE.to_html(), theme="light")
    page.get_by_role("slider", name="gain", exact=True).press("Home")
    page.get_by_role("checkbox", name="the bump", exact=True).click()
    play(page)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    after(1, page, playing=True, frame=3, gain=-3, boxes={"the bump": True})
    page.set_viewport_size({"width": 500, "height": 800})  # nor does a page of another width
    page.evaluate(LAID_OUT)
    after(1, page, playing=True, frame=4, gain=-3, boxes={"the bump": True})


def test_without_frames_there_is_nothing_to_play_and_reset_works(show):
    page = show(two_gaussians().to_html())
    assert page.get_by_role("button").all_inner_texts() == ["Reset"]
    page.get_by_role("slider").press("End")
    page.get_by_role("checkbox").click()
    assert page.get_by_role("slider").input_value() == "4"
    press(page, "Reset")
    assert page.get_by_role("slider").input_value() == "2"
    assert page.get_by_role("checkbox").is_checked()
