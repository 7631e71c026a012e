"""BLEU statistics of every row: tokenise the hypothesis and each reference, count the clipped matches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from evenweave.kernels.bits import popcount
from evenweave.kernels.load import LANES
from evenweave.kernels.ngrams import WORD, match_long, match_short, table_bits
from evenweave.kernels.tokenize_bytes import given_tokens, key_tokens, tokenize_row


def scratch(hyp_bounds: NDArray[np.int64], ref_bounds: NDArray[np.int64], order: int) -> tuple[Any, ...]:
    """Return the memory `bleu_rows` works in; made here because that compiles no code."""
    wide = int(np.diff(hyp_bounds).max(initial=0))
    far = int(np.diff(ref_bounds).max(initial=0))
    return (
        np.empty((3, wide), dtype=np.int64),
        np.empty((3, far + LANES), dtype=np.int64),
        np.empty((2, WORD), dtype=np.uint64),
        np.empty(1 << table_bits.py_func(far), dtype=np.int32),
        np.empty(far, dtype=np.uint64),
        np.empty((5, max(wide, far)), dtype=np.int32),
        np.zeros((order, wide // WORD + 1), dtype=np.uint64),
    )


@njit(cache=True, nogil=True)
def bleu_rows(
    hyp: Any, hyp_bounds: Any, hyp_pieces: Any, ref: Any, ref_bounds: Any, ref_pieces: Any, ref_rows: Any,
    classes: Any, open_ends: bool, strip_front: bool, order: int, memory: Any, out: Any,
) -> None:  # fmt: skip
    """Write one row of statistics for each row of data.

    Args:
        hyp, ref: uint8 `[N]`, UTF-8; row i is `hyp[hyp_bounds[i]:hyp_bounds[i + 1]]`.
        hyp_pieces, ref_pieces: int64; empty for text. For tokens cut already the bounds count tokens, and
            token j is `hyp[hyp_pieces[j]:hyp_pieces[j + 1]]`.
        ref_rows: int64 `[n + 1]`: row i has the references `ref_rows[i]` to `ref_rows[i + 1]`.
        classes, open_ends, strip_front: the tokeniser; see `tokenize_row`.
        memory: what `scratch` returns.
        out: int64 `[n, 2 + 2 * order]`, written: hypothesis length, closest reference length (the shorter
            of two as close), matched n-grams of each order, n-grams of each order.
    """
    hyp_tokens, ref_tokens, places, table, pairs, grams, hits = memory
    for row in range(len(hyp_bounds) - 1):
        first, last = hyp_bounds[row], hyp_bounds[row + 1]
        if len(hyp_pieces):
            hyp_count = given_tokens(hyp_pieces, first, last, hyp_tokens)
        else:
            hyp_count = tokenize_row(hyp, first, last, classes, open_ends, strip_front, hyp_tokens)
        key_tokens(hyp, hyp_tokens, hyp_count)
        closest = -1
        for r in range(ref_rows[row], ref_rows[row + 1]):
            first, last = ref_bounds[r], ref_bounds[r + 1]
            if len(ref_pieces):
                ref_count = given_tokens(ref_pieces, first, last, ref_tokens)
            else:
                ref_count = tokenize_row(ref, first, last, classes, open_ends, strip_front, ref_tokens)
            key_tokens(ref, ref_tokens, ref_count)
            gap, best = abs(ref_count - hyp_count), abs(closest - hyp_count)
            if closest < 0 or gap < best or (gap == best and ref_count < closest):
                closest = ref_count
            if max(hyp_count, ref_count) <= WORD:
                match_short(hyp, hyp_tokens, hyp_count, ref, ref_tokens, ref_count, order, places, hits)
            else:
                match_long(
                    hyp, hyp_tokens, hyp_count, ref, ref_tokens, ref_count, order, table, pairs, grams, hits
                )
        out[row, 0], out[row, 1] = hyp_count, closest
        for n in range(order):
            matched = 0
            for word in range((hyp_count + WORD - 1) // WORD):
                matched += popcount(hits[n, word])
                hits[n, word] = 0
            out[row, 2 + n] = matched
            out[row, 2 + order + n] = max(0, hyp_count - n)
