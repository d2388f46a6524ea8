"""The page that describes the package: every public name is on it, and what it links to exists."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
import sys
from html import unescape
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
# A module is a file or a package; the files of a package are its own affair.
MODULES = sorted(
    {p.stem for p in (ROOT / "gan_edu").glob("[a-z]*.py")}
    | {p.parent.name for p in (ROOT / "gan_edu").glob("*/__init__.py")}
)
MARKDOWN = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
CHAPTERS = {path.name[:2]: path.stem for path in (ROOT / "book").glob("[0-9][0-9]_*.ipynb")}


def public(module: str) -> dict[str, Any]:
    """What the module's `__all__` names, as Python sees it."""
    loaded = pytest.importorskip(f"gan_edu.{module}")
    return {name: getattr(loaded, name) for name in loaded.__all__}


def anchor(module: str, name: str) -> str:
    """The name under which a reader imports it."""
    common = importlib.import_module("gan_edu").__all__
    return f"gan_edu.{name}" if name in common else f"gan_edu.{module}.{name}"


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", html))).strip()


@pytest.fixture(scope="module")
def page(html: Path) -> str:
    """The built page."""
    return (html / "book" / "api.html").read_text(encoding="utf-8")


def entry(page: str, name: str) -> tuple[str, str]:
    """The head of an entry, and the page from there up to the next entry that does not belong to it."""
    start = re.search(rf'<dt class="sig[^"]*" id="{re.escape(name)}">', page)
    assert start, f"{name} has no entry on the page: build the book anew, or mend its docstring"
    rest = page[start.start() :]
    following = re.search(rf'<dt class="sig[^"]*" id="(?!{re.escape(name)}(?:\.|"))|</section>', rest)
    head = re.search(r'class="headerlink" href="#', rest)
    assert following
    assert head
    return text_of(rest[: head.start()] + ">"), rest[: following.start()]


# --- the sources -------------------------------------------------------------------------------------------------


def test_every_module_has_its_place_on_the_page() -> None:
    shown = re.findall(r"^## .+\n\n```\{package-module\} (\w+)\n```$", MARKDOWN, re.M)
    missing = [name for name in MODULES if name not in shown]
    assert not missing, f"book/api.md leaves out {missing}: add a heading and a package-module directive for each"
    assert sorted(shown) == MODULES, "book/api.md must name each module once"


@pytest.mark.parametrize("module", MODULES)
def test_every_public_thing_is_documented(module: str) -> None:
    for name, thing in public(module).items():
        if not callable(thing):
            continue
        doc = inspect.getdoc(thing) or ""
        assert doc.strip(), f"gan_edu.{module}.{name} must have a docstring"
        assert len(doc.splitlines()[0].split()) > 1, (
            f"the docstring of gan_edu.{module}.{name} must begin with a summary"
        )
        if not inspect.isfunction(thing):
            continue
        # Two arguments with their types may speak for themselves; of more, some are named or those of another are meant.
        given = inspect.signature(thing).parameters
        told = re.search(r"^Args:|\b[Aa]s (in |for )?`\w+`", doc, re.M) or any(
            re.search(rf"\b{p}\b", doc) for p in given
        )
        assert told or len(given) <= 2, f"gan_edu.{module}.{name} takes {', '.join(given)} and says nothing of them"
        raises = re.search(r"\braise (ValueError|TypeError)\b", inspect.getsource(thing))
        assert not raises or re.search(r"^Raises:|[Ee]rrors[\w ,]* as `\w+`", doc, re.M), (
            f"gan_edu.{module}.{name} raises {raises and raises[1]} and does not say when: add `Raises:`"
        )


def test_the_page_needs_no_import_of_the_package() -> None:
    tree = ast.parse((ROOT / "book" / "_ext" / "gan_api.py").read_text(encoding="utf-8"))
    imports = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)}
    assert not [line for line in imports if re.search(r"\b(gan_edu|torch)\b", line)]


# --- the built page ----------------------------------------------------------------------------------------------


