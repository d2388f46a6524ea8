"""The little language of formulas: what it allows, how it is compiled, and what numpy makes of a compiled formula.

`formulas.js` evaluates the same trees in the page, and both give the same numbers in the odd cases too. Arithmetic is
that of IEEE 754: 0/0 is NaN, 1/0 is infinite, ``1**b`` and ``a**0`` are 1 even for NaN, and a root of a negative number
is NaN. A comparison is 1 or 0, and with NaN only ``!=`` holds. Besides:

- ``where(c, a, b)`` is b where c is 0, and a everywhere else, where c is negative or NaN included;
- ``xlogy(a, b)`` is 0 where a is 0, whatever b is;
- ``minimum`` and ``maximum`` are NaN where an argument is; which sign they give to a zero is not said;
- ``maximum_over`` and ``argmax`` pass over NaN, take the first of several, and are NaN where all values are;
- ``integral`` is the trapezoid rule, NaN where a value is, and 0 over an axis of one point;
- ``at`` is linear between neighbours and constant beyond both ends; beside one infinite neighbour it is that infinity.
"""

from __future__ import annotations

import ast
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["FUNCTIONS", "REDUCTIONS", "RESERVED", "Formula", "listed", "need", "place", "run", "value"]

Tree = Any  # a compiled formula: a number, a name, or [operation, argument, ...]
Axes = frozenset[str]  # the axes that a value has
AxisTable = Mapping[str, Mapping[str, Any]]  # all axes of a figure, outermost first: name -> length n and more
Array = np.ndarray[Any, Any]


def need(condition: object, message: str) -> None:
    """Raise ValueError with this message unless the condition holds."""
    if not condition:
        raise ValueError(message)


def listed(items: Iterable[str]) -> str:
    """Return the items, sorted and quoted, as a message lists them."""
    return ", ".join(map(repr, sorted(items))) or "none"


_erf = np.frompyfunc(math.erf, 1, 1)
_SYMBOLS: dict[type[ast.AST], tuple[str, np.ufunc]] = {
    ast.Add: ("+", np.add),
    ast.Sub: ("-", np.subtract),
    ast.Mult: ("*", np.multiply),
    ast.Div: ("/", np.divide),
    ast.Pow: ("**", np.float_power),  # np.power takes a root for the exponent 0.5, and (-inf)**0.5 is inf
    ast.Lt: ("<", np.less),
    ast.LtE: ("<=", np.less_equal),
    ast.Gt: (">", np.greater),
    ast.GtE: (">=", np.greater_equal),
    ast.Eq: ("==", np.equal),
    ast.NotEq: ("!=", np.not_equal),
}


def _softplus(t: Array) -> Array:
    return np.maximum(t, 0) + np.log1p(np.exp(-np.abs(t)))


# name -> (number of arguments, numpy function); `formulas.js` has a table with the same names
FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    **{symbol: (2, f) for symbol, f in _SYMBOLS.values()},
    "neg": (1, np.negative),
    **{f.__name__: (1, f) for f in (np.exp, np.log, np.sqrt, np.tanh, np.cos, np.sin)},
    **{f.__name__: (2, f) for f in (np.minimum, np.maximum)},
    "abs": (1, np.abs),
    "erf": (1, _erf),
    "where": (3, lambda c, a, b: np.where(c != 0, a, b)),
    "sigmoid": (1, lambda t: 1 / (1 + np.exp(-t))),
    "softplus": (1, _softplus),
    "log_sigmoid": (1, lambda t: -_softplus(-t)),
    "normal": (3, lambda x, mean, std: np.exp(-(((x - mean) / std) ** 2) / 2) / (std * math.sqrt(2 * math.pi))),
    "xlogy": (2, lambda a, b: np.where(a == 0, 0.0, a * np.log(b))),
    "spread": (2, lambda a, b: a + np.zeros(np.shape(b))),  # a with the axes of a and b; for marks
}
REDUCTIONS = ("argmax", "at", "integral", "maximum_over")
_HIDDEN = {"neg", "spread"}
RESERVED = {"pi", "frame", "step", "steps", "n", "many", *(f for f in FUNCTIONS if f.isidentifier()), *REDUCTIONS}


