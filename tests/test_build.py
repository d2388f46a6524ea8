"""tools/build.py on two small books with the extensions of this one: all that is right in one, all that is wrong in two."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from notebook_rules import retarget
from programs import ROOT

pytestmark = [pytest.mark.site, pytest.mark.slow]
pytest.importorskip("jupyter_book")

PACKAGE = {
    "__init__.py": '__all__ = ["f"]\nfrom gan_edu.one import f\n',
    "one.py": '''"""One idea."""\nimport nothing\n__all__ = ["f", "C"]\n
def f(x: int) -> int:
    """Twice x, as `C` has it.

    Raises:
        ValueError: x is none.

    Example:
        >>> f(1) + other(1)
        2

    Source: Lin (1991). Chapter: 01, 07.
    """
class C:
    """A class."""
    def m(self): "Of C."
''',
}
INTRO = r"""# A book

Text with $x$ and [a chapter](01_game.ipynb).

$$
a = b \\ c = d \tag{1}
$$

$$
e = f \\ g = h
$$

> **Theorem 1.** All is well.
>
> **Proof.** Not the first of its quote.

> **Proof.** It is.

**Notice** that it is.

**Theorem** in running text.

> Remember the **Notice** within.

- [x] done
- [ ] open

```{explorable} 01_game.ipynb draw
```
"""
FIGURE = '<figure class="gan-figure"><b>stored &amp; shown</b></figure>'
WIDGET = {"application/vnd.jupyter.widget-view+json": {"model_id": "m"}, "text/html": "<b>a picture</b>"}


def cell(id: str, text: str, *data: dict[str, Any]) -> dict[str, Any]:
    made = {"cell_type": "code", "id": id, "metadata": {}, "source": text, "execution_count": 1}
    return made | {"outputs": [{"output_type": "display_data", "metadata": {}, "data": each} for each in data]}


def book(folder: Path) -> Path:
    """A book of three pages in `folder`."""
    for name in ("tools", "book/_ext", "book/assets"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "_config.yml", folder)
    (folder / "_toc.yml").write_text(
        "format: jb-book\nroot: book/intro\nchapters:\n  - file: book/01_game\n  - file: book/api\n"
    )
    (folder / "gan_edu").mkdir()
    for name, text in PACKAGE.items():
        (folder / "gan_edu" / name).write_text(text)
    (folder / "book" / "intro.md").write_text(INTRO)
    (folder / "book" / "api.md").write_text("# The package\n\n```{package-module} one\n```\n")
    title = {"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# A game\n\nOne claim."}
    cells = [
        title,
        cell("print", "open('executed', 'w').close()", {"text/plain": "as it was stored"}),
        cell("draw", "1", {"text/html": FIGURE}),
        cell("live", "2", WIDGET),
        cell("never", "1 / 0"),
    ]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    nb = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "book" / "01_game.ipynb").write_text(json.dumps(nb))
    retarget.retarget(folder, retarget.ADDRESS_IF_UNSET)
    return folder


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "tools" / "build.py")]
    return subprocess.run(command, cwd=folder.parent, capture_output=True, text=True)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A book without a fault, built where another had been."""
    folder = book(tmp_path_factory.mktemp("good"))
    for old in ("html/book/99_old.html", "html/_static/old.js", ".doctrees/old.doctree"):
        (folder / "_build" / old).parent.mkdir(parents=True, exist_ok=True)
        (folder / "_build" / old).write_text("old")
    return folder, build(folder)


def page(folder: Path, name: str) -> str:
    text = (folder / "_build" / "html" / "book" / f"{name}.html").read_text(encoding="utf-8")
    return text[text.index("<article") : text.index("</article>")]


def test_it_is_built_and_said_to_be(good: Any) -> None:
    folder, done = good
    assert (done.returncode, done.stderr) == (0, "")
    unset, built = done.stdout.splitlines()
    assert unset.startswith("book: no address is set, so no page links to Colab; `make retarget URL=https://github.com")
    assert re.fullmatch(rf"book: built in \d+ s; open {re.escape(str(folder))}/_build/html/index\.html", built)
    assert sorted(path.name for path in (folder / "_build" / "html" / "book").glob("*.html")) == [
        "01_game.html",
        "api.html",
        "intro.html",
    ]


def test_nothing_is_left_of_the_build_before_nor_beside_the_sources(good: Any) -> None:
    assert not [path for path in (good[0] / "_build").rglob("*") if path.stem in ("99_old", "old")]
    assert not list((good[0] / "book").rglob("__pycache__"))


def test_stored_outputs_are_shown_and_nothing_is_executed(good: Any) -> None:
    text = page(good[0], "01_game")
    assert not list(good[0].rglob("executed"))
    assert "as it was stored" in text
    assert FIGURE in text
    assert "ZeroDivisionError" not in text
    assert "a picture" in text
    assert "widget-view" not in text


