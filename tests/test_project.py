"""Both states of the address, and the rules of the project's files."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from notebook_rules import NOTEBOOKS, ROOT, agrees_with_the_address, retarget

# --- the address -------------------------------------------------------------------------------------------------

PUBLISHED = "https://github.com/someone/a-book.of_mine"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The files that hold the address, in a folder of their own."""
    (tmp_path / "book").mkdir()
    for path in (ROOT / "_config.yml", ROOT / "README.md", *NOTEBOOKS):
        shutil.copy(path, tmp_path / path.relative_to(ROOT))
    retarget.retarget(tmp_path, retarget.ADDRESS_IF_UNSET)
    return tmp_path


def test_both_states_of_the_address(copied: Path) -> None:
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    assert b"colab.research.google" not in b"".join(before.values()), (
        "no link to Colab may be shown before the book has an address"
    )

    assert retarget.retarget(copied, PUBLISHED), "the address must be written"
    assert retarget.read_address(copied) == PUBLISHED
    for path in before:
        text = path.read_text(encoding="utf-8")
        assert "https://github.com/--your-account--" not in text, path.name
        if path.suffix == ".ipynb":
            assert agrees_with_the_address(json.loads(text), path.stem, PUBLISHED) == []
    config = (copied / "_config.yml").read_text(encoding="utf-8")
    assert 'colab_url: "https://colab.research.google.com"' in config
    assert "use_repository_button: true" in config
    assert retarget.retarget(copied, PUBLISHED) == [], "the second time there must be nothing to do"

    retarget.retarget(copied, retarget.ADDRESS_IF_UNSET)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_written_as_nbformat_writes_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == retarget.dump(json.loads(text)), (
        f"{path.name}: run `python tools/notebooks.py --only-normalise {path.stem}`"
    )


@pytest.mark.parametrize(
    "address",
    [
        "",
        "github.com/a/b",
        "http://github.com/a/b",
        "https://gitlab.com/a/b",
        "https://github.com/a",
        "https://github.com/-a/b",
        "https://github.com/a/b;rm",
        "https://github.com/a/b c",
        "https://github.com/a/$(b)",
        'https://github.com/a/b"',
        "file:///a/b",
    ],
)
def test_bad_addresses_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"must look like https://github\.com/OWNER/REPOSITORY"):
        retarget.check_address(address)


@pytest.mark.parametrize("ending", ["", "/", ".git"])
def test_good_addresses_are_taken(ending: str) -> None:
    assert retarget.check_address(PUBLISHED + ending) == PUBLISHED


