"""Tests of the picture on paper: its artists, read back into data, against `Figure.evaluate`."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from drawings import LOOKS, PANELS, WORDS, across, lopsided, number, worth
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure as Paper
from matplotlib.lines import Line2D
from matplotlib.quiver import Quiver

from gan_edu.explore import Heat, HLine, Line, Marker, Points, Segments, VLine

STARTS: list[dict[str, Any]] = [{}, {"frame": 4, "game": 2, "mu": -1.3}, {"frame": 0, "game": 0, "mu": 2.1}]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the Matplotlib figure of a picture."""
    kept: list[Paper] = []
    save = Paper.savefig
    monkeypatch.setattr(Paper, "savefig", lambda self, *a, **k: (kept.append(self), save(self, *a, **k))[1])

    def go(figure: Any) -> Paper:
        figure.to_png()
        return kept[-1]

    return go


def sides(paper: Paper) -> list[tuple[Any, Any]]:
    """Left and right axes of each panel; the same where there is no right one."""
    lefts = paper.axes[: len(PANELS)]
    found = []
    for ax in lefts:
        twins = [
            other for other in paper.axes[len(PANELS) :] if other.get_position().bounds == ax.get_position().bounds
        ]
        found.append((ax, twins[0] if twins else ax))
    return found


def dash(line: Line2D) -> Any:
    """The dashes of a line, for which Matplotlib has no public word where they are one's own."""
    return line._unscaled_dash_pattern  # type: ignore[attr-defined]


def labelled(ax: Any, label: str) -> list[Line2D]:
    wanted = re.sub(r"_(\w+)", r"_{\\mathrm{\1}}", f"${label}$") if "_" in label else label
    return [artist for artist in ax.get_lines() if artist.get_label() == wanted]


def check_look(artist: Line2D, role: str, wide: float | None = None) -> None:
    look = LOOKS[role]
    assert to_hex(artist.get_color()) == look["light"]
    assert dash(artist) == dash(Line2D([], [], linestyle=look["paper_dash"]))
    assert artist.get_linewidth() == (look["paper_wide"] if wide is None else wide)


def check_line(ax: Any, mark: Line, env: dict[str, Any]) -> None:
    x, rows = across(env, mark), np.atleast_2d(worth(env, mark.y))
    (first,) = labelled(ax, mark.label)
    at = ax.get_lines().index(first)
    for artist, y in zip(ax.get_lines()[at : at + len(rows)], rows, strict=True):
        np.testing.assert_array_equal(artist.get_xdata(), x)
        np.testing.assert_array_equal(artist.get_ydata(), y)  # gaps are gaps: NaN stays where it is
        check_look(artist, mark.role, 0.7 if mark.thin else None)
    bands = [c for c in ax.collections if isinstance(c, PolyCollection) and not isinstance(c, Quiver)]
    if mark.band:
        (band,) = bands
        corners = band.get_paths()[0].vertices
        for k in range(1, len(x) - 1, 7):
            heights = corners[np.isclose(corners[:, 0], x[k]), 1]
            wanted = sorted(env[name][k] for name in mark.band)
            np.testing.assert_allclose([heights.min(), heights.max()], wanted)
        assert to_hex(band.get_facecolor()[0]) == LOOKS[mark.role]["light"]
        assert band.get_facecolor()[0, 3] < 0.3


def check_points(ax: Any, mark: Points | Marker, env: dict[str, Any]) -> None:
    (artist,) = labelled(ax, mark.label)
    np.testing.assert_array_equal(artist.get_xdata(), np.atleast_1d(worth(env, mark.x)))
    np.testing.assert_array_equal(artist.get_ydata(), np.atleast_1d(worth(env, mark.y)))
    one = isinstance(mark, Marker)
    assert artist.get_marker() == ("o" if one else LOOKS[mark.role]["symbol"])
    assert artist.get_markersize() == (8 if one else mark.size)
    assert to_hex(artist.get_markerfacecolor()) == LOOKS[mark.role]["light"]
    assert artist.get_linestyle() == "None"


def check_segments(artist: Quiver, mark: Segments, env: dict[str, Any]) -> None:
    x0, y0, x1, y1 = np.broadcast_arrays(*(np.atleast_1d(worth(env, e)) for e in (mark.x0, mark.y0, mark.x1, mark.y1)))
    assert (artist.angles, artist.scale_units, artist.scale, artist.pivot) == ("xy", "xy", 1, "tail")
    np.testing.assert_allclose(np.asarray(artist.XY), np.stack([x0, y0], -1))
    np.testing.assert_allclose(np.stack([artist.U, artist.V], -1), np.stack([x1 - x0, y1 - y0], -1))
    assert (artist.headwidth > 1 and artist.headlength > 1) == mark.arrows
    assert to_hex(artist.get_facecolor()[0]) == LOOKS[mark.role]["light"]


