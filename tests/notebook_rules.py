"""The rules of the notebooks: each takes a notebook and its name, and returns complaints."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import retarget  # noqa: E402  (of tools/, for the tests too)

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


# --- the rules ---------------------------------------------------------------------------------------------------


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
            if re.search(r"<summary>[^<]*\$", line):
                found.append(f"cell {cell.get('id')!r} has a formula in a <summary>, which stays raw: use words there")
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

    def scripts(html: str) -> list[str]:
        return [
            explore.script(),
            *([explore.page.laboratory_script()] if 'class="gan-figure gan-laboratory"' in html else []),
        ]

    return [
        f"cell {cell.get('id')!r} holds a figure whose script is not today's: run `make notebooks NB={name}`"
        for cell in code_cells(nb)
        for output in cell["outputs"]
        if "gan-figure" in (html := "".join(output.get("data", {}).get("text/html", "")))
        and not all(script in html for script in scripts(html))
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
    """What a cell draws or prints whose output is not compared, an assert there or later backs."""
    cells, found = code_cells(nb), []
    for place, cell in enumerate(cells):
        later = any(re.search(r"^\s*assert\b", source(other), re.M) for other in cells[place:])
        if "nbval-ignore-output" in tags(cell) and not later:
            found.append(
                f"cell {cell.get('id')!r} is tagged nbval-ignore-output and is followed by no assert: assert what it shows"
            )
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


def says_why_so_few(nb: Notebook, name: str) -> list[str]:
    """Fewer than sixteen members, or a seed that is chosen, need a reason in their cell: no lucky run makes a claim."""
    found = []
    for cell in code_cells(nb):
        given: list[tuple[str, ast.expr | None]] = []
        for node in ast.walk(ast.parse(source(cell))):
            match node:
                case ast.keyword(arg="members" | "seed" as which, value=value):
                    given.append((which, value))
                case ast.Dict(keys=keys, values=values):
                    given += [(k.value, v) for k, v in zip(keys, values, strict=True) if isinstance(k, ast.Constant)]
                case ast.arguments(args=args, defaults=defaults):  # 0 is the seed of whoever chooses none
                    pairs = list(zip([a.arg for a in args][len(args) - len(defaults) :], defaults, strict=True))
                    given += [p for p in pairs if not (p[0] == "seed" and getattr(p[1], "value", None) == 0)]
        few = any(which == "members" and getattr(value, "value", 16) < 16 for which, value in given)
        chosen = any(which == "seed" for which, _ in given)
        for bad, what, form in (
            (few, "trains fewer than sixteen members", r"# (?:one member|few members): \S"),
            (chosen, "chooses a seed", r"# seed: \S"),
        ):
            if bad and not re.search(form, source(cell)):
                comment = form.replace(r"\S", "...").replace("(?:", "").replace(")", "").replace("|", ": ...` or `# ")
                found.append(f"cell {cell.get('id')!r} {what}: say why in a comment `{comment}`, or do not")
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
    says_why_so_few,
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
