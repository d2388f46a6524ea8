"""How the tests are run: a notebook stays whole on its worker, and a cell that ran out of time is told as just that."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]


def write(path: Path, *cells: str) -> None:
    """A notebook whose code cells hold these lines, which print nothing."""
    made = [nbformat.v4.new_code_cell(text, id=f"cell-{n}", execution_count=n) for n, text in enumerate(cells, start=1)]
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small project with the settings and hooks of this one."""
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "book").mkdir()
    (tmp_path / "tests").mkdir()
    for name in ("prose.py", "prose_items.py", "in_kernel.py"):
        shutil.copy(ROOT / "tests" / name, tmp_path / "tests")
    (tmp_path / "tests" / "test_more.py").write_text(
        "import pytest\n@pytest.mark.parametrize('n', range(5))\ndef test_n(n): assert n < 4\n"
    )
    write(tmp_path / "book" / "1_late.ipynb", "import time", "time.sleep(60)", "y = 1", "assert y == 1", "z")
    # As a training does, which returns the run so far.
    caught = "try: time.sleep(60)\nexcept KeyboardInterrupt: pass"
    write(tmp_path / "book" / "2_caught.ipynb", "import time", caught, "y = 1")
    write(tmp_path / "book" / "3_wrong.ipynb", "x = 1", "assert x == 2", "assert x == 1")
    return tmp_path


def test_a_cell_out_of_time_is_one_failure_and_a_notebook_stays_whole(folder: Path) -> None:
    command = [sys.executable, "-m", "pytest", "--nbval", "--color=no", "-n", "2", "--nbval-cell-timeout=4"]
    # Where CI is set, pytest says each failure again, in full, in its summary.
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith("PYTEST_") and k not in ("CI", "BUILD_NUMBER")
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    said = done.stdout.strip().splitlines()
    assert re.search(r"^=+ 4 failed, 8 passed, 4 skipped in [\d.]+s.* =+$", said[-1]), done.stdout
    failed = sorted(re.sub(r" - .*", "", line) for line in said if line.startswith("FAILED"))
    assert failed == [
        "FAILED book/1_late.ipynb::Cell 1",
        "FAILED book/2_caught.ipynb::Cell 1",
        "FAILED book/3_wrong.ipynb::Cell 1",
        "FAILED tests/test_more.py::test_n[4]",
    ]
    for name in ("1_late", "2_caught"):
        told = f"cell 'cell-2' of {name}.ipynb took longer than 4 s: this machine is too busy, or the cell too slow"
        assert told in said
        assert f"a cell of {name}.ipynb before this one ran out of time" in done.stdout
    # A cell that fails in time is told as ever.
    assert done.stdout.count("Cell execution caused an exception") == 1
    assert "KeyboardInterrupt" not in done.stdout
