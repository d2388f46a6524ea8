"""Tests that NumPy and the script agree off the beaten track: every function, operator and reduction at NaN, infinities,
zeros of both signs and arguments of every size; and that what they agree on is right."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from figures import figure
from scipy import special, stats

from gan_edu.explore import Choice, Figure, Slider, Snapshots
from gan_edu.explore.formulas import FUNCTIONS, REDUCTIONS

# The numbers of a figure at several settings as JSON; what JSON has not, a zero's sign included, as words.
NUMBERS = """([spec, settings]) => JSON.stringify(settings.map(s => ganExplore.evaluate(spec, s)), (_, x) =>
    typeof x !== 'number' || Number.isFinite(x) && !Object.is(x, -0) ? x : Object.is(x, -0) ? '-0' : String(x))"""
# Of every size and both signs.
MANY = (
    "0/0 1/0 -1/0 0 -0 5e-324 -1e-310 1e-200 -1e-8 0.5 -0.5 1/3 1 -1 2 -2 3 -3 5.99 -5.99 6 -6 -8 27 709.5 -745 800 "
    "-800 1e16 -1e16 1e300 -1e300 1.7e308 -1.7e308"
)
VALUES = MANY.split()
SYMBOLS = ["+", "-", "*", "/", "**", "<", "<=", ">", ">=", "==", "!="]


@pytest.fixture(scope="module")
def in_the_page(browser):
    """A function that computes a figure's numbers in the page, a dictionary for each of the settings."""
    context = browser.new_context()
    page = context.new_page()
    page.set_content(f"<!doctype html><body>{figure().to_html()}")

    def numbers(fig: Figure, *settings: dict) -> list[dict]:
        got = json.loads(page.evaluate(NUMBERS, [json.loads(json.dumps(fig.spec)), list(settings) or [{}]]))
        shapes = {name: np.shape(v) for name, v in fig.evaluate().items()}
        return [{name: np.array(one[name], dtype=float).reshape(s) for name, s in shapes.items()} for one in got]

    yield numbers
    context.close()


def unlike(got, expected, *, signs=True, within=1e-13) -> np.ndarray:
    """Where two arrays differ: NaN is like NaN alone, and a zero has its sign; else a relative error is left."""
    a, b = (np.asarray(v, dtype=float) for v in (got, expected))
    assert a.shape == b.shape
    with np.errstate(invalid="ignore"):
        near = np.abs(a - b) <= within * np.abs(b) + 5e-324
    alike = np.where(np.isfinite(a) & np.isfinite(b), near, (a == b) | (np.isnan(a) & np.isnan(b)))
    return ~(alike & (~np.isfinite(a) | (a != 0) | (b != 0) | (np.signbit(a) == np.signbit(b)) | (not signs)))


def listed(values, axis: str) -> str:
    """A formula that is the k-th of these expressions where the axis is k."""
    *rest, out = values
    for k in reversed(range(len(rest))):
        out = f"where({axis} == {k}, {rest[k]}, {out})"
    return out


def counted(n: int, axis="i") -> dict:
    return {axis: (0, n - 1, n)}


def call(name: str, *arguments: str) -> str:
    return f"{arguments[0]} {name} {arguments[1]}" if name in SYMBOLS else f"{name}({', '.join(arguments)})"


def at_all_values() -> dict[str, str]:
    """name -> a formula in u and v, for every function; of three arguments, two vary and the third is each value."""
    out = {"neg": "-u"}
    for name in sorted(set(FUNCTIONS) - {"neg", "spread"}):
        count = FUNCTIONS[name][0]
        if count < 3:
            out[name] = call(name, *"uv"[:count])
        else:
            for value, k in itertools.product(VALUES, range(3)):
                three = [*"uv"[:k], f"({value})", *"uv"[k:]]
                out[f"{name} {k} {value}"] = call(name, *three)
    return out


def test_every_function_agrees_at_every_pair_of_values(in_the_page):
    sources, n = at_all_values(), len(VALUES)
    formulas = {"u": listed(VALUES, "i"), "v": listed(VALUES, "j")}
    formulas |= {f"f{k}": source for k, source in enumerate(sources.values())}
    fig = figure(formulas, grids=counted(n) | counted(n, "j"))
    [got], expected = in_the_page(fig), fig.evaluate()
    np.testing.assert_array_equal(expected["u"][[1, 2, 3, 12, -1]], [np.inf, -np.inf, 0, 1, -1.7e308])
    assert np.isnan(expected["u"][0])
    assert math.copysign(1, expected["v"][4]) == -1
    assert {FUNCTIONS[name][0] for name in FUNCTIONS} == {1, 2, 3}
    for k, (name, source) in enumerate(sources.items()):
        bad = unlike(got[f"f{k}"], expected[f"f{k}"], signs=name not in ("minimum", "maximum"))
        assert not bad.any(), (source, [[VALUES[i] for i in reversed(place)] for place in np.argwhere(bad)])


