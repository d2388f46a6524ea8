"""tools/colab.py on a small book, with a venv and a pip that fetch nothing: what Colab would make of each notebook."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from notebook_rules import retarget
from packaging.specifiers import SpecifierSet
from programs import ROOT

pytest.importorskip("nbclient")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed"),
]

# In the place of the standard library's: an environment that has what this one has, but for gan_edu and pip.
VENV = """
import pathlib, shutil, sys
if __name__ == "__main__":
    folder, here = pathlib.Path(sys.argv[-1]), pathlib.Path(__file__).parent
    with open(here / "log", "a") as log:
        log.write("venv " + " ".join(sys.argv[1:]) + "\\n")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys._base_executable)
    (folder / "pyvenv.cfg").write_text(f"home = {pathlib.Path(sys._base_executable).parent}\\n")
    site = folder / "lib" / "python{}.{}".format(*sys.version_info[:2]) / "site-packages"
    (site / "pip").mkdir(parents=True)
    (site / "pip" / "__init__.py").touch()
    (site / "pip" / "__main__.py").write_text((here / "pip.txt").read_text().replace("HERE", repr(str(here))))
    (site / "more.pth").write_text((here / "more").read_text())
"""
PIP = """
import os, pathlib, shutil, subprocess, sys, tempfile
here, site = pathlib.Path(HERE), pathlib.Path(__file__).parents[1]
with open(here / "log", "a") as log:
    log.write(" ".join(sys.argv[1:]) + "\\n")
if (here / "fails").exists():
    sys.exit("first\\nERROR: second")
if sys.argv[1] == "uninstall":
    shutil.rmtree(site / "gan_edu", ignore_errors=True)
elif sys.argv[-1].startswith("git+"):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "-q", sys.argv[-1].removeprefix("git+"), folder], check=True)
        shutil.copytree(pathlib.Path(folder) / "gan_edu", site / "gan_edu")
"""
CHECK = """import os, pathlib
assert gan_edu.HERE == "as it is now", gan_edu.HERE
assert "site-packages" in gan_edu.__file__
assert [p.name for p in pathlib.Path.cwd().iterdir()] == ["01_good.ipynb"], "the folder is empty"
assert os.environ["OMP_NUM_THREADS"] == "1"
assert "PYTHONPATH" not in os.environ
assert os.environ["PATH"].split(":")[0] == str(pathlib.Path(__import__("sys").executable).parent)"""


class Rehearsal:
    """A small book under git, with the tool."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.stub = folder / "project", folder / "stub"
        shutil.copytree(ROOT / "tools", self.folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "tools" / "retarget.py", self.folder)
        (self.folder / "gan_edu").mkdir()
        (self.folder / "book").mkdir()
        (self.folder / ".gitignore").write_text(".cache/\nignored.py\n")
        package = self.folder / "gan_edu" / "__init__.py"
        package.write_text(f'__version__ = "{retarget.NEEDS}"\nHERE = "as it was"\n')
        (self.folder / "gone.py").touch()
        git = ["git", "-C", str(self.folder), "-c", "user.name=a", "-c", "user.email=a@localhost"]
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "as it was"]):
            subprocess.run([*git, *words], check=True)
        # Neither what is not yet committed nor what git does not know is left out.
        package.write_text(f'__version__ = "{retarget.NEEDS}"\nfrom gan_edu.new import HERE\n')
        (self.folder / "gan_edu" / "new.py").write_text('HERE = "as it is now"\n')
        (self.folder / "gan_edu" / "ignored.py").write_text("")
        (self.folder / "gone.py").unlink()
        self.stub.mkdir()
        (self.stub / "venv.py").write_text(VENV)
        (self.stub / "pip.txt").write_text(PIP)
        (self.stub / "more").write_text(next(p for p in sys.path if p.endswith("site-packages")))

    def notebook(self, name: str, *cells: str, setup: str = "") -> None:
        head = retarget.setup_head(retarget.ADDRESS_IF_UNSET) + setup
        made = [
            {"cell_type": "code", "id": id, "metadata": {}, "source": text, "execution_count": None, "outputs": []}
            for id, text in zip(("setup", "a", "b", "c"), (head, *cells), strict=False)
        ]
        nb = {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (self.folder / "book" / f"{name}.ipynb").write_text(json.dumps(nb))

    def run(self, *names: str) -> tuple[int, list[str], str, list[str]]:
        """The status, what is said, and what venv and pip were asked for."""
        (self.stub / "log").write_text("")
        env = os.environ | {"PYTHONPATH": str(self.stub), "https_proxy": "http://127.0.0.1:9", "PIP_NO_INDEX": "1"}
        command = [sys.executable, str(self.folder / "tools" / "colab.py"), *names]
        done = subprocess.run(command, cwd=self.folder.parent, env=env, capture_output=True, text=True)
        said = [re.sub(r" in \d+ s$", "", line) for line in done.stdout.splitlines()]
        return done.returncode, said, done.stderr, (self.stub / "log").read_text().splitlines()


@pytest.fixture
def rehearsal(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


def pins() -> list[str]:
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'tools')!r}); import colab; print(*colab.PINS, sep='\\n')"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split()