class Formula:
    """One expression, compiled to `tree` with its `axes`. `scope` maps the names defined so far to their axes."""

    def __init__(self, source: object, scope: Mapping[str, Axes], axes: AxisTable):
        self.source, self.scope = str(source), scope
        self.variables = [name for name, axis in axes.items() if "lo" in axis]
        try:
            parsed = ast.parse(self.source.strip(), mode="eval")
        except SyntaxError:
            raise ValueError(f"a formula must be one Python expression, got {self.source!r}") from None
        self.tree, self.axes = self._compile(parsed.body)

    def _need(self, condition: object, message: str) -> None:
        need(condition, f"{message}, in the formula {self.source!r}")

    def _compile(self, node: ast.expr) -> tuple[Tree, Axes]:
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                self._need(number <= sys.float_info.max, "a number must be finite; write 1/0 for infinity")
                return float(number), frozenset()
            case ast.Name(id="pi"):
                return math.pi, frozenset()
            case ast.Name(id=name):
                self._need(name in self.scope, f"unknown name {name!r}; choose one of {listed(self.scope)}")
                return name, self.scope[name]
            case ast.BinOp(op=op) if type(op) in _SYMBOLS:
                return self._combine(_SYMBOLS[type(op)][0], node.left, node.right)
            case ast.UnaryOp(op=ast.USub()):
                return self._combine("neg", node.operand)
            case ast.Compare(ops=[op]) if type(op) in _SYMBOLS:
                return self._combine(_SYMBOLS[type(op)][0], node.left, node.comparators[0])
            case ast.Call(func=ast.Name(id=name), keywords=[]) if name in FUNCTIONS and name not in _HIDDEN:
                arity = FUNCTIONS[name][0]
                self._need(len(node.args) == arity, f"{name} takes {arity} argument(s), {len(node.args)} given")
                return self._combine(name, *node.args)
            case ast.Call(func=ast.Name(id=name), keywords=[]) if name in REDUCTIONS:
                return self._reduce(name, *node.args)
        allowed = {name for name in (*FUNCTIONS, *REDUCTIONS) if name.isidentifier()} - _HIDDEN
        raise ValueError(
            f"a formula may hold numbers, names, + - * / **, one comparison and calls of {listed(allowed)}; "
            f"{ast.unparse(node)!r} is not allowed, in the formula {self.source!r}"
        )

    def _combine(self, symbol: str, *arguments: ast.expr) -> tuple[Tree, Axes]:
        parts = [self._compile(a) for a in arguments]
        union = frozenset[str]().union(*(axes for _, axes in parts))
        self._need(len(union) <= 2, f"at most two axes may meet, got {listed(union)}; reduce one, say with integral")
        return [symbol, *(tree for tree, _ in parts)], union

    def _reduce(self, name: str, *arguments: ast.expr) -> tuple[Tree, Axes]:
        want = (3,) if name == "at" else (2, 3) if name == "integral" else (2,)
        self._need(len(arguments) in want, f"{name} takes {want[-1]} arguments, {len(arguments)} given")
        tree, axes = self._compile(arguments[0])
        # over the plane: one variable after the other
        for axis in map(ast.unparse, arguments[1:2] if name == "at" else arguments[1:]):
            self._need(axis in self.variables, f"{name} must run over one of {listed(self.variables)}, got {axis!r}")
            self._need(axis in axes, f"{name} over {axis} needs an expression that depends on {axis}")
            tree, axes = [name, tree, axis], axes - {axis}
        if name == "at":
            self._need(not axes, f"at needs an expression that depends on {tree[2]} alone, not on {listed(axes)}")
            where, axes = self._compile(arguments[2])
            tree = [*tree, where]
        return tree, axes


def place(array: Any, names: Sequence[str], axes: AxisTable) -> Array:
    """Return the array with one dimension for each axis of the figure, so that numpy's broadcasting does the rest."""
    return np.reshape(array, [axis["n"] if name in names else 1 for name, axis in axes.items()])


def value(tree: Tree, env: Mapping[str, Array], axes: AxisTable) -> Array:
    """Return what a tree is worth where the names have the values in `env`, one dimension for each axis."""
    if isinstance(tree, str):
        return env[tree]
    if not isinstance(tree, list):
        return np.asarray(tree)
    if tree[0] in FUNCTIONS:
        return np.asarray(FUNCTIONS[tree[0]][1](*(value(t, env, axes) for t in tree[1:])), dtype=float)
    f, c, k = value(tree[1], env, axes), env[tree[2]].ravel(), list(axes).index(tree[2])
    if tree[0] == "at":
        where = value(tree[3], env, axes)
        out = np.interp(where, c, f.ravel())
        return np.where(np.isnan(where), np.nan, out)  # on an axis of one point, interp takes NaN for that point
    f = np.moveaxis(f, k, -1)
    if tree[0] == "integral":  # the trapezoid rule
        out = ((f[..., 1:] + f[..., :-1]) * np.diff(c) / 2).sum(-1, keepdims=True)
    else:
        out = np.fmax.reduce(f, axis=-1, keepdims=True)  # NaN only where all are NaN
        if tree[0] == "argmax":
            out = np.where(np.isnan(out), np.nan, c[np.argmax(f == out, axis=-1, keepdims=True)])
    return np.moveaxis(out, -1, k)


def _orbit(system: Mapping[str, Any], env: Mapping[str, Array], axes: AxisTable) -> dict[str, Array]:
    """The orbit of an iterated map: all variables are updated at once; from where one leaves 1e6 it is NaN."""
    path = np.full((axes["n"]["n"], len(system)), np.nan)
    state = [value(first, env, axes).item() for first, _ in system.values()]
    for row in path:
        if not all(abs(v) <= 1e6 for v in state):
            break
        row[:] = state
        now = {**env, **dict(zip(system, map(np.asarray, state), strict=True))}
        state = [value(following, now, axes).item() for _, following in system.values()]
    return {name: place(path[:, i], ["n"], axes) for i, name in enumerate(system)}


def run(program: Sequence[Any], env: Mapping[str, Array], axes: AxisTable) -> dict[str, Array]:
    """Return `env` with the value of each [name, tree] of the program, and the orbits of its iterated map."""
    known = dict(env)
    with np.errstate(all="ignore"):  # NaN and infinity are legitimate: they are drawn as gaps
        for item in program:
            known |= _orbit(item, known, axes) if isinstance(item, dict) else {item[0]: value(item[1], known, axes)}
    return known
