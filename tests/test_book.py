"""The rules of the notebooks and of the project's files, each of which is also tested to bite."""

from __future__ import annotations

import ast
import copy
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import retarget  # noqa: E402

Notebook = dict[str, Any]
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
TAGS = {"hide-cell", "hide-input", "nbval-ignore-output", "raises-exception"}
LARGEST = 1.5e6  # bytes: GitHub shows no larger notebook quickly


# --- what a notebook consists of ---------------------------------------------------------------------------------


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def code_cells(nb: Notebook) -> list[dict[str, Any]]:
    return [cell for cell in nb["cells"] if cell["cell_type"] == "code"]


def markdown_cells(nb: Notebook) -> list[dict[str, Any]]:
    return [cell for cell in nb["cells"] if cell["cell_type"] == "markdown"]


def tags(cell: dict[str, Any]) -> set[str]:
    return set(cell["metadata"].get("tags", []))


def is_hidden(cell: dict[str, Any]) -> bool:
    return bool(tags(cell) & {"hide-cell", "hide-input"})


def prose(nb: Notebook) -> Iterator[tuple[str, str]]:
    """The id and text of each Markdown cell without its code blocks, formulas and code words."""
    for cell in markdown_cells(nb):
        text = re.sub(r"^ *(`{3,}|~{3,})(?!\{).*?^ *\1 *$", "", source(cell), flags=re.S | re.M)
        text = re.sub(r"\$\$.*?\$\$", "", text, flags=re.S)
        yield cell.get("id", "?"), re.sub(r"(?<![`$\\])\$[^$\n]+\$", "", text)


# --- the rules: each takes a notebook and its name and returns complaints ------------------------------------------


def was_executed_in_order(nb: Notebook, name: str) -> list[str]:
    counts = [cell.get("execution_count") for cell in code_cells(nb)]
    expected = list(range(1, len(counts) + 1))
    return (
        []
        if counts == expected
        else [f"the counts must run 1..{len(counts)} and are {counts}: run `make notebooks NB={name}`"]
    )


def has_no_errors(nb: Notebook, name: str) -> list[str]:
    return [
        f"cell {cell.get('id')!r} stores an error: mend it, or tag it raises-exception if the error is the lesson"
        for cell in code_cells(nb)
        if "raises-exception" not in tags(cell) and any(o["output_type"] == "error" for o in cell["outputs"])
    ]


def stores_no_warnings(nb: Notebook, name: str) -> list[str]:
    return [
        f"cell {cell.get('id')!r} stores what was said on stderr: silence its cause (for progress, progress=False)"
        for cell in code_cells(nb)
        if any(o.get("name") == "stderr" for o in cell["outputs"])
    ]


def has_known_tags(nb: Notebook, name: str) -> list[str]:
    return [
        f"cell {cell.get('id')!r} has the tag {tag!r}; allowed are {', '.join(sorted(TAGS))}"
        for cell in nb["cells"]
        for tag in sorted(tags(cell) - TAGS)
    ]


def folds_hidden_cells(nb: Notebook, name: str) -> list[str]:
    return [
        f"cell {cell.get('id')!r} must be folded in Colab exactly if it is hidden on the page: mend its cellView"
        for cell in code_cells(nb)
        if is_hidden(cell) != (cell["metadata"].get("cellView") == "form")
    ]


def has_plain_markdown(nb: Notebook, name: str) -> list[str]:
    found = []
    for cell in markdown_cells(nb):
        for line in source(cell).splitlines():
            if match := re.search(r"^ *(?:`{3,}|~{3,}|:{3,})\{|(?<!`)\{[a-z][\w:+-]*\}`", line):
                found.append(
                    f"cell {cell.get('id')!r} uses {match[0].strip()!r}, a directive or role, which Colab shows raw"
                )
    return found


def has_short_cells(nb: Notebook, name: str) -> list[str]:
    found = []
    for cell in code_cells(nb):
        text = retarget.SETUP_PATTERN.sub("", source(cell)) if cell.get("id") == "setup" else source(cell)
        lines, most = len(text.strip().splitlines()), 40 if is_hidden(cell) else 15
        if lines > most:
            found.append(
                f"cell {cell.get('id')!r} may have {most} lines and has {lines}: move what is not the idea into gan_edu"
            )
        widest = max(map(len, text.splitlines()), default=0)
        if widest > 88 and not is_hidden(cell):
            found.append(
                f"cell {cell.get('id')!r} may be 88 columns wide and has {widest}, which scroll: break the line"
            )
    return found