def test_pages_hold_all_that_they_load(good: Any) -> None:
    html = good[0] / "_build" / "html"
    assert not list(html.rglob("*.map"))
    mathjax = html / "_static" / "mathjax"
    assert {str(path.relative_to(mathjax)) for path in mathjax.glob("*/*") if path.is_dir()} | {
        path.name for path in mathjax.glob("*.js")
    } == {"tex-chtml.js", "output/chtml", "input/tex"}
    assert list(mathjax.rglob("*.woff"))
    for name in ("intro", "01_game", "api"):
        text = (html / "book" / f"{name}.html").read_text(encoding="utf-8")
        scripts = re.findall(r'<(?:script|link)[^>]*(?:src|href)="([^"]+)"', text)
        assert not [script for script in scripts if re.match(r"https?:|//", script) or "thebe" in script]
        assert text.count("search-button-field") == 1
    assert "_static/mathjax/tex-chtml.js" in (html / "book" / "intro.html").read_text(encoding="utf-8")


def test_blocks_formulas_and_tasks_are_set(good: Any) -> None:
    text = page(good[0], "intro")
    assert re.findall(r'class="(?:[^"]* )?gan-block gan-(\w+)', text) == ["theorem", "proof", "notice"]
    assert re.search(r'<p class="gan-block gan-notice"><strong>Notice</strong>', text)
    assert "\\[\na = b \\\\ c = d \\tag{1}\n\\]" in text, "a formula with a tag is left as it is written"
    assert "\\begin{split}\ne = f" in text
    boxes = re.findall(r"<input[^>]*>", text)
    assert len(boxes) == 2
    assert all('aria-hidden="true"' in box for box in boxes)
    assert f'<div class="gan-explorable">{FIGURE}</div>' in text


def test_the_package_is_described_with_links_to_its_chapters(good: Any) -> None:
    text = page(good[0], "api")
    assert 'id="gan_edu.f"' in text
    assert 'id="gan_edu.one.C.m"' in text
    assert re.search(r'href="01_game\.html"><span[^>]*>01</span></a>, 07', text)
    plain = re.sub(r"<[^>]+>", "", text)
    assert "&gt;&gt;&gt; from gan_edu import f\n&gt;&gt;&gt; f(1) + other(1)" in plain
    assert 'href="#gan_edu.one.C"' in text


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """What is said of a book with many a fault, each of which is but a warning."""
    folder = book(tmp_path_factory.mktemp("bad"))
    (folder / "book" / "intro.md").write_text(
        "# A book\n\n[a page](99_none.md) and {py:func}`gan_edu.none`\n\n```{explorable} 01_game.ipynb curve\n```\n\n"
        "```{explorable} 01_game.ipynb never\n```\n\n```{explorable} 02_none.ipynb draw\n```\n\n"
        "```{package-module} two\n```\n\n### Too deep\n"
    )
    with (folder / "gan_edu" / "one.py").open("a") as stream:
        stream.write('    def n(self):\n        """Two words.\n\n        Argument:\n            x: one.\n        """\n')
    with (folder / "_toc.yml").open("a") as stream:
        stream.write("  - file: book/98_gone\n")
    return build(folder)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("intro.md", "cross-reference target not found: '99_none.md'"),
        ("intro.md", "py:func reference target not found: gan_edu.none"),
        ("intro.md", r"explorable: 01_game.ipynb must hold a cell with the id 'curve'; its code cells are 'print', "),
        ("intro.md", r"explorable: cell 'never' of 01_game.ipynb must hold a figure and stores none: run `make noteb"),
        ("intro.md", r"explorable: the notebook must exist, and 02_none.ipynb does not"),
        ("intro.md", r"package-module: no module 'two'; choose one of ['one']"),
        ("intro.md", "Non-consecutive header level increase"),
        ("api.md", "package-module: gan_edu.one.C.n: 'argument' is no heading; leave a line empty below it"),
        ("", "98_gone"),
    ],
)
def test_each_warning_fails_the_build_and_is_told_with_its_file(bad: Any, file: str, words: str) -> None:
    assert bad.returncode != 0
    told = [line for line in bad.stderr.splitlines() if re.search("WARNING|ERROR", line)]
    assert any(file in line for line in told)
    # Where the message is long, docutils sets it in lines of its own.
    assert words in " ".join(bad.stderr.split())


def test_a_failed_build_says_what_to_do_and_is_not_said_to_be_built(bad: Any) -> None:
    assert bad.stderr.splitlines()[-1] == (
        "book: the build failed; each line above that says WARNING or ERROR names a file to mend"
    )
    assert "book: built" not in bad.stdout
