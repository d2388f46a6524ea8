"""The tools that change notebooks, each run as a program on a notebook of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gan_edu import explore

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import retarget  # noqa: E402


def notebooks(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("nbclient")
    command = [sys.executable, str(ROOT / "tools" / "notebooks.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def html() -> str:
    panel = explore.Panel(x=(0, 1), y=(0, 1), marks=[explore.HLine("h")])
    slider = explore.Slider(0, 1, 0.1, 0.5, "height </b>")
    text = {"title": "A line", "alt": "A line & no more.", "caption": "Move it, 移动.\nThat is all."}
    return explore.Figure(**text, panels=[panel], sliders={"h": slider}).to_html()


def store(path: Path, *figures: str) -> None:
    """A notebook with one cell for each figure, named a, b, ..., and one that prints."""
    outputs: list[list[dict[str, Any]]] = [
        [{"output_type": "display_data", "metadata": {}, "data": {"text/html": f.splitlines(keepends=True)}}]
        for f in figures
    ]
    outputs.append([{"output_type": "stream", "name": "stdout", "text": ["1\n"]}])
    cells = [
        {"cell_type": "code", "id": "abcdefgh"[i], "metadata": {}, "source": [], "execution_count": 7, "outputs": each}
        for i, each in enumerate(outputs)
    ]
    nb = {"cells": cells, "metadata": {"widgets": {}}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(retarget.dump(nb), encoding="utf-8")


def old(figure: str) -> str:
    """The figure as it was stored when script and style were others."""
    return figure.replace(explore.script(), "(function () { old(); })();").replace(
        explore.style(), ".old {}\n.older {}"
    )


def test_renewed_scripts_change_nothing_else(tmp_path: Path) -> None:
    today, path = tmp_path / "today.ipynb", tmp_path / "01_game.ipynb"
    store(today, html(), html())
    store(path, old(html()), html())
    assert path.read_bytes() != today.read_bytes()
    done = notebooks("--renew-scripts", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "01_game.ipynb: renewed 'a'\n", "")
    assert path.read_bytes() == today.read_bytes()
    again = notebooks("--renew-scripts", path, today)
    assert (again.returncode, again.stdout) == (0, "01_game.ipynb: renewed nothing\ntoday.ipynb: renewed nothing\n")
    assert path.read_bytes() == today.read_bytes()


def test_what_is_not_recognised_is_refused(tmp_path: Path) -> None:
    strange = []
    for pattern, other in (
        (r'"alt":', '"words":'),  # a description that today's script does not read
        (r',"equal":false', ""),
        (r'"h":\{', '"h":{{'),
        (r"A line &amp; no more", "Another line"),  # its text is not what its description says
        (r'<div class="gan-body">', '<div class="gan-body gan-wide">'),
        (r'<script type="application/json">.*?</script>', ""),
    ):
        changed, count = re.subn(pattern, lambda _, other=other: other, old(html()), flags=re.DOTALL)
        assert count == 1, pattern
        strange.append(changed)
    path = tmp_path / "01_game.ipynb"
    store(path, *strange, old(html()))
    done = notebooks("--renew-scripts", path)
    assert (done.returncode, done.stdout) == (1, "01_game.ipynb: renewed 'g'\n")
    told = "01_game.ipynb, cell {!r}: a stored figure must be one that today's gan_edu.explore describes alike"
    assert [line.split(",")[:2] for line in done.stderr.splitlines()] == [told.format(i).split(",") for i in "abcdef"]
    assert done.stderr.count("run `make notebooks NB=01_game`") == 6
    cells = json.loads(path.read_text("utf-8"))["cells"]
    assert ["".join(cell["outputs"][0]["data"]["text/html"]) for cell in cells[:-1]] == [*strange, html()]


def test_a_notebook_in_another_form_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "01_game.ipynb"
    store(path, old(html()))
    path.write_text(json.dumps(json.loads(path.read_text("utf-8"))), encoding="utf-8")
    before = path.read_bytes()
    done = notebooks("--renew-scripts", path)
    assert done.returncode == 1
    assert "01_game.ipynb must be normalised: run" in done.stderr
    assert path.read_bytes() == before
