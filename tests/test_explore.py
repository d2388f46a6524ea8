"""Tests of gan_edu.explore: the numbers against closed forms, the page against numpy, and the pictures in a browser."""

from __future__ import annotations

import base64
import html as html_module
import io
import json
import math
import re
import statistics
import subprocess
import sys

import numpy as np
import pytest
from scipy import integrate, special, stats

from gan_edu import explore
from gan_edu.explore import (
    Choice,
    Figure,
    Heat,
    HLine,
    Line,
    Marker,
    Panel,
    Points,
    Segments,
    Slider,
    Snapshots,
    VLine,
)

PANEL = Panel(x=(-6, 6), y=(0, 1), marks=[HLine(0.5)])
PARTS = {"grids": {"x": (-6, 6, 401), "y": (-3, 3, 31)}, "sliders": {"mu": Slider(-4, 4, 0.05, 2.0, "mean of p_g")}}


def figure(formulas=None, panels=(PANEL,), **more) -> Figure:
    return Figure(**{"alt": "A figure.", "panels": panels, "formulas": formulas or {}, **PARTS, **more})


def two_gaussians() -> Figure:
    return figure(
        {
            "pd": "normal(x, 0, 1)",
            "pg": "normal(x, mu, 1)",
            "D": "pd / (pd + pg)",
            "JS": "integral(xlogy(pd, 2*pd/(pd + pg)) + xlogy(pg, 2*pg/(pd + pg)), x) / 2",
        },
        title={"en": "Two Gaussians", "zh": "两个高斯"},
        alt="Two bell curves and D* </script> <b>",
        caption="Move the mean of p_g.",
        grids={"x": (-14, 14, 801)},
        panels=[
            Panel(
                x=(-6, 6),
                y=(0, 0.8),
                right=(0, 1),
                xlabel="x",
                ylabel="density",
                marks=[
                    Line("pd", label="p_data", role="data"),
                    Line("pg", label="p_g", role="generator"),
                    Line("D", label="D*", role="optimal", axis="right", toggle=True),
                ],
            )
        ],
        readout={"JS(p_data, p_g)": "JS"},
    )


def everything() -> Figure:
    """Build a figure with every function, reduction, shape of snapshot and mark."""
    rng = np.random.default_rng(0)
    frames, members = 5, 3
    return figure(
        {
            "s": "sqrt(abs(mu)) + 0.5",
            "p": "normal(x, mu, s)",
            "q": "where(member == 1, exp(-x**2), where(game != 0, tanh(x)**2, cos(x) + 2)) / 3",
            "edges": "(x > mu) + (x >= 0)/2 + (x < -1)/4 + (x <= y)/8",
            "curves": "erf(x/2) + sigmoid(x) + softplus(mu*x) + log_sigmoid(3*x) - minimum(x, mu) + maximum(-x, 1)",
            "gap": "log(x)",
            "plane": "p * normal(y, 0.3, 1) + sin(x*y)/10",
            "area": "integral(plane, x, y)",
            "column": "integral(plane, x)",
            "top": "argmax(p, x)",
            "row": "argmax(plane, y)",
            "most": "maximum_over(plane, x)",
            "value": "at(p, x, mu/2)",
            "composed": "at(p, x, tanh(y) * 2)",
            "entropy": "-integral(xlogy(p, p), x)",
            "from_frame": "pg * 2 + frame + step/100 + pi",
            "shift": "members - at(loss, steps, step)",
            "norm": "sqrt(theta**2 + psi**2) + n/400",
            "last": "at(norm, n, 399.5)",
        },
        choices={"game": Choice(["minimax", "non-saturating"], "game"), "member": Choice(["1", "2", "3"])},
        steps=[0, 10, 20, 50, 100],
        snapshots={
            "pg": Snapshots(rng.random((2, members, frames, 401)), "x", over=("game", "member")),
            "tint": Snapshots(rng.random((frames, 31, 401)), ("y", "x"), lo=0, hi=1),
            "turned": Snapshots(rng.random((frames, 401, 31)), ("x", "y"), bits=16),
            "real": Snapshots(rng.normal(size=20), "real", fixed=True, bits=16),
            "loss": Snapshots(rng.random((3, frames)), over=("member",), time=True, bits=16),
            "members": Snapshots(rng.random((2, 7, frames)), over=("game",), time=True, many=True),
            "fan": Snapshots(rng.random((7, frames, 401)), "x", many=True),
            "score": Snapshots(rng.random(frames)),
        },
        iterate={"theta": ("1", "theta - 0.1*s*psi"), "psi": ("mu/4", "psi + 0.1*theta")},
        panels=[
            Panel(
                x=(-6, 6),
                y=(-3, 3),
                right=(0, 1),
                ylabel="y",
                xticks=[-5, 5],
                yticks=[(0, "zero")],
                marks=[
                    Heat("plane", hi=0.2, contour=0.1, label="tint"),
                    Heat("tint", contour=None, toggle=True, shown=False, label="second tint"),
                    Line("p", label="p", role="generator", band=("p*0.9", "p*1.1"), axis="right"),
                    Line("gap", label="log", role="third"),
                    Line("fan", thin=True),
                    Points("real", "0*real + mu/2", label="real", role="data"),
                    Points("real", "mu", role="generator", size=7),
                    Segments("y", 0, "y*s", 1, label="arrows", arrows=True, role="fourth"),
                    Marker("mu", "value", label="dot"),
                    VLine("top", role="fifth", label="top"),
                    HLine(0.5, axis="right"),
                ],
            ),
            Panel(x=(0, 100), y=(0, 1), marks=[Line("members", thin=True), Line("loss", label="loss", role="data")]),
            Panel(
                x=(-2, 2), y=(-2, 2), equal=True, marks=[Line("psi", x="theta", label="orbit", role="discriminator")]
            ),
        ],
        readout=[({"en": "area", "zh": "面积"}, "area"), ("twice", "2*last")],
        columns=2,
    )