def is_small(nb: Notebook, name: str) -> list[str]:
    size = len(retarget.dump(nb).encode())
    return (
        []
        if size < LARGEST
        else [f"a notebook may take {LARGEST / 1e6} MB and takes {size / 1e6:.2f}: store less in its figures"]
    )


def has_todays_script(nb: Notebook, name: str) -> list[str]:
    explore = pytest.importorskip("gan_edu.explore")
    return [
        f"cell {cell.get('id')!r} holds a figure whose script is not today's: run `make notebooks NB={name}`"
        for cell in code_cells(nb)
        for output in cell["outputs"]
        if "gan-figure" in (html := "".join(output.get("data", {}).get("text/html", "")))
        and explore.script() not in html
    ]


def is_normalised(nb: Notebook, name: str) -> list[str]:
    found = []
    extra = set(nb["metadata"]) - {"kernelspec", "language_info"}
    if extra or "version" in nb["metadata"].get("language_info", {}):
        found.append("the notebook's metadata differ between machines")
    allowed = {"tags", "cellView"}
    found += [
        f"cell {cell.get('id')!r} has metadata of one run" for cell in nb["cells"] if set(cell["metadata"]) - allowed
    ]
    return [f"{what}: run `python tools/notebooks.py --only-normalise`" for what in found]


def has_prose_between_cells(nb: Notebook, name: str) -> list[str]:
    found, since = [], 1
    for cell in nb["cells"]:
        if cell["cell_type"] == "markdown":
            since += len(source(cell).split())
        elif not is_hidden(cell):
            if since == 0:
                found.append(f"cell {cell.get('id')!r} follows another visible cell: say between them why it comes")
            since = 0
    return found


def asserts_something(nb: Notebook, name: str) -> list[str]:
    has = any(re.search(r"^\s*assert\b", source(cell), re.M) for cell in code_cells(nb))
    return (
        [] if has else ["a chapter must assert its claims and has no assert: add one where the prose claims something"]
    )


def ends_without_semicolon(nb: Notebook, name: str) -> list[str]:
    return [
        f"cell {cell.get('id')!r} ends with a semicolon, which pytest --nbval does not heed: assign the value to _"
        for cell in code_cells(nb)
        if source(cell).rstrip().endswith(";")
    ]


def backs_its_drawings(nb: Notebook, name: str) -> list[str]:
    """A cell whose output is not compared only draws, or a later one asserts what it shows."""
    cells, found = code_cells(nb), []
    for place, cell in enumerate(cells):
        later = any(re.search(r"^\s*assert\b", source(other), re.M) for other in cells[place:])
        says = any(o["output_type"] == "stream" and o.get("name") == "stdout" for o in cell["outputs"])
        if "nbval-ignore-output" in tags(cell) and (says or not later):
            why = "prints what is never compared" if says else "is followed by no assert"
            found.append(f"cell {cell.get('id')!r} is tagged nbval-ignore-output and {why}: assert what it shows")
    return found


def leaves_trainings_uncompared(nb: Notebook, name: str) -> list[str]:
    """The last digits of a training differ between machines: a figure that stores them is not compared."""
    trained, found = {"train", "sweep"}, []
    for cell in code_cells(nb):
        for statement in ast.parse(source(cell)).body:
            parts = list(ast.walk(statement))
            inner = {
                n.id
                for p in parts
                if isinstance(p, ast.comprehension)
                for n in ast.walk(p.target)
                if isinstance(n, ast.Name)
            }
            names = {part.id for part in parts if isinstance(part, ast.Name)} - inner
            if not names & trained:
                continue
            if "Figure" in names and "nbval-ignore-output" not in tags(cell):
                which = ", ".join(sorted(names & trained))
                found.append(
                    f"cell {cell.get('id')!r} stores what a training left ({which}): tag it nbval-ignore-output"
                )
            # What such a statement assigns, defines or appends to comes from a training as well.
            for part in parts:
                match part:
                    case ast.FunctionDef(name=bound) | ast.Name(id=bound, ctx=ast.Store()):
                        trained |= {bound} - inner
                    case ast.Subscript(value=ast.Name(id=bound), ctx=ast.Store()):
                        trained.add(bound)
                    case ast.Attribute(value=ast.Name(id=bound), attr="append" | "extend" | "update"):
                        trained.add(bound)
    return found


