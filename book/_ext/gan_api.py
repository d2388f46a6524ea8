"""The description of the package: the directive `package-module` shows what one module's `__all__` names.

A module may be a package: its names stand under the package, wherever in it they are defined.

The sources are read by griffe and never imported, so torch need not be there; Sphinx sets the signatures.
"""

from __future__ import annotations

import ast
import doctest
import re
from pathlib import Path
from typing import Any

import griffe
from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

PACKAGE = "gan_edu"
LABELS = {"parameters": "Arguments", "attributes": "Attributes", "return": "Returns", "yield": "Yields"}
LABELS |= {"raises": "Raises", "note": "Note", "example": "Example"}
Section = tuple[str, str | list[tuple[str, str]]]


def sections(docstring: griffe.Docstring | None) -> list[Section]:
    """A docstring as (label, text or (name, meaning) pairs); running text, paragraph by paragraph, has the label ''."""
    if docstring is None:
        return []
    text = re.sub(r"\s+(?=Source: |Chapter: \d)", "\n\n", docstring.value)
    # Of these, griffe would take a sentence apart as it does a list; to the singular it does nothing.
    text = re.sub(r"^(Return|Yield|Example)s:$", r"\1:", text, flags=re.M)
    docstring = griffe.Docstring(text, lineno=docstring.lineno, parent=docstring.parent)
    found: list[Section] = []
    for section in docstring.parse("google", warn_unknown_params=False, warn_missing_types=False):
        kind, value = section.kind.value, section.value
        if kind == "admonition":
            kind, value = value.kind, value.contents
        if kind == "text":
            for part in re.split(r"\n\s*\n", value):
                ours = re.fullmatch(r"(Source|Chapter): (.*)", part, re.S)
                found.append((ours[1], ours[2]) if ours else ("", part))
        elif kind not in LABELS:
            raise ValueError(f"{docstring.parent.path}: {kind!r} is no heading; leave a line empty below it")
        elif isinstance(value, str):
            found.append((LABELS[kind], value))
        else:
            found.append((LABELS[kind], [(getattr(v, "name", str(v.annotation)), v.description) for v in value]))
    return found


class NamedTuples(griffe.Extension):
    """Let griffe give a named tuple the constructor that it gives to a dataclass."""

    def on_class_instance(self, *, cls: griffe.Class, **_: Any) -> None:
        """Mark the class as a dataclass."""
        if "NamedTuple" in map(str, cls.bases):
            mark = griffe.ExprName("dataclass", parent="dataclasses")
            cls.decorators.append(griffe.Decorator(mark, lineno=None, endlineno=None))


class Package:
    """Who is public, where each entry stands, what a name in a signature stands for."""

    def __init__(self, folder: Path) -> None:
        options = {"try_relative_path": False, "allow_inspection": False}
        options["extensions"] = griffe.load_extensions(NamedTuples)
        self.tree = griffe.load(PACKAGE, search_paths=[folder], **options)
        common: set[str] = set()
        for each in self.tree.exports or []:  # a starred name stands for the keys of a dict
            common |= {each} if isinstance(each, str) else {*ast.literal_eval(str(self.tree[each.name].value))}
        # A module may hold a common name that is its own, and `gan_edu.transport` then belongs to that.
        paths = {name: f"{PACKAGE}.{name}" for name in self.tree.modules}
        self.anchors = {path: f"{path}-module" if name in common else path for name, path in paths.items()}
        for module in self.tree.modules.values():
            for name in module.exports or []:
                try:  # a package such as `explore` has its names from its files
                    parts = methods(module[name])
                except (KeyError, griffe.AliasResolutionError):
                    message = f"{module.path} must define what its __all__ names, and defines no {name!r}"
                    raise ValueError(message) from None
                if name in self.anchors:
                    raise ValueError(f"a public name must belong to one module, and {name!r} belongs to two")
                self.anchors[name] = f"{PACKAGE if name in common else module.path}.{name}"
                for method in parts:
                    self.anchors[f"{name}.{method.name}"] = f"{self.anchors[name]}.{method.name}"

    def spelled_out(self, annotation: str | griffe.Expr | None) -> str | None:
        """The annotation with our own abbreviations of types spelled out, `Array` apart, and our classes in full."""
        if not isinstance(annotation, griffe.Expr):
            return annotation
        return "".join(each if isinstance(each, str) else self.meaning(each) for each in annotation.iterate())

    def meaning(self, name: griffe.ExprName) -> str:
        """What a name in an annotation stands for."""
        try:
            found = self.tree.modules_collection[name.canonical_path]
            value = found.value if found.is_attribute and name.name != "Array" else None
        except (KeyError, griffe.AliasResolutionError):  # it comes from elsewhere
            return name.name
        if isinstance(value, griffe.Expr) and not isinstance(value, griffe.ExprCall):
            return self.spelled_out(value) or ""
        return self.anchors.get(name.name, name.name) if found.is_class else name.name

    def signature(self, entry: griffe.Object, path: str) -> str:
        """What is called, with its parameters; `path` alone for what is not callable."""
        entry = entry.final_target if entry.is_alias else entry
        for each in (given := getattr(entry, "parameters", ())):
            each.annotation = self.spelled_out(each.annotation)
        if entry.is_function:
            entry.returns = self.spelled_out(entry.returns)
        return entry.signature(name=path) if entry.is_function or given else path