@pytest.mark.site
@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_has_an_entry(page: str, module: str) -> None:
    assert re.search(rf'<p class="gan-module" id="gan_edu\.{module}(-module)?">', page), (
        f"gan_edu.{module} is not on the page"
    )
    for name, thing in public(module).items():
        where = anchor(module, name)
        head, body = entry(page, where)
        assert where in head
        assert f'href="#{where}"' in page, f"no list of names leads to {where}"
        if inspect.isfunction(thing):
            shown = re.findall(r"[(,] ?(\*{0,2}\w+)", re.sub(r"\[[^()]*?\]", "", head))
            for given in inspect.signature(thing).parameters.values():
                stars = {given.VAR_POSITIONAL: "*", given.VAR_KEYWORD: "**"}.get(given.kind, "")
                assert stars + given.name in shown, f"the signature of {where} lacks {given.name}: {head}"
        doc = inspect.getdoc(thing) if callable(thing) else None
        if doc:
            words = text_of(re.sub(r"`+", "", doc.split("\n\n")[0]).replace("<", "&lt;").replace(">", "&gt;"))
            assert words in text_of(body), f"the summary of {where} is not shown as it is written"
            assert (">>>" in doc) <= ("highlight-pycon" in body), f"{where} has an example that is not shown"


@pytest.mark.site
@pytest.mark.parametrize("module", MODULES)
def test_methods_stand_beneath_their_class(page: str, module: str) -> None:
    for name, thing in public(module).items():
        if not inspect.isclass(thing):
            continue
        for part, made in vars(thing).items():
            made = made.__func__ if isinstance(made, staticmethod) else made
            ours = isinstance(made, property) or getattr(made, "__module__", "").startswith(f"gan_edu.{module}")
            if ours and not part.startswith("_") and inspect.getdoc(made) and not inspect.isclass(made):
                head, _ = entry(page, f"{anchor(module, name)}.{part}")
                assert part in head


@pytest.mark.site
def test_nothing_of_a_docstring_is_left_raw(page: str) -> None:
    article = page[page.index("<article") : page.index("</article>")]
    article = re.sub(r"<pre>.*?</pre>", "", article, flags=re.S)
    for line in map(str.strip, re.sub(r"<[^>]+>", "\n", article).splitlines()):
        assert not re.match(r"(Args|Attributes|Returns|Raises|Examples?|Source|Chapter):", line), (
            f"a heading is shown as text: {line}"
        )
        assert "`" not in line, f"a backtick is shown: {line}"
        assert not line.startswith("&gt;&gt;&gt;"), f"an example is shown as text: {line}"


@pytest.mark.site
def test_chapters_are_linked(page: str) -> None:
    """Each number behind `Chapter:` leads to its page, if the chapter is in the book."""
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    named = 0
    for text in re.findall(r"<dt[^>]*>Chapter<.*?</dt>\s*<dd[^>]*>(.*?)</dd>", page, re.S):
        for number in re.findall(r"(?<!\d)\d\d(?!\d)", text_of(text)):
            if f"book/{CHAPTERS.get(number, 'none')}" in toc:
                named += 1
                assert re.search(rf'href="{CHAPTERS[number]}\.html">.*?{number}<', text, re.S), (
                    f"chapter {number} is in the book, and no link leads there from {text_of(text)!r}"
                )
    said = re.findall(r"Chapter: ([^\n]*)", "\n".join(p.read_text("utf-8") for p in (ROOT / "gan_edu").rglob("*.py")))
    assert named, "some entry must name a chapter"
    assert len(re.findall(r">Chapter<", page)) > len(said) // 2, "the page must show the chapters that docstrings name"


@pytest.mark.site
def test_links_on_the_page_lead_somewhere(page: str, html: Path) -> None:
    ids = re.findall(r'\bid="([^"]+)"', page[page.index("<article") : page.index("</article>")])
    assert len(ids) == len(set(ids)), f"ids stand twice: {sorted({i for i in ids if ids.count(i) > 1})}"
    for target in re.findall(r'href="#(gan_edu[^"]*)"', page):
        assert target in ids, f"a link leads to #{target}, which does not exist"
    for file in re.findall(r'href="(\d\d_\w+\.html)', page):
        assert (html / "book" / file).exists(), f"a link leads to {file}, which does not exist"


