"""Tests of gan_edu.reading: what counts as a number, and what a sum of 1 is in each type."""

from __future__ import annotations

import datetime
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from gan_edu.reading import numbers, probabilities

HIDDEN = np.ma.masked_values([0.0, 0.1, 0.2, -999.0], -999.0)


class Table:
    """What data frames have in common: NumPy may ask them for an array."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.rows, dtype=dtype)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (3, 3.0),
        (np.float32(0.5), 0.5),
        (np.array(2), 2.0),
        (range(3), [0.0, 1.0, 2.0]),
        ((1, 2.5), [1.0, 2.5]),
        ([True, False], [1.0, 0.0]),
        ([[1, 2], [3, 4]], [[1.0, 2.0], [3.0, 4.0]]),
        ([], []),
        ([np.nan, np.inf], [np.nan, np.inf]),
        (np.arange(3, dtype=np.uint8), [0.0, 1.0, 2.0]),
        (np.ma.masked_values([1.0, 2.0], -999.0), [1.0, 2.0]),
        ([np.ma.array([1.0, 2.0])], [[1.0, 2.0]]),
        (Table([[1, 2.5]]), [[1.0, 2.5]]),
        (torch.tensor(1.5, requires_grad=True), 1.5),
        (torch.tensor([1.0, 2.0], dtype=torch.bfloat16), [1.0, 2.0]),
        (torch.tensor([1.0, 2.0], dtype=torch.float16, requires_grad=True) * 2, [2.0, 4.0]),
        ([torch.tensor([1.0], requires_grad=True), torch.tensor([2.0])], [[1.0], [2.0]]),
        ((1, torch.tensor(2.0, requires_grad=True)), [1.0, 2.0]),
        (torch.tensor([1 + 2j]).conj().imag, [-2.0]),  # a view whose sign torch has put off
        (torch.arange(3), [0.0, 1.0, 2.0]),
    ],
)
def test_numbers_of_all_kinds(value: Any, read: Any) -> None:
    found = numbers("x", value)
    assert type(found) is np.ndarray
    assert found.dtype == np.float64
    assert np.array_equal(found, np.array(read), equal_nan=True)
    assert found.shape == np.shape(read)


def test_the_gradient_is_left_behind_and_not_broken() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x**2 @ torch.from_numpy(numbers("x", x)).float()).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 8.0]


def test_tensors_come_from_the_device(device: str) -> None:
    assert numbers("x", torch.tensor([1.0, 2.0], device=device, requires_grad=True)).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (HIDDEN, ValueError, r"x must have no masked entries, got 1 among 4; leave them out with x\.compressed\(\)"),
        ([HIDDEN, HIDDEN], ValueError, "no masked entries, got 1 among 4"),
        ((0.0, np.ma.masked), ValueError, "no masked entries, got 1 among 1"),
        (np.ma.masked, ValueError, "no masked entries, got 1 among 1"),
        (np.ma.masked_equal([1, 2, 2], 2), ValueError, "no masked entries, got 2 among 3"),
        ([1 + 2j], TypeError, "x must be real numbers, got list of complex128; take the real part"),
        (torch.tensor([1j]), TypeError, "must be real numbers, got Tensor of complex64; take the real part"),
        (["1", "2"], TypeError, "must be real numbers, got list of <U1; convert them first"),
        ("1", TypeError, "must be real numbers, got str of <U1; convert them first"),
        ([1.0, None], TypeError, "must be real numbers, got list of object; drop what is missing"),
        (None, TypeError, "must be real numbers, got NoneType; see the example"),
        ([Fraction(1, 2)], TypeError, "must be real numbers, got list of object"),
        ({1.0, 2.0}, TypeError, "must be real numbers, got set"),
        (abs, TypeError, "must be real numbers, got builtin_function_or_method"),
        ([[1.0, 2.0], [3.0]], TypeError, "x must be real numbers, got list of which NumPy makes no array .*one length"),
        (np.array([datetime.date(2020, 1, 1)], "M8[D]"), TypeError, "subtract the first date"),
        (np.array([1], "m8[D]"), TypeError, "divide by a unit of time"),
        (Table([["a", 1.0]]), TypeError, "must be real numbers, got Table of"),
        (np.zeros(2, [("a", float)]), TypeError, "convert them first"),
    ],
)
def test_what_is_no_number_is_refused_in_one_sentence(value: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as raised:
        numbers("x", value)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("dtype", "n"),
    [(torch.float64, 10**6), (torch.float32, 10), (torch.float32, 10**6), (torch.float16, 1000), (torch.bfloat16, 300)],
)
def test_a_softmax_sums_to_one_in_its_own_type(dtype: torch.dtype, n: int) -> None:
    scores = 3 * torch.randn(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    p = probabilities("p", torch.softmax(scores, 0).to(dtype).requires_grad_())
    assert p.dtype == np.float64
    assert p.sum() == pytest.approx(1, abs=1e-14)
    exact = torch.softmax(scores, 0).numpy()
    assert (abs(p - exact) <= np.maximum(0.01 * exact, 1e-7)).all()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            [0.5, 0.5 + 1e-8],
            r"p must be finite, non-negative and sum to 1, got sum - 1 = 1e-08, in float64 at most 1e-09",
        ),
        (np.array([0.5, 0.5001], np.float32), r"sum - 1 = 0\.0001, in float32 at most 1e-05; divide by the sum"),
        (torch.tensor([0.5, 0.52], dtype=torch.bfloat16), r"sum - 1 = 0\.02, in bfloat16 at most 0\.01"),
        ([1, 1], "sum - 1 = 1, in int64 at most 1e-09"),
        ([1.5, -0.5], r"finite, non-negative and sum to 1, got -0\.5; apply a softmax"),
        ([0.5, np.nan], "finite, non-negative and sum to 1, got nan"),
        ([[0.5, 0.5]], r"p must have shape \(n,\), got \(1, 2\)"),
        ([], r"p must have shape \(n,\), got \(0,\)"),
        (np.ma.masked_values([0.5, 0.5, -1.0], -1.0), "no masked entries, got 1 among 3"),
    ],
)
def test_vectors_that_are_no_probabilities_are_refused(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        probabilities("p", value)


def test_the_number_of_probabilities_may_be_known() -> None:
    with pytest.raises(ValueError, match=r"wx must have shape \(3,\), got \(2,\)"):
        probabilities("wx", [0.5, 0.5], 3)
    assert probabilities("wx", [1, 0], 2).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("dtype", "n", "tolerance"),
    [
        (np.float64, 3, 1e-9),
        (np.float64, 10**6, 1e-9),
        (np.float32, 4, 2 * 64 * 2.0**-23),
        (np.float32, 900, 30 * 64 * 2.0**-23),
        (np.float32, 4_000_000, 0.01),
        (np.float16, 2, 0.01),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_the_last_sum_that_is_1(dtype: Any, n: int, tolerance: float, sign: int) -> None:
    """Just within and just beyond what is documented for each type, too much and too little; zeros count as entries."""
    for off, fits in ((0.95, True), (1.05, False)):
        given = np.zeros(n, dtype)
        given[-2:] = 0.5, dtype(0.5 + sign * off * tolerance) if dtype != np.float16 else 0.5
        if dtype == np.float16:  # its own steps are coarser: 0.5 + 20 steps of 2^-11 just fit, one more does not
            given[-1] = 0.5 + sign * (20 if fits else 21) * 2.0**-11
        if fits:
            p = probabilities("p", given)
            assert p.sum() == pytest.approx(1, abs=1e-15)
            assert p[-1] / p[-2] == pytest.approx(float(given[-1]) / 0.5, rel=1e-12)
        else:
            with pytest.raises(
                ValueError, match=rf"got sum - 1 = {'' if sign > 0 else '-'}\d.*, in {np.dtype(dtype)} at"
            ):
                probabilities("p", given)


def test_the_entry_that_is_wrong_is_named() -> None:
    for given, worst in (([0.5, 0.7, -0.2], "-0.2"), ([0.5, 0.5, np.inf], "inf"), ([1.0, -5e-324], "-5e-324")):
        with pytest.raises(ValueError, match=f"sum to 1, got {worst}; apply a softmax"):
            probabilities("p", given)
    assert probabilities("p", [0.0, 1.0, 0.0]).tolist() == [0.0, 1.0, 0.0]
