"""The border to Arrow: list columns become Ragged, string columns become bytes and offsets.

Nothing is copied where Arrow's layout already is ours: a sliced array keeps its parent's buffer and only
its offsets differ. What must be copied: several chunks (joined), booleans (bit-packed), rows under nulls.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evenweave.errors import DataError
from evenweave.ragged import Ragged, offsets_of

Nulls = Literal["error", "empty"]


def ragged_from_arrow(
    column: Any,
    *,
    name: str = "column",
    nulls: Nulls = "error",
    null_value: int | None = None,
    first: int = 0,
) -> Ragged:
    """Return an Arrow list column as Ragged; the values keep their dtype and, if they can, their memory.

    Args:
        column: `pa.Array` or `pa.ChunkedArray` of list, large_list, fixed_size_list or list_view of
            numbers or booleans; sliced or not.
        name: the column's name, for errors.
        nulls: a null row is an error, or an empty row.
        null_value: what a null inside a row stands for; None makes it an error.
        first: the number of the first row, for errors.

    Raises:
        DataError: not a list of numbers, or a null; names column and row.

    >>> ragged_from_arrow(pa.array([[1, 2], [], [3]])).to_lists()
    [[1, 2], [], [3]]
    """
    inside, offsets = list_parts(
        column, what="numbers", name=name, nulls=nulls, null_value=null_value, first=first
    )
    return Ragged.trusted(_numbers(inside, name), offsets)


def list_parts(
    column: Any,
    *,
    what: str,
    name: str = "column",
    nulls: Nulls = "error",
    null_value: Any = None,
    first: int = 0,
) -> tuple[Any, NDArray[np.int64]]:
    """Return what is in the rows of any list column, without nulls, and where each row begins and ends.

    Args:
        what: things the rows should hold, for errors; the rest as for `ragged_from_arrow`.
    """
    array = one_array(column)
    kind = array.type
    plain = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    views = pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind)
    if not (plain or views or pa.types.is_fixed_size_list(kind)):
        raise DataError(f"column {name!r}: Arrow type {kind} is not a list of {what}")
    if array.null_count and nulls == "error":
        raise DataError(f"row {first + _first_null(array)}, column {name!r}: null; fill or drop the row")
    if plain and not array.null_count:
        bounds = array.offsets.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
        # Values outside the slice belong to other rows: look for nulls only among our own.
        inside = array.values.slice(int(bounds[0]), int(bounds[-1] - bounds[0]))
        offsets = bounds - bounds[0] if bounds[0] else bounds
    else:
        # flatten() leaves out whatever bytes lie under a null row, which the offsets still cover.
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
        inside, offsets = array.flatten(), offsets_of(lengths.astype(np.int64))
    if inside.null_count and null_value is not None:
        inside = pc.fill_null(inside, null_value)
    if inside.null_count:
        row = int(np.searchsorted(offsets, _first_null(inside), side="right")) - 1
        raise DataError(f"row {first + row}, column {name!r}: holds a null; fill or drop it")
    return inside, offsets


def column_from_arrow(
    column: Any, *, name: str = "column", null_value: int | None = None, first: int = 0
) -> Any:
    """Return any Arrow column in the form collators take.

    Lists of numbers become Ragged, numbers and booleans an array `[B]`, both without a copy where the layout
    allows it; anything else (text, lists of text, nested lists) stays an Arrow array.

    Args:
        name: the column's name, for errors.
        null_value: what a null inside a row of numbers stands for; None makes it an error.
        first: the number of the first row, for errors.

    Raises:
        DataError: a null among numbers; names column and row.

    >>> column_from_arrow(pa.array([1, 2])).tolist()
    [1, 2]
    """
    kind = column.type
    inner = getattr(kind, "value_type", None)
    if pa.types.is_dictionary(kind):
        inner = None
    if inner is not None and (_is_number(inner) or pa.types.is_null(inner)):
        return ragged_from_arrow(column, name=name, null_value=null_value, first=first)
    if not _is_number(kind):
        return one_array(column)
    array = one_array(column)
    if array.null_count:
        raise DataError(f"row {first + _first_null(array)}, column {name!r}: null; fill or drop the row")
    return _numbers(array, name)


def bytes_from_arrow(column: Any, *, name: str = "column") -> Ragged:
    """Return an Arrow string or binary column as Ragged uint8: each row the UTF-8 bytes of one string.

    >>> bytes_from_arrow(pa.array(["ab", "", "c"])).to_lists()
    [[97, 98], [], [99]]
    """
    array = one_array(column)
    kind = array.type
    if pa.types.is_dictionary(kind) or pa.types.is_string_view(kind):
        array = array.cast(pa.large_string())
    elif pa.types.is_binary_view(kind):
        array = array.cast(pa.large_binary())
    kind = array.type
    large = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
    if not (large or pa.types.is_string(kind) or pa.types.is_binary(kind)):
        raise DataError(f"column {name!r}: Arrow type {kind} is not text")
    if array.null_count:
        raise DataError(f"row {_first_null(array)}, column {name!r}: null; fill or drop the row")
    if len(array) == 0:
        return Ragged.trusted(np.empty(0, np.uint8), np.zeros(1, np.int64))
    _, bounds, data = array.buffers()
    offsets = np.frombuffer(bounds, dtype=np.int64 if large else np.int32)[array.offset :][: len(array) + 1]
    values = np.empty(0, np.uint8) if data is None else np.frombuffer(data, dtype=np.uint8)
    return Ragged.trusted(values, offsets.astype(np.int64, copy=False))


def one_array(column: Any) -> Any:
    """Return a `pa.Array`: the column itself, its one chunk, or its chunks joined."""
    if isinstance(column, pa.ChunkedArray):
        if column.num_chunks == 1:
            return column.chunk(0)
        joined = column.combine_chunks()
        # Older pyarrow returns a ChunkedArray when 32-bit offsets would overflow.
        return pa.concat_arrays(joined.chunks) if isinstance(joined, pa.ChunkedArray) else joined
    return column


def _numbers(values: Any, name: str) -> NDArray[Any]:
    kind = values.type
    if pa.types.is_null(kind):
        return np.empty(0, np.int64)
    if not _is_number(kind):
        raise DataError(f"column {name!r}: holds {kind}; only numbers can be collated")
    array: NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return array


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _first_null(array: Any) -> int:
    return int(pc.index(array.is_null(), True).as_py())
