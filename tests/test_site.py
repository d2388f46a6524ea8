"""The built pages in a browser, each served and opened as a file, with every other host cut off."""

from __future__ import annotations

import functools
import http.server
import json
import math
import re
import shutil
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    name
    for name in re.findall(r"(?:root|file): (book/\w+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    if any((ROOT / f"{name}{ending}").exists() for ending in (".ipynb", ".md"))
)
CHAPTERS = [name for name in PAGES if (ROOT / f"{name}.ipynb").exists()]

# What a figure shows, as text: its drawing, what is painted on its canvases, its numbers.
PICTURE = """figure => [...figure.querySelectorAll('svg')].map(e => e.innerHTML).join() +
    [...figure.querySelectorAll('canvas')].map(e => e.toDataURL()).join() +
    [...figure.querySelectorAll('output')].map(e => e.textContent).join()"""
# A figure may draw in the next frame.
NEXT_FRAME = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
MOVE = f"""async (slider, share) => {{
    slider.value = Number(slider.min) + share * (slider.max - slider.min)
    slider.dispatchEvent(new Event('input', {{bubbles: true}}))
    await ({NEXT_FRAME})()
}}"""
# Milliseconds of work from moving a slider until the picture is laid out: what the handler takes, and what is drawn
# in the frame after it. The wait for that frame is the screen's.
TIME_INPUT = """slider => new Promise(done => {
    const [low, high] = [Number(slider.min), Number(slider.max)], times = []
    const once = left => {
        if (!left) return done(times)
        let begun
        requestAnimationFrame(() => { begun = performance.now() })
        slider.value = low + (high - low) * ((left * 0.37) % 1)
        const start = performance.now()
        slider.dispatchEvent(new Event('input', {bubbles: true}))
        const handled = performance.now() - start
        requestAnimationFrame(() => {
            slider.closest('figure').getBoundingClientRect()
            times.push(handled + performance.now() - begun)
            once(left - 1)
        })
    }
    once(15)
})"""


