"""Tests of what a figure ships to the page, and of the numbers there against numpy."""

from __future__ import annotations

import html as html_module
import json

import numpy as np
from figures import description, everything, figure, two_gaussians

from gan_edu import explore
from gan_edu.explore.formulas import FUNCTIONS, REDUCTIONS


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
            assert tree[0] in {*FUNCTIONS, *REDUCTIONS}
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


def close(page_value, numpy_value) -> bool:
    a, b = np.ravel(np.array(page_value, dtype=float)), np.ravel(numpy_value)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        return a.shape == b.shape and bool(np.all(same | (np.abs(a - b) <= 1e-12 * np.maximum(1, np.abs(b)))))


# The numbers of the figure `window.spec` as JSON, which is read a hundred times as fast as playwright's own encoding;
# NaN and infinity, which JSON has not, as words.
EVALUATE = """values => JSON.stringify(ganExplore.evaluate(spec, values), (_, x) =>
    ArrayBuffer.isView(x) ? Array.from(x) : typeof x === 'number' && !Number.isFinite(x) ? String(x) : x)"""


def test_page_agrees_with_numpy(show):
    fig, rng = everything(), np.random.default_rng(7)
    page = show(fig.to_html())
    page.evaluate("spec => { window.spec = spec }", json.loads(json.dumps(fig.spec)))
    for _ in range(25):
        values = {
            "mu": float(rng.uniform(-4, 4)),
            "frame": int(rng.integers(5)),
            "game": int(rng.integers(2)),
            "member": int(rng.integers(3)),
        }
        got = json.loads(page.evaluate(EVALUATE, values))
        expected = fig.evaluate(**values)
        assert set(got) == set(expected)
        for name, value in expected.items():
            assert close(got[name], value), (name, values)


def test_page_and_python_know_the_same_functions(show):
    page = show(two_gaussians().to_html())
    assert set(page.evaluate("ganExplore.functions")) == set(FUNCTIONS)


def test_erf_and_stretched_arguments_in_the_page(show):
    formulas = {"a": "erf(x)", "b": "sigmoid(200*x)", "c": "softplus(200*x)", "d": "log(x - 1)", "e": "1/(x*0)"}
    fig = figure(formulas, grids={"x": (-7, 7, 1401)})
    got = show(fig.to_html()).evaluate("spec => ganExplore.evaluate(spec, {})", json.loads(json.dumps(fig.spec)))
    for name, value in fig.evaluate().items():
        assert close(got[name], value), name
