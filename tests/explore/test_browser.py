"""Tests of the figures in a browser: every control, the keyboard, both themes, a phone, frames without a network."""

from __future__ import annotations

import html as html_module
import math
import statistics

import pytest
from figures import everything, figure, two_gaussians
from scipy import stats

from gan_edu.explore import Heat, Panel
from gan_edu.explore.marks import ROLES


def picture(page) -> str:
    """Every path, tint and number that the figure shows, after the next paint."""
    return page.evaluate(
        """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(JSON.stringify([
        [...document.querySelectorAll('figure path')].map(p => p.parentNode.style.display || p.getAttribute('d')),
        [...document.querySelectorAll('canvas')].map(c => c.style.display || c.toDataURL()),
        document.querySelector('output').textContent])))))"""
    )


def move(page, selector: str, value: float) -> None:
    page.locator(selector).evaluate(
        "(e, v) => { e.value = v; e.dispatchEvent(new Event('input')); e.dispatchEvent(new Event('change')); }", value
    )


def test_jupyterlab_leaves_every_control_its_keys(show):
    page = show(everything().to_html())
    bare = page.evaluate(
        """() => [...document.querySelectorAll('.gan-figure *')]
            .filter(e => e.tabIndex >= 0 && !e.hasAttribute('data-lm-suppress-shortcuts')).map(e => e.outerHTML)"""
    )
    assert not bare


def test_every_control_changes_the_picture_and_reset_restores_it(show):
    page = show(everything().to_html())
    first = seen = picture(page)
    inputs = page.locator("input[type=range]").count()
    assert inputs == 2
    for i in range(inputs):
        move(page, f"input[type=range] >> nth={i}", 2 if i == 0 else -1)
        seen, before = picture(page), seen
        assert seen != before
    for i in range(page.locator("select").count()):
        move(page, f"select >> nth={i}", 1)
        seen, before = picture(page), seen
        assert seen != before
    page.locator("input[type=checkbox]").click()
    assert picture(page) != seen
    page.get_by_role("button", name="Reset").click()
    assert picture(page) == first


def test_controls_have_names_and_values_in_words(show):
    page = show(everything().to_html())
    slider = page.get_by_role("slider", name="mean of p")
    assert slider.get_attribute("aria-valuetext") == "2.00"
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "2.05"
    assert page.get_by_role("slider", name="step").get_attribute("aria-valuetext") == "0"
    assert page.get_by_role("group", name="A figure.").count() == 1
    assert page.locator("output").get_attribute("aria-live") == "polite"


def test_play_steps_through_the_frames_and_stops_at_the_end(show):
    fig = everything()
    fig.spec["ms"] = 20
    page = show(fig.to_html())
    frame = page.get_by_role("slider", name="step")
    page.get_by_role("button", name="One step forward").click()
    assert frame.input_value() == "1"
    page.get_by_role("button", name="One step back").click()
    assert frame.input_value() == "0"
    # Both in one go: a loaded machine may play to the end before it is asked again.
    assert page.get_by_role("button", name="Play").evaluate("b => { b.click(); return b.ariaLabel }") == "Pause"
    page.wait_for_function("document.querySelector('input[type=range]').value === '4'")
    page.get_by_role("button", name="Play").wait_for()


@pytest.mark.parametrize("calm", [False, True])
def test_autoplay_only_where_motion_is_welcome(show, calm):
    fig = everything()
    fig.spec |= {"ms": 20, "autoplay": True}
    page = show(fig.to_html(), reduced_motion="reduce" if calm else "no-preference")
    if calm:
        page.wait_for_timeout(300)
        assert page.get_by_role("slider", name="step").input_value() == "0"
    else:
        page.wait_for_function("document.querySelector('input[type=range]').value !== '0'")


def test_cursor_reads_out_values_by_mouse_and_keyboard(show):
    page = show(two_gaussians().to_html())
    plot, tip = page.locator(".gan-plot > svg"), page.locator(".gan-tip")
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 100)
    assert "pdata" in tip.inner_text()
    page.mouse.move(0, 0)
    assert tip.is_hidden()
    plot.focus()
    plot.press("ArrowRight")
    x, density = (float(t.replace("−", "-")) for t in tip.locator("b").all_inner_texts()[:2])
    assert density == pytest.approx(stats.norm.pdf(x), abs=2e-3)
    plot.press("Escape")
    assert tip.is_hidden()


def ink(page) -> str:
    return page.locator("path.gan-line").last.evaluate("e => getComputedStyle(e).stroke")


