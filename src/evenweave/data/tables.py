"""Columns of any kind -> an Arrow table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from evenweave.errors import DataError


def joined(results: list[Mapping[str, Any] | None]) -> dict[str, list[Any]] | None:
    """Turn what a per-row function returned for each row into columns."""
    filled = [result for result in results if result is not None]
    for result in filled:
        if not isinstance(result, Mapping):
            raise DataError(f"function: returned {type(result).__name__}; return a dict of columns")
    if not filled:
        return None
    if len(filled) < len(results):
        raise DataError("function: returned None for some rows and columns for others; return a dict always")
    names = dict.fromkeys(name for result in filled for name in result)
    return {name: [result.get(name) for result in filled] for name in names}


def as_table(columns: Mapping[str, Any]) -> Any:
    """Return a `pa.Table` of columns that are Arrow arrays, NumPy arrays, Ragged, tensors or lists.

    Raises:
        DataError: columns of unequal length, or values that share no type; names the column.
    """
    arrays = {name: _column(values, name) for name, values in columns.items()}
    sizes = {name: len(array) for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        raise DataError(f"columns of unequal length: {sizes}; give every column one value a row")
    return pa.table(arrays)


def _column(values: Any, name: str) -> Any:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if hasattr(values, "to_arrow"):
        return values.to_arrow()
    if hasattr(values, "tolist"):
        values = values.tolist()
    try:
        return pa.array([v.tolist() if hasattr(v, "tolist") else v for v in values])
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError) as error:
        raise DataError(f"column {name!r}: its values share no type ({error})") from None
