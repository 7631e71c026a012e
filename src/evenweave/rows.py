"""Rows: a lazy batch, the columns of a data set and which rows of them were chosen.

A map-style data set over columns answers `__getitems__` with one of these instead of copying rows out, and a
collator gathers and pads from the columns in one pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import DataError
from evenweave.ragged import Ragged, shown
from evenweave.unbox import read_rows

# Ragged (rows of numbers), an array [rows, ...] (one value a row), or anything else: an Arrow array, or a
# list of strings, lists of strings, nested rows, None. Those are for the collator that knows what they mean.
Column = Ragged | NDArray[Any] | list[Any]

# Columns in which None has a meaning, and the number that says the same: a special token belongs to no word.
NULL_VALUES = {"word_ids": -1}

_SCALARS = {int, float, bool}
_SEQUENCES = {list, tuple}


@final
class Rows(list[dict[str, Any]]):
    """B chosen rows of some columns; reads as a list of dicts, one a row, made when asked for.

    It is a `list` because code written for lists of features tests for one; its own storage stays empty.

    Args:
        columns: name -> Ragged (numbers, one row a row), array `[rows, ...]` (one value a row), Arrow array,
            or list (anything else).
        indices: int64 `[B]`, which rows of the columns these are, in order; each in `0..rows - 1`.
        epoch: which pass over the data this is; None where that is not known.

    >>> rows = Rows({"input_ids": Ragged([1, 2, 3], [0, 1, 3])}, np.array([1, 0]))
    >>> [row["input_ids"].tolist() for row in rows]
    [[2, 3], [1]]
    """

    __slots__ = ("columns", "epoch", "indices")

    def __init__(
        self,
        columns: Mapping[str, Any],
        indices: NDArray[np.int64],
        *,
        epoch: int | None = None,
    ) -> None:
        super().__init__()
        self.columns = columns
        self.indices = indices
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.indices)

    def __bool__(self) -> bool:
        return len(self.indices) > 0

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Rows(self.columns, self.indices[index], epoch=self.epoch)
        row = int(self.indices[index])
        return {name: _cell(column, row) for name, column in self.columns.items()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[index] for index in range(len(self)))

    def __reduce__(self) -> tuple[Any, ...]:
        # Only the chosen rows travel.
        columns = {name: taken(column, self.indices) for name, column in self.columns.items()}
        return _restored, (columns, len(self), self.epoch)

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = None

    def __repr__(self) -> str:
        return f"Rows({len(self)} rows of {list(self.columns)})"


def column_of(cells: Sequence[Any] | Ragged | NDArray[Any], name: str) -> Column:
    """Return one value a row, of whatever kind, as a column; `name` is used in errors."""
    if isinstance(cells, Ragged):
        return cells
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "biuf":
        if cells.ndim != 2:
            return cells
        return Ragged.from_lengths(cells.reshape(-1), np.full(len(cells), cells.shape[1]))
    if isinstance(cells, list):
        fast = read_rows(cells, null=NULL_VALUES.get(name))
        if fast is not None:
            return Ragged.trusted(*fast)
    cells = cells if isinstance(cells, list) else listed(cells, name)
    kinds = set(map(type, cells))
    if kinds <= _SEQUENCES:
        first = next((cell[0] for cell in cells if len(cell)), 0)
        if (
            isinstance(first, str | list | tuple)
            or np.ndim(first)
            or (first is None and name not in NULL_VALUES)
        ):
            return list(cells)
        if name in NULL_VALUES:
            null = NULL_VALUES[name]
            cells = [[null if value is None else value for value in cell] for cell in cells]
        return Ragged.from_rows(cells, name=name)
    if kinds <= _SCALARS:
        return _numbers(cells, name)
    if str in kinds or type(None) in kinds or any(isinstance(cell, Mapping) for cell in cells):
        return list(cells)
    depths = {np.ndim(cell) for cell in cells}
    if depths == {0}:
        plain = [cell.item() if hasattr(cell, "item") else cell for cell in cells]
        return _numbers(plain, name) if set(map(type, plain)) <= _SCALARS else list(cells)
    if depths == {1}:
        return Ragged.from_rows(cells, name=name)
    return list(cells)


def listed(cells: Any, name: str) -> list[Any]:
    """Return what a column holds as a list."""
    try:
        return list(cells)
    except TypeError:
        raise DataError(f"column {name!r}: {shown(cells)} is no column; give one value a row") from None


def _numbers(cells: Sequence[Any] | NDArray[Any], name: str) -> NDArray[Any]:
    """Return Python numbers as an array; integers stay exact."""
    made = np.array(list(cells))
    if made.dtype.kind in "bi" or (made.dtype.kind == "f" and float in set(map(type, cells))):
        return made
    for row, cell in enumerate(cells):
        if isinstance(cell, int) and not -(2**63) <= cell < 2**63:
            raise DataError(f"row {row}, column {name!r}: {cell} is beyond int64; drop the column")
    raise AssertionError("unreachable")


def taken(column: Any, indices: NDArray[np.int64]) -> Any:
    """Return the chosen rows of one column, in the same kind of column."""
    if isinstance(column, Ragged | np.ndarray):
        return column.take(indices) if isinstance(column, Ragged) else column[indices]
    if isinstance(column, list):
        return [column[index] for index in indices.tolist()]
    return column.take(indices)


def gathered(rows: Rows) -> Rows:
    """Return the same rows over columns that hold them alone, in order."""
    indices = rows.indices
    everything = np.arange(len(rows))
    if all(len(column) == len(rows) for column in rows.columns.values()) and (indices == everything).all():
        return rows
    columns = {name: taken(column, indices) for name, column in rows.columns.items()}
    return Rows(columns, everything, epoch=rows.epoch)


def _cell(column: Any, row: int) -> Any:
    cell = column[row]
    if isinstance(cell, np.ndarray):
        return cell.copy()  # the caller's own, to write to; the column is everyone's
    return cell.as_py() if hasattr(cell, "as_py") else cell


def _restored(columns: Mapping[str, Any], size: int, epoch: int | None) -> Rows:
    return Rows(columns, np.arange(size), epoch=epoch)