def has_ids(nb: Notebook, name: str) -> list[str]:
    ids = [cell.get("id") for cell in nb["cells"]]
    found = [] if None not in ids and len(set(ids)) == len(ids) else ["each cell must have an id of its own"]
    if not (nb["cells"] and nb["cells"][0].get("id") == "title" and nb["cells"][0]["cell_type"] == "markdown"):
        found.append("the first cell must be Markdown with the id 'title'")
    if [cell.get("id") for cell in code_cells(nb)][:1] != ["setup"]:
        found.append("the first code cell must have the id 'setup'")
    return found


def agrees_with_the_address(nb: Notebook, name: str, address: str | None = None) -> list[str]:
    address = retarget.read_address() if address is None else address
    found = []
    for cell in nb["cells"]:
        if cell.get("id") == "setup":
            if not source(cell).startswith(retarget.setup_head(address)):
                found.append("the setup cell must begin with the lines of tools/retarget.py")
            if tags(cell) != {"hide-cell"} or cell["outputs"]:
                found.append("the setup cell must have the one tag hide-cell and print nothing")
        if cell.get("id") == "title":
            links = re.findall(r"^.*colab\.research\.google.*$", source(cell), re.M)
            if links != ([link] if (link := retarget.colab_link(address, f"{name}.ipynb")) else []):
                found.append("the link to Colab must be there exactly if an address is set, and lead to this notebook")
    return [f"{what}: run `make retarget URL={address}`" for what in found]


def asks_and_observes(nb: Notebook, name: str) -> list[str]:
    text = "\n".join(source(cell) for cell in markdown_cells(nb))
    return [
        f"a chapter must hold a paragraph that begins **{word}** and holds none: {what}"
        for word, what in (("Predict", "ask before you show"), ("Notice", "say what the figure shows"))
        if not re.search(rf"^>? *\*\*{word}\b", text, re.M)
    ]


def is_finished(nb: Notebook, name: str) -> list[str]:
    return [
        f"cell {cell.get('id')!r} holds the unfinished marker {match[0]!r}: finish it"
        for cell in nb["cells"]
        if (match := re.search(r"\b(TODO|FIXME|XXX|TBD)\b|(?i:lorem ipsum|coming soon)", source(cell)))
    ]


def names_no_machine(nb: Notebook, name: str) -> list[str]:
    def text(cell: dict[str, Any]) -> str:
        outputs = cell.get("outputs", [])
        shown = [o.get("text", []) for o in outputs] + [o.get("traceback", []) for o in outputs]
        shown += [
            v
            for o in outputs
            for k, v in o.get("data", {}).items()
            if k in ("text/plain", "text/html", "text/markdown")
        ]
        return "\n".join([source(cell), *("".join(part) for part in shown)])

    pattern = r"(?<![\w.:/])/(?:home|root|Users|tmp|work|content|mnt)/\w[^\s\"')]*|\b[A-Z]:\\\\?\w+"
    return [
        f"cell {cell.get('id')!r} names {match[0]!r}, a path of one machine: make it relative"
        for cell in nb["cells"]
        if (match := re.search(pattern, text(cell)))
    ]


def has_living_links(nb: Notebook, name: str) -> list[str]:
    found = []
    for cell, text in prose(nb):
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            path = target.split("#")[0]
            if path and not re.match(r"[a-z]+:", path) and not (ROOT / "book" / path).is_file():
                found.append(f"cell {cell!r} links to {target!r}, which does not exist beside the notebook: correct it")
    return found


def describes_its_images(nb: Notebook, name: str) -> list[str]:
    found = []
    for cell, text in prose(nb):
        empty = re.findall(r"!\[\s*\]\([^)]*\)", text) + [
            i for i in re.findall(r"<img\b[^>]*>", text) if not re.search(r"alt=\"\S", i)
        ]
        found += [f"cell {cell!r} has a picture without words ({picture[:40]}): say what it shows" for picture in empty]
    return found


