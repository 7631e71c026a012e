"""Parquet files with `tokens` and `ner_tags`, as `datasets` writes them: its metadata names the labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from evenweave.arrow import one_array, ragged_from_arrow
from evenweave.data.jsonl import TAG_KEYS, TOKEN_KEYS
from evenweave.data.raw import RawSplit, Tags, Vocabulary
from evenweave.errors import DataError
from evenweave.ragged import Ragged


def read_parquet(path: Path, *, label_names: list[str] | None = None) -> RawSplit:
    """Read a Parquet file; `label_names` names the labels if the tags are ids and the file does not say.

    Raises:
        DataError: no Parquet, no tokens or tags, or rows whose tags do not fit; names file and row.
    """
    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: not a Parquet file ({' '.join(str(error).split())})") from None
    token_key = next((key for key in TOKEN_KEYS if key in table.column_names), None)
    tag_key = next((key for key in TAG_KEYS if key in table.column_names), None)
    if token_key is None or tag_key is None:
        lacking = TOKEN_KEYS[0] if token_key is None else TAG_KEYS[0]
        raise DataError(f"{path}: no column {lacking!r} among {table.column_names}; rename yours to it")
    if table.num_rows == 0:
        raise DataError(f"{path}: no rows")
    tokens = one_array(table.column(token_key))
    known = _hf_names(table.schema.metadata)
    columns = {name: table.column(name) for name in table.column_names}
    del columns[tag_key], columns[token_key]
    tags = {
        "ner_tags": _tags(one_array(table.column(tag_key)), tokens, path, label_names or known.get(tag_key))
    }
    # Other columns of the same make (pos_tags, chunk_tags) come along with the names the file gives them.
    for name in [name for name in columns if name in known]:
        tags[name] = _tags(one_array(columns.pop(name)), tokens, path, known[name])
    return RawSplit(path=path, columns={"tokens": tokens, **columns}, tags=tags)


def _tags(column: Any, tokens: Any, path: Path, names: list[str] | None) -> Tags:
    sizes = pc.list_value_length(column).to_numpy(zero_copy_only=False)
    wanted = pc.list_value_length(tokens).to_numpy(zero_copy_only=False)
    if (sizes != wanted).any():
        row = int(np.flatnonzero(sizes != wanted)[0])
        raise DataError(f"{path}: row {row}: {sizes[row]} tags for {wanted[row]} tokens; give each token one")
    rows = np.repeat(np.arange(len(column)), sizes.astype(np.int64))
    if pa.types.is_string(column.type.value_type) or pa.types.is_large_string(column.type.value_type):
        vocabulary = Vocabulary()
        flat = vocabulary.ids(column.flatten(), rows)
        ids = Ragged.from_lengths(flat, sizes)
        return Tags(ids, vocabulary.names, vocabulary.first_line)
    ids = ragged_from_arrow(column, name="ner_tags")
    if names is None:
        raise DataError(
            f"{path}: the tags are ids and nothing names the labels; pass label_names=[...] "
            "or put labels.txt (one name a line) beside the file"
        )
    if len(ids.flat) and not 0 <= ids.flat.min() <= ids.flat.max() < len(names):
        row = int(rows[np.flatnonzero((ids.flat < 0) | (ids.flat >= len(names)))[0]])
        raise DataError(
            f"{path}: row {row}: a tag id outside 0 to {len(names) - 1}, the ids of the label names"
        )
    return Tags(Ragged(ids.values.astype(np.int64), ids.offsets), names, dict.fromkeys(names, 0), fixed=True)


def _hf_names(metadata: dict[bytes, bytes] | None) -> dict[str, list[str]]:
    """Return the label names `datasets` keeps in a file's schema, by column."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return {}
    found = {}
    for name, feature in features.items():
        inner = feature.get("feature") if isinstance(feature, dict) else None
        if isinstance(inner, dict) and isinstance(inner.get("names"), list):
            found[name] = [str(label) for label in inner["names"]]
    return found
