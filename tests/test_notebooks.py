"""tools/notebooks.py run on notebooks of a few lines: what is stored, what is refused, in which order."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from notebook_rules import RULES
from programs import ROOT

pytest.importorskip("nbclient")
pytestmark = pytest.mark.slow
TOOL = ROOT / "tools" / "notebooks.py"


def write(path: Path, *cells: str, **metadata: Any) -> Path:
    """A notebook of code cells with the ids a, b, ... that holds what only one machine's run would have left."""
    old = {"output_type": "stream", "name": "stdout", "text": ["old\n"]}
    made = [
        {
            "cell_type": "code",
            "id": "abcdefgh"[i],
            "metadata": {"execution": {"iopub.execute_input": "now"}, "collapsed": True, "scrolled": True}
            | {"tags": ["nbval-ignore-output"]},
            "source": text.splitlines(keepends=True),
            "execution_count": 7,
            "outputs": [old],
        }
        for i, text in enumerate(cells)
    ]
    language = {"name": "python", "version": "3.1.4"}
    metadata = {"kernelspec": {"name": "mine", "display_name": "Mine"}, "language_info": language} | metadata
    nb = {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(nb), encoding="utf-8")
    return path


def run(*arguments: str | Path, cwd: Path, tool: Path = TOOL, **environment: str) -> Any:
    env = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "TQDM_DISABLE", "PYTHONPATH")}
    words = [sys.executable, str(tool), *map(str, arguments)]
    return subprocess.run(words, cwd=cwd, env=env | environment, capture_output=True, text=True)


def cells(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def printed(path: Path) -> list[str]:
    """What each cell has stored, as text."""
    return ["".join("".join(o["text"]) for o in cell["outputs"] if "text" in o) for cell in cells(path)]


# Where the kernel cuts what is printed is a matter of timing.
SETTINGS = """import os, sys, time
for text in ("a", "b"):
    print(text, flush=True)
    time.sleep(0.3)
sys.path_importer_cache.clear()
print([os.environ[k] for k in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TQDM_DISABLE")])"""
WHERE = "import gan_edu, pathlib\nprint(gan_edu.__file__)\nprint(pathlib.Path.cwd())\nprint(open('beside').read())"
WARNS = "import sys\nprint('out')\nprint('err', file=sys.stderr)\nprint('out')"


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, dict[str, bytes]]:
    """A folder with a copy of the tool after it has run three notebooks of four, one of which fails."""
    folder = tmp_path_factory.mktemp("executed")
    shutil.copytree(ROOT / "tools", folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "gan_edu.py").write_text("")
    book = folder / "book"
    write(book / "1_good.ipynb", SETTINGS, WHERE, WARNS, "[1, 2][0]", widgets={"state": {}}, signature="s")
    write(book / "2_bad.ipynb", "print('new')", "x = 1\nassert x == 2, 'two is not one'", "print('never')")
    write(book / "3_last.ipynb", "print('last')")
    write(book / "4_other.ipynb", "print('other')")
    (book / "beside").write_text("found beside the notebook")
    before = {path.name: path.read_bytes() for path in book.glob("*.ipynb")}
    # Names, with their ending or without, or paths; whatever package is on the path.
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "gan_edu.py").write_text("")
    done = run(
        "1_good", "book/2_bad.ipynb", book / "3_last.ipynb", "--jobs", "1",
        cwd=folder, tool=folder / "tools" / "notebooks.py", PYTHONPATH=str(folder / "elsewhere"),
    )  # fmt: skip
    return book, done, before


def test_what_ran_is_stored_and_what_failed_is_told_and_not_stored(executed: Any) -> None:
    book, done, before = executed
    assert done.returncode == 1
    told = [line.rsplit(" in ", 1)[0] for line in done.stdout.splitlines()]
    assert told == ["1_good.ipynb: executed", "2_bad.ipynb: failed", "3_last.ipynb: executed"]
    assert re.search(r"AssertionError.*: two is not one", done.stderr)
    assert "assert x == 2, 'two is not one'" in done.stderr, "the cell that failed is shown"
    assert (book / "2_bad.ipynb").read_bytes() == before["2_bad.ipynb"]
    assert printed(book / "3_last.ipynb") == ["last\n"]
    assert (book / "4_other.ipynb").read_bytes() == before["4_other.ipynb"]


def test_a_notebook_runs_in_its_folder_with_this_package_and_one_thread(executed: Any) -> None:
    book, _, _ = executed
    settings, where, *_ = printed(book / "1_good.ipynb")
    assert settings == "a\nb\n['1', '1', '1', '1']\n"
    assert where == f"{book.parent / 'gan_edu.py'}\n{book}\nfound beside the notebook\n"


