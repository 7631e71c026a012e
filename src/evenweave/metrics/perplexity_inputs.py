"""What perplexity reads: numbers or rows of numbers, and where in them a value stands."""

from __future__ import annotations

from typing import Any

import numpy as np

from evenweave.errors import DataError
from evenweave.ragged import Ragged


def ragged_numbers(column: Any, argument: str) -> Ragged:
    """Return numbers, or rows of numbers, as rows; a bare number is a row of one.

    Raises:
        DataError: something that is not a number; names the row.
    """
    if isinstance(column, Ragged):
        return column
    if hasattr(column, "null_count"):
        return _from_arrow(column, argument)
    first = column[0] if len(column) else 0.0
    if np.ndim(first) == 0:
        try:
            flat = np.asarray(column, dtype=np.float64)
        except (TypeError, ValueError):
            row = next(i for i, value in enumerate(column) if not isinstance(value, float | int | np.number))
            raise DataError(f"row {row}, {argument}: {column[row]!r:.60} is not a number") from None
        return Ragged.trusted(flat, np.arange(len(flat) + 1, dtype=np.int64))
    return Ragged.from_rows(column, dtype=np.float64, name=argument)


def _from_arrow(column: Any, argument: str) -> Ragged:
    import pyarrow as pa

    from evenweave.arrow import ragged_from_arrow

    if pa.types.is_nested(column.type):
        return ragged_from_arrow(column, name=argument)
    if column.null_count:
        row = column.is_null().to_numpy(zero_copy_only=False).argmax()
        raise DataError(f"row {row}, {argument}: null; fill or drop it")
    return ragged_numbers(column.to_numpy(zero_copy_only=False), argument)


def dimensions(references: Any) -> int:
    """Return how many axes an array, or a nest of lists, has."""
    return int(getattr(references, "ndim", 0)) or np.ndim(references)


def row_and_position(rows: Ragged, index: int) -> tuple[int, int]:
    """Return where the value `index` of all stands: its row, and its position in the row."""
    ends = rows.offsets - rows.offsets[0]
    row = int(np.searchsorted(ends, index, side="right")) - 1
    return row, index - int(ends[row])


def place_of(rows: Ragged, index: int) -> str:
    """Return the place of value `index` in words, for errors."""
    row, position = row_and_position(rows, index)
    return f"row {row}, position {position}"
