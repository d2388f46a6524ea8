"""tools/setup.py run as a program, beside a venv and a pip that only write down what is asked of them."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from programs import ROOT, program, ran

# In the place of the standard library's: its python answers `-c`, and writes down whatever else it is told.
VENV = """
import pathlib, sys

def make(folder, here):
    if (here / "venv-says").exists():
        sys.exit((here / "venv-says").read_text())
    with open(here / "log", "a") as log:
        log.write("venv " + " ".join(sys.argv[1:]) + "\\n")
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.unlink(missing_ok=True)
    python.write_bytes((here / "python").read_bytes())
    python.chmod(0o755)

if __name__ == "__main__":
    make(pathlib.Path(sys.argv[-1]), pathlib.Path(__file__).parent)
"""
PYTHON = """
here={here}
case "$1" in -c) [ -z "$2" ] || echo "told: $2"; exit 0;; esac
echo "$*" >>$here/log
elsewhere="${{PYTHONPATH-}}${{PYTHONHOME-}}${{PIP_USER-}}${{PIP_TARGET-}}"
echo "in $PWD with $elsewhere; $PIP_NO_INPUT $PIP_DISABLE_PIP_VERSION_CHECK $KEPT" >>$here/log
case "$*" in *"$(cat $here/fails 2>/dev/null || echo none)"*) cat $here/pip-says; exit 3;; esac
case "$*" in *"$(cat $here/interrupts 2>/dev/null || echo none)"*) kill -INT $PPID; sleep 9;; esac
echo "$*" >>$here/installed
"""
PINS = "torch==1.0  # the network\nnumpy==2.0\n"
INSTALL = "-m pip install "
TORCH, LISTED = INSTALL + "--no-deps torch==1.0", INSTALL + "-r {}/.venv/requirements.txt"
PACKAGE = INSTALL + "--no-deps --no-build-isolation -e {}"


class Project:
    """A folder with the tool, its pins, and a machine without network around it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.stub = folder / "project", folder / "stub"
        (self.folder / "tools").mkdir(parents=True)
        shutil.copy(ROOT / "tools" / "setup.py", self.folder / "tools")
        (self.folder / "requirements.txt").write_text(PINS)
        (self.folder / "pyproject.toml").write_text("[project]\n")
        program(self.stub / "python", PYTHON.format(here=self.stub))
        (self.stub / "venv.py").write_text(VENV)
        # A driver, so that nobody is asked for a smaller torch.
        program(self.stub / "nvidia-smi", "")

    def setup(self, *kind: str, **environment: str) -> tuple[int, str, str]:
        """The status, and what was said, of `python tools/setup.py KIND`."""
        env = {"PATH": f"{self.stub}:/usr/bin:/bin", "PYTHONPATH": str(self.stub), **environment}
        tool = self.folder / "tools" / "setup.py"
        done = ran(sys.executable, "-B", tool, *kind, cwd=self.folder.parent, env=env)
        return done.returncode, done.stdout, done.stderr

    def asked(self) -> list[str]:
        """What venv and pip were asked for since the last time, in order."""
        log = self.stub / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line.replace(str(self.folder), "{}") for line in lines if not line.startswith("in ")]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def install(kind: str, venv: bool = False) -> list[str]:
    return ["venv --clear {}/.venv"] * venv + [TORCH] * (kind == "test") + [LISTED, PACKAGE]


@pytest.mark.parametrize("kind", ["book", "test"])
def test_the_first_time_all_is_installed_and_the_second_nothing(project: Project, kind: str) -> None:
    status, out, err = project.setup(kind)
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == (
        f"setup: preparing .venv for `make {kind}`; this happens once and takes a few minutes"
    )
    assert out.count("told: ") == (kind == "test")
    assert ("print('setup: torch ' + m.version('torch'))" in out) == (kind == "test")
    assert project.asked() == install(kind, venv=True)
    listed = (project.folder / ".venv" / "requirements.txt").read_text()
    assert listed == (PINS if kind == "test" else "numpy==2.0\n")
    assert project.setup(kind) == (0, "", "")
    assert project.asked() == []


