"""What BLEU reads: rows of text or of tokens, and for each row one reference or several, some missing.

    predictions            references, one a row       references, several a row
    ["a b", ...]           ["a b", ...]                [["a b", None, "c"], ...]
    [["a", "b"], ...]      [["a", "b"], ...]           [[["a", "b"], ["c"]], ...]

Lists, tuples, NumPy arrays, Ragged (of token ids) and Arrow columns, all brought to bytes and boundaries.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evenweave.arrow import bytes_from_arrow, one_array
from evenweave.errors import DataError
from evenweave.metrics.inputs import plain_rows
from evenweave.ragged import Ragged, offsets_of

Kind = Literal["texts", "token lists", "lists of token ids"]
Cut = Callable[[str], Any]


@dataclass(frozen=True)
class Units:
    """Texts or token lists as the kernels take them; see `kernels.bleu.bleu_rows`.

    Attributes:
        values: uint8, all read-only as Arrow's memory is.
        bounds: int64 `[units + 1]`: bytes of a text, or tokens of a token list.
        pieces: int64 `[tokens + 1]`: the bytes of each token; None for text still to be cut.
        kind: what the user gave.
    """

    values: NDArray[np.uint8]
    bounds: NDArray[np.int64]
    pieces: NDArray[np.int64] | None
    kind: Kind


@dataclass(frozen=True)
class _Nested:
    """A column flattened: `sizes` of each level from the outside, -1 for None; strings or ids as leaves."""

    argument: str
    rows: int
    sizes: list[NDArray[np.int64]]
    leaves: Any  # Arrow large_string array, or int64 array of token ids

    @property
    def depth(self) -> int:
        return len(self.sizes) + 1

    def row_of(self, leaf: int) -> int:
        """Return the row that holds a leaf."""
        for sizes in reversed(self.sizes):
            leaf = int(np.searchsorted(offsets_of(np.maximum(sizes, 0)), leaf, side="right")) - 1
        return leaf


def predictions_of(column: Any, *, cut: Cut | None, lowercase: bool) -> Units:
    """Return the hypotheses, one a row.

    Raises:
        DataError: a row is None, no text, or cannot be encoded; names the row.
    """
    nested = _flattened(column, "predictions", lowercase)
    if nested.depth > 2:
        raise DataError("predictions: lists of lists of tokens; give one text or one token list a row")
    units, kept = _units(nested, cut, tokens=nested.depth == 2)
    if len(units.bounds) - 1 < nested.rows:
        raise DataError(f"row {int(np.argmin(kept))}, predictions: None; give '' for an empty hypothesis")
    return units


def references_of(
    column: Any, *, like: Units, cut: Cut | None, lowercase: bool
) -> tuple[Units, NDArray[np.int64]]:
    """Return all references and int64 `[n + 1]`, where each row's begin; None counts as missing.

    Args:
        like: the predictions: a list of strings is several texts, or one text's tokens, as theirs are.

    Raises:
        DataError: a row has no reference, or references are not of the predictions' kind; names the row.
    """
    innermost = 1 if like.kind == "texts" else 2
    nested = _flattened(column, "references", lowercase, at_least=innermost)
    if not innermost <= nested.depth <= innermost + 1:
        found = "a text" if nested.depth < innermost else "a token list or deeper"
        raise DataError(f"references: {found} where the predictions are {like.kind}; give both alike")
    units, kept = _units(nested, cut, tokens=innermost == 2)
    if units.kind != like.kind and len(units.values) and len(like.values):
        raise DataError(f"references: {units.kind}, but the predictions are {like.kind}; give both alike")
    counts = kept.astype(np.int64)
    if nested.depth > innermost:
        per_row = np.maximum(nested.sizes[0], 0)
        sums = offsets_of(counts)
        ends = offsets_of(per_row)
        counts = sums[ends[1:]] - sums[ends[:-1]]
    if len(counts) and counts.min() == 0:
        row = int(counts.argmin())
        raise DataError(f"row {row}, references: none; drop the row or give '' for an empty reference")
    return units, _frozen(offsets_of(counts))


def _units(nested: _Nested, cut: Cut | None, *, tokens: bool) -> tuple[Units, NDArray[np.bool_]]:
    """Return the units that are not None and which of all they are."""
    leaves = nested.leaves
    if isinstance(leaves, np.ndarray) and not tokens:
        raise DataError(f"row 0, {nested.argument}: {leaves[0]} is not text; give strings or token lists")
    if tokens:
        sizes = nested.sizes[-1]
        if not isinstance(leaves, np.ndarray):
            _refuse_null_tokens(leaves, nested)
        values, pieces = _bytes(leaves)
        kind: Kind = "lists of token ids" if isinstance(leaves, np.ndarray) else "token lists"
        return Units(values, _frozen(offsets_of(sizes[sizes >= 0])), pieces, kind), sizes >= 0
    kept = np.ones(len(leaves), dtype=bool)
    if leaves.null_count:
        kept = leaves.is_valid().to_numpy(zero_copy_only=False)
        leaves = leaves.drop_null()
    if cut is not None:
        lists = [_tokens(cut, text) for text in leaves.to_pylist()]
        sizes = np.zeros(len(kept), dtype=np.int64)
        sizes[kept] = [-1 if tokens is None else len(tokens) for tokens in lists]
        argument = f"{nested.argument}, as the tokenizer cut it"
        made = _Nested(argument, nested.rows, [*nested.sizes, np.maximum(sizes, 0)], None)
        if sizes.min(initial=0) < 0:
            row = nested.row_of(int(sizes.argmin()))
            raise DataError(f"row {row}, {argument}: not a list; the tokenizer must return tokens")
        tokens_of_all = _strings([token for tokens in lists for token in tokens or ()], argument, made)
        _refuse_null_tokens(tokens_of_all, made)
        values, pieces = _bytes(tokens_of_all)
        return Units(values, _frozen(offsets_of(sizes[kept])), pieces, "texts"), kept
    values, bounds = _bytes(leaves)
    return Units(values, bounds, None, "texts"), kept


def _refuse_null_tokens(leaves: Any, nested: _Nested) -> None:
    if leaves.null_count:
        row = nested.row_of(int(pc.index(leaves.is_null(), True).as_py()))
        raise DataError(f"row {row}, {nested.argument}: holds None for a token; leave it out")


def _tokens(cut: Cut, text: str) -> list[Any] | None:
    """Return what a tokeniser makes of a text; None if that is nothing to walk over."""
    made = cut(text)
    if isinstance(made, str):
        return made.split()
    return list(made) if isinstance(made, Iterable) else None


def _bytes(leaves: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    if isinstance(leaves, np.ndarray):
        return _frozen(leaves.view(np.uint8)), _frozen(np.arange(len(leaves) + 1, dtype=np.int64) * 8)
    rows = bytes_from_arrow(leaves)
    return rows.values, rows.offsets


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def _flattened(column: Any, argument: str, lowercase: bool, at_least: int = 1) -> _Nested:
    if isinstance(column, Ragged):
        found = _Nested(argument, len(column), [column.lengths], None)
        return dataclasses.replace(found, leaves=_int64(column.flat, found))
    if isinstance(column, pa.Array | pa.ChunkedArray):
        return _from_arrow(one_array(column), argument, lowercase)
    level: Any = column.tolist() if isinstance(column, np.ndarray) else plain_rows(column)
    rows = len(level)
    found = _Nested(argument, rows, [], None)
    depth, sure = _depth(level)
    for _ in range((depth if sure else max(depth, at_least)) - 1):
        kinds = set(map(type, level))
        if any(kind is not type(None) and not issubclass(kind, _LISTS) for kind in kinds):
            wrong = next(i for i, row in enumerate(level) if row is not None and not isinstance(row, _LISTS))
            raise DataError(
                f"row {found.row_of(wrong)}, {argument}: {level[wrong]!r:.60} where other rows hold a list"
            )
        held = [() if row is None else row for row in level] if type(None) in kinds else level
        sizes = np.fromiter(map(len, held), dtype=np.int64, count=len(held))
        if held is not level:
            sizes[[row is None for row in level]] = -1
        found.sizes.append(sizes)
        level = list(chain.from_iterable(held))
    first = next((leaf for leaf in level if leaf is not None), "")
    if isinstance(first, int | np.integer) and not isinstance(first, bool):
        return _Nested(argument, rows, found.sizes, _ids(level, found))
    if isinstance(first, bytes):
        raise DataError(f"row 0, {argument}: {first!r:.60} is not text; decode the bytes")
    if lowercase:
        level = [leaf.lower() if isinstance(leaf, str) else leaf for leaf in level]
    return _Nested(argument, rows, found.sizes, _strings(level, argument, found))


_LISTS = (list, tuple, np.ndarray)


def _depth(column: Any) -> tuple[int, bool]:
    """Return how many lists lie around the leaves, and whether any leaf was there to tell.

    1 for texts, 2 for token lists or several references.
    """
    if isinstance(column, Ragged):
        return 2, True
    if isinstance(column, pa.Array | pa.ChunkedArray):
        depth, kind = 1, column.type
        while pa.types.is_nested(kind) and not pa.types.is_struct(kind):
            depth, kind = depth + 1, kind.value_type
        return depth, True
    deepest = 1
    for row in column:
        if isinstance(row, _LISTS):
            inner, sure = _depth(row)
            if sure:
                return 1 + inner, True
            deepest = max(deepest, 1 + inner)
        elif row is not None:
            return deepest, True
    return deepest, False


def _strings(leaves: list[Any], argument: str, place: _Nested | None) -> Any:
    try:
        joined = "".join(leaves)
    except TypeError:  # not all are strings
        joined = None
    if joined is not None and joined.isascii():
        # A byte a character; and pa.array would first import pandas, if that is installed.
        offsets = offsets_of(np.fromiter(map(len, leaves), dtype=np.int64, count=len(leaves)))
        buffers = pa.py_buffer(offsets), pa.py_buffer(joined.encode())
        return pa.LargeStringArray.from_buffers(len(leaves), *buffers)
    try:
        if joined is None and bytes in set(map(type, leaves)):
            raise TypeError("Arrow would take bytes for text")
        return pa.array(leaves, type=pa.large_string())
    except (pa.ArrowException, TypeError, UnicodeEncodeError):
        for index, leaf in enumerate(leaves):
            wrong = _what_is_not_text(leaf)
            if wrong is not None:
                row = f"row {place.row_of(index)}, " if place else ""
                raise DataError(f"{row}{argument}: {wrong}") from None
        raise


def _what_is_not_text(leaf: Any) -> str | None:
    if leaf is not None and not isinstance(leaf, str):
        return f"{leaf!r:.60} is not text; give strings"
    for at, character in enumerate(leaf or ""):
        if 0xD800 <= ord(character) < 0xE000:
            return (
                f"lone surrogate U+{ord(character):04X} at character {at}, which no text holds; "
                "decode the bytes again with errors='replace'"
            )
    return None


def _ids(leaves: list[Any], place: _Nested) -> NDArray[np.int64]:
    for index, leaf in enumerate(leaves):
        if not isinstance(leaf, int | np.integer) or isinstance(leaf, bool):
            raise DataError(f"row {place.row_of(index)}, {place.argument}: {leaf!r:.60} among token ids")
    try:
        return np.array(leaves, dtype=np.int64)
    except OverflowError:
        return _int64(np.array(leaves, dtype=object), place)


def _int64(ids: NDArray[Any], place: _Nested) -> NDArray[np.int64]:
    """Return an array of token ids as int64, having checked that it holds such."""
    if ids.ndim != 1:
        raise DataError(f"{place.argument}: token ids of shape {ids.shape}; give one number a token")
    if ids.dtype.kind not in "iuO" and ids.size:
        raise DataError(f"row {place.row_of(0)}, {place.argument}: {ids[0]!s:.60} among token ids")
    if ids.dtype.kind in "uO" and ids.size:
        beyond = (ids > _MOST) | (ids < -_MOST - 1) if ids.dtype.kind == "O" else ids > np.uint64(_MOST)
        if beyond.any():
            index = int(beyond.argmax())
            row = place.row_of(index)
            raise DataError(f"row {row}, {place.argument}: id {ids[index]!s:.60} is beyond 64-bit integers")
    return np.ascontiguousarray(ids, dtype=np.int64)


_MOST = int(np.iinfo(np.int64).max)


def _from_arrow(array: Any, argument: str, lowercase: bool) -> _Nested:
    rows, all_sizes = len(array), []
    while pa.types.is_nested(array.type) and not pa.types.is_struct(array.type):
        # Not by a cast of list views, which mixes up their rows (Arrow 26).
        sizes = pc.fill_null(pc.list_value_length(array), -1).to_numpy(zero_copy_only=False)
        all_sizes.append(sizes.astype(np.int64, copy=False))
        array = array.flatten()
    if pa.types.is_integer(array.type) and not array.null_count:
        found = _Nested(argument, rows, all_sizes, None)
        return dataclasses.replace(found, leaves=_int64(array.to_numpy(zero_copy_only=False), found))
    kind = array.type
    if pa.types.is_dictionary(kind) or pa.types.is_null(kind) or "string" in str(kind):
        if not pa.types.is_string(kind):
            array = array.cast(pa.large_string())
        if lowercase:
            array = _strings([leaf and leaf.lower() for leaf in array.to_pylist()], argument, None)
        return _Nested(argument, rows, all_sizes, array)
    raise DataError(f"{argument}: Arrow type {kind} is not text; cast it to string")
