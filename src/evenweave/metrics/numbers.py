"""Walking the numbers of a result: a score may nest dicts and lists, a table and a test want them flat."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Not a union: making one takes longer than the test.
_NUMBERS = (int, float, np.integer, np.floating)


def flatten(result: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (key, number or array) for every leaf that is one, nested keys joined by a dot: `PER.f1`.

    >>> list(flatten({"f1": 0.5, "PER": {"f1": 1.0}, "counts": [3, 2], "note": "x"}))
    [('f1', 0.5), ('PER.f1', 1.0), ('counts.0', 3), ('counts.1', 2)]
    """
    if isinstance(result, dict):
        items: Any = result.items()
    elif isinstance(result, list | tuple):
        items = enumerate(result)
    else:
        if is_number(result) or (isinstance(result, np.ndarray) and result.ndim == 1):
            yield path, result
        return
    for key, value in items:
        yield from flatten(value, f"{path}.{key}" if path else str(key))


def map_leaves(result: Any, change: Callable[[Any], Any]) -> Any:
    """Return the same nest of dicts and lists with every number or array changed, all else left out."""
    if isinstance(result, dict):
        changed = {key: map_leaves(value, change) for key, value in result.items()}
        return {key: value for key, value in changed.items() if value is not None}
    if isinstance(result, list | tuple):
        return [map_leaves(value, change) for value in result]
    return change(result) if isinstance(result, np.ndarray) or is_number(result) else None


def stack(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Turn R results of one shape into one of arrays `[R]`, with NaN for a number that some lack."""
    flat = [dict(flatten(result)) for result in results]
    keys = dict.fromkeys(key for one in flat for key in one)
    nested: dict[str, Any] = {}
    arrays = {key: np.array([one.get(key, np.nan) for one in flat]) for key in keys}
    # Every shape seen, merged: a type may be absent from some resamples.
    for result in results:
        nested = _merged(nested, result)
    return dict(_filled(nested, arrays, ""))


def is_number(value: object) -> bool:
    """Whether a leaf is a real number (and not a flag)."""
    return isinstance(value, _NUMBERS) and not isinstance(value, bool)


def is_finite_number(value: Any) -> bool:
    """Whether a setting is a real number, and neither a flag nor infinite nor NaN.

    >>> is_finite_number(0.5), is_finite_number(True), is_finite_number("0.5"), is_finite_number(10**400)
    (True, False, False, False)
    """
    try:
        return is_number(value) and math.isfinite(value)
    except OverflowError:  # an int beyond every float
        return False


def _merged(into: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    for key, value in result.items():
        if isinstance(value, dict):
            held = into.get(key)
            into[key] = _merged(held if isinstance(held, dict) else {}, value)
        else:
            into.setdefault(key, value)
    return into


def _filled(shape: Any, arrays: dict[str, NDArray[Any]], path: str) -> Any:
    if isinstance(shape, dict):
        made = {
            key: _filled(value, arrays, f"{path}.{key}" if path else str(key)) for key, value in shape.items()
        }
        return {key: value for key, value in made.items() if value is not None}
    if isinstance(shape, list | tuple):
        return [_filled(value, arrays, f"{path}.{index}") for index, value in enumerate(shape)]
    return arrays.get(path)