NAN, INF = math.nan, math.inf

# What the cases that one may doubt are worth: by IEEE 754, by the docstring of formulas.py, or by a closed form.
SINGLE = """
(-1)**(1/0) = 1; (-1)**(-1/0) = 1; (-1/0)**0.5 = inf; (-0)**0.5 = 0; 0**0.5 = 0; 0**(-1) = inf; (-0)**(-1) = -inf
(-0)**(-2) = inf; (-8)**(1/3) = nan; (-8)**3 = -512; 2**(-2) = 0.25; (-2)**(-3) = -0.125; 0.5**(1/0) = 0; 0.5**(-1/0) = inf
(-2)**(1/0) = inf; 1e300**2 = inf; (0/0)**2 = nan; 2**(0/0) = nan; (-1/0)**3 = -inf; (-1/0)**(-3) = -0; (0/0)**1 = nan
1/(-0) = -inf; 0*(1/0) = nan; 1/0 - 1/0 = nan; 1/0 + 1/0 = inf; 1/(1/0) = 0; -1/(1/0) = -0; -0 = -0; 0 - 0 = 0
0 == -0 = 1; 0 < -0 = 0; 1/0 == 1/0 = 1; -1/0 < 1/0 = 1; 1/0 <= 1/0 = 1; 1/0 > 1/0 = 0; 1 >= 2 = 0; 2 >= 2 = 1; 2 <= 1 = 0
sqrt(-1) = nan; sqrt(-0) = -0; log(0) = -inf; log(-0) = -inf; log(-1) = nan; exp(-1/0) = 0; exp(800) = inf; exp(0/0) = nan
abs(-0) = 0; abs(-1/0) = inf; tanh(-1/0) = -1; tanh(800) = 1; sin(1/0) = nan; cos(-1/0) = nan; sin(-0) = -0; cos(-0) = 1
softplus(800) = 800; softplus(-800) = 0; softplus(1/0) = inf; softplus(-1/0) = 0; softplus(0/0) = nan
log_sigmoid(-800) = -800; log_sigmoid(800) = -0; log_sigmoid(-1/0) = -inf; log_sigmoid(1/0) = -0; log_sigmoid(0/0) = nan
sigmoid(800) = 1; sigmoid(-800) = 0; sigmoid(-1/0) = 0; sigmoid(1/0) = 1; sigmoid(0) = 0.5; sigmoid(0/0) = nan
erf(6) = 1; erf(-6) = -1; erf(27) = 1; erf(1/0) = 1; erf(-1/0) = -1; erf(0/0) = nan; erf(0) = 0; erf(-0) = -0
xlogy(0/0, 1) = nan; xlogy(1, 0) = -inf; xlogy(-1, 0) = inf; xlogy(1, -1) = nan; xlogy(1/0, 2) = inf; xlogy(1/0, 1) = nan
normal(1, 1, 0) = nan; normal(2, 1, 0) = nan; normal(1/0, 0, 1) = 0; normal(0, 0, 1/0) = 0; normal(0/0, 0, 1) = nan
minimum(-1/0, 3) = -inf; maximum(-1/0, 3) = 3; minimum(2, -3) = -3; maximum(2, -3) = 2; minimum(1/0, -3) = -3
where(-1, 0/0, 1) = nan; where(0, 0/0, 1) = 1; where(0.5, 1/0, 0/0) = inf; where(1e-310, 1, 2) = 1; where(-0, 1, 0/0) = nan
"""
ODD = {
    **{
        source: float(v)
        for source, v in (case.rsplit(" = ", 1) for case in SINGLE.strip().replace("\n", "; ").split("; "))
    },
    **{f"1**({v})": 1 for v in VALUES},
    **{f"({v})**0": 1 for v in VALUES},
    **{f"({v})**(-0)": 1 for v in VALUES},
    **{f"({v}) == ({v})": v != "0/0" for v in VALUES},
    **{f"({v}) != ({v})": v == "0/0" for v in VALUES},
    **{f"where({v}, 2, 3)": 3 if v in ("0", "-0") else 2 for v in VALUES},
    **{f"xlogy({zero}, {v})": 0 for v in VALUES for zero in ("0", "(-0)")},
    **{f"minimum({v}, 0/0)": NAN for v in VALUES},
    **{f"maximum(0/0, {v})": NAN for v in VALUES},
    **{f"0/0 {symbol} ({v})": symbol == "!=" for v in VALUES for symbol in SYMBOLS[5:]},
    **{f"({v}) {symbol} 0/0": symbol == "!=" for v in VALUES for symbol in SYMBOLS[5:]},
    **{f"erf({v})": math.erf(float(v)) for v in ("5.99", "-5.99", "1e-200", "0.5", "-3", "1e-10")},
    **{f"normal({x}, 1, 2)": stats.norm.pdf(x, 1, 2) for x in (3, -1, 70)},
    **{f"sigmoid({t})": special.expit(t) for t in (-40, -1, 3)},
    **{f"softplus({t})": special.xlog1py(1, math.exp(t)) for t in (-40, 0, 1)},
    **{f"log_sigmoid({t})": special.log_expit(t) for t in (40, 0, -1)},
    "pi": math.pi,
    "xlogy(2, 3)": 2 * math.log(3),
    "exp(-40)": math.exp(-40),
}


