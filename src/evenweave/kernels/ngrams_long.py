"""Clipped n-gram matches between rows too long for words of bits, through tables of n-gram numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from evenweave.kernels.compiled import inner
from evenweave.kernels.ngrams import same_token
from evenweave.kernels.tokenize_bytes import KEY, MIX


@inner
def table_bits(count: int) -> int:
    """Return the log2 size of an open-addressing table that `count` entries leave at least half empty."""
    bits = 4
    while (1 << bits) < 2 * count:
        bits += 1
    return bits


@inner
def number_tokens(
    hyp: Any, hyp_tokens: Any, hyp_count: int, ref: Any, ref_tokens: Any, ref_count: int,
    table: Any, bits: int, hyp_ids: Any, ref_ids: Any,
) -> None:  # fmt: skip
    """Number tokens: equal bytes, equal number, the first reference position that holds them; -1 for none.

    Args:
        hyp, hyp_tokens, ref, ref_tokens: see `tokenize_bytes`.
        table: int32 `[2 ** bits]`, -1 everywhere; written.
        hyp_ids, ref_ids: int32, written.
    """
    shift, wrap = np.uint64(64 - bits), (1 << bits) - 1
    for i in range(ref_count + hyp_count):  # the reference's tokens fill the table
        mine = i >= ref_count
        at = i - ref_count if mine else i
        text, tokens = (hyp, hyp_tokens) if mine else (ref, ref_tokens)
        key = tokens[KEY, at]
        slot = np.int64(np.uint64(key) * MIX >> shift)
        other = np.int64(table[slot])
        while other >= 0 and not (
            ref_tokens[KEY, other] == key
            and (key >= 0 or same_token(text, tokens, at, ref, ref_tokens, other))
        ):
            slot = (slot + np.int64(1)) & wrap
            other = np.int64(table[slot])
        if mine:
            hyp_ids[at] = other
            continue
        if other < 0:
            table[slot] = at
            other = np.int64(at)
        ref_ids[at] = other


@inner
def match_long(
    hyp: Any, hyp_tokens: Any, hyp_count: int, ref: Any, ref_tokens: Any, ref_count: int,
    order: int, table: Any, pairs: Any, grams: Any, hits: Any,
) -> None:  # fmt: skip
    """Mark the matched n-grams of rows of any length; arguments as in `find_places` and `match_word`.

    An n-gram is numbered by the pair (number of its first n - 1 tokens, number of its last token), so no two
    n-grams can be taken for each other.

    Args:
        table: int32 scratch of `2 ** table_bits(ref_count)` entries.
        pairs: uint64 scratch, one a reference token.
        grams: int32 `[5, tokens of the longer]` scratch.
    """
    hyp_ids, ref_ids, hyp_grams, ref_grams, left = grams[0], grams[1], grams[2], grams[3], grams[4]
    bits = table_bits(ref_count)
    shift, wrap = np.uint64(64 - bits), (1 << bits) - 1
    for cell in range(wrap + 1):
        table[cell] = -1
    number_tokens(hyp, hyp_tokens, hyp_count, ref, ref_tokens, ref_count, table, bits, hyp_ids, ref_ids)
    for i in range(hyp_count):
        hyp_grams[i] = 0
    for i in range(ref_count):
        ref_grams[i] = 0
    for n in range(order):
        if n >= hyp_count or n >= ref_count:
            break
        for cell in range(wrap + 1):
            table[cell] = -1
        known = 0
        for i in range(ref_count - n + hyp_count - n):
            mine = i >= ref_count - n  # first all n-grams of the reference, then the hypothesis's
            at = i - (ref_count - n) if mine else i
            prefix = hyp_grams[at] if mine else ref_grams[at]
            token = hyp_ids[at + n] if mine else ref_ids[at + n]
            gram = np.int32(-1)
            if prefix >= 0 and token >= 0:
                pair = np.uint64(prefix) << np.uint64(32) | np.uint64(token)
                slot = np.int64(pair * MIX >> shift)
                gram = table[slot]
                while gram >= 0 and pairs[gram] != pair:
                    slot = (slot + np.int64(1)) & wrap
                    gram = table[slot]
                if gram < 0 and not mine:
                    gram = np.int32(known)
                    known += 1
                    table[slot], pairs[gram], left[gram] = gram, pair, 0
            if not mine:
                left[gram] += 1
                ref_grams[at] = gram
                continue
            hyp_grams[at] = gram
            if gram >= 0 and left[gram] > 0:
                left[gram] -= 1
                hits[n, at >> 6] |= np.uint64(1) << np.uint64(at & 63)
