"""Where words start in rows of tokens, for masking whole words."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.collators.masking import Ints
from evenweave.collators.stacking import nested
from evenweave.kernels.masking import lookup
from evenweave.ragged import Ragged
from evenweave.rows import Rows, gathered

_TABLES: weakref.WeakKeyDictionary[Any, tuple[int, NDArray[np.uint8]]] = weakref.WeakKeyDictionary()


def heads_from_words(words: Ints) -> NDArray[np.uint8]:
    """Return 1 where a token's word differs from that of the token before, uint8 `[B, T]`.

    Args:
        words: `word_ids` `[B, T]`; special tokens and padding any negative number.
    """
    heads = np.ones(words.shape, np.uint8)
    np.not_equal(words[:, 1:], words[:, :-1], out=heads[:, 1:], casting="unsafe")
    return heads


def with_words(rows: Rows) -> Rows:
    """Return rows with `word_ids` in place of `offset_mapping`, where they have no word ids already.

    A token belongs to the word before if it begins where that one ended. Special tokens stand between words
    whatever they are given here.
    """
    if "offset_mapping" not in rows.columns:
        return rows
    rows = gathered(rows)
    columns = dict(rows.columns)
    spans = nested(columns.pop("offset_mapping"), rows.indices, "offset_mapping")
    if "word_ids" not in columns:
        heads = np.ones(len(spans.values), bool)
        np.not_equal(spans.values[1:, 0], spans.values[:-1, 1], out=heads[1:])
        columns["word_ids"] = Ragged.trusted(np.cumsum(heads), spans.offsets)
    return Rows(columns, rows.indices, epoch=rows.epoch)


def heads_from_pieces(ids: Ints, tokenizer: Any) -> NDArray[np.uint8]:
    """Return 1 where a token's own form says that it starts a word, uint8 `[B, T]`.

    WordPiece marks continuations (`##`); byte-level BPE and SentencePiece mark starts (`Ġ`, `▁`), so that
    punctuation belongs to the word before it: `word_ids` is more exact where the features have it.
    """
    size = len(tokenizer)
    known = _TABLES.get(tokenizer)
    if known is None or known[0] != size:
        known = size, _heads_table(tokenizer.convert_ids_to_tokens(list(range(size))))
        _TABLES[tokenizer] = known
    out = np.empty(ids.shape, np.uint8)
    lookup(ids.reshape(-1), known[1], out.reshape(-1))
    return out


def _heads_table(pieces: list[str | None]) -> NDArray[np.uint8]:
    forms = [piece or "" for piece in pieces]
    if any(form.startswith("##") and len(form) > 2 for form in forms):
        return np.array([not form.startswith("##") for form in forms], dtype=np.uint8)
    return np.array([form.startswith(("Ġ", "▁")) for form in forms], dtype=np.uint8)