def test_odd_cases_are_worth_what_they_should_be(in_the_page):
    fig = figure({f"f{k}": source for k, source in enumerate(ODD)})
    for numbers in (fig.evaluate(), *in_the_page(fig)):
        wrong = {s: numbers[f"f{k}"] for k, (s, v) in enumerate(ODD.items()) if unlike(numbers[f"f{k}"], float(v))}
        assert not wrong


def chains() -> list[str]:
    """Operators in a row, in all orders, with signs and brackets in several places."""
    arithmetic, out = SYMBOLS[:5], []
    for p, q, r in itertools.product(arithmetic, repeat=3):
        forms = ("a{}b{}c{}d", "-a{}b{}-c{}d", "(a{}b){}(c{}d)", "a{}(b{}c){}-d", "-(a{}-b{}c){}d", "a{}(b{}(c{}d))")
        out += [form.format(p, q, r) for form in forms]
    for p, q in itertools.product(arithmetic, repeat=2):
        out += [f"a{p}b {symbol} -c{q}d" for symbol in SYMBOLS[5:]]
    return [*out, "--a", "-(-a)**2", "-a**-b**-c", "2*pi*a", "a - -b", "(a < b) + (b < c)*2", "abs(-a)**b - -pi/c"]


@pytest.mark.parametrize("setting", [(1.5, 2.0, 0.5, 2.0), (2.0, 3.0, 2.0, 1.0), (0.25, 0.25, 0.25, 0.25)], ids=str)
def test_operators_in_a_row_bind_as_in_python(in_the_page, setting):
    sources, now = chains(), dict(zip("abcd", setting, strict=True))
    sliders = {name: Slider(0, 4, 0.25, 1) for name in now}
    fig = figure({f"f{k}": source for k, source in enumerate(sources)}, sliders=sliders)
    names = {name: np.float64(v) for name, v in now.items()} | {"pi": math.pi, "abs": abs}
    with np.errstate(all="ignore"):
        expected = [eval(source, {"__builtins__": {}}, names) for source in sources]
    for numbers in (fig.evaluate(**now), *in_the_page(fig, now)):
        got = [numbers[f"f{k}"] for k in range(len(sources))]
        assert not [s for s, bad in zip(sources, unlike(got, expected, within=1e-12), strict=True) if bad]


# -- reductions


def largest(values: list[float], points) -> tuple[float, float]:
    """The largest that is a number, and the first place where it stands."""
    known = [k for k, v in enumerate(values) if not math.isnan(v)]
    if not known:
        return NAN, NAN
    k = min(known, key=lambda k: (-values[k], k))
    return values[k], points[k]


def trapezoids(values: list[float], points) -> float:
    return sum((points[k] - points[k - 1]) * (values[k] + values[k - 1]) / 2 for k in range(1, len(points)))


def between(values: list[float], points, where: float) -> float:
    """Linear between neighbours, an infinity taking all that is beside it; constant beyond the ends."""
    if math.isnan(where):
        return NAN
    where = min(max(where, points[0]), points[-1])
    if where in points:
        return values[list(points).index(where)]
    k = next(k for k, point in enumerate(points) if point > where)
    t = (where - points[k - 1]) / (points[k] - points[k - 1])
    return (1 - t) * values[k - 1] + t * values[k]


PLACES = ("0/0", "-1/0", "9", "9.99", "10", "10.25", "10.5", "11", "12", "30", "40", "41", "1/0")  # of `at`
SPECIAL = ("0/0", "1/0", "-1/0", "0", "1", "-2")
STEPS = {1: [10], 2: [10, 11], 3: [10, 11, 40]}  # uneven, and not from 0