# -- numbers


def test_js_of_two_gaussians_against_quadrature():
    fig = two_gaussians()
    for mu in (-4.0, 0.0, 0.5, 3.0):

        def integrand(x, mu=mu):
            p, q = stats.norm.pdf(x), stats.norm.pdf(x, mu)
            return (special.rel_entr(p, (p + q) / 2) + special.rel_entr(q, (p + q) / 2)) / 2

        assert fig.evaluate(mu=mu)["JS"] == pytest.approx(integrate.quad(integrand, -20, 20, limit=200)[0], abs=1e-9)


def test_functions_against_scipy():
    formulas = {
        "a": "normal(x, mu, 1.5)",
        "b": "erf(x)",
        "c": "xlogy(maximum(x, 0), x + 7)",
        "d": "log_sigmoid(500*x)",
        "e": "softplus(x)",
        "f": "sigmoid(x)",
        "g": "where(x > 1, x, -x)",
    }
    v = figure(formulas).evaluate(mu=1.0)
    x = v["x"]
    expected = {
        "a": stats.norm.pdf(x, 1, 1.5),
        "b": special.erf(x),
        "c": special.xlogy(np.maximum(x, 0), x + 7),
        "d": special.log_expit(500 * x),
        "e": np.logaddexp(0, x),
        "f": special.expit(x),
        "g": np.where(x > 1, x, -x),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(v[name], values, rtol=1e-13, atol=1e-15)


def test_reductions_against_closed_forms():
    formulas = {
        "one": "integral(normal(x, 0, 0.5) * normal(y, 0, 0.3), x, y)",
        "top": "argmax(-(x - mu)**2, x)",
        "most": "maximum_over(3 - (x - mu)**2, x)",
        "line": "at(2*x + 1, x, mu)",
        "beyond": "at(x, x, mu*10)",
        "chain": "at(x**2, x, y)",
    }
    v = figure(formulas).evaluate(mu=1.5)
    assert v["one"] == pytest.approx(1, abs=1e-9)
    assert v["top"] == pytest.approx(1.5)
    assert v["most"] == pytest.approx(3)
    assert v["line"] == pytest.approx(4)
    assert v["beyond"] == 6.0
    np.testing.assert_allclose(v["chain"], v["y"] ** 2, atol=1e-3)


def test_argmax_passes_over_nan():
    assert figure({"top": "argmax(log(x) - x, x)"}).evaluate()["top"] == pytest.approx(1, abs=0.02)


def test_rows_before_columns():
    v = figure({"plane": "x + 100*y"}).evaluate()
    assert v["plane"].shape == (31, 401)
    np.testing.assert_allclose(v["plane"], v["x"] + 100 * v["y"][:, None])


def test_iterated_map_against_a_loop():
    fig = figure(iterate={"theta": ("1", "theta - h*psi"), "psi": ("0", "psi + h*theta")}, formulas={"h": "mu/20"})
    v = fig.evaluate(mu=2.0)
    theta, psi = 1.0, 0.0
    for k in range(401):
        assert (v["theta"][k], v["psi"][k]) == pytest.approx((theta, psi))
        theta, psi = theta - 0.1 * psi, psi + 0.1 * theta


def test_an_orbit_ends_where_it_leaves_a_million():
    path = figure(iterate={"a": ("1", "10*a")}, iterations=9).evaluate()["a"]
    np.testing.assert_array_equal(path, [10.0**k for k in range(7)] + [np.nan] * 3)


def test_snapshots_follow_choice_and_frame_within_half_a_level():
    array = np.random.default_rng(1).normal(size=(2, 3, 401))
    for bits in (8, 16):
        fig = figure(
            choices={"game": Choice(["a", "b"])},
            steps=[0, 1, 2],
            snapshots={"p": Snapshots(array, "x", over=("game",), bits=bits)},
        )
        half = (array.max() - array.min()) / (2**bits - 1) / 2
        for game in range(2):
            for frame in range(3):
                error = np.abs(fig.evaluate(game=game, frame=frame)["p"] - array[game, frame])
                assert error.max() <= half * (1 + 1e-9)


def test_snapshots_of_every_shape():
    v = everything().evaluate(frame=3, member=2, game=1)
    assert v["turned"].shape == v["tint"].shape == (31, 401)
    assert v["fan"].shape == (7, 401)
    assert v["members"].shape == v["shift"].shape == (7, 5)
    assert v["loss"].shape == (5,)
    assert isinstance(v["score"], float)
    assert v["step"] == 50


def test_snapshots_are_clipped_to_the_given_range_and_may_be_constant():
    snaps = {
        "wild": Snapshots([-9.0, 0.5, 9.0], "sample", fixed=True, lo=0, hi=1, bits=16),
        "flat": Snapshots([2.0, 2.0, 2.0], "sample", fixed=True),
    }
    v = figure(snapshots=snaps).evaluate()
    np.testing.assert_allclose(v["wild"], [0, 0.5, 1], atol=1e-5)
    np.testing.assert_array_equal(v["flat"], 2)


# -- errors


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("pd +", "must be one Python expression"),
        ("nothing + 1", "unknown name 'nothing'; choose one of 'mu', 'x', 'y'"),
        ("__import__('os')", "is not allowed"),
        ("x.real", "is not allowed"),
        ("x[0]", "is not allowed"),
        ("(lambda: 1)()", "is not allowed"),
        ("'text'", "is not allowed"),
        ("True", "is not allowed"),
        ("1j", "is not allowed"),
        ("x if mu else y", "is not allowed"),
        ("0 < x < 1", "is not allowed"),
        ("x and y", "is not allowed"),
        ("exp(x=1)", "is not allowed"),
        ("neg(x)", "is not allowed"),
        ("eval(x)", "calls of 'abs', 'argmax', 'at'"),
        ("exp(x, y)", r"exp takes 1 argument\(s\), 2 given"),
        ("integral(x)", "integral takes 3 arguments, 1 given"),
        ("integral(x, mu)", "integral must run over one of 'x', 'y', got 'mu'"),
        ("integral(mu, x)", "needs an expression that depends on x"),
        ("at(x*y, x, 1)", "depends on x alone, not on 'y'"),
    ],
)
def test_what_a_formula_may_not_hold(source, words):
    with pytest.raises(ValueError, match=words):
        figure({"f": source})


