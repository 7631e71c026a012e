"""A digest of data: the same rows give the same 16 hex digits, whatever file or chunk they came from."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evenweave.data.encoded import Encoded
from evenweave.data.features import label_names_of


def digest_of(dataset: Any) -> str | None:
    """Return the first 16 hex digits of the SHA-256 of a data set's columns, None for one without columns.

    Takes our `Dataset`, `datasets.Dataset`, `Encoded`, and anything else that holds an Arrow table. Column
    names, values and label names count; chunks, offsets' width and the order of columns do not.

    >>> from evenweave.data.dataset import Dataset
    >>> digest_of(Dataset.from_dict({"tokens": [["EU", "rejects"]], "ner_tags": [[3, 0]]}))
    'b3ed2d3085fce93c'
    """
    columns = _columns(dataset)
    if columns is None:
        return None
    total = hashlib.sha256()
    for name in sorted(columns):
        total.update(f"{name}\0".encode())
        names = label_names_of(getattr(dataset, "features", {}).get(name))
        total.update("\0".join(names or []).encode())
        _feed(total, columns[name])
    return total.hexdigest()[:16]


def _columns(dataset: Any) -> dict[str, Any] | None:
    if isinstance(dataset, Encoded):
        return {name: column.to_arrow() for name, column in dataset.columns.items()}
    if hasattr(dataset, "with_format"):
        dataset = dataset.with_format("arrow")
        table = dataset[:] if hasattr(dataset, "__len__") else None
    else:
        table = getattr(dataset, "table", None)
    if not isinstance(table, pa.Table):
        return None
    return {name: table.column(name).combine_chunks() for name in table.column_names}


def _feed(total: Any, array: Any) -> None:
    """Add an Arrow array: a list column as lengths and then its values, text as lengths and then bytes."""
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], type=array.type)
    total.update(len(array).to_bytes(8, "little"))
    if array.null_count:
        total.update(np.packbits(array.is_null().to_numpy(zero_copy_only=False)))
        array = array.drop_null()
    kind = array.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        total.update(_numbers(pc.list_value_length(array)))
        _feed(total, array.flatten())
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        total.update(_numbers(pc.binary_length(array)))
        text = array.cast(pa.large_binary())
        offsets = np.frombuffer(text.buffers()[1], dtype=np.int64)[text.offset : text.offset + len(text) + 1]
        if len(text):
            total.update(memoryview(text.buffers()[2])[offsets[0] : offsets[-1]])
    elif pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        total.update(_numbers(array))
    elif pa.types.is_floating(kind):
        total.update(np.ascontiguousarray(array.to_numpy(zero_copy_only=False), dtype="<f8"))
    else:
        total.update("\0".join(map(repr, array.to_pylist())).encode())


def _numbers(array: Any) -> Any:
    return np.ascontiguousarray(array.to_numpy(zero_copy_only=False), dtype="<i8")
