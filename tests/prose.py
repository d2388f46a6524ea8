"""The table beside a notebook, `book/NN_name.says.toml`: what sentences and figures say, and what computes it.

A table is TOML. `text` is copied from a cell, must occur there once, and leaves out what is compared:

    [[says]]                       # a sentence
    cell = "z-after"
    text = "dimension 6 takes a {} of a minute and dimension 10 {} years"
    is = ["50**6 / 1e9 / 60", "50**10 / 1e9 / 3.15e7"]

`{}` is a number, in digits (-1.386), as a fraction (a half, LaTeX's too) or as a word (sixteen, twice); `{rises|falls}`
one of these words. `is` has an expression for each, evaluated in the notebook's kernel: a number must be what is quoted,
rounded to the digits quoted (words that are shares or factors exactly), or lie `within = 0.05` of it; a word must be the
word. `holds` is an expression that must be true. A number may stay in `text` where it stands in an expression as well.
Expressions see the notebook as it is where the sentence stands: after the last code cell above it, in front of the first
at the end; or after the cell `after = "..."`. A long text or expression may be broken into lines, between three quotes.

    [[figure]]                     # the read-outs of an explorable at one setting
    cell = "explore-push"
    at = { b = 0.3, z0 = 1.0 }     # the rest as at the start; these names, and the start's, may be used below
    reads = { "p_g(x)" = "norm.pdf(z0) / b" }
    within = 1e-6                  # the default

    [[sets]]                       # a setting that the text asks for: curves stay within their axes there
    cell = "predict"
    text = "Set $c = {}$"
    figure = "explore-push"
    at = { c = 0 }
    is = "c"                       # it and `holds` may use every name of the figure
    leaves = "p_g: the spike"      # only if a curve may leave its axes: which, and why

    [[exempt]]                     # what counts as a number or a direction and is none
    cell = "goals"
    text = "once more"
    why = "an idiom"
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Notebook = dict[str, Any]
KEYS = {
    "says": ({"cell", "text"}, {"is", "holds", "within", "after"}),
    "figure": ({"cell", "at", "reads"}, {"within"}),
    "sets": ({"cell", "text", "figure", "at"}, {"is", "holds", "within", "leaves"}),
    "exempt": ({"cell", "text", "why"}, set()),
}

# --- numbers in sentences ----------------------------------------------------------------------------------------

UNITS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TEENS = ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
ONES = ["zero", *UNITS, "ten", "eleven", "twelve", *TEENS]
TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
POWERS = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
FACTORS = {"twice": 2, "double": 2, "doubles": 2, "doubled": 2, "doubling": 2, "half": 0.5, "quarter": 0.25}
FACTORS |= {"halve": 0.5, "halves": 0.5, "halved": 0.5, "halving": 0.5}
PARTS = {"third": 1 / 3, "thirds": 1 / 3, "quarters": 0.25, "tenth": 0.1, "tenths": 0.1, "fifth": 0.2, "fifths": 0.2}
# "one" is left out where it stands alone: nearly always it is a pronoun.
COUNT = rf"(?:(?:{'|'.join(TENS)})(?:-(?:{'|'.join(UNITS)}))?|{'|'.join(sorted(ONES[:1] + ONES[2:], key=len)[::-1])})"
WORD = (
    rf"(?:(?:a|one|{COUNT})[ -](?:{'|'.join(PARTS)})|(?:(?:a|one|{COUNT}) )?(?:{'|'.join(POWERS)})(?:fold)?"
    rf"|{COUNT}(?:fold)?|{'|'.join(FACTORS)})"
)
DIGITS = r"(?<![\w.^])[-+]?\d+(?:,\d{3})*(?:\.\d+)?"
FRACTION = r"(?<!\w)[-+]?\\[td]?frac(?:\d\d|\{\d+\}\{\d+\})"
NUMBER = rf"(?:{FRACTION}|{DIGITS}|(?<![\w-])(?i:{WORD})(?![\w]|-[a-z]))"


def worth(quoted: str) -> tuple[float, float]:
    """The value of a quoted number, and how far the computed one may lie from it."""
    text = quoted.lower()
    if found := re.fullmatch(r"([-+]?)\\[td]?frac(?:(\d)(\d)|\{(\d+)\}\{(\d+)\})", text):
        above, below = found[2] or found[4], found[3] or found[5]
        return (-1 if found[1] == "-" else 1) * int(above) / int(below), 1e-6
    if re.fullmatch(DIGITS, text):
        return float(text.replace(",", "")), 0.5 * 10.0 ** -len(text.partition(".")[2])
    if text in FACTORS:
        return FACTORS[text], 1e-6
    value, share = 1.0, 0.5
    for part in re.split("[ -]", text.removesuffix("fold")):
        if part in ONES and value in TENS.values():
            value += ONES.index(part)
        elif part in ONES or part in TENS:
            value = TENS[part] if part in TENS else ONES.index(part)
        elif part in POWERS or part in PARTS:
            value, share = value * (POWERS | PARTS)[part], share if part in POWERS else 1e-6
    return value, share


# --- the table ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """One entry of a table."""

    kind: str
    cell: str
    given: dict[str, Any]

    @property
    def text(self) -> str:
        return " ".join(self.given.get("text", "").split())

    @property
    def expressions(self) -> list[str]:
        """What is compared with the gaps of the text, in order."""
        given = self.given.get("is", [])
        return [" ".join(one.split()) for one in ([given] if isinstance(given, str) else given)]

    @property
    def everything(self) -> list[str]:
        """Every expression."""
        more = [*filter(None, [self.given.get("holds")]), *self.given.get("reads", {}).values()]
        return [*self.expressions, *(" ".join(one.split()) for one in more)]

    def __str__(self) -> str:
        return f"[[{self.kind}]] {self.cell!r}" + (f", {self.text!r}" if self.text else "")

    def pattern(self) -> re.Pattern[str]:
        """The text as a pattern with a group for each gap; white space and the > of quotes are alike."""
        parts = re.split(r"(\{\}|\{[\w -]+(?:\|[\w -]+)+\})", self.text)
        made = [
            rf"({NUMBER})"
            if part == "{}"
            else f"({part[1:-1]})"
            if n % 2
            else re.sub(r"\\ ", r"[\\s>]+", re.escape(part))
            for n, part in enumerate(parts)
        ]
        return re.compile("".join(made))

    def find(self, nb: Notebook) -> list[re.Match[str]]:
        """Every place in its cell where the text occurs."""
        texts = ["".join(c["source"]) for c in nb["cells"] if c.get("id") == self.cell]
        return [match for text in texts for match in self.pattern().finditer(text)]

    def place(self, nb: Notebook) -> str:
        """The code cell after which the entry is evaluated."""
        ids = [(c.get("id"), c["cell_type"] == "code") for c in nb["cells"]]
        if self.kind != "says" or "after" in self.given:
            return self.given.get("after", self.given.get("figure", self.cell))
        where = [id for id, _ in ids].index(self.cell)
        above = [id for id, is_code in ids[:where] if is_code]
        return above[-1] if above else [id for id, is_code in ids if is_code][-1]


def read(text: str) -> list[Entry]:
    """The entries of a table."""
    table = tomllib.loads(text)
    return [Entry(kind, one.get("cell", ""), one) for kind, entries in table.items() for one in entries]


def constants(expression: str) -> set[float]:
    """The numbers that stand in an expression."""
    nodes = [node.value for node in ast.walk(ast.parse(expression, mode="eval")) if isinstance(node, ast.Constant)]
    return {abs(float(value)) for value in nodes if isinstance(value, (int, float))}


def _faulty_expression(expression: str) -> str:
    try:
        names = {node.id for node in ast.walk(ast.parse(expression, mode="eval")) if isinstance(node, ast.Name)}
    except SyntaxError as error:
        return f"must be an expression of Python, and {expression!r} is none ({error.msg})"
    if not names:
        return f"must compute something, and {expression!r} names nothing of the notebook"
    return "must not draw random numbers: a later cell would draw others" if "rng" in names else ""


def faults(entries: list[Entry], nb: Notebook) -> Iterator[str]:
    """What is wrong with a table before anything is computed."""
    ids = {cell.get("id"): cell["cell_type"] for cell in nb["cells"]}
    figures = {cell.get("id") for cell in nb["cells"] if "Figure(" in "".join(cell["source"])}
    for entry in entries:
        if entry.kind not in KEYS:
            yield f"[[{entry.kind}]] is unknown; choose one of {', '.join(sorted(KEYS))}"
            continue
        must, may = KEYS[entry.kind]
        if not must <= set(entry.given) <= must | may:
            keys = [", ".join(sorted(some)) or "no more" for some in (must, may, set(entry.given))]
            yield f"{entry} must have {keys[0]}, may have {keys[1]}, and has {keys[2]}"
            continue
        if entry.cell not in ids:
            yield f"{entry} must name a cell of the notebook: its id is unknown"
            continue
        places = {entry.place(nb): "code"} if entry.kind != "exempt" else {}
        yield from (
            f"{entry} must be computed after a code cell, and {id!r} is none" for id in places if ids.get(id) != "code"
        )
        if entry.kind in ("figure", "sets") and entry.place(nb) not in figures:
            yield f"{entry} must name the cell of a Figure, and {entry.place(nb)!r} holds none"
        if "text" in must:
            found = entry.find(nb)
            if len(found) != 1:
                what = "the sentence has changed; read it again, see that it is true, and copy it"
                yield f"{entry} must occur once and occurs {len(found)} times: {what}"
            gaps = entry.pattern().groups
            if len(entry.expressions) != gaps and entry.kind != "exempt":
                yield f"{entry} has {gaps} gaps and {len(entry.expressions)} expressions in `is`: give one for each"
        if isinstance(margins := entry.given.get("within"), list) and len(margins) != len(entry.expressions):
            yield f"{entry} has {len(margins)} margins in `within` and {len(entry.expressions)} expressions: give one for each"
        if entry.kind == "says" and not entry.everything:
            yield f"{entry} must have `is` or `holds`"
        yield from (f"{entry} {why}" for one in entry.everything if (why := _faulty_expression(one)))


# --- comparing ---------------------------------------------------------------------------------------------------


def questions(entry: Entry) -> list[dict[str, Any]]:
    """What the kernel is asked, for tests/in_kernel.py."""
    at = entry.given.get("at", {})
    if entry.kind == "sets":
        asked = [{"kind": "in figure", "expression": e, "at": at} for e in entry.everything]
        return [*asked, {"kind": "leaving", "at": at}]
    if entry.kind == "figure":
        reads = entry.given["reads"]
        asked = [{"kind": "at", "expression": e, "at": at} for e in entry.everything]
        return [*asked, *({"kind": "read-out", "label": label, "at": at} for label in reads)]
    return [{"kind": "value", "expression": e} for e in entry.everything]


def verdicts(entry: Entry, answers: list[dict[str, Any]], nb: Notebook) -> Iterator[str]:
    """What is wrong, given the kernel's answers to the questions of an entry."""
    if failed := [a for a in answers if "error" in a]:
        yield from (f"{entry}: {a['asked']} cannot be computed: {a['error']}; correct the expression" for a in failed)
        return
    given = [a["value"] for a in answers]
    if entry.kind == "figure":
        yield from _read_outs(entry, given)
        return
    if entry.kind == "sets":
        *given, leaving = given
        if leaving and "leaves" not in entry.given:
            yield f"{entry}, at {entry.given['at']}: {leaving}: give the figure {entry.given['figure']!r} wider axes"
        if not leaving and "leaves" in entry.given:
            yield f"{entry}, at {entry.given['at']}: no curve leaves its axes: drop `leaves`"
    match, margins, mend = entry.find(nb)[0], entry.given.get("within"), "correct the sentence, or what is computed"
    margins = margins if isinstance(margins, list) else [margins] * len(entry.expressions)
    for quoted, expression, value, within in zip(match.groups(), entry.expressions, given, margins, strict=False):
        if isinstance(value, str):
            if value.lower() != quoted.lower():
                yield f"{entry} says {quoted!r} and {expression} gives {value!r}: {mend}"
            continue
        wanted, margin = worth(quoted)
        margin = margin if within is None else within
        if isinstance(value, bool) or not abs(value - wanted) <= margin * (1 + 1e-9) + 1e-12:
            yield f"{entry} says {quoted} and {expression} is {value} (within {margin:g}): {mend}"
    if "holds" in entry.given and given[-1] is not True:
        yield f"{entry}: the cell says {match[0]!r}, and {entry.given['holds']} is {given[-1]}: {mend}"


def _read_outs(entry: Entry, given: list[Any]) -> Iterator[str]:
    reads, margin = entry.given["reads"], entry.given.get("within", 1e-6)
    for (label, expression), wanted, shown in zip(reads.items(), given[: len(reads)], given[len(reads) :], strict=True):
        if isinstance(wanted, str) or not abs(wanted - shown) <= margin:
            yield (
                f"{entry}, at {entry.given['at']}: the read-out {label!r} shows {shown} and {expression} is {wanted} "
                f"(within {margin:g}): correct the figure's formula, or the table"
            )