def marks(*given, **more):
    return lambda: figure({"p": "x + mu"}, [Panel(x=(0, 1), y=(0, 1), marks=given)], **more)


def recorded(array, grid=None, **more):
    rest = {k: more.pop(k) for k in ("steps", "choices") if k in more}
    return lambda: figure(snapshots={"s": Snapshots(array, grid, **more)}, **rest)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: figure(alt=""), "text alternative"),
        (lambda: figure(grids={"x": (1, 0, 5)}), "lo < hi"),
        (lambda: figure(grids={"mu": (0, 1, 5)}), "used once"),
        (lambda: figure(grids={"pi": (0, 1, 5)}), "none of 'abs', 'argmax'"),
        (lambda: figure(grids={"a b": (0, 1, 5)}), "identifier"),
        (lambda: figure(sliders={"a": Slider(0, 1, 0.1, 2)}), "between lo and hi"),
        (lambda: figure(sliders={"a": Slider(0, 1, 0.1, 0.55)}), r"lo \+ k \* step"),
        (lambda: figure(sliders={"a": Slider(0, 1, 0, 0)}), "must start at"),
        (lambda: figure(choices={"a": Choice(["one"], value=1)}), "one of its options"),
        (lambda: figure(steps=[0, 0]), "steps must increase"),
        (lambda: figure(steps=[0, 1], frame=2), "index of steps"),
        (lambda: figure({"mu": "1"}), "new name"),
        (lambda: figure({"exp": "1"}), "new name"),
        (lambda: figure(iterate={"a": ("x", "a")}), "made of scalars"),
        (lambda: figure(iterate={"a": ("1", "a")}, iterations=0), "at least 1"),
        (lambda: figure(readout={"p": "x"}), "the readout 'p' must be a scalar, 'x' depends on 'x'"),
        (lambda: figure({"f": "a*x*y"}, snapshots={"a": Snapshots([1, 2], "c", fixed=True)}), "at most two axes"),
        (recorded(np.zeros(401), "x"), "give steps"),
        (recorded(np.zeros(400), "x", fixed=True), r"must have shape \(401,\).*got \(400,\)"),
        (recorded(np.full(401, np.nan), "x", fixed=True), "must be finite"),
        (recorded(np.zeros(401), "x", fixed=True, bits=12), "bits must be 8 or 16, got 12"),
        (recorded(np.zeros(401), "x", fixed=True, over=("game",)), "must name choices, none"),
        (recorded(np.zeros((3, 401)), "x", time=True, steps=[0, 1, 2]), "at most two of"),
        (recorded(np.zeros(401), "x", fixed=True, lo=1, hi=0), "lo <= hi"),
        (recorded(3.0, "sample", fixed=True), "must have one length"),
        (marks(Line("p", role="blue")), "unknown role 'blue'; choose one of 'data', 'discriminator'"),
        (marks(Line("p", axis="right")), "right="),
        (marks(Line("mu")), "depends on one variable"),
        (marks(Line("x*y", x="x")), "one axis besides 'many'"),
        (marks(Heat("p")), "a Heat must depend on two grids"),
        (marks(Marker("p", 1)), "x of Marker must be a scalar"),
        (marks(VLine("q")), "unknown name 'q'"),
    ],
)
def test_what_a_figure_may_not_be(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"nu": 1}, "evaluate takes 'frame', 'mu'; got 'nu'"),
        ({"mu": 5}, r"mu must lie in \[-4, 4\], got 5"),
        ({"frame": 1}, "frame must be an index from 0 to 0, got 1"),
    ],
)
def test_what_evaluate_may_not_take(values, words):
    with pytest.raises(ValueError, match=words):
        figure().evaluate(**values)


