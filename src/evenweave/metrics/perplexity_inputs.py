"""What perplexity reads: numbers or rows of numbers, and where in them a value stands."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import DataError
from evenweave.ragged import Ragged, shown

# A softmax in float32 may end a little above 1.
_ROUNDING = 1e-6


def ragged_numbers(column: Any, argument: str) -> Ragged:
    """Return numbers, or rows of numbers, as rows of any numeric dtype; a bare number is a row of one.

    Raises:
        DataError: something that is not a number; names the row.
    """
    if hasattr(column, "null_count"):
        return _from_arrow(column, argument)
    if isinstance(column, np.ndarray) and column.dtype == object:
        column = column.tolist()
    if isinstance(column, Ragged):
        rows = column
    elif isinstance(column, np.ndarray) and column.ndim == 2:
        rows = Ragged.from_lengths(column.reshape(-1), np.full(len(column), column.shape[1]))
    elif axes(column) == 1:
        flat = _bare_numbers(column, argument)
        rows = Ragged.trusted(flat, np.arange(len(flat) + 1, dtype=np.int64))
    else:
        rows = Ragged.from_rows(list(map(_plain_row, column)), name=argument)
    if rows.values.ndim != 1:
        raise DataError(f"{argument}: rows of shape {rows.values.shape[1:]} a value; give rows of numbers")
    if rows.dtype.kind not in "biuf":
        raise DataError(f"{argument}: values of type {rows.dtype}; give numbers")
    return rows


def axes(column: Any) -> int:
    """Return how many axes an array has, or a column of rows: 1 for numbers, 2 for rows of numbers.

    Empty rows do not tell what they would hold.
    """
    if isinstance(column, Ragged):
        return 1 + column.values.ndim
    if hasattr(column, "null_count"):
        import pyarrow as pa

        return 2 if pa.types.is_nested(column.type) else 1
    if _is_array(column):
        return int(column.ndim)
    deepest = 1
    for row in column:
        if _is_array(row):
            return 1 + int(row.ndim)
        if not isinstance(row, list | tuple | np.ndarray):
            return deepest
        deepest = max(deepest, 1 + axes(row))
        if len(row):
            return deepest
    return deepest


def _is_array(value: Any) -> bool:
    """Whether a value is an array or a tensor with numbers for elements (an array may hold rows too)."""
    return hasattr(value, "ndim") and getattr(value.dtype, "kind", "") != "O"


def _bare_numbers(column: Any, argument: str) -> NDArray[Any]:
    try:
        flat = np.asarray(column) if len(column) else np.empty(0)
    except (TypeError, ValueError):
        flat = np.empty(0, dtype=object)
    if flat.ndim == 1 and flat.dtype.kind in "biuf" and len(flat) == len(column):
        return flat
    wrong = (i for i, value in enumerate(column) if not isinstance(value, float | int | np.number | np.bool_))
    row = next(wrong, 0)
    raise DataError(f"row {row}, {argument}: {shown(column[row])} is not a number")


def _plain_row(row: Any) -> Any:
    if hasattr(row, "detach"):  # a tensor, perhaps on an accelerator
        row = row.detach().cpu()
        if str(row.dtype) == "torch.bfloat16":  # NumPy has no such type; float32 holds its every value
            row = row.float()
    return row.tolist() if isinstance(row, np.ndarray) and row.dtype == object else row


def _from_arrow(column: Any, argument: str) -> Ragged:
    import pyarrow as pa

    from evenweave.arrow import ragged_from_arrow

    if pa.types.is_nested(column.type):
        return ragged_from_arrow(column, name=argument)
    if column.null_count:
        row = column.is_null().to_numpy(zero_copy_only=False).argmax()
        raise DataError(f"row {row}, {argument}: null; fill or drop it")
    return ragged_numbers(column.to_numpy(zero_copy_only=False), argument)


def improbable(values: NDArray[np.float64], *, log: bool) -> NDArray[np.bool_]:
    """Return which values are no (log-)probabilities, NaN included."""
    top = _ROUNDING if log else 1 + _ROUNDING
    return ~(values <= top) if log else ~((values >= 0) & (values <= top))


def row_and_position(rows: Ragged, index: int) -> tuple[int, int]:
    """Return where the value `index` of all stands: its row, and its position in the row."""
    ends = rows.offsets - rows.offsets[0]
    row = int(np.searchsorted(ends, index, side="right")) - 1
    return row, index - int(ends[row])


def place_of(rows: Ragged, index: int) -> str:
    """Return the place of value `index` in words, for errors."""
    row, position = row_and_position(rows, index)
    return f"row {row}, position {position}"
