"""What the book adds to Jupyter Book: pages that ask nothing of other hosts, kinds of blocks, explorables in pages."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

# --- Pages that ask nothing of other hosts -----------------------------------------------------------------------

# What a page of formulas loads of MathJax: 2 MB of the 24 MB that the wheel holds.
MATHJAX = ("tex-chtml.js", "output/chtml/fonts", "input/tex/extensions")


def copy_mathjax(app: Sphinx, exception: Exception | None) -> None:
    """Put MathJax beside the pages."""
    if exception or app.builder.format != "html":
        return
    package = importlib.util.find_spec("sphinx-mathjax-offline")
    if package is None or package.origin is None:
        raise RuntimeError("sphinx-mathjax-offline must be installed and is not: run `make book`, which installs it")
    source = Path(package.origin).parent / "static" / "mathjax"
    target = Path(app.outdir) / "_static" / "mathjax"
    for part in MATHJAX:
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, dirs_exist_ok=True)
        else:
            shutil.copy(source / part, target / part)


def drop_source_maps(app: Sphinx, exception: Exception | None) -> None:
    """Leave out what only a developer of the theme would open: 3 MB of the site."""
    for path in Path(app.outdir, "_static").rglob("*.map"):
        path.unlink()


def drop_thebe(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Leave out Thebe, which Jupyter Book adds to each page twice (an error in the console) and loads from afar."""

    def mentions_thebe(asset: Any) -> bool:
        body = (getattr(asset, "attributes", None) or {}).get("body") or ""
        return "thebe" in f"{getattr(asset, 'filename', asset)} {body}".lower()

    for kind in ("script_files", "css_files"):
        context[kind][:] = [asset for asset in context[kind] if not mentions_thebe(asset)]


def hide_second_search(app: Sphinx, config: Config) -> None:
    """Leave out the bar at the top of wide pages, which holds nothing but a second search field."""
    config.html_theme_options.setdefault("navbar_persistent", [])


# --- Blocks ------------------------------------------------------------------------------------------------------

# A block quote that begins with one of these in bold is set as a block of its kind (CSS cannot read words).
BLOCKS = {
    "theorem": ("Theorem", "Lemma", "Proposition", "Corollary", "Claim"),
    "proof": ("Proof",),
    "definition": ("Definition",),
    "notice": ("Notice",),
    "predict": ("Predict",),
    "control": ("Control",),
    "erratum": ("The notes say",),
}


def block_kind(words: str) -> str | None:
    """Return the kind of block that begins with `words`, or None.

    >>> block_kind("Theorem 1 (Goodfellow 2014)."), block_kind("Proofreading"), block_kind("The notes say:")
    ('theorem', None, 'erratum')
    """
    for kind, openings in BLOCKS.items():
        if re.match(rf"(?:{'|'.join(openings)})\b", words):
            return kind
    return None


def name_blocks(app: Sphinx, doctree: nodes.document) -> None:
    """Give each block quote, and each paragraph that begins with Notice, the class of its kind."""
    for paragraph in doctree.findall(nodes.paragraph):
        # MyST puts an empty text before markup that opens a paragraph.
        opening = next((child for child in paragraph.children if child.astext()), None)
        kind = block_kind(opening.astext()) if isinstance(opening, nodes.strong) else None
        quoted = isinstance(paragraph.parent, nodes.block_quote) and paragraph.parent.index(paragraph) == 0
        if kind and (quoted or kind == "notice"):
            (paragraph.parent if quoted else paragraph)["classes"] += ["gan-block", f"gan-{kind}"]


def keep_tags(app: Sphinx, doctree: nodes.document) -> None:
    r"""Show formulas of several lines as they are written: Sphinx would put them into `split`, which forbids a \tag."""
    for formula in doctree.findall(nodes.math_block):
        if r"\\" in formula.astext() and r"\tag" in formula.astext():
            formula["nowrap"] = True
            formula.children = [nodes.Text(rf"\[{formula.astext()}\]")]


def hide_ticks(app: Sphinx, doctree: nodes.document) -> None:
    """Boxes of a list of tasks are ornaments here: without a label, a screen reader has nothing to say of them."""
    for box in doctree.findall(nodes.raw):
        if "task-list-item-checkbox" in box.astext():
            box.children = [nodes.Text(box.astext().replace("<input ", '<input aria-hidden="true" '))]


# --- Explorables in Markdown pages -------------------------------------------------------------------------------


def stored_html(notebook: Path, cell_id: str) -> str:
    """Return the text/html that the cell `cell_id` of `notebook` has stored; raise ValueError where there is none."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    except FileNotFoundError:
        raise ValueError(
            f"the notebook must exist, and {notebook.name} does not: name one that lies beside the page"
        ) from None
    for cell in cells:
        if cell.get("id") == cell_id:
            found = [o["data"]["text/html"] for o in cell.get("outputs", []) if "text/html" in o.get("data", {})]
            if not found:
                raise ValueError(
                    f"cell {cell_id!r} of {notebook.name} must hold a figure and stores none: run `make notebooks`"
                )
            return "".join(found[0])
    known = ", ".join(repr(cell.get("id")) for cell in cells if cell["cell_type"] == "code")
    raise ValueError(f"{notebook.name} must hold a cell with the id {cell_id!r}; its code cells are {known}")


class Explorable(SphinxDirective):
    """Show a figure that a notebook stores: the directive `explorable` with the arguments NOTEBOOK CELL-ID."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        """Return the stored figure as it is, so that it has one source only."""
        notebook = Path(self.env.doc2path(self.env.docname)).parent / self.arguments[0]
        self.env.note_dependency(str(notebook))
        try:
            html = stored_html(notebook, self.arguments[1])
        except ValueError as error:
            raise self.error(f"explorable: {error}") from None
        return [nodes.raw("", f'<div class="gan-explorable">{html}</div>', format="html")]


def share_scripts(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Of the script and style that each stored figure brings, keep the first of a page; the later ones only call it."""
    seen: set[str] = set()

    def once(found: re.Match[str]) -> str:
        if found[0] not in seen:
            seen.add(found[0])
            return found[0]
        return f"<script>window.{found['name']}.mountAll()</script>" if found["name"] else ""

    style = r"<style>\.?[^<]*gan-figure[^<]*</style>"
    script = r'<script>\(function \(\) \{\s*"use strict";\s*if \(window\.(?P<name>gan\w+)\).*?</script>'
    if "body" in context:
        context["body"] = re.sub(f"{style}|{script}", once, context["body"], flags=re.DOTALL)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register all of it."""
    app.config.mathjax_path = "mathjax/tex-chtml.js"
    app.add_directive("explorable", Explorable)
    app.connect("config-inited", hide_second_search)
    app.connect("doctree-read", name_blocks)
    app.connect("doctree-read", keep_tags)
    app.connect("doctree-read", hide_ticks)
    app.connect("html-page-context", share_scripts)
    app.connect("html-page-context", drop_thebe, priority=950)  # after everyone has added their scripts
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", drop_source_maps)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
