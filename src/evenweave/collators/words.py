"""Where words start in rows of tokens, for masking whole words."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.collators.masking import Ints
from evenweave.collators.stacking import nested
from evenweave.errors import DataError
from evenweave.kernels.masking import find_heads, lookup, number_words
from evenweave.ragged import Ragged
from evenweave.rows import Rows, gathered

_NO_TABLE = np.empty(0, np.uint8)


def heads_from_words(words: Ints, special: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return 1 where a token's word is not that of the token before, and 1 where a token is never a target.

    Args:
        words: `word_ids` `[B, T]`; special tokens and padding any negative number.
        special: `[B, T]`, non-zero where a token is never a target for other reasons.
    """
    heads, barred = np.empty(words.shape, np.uint8), np.empty(words.shape, np.uint8)
    find_heads(words, special, heads, barred)
    return heads, barred


def with_words(rows: Rows, tokenizer: Any) -> Rows:
    """Return rows with `word_ids` in place of `offset_mapping`, where they have no word ids already.

    A token belongs to the word before if there is no gap between them, unless its form says that it starts a
    word: SentencePiece counts the space as part of the token, so that no two of its tokens are apart.
    Special tokens stand between words whatever they are given here.
    """
    if "offset_mapping" not in rows.columns:
        return rows
    rows = gathered(rows)
    columns = dict(rows.columns)
    spans = nested(columns.pop("offset_mapping"), rows.indices, "offset_mapping")
    if spans.values.shape[1:] != (2,) or spans.dtype.kind not in "iu":
        raise DataError(
            f"column 'offset_mapping': {spans.values.shape[-1]} values ({spans.dtype}) a token; "
            "give start and end"
        )
    ids = columns[tokenizer.model_input_names[0]]
    if "word_ids" not in columns:
        marks = _marks(tokenizer)
        known = marks.starts and len(ids.flat) == len(spans.values)
        numbers = np.empty(len(spans.values), np.int64)
        number_words(spans.values, ids.flat, marks.table if known else _NO_TABLE, numbers)
        columns["word_ids"] = Ragged.trusted(numbers, spans.offsets)
    return Rows(columns, rows.indices, epoch=rows.epoch)


def heads_from_pieces(ids: Ints, tokenizer: Any) -> NDArray[np.uint8]:
    """Return 1 where a token's own form says that it starts a word, uint8 `[B, T]`.

    WordPiece marks continuations (`##`); byte-level BPE and SentencePiece mark starts (`Ġ`, `▁`), so that
    punctuation belongs to the word before it: `word_ids` is more exact where the features have it.
    """
    return _looked_up(ids, _marks(tokenizer).table)


@dataclass(frozen=True)
class _Marks:
    """Which pieces of a vocabulary start a word.

    Attributes:
        table: uint8 `[V]`, 1 for those that do.
        starts: whether starts are what the vocabulary marks, rather than continuations.
    """

    table: NDArray[np.uint8]
    starts: bool


_KNOWN: weakref.WeakKeyDictionary[Any, _Marks] = weakref.WeakKeyDictionary()


def _marks(tokenizer: Any) -> _Marks:
    size = len(tokenizer)
    known = _KNOWN.get(tokenizer)
    if known is None or len(known.table) != size:
        forms = [form or "" for form in tokenizer.convert_ids_to_tokens(list(range(size)))]
        starts = not any(form.startswith("##") and len(form) > 2 for form in forms)
        heads = [form.startswith(("Ġ", "▁")) if starts else not form.startswith("##") for form in forms]
        known = _KNOWN[tokenizer] = _Marks(np.array(heads, dtype=np.uint8), starts)
    return known


def _looked_up(ids: Ints, table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    out = np.empty(ids.shape, np.uint8)
    lookup(ids.reshape(-1), table, out.reshape(-1))
    return out
