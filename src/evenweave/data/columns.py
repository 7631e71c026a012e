"""`Columns`: a map-style data set over ragged columns, which hands a whole batch out in one piece."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from evenweave.data.sources import parts_of
from evenweave.data.spill import Spilled
from evenweave.epoch import Epoch
from evenweave.errors import ArgumentError, DataError
from evenweave.kernels.pad import resolve
from evenweave.ragged import Ragged, row_numbers
from evenweave.rows import Rows, taken
from evenweave.settings import check_whole

Ints = NDArray[np.int64]


@final
class Columns:
    """Rows kept as columns: Ragged for lists of numbers, arrays for one number a row.

    PyTorch's DataLoader asks it for a whole batch at once (`__getitems__`), which is a `Rows`: nothing is
    copied before the collator writes the batch.

    Args:
        data: a mapping of columns (Ragged, arrays, lists), a list of rows (mappings), an Arrow table, a data
            set that holds one (`datasets.Dataset`, shuffled and selected ones too; Evenweave's own), or the
            path of a Parquet or Arrow file. Files are mapped, not loaded (see `data.spill`).
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

    _base: dict[str, Any]
    _mapping: Ints | None  # which rows of the base are meant; None for all, in order
    _spilled: Spilled | None

    def __init__(self, data: Any, *, source: Any = None) -> None:
        if isinstance(data, Columns):
            self._base, self._mapping, self._spilled = data._base, data._mapping, data._spilled
        else:
            self._base, self._mapping, self._spilled = parts_of(data)
        sizes = {name: len(column) for name, column in self._base.items()}
        if len(set(sizes.values())) > 1:
            raise DataError(f"data: columns of unequal length {sizes}; give each one value a row")
        self._size = next(iter(sizes.values()), 0) if self._mapping is None else len(self._mapping)
        self.source: Ints | None = None if source is None else row_numbers(source, "source")
        if self.source is not None and self.source.shape != (self._size,):
            raise ArgumentError(
                f"source: shape {self.source.shape}; give one document number for each of {self._size} rows"
            )
        self._epoch = Epoch()

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
        chosen = row_numbers(indices)
        bad = resolve(chosen, self._size)
        if bad >= 0:
            raise IndexError(f"row {int(np.asarray(indices)[bad])}: there are {self._size} rows")
        if self._mapping is not None:
            chosen = self._mapping[chosen]
        if self._spilled is not None and self._spilled.is_large:
            return Rows(
                self._spilled.read(chosen, self._base), np.arange(len(chosen)), epoch=self._epoch.get()
            )
        return Rows(self._base, chosen, epoch=self._epoch.get())

    def set_epoch(self, epoch: int) -> None:
        """Say which pass over the data follows; batches carry it to collators that mask at random.

        It holds for what was taken or selected from these columns too.

        Raises:
            ArgumentError: not a whole number, 0 or above.
        """
        check_whole("epoch", epoch, least=0)
        self._epoch.set(int(epoch))

    def take(self, indices: Any) -> Columns:
        """Return the rows at `indices`, in that order, over the same memory."""
        chosen = row_numbers(indices)
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
        made._base, made._mapping, made._spilled = base, mapping, self._spilled
        made._epoch = self._epoch
        made._size = self._size if mapping is None else len(mapping)
        made.source = self.source if self.source is None or chosen is None else self.source[chosen]
        return made

    def _aligned(self) -> dict[str, Any]:
        if self._mapping is not None:
            whole = {name: taken(column, self._mapping) for name, column in self._base.items()}
            self._base, self._mapping, self._spilled = whole, None, None
        return self._base

    def __getstate__(self) -> dict[str, Any]:
        # A data-loading process opens the files again instead of being sent what is in them.
        return self.__dict__ if self._spilled is None else {**self.__dict__, "_base": list(self._base)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._spilled is not None:
            whole = self._spilled.columns()
            self._base = {name: whole[name] for name in state["_base"]}

    def __repr__(self) -> str:
        return f"Columns({len(self)} rows of {self.column_names})"
