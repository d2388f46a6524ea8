"""Tests of gan_edu.exercises, and of what each exercise of the book makes of an answer that is none."""

from __future__ import annotations

import ast
import json
from typing import Any

import numpy as np
import pytest
from notebook_rules import NOTEBOOKS

from gan_edu.exercises import answered

CELLS = [
    pytest.param("".join(cell["source"]), id=f"{path.stem}-{cell['id']}")
    for path in NOTEBOOKS
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
    if cell["cell_type"] == "code" and "answer = None" in "".join(cell["source"])
]


@pytest.mark.parametrize("answer", [0, -0.25, 500, np.float64(1.5), np.float32(2), np.array(0.5), 1e-300])
def test_a_number_is_an_answer(answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert answered(answer)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("answer", [(0.5, 1.0), [0, 1], np.array([0.5, 1.0])])
def test_so_are_two_numbers_where_two_are_asked_for(answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert answered(answer, 2)
    assert not answered(answer)
    assert capsys.readouterr().out.startswith("write one number")


def test_no_answer_is_passed_over_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    assert not answered(None)
    assert not answered(None, 2)
    assert capsys.readouterr().out == ""


COMMA = "with a point, such as {}: a comma makes two numbers of 0,25\n"


@pytest.mark.parametrize(
    ("answer", "count", "words"),
    [
        ((0, 25), 1, "write one number " + COMMA.format("0.25")),
        ((0, 25, 1, 5), 2, "write 2 numbers in brackets " + COMMA.format("(0.25, 1.5)")),
        ("0.25", 1, "write one number without quotes, such as 0.25, not '0.25'\n"),
        ("0.25, 1", 2, "write 2 numbers in brackets without quotes, such as (0.25, 1.5), not '0.25, 1'\n"),
        ([0.25, 1, 2], 1, "write one number, such as 0.25, not [0.25, 1, 2]\n"),
        (0.25, 2, "write 2 numbers in brackets, such as (0.25, 1.5), not 0.25\n"),
        (float("nan"), 1, "write one number, such as 0.25, not nan\n"),
        (True, 1, "write one number, such as 0.25, not True\n"),
        (0.25j, 1, "write one number, such as 0.25, not 0.25j\n"),
        ({"a": 1}, 1, "write one number, such as 0.25, not {'a': 1}\n"),
        (..., 1, "write one number, such as 0.25, not Ellipsis\n"),
    ],
)
def test_what_is_no_answer_is_told_what_to_write(
    answer: Any, count: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not answered(answer, count)
    assert capsys.readouterr().out == words


def test_every_checked_exercise_of_the_book_is_here() -> None:
    assert len(CELLS) >= 20


@pytest.mark.parametrize("answer", ["0, 25, 3", "'0.25'", "[]", "{}", "True", "None"])
@pytest.mark.parametrize("code", CELLS)
def test_an_exercise_looks_at_an_answer_first(code: str, answer: str, capsys: pytest.CaptureFixture[str]) -> None:
    (check,) = [node for node in ast.parse(code).body if isinstance(node, ast.If)]
    rest = [node for node in ast.parse(code).body if not isinstance(node, ast.If)]
    assert sum(isinstance(n, ast.Name) and n.id == "answer" for part in rest for n in ast.walk(part)) == 1
    names = {"answered": answered, "answer": eval(answer)}
    assert not eval(ast.unparse(check.test), names)
    said = capsys.readouterr().out
    assert said.startswith("write ") if answer != "None" else said == ""