# -- output


def description(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)[1])


def test_the_same_figure_has_the_same_bytes():
    assert everything().to_html() == everything().to_html()
    assert everything().to_png() == everything().to_png()


def test_html_holds_data_and_the_one_script():
    text = everything().to_html()
    assert explore.script() in text
    assert explore.style() in text
    assert description(text) == json.loads(json.dumps(everything().spec))
    for banned in (
        "eval(",
        "new Function",
        "http://",
        "https://",
        "import(",
        "document.currentScript",
        "Math.random",
        " id=",
    ):
        assert banned not in text.replace("http://www.w3.org/2000/svg", ""), banned

    def walk(tree):
        if isinstance(tree, list):
            assert tree[0] in {*explore.FUNCTIONS, *explore.REDUCTIONS}
            for part in tree[1:]:
                walk(part)
        else:
            assert isinstance(tree, float) or tree.isidentifier()

    for item in everything().spec["program"]:
        for tree in [item[1]] if isinstance(item, list) else [t for pair in item.values() for t in pair]:
            walk(tree)


def test_script_text_cannot_end_its_element():
    assert "</" not in explore.script()
    text = two_gaussians().to_html()
    assert text.count("</script>") == 2
    assert description(text)["alt"] == "Two bell curves and D* </script> <b>"
    assert html_module.escape("</script> <b>") in text


def test_mimebundle():
    bundle = two_gaussians()._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/png", "text/plain"}
    assert bundle["text/plain"] == "Two Gaussians\nTwo bell curves and D* </script> <b>\nJS(p_data, p_g) = 0.3368"


@pytest.mark.parametrize("make", [two_gaussians, everything, figure])
def test_png_is_a_picture(make):
    from matplotlib.image import imread

    picture = imread(io.BytesIO(base64.b64decode(make()._repr_mimebundle_()["image/png"])))
    assert picture.shape[1] == 640
    assert picture[..., :3].std() > 0.01