def test_dark_theme_has_its_own_colours(show):
    light, dark = (show(two_gaussians().to_html(), theme=theme) for theme in ("light", "dark"))
    assert ink(light) != ink(dark)
    unnamed = show(two_gaussians().to_html(), theme="", color_scheme="dark")
    assert ink(unnamed) == ink(dark)
    forced = show(two_gaussians().to_html(), theme="light", color_scheme="dark")
    assert ink(forced) == ink(light)


# What lies behind the figure, and how far each role's line stands out from it, by the formula of WCAG 2.
CONTRASTS = """roles => {
    const pen = Object.assign(document.createElement('canvas'), {width: 1, height: 1})
        .getContext('2d', {willReadFrequently: true});
    const pixel = colours => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = '#fff'; pen.fillRect(0, 0, 1, 1);
        for (const c of colours) { pen.fillStyle = c; pen.fillRect(0, 0, 1, 1); }
        return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3); };
    const light = rgb => rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const figure = document.querySelector('figure'), layers = [], plot = figure.querySelector('.gan-panel');
    for (let e = figure; e; e = e.parentElement) layers.unshift(getComputedStyle(e).backgroundColor);
    const ground = light(pixel(layers)), ratio = c => {
        const [a, b] = [light(pixel([...layers, c])), ground].sort((u, v) => v - u); return (a + 0.05) / (b + 0.05); };
    const found = {text: ratio(getComputedStyle(figure).color)};
    for (const role of roles) {
        const line = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
        line.innerHTML = `<g class="gan-${role}"><path class="gan-line"/></g>`;
        plot.append(line); found[role] = ratio(getComputedStyle(line.querySelector('path')).stroke); line.remove();
    }
    return found; }"""
PAGES = {
    "named light": ("light", ""),
    "light": ("light", "body { background: #fff; color: #222 }"),
    "dark": ("dark", "html { background: #14181e; color: #ced6dd }"),
    "nameless": ("", ""),
    "dark frame": ("", "body { background: #111; color: #eee }"),
    "light frame": ("", "body { background: #fffff8; color: #111 }"),
    "wide gamut": ("", "body { background: color(display-p3 0.1 0.1 0.12); color: oklch(0.9 0 0) }"),
    "light card": ("dark", "html { background: #111; color: #eee } div.card { background: #f4f4f4; color: #222 }"),
    "veil": ("", "body { background: #fff } div.card { background: #000c; color: #eee }"),
    "wrong name": ("light", "body { background: #1e1e1e; color: #d4d4d4 }"),
    "dark text forgotten": ("", "body { background: #111 }"),
    "dark scheme": ("", ":root { color-scheme: light dark }"),
}


@pytest.mark.parametrize("system", ["light", "dark"])
@pytest.mark.parametrize("kind", PAGES)
def test_every_line_stands_out_from_what_the_figure_stands_on(show, kind, system):
    theme, style = PAGES[kind]
    if kind == "dark scheme" and system == "dark":
        style += " html { background: #121212 }"  # what the browser paints by itself, which no script can read
    card = f"<style>{style}</style><div class=card>{two_gaussians().to_html()}</div>"
    found = show(card, theme=theme, color_scheme=system).evaluate(CONTRASTS, [*ROLES])
    assert {*found} == {"text", *ROLES}
    assert min(found.values()) >= 3, found
    assert found["text"] >= 7


def test_the_figure_follows_a_theme_that_changes_later(show):
    style = "<style>body.night { background: #111; color: #eee }</style>"
    page = show(style + two_gaussians().to_html(), theme="")
    first = ink(page)
    page.evaluate("document.body.className = 'night'")
    page.wait_for_selector("figure[data-ground=dark]")
    assert ink(page) != first
    assert min(page.evaluate(CONTRASTS, [*ROLES]).values()) >= 3
    page.evaluate("document.body.className = ''")
    page.wait_for_selector("figure:not([data-ground])")
    assert ink(page) == first
    page.evaluate("document.querySelector('style').textContent = 'body { background: #111; color: #eee }'")
    page.locator("figure").hover()  # nothing tells of a style sheet that changes
    assert min(page.evaluate(CONTRASTS, [*ROLES]).values()) >= 3


def test_without_a_ground_light_text_tells_of_a_dark_page(show):
    page = show(f"<style>body {{ color: #ddd }}</style>{two_gaussians().to_html()}", theme="")
    assert page.locator("figure").get_attribute("data-ground") == "dark"