def test_what_is_prepared_for_the_tests_serves_the_book_and_not_the_other_way_round(project: Project) -> None:
    project.setup("book")
    project.asked()
    assert project.setup("test")[0] == 0
    assert project.asked() == install("test")
    assert project.setup("book") == project.setup("test") == (0, "", "")
    assert project.asked() == []


def test_without_a_word_everything_is_prepared(project: Project) -> None:
    project.setup()
    assert project.asked() == install("test", venv=True)
    status, out, err = project.setup("books")
    assert (status, out, err) == (1, "", "setup: what to prepare must be 'book' or 'test', not 'books'\n")


@pytest.mark.parametrize("kind", ["book", "test"])
@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml"])
def test_other_pins_are_installed_into_the_same_environment(project: Project, name: str, kind: str) -> None:
    project.setup(kind)
    project.asked()
    path = project.folder / name
    path.write_text(path.read_text() + "# another\n")
    assert project.setup(kind)[0] == 0
    assert project.asked() == install(kind)
    assert project.setup(kind) == (0, "", "")


def test_an_environment_is_made_anew_where_it_cannot_serve(project: Project) -> None:
    """It was moved, its Python is gone or broken, or it was made by another."""
    project.setup("test")
    project.asked()
    python, made_for = (project.folder / ".venv" / part for part in ("bin/python", "made-for"))
    assert made_for.read_text() == "{}\n{}.{}".format(project.folder, *sys.version_info[:2])
    project.folder = project.folder.rename(project.folder.parent / "moved")
    python, made_for = (project.folder / ".venv" / part for part in ("bin/python", "made-for"))
    for breaks in (
        lambda: None,
        lambda: python.unlink(),
        lambda: (python.unlink(), python.symlink_to("/nowhere")),
        lambda: program(python, "exit 1"),
        lambda: shutil.rmtree(project.folder / ".venv"),
        lambda: (made_for.write_text(f"{project.folder}\n3.1"), (project.folder / "pyproject.toml").write_text("")),
        lambda: (made_for.unlink(), (project.folder / "pyproject.toml").write_text("#")),
    ):
        breaks()
        assert project.setup("test")[0] == 0
        assert project.asked() == install("test", venv=True)
        assert project.setup("test") == (0, "", "")
        assert project.asked() == []


@pytest.mark.parametrize("fails", ["torch==1.0", "-r ", "-e "])
def test_a_failed_set_up_is_never_ready_and_goes_on_the_next_time(project: Project, fails: str) -> None:
    project.setup("test")
    (project.stub / "fails").write_text(fails)
    (project.stub / "pip-says").write_text("ERROR: something\n  is wrong \n\n")
    (project.folder / "requirements.txt").write_text(PINS + "# another\n")
    for _ in range(2):
        project.asked()
        status, out, err = project.setup("test")
        assert status == 1
        assert err == "setup: installing failed (is wrong): read project/.venv/install.log\n"
        assert "told: " not in out
        asked = project.asked()
        assert fails in asked[-1]
        assert asked == install("test")[: len(asked)]
    # Half of the new pins may be installed: the old ones are no longer ready either.
    (project.folder / "requirements.txt").write_text(PINS)
    (project.stub / "fails").unlink()
    assert project.setup("book")[0] == 0
    assert project.asked() == install("book")


def test_an_interrupted_set_up_says_how_to_go_on(project: Project) -> None:
    (project.stub / "interrupts").write_text("-r ")
    status, _, err = project.setup("book")
    assert (status, err) == (1, "setup: interrupted: run the same command again to finish\n")
    (project.stub / "interrupts").unlink()
    project.asked()
    assert project.setup("book")[0] == 0
    assert project.asked() == install("book")


