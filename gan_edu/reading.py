"""How every module reads the numbers it is given: lists, arrays, tensors, tables; and refuses what is no number.

NumPy alone would read a masked array by its hidden entries, a complex one without its imaginary parts, text as numbers.
Chapter: 01.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["number", "numbers", "probabilities"]

Array = NDArray[np.float64]
# A decorator. Whether a result is right is told by the result, by inf, by an error that says why; never by the caller's
# `np.seterr`: far out in its tails every density underflows, and log 0 = -inf is the right answer.
quiet = np.errstate(all="ignore")
EPSILON = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23}  # all else is read as float64
REMEDY = {
    "c": "take the real part, or the absolute values",
    "O": "drop what is missing, and give rows of one length",
    "M": "subtract the first date and divide by a unit of time",
    "m": "divide by a unit of time",
}


def _masked(name: str, value: Any) -> None:
    """Refuse a mask that hides something."""
    if np.ma.is_masked(value):
        hidden = int(np.ma.getmaskarray(value).sum())
        raise ValueError(
            f"{name} must have no masked entries, got {hidden} among {np.size(value)}; "
            "leave them out with x.compressed() or replace them with x.filled(...)"
        )


def _bare(name: str, value: Any) -> Any:
    """What NumPy can read: tensors come to the processor without their gradients, within lists, too."""
    _masked(name, value)
    if hasattr(value, "detach"):  # a tensor, recognised without importing torch
        if value.is_floating_point() and value.element_size() < 4:  # NumPy has no bfloat16
            value = value.float()
        return value.numpy(force=True)
    if isinstance(value, list | tuple) and not {*map(type, value)} <= {float, int}:
        return [_bare(name, part) for part in value]
    return value


def numbers(name: str, value: ArrayLike, kind: str = "real numbers") -> Array:
    """The numbers in `value` as a float64 array of its shape; it may share the memory of `value`.

    Args:
        name: what `value` is called in an error.
        value: a number, a list, an array, a tensor on whatever device (its gradient is left behind), a table; of
            booleans, integers or floats. A masked array may mask nothing. NaN and infinity pass: what they mean is for
            the caller to say.
        kind: what an error says that `value` must be, where numbers are only one of the possibilities.

    Raises:
        ValueError: entries are masked.
        TypeError: entries are complex, text, dates, objects, or rows differ in length.

    Example:
        >>> numbers("x", [1, 2.5]).tolist(), numbers("x", 3).shape
        ([1.0, 2.5], ())
        >>> numbers("x", np.ma.masked_values([0.1, -999.0], -999.0))
        Traceback (most recent call last):
        ValueError: x must have no masked entries, got 1 among 2; leave them out with x.compressed() or replace them with x.filled(...)

    Chapter: 01.
    """
    if type(value) is np.ndarray and value.dtype == np.float64:
        return value
    return _with_dtype(name, value, kind)[0]


@quiet
def _with_dtype(name: str, value: ArrayLike, kind: str = "real numbers") -> tuple[Array, str]:
    """The numbers, and the name of the type that they were given in."""
    plain = _bare(name, value)
    try:
        array = np.asarray(plain)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"{name} must be {kind}, got {type(value).__name__} of which NumPy makes no array ({error}); "
            "give rows of one length"
        ) from None
    if array.dtype.kind not in "biuf":
        what, remedy = f"{type(value).__name__} of {array.dtype}", REMEDY.get(array.dtype.kind, "convert them first")
        if array.dtype.kind == "O" and array.ndim == 0:
            what, remedy = type(value).__name__, "see the example in the documentation of what you called"
        raise TypeError(f"{name} must be {kind}, got {what}; {remedy}")
    return array.astype(np.float64, copy=False), str(getattr(value, "dtype", array.dtype)).removeprefix("torch.")


def number(name: str, value: ArrayLike) -> float:
    """One number, read as `numbers` reads many.

    Raises:
        ValueError: there are more or none, or it is masked.
        TypeError: as `numbers`.

    Example:
        >>> number("std", np.float32(0.5))
        0.5

    Chapter: 01.
    """
    array = numbers(name, value, "a real number")
    if array.size != 1:
        raise ValueError(f"{name} must be one number, got shape {array.shape}; call once for each")
    return float(array.item())


@quiet
def probabilities(name: str, value: ArrayLike, count: int | None = None) -> Array:
    """A vector of probabilities, divided by its sum, which must be 1 up to the rounding of the type that was given.

    In float64 (and in lists) |sum - 1| <= 1e-9; in float32 it may be 8e-6 sqrt(n), in half precision 0.01: a softmax of
    n entries in that type passes, forgotten mass does not.

    Args:
        name: what `value` is called in an error.
        value: numbers >= 0, shape (n,).
        count: n, where it is known.

    Returns:
        float64, shape (n,).

    Raises:
        ValueError: the shape does not fit, a number is negative or not finite, or the sum is not 1.
        TypeError: as `numbers`.

    Example:
        >>> probabilities("p", np.array([0.1, 0.2, 0.7], dtype=np.float32)).sum().round(15).item()
        1.0

    Chapter: 01.
    """
    p, dtype = _with_dtype(name, value)
    if p.ndim != 1 or p.size == 0 or count not in (None, p.size):
        raise ValueError(f"{name} must have shape ({'n' if count is None else count},), got {p.shape}; align it")
    if not np.isfinite(p).all() or (p < 0).any():
        wrong = p[~(np.isfinite(p) & (p >= 0))]
        raise ValueError(
            f"{name} must be finite, non-negative and sum to 1, got {wrong[0]}; apply a softmax to scores, drop NaN"
        )
    total = p.sum()
    tolerance = max(1e-9, min(0.01, 64 * EPSILON.get(dtype, 0.0) * p.size**0.5))
    if not abs(total - 1) <= tolerance:
        raise ValueError(
            f"{name} must be finite, non-negative and sum to 1, got sum - 1 = {total - 1:.2g}, in {dtype} at most "
            f"{tolerance:.1g}; divide by the sum"
        )
    return np.asarray(p / total)