def test_a_figure_is_printed_on_white(show):
    style = "<style>body { background: #111; color: #eee } @media print { body { background: #fff } }</style>"
    page = show(style + everything().to_html(), theme="dark")
    page.emulate_media(media="print")
    assert min(page.evaluate(CONTRASTS, [*ROLES]).values()) >= 3
    look = page.locator("figure").evaluate("e => [getComputedStyle(e).color, getComputedStyle(e).breakInside]")
    assert look == ["rgb(0, 0, 0)", "avoid"]
    assert page.locator("figure button:visible").count() == 0
    assert page.locator("figure output").is_visible()


def test_a_tint_ends_in_the_colours_of_generator_and_data(show):
    panel = Panel(x=(-6, 6), y=(-3, 3), marks=[Heat("x + 0*y", lo=-1, hi=1)])
    pixels = show(figure(panels=[panel]).to_html()).evaluate(
        """() => { const c = document.querySelector('canvas');
        const row = [...c.getContext('2d').getImageData(0, 0, c.width, 1).data];
        return [row.slice(0, 4), row.slice(-4)]; }"""
    )
    for role, pixel in zip(("generator", "data"), pixels, strict=True):
        wanted = [int(ROLES[role][0][i : i + 2], 16) for i in (1, 3, 5)]
        assert pixel[:3] == pytest.approx(wanted, abs=2)  # the canvas stores them multiplied with the opacity


def test_a_phone_shows_everything_in_a_legible_size(show):
    page = show(everything().to_html(), width=390)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    sizes = page.locator("svg text").evaluate_all(
        "all => all.map(t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a)"
    )
    assert min(sizes) >= 9.5


def test_two_figures_share_one_page(show):
    page = show(two_gaussians().to_html() + everything().to_html())
    assert page.locator("figure[data-ready='1']").count() == 2


def test_sandboxed_frame(show):
    inner = html_module.escape(f"<!doctype html><html><body>{two_gaussians().to_html()}", quote=True)
    page = show(
        f'<iframe sandbox="allow-scripts" style="width: 700px; height: 600px" srcdoc="{inner}"></iframe>', ready=False
    )
    frame = page.frame_locator("iframe")
    frame.locator("figure[data-ready='1']").wait_for()
    assert frame.locator("path.gan-line").first.get_attribute("d").startswith("M")


def test_scripts_that_run_after_insertion(show):
    page = show("<div id=output></div>", ready=False)
    page.evaluate(
        """text => { const place = document.getElementById('output'); place.innerHTML = text;
        for (const old of place.querySelectorAll('script')) {
          const script = document.createElement('script'); script.type = old.type; script.textContent = old.textContent;
          old.replaceWith(script); } }""",
        two_gaussians().to_html(),
    )
    page.wait_for_selector("figure[data-ready='1']")


def test_other_language(show):
    page = show(two_gaussians().to_html(), lang="zh-CN")
    assert page.locator(".gan-heading").inner_text() == "两个高斯"
    assert page.get_by_role("button", name="重置").count() == 1


def test_a_broken_figure_keeps_its_text(show):
    page = show(two_gaussians().to_html().replace('{"title"', '{"title', 1), ready=False)
    page.wait_for_selector("figure[data-ready='0']")
    assert "Two bell curves" in page.locator("figure").inner_text()


def test_input_to_paint(show):
    page = show(everything().to_html())
    median = math.inf
    for _ in range(10):  # what else the machine does, the other workers' tests included, only adds
        # What the handler takes, and the frame after it from its beginning until it is painted; the wait for that
        # frame is the screen's.
        times = page.evaluate(
            """async () => { const slider = document.querySelectorAll('input[type=range]')[1], times = [];
            for (let k = 0; k < 40; k++) { let begun; requestAnimationFrame(() => { begun = performance.now() });
              const from = performance.now(); slider.value = -4 + k / 5; slider.dispatchEvent(new Event('input'));
              const handled = performance.now() - from;
              await new Promise(done => requestAnimationFrame(() => { const late = new MessageChannel();
                late.port1.onmessage = done; late.port2.postMessage(0); }));
              times.push(handled + performance.now() - begun); }
            return times; }"""
        )
        assert math.isfinite(max(times))
        median = min(median, statistics.median(times))
        if median < 33:
            break
    print(f"input to paint: {median:.1f} ms")
    assert median < 33, f"input to paint may take two frames, 33 ms, and takes {median:.0f}"
