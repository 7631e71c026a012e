"""Truncation: rows longer than a limit lose tokens, never the special ones that open and close them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from evenweave.collators.masking import Ints, table_of
from evenweave.errors import ArgumentError
from evenweave.ragged import Ragged, offsets_of
from evenweave.rows import Rows, gathered
from evenweave.settings import check_whole


def limit_of(tokenizer: Any, max_length: int | None, *, no_limit: int) -> int | None:
    """Return the length to truncate to: `max_length`, or the tokenizer's own, or None if it has none."""
    if max_length is None:
        max_length = None if tokenizer.model_max_length > no_limit else int(tokenizer.model_max_length)
    else:
        check_whole("max_length", max_length)
    if max_length is not None and max_length < 1:
        raise ArgumentError(f"max_length: {max_length}; give at least 1 token")
    return max_length


def truncate(rows: Rows, main: str, names: Collection[str], *, limit: int, tokenizer: Any) -> Rows:
    """Return rows of at most `limit` tokens.

    Tokens go from the end, before the special tokens that close the row; if the tokenizer's `truncation_side`
    is "left", from the beginning, behind those that open it.

    Args:
        main: the column of token ids.
        names: columns with one value a token, cut at the same places.
    """
    if np.diff(rows.columns[main].offsets)[rows.indices].max(initial=0) <= limit:
        return rows
    rows = gathered(rows)
    columns = dict(rows.columns)
    left = getattr(tokenizer, "truncation_side", "right") == "left"
    kept = np.minimum(_run(columns[main], specials_that_frame(tokenizer), opening=left), limit)
    heads = kept if left else limit - kept
    for name, column in columns.items():
        if name in names and isinstance(column, Ragged):
            columns[name] = _cut(column, heads, limit)
    return Rows(columns, rows.indices, epoch=rows.epoch)


def specials_that_frame(tokenizer: Any) -> tuple[int, ...]:
    """Return the special ids that open or close rows: all but those that stand in for other tokens."""
    inner = {tokenizer.unk_token_id, tokenizer.mask_token_id, tokenizer.pad_token_id}
    inner -= {tokenizer.eos_token_id, tokenizer.sep_token_id}
    return tuple(token for token in tokenizer.all_special_ids if token not in inner)


def _run(column: Ragged, special: tuple[int, ...], *, opening: bool) -> Ints:
    """Return how many special tokens on end open (or close) each row, int64 `[B]`."""
    table = table_of(special)
    sizes = column.lengths
    run = np.zeros(len(column), np.int64)
    active = sizes > 0
    while active.any():
        at = (column.offsets[:-1] + run if opening else column.offsets[1:] - 1 - run)[active]
        tokens = column.values[at]
        known = (tokens >= 0) & (tokens < len(table))
        hit = known & (table[np.where(known, tokens, 0)] == 1) if len(table) else known & False
        run[active] += hit
        active[active] = hit
        active &= run < sizes
    return run


def _cut(column: Ragged, heads: Ints, limit: int) -> Ragged:
    """Keep of rows longer than `limit` the first `heads` values and the last `limit - heads`."""
    sizes = column.lengths
    new = np.minimum(sizes, limit)
    offsets = offsets_of(new)
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], new)
    jump = np.where(place >= np.repeat(heads, new), np.repeat(sizes - new, new), 0)
    return Ragged.trusted(column.values[np.repeat(column.offsets[:-1], new) + place + jump], offsets)
