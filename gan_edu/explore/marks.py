"""What a figure is made of: sliders, choices and recordings, panels and the marks in them, and the role of each mark.

Colour, dash and width say the same thing: what a mark stands for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

__all__ = [
    "ROLES",
    "SLOTS",
    "Choice",
    "HLine",
    "Heat",
    "Line",
    "Mark",
    "Marker",
    "Panel",
    "Points",
    "Segments",
    "Slider",
    "Snapshots",
    "VLine",
    "english",
]

Text = str | Mapping[str, str]  # figure text: English, or {"en": ..., "zh": ...}
SLOTS = ("x", "y", "z", "x0", "y0", "x1", "y1", "low", "high")  # what a mark may hold, as expressions
# role -> colour, dash and width on paper. explore.css has the same for the screen, with colours for a dark theme, and so
# has the stylesheet of the book; a test compares them.
ROLES: dict[str, tuple[str, Any, float]] = {
    "data": ("#0072B2", "-", 2),
    "generator": ("#D55E00", "--", 2),
    "discriminator": ("#444444", ":", 2.2),
    "optimal": ("#00856A", "-", 1.4),
    "third": ("#AA3377", "-.", 2),
    "fourth": ("#8A6A00", (0, (4, 2)), 2),
    "fifth": ("#5B4FCF", (0, (9, 3)), 2),
    "muted": ("#808080", "-", 1),
}


def english(text: Text) -> str:
    """Return the English words of a text, which may have several languages."""
    return text if isinstance(text, str) else text.get("en", next(iter(text.values())))


@dataclass(frozen=True)
class Slider:
    """A number that the reader moves; `value` is where it starts."""

    lo: float
    """Smallest value."""
    hi: float
    """Largest value."""
    step: float
    """Distance of neighbouring values."""
    value: float
    """Value at the start."""
    label: Text = ""
    """Text beside it; its name if left out."""


@dataclass(frozen=True)
class Choice:
    """A list to choose from; in formulas its name is the index of the chosen option."""

    options: Sequence[Text]
    """What can be chosen."""
    label: Text = ""
    """Text beside it; its name if left out."""
    value: int = 0
    """Index chosen at the start."""


@dataclass(frozen=True, eq=False)
class Snapshots:
    """Recorded numbers, shape (one axis per choice in `over`, E if `many`, T frames unless `fixed`, the grids).

    `grid` is a grid name, a pair of grid names, a name for a count of points such as "sample", or None. With None
    there is one number per frame: the current one, or with `time` the whole series over ``steps``. Values are stored
    with `bits` (8 or 16) between `lo` and `hi` (by default the extremes; what lies outside is clipped), so that the
    error is at most (hi - lo) / 2 / (2**bits - 1).
    """

    array: Any
    """The numbers."""
    grid: str | tuple[str, ...] | None = None
    """What the last axes run over."""
    over: tuple[str, ...] = ()
    """Names of the choices that the first axes run over."""
    bits: int = 8
    """8 or 16, stored for each number."""
    lo: float | None = None
    """Value stored as zero."""
    hi: float | None = None
    """Value stored as the largest whole number."""
    fixed: bool = False
    """True if the numbers are the same in every frame."""
    time: bool = False
    """True if a series over ``steps`` is meant, not its current value."""
    many: bool = False
    """True if there is an axis of members."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What every mark has."""

    label: Text = ""
    """Entry in the legend."""
    role: str = "muted"
    """Key of `ROLES`: colour and line style."""
    axis: str = "left"
    """"left" or "right"."""
    toggle: bool = False
    """True if the reader can hide it."""
    shown: bool = True
    """False if it is hidden at the start."""
    slots: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True)
class Line(Mark):
    """y against x, by default against the variable that y depends on; `band` = (low, high) is filled.

    A y over ``many`` is many lines; a line over ``steps`` brings a cursor at the current frame.
    """

    y: Any
    x: Any = None
    band: tuple[Any, Any] | None = None
    thin: bool = False
    slots = ("x", "y")


@dataclass(frozen=True)
class Points(Mark):
    """A cloud of points; `size` is the diameter in pixels."""

    x: Any
    y: Any
    size: float = 4
    slots = ("x", "y")


@dataclass(frozen=True)
class Segments(Mark):
    """Straight pieces from (x0, y0) to (x1, y1), with heads if `arrows`."""

    x0: Any
    y0: Any
    x1: Any
    y1: Any
    arrows: bool = False
    slots = ("x0", "y0", "x1", "y1")


@dataclass(frozen=True)
class Heat(Mark):
    """A tint over the plane: vermilion at `lo`, paper in the middle, blue at `hi`; a line where it equals `contour`."""

    z: Any
    lo: float = 0
    hi: float = 1
    contour: float | None = 0.5
    role: str = field(default="discriminator", kw_only=True)
    slots = ("z",)


@dataclass(frozen=True)
class Marker(Mark):
    """One dot."""

    x: Any
    y: Any
    slots = ("x", "y")


@dataclass(frozen=True)
class VLine(Mark):
    """A vertical line."""

    x: Any
    slots = ("x",)


@dataclass(frozen=True)
class HLine(Mark):
    """A horizontal line."""

    y: Any
    slots = ("y",)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes; `right` is the range of the right axis, `equal` gives both directions the same scale.

    Ticks are numbers or (number, text) pairs. `height` is in pixels; with `equal` it is the greatest height.
    """

    x: tuple[float, float]
    """Range of the horizontal axis."""
    y: tuple[float, float]
    """Range of the left axis."""
    marks: Sequence[Mark]
    """What is drawn: `Line`, `Points`, `Segments`, `Heat`, `Marker`, `VLine`, `HLine`."""
    right: tuple[float, float] | None = None
    """Range of the right axis; none if left out."""
    xlabel: Text = ""
    """Name of the horizontal axis."""
    ylabel: Text = ""
    """Name of the left axis."""
    right_label: Text = ""
    """Name of the right axis."""
    title: Text = ""
    """Heading."""
    height: int = 300
    """Pixels."""
    xticks: Sequence[Any] | None = None
    """Numbers or (number, text) pairs; round numbers if left out."""
    yticks: Sequence[Any] | None = None
    """The same for the left axis."""
    equal: bool = False
    """True for one scale in both directions."""