@pytest.mark.parametrize("n", STEPS)
def test_reductions_of_every_pattern_of_special_values(in_the_page, n):
    patterns = list(itertools.product(SPECIAL, repeat=n))
    points, reached = STEPS[n], ["integral", "maximum_over", "argmax"]
    formulas = {"where_to": listed(PLACES, "i")}
    for k, pattern in enumerate(patterns):
        of = "0*steps"
        for point, value in zip(points, pattern, strict=True):
            of = f"where(steps == {point}, {value}, {of})"
        formulas |= {f"p{k}": of, f"at{k}": f"at(p{k}, steps, where_to)"}
        formulas |= {f"{name}{k}": f"{name}(p{k}, steps)" for name in reached}
    assert {*reached, "at"} == set(REDUCTIONS)
    fig = figure(formulas, steps=points, grids=counted(len(PLACES)))
    numbers = dict(zip(SPECIAL, (NAN, INF, -INF, 0, 1, -2), strict=True))
    places = [NAN, -INF, 9, 9.99, 10, 10.25, 10.5, 11, 12, 30, 40, 41, INF]
    for got in (fig.evaluate(), *in_the_page(fig)):
        for k, pattern in enumerate(patterns):
            values = [numbers[v] for v in pattern]
            want = [float(trapezoids(values, points)), *largest(values, points)]
            assert not unlike([got[f"{name}{k}"] for name in reached], want).any(), (pattern, want)
            want = [between(values, points, place) for place in places]
            assert not unlike(got[f"at{k}"], want, signs=False).any(), (pattern, want, got[f"at{k}"])


def test_reductions_run_over_the_axis_that_they_name(in_the_page):
    formulas = {
        "f": listed([f"({v}) + 0*j" for v in SPECIAL], "i"),
        "g": listed([f"{v} + 0*i" for v in SPECIAL], "(j - 10)"),
    }
    formulas["h"] = "where(i < 3, i + 100*j - i*j*j, where(j > 11, 0/0, -i*j))"
    rules = {"integral": trapezoids, "maximum_over": lambda *a: largest(*a)[0], "argmax": lambda *a: largest(*a)[1]}
    over = {f"{r}_{f}_{a}": f"{r}({f}, {a})" for f in "fgh" for a in "ij" for r in rules}
    fig = figure(formulas | over, grids=counted(6) | {"j": (10, 15, 6)})
    for got in (fig.evaluate(), *in_the_page(fig)):
        for name, source in over.items():
            reduction, f, axis = name.rsplit("_", 2)
            plane = got[f].T if axis == "j" else got[f]  # rows are j
            want = [rules[reduction](row, got[axis]) for row in plane.tolist()]
            assert not unlike(got[name], want, signs=False).any(), source


def test_over_the_plane_the_grids_may_be_named_in_either_order(in_the_page):
    formulas = {"f": "x*x*y + y + 3", "one": "integral(f, x, y)", "other": "integral(f, y, x)"}
    fig = figure(formulas, grids={"x": (-1, 2, 301), "y": (0, 4, 5)})
    for got in (fig.evaluate(), *in_the_page(fig)):  # 3 * 8 + 8 * 3 + 3 * 12, up to the trapezoids' error in x
        assert got["one"] == pytest.approx(84, abs=1e-3)
        assert got["one"] == pytest.approx(float(got["other"]), rel=1e-13)


# -- iterated maps, recordings, settings

ORBITS = {  # (first, next) of theta and psi -> the orbit of theta by a loop, here written out
    "grows to a million": (("1e4", "theta*10"), ("0", "psi"), [1e4, 1e5, 1e6, NAN, NAN]),
    "falls to minus a million": (("-1e5", "theta*10"), ("0", "0"), [-1e5, -1e6, NAN, NAN, NAN]),
    "begins beyond": (("1000001", "theta/2"), ("0", "psi"), [NAN] * 5),
    "begins infinite": (("-1/0", "0"), ("0", "psi"), [NAN] * 5),
    "becomes NaN once": (("1", "where(theta == 2, 0/0, theta + 1)"), ("0", "psi"), [1, 2, NAN, NAN, NAN]),
    "ends with its partner": (("1", "theta + 1"), ("1e3", "psi*1e3"), [1, 2, NAN, NAN, NAN]),
    "swaps at once": (("1", "psi"), ("2", "theta"), [1, 2, 1, 2, 1]),
    "keeps a zero's sign": (("-0", "-theta"), ("0", "0"), [-0.0, 0.0, -0.0, 0.0, -0.0]),
    "reads a curve": (("0", "theta + at(x*x, x, theta + 1)"), ("0", "0"), [0, 1, 5, 41, 77]),
    "reads a maximum": (("mu", "theta + argmax(theta - (x - theta)**2, x)"), ("0", "0"), [2, 4, 8, 14, 20]),
}


