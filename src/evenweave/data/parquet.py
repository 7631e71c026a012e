"""Parquet files with `tokens` and `ner_tags`, as `datasets` writes them: its metadata names the labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from evenweave.arrow import list_parts
from evenweave.data.features import ClassLabel, Feature, Sequence, label_names_of
from evenweave.data.hub_labels import features_of_schema
from evenweave.data.jsonl import TAG_KEYS, TOKEN_KEYS
from evenweave.data.raw import RawSplit, Tags, Vocabulary, list_array
from evenweave.data.words import is_text, label_ids, plain_text, words_in
from evenweave.errors import DataError
from evenweave.label_names import repeated
from evenweave.ragged import Ragged


def read_parquet(path: Path, *, label_names: list[str] | None = None) -> RawSplit:
    """Read a Parquet file; `label_names` names the labels if the tags are ids and the file does not say.

    Raises:
        DataError: no Parquet, no tokens or tags, or rows whose tags do not fit; names file and row.
    """
    try:
        twice = repeated(pq.read_schema(path).names)
        table = None if twice else pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a Parquet file ({' '.join(str(error).split())})") from None
    if twice:
        raise DataError(f"{path}: column {twice[0]!r} stands there twice; rename or drop one")
    try:
        return _split(path, table, label_names)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _split(path: Path, table: Any, label_names: list[str] | None) -> RawSplit:
    token_key = next((key for key in TOKEN_KEYS if key in table.column_names), None)
    tag_key = next((key for key in TAG_KEYS if key in table.column_names), None)
    if token_key is None or tag_key is None:
        lacking = TOKEN_KEYS[0] if token_key is None else TAG_KEYS[0]
        raise DataError(f"no column {lacking!r} among {table.column_names}; rename yours to it")
    if table.num_rows == 0:
        raise DataError("no rows")
    columns = {name: table.column(name) for name in table.column_names}
    words, offsets = words_in(columns.pop(token_key), token_key)
    known = features_of_schema(table.schema)
    named = label_names or label_names_of(known.get(tag_key))
    tags = {"ner_tags": _tags(columns.pop(tag_key), tag_key, offsets, named)}
    # Other columns of the same make (pos_tags, chunk_tags) come along with the names the file gives them;
    # labels of a row as a whole (its topics) are no tags.
    for name in [name for name in columns if name in known]:
        if _one_a_token(columns[name], known[name], offsets):
            tags[name] = _tags(columns.pop(name), name, offsets, label_names_of(known[name]))
    return RawSplit(
        path=path,
        columns={"tokens": list_array(words, offsets), **columns},
        tags=tags,
        features={name: known[name] for name in columns if name in known},
    )


def _one_a_token(column: Any, feature: Feature, offsets: NDArray[np.int64]) -> bool:
    if not (isinstance(feature, Sequence) and isinstance(feature.feature, ClassLabel)):
        return False
    try:
        _, own = list_parts(column, what="tags", nulls="empty", null_value=0)
    except DataError:
        return False
    return bool((own == offsets).all())


def _tags(column: Any, name: str, offsets: NDArray[np.int64], names: list[str] | None) -> Tags:
    """Return a column of tags, one for each of the tokens that are cut into rows at `offsets`."""
    values, own = list_parts(column, what="tags", name=name)
    sizes, wanted = np.diff(own), np.diff(offsets)
    if (sizes != wanted).any():
        row = int(np.flatnonzero(sizes != wanted)[0])
        raise DataError(
            f"row {row}, column {name!r}: {sizes[row]} tags for {wanted[row]} tokens; give each token one"
        )
    if is_text(values.type):
        vocabulary = Vocabulary()
        rows = np.repeat(np.arange(len(sizes)), sizes)
        flat = vocabulary.ids(plain_text(values), rows)
        return Tags(Ragged.trusted(flat, own), vocabulary.names, vocabulary.first_line)
    ids = label_ids(column, name)
    if names is None:
        raise DataError(
            "the tags are ids and nothing names the labels; pass label_names=[...] "
            "or put labels.txt (one name a line) beside the file"
        )
    if twice := repeated(names):
        raise DataError(f"column {name!r}: {twice[0]!r} stands twice among its label names; each has one id")
    outside = (ids.flat < 0) | (ids.flat >= len(names))
    if outside.any():
        place = int(outside.argmax())
        row = int(np.searchsorted(own, place, side="right")) - 1
        raise DataError(
            f"row {row}, column {name!r}: tag id {ids.flat[place]}; the names give ids 0 to {len(names) - 1}"
        )
    return Tags(ids, names, dict.fromkeys(names, 0), fixed=True)
