"""The Makefile and .ci/run, beside programs that only write down how they are called."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from programs import ROOT, program, ran

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")

# A python of a version; it writes down what it is told to run, and fails at what `FAILS` names.
PYTHON = """
[ "$1" = -c ] && exec {real} -IS -c "import sys; sys.version_info = {version}; exec(sys.argv[1])" "$2"
echo "{name} $*; $OMP_NUM_THREADS" >>{log}
case "$*" in *"${{FAILS:-nothing}}"*) exit 9;; esac
"""
IN = ".venv/bin/python "
BOOK, TEST, BUILD = "python tools/setup.py book", "python tools/setup.py test", IN + "tools/build.py"
PYTEST = IN + "-m pytest --nbval -n logical --maxprocesses 8"
RECIPES = {
    "book": [BOOK, BUILD],
    "test": [TEST, BUILD, PYTEST],
    "lab": [TEST, IN + "-m jupyter lab book"],
    "notebooks": [TEST, IN + "tools/notebooks.py"],
    "experiments": [TEST, IN + "experiments/a.py", IN + "experiments/b.py"],  # not common.py
    "lint": [TEST, IN + "-m ruff check", IN + "-m ruff format --check", IN + "-m mypy"],
    "bench": [TEST, IN + "benchmarks/a.py", IN + "benchmarks/b.py"],
    "colab": [TEST, IN + "tools/colab.py"],
    "retarget": ["python tools/retarget.py "],  # and no address, which the tool refuses
}


class Folder:
    """The Makefile in a folder of its own, whose pythons write down what they are told."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin, self.log = folder / "a book", folder / "bin", folder / "log"
        (self.folder / "benchmarks").mkdir(parents=True)
        (self.folder / "experiments").mkdir()
        for name in ("a.py", "b.py", "common.py"):
            (self.folder / "experiments" / name).touch()
        shutil.copy(ROOT / "Makefile", self.folder)
        for name in ("b.py", "a.py", "notes.txt"):
            (self.folder / "benchmarks" / name).touch()
        self.bin.mkdir()
        for name in ("make", "sh", "rm"):
            (self.bin / name).symlink_to(shutil.which(name))
        self.python = self.stub("python", (3, 11, 0))
        self.stub(IN.strip(), (3, 11, 0), self.folder / IN.strip())

    def stub(self, name: str, version: tuple[int, ...], path: Path | None = None) -> Path:
        text = PYTHON.format(name=name, real=sys.executable, version=version, log=self.log)
        return program(path or self.bin / name, text)

    def make(self, *words: str, **environment: str) -> tuple[int, list[str], str]:
        """The status, the commands that python was given (each once with its threads), and all that was said."""
        self.log.unlink(missing_ok=True)
        done = ran("make", *words, cwd=self.folder, env={"PATH": str(self.bin), **environment})
        called = self.log.read_text().splitlines() if self.log.exists() else []
        return done.returncode, called, done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def threads(commands: list[str], count: str = "1") -> list[str]:
    return [f"{command}; {count}" for command in commands]


@pytest.mark.parametrize("target", RECIPES)
def test_a_target_runs_these_commands_in_this_order_and_stops_at_the_first_that_fails(
    folder: Folder, target: str
) -> None:
    """Each with one thread; also where a folder has the target's name, as book/ has."""
    (folder.folder / target).mkdir(exist_ok=True)
    commands = RECIPES[target]
    status, called, said = folder.make(target)
    assert (status, called) == (0, threads(commands)), said
    for number, command in enumerate(commands):
        status, called, _ = folder.make(target, FAILS=command.split(" ", 1)[1].strip())
        assert (status, called) == (2, threads(commands[: number + 1]))
    assert folder.make(target, OMP_NUM_THREADS="3")[:2] == (0, threads(commands, "3"))


