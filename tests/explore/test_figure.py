"""Tests of Figure: what it takes, what it refuses, what it hands out."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from figures import everything, figure, two_gaussians

from gan_edu.explore import Choice, Heat, Line, Marker, Panel, Slider, Snapshots, VLine


def test_snapshots_follow_choice_and_frame_within_half_a_level():
    array = np.random.default_rng(1).normal(size=(2, 3, 401))
    for bits in (8, 16):
        fig = figure(
            choices={"game": Choice(["a", "b"])},
            steps=[0, 1, 2],
            snapshots={"p": Snapshots(array, "x", over=("game",), bits=bits)},
        )
        half = (array.max() - array.min()) / (2**bits - 1) / 2
        for game in range(2):
            for frame in range(3):
                error = np.abs(fig.evaluate(game=game, frame=frame)["p"] - array[game, frame])
                assert error.max() <= half * (1 + 1e-9)


def test_snapshots_of_every_shape():
    v = everything().evaluate(frame=3, member=2, game=1)
    assert v["turned"].shape == v["tint"].shape == (31, 401)
    assert v["fan"].shape == (7, 401)
    assert v["members"].shape == v["shift"].shape == (7, 5)
    assert v["loss"].shape == (5,)
    assert isinstance(v["score"], float)
    assert v["step"] == 50


def test_snapshots_are_clipped_to_the_given_range_and_may_be_constant():
    snaps = {
        "wild": Snapshots([-9.0, 0.5, 9.0], "sample", fixed=True, lo=0, hi=1, bits=16),
        "flat": Snapshots([2.0, 2.0, 2.0], "sample", fixed=True),
    }
    v = figure(snapshots=snaps).evaluate()
    np.testing.assert_allclose(v["wild"], [0, 0.5, 1], atol=1e-5)
    np.testing.assert_array_equal(v["flat"], 2)


def marks(*given, **more):
    return lambda: figure({"p": "x + mu"}, [Panel(x=(0, 1), y=(0, 1), marks=given)], **more)


def recorded(array, grid=None, **more):
    rest = {k: more.pop(k) for k in ("steps", "choices") if k in more}
    return lambda: figure(snapshots={"s": Snapshots(array, grid, **more)}, **rest)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: figure(alt=""), "text alternative"),
        (lambda: figure(grids={"x": (1, 0, 5)}), "lo < hi"),
        (lambda: figure(grids={"mu": (0, 1, 5)}), "used once"),
        (lambda: figure(grids={"pi": (0, 1, 5)}), "none of 'abs', 'argmax'"),
        (lambda: figure(grids={"a b": (0, 1, 5)}), "identifier"),
        (lambda: figure(sliders={"a": Slider(0, 1, 0.1, 2)}), "between lo and hi"),
        (lambda: figure(sliders={"a": Slider(0, 1, 0.1, 0.55)}), r"lo \+ k \* step"),
        (lambda: figure(sliders={"a": Slider(0, 1, 0, 0)}), "must start at"),
        (lambda: figure(choices={"a": Choice(["one"], value=1)}), "one of its options"),
        (lambda: figure(steps=[0, 0]), "steps must increase"),
        (lambda: figure(steps=[0, 1], frame=2), "index of steps"),
        (lambda: figure({"mu": "1"}), "new name"),
        (lambda: figure({"exp": "1"}), "new name"),
        (lambda: figure(iterate={"a": ("x", "a")}), "made of scalars"),
        (lambda: figure(iterate={"a": ("1", "a")}, iterations=0), "at least 1"),
        (lambda: figure(readout={"p": "x"}), "the readout 'p' must be a scalar, 'x' depends on 'x'"),
        (lambda: figure({"f": "a*x*y"}, snapshots={"a": Snapshots([1, 2], "c", fixed=True)}), "at most two axes"),
        (recorded(np.zeros(401), "x"), "give steps"),
        (recorded(np.zeros(400), "x", fixed=True), r"must have shape \(401,\).*got \(400,\)"),
        (recorded(np.full(401, np.nan), "x", fixed=True), "must be finite"),
        (recorded(np.zeros(401), "x", fixed=True, bits=12), "bits must be 8 or 16, got 12"),
        (recorded(np.zeros(401), "x", fixed=True, over=("game",)), "must name choices, none"),
        (recorded(np.zeros((3, 401)), "x", time=True, steps=[0, 1, 2]), "at most two of"),
        (recorded(np.zeros(401), "x", fixed=True, lo=1, hi=0), "lo <= hi"),
        (recorded(3.0, "sample", fixed=True), "must have one length"),
        (marks(Line("p", role="blue")), "unknown role 'blue'; choose one of 'data', 'discriminator'"),
        (marks(Line("p", axis="right")), "right="),
        (marks(Line("mu")), "depends on one variable"),
        (marks(Line("x*y", x="x")), "one axis besides 'many'"),
        (marks(Heat("p")), "a Heat must depend on two grids"),
        (marks(Marker("p", 1)), "x of Marker must be a scalar"),
        (marks(VLine("q")), "unknown name 'q'"),
    ],
)
def test_what_a_figure_may_not_be(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"nu": 1}, "evaluate takes 'frame', 'mu'; got 'nu'"),
        ({"mu": 5}, r"mu must lie in \[-4, 4\], got 5"),
        ({"frame": 1}, "frame must be an index from 0 to 0, got 1"),
    ],
)
def test_what_evaluate_may_not_take(values, words):
    with pytest.raises(ValueError, match=words):
        figure().evaluate(**values)


def test_the_same_figure_has_the_same_bytes():
    assert everything().to_html() == everything().to_html()
    assert everything().to_png() == everything().to_png()


def test_mimebundle():
    bundle = two_gaussians()._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/png", "text/plain"}
    assert bundle["text/plain"] == "Two Gaussians\nTwo bell curves and D* </script> <b>\nJS(p_data, p_g) = 0.3368"


def test_import_loads_neither_torch_nor_matplotlib():
    code = "import sys; from gan_edu import explore; print([m for m in ('torch', 'matplotlib', 'ipywidgets') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
