"""What `Columns` may be made of, and how each becomes columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenweave.data.spill import Spilled, spill, spill_table
from evenweave.data.spill_write import arrow_column
from evenweave.errors import ArgumentError, DataError, NotFoundError
from evenweave.ragged import Ragged
from evenweave.rows import column_of, listed

Ints = NDArray[np.int64]
# Columns in more chunks than one are joined in memory up to this many bytes, and on disk beyond.
_JOIN_IN_MEMORY = 2**29


def parts_of(data: Any) -> tuple[dict[str, Any], Ints | None, Spilled | None]:
    """Return columns, which of their rows are meant (None for all, in order), and the files behind them.

    Raises:
        DataError: rows or columns that do not fit together, or a null; names column and row.
        NotFoundError: no such file.
    """
    if isinstance(data, str | Path):
        path = Path(data)
        if path.suffix in (".arrow", ".feather", ".ipc"):
            return parts_of(_read_arrow(path))
        spilled = spill(path)
        return spilled.columns(), None, spilled
    if hasattr(data, "_indices") and hasattr(data, "format"):
        return _from_datasets(data)
    if hasattr(data, "table"):  # our own Dataset
        data = data.table
    if isinstance(data, pa.Table | pa.RecordBatch):
        return {name: arrow_column(data.column(name), name) for name in data.schema.names}, None, None
    if isinstance(data, Mapping):
        return {name: _column(values, name) for name, values in data.items()}, None, None
    if isinstance(data, Iterable) and not isinstance(data, bytes) and getattr(data, "ndim", None) != 0:
        rows = list(data)
        if rows and not all(isinstance(row, Mapping) for row in rows):
            raise DataError(f"data: rows of {type(rows[0]).__name__}; give mappings of column to value")
        names = list(rows[0]) if rows else []
        for number, row in enumerate(rows):
            if set(row) != set(names):
                raise DataError(f"row {number}: columns {sorted(row)} where row 0 has {sorted(names)}")
        return {name: _column([row[name] for row in rows], name) for name in names}, None, None
    raise ArgumentError(f"data: a {type(data).__name__}; give columns, rows, an Arrow table or a data set")


def _read_arrow(path: Path) -> Any:
    """Return the table of an Arrow file, in either of its formats, mapped."""
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file; give the path of an Arrow or Parquet file")
    source = pa.memory_map(str(path))
    try:
        return pa.ipc.open_file(source).read_all()
    except pa.ArrowInvalid:
        source.seek(0)
    try:
        return pa.ipc.open_stream(source).read_all()
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: not an Arrow file ({error})") from None


def _from_datasets(data: Any) -> tuple[dict[str, Any], Ints | None, Spilled | None]:
    form = data.format
    if form["type"] == "custom":
        raise ArgumentError("data: has a transform, which would be passed over; apply it with .map() first")
    mapping = data._indices
    chosen = None if mapping is None else mapping.column(0).to_numpy().astype(np.int64)
    names = form["columns"] or data.column_names
    table = data.data.table.select(names)
    in_chunks = any(column.num_chunks > 1 for column in table.columns)
    if in_chunks and table.nbytes > _JOIN_IN_MEMORY:
        # The same table under another order or selection has another fingerprint, and is the same on disk.
        files = [(file["filename"], Path(file["filename"]).stat().st_mtime_ns) for file in data.cache_files]
        spilled = spill_table(table, repr((files or data._fingerprint, names, table.num_rows)))
        return spilled.columns(), chosen, spilled
    return {name: arrow_column(table.column(name), name) for name in names}, chosen, None


def _column(values: Any, name: str) -> Any:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return arrow_column(values, name)
    if isinstance(values, Ragged | np.ndarray):
        return column_of(values, name)
    column = column_of(values if isinstance(values, list) else listed(values, name), name)
    if not isinstance(column, Ragged) or column.dtype != np.int64 or not len(column.values):
        return column
    # Our own copy, so it may be as narrow as its values: less memory, and less of it to read for a batch.
    low, high = column.values.min(), column.values.max()
    for kind in (np.int8, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return Ragged.trusted(column.values.astype(kind), column.offsets)
    return column
