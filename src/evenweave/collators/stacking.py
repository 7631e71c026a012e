"""Columns whose rows are of one shape: stacked, and named where they are not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.collators.rectangles import measured, pad_into, wide_dtype, widened
from evenweave.errors import DataError
from evenweave.ragged import Ragged, array_of, offsets_of, shown, signed
from evenweave.rows import taken
from evenweave.unbox import read_groups

Ints = NDArray[np.int64]


def stack(column: Any, indices: Ints, name: str) -> NDArray[Any]:
    """Return the chosen rows of a column whose rows are of one shape, `[B, ...]`.

    Raises:
        DataError: they are not, or are not numbers; names column, row and remedy.
    """
    if isinstance(column, np.ndarray):
        return widened(column[indices], name)
    if isinstance(column, Ragged):
        sizes, width = measured(column, indices)
        odd = np.flatnonzero(sizes != sizes[:1])
        if len(odd):
            row = int(odd[0])
            raise DataError(
                f"row {row}, column {name!r}: {sizes[row]} values where the first has {sizes[0]}; "
                f"to pad it, pass pad_values={{{name!r}: 0}}"
            )
        out: NDArray[Any] = np.empty((len(indices), width), wide_dtype(column.dtype, name))
        pad_into(out, column, indices, sizes, 0, False, name)
        return out
    cells = taken(column, indices)
    arrays = _arrays(cells if isinstance(cells, list) else cells.to_pylist(), name)
    for row, array in enumerate(arrays):
        if array.shape != arrays[0].shape:
            raise DataError(
                f"row {row}, column {name!r}: shape {array.shape} where the first has {arrays[0].shape}; "
                "pad or drop it"
            )
    return widened(np.stack(signed(arrays, name)), name)


def nested(column: Any, indices: Ints, name: str) -> Ragged:
    """Return the chosen rows of a column of nested lists, `[tokens, k]` a row, as Ragged over `[N, k]`."""
    cells = taken(column, indices)
    if isinstance(cells, Ragged | np.ndarray):
        raise DataError(f"row 0, column {name!r}: {shown(cells[0])} is not [tokens, values]; drop it")
    cells = cells if isinstance(cells, list) else cells.to_pylist()
    fast = read_groups(cells)
    if fast is not None:
        return Ragged.trusted(*fast)
    arrays = _arrays(cells, name)
    for row, array in enumerate(arrays):
        if array.ndim != 2 or array.shape[1] != arrays[0].shape[-1]:
            raise DataError(
                f"row {row}, column {name!r}: shape {array.shape} is not [tokens, values]; drop it"
            )
    sizes = np.array([len(array) for array in arrays], dtype=np.int64)
    offsets = offsets_of(sizes)
    return Ragged.trusted(widened(np.concatenate(signed(arrays, name)), name, offsets), offsets)


def _arrays(cells: list[Any], name: str) -> list[NDArray[Any]]:
    arrays = []
    for row, cell in enumerate(cells):
        if cell is None:
            raise DataError(f"row {row}, column {name!r}: null; fill it, drop the row or drop the column")
        try:
            array = array_of(cell)
        except (TypeError, ValueError, RuntimeError):
            raise DataError(
                f"row {row}, column {name!r}: {shown(cell)} is not rectangular; flatten or drop it"
            ) from None
        if array.dtype.kind not in "biuf":
            raise DataError(f"row {row}, column {name!r}: {shown(cell)} is not numbers; drop the column")
        arrays.append(array)
    return arrays
