"""Answers that readers type into the exercises.

Chapter: 01.
"""

from __future__ import annotations

import math
from typing import Any

__all__ = ["answered"]


def answered(answer: Any, count: int = 1) -> bool:
    """Whether there is an answer to check: a number, or `count` of them; where it is something else, print what to write.

    Args:
        answer: what the reader wrote; None as long as there is nothing.
        count: how many numbers the exercise asks for.

    Returns:
        True if the answer is one finite number, or for a larger count as many in a tuple, a list or an array.

    Example:
        >>> answered(0.25), answered(None), answered((0.4, 1.2), 2)
        (True, False, True)
        >>> answered((0, 25))
        write one number with a point, such as 0.25: a comma makes two numbers of 0,25
        False
        >>> answered("0.25")
        write one number without quotes, such as 0.25, not '0.25'
        False

    Chapter: 01.
    """
    if answer is None:
        return False
    wanted = "one number" if count == 1 else f"{count} numbers in brackets"
    example = "0.25" if count == 1 else "(" + ", ".join(["0.25", "1.5", "3.0", "4.75"][:count]) + ")"
    if isinstance(answer, str):
        print(f"write {wanted} without quotes, such as {example}, not {answer!r}")
        return False
    try:
        parts = [float(answer)] if count == 1 else [float(part) for part in answer]
    except (TypeError, ValueError, OverflowError, RuntimeError):
        parts = []
    if len(parts) == count and all(map(math.isfinite, parts)) and not isinstance(answer, bool):
        return True
    if isinstance(answer, tuple) and len(answer) == 2 * count:
        comma = "a comma makes two numbers of 0,25"
        print(f"write {wanted} with a point, such as {example}: {comma}")
    else:
        print(f"write {wanted}, such as {example}, not {answer!r}")
    return False