def test_what_the_reader_adds_is_passed_on(folder: Folder) -> None:
    assert folder.make("test", 'ARGS=-n 0 -k "a ring"')[1][-1] == PYTEST + " -n 0 -k a ring; 1"
    assert folder.make("lab", "ARGS=--no-browser")[1][-1] == IN + "-m jupyter lab book --no-browser; 1"
    for target in ("notebooks", "colab"):
        assert folder.make(target, "NB=01_a 02_b")[1][-1] == f"{IN}tools/{target}.py 01_a 02_b; 1"
    url = "https://github.com/me/a"
    assert folder.make("retarget", f"URL={url}")[1] == [f"python tools/retarget.py {url}; 1"]
    assert folder.make("retarget", URL=url)[1] == [f"python tools/retarget.py {url}; 1"]


def test_the_shell_reads_nothing_into_an_address(folder: Folder) -> None:
    url = 'a"; touch hacked; "`touch hacked`'
    assert folder.make("retarget", f"URL={url}")[1] == [f"python tools/retarget.py {url}; 1"]
    assert not (folder.folder / "hacked").exists()


def test_two_targets_at_once_go_one_after_the_other(folder: Folder) -> None:
    assert folder.make("-j4", "book", "notebooks")[1] == threads([*RECIPES["book"], *RECIPES["notebooks"]])


@pytest.mark.parametrize(
    ("pythons", "taken"),
    [
        ({"python3": (3, 11)}, "python3"),
        ({"python3": (3, 10, 9), "python3.12": (3, 12), "python3.11": (3, 11)}, "python3.12"),
        ({"python3": (3, 9), "python3.13": (3, 13), "python3.12": (3, 12)}, "python3.13"),
        ({"python3": (3, 10), "python3.11": (3, 11, 2)}, "python3.11"),
        ({"python": (3, 14)}, "python"),
        ({"python3": (3, 8), "python": (2, 7)}, "python3"),  # the set-up tells it that it is too old
        ({"python": (2, 7)}, "python"),
    ],
)
def test_the_first_python_that_is_new_enough_is_taken(
    folder: Folder, pythons: dict[str, tuple[int, ...]], taken: str
) -> None:
    folder.python.unlink()
    for name, version in pythons.items():
        folder.stub(name, version)
    for target, last in (("book", BUILD), ("test", PYTEST)):
        status, called, _ = folder.make(target)
        first = called[0].split("; ")[0]
        assert status == 0
        # The shell names the file where nothing is new enough.
        assert re.fullmatch(rf"{taken} tools/setup\.py {target}", first), called
        assert called[-1] == last + "; 1"
    assert folder.make("retarget")[1] == [f"{taken} tools/retarget.py ; 1"]


def test_the_python_that_is_named_is_taken_and_one_that_is_missing_said_to_be(folder: Folder) -> None:
    theirs = folder.stub("theirs", (3, 11), folder.folder.parent / "other python" / "python3")
    assert folder.make("book", f"PYTHON={theirs}")[1] == threads(["theirs tools/setup.py book", BUILD])
    assert folder.make("book", PYTHON=str(theirs))[1][0] == "theirs tools/setup.py book; 1"
    for told in (["PYTHON=/nowhere/python"], []):
        if not told:
            folder.python.unlink()
        for target in RECIPES:
            status, called, said = folder.make(target, *told)
            assert (status, called) == (2, []), target
            assert "setup: Python 3.11 or newer is needed and none was found: install it, or name it with " in said
            assert "make PYTHON=/path/to/python" in said


def test_help_is_the_default_and_names_every_target(folder: Folder) -> None:
    status, called, said = folder.make()
    assert (status, called) == (0, [])
    listed = re.findall(r"^make ([a-z]+)", said, re.M)
    assert sorted(listed) == sorted([*RECIPES, "clean"])
    assert folder.make("help")[2] == said


def test_clean_removes_what_was_built_and_leaves_the_environment(folder: Folder) -> None:
    built = ["_build", ".cache", ".pytest_cache", ".mypy_cache", ".ruff_cache"]
    for name in (*built, "book"):
        (folder.folder / name / "some").mkdir(parents=True)
    (folder.folder / "clean").touch()
    assert folder.make("clean")[:2] == (0, [])
    assert {path.name for path in folder.folder.iterdir()} == {
        "Makefile",
        "benchmarks",
        "book",
        "clean",
        "experiments",
        ".venv",
    }


