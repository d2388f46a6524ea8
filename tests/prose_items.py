"""The table of a notebook as tests: after a cell, its sentences and figures are computed in the notebook's own kernel."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from nbval.plugin import IPyNbFile
from prose import Entry, faults, questions, read, verdicts

IN_KERNEL = Path(__file__).with_name("in_kernel.py")


def table_of(notebook: Path) -> Path:
    return notebook.with_suffix(".says.toml")


def ask(kernel: Any, asked: list[dict[str, Any]], timeout: float) -> list[dict[str, Any]]:
    """The kernel's answers; nothing of it stays in the notebook's names."""
    expression = f"__import__('runpy').run_path({str(IN_KERNEL)!r})['answer'](globals(), {json.dumps(asked)!r})"
    sent = kernel.kc.execute("", store_history=False, user_expressions={"answers": expression}, allow_stdin=False)
    while (reply := kernel.get_message("shell", timeout=timeout))["parent_header"].get("msg_id") != sent:
        pass
    kernel.await_idle(sent, timeout)
    found = reply["content"]["user_expressions"]["answers"]
    if found["status"] == "error":
        raise RuntimeError(f"{found['ename']}: {found['evalue']}")
    answers: list[dict[str, Any]] = json.loads(ast.literal_eval(found["data"]["text/plain"]))
    return answers


class Says(pytest.Item):
    """What a table says of a notebook as it is after one cell."""

    def __init__(self, *, entries: list[Entry], wrong: list[str] | None = None, **more: Any):
        super().__init__(**more)
        self.entries, self.wrong = entries, wrong or []

    def runtest(self) -> None:
        wrong = self.wrong or self.compare()
        if wrong:
            pytest.fail("\n  ".join([f"{table_of(self.path).name}:", *wrong]), pytrace=False)

    def compare(self) -> list[str]:
        """Compute every expression; say what is wrong."""
        if getattr(self.parent, "broken", None):
            pytest.skip(f"cell {self.parent.broken!r} of {self.path.name} before this one failed")
        asked = [questions(entry) for entry in self.entries]
        limit = self.config.getoption("nbval_cell_timeout")
        try:
            answers = iter(ask(self.parent.kernel, [one for each in asked for one in each], limit))
        except Empty:
            self.parent.timed_out = True
            pytest.fail(f"the expressions of {table_of(self.path).name} took longer than {limit:g} s", pytrace=False)
        return [
            complaint
            for entry, each in zip(self.entries, asked, strict=True)
            for complaint in verdicts(entry, [next(answers) for _ in each], self.parent.nb)
        ]

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.name


def with_table(notebook: IPyNbFile, cells: list[pytest.Item]) -> list[pytest.Item]:
    """The cells of a notebook, and after each what its table says of it there."""
    path = table_of(notebook.path)
    if not path.is_file():
        return cells
    entries = read(path.read_text(encoding="utf-8"))
    if wrong := list(faults(entries, notebook.nb)):
        return [*cells, Says.from_parent(notebook, name="says", entries=[], wrong=wrong)]
    entries = [entry for entry in entries if entry.kind != "exempt"]
    items: list[pytest.Item] = []
    for cell in cells:
        items.append(cell)
        if here := [entry for entry in entries if entry.place(notebook.nb) == cell.cell.get("id")]:
            items.append(Says.from_parent(notebook, name=f"says after {cell.cell['id']}", entries=here))
    return items
