"""`Columns`: a map-style data set over ragged columns, which hands a whole batch out in one piece."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenweave.arrow import column_from_arrow
from evenweave.errors import ArgumentError, DataError
from evenweave.kernels.pad import resolve
from evenweave.ragged import Ragged
from evenweave.rows import NULL_VALUES, Rows, column_of, taken

Ints = NDArray[np.int64]


@final
class Columns:
    """Rows kept as columns: Ragged for lists of numbers, arrays for one number a row.

    PyTorch's DataLoader asks it for a whole batch at once (`__getitems__`), which is a `Rows`: nothing is
    copied before the collator writes the batch.

    Args:
        data: a mapping of columns (Ragged, arrays, lists), a list of rows (mappings), an Arrow table, or a
            data set that holds one (`datasets.Dataset`, shuffled and selected ones too; Evenweave's own).
        source: int64 `[rows]`, which document each row was cut from, where rows are windows.

    Attributes:
        columns: name -> Ragged or array, of the columns that hold numbers, in the dtype they came with;
            rows of Python integers are int8, int32 or int64, whichever holds them.
        objects: name -> Arrow array or list, of the others (text, lists of text).

    Raises:
        DataError: columns of unequal length, or a null; names column and row.

    >>> rows = Columns({"input_ids": [[1, 2], [3]], "labels": [0, 1]})
    >>> rows[0]["input_ids"].tolist(), rows.lengths.tolist(), len(rows)
    ([1, 2], [2, 1], 2)
    """

    def __init__(self, data: Any, *, source: Any = None) -> None:
        table, mapping = _parts(data)
        self._base: dict[str, Any] = table
        self._mapping: Ints | None = mapping
        sizes = {name: len(column) for name, column in table.items()}
        if len(set(sizes.values())) > 1:
            raise DataError(f"data: columns of unequal length {sizes}; give each one value a row")
        self._size = len(mapping) if mapping is not None else next(iter(sizes.values()), 0)
        self.source: Ints | None = None if source is None else np.asarray(source, dtype=np.int64)
        if self.source is not None and self.source.shape != (self._size,):
            raise ArgumentError(
                f"source: shape {self.source.shape}; give one document number for each of {self._size} rows"
            )
        self._numbers: Ints | None = None
        self.epoch: int | None = None

    @property
    def column_names(self) -> list[str]:
        """The columns, in order."""
        return list(self._base)

    @property
    def columns(self) -> dict[str, Ragged | NDArray[Any]]:
        """The columns of numbers, row for row; copied only where the rows are a selection."""
        return {
            name: column
            for name, column in self._aligned().items()
            if isinstance(column, Ragged | np.ndarray)
        }

    @property
    def objects(self) -> dict[str, Any]:
        """The columns of anything else, as Arrow arrays or lists."""
        return {
            name: column
            for name, column in self._aligned().items()
            if not isinstance(column, Ragged | np.ndarray)
        }

    @property
    def lengths(self) -> Ints:
        """Tokens of each row, int64 `[rows]`: the row lengths of `input_ids`.

        Raises:
            DataError: there is no such ragged column.
        """
        column = self._base.get("input_ids")
        if not isinstance(column, Ragged):
            raise DataError(
                f"lengths: no ragged column 'input_ids' among {self.column_names}; tokenize first"
            )
        return column.lengths if self._mapping is None else column.lengths[self._mapping]

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> dict[str, Any]:
        return dict(self.__getitems__([index])[0])

    def __getitems__(self, indices: Any) -> Rows:
        """Return the rows at `indices`, lazily, as one batch for a collator."""
        chosen = np.array(indices, dtype=np.int64)
        bad = resolve(chosen, self._size)
        if bad >= 0:
            raise IndexError(f"row {int(np.asarray(indices)[bad])}: there are {self._size} rows")
        if self._mapping is not None:
            chosen = self._mapping[chosen]
        numbers = chosen if self._numbers is None else self._numbers[chosen]
        return Rows(self._base, chosen, numbers=numbers, epoch=self.epoch)

    def set_epoch(self, epoch: int) -> None:
        """Say which pass over the data follows; batches carry it to collators that mask at random."""
        self.epoch = epoch

    def take(self, indices: Any) -> Columns:
        """Return the rows at `indices`, in that order, over the same memory; they keep their numbers."""
        chosen = np.array(indices, dtype=np.int64)
        if resolve(chosen, self._size) >= 0:
            raise IndexError(f"indices: outside the {self._size} rows")
        return self._with(self._base, chosen if self._mapping is None else self._mapping[chosen], chosen)

    def select_columns(self, names: str | Iterable[str]) -> Columns:
        """Return the rows with these columns alone, over the same memory."""
        wanted = [names] if isinstance(names, str) else list(names)
        for name in wanted:
            if name not in self._base:
                raise DataError(f"column {name!r}: not there; the columns are {self.column_names}")
        return self._with({name: self._base[name] for name in wanted}, self._mapping, None)

    def _with(self, base: dict[str, Any], mapping: Ints | None, chosen: Ints | None) -> Columns:
        made = object.__new__(Columns)
        made._base, made._mapping, made._numbers, made.epoch = base, mapping, self._numbers, self.epoch
        made._size = self._size if mapping is None else len(mapping)
        made.source = self.source if self.source is None or chosen is None else self.source[chosen]
        return made

    def _aligned(self) -> dict[str, Any]:
        if self._mapping is not None:
            whole = {name: taken(column, self._mapping) for name, column in self._base.items()}
            self._numbers = self._mapping if self._numbers is None else self._numbers[self._mapping]
            self._base, self._mapping = whole, None
        return self._base

    def __repr__(self) -> str:
        return f"Columns({len(self)} rows of {self.column_names})"


def _parts(data: Any) -> tuple[dict[str, Any], Ints | None]:
    """Return columns, and which of their rows are meant (None for all, in order)."""
    if isinstance(data, Columns):
        return data._base, data._mapping
    if hasattr(data, "_indices") and hasattr(data, "data"):  # datasets.Dataset
        mapping = data._indices
        chosen = None if mapping is None else mapping.column(0).to_numpy().astype(np.int64)
        table = data.data
        return {name: _arrow(table.column(name), name) for name in data.column_names}, chosen
    if hasattr(data, "table"):  # our own Dataset
        data = data.table
    if isinstance(data, pa.Table | pa.RecordBatch):
        return {name: _arrow(data.column(name), name) for name in data.schema.names}, None
    if isinstance(data, Mapping):
        return {name: _column(values, name) for name, values in data.items()}, None
    if isinstance(data, Iterable) and not isinstance(data, str | bytes):
        rows = list(data)
        if rows and not all(isinstance(row, Mapping) for row in rows):
            raise DataError(f"data: rows of {type(rows[0]).__name__}; give mappings of column to value")
        names = list(rows[0]) if rows else []
        for number, row in enumerate(rows):
            if set(row) != set(names):
                raise DataError(f"row {number}: columns {sorted(row)} where row 0 has {sorted(names)}")
        return {name: _column([row[name] for row in rows], name) for name in names}, None
    raise ArgumentError(f"data: a {type(data).__name__}; give columns, rows, an Arrow table or a data set")


def _arrow(column: Any, name: str) -> Any:
    return column_from_arrow(column, name=name, null_value=NULL_VALUES.get(name))


def _column(values: Any, name: str) -> Any:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return _arrow(values, name)
    if isinstance(values, Ragged | np.ndarray):
        return column_of(values, name)
    column = column_of(list(values), name)
    if not isinstance(column, Ragged) or column.dtype != np.int64 or not len(column.values):
        return column
    # Our own copy, so it may be as narrow as its values: less memory, and less of it to read for a batch.
    low, high = column.values.min(), column.values.max()
    for kind in (np.int8, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return Ragged.trusted(column.values.astype(kind), column.offsets)
    return column
