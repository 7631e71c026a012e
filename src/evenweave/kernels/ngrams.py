"""Clipped n-gram matches between two rows of tokens, exact: keys only choose what is compared.

Up to 64 reference tokens fit one word of bits. `places[i]` holds the reference positions at which the
n-gram starting at hypothesis position i occurs; the next order is `places[i] &= at[i + n - 1] >> (n - 1)`.
Equal n-grams have equal bits and different ones share none, so taking one free bit for each occurrence
counts the matches and clips them at once. Longer rows go through tables of n-gram numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from evenweave.kernels.load import LANES, equals, lowest_bit
from evenweave.kernels.tokenize_bytes import END, KEY, MIX, NO_KEY, START

WORD = 64  # tokens that fit one word of bits


@njit(cache=True, nogil=True)
def same_token(text: Any, tokens: Any, i: Any, other_text: Any, other_tokens: Any, j: Any) -> Any:
    """Return whether two tokens of equal keys hold the same bytes."""
    if tokens[KEY, i] >= 0:
        return True
    size = tokens[END, i] - tokens[START, i]
    if other_tokens[END, j] - other_tokens[START, j] != size:
        return False
    start, other_start = tokens[START, i], other_tokens[START, j]
    for step in range(size):  # noqa: SIM110 - Numba compiles no generator here
        if text[start + step] != other_text[other_start + step]:
            return False
    return True


@njit(cache=True, nogil=True)
def table_bits(count: int) -> int:
    """Return the log2 size of an open-addressing table that `count` entries leave at least half empty."""
    bits = 4
    while (1 << bits) < 2 * count:
        bits += 1
    return bits


@njit(cache=True, nogil=True)
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
            ref_tokens[KEY, other] == key and same_token(text, tokens, at, ref, ref_tokens, other)
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


@njit(cache=True, nogil=True)
def match_short(
    hyp: Any, hyp_tokens: Any, hyp_count: int, ref: Any, ref_tokens: Any, ref_count: int,
    order: int, places: Any, hits: Any,
) -> None:  # fmt: skip
    """Mark the matched n-grams of a hypothesis and a reference of at most 64 tokens each.

    Args:
        hyp, hyp_tokens, ref, ref_tokens: see `tokenize_bytes`; `ref_tokens` with room for LANES more.
        places: uint64 `[2, WORD]` scratch.
        hits: uint64 `[order, words]`; bit i of row n - 1 is set where the n-gram at position i is matched.
    """
    at, places = places[0], places[1]
    for j in range(ref_count, ref_count + LANES):
        ref_tokens[KEY, j] = NO_KEY
    for i in range(hyp_count):
        key = hyp_tokens[KEY, i]
        here = np.uint64(0)
        for j in range(0, ref_count, LANES):
            here |= equals(ref_tokens, j, key) << np.uint64(j)
        if key < 0:
            left = here
            while left:
                j = lowest_bit(left)
                left &= left - np.uint64(1)
                if not same_token(hyp, hyp_tokens, i, ref, ref_tokens, j):
                    here ^= np.uint64(1) << np.uint64(j)
        at[i] = here
        places[i] = here
    for n in range(min(order, hyp_count, ref_count)):
        taken = np.uint64(0)
        matched = np.uint64(0)
        for i in range(hyp_count - n):
            here = places[i] & (at[i + n] >> np.uint64(n))
            places[i] = here
            free = here & ~taken
            taken |= free & (~free + np.uint64(1))
            matched |= np.uint64(free != 0) << np.uint64(i)
        if matched == 0:
            break
        hits[n, 0] |= matched


@njit(cache=True, nogil=True)
def match_long(
    hyp: Any, hyp_tokens: Any, hyp_count: int, ref: Any, ref_tokens: Any, ref_count: int,
    order: int, table: Any, pairs: Any, grams: Any, hits: Any,
) -> None:  # fmt: skip
    """Mark the matched n-grams of rows of any length; `hits` and the rest as in `match_short`.

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
    for n in range(min(order, hyp_count, ref_count)):
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
