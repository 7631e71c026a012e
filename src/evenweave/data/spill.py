"""Columns on disk, mapped into memory: what lets a data set be larger than memory.

A Parquet file is compressed and in parts, so its rows cannot be read in place. It is unpacked once, a few
thousand rows at a time, into flat files that can: `values` and `offsets` of each column, in a folder of the
cache named for the file and its time of change. The cache is `$EVENWEAVE_CACHE`, else
`$XDG_CACHE_HOME/evenweave`, else `~/.cache/evenweave`; it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from evenweave.data.spill_write import OBJECTS, Plan, write
from evenweave.errors import DataError, NotFoundError
from evenweave.ragged import Ragged, offsets_of
from evenweave.rows import taken

_ROWS_AT_ONCE = 4096
# Columns of more bytes than this are read row by row. Reading them through the mapping would be slower: each
# new place costs a page fault, which on recent kernels maps up to megabytes around it, and they all count as
# memory of the process.
_MAPPED_WHOLE = 96 * 2**20


@final
class Spilled:
    """A folder of columns.

    Args:
        folder: holds what `spill` wrote.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._plan = [Plan(**column) for column in json.loads(self._file("columns.json").read_bytes())]
        self._handles: dict[str, int] = {}
        self._columns: dict[str, Any] = {}
        shared: dict[int, NDArray[np.int64]] = {}
        objects = None
        for place, column in enumerate(self._plan):
            if column.kind == "object":
                if objects is None:
                    objects = pa.ipc.open_file(pa.memory_map(str(self._file(OBJECTS)))).read_all()
                self._columns[column.name] = objects.column(column.name)
                continue
            values = self._mapped(place, np.dtype(column.dtype))
            if column.kind == "array":
                self._columns[column.name] = values
                continue
            if column.offsets not in shared:
                shared[column.offsets] = np.fromfile(self._file(f"{column.offsets}.offsets"), np.int64)
            self._columns[column.name] = Ragged.trusted(values, shared[column.offsets])
        self.is_large = sum(os.fstat(handle).st_size for handle in self._handles.values()) > _MAPPED_WHOLE

    def columns(self) -> dict[str, Any]:
        """Return the columns: Ragged and arrays over mapped files; others as chunked Arrow arrays."""
        return dict(self._columns)

    def read(self, indices: NDArray[np.int64], names: Iterable[str]) -> dict[str, Any]:
        """Return the rows at `indices` of some columns, read into memory of their own."""
        made = {}
        for name in names:
            column = self._columns[name]
            if isinstance(column, Ragged):
                made[name] = _read_rows(self._handles[name], column, indices)
            else:
                made[name] = taken(column, indices)
        return made

    def _file(self, name: str) -> Path:
        return self.folder / name

    def _mapped(self, place: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        handle = os.open(self._file(f"{place}.values"), os.O_RDONLY)
        self._handles[self._plan[place].name] = handle
        weakref.finalize(self, os.close, handle)
        if os.fstat(handle).st_size == 0:
            return np.empty(0, dtype)
        return np.frombuffer(mmap.mmap(handle, 0, access=mmap.ACCESS_READ), dtype)

    def __reduce__(self) -> tuple[type[Spilled], tuple[Path]]:
        return Spilled, (self.folder,)


def _read_rows(file: int, column: Ragged, indices: NDArray[np.int64]) -> Ragged:
    starts, sizes = column.offsets[indices], column.offsets[indices + 1] - column.offsets[indices]
    offsets = offsets_of(sizes)
    values = np.empty(offsets[-1], column.dtype)
    memory, width = values.view(np.uint8).data, column.dtype.itemsize
    # Rows that follow each other are read at once.
    follows = np.zeros(len(starts), dtype=bool)
    follows[1:] = starts[1:] == starts[:-1] + sizes[:-1]
    heads = np.flatnonzero(~follows)
    bounds = np.append(offsets[heads], offsets[-1]) * width
    for at, begin, end in zip(
        (starts[heads] * width).tolist(), bounds[:-1].tolist(), bounds[1:].tolist(), strict=True
    ):
        while begin < end:
            count = os.preadv(file, [memory[begin:end]], at)
            if count == 0:
                raise DataError("a file of the cache is shorter than it was; delete it and start again")
            begin, at = begin + count, at + count
    return Ragged.trusted(values, offsets)


def spill(path: Path) -> Spilled:
    """Return the columns of a Parquet file on disk, unpacking it unless that was done before.

    Raises:
        NotFoundError: no such file.
        DataError: not a Parquet file, or a null among numbers; names column and row.
    """
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file; give the path of a Parquet file")
    about = path.stat()
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:24]
    folder = _cache() / f"{name}-{about.st_size}-{about.st_mtime_ns}"
    if not folder.is_dir():
        try:
            file = pq.ParquetFile(path, buffer_size=2**20, pre_buffer=False)
        except pa.ArrowInvalid as error:
            raise DataError(f"{path}: not a Parquet file ({error})") from None
        with file:
            write(folder, file.schema_arrow, file.iter_batches(batch_size=_ROWS_AT_ONCE, use_threads=False))
        for old in _cache().glob(f"{name}-*"):
            if old != folder:
                shutil.rmtree(old, ignore_errors=True)
    return Spilled(folder)


def spill_table(table: Any, key: str) -> Spilled:
    """Return an Arrow table's columns on disk; `key` names its content, such as a fingerprint."""
    folder = _cache() / hashlib.sha256(key.encode()).hexdigest()[:24]
    if not folder.is_dir():
        write(folder, table.schema, _small(table.to_batches()))
    return Spilled(folder)


def _cache() -> Path:
    given = os.environ.get("EVENWEAVE_CACHE")
    if given:
        return Path(given) / "columns"
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "evenweave" / "columns"


def _small(batches: Iterable[Any]) -> Iterator[Any]:
    for batch in batches:
        for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
            yield batch.slice(start, _ROWS_AT_ONCE)
