"""Writes columns to disk as flat files, for `spill` to map."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenweave.arrow import column_from_arrow
from evenweave.ragged import Ragged
from evenweave.rows import NULL_VALUES

OBJECTS = "objects.arrow"


def arrow_column(column: Any, name: str, *, first: int = 0) -> Any:
    """`column_from_arrow`, with the meaning that None has in some columns."""
    return column_from_arrow(column, name=name, null_value=NULL_VALUES.get(name), first=first)


def write(folder: Path, schema: Any, batches: Iterable[Any]) -> None:
    """Write columns into `folder`, which appears whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix="writing-"))
    try:
        _fill(work, schema, batches)
        try:
            work.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was as quick
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _fill(work: Path, schema: Any, batches: Iterable[Any]) -> None:
    plan = [Plan.of(field, place) for place, field in enumerate(schema)]
    objects = [column.name for column in plan if column.kind == "object"]
    with ExitStack() as files:
        writers = {
            place: files.enter_context(_Writer(work, place, column))
            for place, column in enumerate(plan)
            if column.kind != "object"
        }
        stored = pa.schema([schema.field(name) for name in objects])
        rest = files.enter_context(pa.ipc.new_file(str(work / OBJECTS), stored)) if objects else None
        first = 0
        for batch in batches:
            for place, writer in writers.items():
                writer.write(arrow_column(batch.column(place), plan[place].name, first=first))
            if rest is not None:
                rest.write_batch(batch.select(objects))
            first += batch.num_rows
    # Columns of one value a token have the same offsets; one copy of them is enough.
    known: dict[bytes, int] = {}
    for place, writer in writers.items():
        if plan[place].kind != "ragged":
            continue
        same = known.setdefault(writer.digest(), place)
        if same != place:
            plan[place] = replace(plan[place], offsets=same)
            (work / f"{place}.offsets").unlink()
    (work / "columns.json").write_text(json.dumps([asdict(column) for column in plan]), encoding="utf-8")


@dataclass(frozen=True)
class Plan:
    """What a column is on disk.

    Attributes:
        kind: "ragged", "array" or "object".
        dtype: of the values.
        offsets: the column in whose file the offsets are.
    """

    name: str
    kind: str
    dtype: str
    offsets: int

    @classmethod
    def of(cls, field: Any, place: int) -> Plan:
        empty = arrow_column(pa.array([], field.type), field.name)
        if isinstance(empty, Ragged):
            return cls(field.name, "ragged", empty.dtype.str, place)
        if isinstance(empty, np.ndarray):
            return cls(field.name, "array", empty.dtype.str, place)
        return cls(field.name, "object", "", place)


class _Writer:
    """Appends a column's parts to its files."""

    def __init__(self, work: Path, place: int, plan: Plan) -> None:
        self._dtype = np.dtype(plan.dtype)
        self._end = 0
        self._hash = hashlib.sha256()
        self._files = ExitStack()
        self._values = self._files.enter_context((work / f"{place}.values").open("wb"))
        if plan.kind == "ragged":
            self._offsets = self._files.enter_context((work / f"{place}.offsets").open("wb"))
            self._offsets.write(bytes(8))

    def write(self, column: Ragged | NDArray[Any]) -> None:
        """Append the rows of one part."""
        flat = column.flat if isinstance(column, Ragged) else column
        self._values.write(np.ascontiguousarray(flat, dtype=self._dtype).data)
        if isinstance(column, Ragged):
            bounds = (column.offsets[1:] - column.offsets[0] + self._end).tobytes()
            self._hash.update(bounds)
            self._offsets.write(bounds)
            self._end += len(flat)

    def digest(self) -> bytes:
        """Return a digest of the offsets written."""
        return self._hash.digest()

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *error: object) -> None:
        self._files.close()