def test_the_site_is_published_with_the_address_that_is_committed(copied: Path) -> None:
    steps = re.findall(r"- run: (.*)", (ROOT / ".github/workflows/publish.yml").read_text(encoding="utf-8"))
    assert steps == ['python tools/retarget.py --published-from "$ADDRESS"', "make book"]
    shutil.copytree(ROOT / "tools", copied / "tools", ignore=shutil.ignore_patterns("__pycache__"))

    def said(here: str) -> str:
        before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
        command = ["sh", "-ec", steps[0].replace("python", f"'{sys.executable}' -B", 1)]
        done = subprocess.run(command, cwd=copied, env={"ADDRESS": here}, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before
        return done.stdout

    remedy = f"run `make retarget URL={PUBLISHED}`, commit and push\n"
    unset = "::warning::no address is committed, so the site is built without links to Colab: "
    assert said(PUBLISHED) == unset + remedy
    retarget.retarget(copied, PUBLISHED)
    assert said(PUBLISHED) == said(PUBLISHED + "/") == f"links to Colab open the notebooks of {PUBLISHED}\n"
    other = "https://github.com/another/fork"
    assert said(other) == (
        f"::warning::the committed address is {PUBLISHED}, so links to Colab lead there and not to {other}: "
        f"run `make retarget URL={other}`, commit and push\n"
    )


def test_setup_cell_without_the_package_says_what_to_do(tmp_path: Path) -> None:
    code = retarget.setup_head(retarget.ADDRESS_IF_UNSET)
    hide = "import importlib.util\nimportlib.util.find_spec = lambda name: None\n"
    done = subprocess.run([sys.executable, "-I", "-c", hide + code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "gan_edu is missing: clone or download the book" in done.stderr


@pytest.mark.parametrize(("has", "told"), [("0.1.9", True), ("0.2.0", False), ("0.10.0", False), ("1.0.0", False)])
def test_setup_cell_says_that_the_package_is_older_than_the_notebook(tmp_path: Path, has: str, told: bool) -> None:
    (tmp_path / "gan_edu.py").write_text(f'__version__ = "{has}"\n', encoding="utf-8")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + retarget.setup_head(retarget.ADDRESS_IF_UNSET)
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode != 0) == told
    words = (
        f"this notebook needs gan_edu {retarget.NEEDS} or newer, and {has} is here: run `pip install .` in the folder"
    )
    assert (words in done.stderr) == told


def test_the_notebooks_need_no_version_that_is_not_there() -> None:
    import gan_edu

    needed, there = ([int(part) for part in text.split(".")] for text in (retarget.NEEDS, gan_edu.__version__))
    assert needed <= there


# --- the project's files -----------------------------------------------------------------------------------------


def test_every_module_has_its_tests() -> None:
    modules = {path.parent.name for path in (ROOT / "gan_edu").glob("*/__init__.py")}
    modules |= {path.stem for path in (ROOT / "gan_edu").glob("*.py")} - {"__init__"}
    tested = {path.stem.removeprefix("test_") for path in (ROOT / "tests").glob("test_*.py")}
    tested |= {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert not modules - tested, "each module of gan_edu must have a tests/test_<module>.py, or a folder tests/<module>"


def cited(doc: str) -> set[tuple[str, str]]:
    """(first author, year) of each work that a docstring's `Source:` names."""
    text = " ".join(re.findall(r"Source: (.*?)(?:Chapter:|$)", " ".join(doc.split())))
    return set(re.findall(r"([A-Z][\w-]+)(?:,? [\w ,.]*?)? \((\d{4})\)", text))


def test_every_source_of_the_package_is_among_the_references() -> None:
    assert cited("A. Source: Lin (1991); Levin, Peres and Wilmer (2009), 4.1. Chapter: 02.") == {
        ("Lin", "1991"),
        ("Levin", "2009"),
    }
    listed = (ROOT / "book" / "references.md").read_text(encoding="utf-8").splitlines()
    for path in (ROOT / "gan_edu").rglob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        texts = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        for author, year in set().union(*map(cited, texts)):
            assert any(author in line and f"({year})" in line for line in listed), f"{path.name}: {author} ({year})"


def test_every_chapter_is_in_the_contents() -> None:
    listed = re.findall(r"file: book/(\w+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    assert {path.stem for path in NOTEBOOKS} == {name for name in listed if (ROOT / "book" / f"{name}.ipynb").exists()}
    assert all((ROOT / "book" / f"{name}.ipynb").exists() or (ROOT / "book" / f"{name}.md").exists() for name in listed)


def test_requirements_are_pinned_and_cover_the_package() -> None:
    lines = [
        line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    ]
    lines = [line for line in lines if line]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines)
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines}
    assert len(pinned) == len(lines), "no package may be pinned twice"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {re.split(r"[><=]", need)[0] for need in project["dependencies"]} <= pinned
    assert not [name for name in pinned if name.startswith(("nvidia", "cuda", "triton"))]


def test_what_is_installed_is_what_is_pinned() -> None:
    """The outputs were made with these versions, and are compared with what these versions give."""
    from importlib.metadata import PackageNotFoundError, version

    wrong = []
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        name, _, wanted = line.split("#")[0].strip().partition("==")
        try:
            if name and version(name).split("+")[0] != wanted:
                wrong.append(f"{name} {version(name)}, not {wanted}")
        except PackageNotFoundError:
            wrong.append(f"{name} is missing")
    assert not wrong, "run this through `make test`, which prepares the pinned environment: " + ", ".join(wrong)


def test_every_pin_installs_on_the_oldest_python_promised() -> None:
    """Debian 12 has 3.11.2: a pin that wants 3.11.5 leaves it without a book."""
    from importlib.metadata import metadata

    from packaging.specifiers import SpecifierSet

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest = re.search(r">=([\d.]+)", project["requires-python"])[1] + ".0"
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    names = [line.split("==")[0] for line in lines if re.match(r"[\w.-]+==", line)]
    wants = {name: metadata(name).get("Requires-Python") or "" for name in names}
    assert len(names) > 100
    assert {name: want for name, want in wants.items() if oldest not in SpecifierSet(want)} == {}


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "_config.yml"])
def test_named_make_targets_exist(name: str) -> None:
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    text = (ROOT / name).read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", text, re.M))
    assert named, f"{name} names no make target"
    assert named <= known


def test_links_of_the_front_pages() -> None:
    for name in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)\s]+)\)", (ROOT / name).read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", target):
                assert (ROOT / target).exists(), f"{name} links to {target}, which does not exist"


@pytest.mark.parametrize("folder", ["gan_edu", "tools", "benchmarks", "book/_ext"])
def test_functions_are_short(folder: str) -> None:
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (length := node.end_lineno - node.lineno + 1) > 60:
                raise AssertionError(f"{path.name}: {node.name} has {length} lines; a function may have 60")


def test_files_are_small_and_name_no_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git repository, so there is no list of the project's files")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if not path.is_file():
            continue
        assert path.stat().st_size < 2e6, f"{name} is {path.stat().st_size / 1e6:.1f} MB; a file may take 2"
        if path.suffix in {".py", ".js", ".css"}:
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 450, f"{name}: one file is one idea"
        if path.suffix in {".py", ".md", ".yml", ".toml", ".txt", ".js", ".css", ""}:
            assert f"{ROOT}/" not in path.read_text(encoding="utf-8"), f"{name} names a path of this machine"
