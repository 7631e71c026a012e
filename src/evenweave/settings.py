"""What settings may be, of collators and of metrics: numbers of the right type, within their range."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from evenweave.errors import ArgumentError
from evenweave.ragged import shown

# Asking an abstract base class takes ten times as long as comparing the type, which nearly always tells.
SMALLEST, LARGEST = -(2**63), 2**63 - 1


def check_whole(name: str, value: Any, *, least: int = SMALLEST, usual: int | None = None) -> None:
    """Raise ArgumentError unless `value` is a whole number that int64 holds, `least` or more.

    >>> check_whole("threads", 2, least=1, usual=1)
    """
    whole = type(value) is int or (isinstance(value, Integral) and not isinstance(value, bool))
    if not whole or not least <= value <= LARGEST:
        lower = f", {least} or more" if least > SMALLEST else ""
        often = f", usually {usual}" if usual is not None else ""
        raise ArgumentError(f"{name}: {shown(value)}; give a whole number{lower}{often}")


def check_seed(name: str, value: Any) -> None:
    """Raise ArgumentError unless `value` is a whole number, of any size."""
    if type(value) is not int and (not isinstance(value, Integral) or isinstance(value, bool)):
        raise ArgumentError(f"{name}: {shown(value)}; give a whole number")


def check_share(name: str, value: Any) -> None:
    """Raise ArgumentError unless `value` is a number from 0 to 1."""
    number = type(value) is float or (isinstance(value, Real) and not isinstance(value, bool))
    if not number or not 0 <= value <= 1:
        raise ArgumentError(f"{name}: {shown(value)}; give a probability between 0 and 1")


def check_fills(name: str, value: Any) -> None:
    """Raise ArgumentError unless `value` is a mapping of columns to what each is padded with."""
    if not isinstance(value, Mapping):
        raise ArgumentError(f"{name}: {shown(value)}; give column names and numbers, such as {{'box': 0}}")
