"""How many n-grams two token rows share, each counted as often as both have it.

Tokens are local ids: the reference's distinct tokens are 0..L-1, a candidate's token is the same number
or -1 where the reference lacks it. An n-gram's id is the slot at which the pair (id of its first n-1
tokens, last token) lies in a hash table, so any order takes one table and no strings. Of a reference of up
to 64 tokens no table is needed: where an n-gram stands in it is a word of bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evenweave.kernels.compiled import inner

_SPREAD = np.uint64(0x9E3779B97F4A7C15)


_ONE = np.uint64(1)


@inner
def shared_short(candidate: Any, order: Any, masks: Any) -> Any:
    """Return how many n-grams of this order a candidate shares with a reference of up to 64 tokens.

    Args:
        candidate: local ids `[n]`; order: n, at least 2.
        masks: uint64, where each token stands in the reference, as in `kernels.lcs` with W = 1.
    """
    free = ~np.uint64(0)  # ends of the reference's n-grams that no n-gram of the candidate has taken yet
    shared = 0
    for j in range(len(candidate) - order + 1):
        ends = masks[candidate[j] + 1]
        for k in range(j + 1, j + order):
            ends = (ends << _ONE) & masks[candidate[k] + 1]
        ends &= free
        free &= ~(ends & (~ends + _ONE))
        shared += ends != 0
    return shared


@inner
def extend_ngrams(
    reference: Any, candidate: Any, local: Any, order: Any, heads: Any, tails: Any, keys: Any, counts: Any
) -> Any:
    """Go from the (order-1)-grams of both rows to their n-grams; return how many they share.

    Args:
        reference, candidate: local ids `[m]`, `[n]`; local: how many there are.
        order: n, at least 2.
        heads, tails: int64, the ids of the (n-1)-grams starting at each token of the reference and of the
            candidate (-1: not in the reference); receive those of the n-grams.
        keys, counts: int64 scratch of 16 or at least 4 m slots.
    """
    grams = len(reference) - order + 1
    if grams <= 0 or len(candidate) < order:
        return 0
    slots: Any = 16  # a power of two, at most half full
    while slots < 2 * grams:
        slots *= 2
    for slot in range(slots):
        keys[slot] = -1
    for i in range(grams):
        key = heads[i] * local + reference[i + order - 1]
        slot = np.int64((np.uint64(key) * _SPREAD) >> np.uint64(32)) & (slots - 1)
        while keys[slot] != key:
            if keys[slot] < 0:
                keys[slot] = key
                counts[slot] = 0
                break
            slot = (slot + 1) & (slots - 1)
        counts[slot] += 1
        heads[i] = slot
    shared = 0
    for j in range(len(candidate) - order + 1):
        last = candidate[j + order - 1]
        if tails[j] < 0 or last < 0:
            tails[j] = -1
            continue
        key = tails[j] * local + last
        slot = np.int64((np.uint64(key) * _SPREAD) >> np.uint64(32)) & (slots - 1)
        while keys[slot] != key and keys[slot] >= 0:
            slot = (slot + 1) & (slots - 1)
        if keys[slot] < 0:
            tails[j] = -1
            continue
        tails[j] = slot
        if counts[slot] > 0:
            counts[slot] -= 1
            shared += 1
    return shared
