"""BLEU statistics of every row: tokenise the hypothesis and each reference, count the clipped matches.

Rows of up to LIMIT tokens and the rare longer ones have a driver each, so that the code for long rows is
compiled only where there are some.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evenweave.kernels.bits import popcount
from evenweave.kernels.compiled import inner, kernel
from evenweave.kernels.load import LANES
from evenweave.kernels.ngrams import WORD, WORDS, find_places, match_word, match_words
from evenweave.kernels.ngrams_long import match_long, table_bits
from evenweave.kernels.tokenize_bytes import given_tokens, key_tokens, tokenize_row

LIMIT = WORD * WORDS
LONG = -2  # in place of the reference length: the row is left to `bleu_long_rows`


@inner
def read_row(text: Any, bounds: Any, pieces: Any, row: int, classes: Any, flags: int, tokens: Any) -> Any:
    """Write the tokens and keys of one row; return how many there are."""
    if pieces is None:  # decided when this is compiled, so that only one of the two is
        count = tokenize_row(text, bounds[row], bounds[row + 1], classes, flags, tokens)
    else:
        count = given_tokens(pieces, bounds[row], bounds[row + 1], tokens)
    key_tokens(text, tokens, count)
    return count


@inner
def closer(closest: int, ref_count: int, hyp_count: int) -> Any:
    """Return the reference length closer to the hypothesis's, the shorter of two as close; -1 is none yet."""
    gap, best = abs(ref_count - hyp_count), abs(closest - hyp_count)
    return ref_count if closest < 0 or gap < best or (gap == best and ref_count < closest) else closest


@inner
def write_row(out: Any, row: int, hyp_count: int, closest: int, order: int, hits: Any) -> None:
    """Write one row of statistics from the bits of `hits`, which are cleared."""
    out[row, 0], out[row, 1] = hyp_count, closest
    for n in range(order):
        matched = 0
        for word in range((hyp_count + WORD - 1) // WORD):
            matched += popcount(hits[n, word])
            hits[n, word] = 0
        out[row, 2 + n] = matched
        out[row, 2 + order + n] = hyp_count - n if hyp_count > n else 0


def scratch(hyp_bounds: Any, ref_bounds: Any, order: int) -> tuple[Any, ...]:
    """Return the memory `bleu_rows` works in; made here because that compiles no code."""
    wide = int(np.diff(hyp_bounds).max(initial=0))
    far = int(np.diff(ref_bounds).max(initial=0))
    cells = min(wide, LIMIT) * min(far // WORD + 1, WORDS)
    return (
        np.empty((3, wide), dtype=np.int64),
        np.empty((3, far + LANES), dtype=np.int64),
        np.empty(cells, dtype=np.uint64),
        np.empty(cells, dtype=np.uint64),
        np.empty(WORDS, dtype=np.uint64),
        np.zeros((order, min(wide, LIMIT) // WORD + 1), dtype=np.uint64),
    )


@kernel
def bleu_rows(
    hyp: Any, hyp_bounds: Any, hyp_pieces: Any, ref: Any, ref_bounds: Any, ref_pieces: Any, ref_rows: Any,
    classes: Any, flags: int, order: int, memory: Any, out: Any,
) -> Any:  # fmt: skip
    """Write one row of statistics for each row of data; return how many rows are left as LONG.

    Args:
        hyp, ref: uint8 `[N]`, UTF-8; row i is `hyp[hyp_bounds[i]:hyp_bounds[i + 1]]`.
        hyp_pieces, ref_pieces: None for text. For tokens cut already int64: the bounds count tokens, and
            token j is `hyp[hyp_pieces[j]:hyp_pieces[j + 1]]`.
        ref_rows: int64 `[n + 1]`: row i has the references `ref_rows[i]` to `ref_rows[i + 1]`.
        classes, flags: the tokeniser; see `tokenize_row`.
        memory: what `scratch` returns.
        out: int64 `[n, 2 + 2 * order]`, written: hypothesis length, closest reference length, matched
            n-grams of each order, n-grams of each order.
    """
    hyp_tokens, ref_tokens, at, places, taken, hits = memory
    left = 0
    for row in range(len(hyp_bounds) - 1):
        hyp_count = read_row(hyp, hyp_bounds, hyp_pieces, row, classes, flags, hyp_tokens)
        closest: Any = np.int64(-1)
        for r in range(ref_rows[row], ref_rows[row + 1]):
            ref_count = read_row(ref, ref_bounds, ref_pieces, r, classes, flags, ref_tokens)
            longer = hyp_count if hyp_count > ref_count else ref_count  # max() compiles two functions more
            if longer > LIMIT or order > WORD:
                closest = LONG
                left += 1
                break
            closest = closer(closest, ref_count, hyp_count)
            words = (ref_count + WORD - 1) // WORD
            find_places(hyp, hyp_tokens, hyp_count, ref, ref_tokens, ref_count, words, at)
            if longer <= WORD:
                match_word(hyp_count, ref_count, order, at, places, hits)
            else:
                match_words(hyp_count, ref_count, order, words, at, places, taken, hits)
        write_row(out, row, hyp_count if hyp_count < LIMIT else LIMIT, closest, order, hits)
    return left


def long_scratch(hyp_bounds: Any, ref_bounds: Any, order: int) -> tuple[Any, ...]:
    """Return the memory `bleu_long_rows` works in."""
    wide = int(np.diff(hyp_bounds).max(initial=0))
    far = int(np.diff(ref_bounds).max(initial=0))
    return (
        np.empty((3, wide), dtype=np.int64),
        np.empty((3, far + LANES), dtype=np.int64),
        np.empty(1 << table_bits.py_func(far), dtype=np.int32),
        np.empty(far, dtype=np.uint64),
        np.empty((5, max(wide, far)), dtype=np.int32),
        np.zeros((order, wide // WORD + 1), dtype=np.uint64),
    )


@kernel
def bleu_long_rows(
    hyp: Any, hyp_bounds: Any, hyp_pieces: Any, ref: Any, ref_bounds: Any, ref_pieces: Any, ref_rows: Any,
    classes: Any, flags: int, order: int, memory: Any, out: Any,
) -> None:  # fmt: skip
    """Write the rows of statistics that `bleu_rows` left; `memory` is what `long_scratch` returns."""
    hyp_tokens, ref_tokens, table, pairs, grams, hits = memory
    for row in range(len(hyp_bounds) - 1):
        if out[row, 1] != LONG:
            continue
        hyp_count = read_row(hyp, hyp_bounds, hyp_pieces, row, classes, flags, hyp_tokens)
        closest: Any = np.int64(-1)
        for r in range(ref_rows[row], ref_rows[row + 1]):
            ref_count = read_row(ref, ref_bounds, ref_pieces, r, classes, flags, ref_tokens)
            closest = closer(closest, ref_count, hyp_count)
            match_long(
                hyp, hyp_tokens, hyp_count, ref, ref_tokens, ref_count, order, table, pairs, grams, hits
            )
        write_row(out, row, hyp_count, closest, order, hits)
