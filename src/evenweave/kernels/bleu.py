"""BLEU statistics of every row: tokenise the hypothesis and each reference, count the clipped matches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from evenweave.kernels.bits import popcount
from evenweave.kernels.load import LANES
from evenweave.kernels.ngrams import WORD, match_long, match_short, number_tokens, table_bits
from evenweave.kernels.tokenize_bytes import key_of, tokenize_row


@njit(cache=True, nogil=True)
def _longest(bounds: Any) -> int:
    longest = 0
    for row in range(len(bounds) - 1):
        longest = max(longest, bounds[row + 1] - bounds[row])
    return longest


@njit(cache=True, nogil=True)
def given_tokens(text: Any, pieces: Any, first: int, last: int, keys: Any, starts: Any, ends: Any) -> int:
    """Write tokens `first` to `last` of those cut already, as `tokenize_row` does; return how many."""
    for token in range(first, last):
        start, end = pieces[token], pieces[token + 1]
        keys[token - first] = key_of(text, start, end)
        starts[token - first], ends[token - first] = start, end
    return last - first


@njit(cache=True, nogil=True)
def bleu_rows(
    hyp: Any, hyp_bounds: Any, hyp_pieces: Any, ref: Any, ref_bounds: Any, ref_pieces: Any, ref_rows: Any,
    classes: Any, open_ends: bool, strip_front: bool, order: int, out: Any,
) -> None:  # fmt: skip
    """Write one row of statistics for each row of data.

    Args:
        hyp, ref: uint8 `[N]`, UTF-8; row i is `hyp[hyp_bounds[i]:hyp_bounds[i + 1]]`.
        hyp_pieces, ref_pieces: int64; empty for text. For tokens cut already the bounds count tokens, and
            token j is `hyp[hyp_pieces[j]:hyp_pieces[j + 1]]`.
        ref_rows: int64 `[n + 1]`: row i has the references `ref_rows[i]` to `ref_rows[i + 1]`.
        classes, open_ends, strip_front: the tokeniser; see `tokenize_row`.
        out: int64 `[n, 2 + 2 * order]`, written: hypothesis length, closest reference length (the shorter
            of two as close), matched n-grams of each order, n-grams of each order.
    """
    wide = _longest(hyp_bounds)
    far = _longest(ref_bounds)
    hyp_keys, ref_keys = np.empty(wide, np.uint64), np.empty(far + LANES, np.uint64)
    hyp_starts, hyp_ends = np.empty(wide, np.int64), np.empty(wide, np.int64)
    ref_starts, ref_ends = np.empty(far, np.int64), np.empty(far, np.int64)
    hyp_ids, ref_ids = np.empty(wide, np.int32), np.empty(far, np.int32)
    hyp_grams, ref_grams = np.empty(wide, np.int32), np.empty(far, np.int32)
    at, places = np.empty(WORD, np.uint64), np.empty(WORD, np.uint64)
    table, pairs = np.empty(1 << table_bits(far), np.int32), np.empty(far, np.uint64)
    left = np.empty(far, np.int32)
    hits = np.zeros((order, wide // WORD + 1), np.uint64)

    for row in range(len(hyp_bounds) - 1):
        first, last = hyp_bounds[row], hyp_bounds[row + 1]
        if len(hyp_pieces):
            hyp_count = given_tokens(hyp, hyp_pieces, first, last, hyp_keys, hyp_starts, hyp_ends)
        else:
            hyp_count = tokenize_row(
                hyp, first, last, classes, open_ends, strip_front, hyp_keys, hyp_starts, hyp_ends
            )
        closest = -1
        for r in range(ref_rows[row], ref_rows[row + 1]):
            first, last = ref_bounds[r], ref_bounds[r + 1]
            if len(ref_pieces):
                ref_count = given_tokens(ref, ref_pieces, first, last, ref_keys, ref_starts, ref_ends)
            else:
                ref_count = tokenize_row(
                    ref, first, last, classes, open_ends, strip_front, ref_keys, ref_starts, ref_ends
                )
            gap, best = abs(ref_count - hyp_count), abs(closest - hyp_count)
            if closest < 0 or gap < best or (gap == best and ref_count < closest):
                closest = ref_count
            if max(hyp_count, ref_count) <= WORD:
                match_short(
                    ref, ref_keys, ref_starts, ref_ends, ref_count,
                    hyp, hyp_keys, hyp_starts, hyp_ends, hyp_count,
                    order, at, places, hits,
                )  # fmt: skip
                continue
            number_tokens(
                ref, ref_keys, ref_starts, ref_ends, ref_count,
                hyp, hyp_keys, hyp_starts, hyp_ends, hyp_count,
                table, ref_ids, hyp_ids,
            )  # fmt: skip
            match_long(
                hyp_ids, hyp_count, ref_ids, ref_count, order,
                table, pairs, left, hyp_grams, ref_grams, hits,
            )  # fmt: skip
        out[row, 0], out[row, 1] = hyp_count, closest
        for n in range(order):
            matched = 0
            for word in range((hyp_count + WORD - 1) // WORD):
                matched += popcount(hits[n, word])
                hits[n, word] = 0
            out[row, 2 + n] = matched
            out[row, 2 + order + n] = max(0, hyp_count - n)