@pytest.mark.site
def test_every_example_runs_where_it_is_pasted(page: str) -> None:
    pytest.importorskip("torch")
    blocks = re.findall(r'<div class="highlight-pycon.*?<pre>(.*?)</pre>', page, re.S)
    assert len(blocks) > len(MODULES), "the page must show the examples of the docstrings"
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for number, block in enumerate(blocks):
        text = unescape(re.sub(r"<[^>]+>", "", block))
        example = doctest.DocTestParser().get_doctest(text, {}, f"example {number}", None, 0)
        runner.run(example, out=said.append)
    assert not said, "".join(said)


@pytest.mark.site
def test_an_example_is_copied_without_prompts(browser: Any, html: Path) -> None:
    context = browser.new_context()
    try:
        opened = context.new_page()
        opened.goto((html / "book" / "api.html").as_uri())
        opened.evaluate("document.addEventListener('copy', () => { window.copied = document.activeElement.value })")
        block = opened.locator("dt[id='gan_edu.kl'] + dd div.highlight").first
        block.hover()
        block.locator("button.copybtn").click()
        copied = opened.evaluate("window.copied")
        assert "from gan_edu import kl" in copied
        assert ">>>" not in copied
    finally:
        context.close()


# --- how docstrings are read -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def extension() -> Any:
    pytest.importorskip("sphinx")
    pytest.importorskip("griffe")
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    try:
        return importlib.import_module("gan_api")
    finally:
        sys.path.pop(0)


def test_docstring_sections(extension: Any) -> None:
    doc = """Expectation E_{x ~ p}[f], |x| *and* w_k.

    Args:
        x: a number, `f: x` for short,
            or more.
        y, z: two.

    Returns:
        nats (of x): >= 0.

    Raises:
        ValueError: x is none.

    More text.

    Example:
        >>> 1

    Source: Lin (1991);
    Nobody (2000). Chapter: 02, 03.
    """
    assert extension.sections(extension.griffe.Docstring(doc)) == [
        ("", "Expectation E_{x ~ p}[f], |x| *and* w_k."),
        ("Arguments", [("x", "a number, `f: x` for short,\nor more."), ("y, z", "two.")]),
        ("Returns", "nats (of x): >= 0."),
        ("Raises", [("ValueError", "x is none.")]),
        ("", "More text."),
        ("Example", ">>> 1"),
        ("Source", "Lin (1991);\nNobody (2000)."),
        ("Chapter", "02, 03."),
    ]


def test_an_unknown_heading_stops_the_build(extension: Any) -> None:
    made = extension.griffe.Function("f")
    with pytest.raises(ValueError, match="f: 'argument' is no heading"):
        extension.sections(extension.griffe.Docstring("Two words.\n\nArgument:\n    x: one.", parent=made))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gan_edu").mkdir()
    return tmp_path / "gan_edu"


@pytest.fixture
def package(extension: Any, folder: Path) -> Any:
    """A package of three modules, one of them a package, that are read and could not be imported."""
    (folder / "__init__.py").write_text('_LAZY = {"D": "two"}\n__all__ = ["f", *_LAZY]\n')
    (folder / "one.py").write_text(
        "import nothing\nArray = nothing.Array\nLaw = Array | str\n"
        '__all__ = ["f"]\ndef f(x: Law, /, y: int = 1, *z, k: "Law | None" = None, **r) -> Law:\n    "Two words."\n'
    )
    (folder / "two.py").write_text(
        "from dataclasses import dataclass, field\nfrom typing import ClassVar, NamedTuple\n"
        "from gan_edu.one import Law\n__all__ = ['D', 'T', 'g']\n"
        "@dataclass(kw_only=True)\nclass _B:\n    b: int = 2\n    c: ClassVar[int] = 0\n"
        "@dataclass\nclass D(_B):\n    a: Law\n    '''Said of a.'''\n    e: list = field(default_factory=list, kw_only=True)\n"
        "class T(NamedTuple):\n    low: float\n    '''The end.'''\n"
        "def g(d: D | list[T]): ...\n"
    )
    (folder / "three").mkdir()
    (folder / "three" / "__init__.py").write_text("from gan_edu.three.inner import C, h\n__all__ = ['C', 'h']\n")
    (folder / "three" / "inner.py").write_text(
        "import nothing as no\nfrom gan_edu.two import D\nText = str | int\n"
        "class C:\n    def m(self, t: Text) -> D:\n        'Of C.'\ndef h(c: C): 'Two words.'\n"
    )
    return extension.Package(folder.parent)