# --- continuous integration --------------------------------------------------------------------------------------


class Machine:
    """A machine with .ci/run on it, `make`, and whatever else is put there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin, self.log = folder / "book", folder / "bin", folder / "log"
        (self.folder / ".ci").mkdir(parents=True)
        shutil.copy(ROOT / ".ci" / "run", self.folder / ".ci")
        self.bin.mkdir()
        for name in ("bash", "sh", "dirname"):
            (self.bin / name).symlink_to(shutil.which(name))
        # `env` so that the script finds bash, and apt-get its settings.
        (self.bin / "env").symlink_to(shutil.which("env"))
        self.log.touch()
        self.has("make", 'echo "in $PWD" >>{log}; exit ${{TESTS:-0}}')
        self.has("id", "echo ${{USER_ID:-0}}", log=False)

    def has(self, name: str, text: str = "", log: bool = True) -> None:
        call = f'echo "{name} $* $DEBIAN_FRONTEND" >>{self.log}; ' if log else ""
        program(self.bin / name, call + text.format(log=self.log))

    def run(self, **environment: str) -> tuple[int, list[str], str]:
        """The status, what was called, and what was said."""
        self.log.write_text("")
        env = {"PATH": str(self.bin), **environment}
        done = ran(self.folder / ".ci" / "run", cwd=self.folder.parent, env=env)
        return done.returncode, [line.strip() for line in self.log.read_text().splitlines()], done.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


INSTALLED = ["apt-get update -q", "apt-get install -qy --no-install-recommends chromium noninteractive"]


@pytest.mark.parametrize("browser", ["chromium", "chromium-browser", "google-chrome"])
def test_a_browser_that_is_there_is_left_alone(machine: Machine, browser: str) -> None:
    machine.has(browser)
    machine.has("apt-get")
    assert machine.run() == (0, ["make test", f"in {machine.folder}"], "")
    # The tests look for the same ones.
    assert f'"{browser}"' in (ROOT / "conftest.py").read_text(encoding="utf-8")


def test_a_browser_is_installed_where_there_is_none(machine: Machine) -> None:
    machine.has("apt-get")
    assert machine.run() == (0, [*INSTALLED, "make test", f"in {machine.folder}"], "")
    machine.has("sudo", 'shift; "$@"')
    called = machine.run(USER_ID="1000")[1]
    assert [line for line in called if not line.startswith("sudo")] == [*INSTALLED, "make test", f"in {machine.folder}"]
    assert [line.split(" ")[:2] for line in called if line.startswith("sudo")] == [["sudo", "-n"]] * 2


@pytest.mark.parametrize("fails", ["update", "install", "sudo", "apt-get"])
def test_without_a_browser_the_other_tests_run(machine: Machine, fails: str) -> None:
    if fails != "apt-get":
        machine.has("apt-get", f'case "$1" in {fails}) exit 100;; esac')
    status, called, said = machine.run(USER_ID="1000" if fails == "sudo" else "0")
    assert status == 0
    assert called[-2:] == ["make test", f"in {machine.folder}"]
    words = "ci: chromium could not be installed, so the tests of the site will be skipped\n"
    assert said.endswith("" if fails == "apt-get" else words)
    assert (words in said) == (fails != "apt-get")


@pytest.mark.parametrize("status", ["1", "2", "5"])
def test_the_status_is_that_of_the_tests(machine: Machine, status: str) -> None:
    assert machine.run(TESTS=status)[0] == int(status)
    machine.has("apt-get", "exit 1")
    assert machine.run(TESTS=status)[0] == int(status)


def test_the_workflow_runs_it() -> None:
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    assert re.findall(r"^      - run: (.*)", workflow, re.M) == [".ci/run", "make lint"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
