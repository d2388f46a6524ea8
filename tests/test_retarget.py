"""tools/retarget.py run as a program on a small book: every file that holds the address, or none."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from notebook_rules import retarget
from programs import ROOT

UNSET, MINE, OTHER = retarget.ADDRESS_IF_UNSET, "https://github.com/me/a-book", "https://github.com/other/its.book"
CONFIG = f"""title: A book
repository:
  # a comment
  url: {UNSET}
  branch: main

launch_buttons:
  colab_url: ""
  thebe: false
html:
  use_repository_button: false
"""
PROSE = f"See <{UNSET}>, {UNSET}/issues.\n<!-- colab -->old words<!-- /colab --> and more.\n"
FIRST_SETUP = (
    '# @title Setup\nimport sys\nADDRESS = "x"\ncall([f"git+{ADDRESS}"])\nimport math\nx = 1  # git+{ADDRESS}"])\n'
)
SECOND_SETUP = retarget.setup_head(OTHER) + "import gan_edu.plots\n"


def notebook(setup: str, *more: str) -> dict[str, Any]:
    cells = [("markdown", "title", "# A game\n\nOne claim.\n\nTwo."), ("code", "setup", setup)]
    cells += [("markdown", f"m{i}", text) for i, text in enumerate(more)]
    made = [{"cell_type": kind, "id": id, "metadata": {}, "source": text.splitlines(True)} for kind, id, text in cells]
    made[1] |= {"outputs": [], "execution_count": 1}
    return {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A book of two notebooks, with each kind of file that holds the address."""
    (tmp_path / "book").mkdir()
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "_config.yml").write_text(CONFIG)
    (tmp_path / "README.md").write_text(PROSE)
    (tmp_path / "CITATION.cff").write_text(f"repository-code: {UNSET}\n")
    (tmp_path / "other.md").write_text(f"{UNSET} is left alone")
    panel = "Train: <!-- colab -->here<!-- /colab -->, or not."
    books = {"01_minimax_game": notebook(FIRST_SETUP, panel, f"{UNSET}"), "02_more": notebook(SECOND_SETUP)}
    for name, nb in books.items():
        (tmp_path / "book" / f"{name}.ipynb").write_text(retarget.dump(nb))
    return tmp_path


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    command = [sys.executable, "-B", str(folder / "tools" / "retarget.py"), *arguments]
    done = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def texts(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file() and "tools" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def sources(folder: Path, name: str) -> list[str]:
    nb = json.loads((folder / "book" / f"{name}.ipynb").read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in nb["cells"]]


@pytest.mark.parametrize("address", [MINE, OTHER])
def test_every_place_holds_the_address_and_everything_else_stays(folder: Path, address: str) -> None:
    assert run(folder, address + ".git/") == (0, f"retarget: {address} is now the address (5 files changed)\n", "")
    colab = "https://colab.research.google.com"
    link = f"({colab}/github/{address.removeprefix('https://github.com/')}/blob/main/book/"
    found = texts(folder)
    assert found["_config.yml"] == CONFIG.replace(UNSET, address).replace('""', f'"{colab}"').replace(
        "button: false", "button: true"
    )
    first = (
        f"[Open the first chapter in Colab]{link}01_minimax_game.ipynb); each chapter has such a link under its title."
    )
    assert found["README.md"] == PROSE.replace(UNSET, address).replace("old words", first)
    assert found["CITATION.cff"] == f"repository-code: {address}\n"
    assert found["other.md"] == f"{UNSET} is left alone"
    head = retarget.setup_head(address)
    assert f'\nADDRESS = "{address}"\n' in head
    for name, rest in (
        ("01_minimax_game", 'import math\nx = 1  # git+{ADDRESS}"])\n'),
        ("02_more", "import gan_edu.plots\n"),
    ):
        title, setup, *_ = sources(folder, name)
        assert title == f"# A game\n\n[Open this chapter in Colab]{link}{name}.ipynb)\n\nOne claim.\n\nTwo."
        assert setup == head + rest
    *_, panel, other = sources(folder, "01_minimax_game")
    opened = f"[open this chapter in Colab]{link}01_minimax_game.ipynb)"
    assert panel == f"Train: <!-- colab -->{opened}<!-- /colab -->, or not."
    assert other == UNSET, "what no mark surrounds is the author's"


def test_the_same_address_changes_nothing_another_replaces_it_and_the_placeholder_restores_all(folder: Path) -> None:
    assert run(folder, UNSET)[0] == 0
    unset = texts(folder)
    assert "colab.research" not in "".join(unset.values())
    assert "Once you have published a copy, each chapter has a Colab link." in unset["README.md"]
    assert sources(folder, "01_minimax_game")[2] == (
        "Train: <!-- colab -->open this chapter in Jupyter<!-- /colab -->, or not."
    )
    run(folder, MINE)
    mine = texts(folder)
    assert run(folder, MINE) == (0, f"retarget: {MINE} is now the address (0 files changed)\n", "")
    assert texts(folder) == mine
    run(folder, OTHER)
    assert MINE not in "".join(texts(folder).values())
    run(folder, UNSET)
    assert texts(folder) == unset


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/a/", "https://github.com//b", "https://github.com/a/b/c", "https://github.com/a/.git",
        "https://github.com/a/-b", "https://github.com/a_b/c", f"https://github.com/{'a' * 40}/b",
        f"https://github.com/a/{'b' * 101}", "https://github.com/a/b\nc", "https://github.com/a/b?c", "HTTPS://GITHUB.COM/a/b",
        "https://github.com/--your-account--/other", "git@github.com:a/b", "https://github.com.evil.org/a/b",
        "https://githubXcom/a/b", "", "https://github.com/a/b#c", "https://github.com/a/é",
    ],
)  # fmt: skip
def test_a_malformed_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="and " + ".* does not: run `make retarget URL=https://github.com/OWNER/REP"):
        retarget.check_address(address)


