"""Interactive figures that need no kernel: formulas and snapshots, drawn in the page by `explore.js`.

A `Figure` is described once. Its formulas are written in a small subset of Python, compiled here to trees of plain
data such as ``["/", "pd", ["+", "pd", "pg"]]``, and evaluated twice from the same tree: by numpy (`Figure.evaluate`)
and by the script in the page, which must agree to 1e-12. Nothing that a figure ships is ever run as code.

How values get their shape: a *grid* variable such as ``x`` is an axis; so are ``n`` (the steps of an iterated map),
``steps`` (the frames of a training run), ``many`` (repeated curves) and named counts such as ``"sample"``. A formula
has the axes of what it mentions, two at most; a reduction such as ``integral(f, x)`` removes one.
"""

from gan_edu.explore.figure import Figure
from gan_edu.explore.laboratory import Laboratory
from gan_edu.explore.marks import Choice, Heat, HLine, Line, Marker, Panel, Points, Segments, Slider, Snapshots, VLine
from gan_edu.explore.page import script, style

__all__ = [
    "Choice",
    "Figure",
    "HLine",
    "Heat",
    "Laboratory",
    "Line",
    "Marker",
    "Panel",
    "Points",
    "Segments",
    "Slider",
    "Snapshots",
    "VLine",
    "script",
    "style",
]