def test_signatures_are_read_without_an_import(package: Any) -> None:
    assert package.anchors["f"] == "gan_edu.f"
    assert package.anchors["D"] == "gan_edu.D"
    assert package.anchors["T"] == "gan_edu.two.T"
    one, two = package.tree["one"], package.tree["two"]
    assert package.signature(one["f"], "gan_edu.f") == (
        "gan_edu.f(x: Array | str, /, y: int = 1, *z, k: Array | str | None = None, **r) -> Array | str"
    )
    assert package.signature(two["D"], "D") == "D(a: Array | str, *, b: int = 2, e: list = list())"
    assert package.signature(two["T"], "T") == "T(low: float)"
    assert package.signature(two["g"], "g") == "g(d: gan_edu.D | list[gan_edu.two.T])"
    assert [each.docstring and each.docstring.value for each in two["D"].parameters][1] == "Said of a."
    assert two["T"].parameters["low"].docstring.value == "The end."


def test_a_package_shows_what_it_has_from_its_files(package: Any) -> None:
    assert sorted(package.tree.modules) == ["one", "three", "two"]
    three = package.tree["three"]
    assert {name for name in package.anchors if "three" in package.anchors[name]} == {"gan_edu.three", "C", "C.m", "h"}
    assert package.anchors["C.m"] == "gan_edu.three.C.m"
    assert package.signature(three["h"], "gan_edu.three.h") == "gan_edu.three.h(c: gan_edu.three.C)"
    assert package.signature(three["C"]["m"], "m") == "m(t: str | int) -> gan_edu.D"
    assert three["h"].module.imports == {"no": "nothing", "D": "gan_edu.two.D"}


def test_a_module_gives_way_to_its_function_of_the_same_name(extension: Any, folder: Path) -> None:
    (folder / "__init__.py").write_text("from gan_edu.two import two\n__all__ = ['two']\n")
    (folder / "one.py").write_text("from gan_edu.two import two as two\n__all__ = []\n")
    (folder / "two.py").write_text("__all__ = ['two']\ndef two(): ...\n")
    anchors = extension.Package(folder.parent).anchors
    assert anchors == {"gan_edu.one": "gan_edu.one", "gan_edu.two": "gan_edu.two-module", "two": "gan_edu.two"}


def test_a_name_without_one_home_stops_the_build(extension: Any, folder: Path) -> None:
    (folder / "__init__.py").write_text("__all__ = []\n")
    (folder / "one.py").write_text("__all__ = ['gone']\n")
    with pytest.raises(ValueError, match=r"gan_edu\.one must define what its __all__ names, and defines no 'gone'"):
        extension.Package(folder.parent)
    (folder / "one.py").write_text("from gan_edu.two import gone\n__all__ = ['gone']\n")
    with pytest.raises(ValueError, match=r"gan_edu\.one must define what its __all__ names, and defines no 'gone'"):
        extension.Package(folder.parent)
    for name in ("one", "two"):
        (folder / f"{name}.py").write_text("__all__ = ['f']\ndef f(): ...\n")
    with pytest.raises(ValueError, match="must belong to one module, and 'f' belongs to two"):
        extension.Package(folder.parent)