def has_a_title(nb: Notebook, name: str) -> list[str]:
    titles = [line for _, text in prose(nb) for line in text.splitlines() if re.match(r"# ", line)]
    begins = bool(nb["cells"]) and source(nb["cells"][0]).startswith("# ")
    return (
        [] if len(titles) == 1 and begins else [f"a notebook must begin with its one `# Title` and has {len(titles)}"]
    )


def is_well_named(nb: Notebook, name: str) -> list[str]:
    good = re.fullmatch(r"\d\d(_[a-z0-9]+)+|corrections", name)
    return (
        []
        if good
        else [f"a notebook is named with two digits and a noun phrase, such as 01_minimax_game, and not {name!r}"]
    )


RULES: list[Callable[[Notebook, str], list[str]]] = [
    was_executed_in_order,
    has_no_errors,
    stores_no_warnings,
    has_known_tags,
    folds_hidden_cells,
    has_plain_markdown,
    has_short_cells,
    leaves_trainings_uncompared,
    is_small,
    has_todays_script,
    is_normalised,
    has_prose_between_cells,
    asserts_something,
    ends_without_semicolon,
    backs_its_drawings,
    has_ids,
    agrees_with_the_address,
    asks_and_observes,
    is_finished,
    names_no_machine,
    has_living_links,
    describes_its_images,
    has_a_title,
    is_well_named,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path: Path, rule: Callable[[Notebook, str], list[str]]) -> None:
    complaints = rule(json.loads(path.read_text(encoding="utf-8")), path.stem)
    assert not complaints, f"{path.name}: " + "\n  ".join(complaints)


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS, "book/ must hold notebooks"


# --- each rule bites ---------------------------------------------------------------------------------------------


def cell(kind: str, id: str, text: str, outputs: list[Any] | None = None, **metadata: Any) -> dict[str, Any]:
    made = {"cell_type": kind, "id": id, "metadata": metadata, "source": text.splitlines(keepends=True)}
    return made if kind == "markdown" else made | {"outputs": outputs or [], "execution_count": None}