REACH = (
    "the package index cannot be reached: connect to the network (or set PIP_INDEX_URL to a mirror) and run this again"
)
HERE = "{}.{}.{}".format(*sys.version_info[:3])


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full: free 1.2 GB and run this again"),
        ("Disk quota exceeded", "the disk is full: free 1.2 GB and run this again"),
        ("ERROR: Read timed out.\nERROR: No matching distribution found for numpy==2.0", REACH),
        (
            "ERROR: No matching distribution found for numpy==2.0",
            f"numpy==2.0 does not exist for this Python ({HERE}): use Python 3.11, 3.12 or 3.13, "
            "for example `make book PYTHON=python3.11`",
        ),
        ("Could not find a version", f"a pinned package does not exist for this Python ({HERE}): use Python 3.11, "),
        ("", "installing failed (no output): read project/.venv/install.log"),
    ],
)  # fmt: skip
def test_the_cause_of_a_failure_is_told_in_one_sentence(project: Project, said: str, sentence: str) -> None:
    (project.stub / "fails").write_text("-r ")
    # What was said the time before is of no account.
    (project.stub / "pip-says").write_text("Network is unreachable, No space left on device")
    project.setup("book")
    (project.stub / "pip-says").write_text(said)
    status, _, err = project.setup("book")
    assert status == 1
    assert err.startswith("setup: " + sentence)
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("Error: No space left on device", "the disk is full: free 2.5 GB and run this again"),
        ("Command [..., '-m', 'ensurepip'] failed", "Python's venv module is incomplete: install it (on Debian and "),
        ("first\nlast words\n", "creating .venv failed (last words)"),
    ],
)
def test_a_venv_that_cannot_be_made_is_told_in_one_sentence(project: Project, said: str, sentence: str) -> None:
    (project.stub / "venv-says").write_text(said)
    status, _, err = project.setup("test")
    assert status == 1
    assert err.startswith("setup: " + sentence)
    assert err.count("\n") == 1
    assert project.asked() == []
    (project.stub / "venv-says").unlink()
    assert project.setup("test")[0] == 0


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_venv_is_told_what_to_install(project: Project, module: str) -> None:
    (project.stub / f"{module}.py").write_text("raise ImportError")
    status, out, err = project.setup("book")
    assert (status, out) == (1, "")
    assert err.startswith("setup: Python's venv module is missing: install it (on Debian and Ubuntu: `apt install ")


def test_what_the_system_refuses_is_told_in_one_sentence(project: Project) -> None:
    project.setup("book")
    (project.folder / "pyproject.toml").unlink()
    status, _, err = project.setup("book")
    assert status == 1
    assert err.endswith(f"No such file or directory: {project.folder / 'pyproject.toml'}\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_disk_that_fills_up_is_told_in_one_sentence(project: Project) -> None:
    project.setup("book")
    (project.folder / "pyproject.toml").write_text("# another\n")
    listed = project.folder / ".venv" / "requirements.txt"
    listed.unlink()
    listed.symlink_to("/dev/full")
    status, _, err = project.setup("book")
    assert (status, err) == (1, "setup: the disk is full: free 1.2 GB and run this again\n")


def test_pip_works_in_the_folder_and_heeds_no_setting_that_would_install_elsewhere(project: Project) -> None:
    (project.stub / "log").unlink(missing_ok=True)
    project.setup("book", PIP_USER="1", PIP_TARGET="/x", KEPT="kept")
    told = [line for line in (project.stub / "log").read_text().splitlines() if line.startswith("in ")]
    assert told == [f"in {project.folder} with ; 1 1 kept"] * 2


def test_it_can_be_read_by_a_python_that_is_too_old() -> None:
    tree = ast.parse((ROOT / "tools" / "setup.py").read_text(encoding="utf-8"), feature_version=(3, 4))
    new = (ast.JoinedStr, ast.NamedExpr, ast.AnnAssign, ast.AsyncFunctionDef, ast.Match, ast.Nonlocal, ast.YieldFrom)
    for node in ast.walk(tree):
        assert not isinstance(node, new), ast.unparse(node)
        assert not (isinstance(node, ast.Raise) and node.cause), ast.unparse(node)
        assert not (isinstance(node, ast.FunctionDef) and (node.returns or node.args.kwonlyargs)), node.name
        assert not (isinstance(node, ast.arg) and node.annotation), node.arg


def test_a_python_that_is_too_old_exits_before_anything_is_done(project: Project) -> None:
    code = "import runpy, sys; sys.version_info = (3, 10, 12); sys.argv = ['setup.py', 'book']; runpy.run_path({!r}, run_name='__main__')"
    tool = str(project.folder / "tools" / "setup.py")
    done = subprocess.run([sys.executable, "-c", code.format(tool)], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "setup: Python 3.11 or newer is needed and this is Python 3.10: install a newer one and name it, "
        "for example `make book PYTHON=python3.11`\n"
    )
    assert not (project.folder / ".venv").exists()