def test_the_longest_names_that_github_has_are_taken() -> None:
    for address in (f"https://github.com/{'a' * 39}/{'b' * 100}", "https://github.com/A-1/_b.C-2", UNSET):
        assert retarget.check_address(f" {address} ") == address


@pytest.mark.parametrize("arguments", [["github.com/a/b"], [], [""], ["--published-from", "a"], ["--published-from"]])
def test_the_program_refuses_it_in_one_line_and_touches_nothing(folder: Path, arguments: list[str]) -> None:
    before = texts(folder)
    status, out, err = run(folder, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("retarget: the address must look like https://github.com/OWNER/REPOSITORY (Colab opens ")
    assert err.count("\n") == 1
    assert texts(folder) == before


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("_config.yml", "  url:", "  link:", "must hold the line `  url: ...` under `repository:` and does not"),
        ("_config.yml", "repository:\n", "else:\n", "must hold the line `  url: ...` under `repository:` and does not"),
        ("_config.yml", "  colab_url:", "  colab:", "and holds 0: restore it"),
        (
            "_config.yml",
            "  use_repository_button: false\n",
            "  use_repository_button: false\n" * 2,
            "and holds 2: rest",
        ),
        ("book/02_more.ipynb", "{", "", "Expecting value"),
    ],
)
def test_where_one_file_cannot_be_written_none_is(folder: Path, file: str, old: str, new: str, words: str) -> None:
    path = folder / file
    path.write_text(path.read_text().replace(old, new, 1))
    before = texts(folder)
    status, out, err = run(folder, MINE)
    assert (status, out) == (2, "")
    assert err.startswith("retarget: ")
    if file == "_config.yml":
        assert words in err
    assert texts(folder) == before


def test_a_book_without_citation_or_readme_is_retargeted_too(folder: Path) -> None:
    for name in ("README.md", "CITATION.cff"):
        (folder / name).unlink()
    assert run(folder, MINE)[1] == f"retarget: {MINE} is now the address (3 files changed)\n"
    (folder / "_config.yml").unlink()
    status, _, err = run(folder, MINE)
    assert status == 2
    assert err.startswith("retarget: [Errno 2] No such file or directory")