@pytest.fixture
def good() -> Notebook:
    """The smallest notebook that keeps every rule."""
    explore = pytest.importorskip("gan_edu.explore")
    address = retarget.read_address()
    link = retarget.colab_link(address, "01_game.ipynb")
    figure = {
        "output_type": "execute_result",
        "data": {"text/html": [f'<figure class="gan-figure"><script>{explore.script()}</script>']},
    }
    cells = [
        cell("markdown", "title", "# A game\n" + (f"\n{link}\n" if link else "") + "\nOne claim."),
        cell("code", "setup", retarget.setup_head(address) + "import math\n", tags=["hide-cell"], cellView="form"),
        cell("markdown", "ask", "> **Predict.** What is it? See [notation](notation.md).\n\n```python\nx = {}\n```\n"),
        cell("code", "try", "x = 1\nx"),
        cell("markdown", "see", "**Notice** that $x_{a}$ is one. ![a curve](assets/logo.svg)"),
        cell("code", "draw", "x", [figure], tags=["hide-input", "nbval-ignore-output"], cellView="form"),
        cell("code", "check", "assert x == 1"),
    ]
    for count, made in enumerate([c for c in cells if c["cell_type"] == "code"], start=1):
        made["execution_count"] = count
    return {
        "cells": cells,
        "metadata": {"kernelspec": {}, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def test_a_good_notebook_passes(good: Notebook) -> None:
    assert [complaint for rule in RULES for complaint in rule(good, "01_game")] == []


def write(id: str, text: str) -> Callable[[Notebook], None]:
    def change(nb: Notebook) -> None:
        next(c for c in nb["cells"] if c["id"] == id)["source"] = text.splitlines(keepends=True)

    return change


def put(id: str, key: str, value: Any) -> Callable[[Notebook], None]:
    def change(nb: Notebook) -> None:
        next(c for c in nb["cells"] if c["id"] == id)[key] = value

    return change


def draw_a_run(what: str, *before: str) -> Callable[[Notebook], None]:
    """A figure that is compared, of something that a training left."""

    def change(nb: Notebook) -> None:
        write("draw", "\n".join([*before, f"Figure({what})"]))(nb)
        put("draw", "metadata", {"tags": ["hide-input"], "cellView": "form"})(nb)

    return change


ERROR = {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}
SAID = {"output_type": "stream", "name": "stdout", "text": ["1.3835\n"]}
WARNED = {"output_type": "stream", "name": "stderr", "text": ["UserWarning\n"]}
OLD = {"output_type": "execute_result", "data": {"text/html": '<figure class="gan-figure"><script>old()</script>'}}
BITES: list[tuple[str, Callable[[Notebook], Any], str]] = [
    ("was_executed_in_order", put("try", "execution_count", None), r"counts must run 1\.\.4"),
    ("was_executed_in_order", put("try", "execution_count", 7), r"counts must run"),
    ("has_no_errors", put("try", "outputs", [ERROR]), "stores an error"),
    ("stores_no_warnings", put("try", "outputs", [WARNED]), "stderr"),
    ("has_known_tags", put("try", "metadata", {"tags": ["skip"]}), "tag 'skip'; allowed are hide-cell"),
    ("folds_hidden_cells", put("draw", "metadata", {"tags": ["hide-input"]}), "cellView"),
    ("folds_hidden_cells", put("try", "metadata", {"cellView": "form"}), "cellView"),
    ("has_plain_markdown", write("see", "```{note}\nx\n```"), "directive or role"),
    ("has_plain_markdown", write("see", ":::{note}\nx\n:::"), "directive or role"),
    ("has_plain_markdown", write("see", "by {ref}`x`"), "directive or role"),
    ("has_short_cells", write("try", "x = 1\n" * 16), "may have 15 lines and has 16"),
    ("has_short_cells", write("draw", "x = 1\n" * 41), "may have 40 lines and has 41"),
    ("has_short_cells", write("try", "x = 1  #" + "." * 81), "may be 88 columns wide and has 89"),
    ("leaves_trainings_uncompared", draw_a_run("train(1)"), r"what a training left \(train\): tag it"),
    ("leaves_trainings_uncompared", draw_a_run("[f for f in (run,)]", "run = train(1)"), r"left \(run\)"),
    ("leaves_trainings_uncompared", draw_a_run("seen", "seen = []", "seen.append(sweep(1))"), r"left \(seen\)"),
    ("is_small", put("try", "outputs", [SAID | {"text": "x" * 1_600_000}]), r"1\.5 MB"),
    ("has_todays_script", put("try", "outputs", [OLD]), "not today's"),
    ("is_normalised", put("try", "metadata", {"execution": {}}), "metadata of one run"),
    ("is_normalised", lambda nb: nb["metadata"].update(widgets={}), "differ between machines"),
    ("is_normalised", lambda nb: nb["metadata"]["language_info"].update(version="3.11.7"), "differ between machines"),
    (
        "has_prose_between_cells",
        lambda nb: nb["cells"].insert(4, cell("code", "more", "x")),
        "follows another visible cell",
    ),
    (
        "has_prose_between_cells",
        lambda nb: nb["cells"].insert(4, cell("code", "more", "x")) or write("see", "")(nb),
        "follows another",
    ),
    ("asserts_something", write("check", "x"), "has no assert"),
    ("ends_without_semicolon", write("try", "x;"), "ends with a semicolon"),
    ("backs_its_drawings", write("check", "x"), "followed by no assert"),
    ("backs_its_drawings", put("draw", "outputs", [SAID]), "never compared"),
    ("has_ids", put("try", "id", "draw"), "an id of its own"),
    ("has_ids", lambda nb: nb["cells"][3].pop("id"), "an id of its own"),
    ("has_ids", lambda nb: nb["cells"].pop(0), "id 'title'"),
    ("has_ids", lambda nb: nb["cells"].pop(1), "id 'setup'"),
    ("agrees_with_the_address", write("setup", "import math"), "must begin with the lines"),
    ("agrees_with_the_address", put("setup", "outputs", [SAID]), "print nothing"),
    (
        "agrees_with_the_address",
        write("title", "# A game\n\n[x](https://colab.research.google.com/github/a/b)"),
        "link to Colab",
    ),
    ("asks_and_observes", write("ask", "What is it?"), "Predict"),
    ("asks_and_observes", write("see", "It is one."), "Notice"),
    ("is_finished", write("see", "TODO: say more"), "unfinished"),
    ("is_finished", write("see", "Coming soon."), "unfinished"),
    ("names_no_machine", write("try", "open('/home/me/data.csv')"), "a path of one machine"),
    (
        "names_no_machine",
        put("try", "outputs", [SAID | {"text": ["/tmp/ipykernel_12/1.py:1\n"]}]),
        "a path of one machine",
    ),
    ("has_living_links", write("see", "**Notice** [this](99_nothing.ipynb)"), "99_nothing.ipynb"),
    ("describes_its_images", write("see", "![](assets/logo.svg)"), "without words"),
    ("describes_its_images", write("see", '<img src="assets/logo.svg">'), "without words"),
    ("has_a_title", write("see", "# Another"), "one `# Title`"),
    ("has_a_title", write("title", "A game"), "one `# Title`"),
]


@pytest.mark.parametrize(("name", "breaks", "words"), BITES, ids=[f"{b[0]}-{i}" for i, b in enumerate(BITES)])
def test_rule_bites(good: Notebook, name: str, breaks: Callable[[Notebook], Any], words: str) -> None:
    broken = copy.deepcopy(good)
    breaks(broken)
    complaints = next(rule for rule in RULES if rule.__name__ == name)(broken, "01_game")
    assert any(re.search(words, complaint) for complaint in complaints), complaints


def test_every_rule_is_tested_to_bite(good: Notebook) -> None:
    assert is_well_named(good, "chapter1")
    assert is_well_named(good, "1_game")
    assert not is_well_named(good, "10_lipschitz")
    assert {rule.__name__ for rule in RULES} - {name for name, _, _ in BITES} == {"is_well_named"}


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


def test_setup_cell_without_the_package_says_what_to_do(tmp_path: Path) -> None:
    code = retarget.setup_head(retarget.ADDRESS_IF_UNSET)
    hide = "import importlib.util\nimportlib.util.find_spec = lambda name: None\n"
    done = subprocess.run([sys.executable, "-I", "-c", hide + code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "gan_edu is missing: clone or download the book" in done.stderr


# --- the project's files -----------------------------------------------------------------------------------------


def test_every_module_has_its_tests() -> None:
    modules = {path.stem for path in (ROOT / "gan_edu").glob("[a-z]*.py")}
    packages = {path.parent.name for path in (ROOT / "gan_edu").glob("*/__init__.py")}
    tested = {path.stem.removeprefix("test_") for path in (ROOT / "tests").glob("test_*.py")}
    assert not modules - tested, "each module of gan_edu must have a tests/test_<module>.py"
    tested = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert not packages - tested, "each package in gan_edu must have its tests in tests/<package>/"


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


def test_files_are_small_and_name_no_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git repository, so there is no list of the project's files")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if not path.is_file():
            continue
        assert path.stat().st_size < 2e6, f"{name} is {path.stat().st_size / 1e6:.1f} MB; a file may take 2"
        if path.suffix in {".py", ".js", ".css"} and "gan_edu" in Path(name).parts:
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 1000, f"{name}: one module is one idea"
        if path.suffix in {".py", ".md", ".yml", ".toml", ".txt", ".js", ".css", ""}:
            assert f"{ROOT}/" not in path.read_text(encoding="utf-8"), f"{name} names a path of this machine"


# --- the extension -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def extension() -> Any:
    spec = importlib.util.spec_from_file_location("gan_book", ROOT / "book" / "_ext" / "gan_book.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_stored_figure_is_found_or_the_error_names_the_cells(extension: Any, good: Notebook, tmp_path: Path) -> None:
    path = tmp_path / "01_game.ipynb"
    path.write_text(retarget.dump(good), encoding="utf-8")
    assert "gan-figure" in extension.stored_html(path, "draw")
    with pytest.raises(ValueError, match=r"must hold a cell with the id 'curve'; its code cells are 'setup', 'try'"):
        extension.stored_html(path, "curve")
    with pytest.raises(ValueError, match="must hold a figure and stores none"):
        extension.stored_html(path, "try")
    with pytest.raises(ValueError, match=r"02_none\.ipynb does not"):
        extension.stored_html(tmp_path / "02_none.ipynb", "draw")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Theorem 1.", "theorem"),
        ("Claim.", "theorem"),
        ("Proof.", "proof"),
        ("Notice", "notice"),
        ("Predict.", "predict"),
        ("Definition (JS).", "definition"),
        ("The notes say", "erratum"),
        ("Proofs", None),
        ("Remember", None),
    ],
)
def test_block_kinds(extension: Any, words: str, kind: str | None) -> None:
    assert extension.block_kind(words) == kind
