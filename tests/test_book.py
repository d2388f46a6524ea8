"""The notebooks keep the rules of notebook_rules.py, each of which is also tested to bite; and the page's extension."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from notebook_rules import NOTEBOOKS, ROOT, RULES, Notebook, is_well_named, retarget

# --- the rules ---------------------------------------------------------------------------------------------------


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
    ("has_plain_markdown", write("see", "<details><summary>Why $x$</summary>"), "a formula in a <summary>"),
    ("has_plain_markdown", write("see", "```{note}\nx\n```"), "directive or role"),
    ("has_plain_markdown", write("see", ":::{note}\nx\n:::"), "directive or role"),
    ("has_plain_markdown", write("see", "by {ref}`x`"), "directive or role"),
    ("has_short_cells", write("try", "x = 1\n" * 16), "may have 15 lines and has 16"),
    ("has_short_cells", write("draw", "x = 1\n" * 41), "may have 40 lines and has 41"),
    ("has_short_cells", write("try", "x = 1  #" + "." * 81), "may be 88 columns wide and has 89"),
    ("leaves_trainings_uncompared", draw_a_run("train(1)"), r"what a training left \(train\): tag it"),
    ("leaves_trainings_uncompared", draw_a_run("[f for f in (run,)]", "run = train(1)"), r"left \(run\)"),
    ("leaves_trainings_uncompared", draw_a_run("seen", "seen = []", "seen.append(sweep(1))"), r"left \(seen\)"),
    (
        "says_why_so_few",
        write("try", "train(data, members=4)"),
        "fewer than sixteen.*`# one member: ...` or `# few members",
    ),
    ("says_why_so_few", write("try", "settings = {'members': 1}"), "fewer than sixteen"),
    ("says_why_so_few", write("try", "def learn(members=1, seed=0): pass"), "fewer than sixteen"),
    (
        "says_why_so_few",
        write("try", "train(data, seed=3)  # seed:"),
        "chooses a seed: say why in a comment `# seed: ...`",
    ),
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


@pytest.mark.parametrize(
    "text",
    [
        "train(data, members=16)\ntrain(data, init=run)",
        "train(data, members=1)  # one member: the exact constant takes minutes",
        "train(data, seed=stage)  # seed: each stage draws anew",
        "def learn(members=16, seed=0): pass",
    ],
)
def test_sixteen_members_or_a_reason(good: Notebook, text: str) -> None:
    write("try", text)(good)
    assert [rule(good, "01_game") for rule in RULES if rule.__name__ == "says_why_so_few"] == [[]]


def test_every_rule_is_tested_to_bite(good: Notebook) -> None:
    assert is_well_named(good, "chapter1")
    assert is_well_named(good, "1_game")
    assert not is_well_named(good, "10_lipschitz")
    assert {rule.__name__ for rule in RULES} - {name for name, _, _ in BITES} == {"is_well_named"}


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
        ("Control.", "control"),
        ("Definition (JS).", "definition"),
        ("The notes say", "erratum"),
        ("Proofs", None),
        ("Remember", None),
    ],
)
def test_block_kinds(extension: Any, words: str, kind: str | None) -> None:
    assert extension.block_kind(words) == kind