@pytest.fixture(scope="module")
def served(html: Path) -> Iterator[str]:
    """The address at which the pages are served."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(html))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(params=["served", "file"])
def base(request: pytest.FixtureRequest, html: Path, served: str) -> str:
    return served if request.param == "served" else html.as_uri()


class Visit:
    """A page that is opened with every other host cut off, and what it asked for and complained about."""

    def __init__(self, browser: Any, base: str, width: int = 1280, scheme: str = "light") -> None:
        self.base, self.outside, self.errors = base, [], []
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        # A loaded machine may take its time: how fast a page must be, `test_speed` says.
        self.context.set_default_timeout(120_000)
        self.context.route(re.compile(rf"^(?!{re.escape(base)}|data:|blob:)"), self._cut_off)
        self.page = self.context.new_page()
        self.page.on(
            "console", lambda said: self.errors.append(said.text) if said.type in ("error", "warning") else None
        )
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("requestfailed", lambda request: self.errors.append(f"{request.url} failed"))
        self.page.on(
            "response",
            lambda response: (
                self.errors.append(f"{response.url} {response.status}") if response.status >= 400 else None
            ),
        )

    def _cut_off(self, route: Any) -> None:
        self.outside.append(route.request.url)
        route.abort()

    def open(self, name: str) -> Any:
        self.page.goto(f"{self.base}/{name}.html", wait_until="load")
        # All that the page starts by itself: figures mounted, formulas set.
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('figure.gan-figure')].every(f => f.dataset.ready === '1')"
            " && document.querySelectorAll('mjx-container').length >= document.querySelectorAll('.math').length"
        )
        return self.page

    def complaints(self) -> list[str]:
        return [f"asked for {url}" for url in self.outside] + self.errors


@pytest.fixture
def visit(browser: Any, base: str) -> Iterator[Visit]:
    made = Visit(browser, base)
    yield made
    made.context.close()


def check_formulas(page: Any) -> None:
    """Every formula is set (`Visit.open` has waited for that), and none with an error."""
    assert page.locator("mjx-merror").count() == 0, page.locator("mjx-merror").first.text_content()
    raw = page.evaluate("document.querySelector('article').innerText.match(/\\$\\$|\\\\\\(|\\\\frac|\\\\mathrm/)")
    assert raw is None, f"{raw} is shown raw"


def check_figures(page: Any) -> None:
    """Every slider has a label and moves its picture; every figure has a caption."""
    # Laboratories have tests of their own: their sliders change how they train.
    for number, figure in enumerate(page.query_selector_all("figure.gan-figure:not(.gan-laboratory)")):
        for slider in figure.query_selector_all("input[type=range]"):
            pictures = {figure.evaluate(PICTURE)}
            for share in (0.15, 0.5, 0.85):
                slider.evaluate(MOVE, share)
                pictures.add(figure.evaluate(PICTURE))
            label = slider.get_attribute("aria-label") or slider.evaluate("e => e.labels[0] && e.labels[0].textContent")
            assert label, f"a slider of figure {number} has no label"
            assert len(pictures) > 2, f"the slider {label!r} of figure {number} does not move its picture"
        assert figure.query_selector("figcaption"), f"figure {number} has no caption"


@pytest.mark.site
def test_a_request_elsewhere_is_cut_off_and_seen(visit: Visit) -> None:
    page = visit.open("book/references")
    assert visit.complaints() == []
    assert page.evaluate("fetch('http://127.0.0.1:9/x').then(() => 'answered', () => 'cut off')") == "cut off"
    assert visit.complaints()[0] == "asked for http://127.0.0.1:9/x"


@pytest.mark.site
@pytest.mark.parametrize("name", [*PAGES, "index", "search", "genindex"])
def test_page_works_asks_nothing_of_others_and_complains_of_nothing(visit: Visit, name: str) -> None:
    """One visit for all that can be seen of a page as it is first shown: most of the time goes into loading it."""
    page = visit.open(name)
    assert page.evaluate("document.documentElement.lang") == "en"
    if name in PAGES:
        check_formulas(page)
        check_figures(page)
    if name in CHAPTERS:
        assert page.locator("figure.gan-figure").count() >= 1, "a chapter must have a figure"
        assert page.locator("figure.gan-figure input[type=range], figure.gan-figure button").count() >= 1
    page.wait_for_timeout(300)
    assert visit.complaints() == []


# How far the text of a figure differs from what lies behind it, whatever lies behind it.
CONTRAST = """figure => {
    const luma = colour => {
        const [r, g, b] = colour.match(/[\\d.]+/g).map(Number)
        return 0.3 * r + 0.59 * g + 0.11 * b
    }
    let e = figure, ground = 'rgba(0, 0, 0, 0)'
    for (; e && /, 0\\)$|transparent/.test(ground); e = e.parentElement) {
        ground = getComputedStyle(e).backgroundColor
    }
    return Math.abs(luma(getComputedStyle(figure).color) - luma(ground))
}"""


@pytest.mark.site
@pytest.mark.parametrize("name", PAGES)
def test_page_fits_a_telephone_and_is_legible_in_the_dark(browser: Any, base: str, name: str) -> None:
    visit = Visit(browser, base, width=390, scheme="dark")
    try:
        page = visit.open(name)
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function(f"() => document.documentElement.dataset.theme === '{scheme}'")
            page.evaluate(NEXT_FRAME)
            wide = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
            assert wide[0] <= wide[1], f"the page is {wide[0]} px wide on a screen of {wide[1]} px ({scheme})"
            # What is cut off on the left cannot be scrolled to.
            cut = page.evaluate(
                "[...document.querySelectorAll('article div.math mjx-math, figure.gan-figure')]"
                ".filter(e => e.getBoundingClientRect().left < -1).length"
            )
            assert cut == 0
            for figure in page.query_selector_all("figure.gan-figure"):
                assert figure.evaluate("e => e.scrollWidth <= e.clientWidth + 1"), "a figure is wider than the screen"
                light = figure.evaluate(CONTRAST)
                assert light > 90, f"the text of a figure can hardly be told from its ground ({scheme})"
        assert visit.complaints() == []
    finally:
        visit.context.close()


@pytest.mark.site
def test_dark_theme_is_one_click_away(visit: Visit) -> None:
    page = visit.open(PAGES[0])
    theme = "document.documentElement.dataset.theme"
    seen = {page.evaluate(theme)}
    for _ in range(3):  # light, dark, as the system has it
        page.locator("button.theme-switch-button:visible").first.click()
        seen.add(page.evaluate(theme))
    assert seen == {"light", "dark"}
    assert visit.complaints() == []


# All text that would be printed in a colour of less than 4.5:1 on white (WCAG 2), and what stays of the screen.
ON_PAPER = """() => {
    const pen = Object.assign(document.createElement('canvas'), {width: 1, height: 1})
        .getContext('2d', {willReadFrequently: true})
    const light = colours => {
        for (const c of ['#fff', ...colours]) { pen.fillStyle = c; pen.fillRect(0, 0, 1, 1) }
        return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
    }
    const seen = e => e.checkVisibility({visibilityProperty: true}) && e.getClientRects().length
    const pale = [], all = [...document.querySelectorAll('body *')].filter(seen)
    for (const e of all) {
        const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())
        if (own && !e.closest('script, style, mjx-assistive-mml, [hidden]')) {
            const style = getComputedStyle(e), ink = light([style.fill && e.closest('svg') ? style.fill : style.color])
            if (1.05 / (ink + 0.05) < 4.5) pale.push(`${e.tagName}.${e.className}: ${e.textContent.slice(0, 40)}`)
        }
    }
    const dark = all.filter(e => !e.closest('figure.gan-figure') && light([getComputedStyle(e).backgroundColor]) < 0.8)
    const style = (selector, key) => [...new Set([...document.querySelectorAll(`article ${selector}`)]
        .map(e => getComputedStyle(e)[key]))].join()
    return {
        pale, dark: dark.map(e => `${e.tagName}.${e.className}`),
        text: getComputedStyle(document.querySelector('article p')).color, links: style('p a', 'color'),
        pieces: ['figure.gan-figure', 'blockquote', 'table', 'div.highlight pre', 'div.cell_output', 'img']
            .filter(s => !['', 'avoid'].includes(style(s, 'breakInside'))),
        screen: ['.bd-header', '.bd-sidebar-primary', '.bd-sidebar-secondary', '.bd-header-article', '.prev-next-area',
            'footer', 'button', '.headerlink', '.gan-print'].filter(s => [...document.querySelectorAll(s)].some(seen)),
        open: [...document.querySelectorAll('article details')].map(e => e.open),
    }
}"""


@pytest.mark.site
@pytest.mark.parametrize(("name", "scheme"), [*((name, "dark") for name in PAGES), (CHAPTERS[0], "light")])
def test_a_page_is_printed_in_black_on_white_and_in_whole_pieces(
    browser: Any, html: Path, name: str, scheme: str
) -> None:
    visit = Visit(browser, html.as_uri(), scheme=scheme)
    try:
        page = visit.open(name)
        details = page.locator("article details")
        if details.count():
            details.last.evaluate("e => { e.open = true }")
        left = page.evaluate("[...document.querySelectorAll('article details')].map(e => e.open)")
        page.emulate_media(media="print", color_scheme=scheme)
        page.wait_for_timeout(300)
        found = page.evaluate(ON_PAPER)
        assert {key: found[key] for key in ("pale", "dark", "pieces", "screen")} == {
            "pale": [], "dark": [], "pieces": [], "screen": [],
        }  # fmt: skip
        assert found["text"] == "rgb(0, 0, 0)"
        assert found["links"] in ("", "rgb(0, 0, 0)")
        assert found["open"] == left, "a solution is printed as the reader left it"
        assert page.pdf().startswith(b"%PDF")
        assert visit.complaints() == []
    finally:
        visit.context.close()


@pytest.mark.site
def test_one_button_prints_all_solutions_and_leaves_them_as_they_were(browser: Any, html: Path) -> None:
    visit = Visit(browser, html.as_uri())
    try:
        visit.page.add_init_script(
            """window.print = () => {
                window.printed = [...document.querySelectorAll('article details')].map(e => e.open)
                dispatchEvent(new Event('afterprint'))
            }"""
        )
        page = visit.open(CHAPTERS[0])
        page.locator("article details").last.evaluate("e => { e.open = true }")
        before = page.evaluate("[...document.querySelectorAll('article details')].map(e => e.open)")
        assert {*before} == {True, False}
        page.get_by_role("button", name="Print with all solutions").click()
        printed = page.evaluate("window.printed")
        assert len(printed) == len(before)
        assert all(printed)
        assert page.evaluate("[...document.querySelectorAll('article details')].map(e => e.open)") == before
    finally:
        visit.context.close()


@pytest.mark.site
def test_search_finds_a_word(visit: Visit) -> None:
    page = visit.page
    page.goto(f"{visit.base}/search.html?q=discriminator")
    page.wait_for_function("() => document.querySelectorAll('#search-results li').length > 0")
    page.locator("#search-results li a").first.click()
    page.wait_for_url(re.compile("/book/"))
    assert "discriminator" in page.locator("article").inner_text().lower()
    assert visit.complaints() == []


@pytest.mark.site
def test_pages_follow_each_other(visit: Visit, html: Path) -> None:
    order = re.findall(r"(?:root|file): (book/\w+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    page = visit.open("index")
    page.wait_for_url(re.compile(re.escape(order[0])))  # the front page leads to the introduction
    for following in order[1:]:
        page.locator("a.right-next").click()
        page.wait_for_url(re.compile(re.escape(following) + r"\.html"))
    page.locator("a.left-prev").click()
    page.wait_for_url(re.compile(re.escape(order[-2]) + r"\.html"))


@pytest.mark.site
def test_pages_of_an_unset_address_link_nowhere_of_ours(html: Path) -> None:
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    if "--your-account--" not in config:
        pytest.skip("an address is set, so the pages may show it")
    for name in PAGES:
        text = (html / f"{name}.html").read_text(encoding="utf-8")
        assert "colab.research.google" not in text, name
        assert not re.search(r'href="[^"]*--your-account--', text), name


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of a copy of the book that has an address."""
    copy = tmp_path_factory.mktemp("published")
    for name in ("book", "gan_edu", "tools"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    for name in ("_config.yml", "_toc.yml", "README.md"):
        shutil.copy(ROOT / name, copy)
    # No test opens this page of the copy, and nothing takes as long to build.
    (copy / "book" / "api.md").write_text("# The package\n", encoding="utf-8")
    for command in (["retarget.py", "https://github.com/someone/a-book"], ["build.py"]):
        subprocess.run([sys.executable, str(copy / "tools" / command[0]), *command[1:]], check=True)
    return copy / "_build" / "html"


@pytest.mark.site
@pytest.mark.parametrize("name", CHAPTERS)
def test_pages_of_a_published_book_lead_to_colab(browser: Any, published: Path, name: str) -> None:
    visit = Visit(browser, published.as_uri())
    try:
        page = visit.open(name)
        wanted = f"https://colab.research.google.com/github/someone/a-book/blob/main/{name}.ipynb"
        links = page.eval_on_selector_all("a", "links => links.map(link => link.href)")
        panels = (ROOT / f"{name}.ipynb").read_text(encoding="utf-8").count("<!-- colab -->")
        expected = 2 + panels  # the button, the line under the title, and one beside each live panel
        assert links.count(wanted) == expected, "each link to Colab must open this notebook"
        assert "https://github.com/someone/a-book" in links
        assert visit.complaints() == []
    finally:
        visit.context.close()


@pytest.mark.site
def test_links_within_the_site_lead_somewhere(html: Path) -> None:
    for name in PAGES:
        folder = (html / name).parent
        text = re.sub(r"<script.*?</script>", "", (html / f"{name}.html").read_text(encoding="utf-8"), flags=re.S)
        for target in re.findall(r'(?:href|src)="([^"#?]+)[^"]*"', text):
            if not re.match(r"[a-z]+:|//", target):
                assert (folder / target).exists(), f"{name} links to {target}, which does not exist"


@pytest.mark.site
def test_sizes(html: Path) -> None:
    total = sum(path.stat().st_size for path in html.rglob("*") if path.is_file())
    print(f"the site takes {total / 1e6:.1f} MB")
    assert total <= 25e6, f"the site takes {total / 1e6:.1f} MB; it may take 25"
    for name in PAGES:
        size = (html / f"{name}.html").stat().st_size
        print(f"{name} takes {size / 1e3:.0f} kB")
        assert size <= 700e3, f"{name} takes {size / 1e3:.0f} kB; it may take 700"


@pytest.mark.site
@pytest.mark.parametrize("name", CHAPTERS)
def test_speed(visit: Visit, name: str) -> None:
    """The budgets are 1 s to the first figure and 16 ms from input to paint; a loaded machine gets three times that."""
    page = visit.page
    page.add_init_script(
        """new MutationObserver((_, o) => { if (document.querySelector('figure.gan-figure[data-ready="1"]')) {
            window.firstFigure = performance.now(); o.disconnect() } })
            .observe(document, {attributes: true, childList: true, subtree: true})"""
    )
    # What else the machine does, the other workers' tests included, only adds: the least of some tries counts.
    first = math.inf
    for _ in range(10):
        visit.open(name)
        seen = page.evaluate("window.firstFigure")
        assert seen is not None
        first = min(first, seen)
        if first < 3000:
            break
    print(json.dumps({"page": name, "first figure, ms": round(first)}))
    assert first < 3000
    for figure in page.query_selector_all("figure.gan-figure:not(.gan-laboratory)"):
        if slider := figure.query_selector("input[type=range]"):
            median = math.inf
            for _ in range(10):
                median = min(median, statistics.median(slider.evaluate(TIME_INPUT)))
                if median < 48:
                    break
            print(json.dumps({"page": name, "input to paint, ms (median)": round(median, 1)}))
            assert median < 48
