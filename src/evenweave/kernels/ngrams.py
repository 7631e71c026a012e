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
from evenweave.kernels.tokenize_bytes import LONG, MIX, NO_KEY

WORD = 64  # reference tokens that fit one word of bits


@njit(cache=True, nogil=True)
def same_bytes(a: Any, a_start: int, a_end: int, b: Any, b_start: int, b_end: int) -> bool:
    """Return whether `a[a_start:a_end]` and `b[b_start:b_end]` are the same bytes."""
    if a_end - a_start != b_end - b_start:
        return False
    for step in range(a_end - a_start):  # noqa: SIM110 - Numba compiles no generator here
        if a[a_start + step] != b[b_start + step]:
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
    ref: Any, ref_keys: Any, ref_starts: Any, ref_ends: Any, ref_count: int,
    hyp: Any, hyp_keys: Any, hyp_starts: Any, hyp_ends: Any, hyp_count: int,
    table: Any, ref_ids: Any, hyp_ids: Any,
) -> None:  # fmt: skip
    """Number the tokens: equal bytes, equal number.

    A number is the first reference position that holds the token; -1 for a hypothesis token no reference
    position holds.

    Args:
        table: int32 scratch of at least `2 ** table_bits(ref_count)` entries.
        ref_ids, hyp_ids: int32, written.
    """
    bits = table_bits(ref_count)
    shift, wrap = np.uint64(64 - bits), (1 << bits) - 1
    for cell in range(wrap + 1):
        table[cell] = -1
    for i in range(ref_count):
        key = ref_keys[i]
        slot = np.int64(key * MIX >> shift)
        while True:
            other = table[slot]
            if other < 0:
                table[slot] = i
                ref_ids[i] = i
                break
            if ref_keys[other] == key and (
                key < LONG
                or same_bytes(ref, ref_starts[i], ref_ends[i], ref, ref_starts[other], ref_ends[other])
            ):
                ref_ids[i] = other
                break
            slot = (slot + np.int64(1)) & wrap
    for i in range(hyp_count):
        key = hyp_keys[i]
        slot = np.int64(key * MIX >> shift)
        while True:
            other = table[slot]
            if other < 0:
                hyp_ids[i] = -1
                break
            if ref_keys[other] == key and (
                key < LONG
                or same_bytes(hyp, hyp_starts[i], hyp_ends[i], ref, ref_starts[other], ref_ends[other])
            ):
                hyp_ids[i] = other
                break
            slot = (slot + np.int64(1)) & wrap


@njit(cache=True, nogil=True)
def match_short(
    ref: Any, ref_keys: Any, ref_starts: Any, ref_ends: Any, ref_count: int,
    hyp: Any, hyp_keys: Any, hyp_starts: Any, hyp_ends: Any, hyp_count: int,
    order: int, at: Any, places: Any, hits: Any,
) -> None:  # fmt: skip
    """Mark the matched n-grams of a hypothesis and a reference of at most 64 tokens each.

    Args:
        ref_keys: with room for LANES more than there are tokens.
        at, places: uint64 scratch, one a token.
        hits: uint64 `[order, words]`; bit i of row n - 1 is set where the n-gram at position i is matched.
    """
    for i in range(ref_count, ref_count + LANES):
        ref_keys[i] = NO_KEY
    for i in range(hyp_count):
        key = hyp_keys[i]
        here = np.uint64(0)
        for j in range(0, ref_count, LANES):
            here |= equals(ref_keys, j, key) << np.uint64(j)
        if key >= LONG:
            left = here
            while left:
                j = lowest_bit(left)
                left &= left - np.uint64(1)
                if not same_bytes(hyp, hyp_starts[i], hyp_ends[i], ref, ref_starts[j], ref_ends[j]):
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
    hyp_ids: Any, hyp_count: int, ref_ids: Any, ref_count: int, order: int,
    table: Any, pairs: Any, left: Any, hyp_grams: Any, ref_grams: Any, hits: Any,
) -> None:  # fmt: skip
    """Mark the matched n-grams of rows of any length, numbered by `number_tokens`; `hits` as in `match_short`.

    An n-gram is numbered by the pair (number of its first n - 1 tokens, number of its last token), so no two
    n-grams can be taken for each other.

    Args:
        table: int32 scratch of `2 ** table_bits(ref_count)` entries.
        pairs: uint64 scratch, left: int32 scratch, one a reference token.
        hyp_grams, ref_grams: int32 scratch, one a token.
    """
    bits = table_bits(ref_count)
    shift, wrap = np.uint64(64 - bits), (1 << bits) - 1
    for i in range(ref_count):
        ref_grams[i] = 0
    for i in range(hyp_count):
        hyp_grams[i] = 0
    for n in range(min(order, hyp_count, ref_count)):
        for cell in range(wrap + 1):
            table[cell] = -1
        grams = 0
        for i in range(ref_count - n):
            pair = np.uint64(ref_grams[i]) << np.uint64(32) | np.uint64(ref_ids[i + n])
            slot = np.int64((pair * MIX) >> shift)
            while table[slot] >= 0 and pairs[table[slot]] != pair:
                slot = (slot + np.int64(1)) & wrap
            gram = table[slot]
            if gram < 0:
                gram = grams
                grams += 1
                table[slot] = gram
                pairs[gram] = pair
                left[gram] = 0
            left[gram] += 1
            ref_grams[i] = gram
        for i in range(hyp_count - n):
            if hyp_grams[i] < 0 or hyp_ids[i + n] < 0:
                hyp_grams[i] = -1
                continue
            pair = np.uint64(hyp_grams[i]) << np.uint64(32) | np.uint64(hyp_ids[i + n])
            slot = np.int64((pair * MIX) >> shift)
            while table[slot] >= 0 and pairs[table[slot]] != pair:
                slot = (slot + np.int64(1)) & wrap
            gram = table[slot]
            hyp_grams[i] = gram
            if gram >= 0 and left[gram] > 0:
                left[gram] -= 1
                hits[n, i >> 6] |= np.uint64(1) << np.uint64(i & 63)