def test_import_loads_neither_torch_nor_matplotlib():
    code = "import sys; from gan_edu import explore; print([m for m in ('torch', 'matplotlib', 'ipywidgets') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# -- the page


@pytest.fixture
def show(browser):
    """Open HTML in a page; when the test ends there must have been no request and no word on the console."""
    opened = []

    def go(body: str, *, theme="light", width=1280, lang="en", ready=True, **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        page, said = context.new_page(), []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on(
            "request", lambda request: said.append(request.url) if request.url[:5] not in ("about", "data:") else None
        )
        opened.append((context, said))
        page.set_content(f'<!doctype html><html lang="{lang}"{theme and f" data-theme={theme}"}><body>{body}')
        if ready:
            page.wait_for_selector("figure[data-ready='1']")
        return page

    yield go
    for context, said in opened:
        context.close()
        assert said == []


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


def close(page_value, numpy_value) -> bool:
    a, b = np.ravel(np.array(page_value, dtype=float)), np.ravel(numpy_value)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        return a.shape == b.shape and bool(np.all(same | (np.abs(a - b) <= 1e-12 * np.maximum(1, np.abs(b)))))


def test_jupyterlab_leaves_every_control_its_keys(show):
    page = show(everything().to_html())
    bare = page.evaluate(
        """() => [...document.querySelectorAll('.gan-figure *')]
            .filter(e => e.tabIndex >= 0 && !e.hasAttribute('data-lm-suppress-shortcuts')).map(e => e.outerHTML)"""
    )
    assert not bare


def test_page_agrees_with_numpy(show):
    fig, rng = everything(), np.random.default_rng(7)
    page = show(fig.to_html())
    spec = json.loads(json.dumps(fig.spec))
    for _ in range(25):
        values = {
            "mu": float(rng.uniform(-4, 4)),
            "frame": int(rng.integers(5)),
            "game": int(rng.integers(2)),
            "member": int(rng.integers(3)),
        }
        # NaN and infinity are lost in JSON but not in playwright's own encoding
        got = page.evaluate("([spec, values]) => ganExplore.evaluate(spec, values)", [spec, values])
        expected = fig.evaluate(**values)
        assert set(got) == set(expected)
        for name, value in expected.items():
            assert close(got[name], value), (name, values)


def test_page_and_python_know_the_same_functions(show):
    page = show(two_gaussians().to_html())
    assert set(page.evaluate("ganExplore.functions")) == set(explore.FUNCTIONS)


def test_erf_and_stretched_arguments_in_the_page(show):
    formulas = {"a": "erf(x)", "b": "sigmoid(200*x)", "c": "softplus(200*x)", "d": "log(x - 1)", "e": "1/(x*0)"}
    fig = figure(formulas, grids={"x": (-7, 7, 1401)})
    got = show(fig.to_html()).evaluate("spec => ganExplore.evaluate(spec, {})", json.loads(json.dumps(fig.spec)))
    for name, value in fig.evaluate().items():
        assert close(got[name], value), name


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
    page.get_by_role("button", name="Play").click()
    assert page.get_by_role("button", name="Pause").count() == 1
    page.wait_for_function("document.querySelector('input[type=range]').value === '4'")
    page.get_by_role("button", name="Play").wait_for()


@pytest.mark.parametrize("calm", [False, True])
def test_autoplay_only_where_motion_is_welcome(show, calm):
    fig = everything()
    fig.spec |= {"ms": 20, "autoplay": True}
    page = show(fig.to_html(), reduced_motion="reduce" if calm else "no-preference")
    page.wait_for_timeout(300)
    assert (page.get_by_role("slider", name="step").input_value() == "0") is calm


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
        times = page.evaluate(
            """async () => { const slider = document.querySelectorAll('input[type=range]')[1], times = [];
            for (let k = 0; k < 40; k++) { const from = performance.now(); slider.value = -4 + k / 5;
              slider.dispatchEvent(new Event('input'));
              await new Promise(done => requestAnimationFrame(() => { const late = new MessageChannel();
                late.port1.onmessage = done; late.port2.postMessage(0); })); times.push(performance.now() - from); }
            return times; }"""
        )
        assert math.isfinite(max(times))
        median = min(median, statistics.median(times))
        if median < 50:
            break
    assert median < 50