UNINSTALL = "uninstall -q -y gan_edu"
PREPARING = "colab: preparing an environment with Colab's versions; this happens once and takes a few minutes"


def test_every_notebook_runs_as_a_reader_of_colab_gets_it(rehearsal: Rehearsal) -> None:
    rehearsal.notebook("01_good", CHECK)
    rehearsal.notebook("02_wrong", "print('before')", "assert 1 == 2, 'never so'", "print('after')")
    rehearsal.notebook("03_loud", setup="print('here')\n")
    books = {path: path.read_bytes() for path in (rehearsal.folder / "book").iterdir()}
    status, said, told, asked = rehearsal.run()
    assert said == [
        PREPARING,
        "colab: 01_good.ipynb ran",
        "colab: 02_wrong.ipynb failed",
        "colab: 03_loud.ipynb failed",
        "colab: 1 of 3 notebooks ran",
    ], told
    assert status == 1
    assert "assert 1 == 2, 'never so'" in told
    assert "the setup cell must print nothing, and it printed something" in told
    (environment,) = (rehearsal.folder / ".cache").iterdir()
    assert asked[0] == f"venv --clear {environment}"
    assert asked[1] in ("install -q " + options + " ".join(pins()) for options in ("", "--extra-index-url https://dow"))
    address = next(line for line in asked if "git+" in line).split("git+")[1]
    assert asked[2:] == [UNINSTALL, f"install -q --no-deps git+{address}"] * 3
    assert address.startswith("file:///")
    assert {path: path.read_bytes() for path in (rehearsal.folder / "book").iterdir()} == books
    # The environment is there now; a name, or a path, picks a notebook.
    (rehearsal.stub / "fails").touch()
    status, said, told, asked = rehearsal.run("book/02_wrong.ipynb")
    assert (status, said, asked) == (1, [], [UNINSTALL])
    assert re.fullmatch(r"colab: `\S+/bin/python -m pip uninstall \.\.\.` failed: first / ERROR: second\n", told)


def test_a_name_that_no_notebook_has_is_refused(rehearsal: Rehearsal) -> None:
    rehearsal.notebook("01_good", CHECK)
    status, said, told, asked = rehearsal.run("02_none")
    assert (status, said, asked) == (1, [], [])
    assert told == "colab: book/ must hold the notebook to run, and holds none named 02_none\n"


def test_an_environment_that_could_not_be_prepared_is_prepared_again(rehearsal: Rehearsal) -> None:
    rehearsal.notebook("01_good")
    (rehearsal.stub / "fails").touch()
    for _ in range(2):
        status, said, told, asked = rehearsal.run()
        assert (status, said) == (1, [PREPARING])
        assert re.fullmatch(r"colab: `\S+/bin/python -m pip install \.\.\.` failed: first / ERROR: second\n", told)
        assert len(asked) == 2


def test_a_repository_holds_what_the_working_tree_has_and_not_what_git_ignores(rehearsal: Rehearsal) -> None:
    to = rehearsal.folder.parent / "copy"
    to.mkdir()
    code = (
        f"import sys; sys.path.insert(0, {str(rehearsal.folder / 'tools')!r})\nimport colab\nfrom pathlib import Path\n"
    )
    command = [sys.executable, "-c", code + f"print(colab.snapshot(Path({str(to)!r})))"]
    done = subprocess.run(command, cwd=to, capture_output=True, text=True)
    assert done.stdout.strip() == to.as_uri(), done.stderr
    listed = subprocess.run(["git", "-C", str(to), "ls-files"], capture_output=True, text=True).stdout.split()
    assert {"gan_edu/new.py", "gan_edu/__init__.py", "tools/colab.py"} <= set(listed)
    assert "gan_edu/ignored.py" not in listed
    assert "gone.py" not in listed
    status = subprocess.run(["git", "-C", str(to), "status", "--short"], capture_output=True, text=True)
    assert status.stdout == "", "all is committed: pip installs from a commit"


def test_each_version_is_pinned_and_allowed_by_the_package() -> None:
    versions = dict(pin.partition("==")[::2] for pin in pins())
    assert [name for name, version in versions.items() if not version] == ["nbclient", "setuptools"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs = dict(re.fullmatch(r"([\w-]+)(.*)", need).groups() for need in project["dependencies"])
    assert set(needs) <= set(versions), "what the package needs is there before it is installed without dependencies"
    for name, need in needs.items():
        assert versions[name].replace("*", "0") in SpecifierSet(need), f"{name} {versions[name]}"
    assert versions["ipython"].startswith("7."), "what most often surprises"
    assert versions["ipywidgets"].startswith("7.")