def test_what_is_stored_is_normalised(executed: Any) -> None:
    book, _, _ = executed
    nb = json.loads((book / "1_good.ipynb").read_text(encoding="utf-8"))
    assert [cell["execution_count"] for cell in nb["cells"]] == [1, 2, 3, 4]
    assert [cell["id"] for cell in nb["cells"]] == ["a", "b", "c", "d"]
    assert all(cell["metadata"] == {"tags": ["nbval-ignore-output"]} for cell in nb["cells"])
    assert set(nb["metadata"]) == {"kernelspec", "language_info"}
    assert nb["metadata"]["kernelspec"] == {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    assert "version" not in nb["metadata"]["language_info"]
    assert [len(cell["outputs"]) for cell in nb["cells"]][:2] == [1, 1], "pieces of one stream are joined"
    streams = [(o["name"], "".join(o["text"])) for o in nb["cells"][2]["outputs"]]
    assert {name for name, _ in streams} == {"stdout", "stderr"}
    assert "".join(text for name, text in streams if name == "stdout") == "out\nout\n"
    assert nb["cells"][3]["outputs"][0]["execution_count"] == 4
    for rule in RULES:
        if rule.__name__ in ("is_normalised", "was_executed_in_order"):
            assert rule(nb, "1_good") == []


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The tool in this process, whose environment it sets for the kernels that it starts."""
    before = dict(os.environ)
    module = importlib.import_module("notebooks")
    os.environ.clear()
    os.environ.update(before)
    return module


@pytest.fixture
def told(tool: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """What becomes of `notebooks.py ARGUMENTS`: its status and what it says."""

    def told(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["notebooks.py", *map(str, arguments)])
        return tool.main(), *capsys.readouterr()

    return told


def test_only_normalise_leaves_the_outputs_and_gives_the_same_bytes_again(told: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "01_a.ipynb", "raise SystemExit", "2", widgets={"state": {}})
    other = write(tmp_path / "02_b.ipynb", "1")
    nb = json.loads(path.read_text(encoding="utf-8"))
    nb["cells"][0]["outputs"] *= 2
    path.write_text(json.dumps(nb), encoding="utf-8")
    left, seen = other.read_bytes(), set()
    for _ in range(2):
        assert told("--only-normalise", path) == (0, "", "")
        assert printed(path) == ["old\nold\n", "old\n"]
        assert [cell["execution_count"] for cell in cells(path)] == [7, 7]
        assert [cell["metadata"] for cell in cells(path)] == [{"tags": ["nbval-ignore-output"]}] * 2
        assert len(cells(path)[0]["outputs"]) == 1
        seen.add(path.read_bytes())
        assert b'"widgets"' not in path.read_bytes()
    assert len(seen) == 1
    assert other.read_bytes() == left


@pytest.mark.parametrize("option", [[], ["--only-normalise"], ["--renew-scripts"]])
def test_a_notebook_that_is_not_there_is_refused_before_any_is_touched(
    told: Any, tmp_path: Path, option: list[str]
) -> None:
    path = write(tmp_path / "01_a.ipynb", "1")
    before = path.read_bytes()
    missing = f"{ROOT / 'book' / '99_none.ipynb'}, {tmp_path / '98_none.ipynb'}"
    sentence = f"notebooks: every notebook must exist, and {missing} does not\n"
    assert told(path, "99_none", tmp_path / "98_none.ipynb", *option) == (2, "", sentence)
    assert path.read_bytes() == before


def test_without_names_all_of_the_book_is_meant(
    tool: Any, told: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [write(tmp_path / "book" / f"{name}.ipynb", "1") for name in ("02_b", "01_a")]
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    assert told("--only-normalise") == (0, "", "")
    assert all(b'"execution"' not in path.read_bytes() for path in paths)
    assert told("--renew-scripts") == (0, "01_a.ipynb: renewed nothing\n02_b.ipynb: renewed nothing\n", "")
    ran: list[str] = []
    monkeypatch.setattr(tool, "execute", lambda path: ran.append(path.stem) or ("wrong" if path == paths[1] else None))
    status, out, err = told("--jobs", "1")
    assert (status, ran, err) == (1, ["01_a", "02_b"], "wrong\n")
    assert re.fullmatch(r"01_a.ipynb: failed in \d+ s\n02_b.ipynb: executed in \d+ s\n", out)


def test_two_notebooks_run_at_a_time_unless_told_otherwise(
    tool: Any, told: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [write(tmp_path / f"{name}.ipynb", "1") for name in "abcd"]
    assert 600 <= inspect.signature(tool.execute).parameters["timeout"].default <= 3600
    running, most, lock = [0], [0], threading.Lock()

    def execute(path: Path) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.1)
        with lock:
            running[0] -= 1

    monkeypatch.setattr(tool, "execute", execute)
    for options, expected in (([], 2), (["--jobs", "4"], 4), (["--jobs", "1"], 1)):
        most[0] = 0
        assert told(*options, *paths)[0] == 0
        assert most[0] == expected


def test_a_cell_that_takes_too_long_or_ends_the_kernel_is_told_and_not_stored(tmp_path: Path) -> None:
    late = write(tmp_path / "01_late.ipynb", "import time\ntime.sleep(60)")
    dead = write(tmp_path / "02_dead.ipynb", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    before = late.read_bytes(), dead.read_bytes()
    code = f"import sys; sys.path.insert(0, {str(TOOL.parent)!r})\nimport notebooks\nfrom pathlib import Path\n"
    code += f"print(notebooks.execute(Path({str(late)!r}), timeout=2))\nprint(notebooks.execute(Path({str(dead)!r})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "A cell timed out while it was being executed, after 2 seconds." in done.stdout
    assert "time.sleep(60)" in done.stdout
    assert "Kernel died" in done.stdout
    assert (late.read_bytes(), dead.read_bytes()) == before
