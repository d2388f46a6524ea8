"""The reference cases, run through the public functions of gan_edu.

`pytest --cases FILE` checks another file of the same format. A case passes where every element of the answer is within
tol * max(1, |expected|) of the expected one; the string "inf" stands for an infinite value.
"""

from __future__ import annotations

import ast
import json
from functools import cache
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from reference_routes import ROUTES
from reference_routes.objects import Answer
from slow_reference import SLOW
from slow_reference.jittering import jitter

ROOT = Path(__file__).resolve().parents[1]
OWN_FILE = Path(__file__).with_name("reference_cases.json")

# What only one chapter computes: the notebook whose cells assert the values.
CHAPTER = {
    "pointwise_objective": "02_optimal_discriminator",
    "pushforward_density": "01_minimax_game",
}


# --- the tests ---------------------------------------------------------------------------------------------------


@cache
def read(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))["cases"]


def as_list(numbers: Any) -> list[float]:
    return [float(v) for v in (numbers if isinstance(numbers, list) else [numbers])]


def misses(values: Answer, expected: list[float], tol: float) -> list[str]:
    """What is wrong with an answer, in words; empty where it passes."""
    if len(values) != len(expected):
        return [f"{len(values)} values where {len(expected)} are expected"]
    wrong = []
    for i, (v, e) in enumerate(zip(values, expected, strict=True)):
        good = v == e if np.isinf(e) else abs(v - e) <= tol * max(1, abs(e))
        if not good:
            wrong.append(
                f"element {i}: {v!r} instead of {e!r}, off by {abs(v - e):.3g}, allowed {tol * max(1, abs(e)):.3g}"
            )
    return wrong


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        path = Path(metafunc.config.getoption("--cases"))
        cases = [case for case in read(path) if case["family"] in ROUTES] if path.is_file() else []
        metafunc.parametrize("case", cases, ids=[case["id"] for case in cases])


def test_reference_case(case: dict[str, Any]) -> None:
    values = [float(v) for v in ROUTES[case["family"]](case["params"])]
    wrong = misses(values, as_list(case["expected"]), case["tol"])
    assert not wrong, "\n".join([f"{case['id']}: {case['what']}", f"with {json.dumps(case['params'])}", *wrong])


def test_every_family_of_the_file_has_a_place(cases_file: Path) -> None:
    unplaced = {case["family"] for case in read(cases_file)} - set(ROUTES) - set(CHAPTER)
    assert not unplaced, f"no route or chapter for {sorted(unplaced)}"


def test_the_two_lists_partition_the_families_of_the_books_own_file() -> None:
    parts = [set(ROUTES), set(CHAPTER)]
    assert sum(map(len, parts)) == len(set.union(*parts)), "a family is listed twice"
    assert set.union(*parts) == {case["family"] for case in read(OWN_FILE)}


def asserted_numbers(notebook: str) -> list[float]:
    """Numbers written in the assertions of a chapter's cells."""
    cells = json.loads((ROOT / "book" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    asserts = [node for code in sources for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Assert)]
    constants = [node.value for a in asserts for node in ast.walk(a) if isinstance(node, ast.Constant)]
    return [float(c) for c in constants if isinstance(c, (int, float)) and not isinstance(c, bool)]


@pytest.mark.parametrize("family", sorted(CHAPTER))
def test_chapter_asserts_the_values_of_its_family(family: str) -> None:
    numbers = {round(abs(v), 6) for v in asserted_numbers(CHAPTER[family])}
    expected = [v for case in read(OWN_FILE) if case["family"] == family for v in as_list(case["expected"])]
    missing = [v for v in expected if round(abs(v), 6) not in numbers]
    assert not missing, f"book/{CHAPTER[family]}.ipynb asserts nothing about {missing} of {family}"


@pytest.mark.parametrize(
    ("values", "expected", "tol", "passes"),
    [
        ([1.0], [1.0 + 5e-10], 1e-9, True),
        ([1.0], [1.0 + 5e-9], 1e-9, False),
        ([1000.0], [1000.0 + 5e-7], 1e-9, True),
        ([1e-9], [0.0], 1e-9, True),
        ([np.inf], [np.inf], 0, True),
        ([-np.inf], [np.inf], 0, False),
        ([1e300], [np.inf], 1.0, False),
        ([np.inf], [1.0], 1.0, False),
        ([np.nan], [1.0], 1.0, False),
        ([1.0, 2.0], [1.0], 1.0, False),
    ],
)
def test_the_pass_rule_itself(values: Answer, expected: list[float], tol: float, passes: bool) -> None:
    assert (not misses(values, expected, tol)) == passes


# --- the same cases at other parameters, against definitions evaluated slowly in many digits ---------------------


JITTERED = [case for case in read(OWN_FILE) if case["family"] in ROUTES]


@pytest.mark.parametrize("original", JITTERED, ids=[f"{case['id']}-jittered" for case in JITTERED])
def test_jittered_case(original: dict[str, Any]) -> None:
    family = original["family"]
    params = jitter(original["params"], np.random.default_rng(JITTERED.index(original)), family)
    assert params != original["params"] or params.get("theta") == 0.0
    with mp.workdps(20):
        expected = [float(v) for v in SLOW[family](params)]
    values = [float(v) for v in ROUTES[family](params)]
    wrong = misses(values, expected, max(original["tol"], 1e-12))
    assert not wrong, "\n".join([f"{original['id']} jittered: {json.dumps(params)}", *wrong])
