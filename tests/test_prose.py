"""Each chapter's table binds what the chapter claims; and the rules and comparisons of tables are tested to bite."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import in_kernel
import nbformat
import pytest
from notebook_rules import NOTEBOOKS, ROOT
from prose import DIGITS, NUMBER, Entry, Notebook, faults, questions, read, verdicts, worth
from prose_items import table_of
from prose_rules import RULES, UNBOUND, to_bind

BOUND = [path for path in NOTEBOOKS if table_of(path).is_file()]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", BOUND, ids=lambda path: path.stem)
def test_chapter(path: Path, rule: Callable[[Notebook, list[Entry]], list[str]]) -> None:
    complaints = rule(json.loads(path.read_text("utf-8")), read(table_of(path).read_text("utf-8")))
    assert not complaints, f"{table_of(path).name}:\n  " + "\n  ".join(complaints)


def test_every_chapter_has_a_table_or_is_listed_and_the_list_only_shrinks() -> None:
    without = {path.stem for path in NOTEBOOKS} - {path.stem for path in BOUND}
    assert set(UNBOUND) == without - {"corrections"}, "a chapter with a table leaves UNBOUND, a new one brings a table"
    assert {name[:2] for name in UNBOUND} <= {"03", "04", "05", "06", "08", "09", "10", "11"}
    tables = {path.name.removesuffix(".says.toml") for path in (ROOT / "book").glob("*.toml")}
    assert tables == {path.stem for path in BOUND}, "a table stands beside the notebook of its name"


# --- numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quoted", "value", "margin"),
    [
        ("16", 16, 0.5),
        ("-1.386", -1.386, 0.0005),
        ("400,000", 400_000, 0.5),
        ("5.00", 5, 0.005),
        (r"\tfrac12", 0.5, 1e-6),
        (r"-\tfrac13", -1 / 3, 1e-6),
        (r"\frac{3}{16}", 3 / 16, 1e-6),
        ("sixteen", 16, 0.5),
        ("Twenty-five", 25, 0.5),
        ("half", 0.5, 1e-6),
        ("a third", 1 / 3, 1e-6),
        ("three quarters", 0.75, 1e-6),
        ("twice", 2, 1e-6),
        ("two million", 2e6, 0.5),
        ("a hundred", 100, 0.5),
        ("hundredfold", 100, 0.5),
    ],
)
def test_a_number_is_worth_what_it_says_to_its_last_digit(quoted: str, value: float, margin: float) -> None:
    assert re.fullmatch(NUMBER, quoted)
    assert worth(quoted) == pytest.approx((value, margin))


CLAIM = "**Notice** that "
SEEN = [
    ("the loss is 1.386 and 3.5 in (2.5), in section 1.4 and `x = 0.5`", ["1.386", "3.5"]),  # decimals, everywhere
    ("sixteen members of 16, twice as many, rising", []),
    (CLAIM + "sixteen members of 20, in chapter 3, of 2014", ["sixteen", "20"]),
    (CLAIM + "half of them rise higher\nor fall\n\nmore, and larger by 7", ["half", "half", "rise", "higher", "fall"]),
    ("> **Claim.** It doubles.\n>\n> And more.\n\nAnd more.", ["doubles", "doubles", "more"]),
    ("> **Control.** With three times the rate it falls.", ["three", "falls"]),
    ("**In this chapter you will**\n\n1. see it halve;\n2. see 3 of them", ["halve", "halve", "3"]),
    ("- [x] What is larger.\n- What is smaller.", ["larger"]),
    (
        CLAIM + r"$k = 5$, $D \to \tfrac12$, $\approx 6$ times, $p(x)/2$, $\mathcal N(0, 1)$, $2\,\mathrm{JS}$",
        ["5", r"\tfrac12", "6"],
    ),
    (r"$$V = \log 2 = 0.693 .\tag{1.5}$$", ["0.693"]),
    ("## 1.3 Three\n\n**1.3** By <summary>Solution 1.3</summary> and [this](https://arxiv.org/abs/1406.2661)", []),
]


@pytest.mark.parametrize(("text", "seen"), SEEN)
def test_what_must_be_bound(text: str, seen: list[str]) -> None:
    assert sorted(text[a:b] for a, b, _ in to_bind(text)) == sorted(seen)


# --- a small notebook --------------------------------------------------------------------------------------------

FIGURE = """
from gan_edu.explore import Figure, Line, Marker, Panel, Slider
Figure(alt="A bell.", caption="Set $h = 2$.", grids={"x": (-4, 4, 81)}, sliders={"h": Slider(0, 4, 0.5, 1)},
       formulas={"p": "h*normal(x, 0, 1)"}, readout={"area": "integral(p, x)", "top": "maximum_over(p, x)"},
       panels=[Panel(x=(-4, 4), y=(0, 1), marks=[Line("p", label="bell", role="data"), Marker("0", "h/4")])])