@pytest.mark.parametrize("name", ORBITS)
def test_orbits(in_the_page, name):
    theta, psi, expected = ORBITS[name]
    grids = {"x": (-6, 6, 13)}
    for n in (1, 4):  # the fewest steps that a map may take, and some
        fig = figure(iterate={"theta": theta, "psi": psi}, iterations=n, grids=grids)
        for got in (fig.evaluate(), *in_the_page(fig)):
            assert not unlike(got["theta"], expected[: n + 1]).any()
            np.testing.assert_array_equal(got["n"], range(n + 1))


def lopsided(**more) -> Figure:
    """Recordings over choices and frames of unlike lengths, each number of which tells where it was recorded."""
    steps, shape = [10, 11, 40, 100], (3, 2, 4, 5)
    array = np.arange(math.prod(shape)).reshape(shape) - 7.0
    choices = {"game": Choice(["a", "b"], value=1), "member": Choice(["1", "2", "3"], value=2)}
    bits = {"bits": 16, "lo": -7, "hi": 65535 - 7}
    snapshots = {
        "both": Snapshots(array, "x", over=("member", "game"), **bits),
        "turned": Snapshots(array.transpose(1, 0, 2, 3), "x", over=("game", "member"), **bits),
        "series": Snapshots(array[..., 0], over=("member", "game"), time=True, **bits),
        "number": Snapshots(array[0, 0, :, 0], **bits),
        "still": Snapshots(array[:, 0, 0, :], "x", over=("member",), fixed=True, **bits),
        "plane": Snapshots(np.arange(2 * 4 * 3 * 5).reshape(2, 4, 3, 5), ("y", "x"), over=("game",), **bits),
    }
    grids = {"x": (1, 2, 5), "y": (0, 1, 3)}
    sliders = {"s": Slider(-1.5, 1, 0.5, -0.5), "t": Slider(3, 9, 1.5, 4.5)}
    formulas = {"sum": "s + 10*t + 100*game + 1000*member + step", "slow": "at(series, steps, step + s)"}
    parts = {"choices": choices, "snapshots": snapshots, "grids": grids, "sliders": sliders, "formulas": formulas}
    return figure(**parts, steps=steps, frame=2, **more)


def test_recordings_and_settings_agree_in_every_combination(in_the_page):
    fig, steps = lopsided(), [10, 11, 40, 100]
    ends = itertools.product((-1.5, -0.0, 1), (3, 9), range(2), range(3), range(4))
    settings = [dict(zip(("s", "t", "game", "member", "frame"), values, strict=True)) for values in ends]
    for now, got in zip([{}, *settings], in_the_page(fig, {}, *settings), strict=True):
        expected = fig.evaluate(**now)
        assert not [name for name in got if unlike(got[name], expected[name]).any()], now
        full = {"s": -0.5, "t": 4.5, "game": 1, "member": 2, "frame": 2} | now
        base = 40 * full["member"] + 20 * full["game"] - 7
        np.testing.assert_allclose(got["both"], base + 5 * full["frame"] + np.arange(5))
        np.testing.assert_allclose(got["turned"], got["both"])
        np.testing.assert_allclose(got["series"], base + 5 * np.arange(4))
        np.testing.assert_allclose(got["number"], 5 * full["frame"] - 7)
        np.testing.assert_allclose(got["still"], 40 * full["member"] - 7 + np.arange(5))
        first = 60 * full["game"] + 15 * full["frame"]
        np.testing.assert_allclose(got["plane"], first + np.arange(15).reshape(3, 5))
        assert got["step"] == steps[full["frame"]]
        total = full["s"] + 10 * full["t"] + 100 * full["game"] + 1000 * full["member"] + got["step"]
        assert got["sum"] == pytest.approx(float(total))


def test_an_index_may_be_written_as_a_float():
    fig = lopsided()
    for name, one in fig.evaluate(frame=1.0, game=0.0, member=1.0).items():
        np.testing.assert_array_equal(one, fig.evaluate(frame=1, game=0, member=1)[name])


@pytest.mark.parametrize("number", ["1e400", "-1e309", "2 + 1" + "0" * 400], ids=["float", "negative", "int"])
def test_a_number_that_no_page_can_hold_is_refused(number):
    with pytest.raises(ValueError, match="a number must be finite; write 1/0 for infinity"):
        figure({"f": number})