def methods(entry: griffe.Object) -> list[griffe.Object]:
    """The methods and properties of a class that a reader may use: public ones with a docstring, and `__call__`."""
    found = entry.members.values() if entry.is_class else ()
    found = [made for made in found if made.docstring and (made.is_function or "property" in made.labels)]
    return [made for made in found if made.name == "__call__" or not made.name.startswith("_")]


class PackageModule(SphinxDirective):
    """Describe one module of the package, all that its `__all__` names: the directive `package-module` with its NAME."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The module's description, the list of its names, and the entries."""
        try:
            # Once a page: to read all sources for each module would take half of the time of the build.
            if "gan_package" not in self.env.temp_data:
                self.env.temp_data["gan_package"] = Package(Path(self.env.srcdir))
            self.package = self.env.temp_data["gan_package"]
            if self.arguments[0] not in self.package.tree.modules:
                raise ValueError(f"no module {self.arguments[0]!r}; choose one of {[*self.package.tree.modules]}")
            self.module = self.package.tree.modules[self.arguments[0]]
            entries = [self.entry(self.module[name]) for name in self.module.exports]
            about = self.described(self.module)
        except (griffe.GriffeError, SyntaxError, ValueError) as error:
            raise self.error(f"package-module: {error}") from None
        path = self.module.path
        anchor = self.package.anchors[path]
        label = nodes.paragraph("", "", nodes.literal("", path), classes=["gan-module"], ids=[anchor])
        links = (nodes.paragraph("", "", self.link(name)) for name in self.module.exports)
        names = nodes.bullet_list("", *(nodes.list_item("", link) for link in links), classes=["gan-names"])
        # A docstring is shown as it is written.
        return [nodes.container("", label, *about, names, *entries, classes=["gan-api"], support_smartquotes=False)]

    def entry(self, made: griffe.Object) -> addnodes.desc:
        """The entry of one public thing, a class with its methods; it is known to the search and to other pages."""
        part = made.parent.is_class
        path = self.package.anchors[f"{made.parent.name}.{made.name}" if part else made.name]
        options = {"no-index-entry": None} | ({"no-contents-entry": None} if part else {})
        kind = "method" if part else made.kind.value
        if made.is_attribute:
            kind, options["type"] = "property" if part else "data", self.package.spelled_out(made.annotation)
        elif "staticmethod" in made.labels:
            options["staticmethod"] = None
        # The head is what Sphinx makes of a directive such as py:function; within a class it leaves the path out.
        self.env.ref_context["py:class"] = path.rpartition(".")[0] if part else None
        place = (StringList(), self.lineno, self.content_offset, "", self.state, self.state_machine)
        head = self.env.get_domain("py").directives[kind]
        *_, entry = head(f"py:{kind}", [self.package.signature(made, path)], options, *place).run()
        entry[-1] += [*self.described(made), *map(self.entry, methods(made))]
        return entry

    def described(self, made: griffe.Object) -> list[nodes.Node]:
        """A docstring as nodes: its text, then what it says under headings, each beside its label."""
        given = getattr(made, "parameters", ())
        own = {made.name, *(each.name for each in [*given, *methods(made)])}
        said = sections(made.docstring)
        if told := [(each.name, each.docstring.value) for each in given if each.docstring]:
            said.insert(0, ("Fields", told))
        shown, table = [], nodes.field_list(classes=["gan-fields"])
        for label, value in said:
            if isinstance(value, list):
                pairs = ((nodes.term("", "", nodes.literal("", name)), self.paragraph(t, own)) for name, t in value)
                items = (nodes.definition_list_item("", name, nodes.definition("", text)) for name, text in pairs)
                body = [nodes.definition_list("", *items, classes=["gan-items"])]
            elif label == "Chapter":
                body = [self.chapters(value)]
            else:
                value = self.with_imports(value, made.module) if label == "Example" else value
                body = [self.paragraph(part, own) for part in re.split(r"\n\s*\n", value)]
            if label:
                table += nodes.field("", nodes.field_name("", label), nodes.field_body("", *body))
            else:
                shown += body
        return [*shown, *([table] if len(table) else [])]

    def paragraph(self, text: str, own: set[str]) -> nodes.Node:
        """A paragraph in which nothing is markup but `code`, or an example.

        Code that names a public thing leads to it, unless it is our own.
        """
        if text.startswith(">>>"):
            return nodes.literal_block(text, text, language="pycon")
        made = nodes.paragraph()
        for part in re.split(r"(``.+?``|`[^`]+`)", " ".join(text.split())):
            name = part.strip("`")
            known = next((n for n in (name, name.split(".")[0]) if n in self.package.anchors and n not in own), None)
            made += nodes.Text(part) if name == part else self.link(known, name) if known else nodes.literal("", name)
        return made

    def link(self, name: str, shown: str = "") -> nodes.reference:
        """A link to the entry of a public name on this page."""
        code = nodes.literal("", shown or name)
        return nodes.reference("", "", code, internal=True, refid=self.package.anchors[name])

    def chapters(self, text: str) -> nodes.paragraph:
        """The text with each number of a chapter that is in the book as a link to it."""
        made = nodes.paragraph()
        for part in re.split(r"(?<!\d)(\d\d)(?!\d)", text.rstrip(".")):
            page = next((page for page in sorted(self.env.found_docs) if page.startswith(f"book/{part}_")), None)
            link = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{page}", "refexplicit": True, "refwarn": True}
            made += addnodes.pending_xref("", nodes.inline("", part), **link) if page else nodes.Text(part)
        return made

    def with_imports(self, example: str, home: griffe.Module) -> str:
        """The example with what it takes from the module at hand imported, so that it runs wherever it is pasted.

        In a package, `home` is the file that holds the example, and its imports count.
        """
        code = ast.parse("".join(each.source for each in doctest.DocTestParser().get_examples(example)))
        named = [node for node in ast.walk(code) if isinstance(node, ast.Name)]
        bound = {node.id for node in named if isinstance(node.ctx, ast.Store)}
        bound |= {node.asname or node.name for node in ast.walk(code) if isinstance(node, ast.alias)}
        places: dict[str, list[str]] = {}
        for name in sorted({node.id for node in named} - bound, key=lambda name: (name in self.module.exports, name)):
            path = self.package.anchors[name] if name in self.module.exports else home.imports.get(name, "")
            place, _, original = path.rpartition(".")
            if path:
                given = original if original == name else f"{original} as {name}"
                places.setdefault(f"from {place} import" if place else "import", []).append(given)
        return "\n".join([*(f">>> {place} {', '.join(names)}" for place, names in places.items()), example])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive, and how signatures are set."""
    griffe.patch_loggers(logging.getLogger)  # what griffe cannot read stops the build
    app.config.add_function_parentheses = False
    app.config.toc_object_entries_show_parents = "hide"
    app.config.python_maximum_signature_line_length = 80
    app.config.python_use_unqualified_type_names = True
    app.config.nitpick_ignore_regex = [("py:.*", rf"(?!{PACKAGE}\b).*")]  # the types of others have no entry here
    app.add_directive("package-module", PackageModule)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
