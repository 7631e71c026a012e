"""Tags in whatever form they come -> flat ids, row boundaries and the tags the ids stand for.

Lists of strings and Arrow columns are numbered where they lie, by kernels.

Shape legend: B rows, N tags in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError, DataError
from evenweave.kernels.tags import SEEN, intern_lists, intern_slices, list_lengths
from evenweave.metrics.inputs import plain_row
from evenweave.ragged import Ragged, offsets_of


@dataclass(frozen=True)
class TagRows:
    """Gold and predicted tags of B rows, as ids into one list of tags.

    Attributes:
        gold, predicted: int64 `[N]`.
        offsets: int64 `[B + 1]`, boundaries of the rows, the same for both.
        tags: the tag of each id.
        numbered: whether gold tags came as ids, some of which may stand for no tag at all.
    """

    gold: NDArray[np.int64]
    predicted: NDArray[np.int64]
    offsets: NDArray[np.int64]
    tags: tuple[str, ...]
    numbered: bool

    def place(self, at: int) -> tuple[int, int]:
        """Return the row of the tag at `at`, and its place in the row."""
        row = int(np.searchsorted(self.offsets, at, side="right")) - 1
        return row, at - int(self.offsets[row])


def tag_rows(predictions: Any, references: Any, *, label_names: tuple[str, ...] | None) -> TagRows:
    """Return both sides' tags as ids.

    Args:
        predictions, references: B rows of tags each, both strings (lists of lists, Arrow lists of strings)
            or both ids (Ragged, lists of lists, 2-D arrays, Arrow lists of integers).
        label_names: the tag of each id; needed for ids.

    Raises:
        ArgumentError: ids without `label_names`.
        DataError: a row with more tags on one side; a tag that is no string.
    """
    if references is None:
        raise ArgumentError("references: none given; entity scores compare with gold tags")
    book = _Book(label_names)
    gold, offsets = _ids(references, "references", book)
    numbered = book.known < 0
    predicted, other = _ids(predictions, "predictions", book)
    if len(offsets) != len(other) or (offsets != other).any():
        _refuse_lengths(np.diff(offsets), np.diff(other))
    return TagRows(gold, predicted, offsets, book.tags(), numbered)


class _Book:
    """The tags seen so far, in the form the interning kernels keep them; `names` come first."""

    def __init__(self, names: tuple[str, ...] | None) -> None:
        self.names = names
        self.known = -1  # nothing numbered yet: ids alone need no book

    def _open(self, slots: int, room: int, tags: Sequence[str]) -> None:
        self.table = np.zeros(2 * slots, dtype=np.uint64)
        self.arena = np.zeros(room, dtype=np.uint8)
        self.bounds = np.zeros(slots + 1, dtype=np.int64)
        self.known = 0
        for tag in tags:
            self.add(tag)

    def tags(self) -> tuple[str, ...]:
        """Return the tags in order of their ids."""
        if self.known < 0:
            return self.names or ()
        text = self.arena[: self.bounds[self.known]].tobytes()
        return tuple(
            text[a:b].decode()
            for a, b in zip(self.bounds[: self.known], self.bounds[1 : self.known + 1], strict=True)
        )

    def number(self, data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the ids of the tags `data[offsets[i]:offsets[i + 1]]`."""
        ids = np.empty(len(offsets) - 1, dtype=np.int64)
        self._start()
        while (
            known := intern_slices(data, offsets, self.table, self.arena, self.bounds, self.known, ids)
        ) < 0:
            self._grow()
        self.known = known
        return ids

    def number_lists(self, rows: list[list[str]], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the ids of the tags of lists of lists; TypeError if one is no string."""
        ids = np.empty(int(lengths.sum()), dtype=np.int64)
        self._start()
        while True:
            seen = np.zeros((2, SEEN), dtype=np.int64)
            book = self.table, self.arena, self.bounds, self.known
            known, odd = intern_lists(id(rows), lengths, *book, seen[0], seen[1], ids)
            if odd >= 0:
                raise TypeError
            if known >= 0:
                self.known = known
                return ids
            self._grow()

    def _start(self) -> None:
        if self.known < 0:
            self._open(256, 1 << 13, self.names or ())

    def _grow(self) -> None:
        self._open(len(self.table), 4 * len(self.arena), self.tags())

    def add(self, tag: str) -> int:
        """Return the id of one tag."""
        raw = np.frombuffer(tag.encode(), dtype=np.uint8)
        return int(self.number(raw, np.array([0, len(raw)]))[0])


def _ids(column: Any, argument: str, book: _Book) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if isinstance(column, Ragged):
        return _integers(column.flat, argument, book), _from_zero(column.offsets)
    if isinstance(column, np.ndarray) and column.ndim == 2 and column.dtype.kind in "iu":
        rows, width = column.shape
        return _integers(column.reshape(-1), argument, book), np.arange(rows + 1, dtype=np.int64) * width
    if hasattr(column, "null_count"):
        return _from_arrow(column, argument, book)
    listed = column if isinstance(column, list) else list(column)
    lengths = np.empty(len(listed), dtype=np.int64)
    try:
        if list_lengths(id(listed), lengths) >= 0:  # rows of another kind: tuples, arrays
            if any(isinstance(row, str) for row in listed):
                raise TypeError
            listed = [list(plain_row(row)) for row in listed]
            list_lengths(id(listed), lengths)
        if isinstance(next((row[0] for row in listed if row), ""), str):
            return book.number_lists(listed, lengths), offsets_of(lengths)
        flat = np.array(list(chain.from_iterable(listed)))
    except (TypeError, ValueError):
        raise _what_is_wrong(listed, argument) from None
    if flat.ndim != 1 or flat.dtype.kind not in "iuf":
        raise _what_is_wrong(listed, argument)
    return _integers(flat, argument, book), offsets_of(lengths)


def _what_is_wrong(rows: list[Any], argument: str) -> DataError:
    for number, row in enumerate(rows):
        where = f"row {number}, column {argument!r}"
        if isinstance(row, str) or not hasattr(row, "__len__"):
            return DataError(
                f"{where}: {row!r} is not a row of tags; give a list of rows, [['B-PER', 'O'], ...]"
            )
        strings = any(isinstance(tag, str) for other in rows if hasattr(other, "__len__") for tag in other)
        for tag in row:
            if not isinstance(tag, str if strings else int | np.integer):
                kind = "tags as strings" if strings else "ids as integers"
                return DataError(f"{where}: {tag!r} among {kind}; give every row the same")
            if isinstance(tag, str) and any("\ud800" <= letter <= "\udfff" for letter in tag):
                return DataError(f"{where}: {tag!r} holds half a character; decode the text again")
    return DataError(f"column {argument!r}: not rows of tags; give a list of rows, [['B-PER', 'O'], ...]")


def _from_arrow(column: Any, argument: str, book: _Book) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    import pyarrow as pa

    from evenweave.arrow import bytes_from_arrow, list_parts, ragged_from_arrow

    kind = getattr(column.type, "value_type", None)
    if kind is not None and (pa.types.is_integer(kind) or pa.types.is_null(kind)):
        ragged = ragged_from_arrow(column, name=argument)
        return _integers(ragged.flat, argument, book), _from_zero(ragged.offsets)
    inside, offsets = list_parts(column, what="tags", name=argument)
    if pa.types.is_dictionary(kind) and not inside.dictionary.null_count:
        words = [book.add(tag) for tag in inside.dictionary.to_pylist()]
        return np.array(words, dtype=np.int64)[inside.indices.to_numpy()], offsets
    text = bytes_from_arrow(inside, name=argument)
    return book.number(text.values, text.offsets), offsets


def _integers(values: NDArray[Any], argument: str, book: _Book) -> NDArray[np.int64]:
    if values.dtype.kind not in "iu" and len(values):
        raise DataError(
            f"column {argument!r}: holds {values.dtype}, not label ids; take the argmax of logits"
        )
    if book.names is None:
        raise ArgumentError(f"{argument}: label ids; give label_names=[...], the tag of each id")
    return np.ascontiguousarray(values, dtype=np.int64)


def _from_zero(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    return offsets - offsets[0] if offsets[0] else offsets


def _refuse_lengths(gold: NDArray[np.int64], predicted: NDArray[np.int64]) -> None:
    row = int(np.flatnonzero(gold != predicted)[0])
    raise DataError(
        f"row {row}, column 'predictions': {predicted[row]} tags for the {gold[row]} of the reference; "
        "give one for every token"
    )
