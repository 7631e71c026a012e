"""Rows of words and their labels, read from any kind of data set and checked.

Shape legend: B rows, N words in all, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenweave.arrow import list_parts, one_array, ragged_from_arrow
from evenweave.data.dataset import Dataset
from evenweave.data.features import label_names_of
from evenweave.data.labels import BEGIN, END, INSIDE, SINGLE, parse_labels, unknown_shapes
from evenweave.errors import ArgumentError, DataError
from evenweave.ragged import Ragged, shown

IGNORED = -100  # torch's cross-entropy leaves these targets out


def continuations(label_names: Sequence[str]) -> NDArray[np.int64]:
    """Return for each label the one a word's further sub-tokens get, int64 `[L]`.

    The I- of a B-; the label itself for I-, O and plain labels. A label that ends an entity (E-, S- and
    their like) cannot go on inside the word: -100.

    >>> continuations(["O", "B-LOC", "I-LOC", "S-LOC"]).tolist()
    [0, 2, 2, -100]
    """
    out = np.arange(len(label_names))
    if unknown_shapes(label_names):
        return out
    labels = parse_labels(label_names)
    inside = {int(labels.type_id[index]): index for index in np.flatnonzero(labels.code == INSIDE)}
    for index in np.flatnonzero(labels.code == BEGIN):
        out[index] = inside.get(int(labels.type_id[index]), index)
    out[(labels.code == END) | (labels.code == SINGLE)] = IGNORED
    return out


def inside_labels(ids: Any, label_names: Sequence[str] | None) -> NDArray[np.int64]:
    """Return for each of N label ids the label of a word's further sub-tokens, int64 `[N]`.

    Without names B- labels are taken to be odd and followed by their I-. What is no label (ids below 0)
    stays what it is.
    """
    flat = np.asarray(ids, dtype=np.int64)
    if label_names is None:
        return np.where(flat > 0, flat + flat % 2, flat)
    out = flat.copy()
    known = flat != IGNORED
    out[known] = continuations(label_names)[flat[known]]
    return out


def as_dataset(dataset: Any) -> Dataset:
    """Return rows of any kind we know as a `Dataset`.

    Raises:
        ArgumentError: several splits at once, a stream, or nothing that has rows.
    """
    if isinstance(dataset, Dataset):
        return dataset
    if isinstance(dataset, Mapping):
        if dataset and all(
            isinstance(part, Dataset) or hasattr(part, "features") for part in dataset.values()
        ):
            raise ArgumentError(
                f"dataset: has the splits {', '.join(dataset)}; give one, such as dataset['train']"
            )
        return Dataset.from_dict(dataset)
    stream = hasattr(dataset, "take") and not hasattr(dataset, "__len__")
    if stream or (hasattr(dataset, "with_format") and hasattr(dataset, "features")):
        return Dataset.from_datasets(dataset)
    if isinstance(dataset, pa.Table):
        return Dataset(dataset)
    if isinstance(dataset, list | tuple) and all(isinstance(row, Mapping) for row in dataset):
        return Dataset.from_list(cast("list[Mapping[str, Any]]", dataset))
    raise ArgumentError(f"dataset: {type(dataset).__name__} is no data set; read one with load_dataset(...)")


def words_of(rows: Dataset, column: str) -> tuple[Any, NDArray[np.int64]]:
    """Return the words of all rows, Arrow strings, and where rows begin, int64 `[B + 1]`."""
    if column not in rows.column_names:
        raise DataError(f"column {column!r}: not there; the columns are {rows.column_names}")
    return words_in(rows.table.column(column), column)


def words_in(column: Any, name: str) -> tuple[Any, NDArray[np.int64]]:
    """Return the words of an Arrow column of lists, and where rows begin; `name` is used in errors."""
    array = one_array(column)
    if len(array) == 0:
        return pa.array([], pa.string()), np.zeros(1, np.int64)
    if is_text(array.type):
        raise DataError(f"column {name!r}: {array.type}, not lists of words; split the text into words")
    words, offsets = list_parts(array, what="words", name=name)
    if not is_text(words.type) and len(words):
        raise DataError(f"column {name!r}: lists of {words.type}; give lists of words")
    return plain_text(words), offsets


def is_text(kind: Any) -> bool:
    """Tell whether an Arrow type is one of strings, of whatever layout."""
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(check(inner) for check in checks)


def plain_text(values: Any) -> Any:
    """Return Arrow strings of any layout as those that every function of Arrow knows."""
    kind = values.type
    return values if pa.types.is_string(kind) or pa.types.is_large_string(kind) else values.cast(pa.string())


@dataclass(frozen=True)
class WordLabels:
    """For each of N words the label of its first sub-token, and the label of the further ones."""

    first: NDArray[np.int64]
    further: NDArray[np.int64]


def label_ids(column: Any, name: str) -> Ragged:
    """Return an Arrow column of lists of label ids, int64; `name` is used in errors.

    Raises:
        DataError: not lists, a null, or ids that are not integers of 64 bits; names column and row.
    """
    ids = ragged_from_arrow(column, name=name)
    flat = ids.flat
    if flat.dtype.kind not in "iu" and len(flat):
        # The first value that shows it: 0.5 rather than 0.0.
        place = int((np.floor(flat) != flat).argmax()) if flat.dtype.kind == "f" else 0
        row = int(np.searchsorted(ids.offsets, ids.offsets[0] + place, side="right")) - 1
        raise DataError(
            f"row {row}, column {name!r}: {shown(ids[row])} are ids that are not integers; give whole numbers"
        )
    if flat.dtype == np.uint64 and len(flat) and flat.max() > np.iinfo(np.int64).max:
        row = int(np.searchsorted(ids.offsets, ids.offsets[0] + int(flat.argmax()), side="right")) - 1
        raise DataError(f"row {row}, column {name!r}: label id {flat.max()}; ids are below 2**63")
    return Ragged.trusted(flat.astype(np.int64, copy=False), ids.offsets - ids.offsets[0])


def word_labels(rows: Dataset, column: str, words: NDArray[np.int64]) -> WordLabels | None:
    """Return for each word the label of its first sub-token and of the further ones."""
    if column not in rows.column_names:
        return None
    kind = one_array(rows.table.column(column)).type
    inner = getattr(kind, "value_type", kind)
    if is_text(inner):
        raise DataError(
            f"column {column!r}: label names; turn them into ids with ClassLabel(names).str2int(...)"
        )
    labels = label_ids(rows.table.column(column), column)
    wanted = np.diff(words)
    if (labels.lengths != wanted).any():
        row = int(np.flatnonzero(labels.lengths != wanted)[0])
        raise DataError(
            f"row {row}, column {column!r}: {labels.lengths[row]} labels for {wanted[row]} words; "
            "give each word one"
        )
    flat = labels.flat
    names = label_names_of(rows.features[column])
    if names is None:
        return WordLabels(flat, inside_labels(flat, None))
    outside = (flat != IGNORED) & ((flat < 0) | (flat >= len(names)))
    if outside.any():
        word = int(np.flatnonzero(outside)[0])
        row = int(np.searchsorted(words, word, side="right")) - 1
        raise DataError(
            f"row {row}, column {column!r}: label id {flat[word]}; the names give ids 0 to {len(names) - 1}"
        )
    return WordLabels(flat, inside_labels(flat, names))