def check_heat(ax: Any, mark: Heat, env: dict[str, Any]) -> None:
    """From vermilion at lo over white to blue at hi, each value where it belongs; the line where it is the level."""
    x, y, z = env["x"], env["y"], env[mark.z]
    (image,) = ax.get_images()
    dx, dy = (x[1] - x[0]) / 2, (y[1] - y[0]) / 2
    np.testing.assert_allclose(image.get_extent(), (x[0] - dx, x[-1] + dx, y[0] - dy, y[-1] + dy))
    assert image.origin == "lower"
    t = np.clip(2 * (z - mark.lo) / (mark.hi - mark.lo) - 1, -1, 1)[..., None]
    ends = (1 - np.array(to_rgb(LOOKS[role]["light"])) for role in ("generator", "data"))
    low, high = (strength * end for strength, end in zip((0.55, 0.7), ends, strict=True))
    np.testing.assert_allclose(np.asarray(image.get_array()), 1 - np.where(t < 0, -t * low, t * high), atol=6e-3)
    (contour,) = [c for c in ax.collections if isinstance(c, QuadContourSet)]
    assert list(contour.levels) == [mark.contour]
    at = np.vstack([path.vertices for path in contour.get_paths()])
    np.testing.assert_allclose(
        3 * at[:, 0] - 2 * at[:, 1] + at[:, 0] * at[:, 1] / 2 + env["mu"], mark.contour, atol=1e-9
    )
    assert np.ptp(at[:, 1]) == pytest.approx(3)  # from the lower to the upper edge
    assert to_hex(contour.get_edgecolor()[0]) == LOOKS[mark.role]["light"]
    (key,) = [a for a in ax.get_lines() if a.get_label() == f"{mark.label} = {mark.contour:g}"]
    assert to_hex(key.get_color()) == LOOKS[mark.role]["light"]


def check_rule(ax: Any, mark: VLine | HLine, env: dict[str, Any]) -> None:
    (artist,) = labelled(ax, mark.label)
    at, other = (artist.get_xdata(), artist.get_ydata()) if isinstance(mark, VLine) else artist.get_data()[::-1]
    assert list(at) == [worth(env, mark.x if isinstance(mark, VLine) else mark.y)] * 2
    assert list(other) == [0, 1]  # from edge to edge
    check_look(artist, mark.role, 1)


@pytest.mark.parametrize("start", STARTS)
def test_every_artist_is_its_mark(drawn: Any, start: dict[str, Any]) -> None:
    figure = lopsided(**start)
    env = figure.evaluate()
    for panel, (left, right) in zip(PANELS, sides(drawn(figure)), strict=True):
        arrows = iter([c for c in left.collections if isinstance(c, Quiver)])
        for mark in panel.marks:
            ax = right if mark.axis == "right" else left
            if not mark.shown:
                assert not labelled(ax, mark.label)
                continue
            match mark:
                case Line():
                    check_line(ax, mark, env)
                case Points() | Marker():
                    check_points(ax, mark, env)
                case Segments():
                    check_segments(next(arrows), mark, env)
                case Heat():
                    check_heat(ax, mark, env)
                case VLine() | HLine():
                    check_rule(ax, mark, env)
    (now,) = [a for a in left.figure.axes[2].get_lines() if len(a.get_xdata()) == 2]
    assert list(now.get_xdata()) == [env["step"]] * 2


def check_ticks(axis: Any) -> None:
    """Each tick says where it stands."""
    written = [
        (at, text.get_text()) for at, text in zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
    ]
    assert len([text for _, text in written if text]) > 1
    assert all(at == pytest.approx(WORDS[text] if text in WORDS else number(text)) for at, text in written if text)
    assert all("-" not in text for _, text in written)


def test_axes_have_their_limits_names_ticks_and_legend(drawn: Any) -> None:
    paper = drawn(lopsided())
    assert paper.get_suptitle() == "Lopsided"
    for k, (panel, (left, right)) in enumerate(zip(PANELS, sides(paper), strict=True)):
        assert (left.get_xlim(), left.get_ylim()) == (panel.x, panel.y)
        assert (left.get_xlabel(), left.get_ylabel(), left.get_title()) == (panel.xlabel, panel.ylabel, panel.title)
        assert (right is not left) == (panel.right is not None)
        if panel.right:
            assert (right.get_ylim(), right.get_ylabel()) == (panel.right, panel.right_label)
            assert right.yaxis.get_label_position() == "right"
            assert right.yaxis.get_ticks_position() == "right"
            check_ticks(right.yaxis)
        assert left.get_aspect() == (1 if panel.equal else "auto")
        check_ticks(left.xaxis)
        check_ticks(left.yaxis)
        shown = [m for m in panel.marks if m.shown]
        named = {("tilt = 2.5" if isinstance(m, Heat) else m.label): m.role for m in shown}
        legend = right.get_legend()
        texts = [re.sub(r"[${}]|\\mathrm", "", t.get_text()) for t in legend.get_texts()]
        assert sorted(texts) == sorted(named), k
        for text, handle in zip(texts, legend.legend_handles, strict=True):
            ink = handle.get_color() if isinstance(handle, Line2D) else handle.get_facecolor()
            assert to_hex(ink) == LOOKS[named[text]]["light"]
    assert list(PANELS[0].xticks or []) == [-2, 0, (1.5, "here"), 4]
    assert [t.get_text() for t in paper.axes[0].get_xticklabels()] == ["−2", "0", "here", "4"]
    assert [t.get_text() for t in paper.axes[1].get_yticklabels()] == ["−1", "mid", "2"]
