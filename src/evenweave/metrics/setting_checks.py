"""Checks of settings that are numbers, so that a wrong type is refused at once and in one line."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from evenweave.errors import ArgumentError
from evenweave.metrics.numbers import is_number


def check_whole(argument: str, value: Any, *, usual: str) -> None:
    """Raise ArgumentError unless a setting is a whole number of at least 1.

    >>> check_whole("threads", 2, usual="1")
    """
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
        raise ArgumentError(f"{argument}: {value!r:.60}; give a whole number of at least 1, usually {usual}")


def is_finite_number(value: Any) -> bool:
    """Whether a setting is a real number, and neither a flag nor infinite nor NaN.

    >>> is_finite_number(0.5), is_finite_number(True), is_finite_number("0.5"), is_finite_number(10**400)
    (True, False, False, False)
    """
    try:
        return is_number(value) and math.isfinite(value)
    except OverflowError:  # an int beyond every float
        return False