"""
CELLS = [
    ("title", "# A game\n\n> **Claim.** All 3 losses fall."),
    ("code: setup", "import numpy as np\nloss = np.array([3.0, 2.0, 1.234])"),
    ("see", "**Notice** that the loss falls to 1.23 after two updates, half a nat at 1.23."),
    ("code: draw", FIGURE.strip()),
    ("set", "Set $h = 2$ in the figure."),
]
GOOD = """
[[says]]
cell = "title"
text = "All {} losses {fall|rise}"
is = ["len(loss)", "'fall' if all(np.diff(loss) < 0) else 'rise'"]
[[says]]
cell = "see"
text = "the loss falls to {} after {} updates"
is = ["loss[-1]", "len(loss) - 1"]
[[says]]
cell = "see"
text = "half a nat"
holds = "0.5 < loss[0]"
[[exempt]]
cell = "see"
text = "at 1.23."
why = "said twice"
[[sets]]
cell = "set"
text = "Set $h = {}$"
figure = "draw"
at = { h = 2.0 }
is = "h"
[[sets]]
cell = "draw"
text = "Set $h = {}$."
figure = "draw"
at = { h = 2.0 }
is = "h"
[[figure]]
cell = "draw"
at = { h = 2.0 }
within = 1e-3
reads = { area = "h", top = "h / np.sqrt(2 * np.pi)" }
[[figure]]
cell = "draw"
at = {}
within = 1e-3
reads = { area = "h", top = "h / np.sqrt(2 * np.pi)" }
"""


def notebook() -> Notebook:
    made = []
    for id, text in CELLS:
        kind, name = ("code", id.removeprefix("code: ")) if id.startswith("code: ") else ("markdown", id)
        made.append({"cell_type": kind, "id": name, "metadata": {}, "source": text})
    return {"cells": made}


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) >= 1, old
    return GOOD.replace(old, new, 1)


def test_a_good_table_keeps_the_rules() -> None:
    assert [complaint for rule in RULES for complaint in rule(notebook(), read(GOOD))] == []


UNSOUND = [
    ("table_is_sound", changed('cell = "see"', 'cell = "saw"'), r"'saw'.* must name a cell of the notebook"),
    ("table_is_sound", changed("falls to", "rises to"), "must occur once and occurs 0 times: the sentence has changed"),
    ("table_is_sound", changed("half a nat", "1.23"), "must occur once and occurs 2 times"),
    ("table_is_sound", changed('"len(loss)", ', ""), "has 2 gaps and 1 expressions"),
    (
        "table_is_sound",
        changed('"len(loss) - 1"]', '"len(loss) - 1"]\nwithin = [1]'),
        "has 1 margins in `within` and 2",
    ),
    ("table_is_sound", changed("loss[-1]", "loss[-1"), r"must be an expression of Python, and 'loss\[-1' is none"),
    ("table_is_sound", changed("loss[-1]", "1.23"), "must compute something, and '1.23' names nothing"),
    ("table_is_sound", changed("loss[-1]", "rng.random()"), "must not draw random numbers"),
    (
        "table_is_sound",
        changed("why =", "because ="),
        "must have cell, text, why, may have no more, and has because, cell",
    ),
    (
        "table_is_sound",
        changed("[[exempt]]", "[[excused]]"),
        r"\[\[excused\]\] is unknown; choose one of exempt, figure",
    ),
    ("table_is_sound", changed("holds = ", "after = "), "must be computed after a code cell, and '0.5 < loss"),
    ("table_is_sound", changed('holds = "0.5 < loss[0]"', ""), "must have `is` or `holds`"),
    ("table_is_sound", changed('figure = "draw"', 'figure = "setup"'), "must name the cell of a Figure, and 'setup'"),
    ("binds_its_claims", changed('"half a nat"', '"a nat"'), "the number 'half' is bound to nothing in .*half a nat"),
    ("binds_its_claims", changed('"half a nat"', '"a nat"'), "the direction 'half' is bound to nothing"),
    ("binds_its_claims", changed('"at 1.23."', '"at"'), "the number '1.23' is bound to nothing"),
    ("binds_its_claims", changed("0.5 < loss[0]", "0.4 < loss[0]"), "the number 'half' is bound to nothing"),
    ("claims_of_all_take_the_extreme", changed("all(np.diff(loss) < 0)", "loss[0] > loss[2]"), "assert the extreme"),
    ("reads_its_figures_twice", changed("reads = { area", "reads = { Area"), "read-out 'area' .* is at 1: add a"),
    ("binds_what_the_reader_sets", changed('cell = "set"', 'cell = "see"'), r"'set' tells the reader 'Set \$h = 2'"),
    (
        "binds_what_the_reader_sets",
        changed('[[sets]]\ncell = "draw"', '[[sets]]\ncell = "see"'),
        r"'draw' tells the reader",
    ),
]


@pytest.mark.parametrize(("name", "table", "words"), UNSOUND, ids=[f"{u[0]}-{i}" for i, u in enumerate(UNSOUND)])
def test_rule_bites(name: str, table: str, words: str) -> None:
    complaints = next(rule for rule in RULES if rule.__name__ == name)(notebook(), read(table))
    assert any(re.search(words, complaint) for complaint in complaints), complaints


def test_every_rule_is_tested_to_bite() -> None:
    assert {rule.__name__ for rule in RULES} == {name for name, _, _ in UNSOUND}


# --- what is computed --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def namespace() -> dict[str, Any]:
    """What the small notebook leaves in its kernel."""
    pytest.importorskip("gan_edu.explore")
    names: dict[str, Any] = {}
    exec(CELLS[1][1], names)
    *lines, call = CELLS[3][1].split("\n", 1)
    exec(lines[0], names)
    return names | {"_oh": {1: eval(call, names)}}


def compared(table: str, names: dict[str, Any], nb: Notebook) -> list[str]:
    entries = [entry for entry in read(table) if entry.kind != "exempt"]
    assert not list(faults(entries, nb))
    answers = [json.loads(in_kernel.answer(names, json.dumps(questions(entry)))) for entry in entries]
    return [what for entry, each in zip(entries, answers, strict=True) for what in verdicts(entry, each, nb)]


def test_a_true_table_passes_and_leaves_the_kernel_as_it_was(namespace: dict[str, Any]) -> None:
    before = set(namespace)
    assert compared(GOOD, namespace, notebook()) == []
    assert set(namespace) == before


UNTRUE = [
    (
        ("to 1.23 after", "to 1.24 after"),
        ("", ""),
        r"says 1.24 and loss\[-1\] is 1.234 \(within 0.005\): correct the sent",
    ),
    (("two updates", "three updates"), ("", ""), r"says three and len\(loss\) - 1 is 2.0"),
    (("losses fall", "losses rise"), ("", ""), "says 'rise' and .* gives 'fall': correct the sentence"),
    (("", ""), ("0.5 < loss[0]", "0.5 > loss[0]"), r"the cell says 'half a nat', and 0.5 > loss\[0\] is False"),
    (("", ""), ("loss[-1]", "lost[-1]"), r"lost\[-1\] cannot be computed: NameError: name 'lost' is not defined; corr"),
    (("", ""), ("loss[-1]", "loss"), "loss cannot be computed: TypeError"),
    (("", ""), ("loss[-1]", "np.nan * loss[0]"), "says 1.23 and .* is nan"),
    (("", ""), ('area = "h"', 'area = "2 * h"'), r"at {'h': 2.0}: the read-out 'area' shows 1.99\d+ and 2 \* h is 4.0"),
    (("", ""), ("reads = { area", "reads = { Area"), "Area cannot be computed: KeyError"),
    (
        ("", ""),
        ("at = { h = 2.0 }", "at = { h = 4.5 }"),
        r"cannot be computed: ValueError: h must lie in \[0, 4\], got 4.5",
    ),
    (
        ("h = 2$ in", "h = 3$ in"),
        ("at = { h = 2.0 }", "at = { h = 3.0 }"),
        "'bell' of panel 1 runs from .* to 1.197 and its axis",
    ),
    (("h = 2$ in", "h = 3$ in"), ("", ""), "says 3 and h is 2.0"),
    (("", ""), ('is = "h"', 'is = "h"\nleaves = "p: it is high"'), "no curve leaves its axes: drop `leaves`"),
]


@pytest.mark.parametrize(("sentence", "table", "words"), UNTRUE, ids=range(len(UNTRUE)))
def test_what_is_not_so_is_told(
    namespace: dict[str, Any], sentence: tuple[str, str], table: tuple[str, str], words: str
) -> None:
    nb = notebook()
    for one in nb["cells"]:
        one["source"] = one["source"].replace(*sentence)
    complaints = compared(GOOD.replace(*table, 1), namespace, nb)
    assert any(re.search(words, complaint) for complaint in complaints), complaints


def test_a_dot_beside_its_panel_leaves_it(namespace: dict[str, Any]) -> None:
    explore = pytest.importorskip("gan_edu.explore")
    figure = explore.Figure(
        alt="A dot.",
        sliders={"h": explore.Slider(0, 4, 0.5, 1)},
        panels=[explore.Panel(x=(0, 2), y=(0, 1), marks=[explore.Marker("h", "0.5")])],
    )
    assert list(in_kernel.leaving(figure, {"h": 2})) == []
    assert list(in_kernel.leaving(figure, {"h": 3})) == ["'Marker' of panel 1 stands beside its axes"]


def test_numbers_agree_to_the_digits_that_are_quoted() -> None:
    entry = read('[[says]]\ncell = "see"\ntext = "to {} after"\nis = "loss"')[0]
    for value, good in ((1.2251, True), (1.2349, True), (1.2351, False), (1.2249, False), (math.inf, False)):
        assert bool(list(verdicts(entry, [{"asked": "loss", "value": value}], notebook()))) is not good
    assert re.fullmatch(DIGITS, "1.23")


# --- in a notebook's own kernel ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_tables_run_between_the_cells_of_their_notebooks(tmp_path: Path) -> None:
    """What is untrue fails where its sentence stands, and no more does; after a cell that failed, all is skipped."""
    pytest.importorskip("gan_edu.explore")
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "tests").mkdir()
    for name in ("prose.py", "prose_items.py", "in_kernel.py"):
        shutil.copy(ROOT / "tests" / name, tmp_path / "tests")
    changes = {
        "2_untrue": ("", "", changed("loss[-1]", "loss[0]")),
        "3_broken": ("import numpy as np", "import numpy as np; 1 / 0", GOOD),
        "4_unsound": ("", "", changed('"at 1.23."', '"at 4.56."')),
    }
    for stem, (old, new, table) in changes.items():
        cells = [
            nbformat.from_dict(c | ({"outputs": [], "execution_count": n} if c["cell_type"] == "code" else {}))
            for n, c in enumerate(notebook()["cells"])
        ]
        for c in cells:
            c["source"] = c["source"].replace(old, new)
            c["metadata"] = {"tags": ["nbval-ignore-output"]} if c["cell_type"] == "code" else {}
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / f"{stem}.ipynb")
        (tmp_path / f"{stem}.says.toml").write_text(table, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval",
        "--color=no",
        "-n",
        "0",
        "-v",
        *sorted(tmp_path.glob("*.ipynb")),
    ]
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith("PYTEST_") and k not in ("CI", "BUILD_NUMBER")
    }
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
    said = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True).stdout
    outcomes = re.findall(r"^(\d)_\w+\.ipynb::(.*?) (PASSED|FAILED|SKIPPED)", said, re.M)
    per_notebook = ["Cell 0", "says after setup", "Cell 1", "says after draw"]
    assert (
        outcomes
        == [
            *(("2", name, "FAILED" if name == "says after setup" else "PASSED") for name in per_notebook),
            *(
                ("3", name, "FAILED" if name.startswith("Cell") else "SKIPPED")
                for name in per_notebook
                if name != "Cell 1"
            ),
            *(("4", name, "FAILED" if name == "says" else "PASSED") for name in ("Cell 0", "Cell 1", "says")),
        ]
        or said
    )
    assert (
        "2_untrue.says.toml:\n  [[says]] 'see', 'the loss falls to {} after {} updates' says 1.23 and loss[0] is 3.0"
        in said
    )
    assert "cell 'setup' of 3_broken.ipynb before this one failed" in said
    assert "4_unsound.says.toml:\n  [[exempt]] 'see', 'at 4.56.' must occur once and occurs 0 times" in said
