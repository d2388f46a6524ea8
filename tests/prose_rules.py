"""The rules of a notebook's table: each takes a notebook and the entries, and returns complaints.

What must be bound:

- everywhere in the Markdown, every number with a decimal point: it was computed;
- in what a chapter claims (a block quote or paragraph that begins **Claim**, **Notice** or **Control**, the goals, the
  summary that returns them) also every other number and every word of a direction (`DIRECTIONS`).

No numbers are: code, links, headings, labels of lists, what follows *chapter, section, equation, figure, exercise* and
the like, an equation's (2.5), years of sources. In a formula a whole number or a fraction counts where it is the whole
formula or a side of a relation, $k = 5$ or $D^* \\to 1$: others belong to an identity, which is derived and not quoted.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from typing import Any

from prose import NUMBER, Entry, Notebook, constants, faults, worth

DIRECTIONS = (
    r"\b(?:ris(?:es?|ing|en)|rose|fall(?:s|ing|en)?|fell|grow(?:s|ing|n)?|grew|shr[iau]nk(?:s|ing)?|increas(?:es?|ed|ing)"
    r"|decreas(?:es?|ed|ing)|(?:larg|small|high|low|fast|slow|wid|narrow|near|few)er|more|less"
    r"|twice|doubl(?:es?|ed|ing)|half|halv(?:es?|ed|ing))\b"
)
UNIVERSAL = r"\b(?:all|every|none|each of the|any of the)\b(?<!at all)(?<!after all)(?<!not all)"
REFERENCES = (
    r"^ *`{3}.*?^ *`{3}|`[^`\n]*`|<!--.*?-->|<summary>.*?</summary>|<[^<>\s][^<>\n]*>|\]\([^)\n]*\)|\\tag\{[^}]*\}"
    r"|^[> ]*#+ .*?$|^[> ]*\d+\. |\*\*\d+\.\d+|\(\d+\.\d+\)"
    r"|\b(?:chapter|section|figure|theorem|proposition|equation|algorithm|exercise|solution|panel)s? \d+(?:\.\d+)?(?: and \d+(?:\.\d+)?)?"
    r"|\b(?:in|of|the|NIPS) (?:19|20)\d\d\b|\((?:[^()\n]* )?(?:19|20)\d\d\)"
)
FORMULA = r"\$\$.*?\$\$|(?<![\\$])\$[^$\n]+\$"
SIDE = (
    rf"(?:(?<=\$)|[=<>]|\\(?:approx|equiv|to|le|ge|ne|pm|times)(?![a-z])) *({NUMBER})"
    r"(?= *(?:[$,;=<>]|\\(?:q?quad|text|approx|to|le|ge|ne)\b))"
)
SETS = (
    r"\b(?:[Ss]et|[Dd]rag|[Mm]ove|[Ss]lide|[Tt]urn|[Rr]aise|[Ll]ower) (?:\$|both|the)[^.?!]{0,60}?"
    r"(?:= *[-\d]|\bto (?:-?[\d]|zero|half))"
    r"|\b(?:[Hh]alve|[Dd]ouble) \$"
)


def blank(text: str, pattern: str) -> str:
    """The text with what matches blanked out, every other character at its place."""
    return re.sub(pattern, lambda found: re.sub(r"\S", " ", found[0]), text, flags=re.S | re.M | re.I)


def claims(text: str) -> list[tuple[int, int]]:
    """Where in a Markdown cell something is claimed."""
    found = [
        m.span()
        for m in re.finditer(
            r"^(> ?)?\*\*(?:Claim|Notice|Control)\b(?:(?!\n\s*\n)(?(1)(?!\n[^>])).)*", text, re.S | re.M
        )
    ]
    found += [m.span() for m in re.finditer(r"^- \[x\] .*$", text, re.M)]
    if "**In this chapter you will**" in text:
        found += [m.span() for m in re.finditer(r"^\d+\. .*$", text, re.M)]
    return found


def to_bind(text: str) -> Iterator[re.Match[str] | tuple[int, int, str]]:
    """Each number and direction of a Markdown cell that must be bound: start, end and kind."""
    plain = blank(text, REFERENCES)
    words = blank(plain, FORMULA)
    spans = {(m.start(), m.end(), "number") for m in re.finditer(NUMBER, plain) if "." in m[0]}
    for start, end in claims(text):
        spans |= {(m.start(), m.end(), "number") for m in re.compile(NUMBER).finditer(words, start, end)}
        spans |= {(m.start(), m.end(), "direction") for m in re.compile(DIRECTIONS, re.I).finditer(words, start, end)}
        for formula in re.compile(FORMULA, re.S).finditer(plain, start, end):
            spans |= {(*m.span(1), "number") for m in re.compile(SIDE).finditer(plain, *formula.span())}
    yield from sorted(spans)


def bound(
    entries: list[Entry], nb: Notebook, cell: str
) -> tuple[list[tuple[int, int]], list[tuple[int, int, set[float]]]]:
    """What the table binds in a cell: numbers that are compared or exempt; sentences, with the numbers in their expressions."""
    numbers, sentences = [], []
    for entry in entries:
        for match in entry.find(nb) if entry.cell == cell and "text" in entry.given else []:
            if entry.kind == "exempt":
                numbers.append(match.span())
            numbers += [match.span(n) for n in range(1, len(match.groups()) + 1)]
            sentences.append((*match.span(), set().union(*map(constants, entry.everything))))
    return numbers, sentences


def sentence(text: str, start: int) -> str:
    before = max(text.rfind(mark, 0, start) for mark in (". ", "\n", "? ", ": "))
    return re.split(r"(?<=[.?!]) |\n", text[before + 1 :].strip(". "))[0][:160]


# --- the rules ---------------------------------------------------------------------------------------------------


def table_is_sound(nb: Notebook, entries: list[Entry]) -> list[str]:
    return list(faults(entries, nb))


def binds_its_claims(nb: Notebook, entries: list[Entry]) -> list[str]:
    found = []
    for cell in nb["cells"]:
        if cell["cell_type"] != "markdown":
            continue
        text, id = "".join(cell["source"]), cell.get("id", "?")
        numbers, sentences = bound(entries, nb, id)
        for start, end, kind in to_bind(text):
            inside = [values for a, b, values in sentences if a <= start and end <= b]
            good = any(a <= start and end <= b for a, b in numbers)
            good |= bool(inside) if kind == "direction" else any(abs(worth(text[start:end])[0]) in v for v in inside)
            if not good:
                found.append(
                    f"cell {id!r}: the {kind} {text[start:end]!r} is bound to nothing in {sentence(text, start)!r}: "
                    "bind it to what computes it, or exempt it and say why"
                )
    return found


def claims_of_all_take_the_extreme(nb: Notebook, entries: list[Entry]) -> list[str]:
    """A sentence of all members is true of the worst: no median shows it."""
    return [
        f"{entry} speaks of all, and none of its expressions takes all, any, min or max: assert the extreme"
        for entry in entries
        if entry.kind in ("says", "sets")
        and re.search(UNIVERSAL, entry.text, re.I)
        and not any(re.search(r"\b(?:arg|nan)?(?:all|any|min|max|allclose|array_equal)\b", e) for e in entry.everything)
    ]


def read_outs(cell: dict[str, Any]) -> list[str]:
    """The labels of the read-outs of the figures in a code cell."""
    labels = []
    for node in ast.walk(ast.parse("".join(cell["source"]))):
        if isinstance(node, ast.keyword) and node.arg == "readout":
            keys = node.value.keys if isinstance(node.value, ast.Dict) else [pair.elts[0] for pair in node.value.elts]  # type: ignore[attr-defined]
            labels += [english(ast.literal_eval(key)) for key in keys if key is not None]
    return labels


def english(label: str | dict[str, str]) -> str:
    return label if isinstance(label, str) else label["en"]


def reads_its_figures_twice(nb: Notebook, entries: list[Entry]) -> list[str]:
    found = []
    for cell in nb["cells"]:
        if cell["cell_type"] != "code":
            continue
        mine = [entry.given for entry in entries if entry.kind == "figure" and entry.cell == cell.get("id")]
        for label in read_outs(cell):
            settings = {str(sorted(one["at"].items())) for one in mine if label in one["reads"]}
            if len(settings) < 2:
                found.append(
                    f"the read-out {label!r} of cell {cell.get('id')!r} must be compared at two settings and is at "
                    f"{len(settings)}: add a [[figure]] whose `reads` has it"
                )
    return found


def binds_what_the_reader_sets(nb: Notebook, entries: list[Entry]) -> list[str]:
    """Where the text says how to set a figure, the figure is looked at there."""
    found = []
    for cell in nb["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "code":  # of a figure, the caption
            text = " ".join(re.findall(r'caption="[^"]*"', text))
        mine = [e for e in entries if e.cell == cell.get("id") and (e.kind == "sets" or e.kind == "exempt")]
        said = [match[0] for entry in mine for match in entry.find(nb)]
        for match in re.finditer(SETS, blank(text, r"`[^`\n]*`|<details>.*?</details>")):
            if not any(match[0] in one or one in match[0] for one in said):
                found.append(f"cell {cell.get('id')!r} tells the reader {match[0]!r}: add a [[sets]] that looks at it")
    return found


RULES: list[Callable[[Notebook, list[Entry]], list[str]]] = [
    table_is_sound,
    binds_its_claims,
    claims_of_all_take_the_extreme,
    reads_its_figures_twice,
    binds_what_the_reader_sets,
]
# Chapters that have no table yet. The list only gets shorter.
UNBOUND = (
    "05_saturation",
    "06_kl_and_mode_collapse",
    "08_wasserstein_distance",
    "10_lipschitz",
    "11_gradient_penalty",
)
