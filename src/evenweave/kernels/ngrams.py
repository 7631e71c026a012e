"""Clipped n-gram matches between two rows of tokens, exact: keys only choose what is compared.

Up to 64 reference tokens fit one word of bits, more take several. `places[i]` holds the reference positions
at which the n-gram starting at hypothesis position i occurs; the next order is
`places[i] &= at[i + n - 1] >> (n - 1)`. Equal n-grams have equal bits and different ones share none, so
taking one free bit for each occurrence counts the matches and clips them at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from evenweave.kernels.compiled import inner
from evenweave.kernels.load import LANES, equals, load, lowest_bit
from evenweave.kernels.tokenize_bytes import END, KEY, NO_KEY, START

WORD = 64  # tokens that fit one word of bits
WORDS = 8  # of bits; with more, the tables of `ngrams_long` are faster
_ONE = np.uint64(1)


@njit(cache=True, nogil=True, inline="always")
def same_token(text: Any, tokens: Any, i: Any, other_text: Any, other_tokens: Any, j: Any) -> Any:
    """Return whether two tokens of equal keys below 0, so of 8 bytes or more, hold the same bytes."""
    start, other_start = tokens[START, i], other_tokens[START, j]
    last = tokens[END, i] - start - 8
    same = other_tokens[END, j] - other_start - 8 == last
    same = same and load(text, start + last) == load(other_text, other_start + last)
    step = 0
    while same and step < last:
        same = load(text, start + step) == load(other_text, other_start + step)
        step += 8
    return same


@inner
def find_places(
    hyp: Any, hyp_tokens: Any, hyp_count: int, ref: Any, ref_tokens: Any, ref_count: int, words: int, at: Any
) -> None:  # fmt: skip
    """Write the reference positions that hold each hypothesis token, as `words` words of bits each.

    Args:
        hyp, hyp_tokens, ref, ref_tokens: see `tokenize_bytes`; `ref_tokens` with room for LANES more.
        at: uint64, `words` for each hypothesis token, written.
    """
    for j in range(ref_count, ref_count + LANES):
        ref_tokens[KEY, j] = NO_KEY
    for i in range(hyp_count):
        key = hyp_tokens[KEY, i]
        for word in range(words):
            first = word * WORD
            here = np.uint64(0)
            stop = first + WORD if first + WORD < ref_count else ref_count
            for j in range(first, stop, LANES):
                here |= equals(ref_tokens, j, key) << np.uint64(j - first)
            if key < 0:
                left = here
                while left:
                    bit = left & (~left + _ONE)
                    left ^= bit
                    if not same_token(hyp, hyp_tokens, i, ref, ref_tokens, first + lowest_bit(bit)):
                        here ^= bit
            at[i * words + word] = here


@inner
def match_word(hyp_count: int, ref_count: int, order: int, at: Any, places: Any, hits: Any) -> None:
    """Mark the matched n-grams of at most 64 tokens on either side.

    Args:
        at: what `find_places` wrote; places: uint64 scratch as long.
        hits: uint64 `[order, words]`; bit i of row n - 1 is set where the n-gram at position i is matched.
    """
    for i in range(hyp_count):
        places[i] = at[i]
    for n in range(order):
        if n >= hyp_count or n >= ref_count:
            break
        taken = np.uint64(0)
        matched = np.uint64(0)
        for i in range(hyp_count - n):
            here = places[i] & (at[i + n] >> np.uint64(n))
            places[i] = here
            free = here & ~taken
            taken |= free & (~free + _ONE)
            matched |= np.uint64(free != 0) << np.uint64(i)
        if matched == 0:
            break
        hits[n, 0] |= matched


@inner
def match_words(
    hyp_count: int, ref_count: int, order: int, words: int, at: Any, places: Any, taken: Any, hits: Any
) -> None:
    """Do as `match_word` where the reference takes several words of bits.

    Args:
        order: at most 64.
        taken: uint64 `[words]` scratch.
    """
    for i in range(hyp_count * words):
        places[i] = at[i]
    for n in range(order):
        if n >= hyp_count or n >= ref_count:
            break
        for word in range(words):
            taken[word] = 0
        some = False
        for i in range(hyp_count - n):
            found = False
            for word in range(words):
                last = (i + n) * words + word
                reached = at[last] >> np.uint64(n)
                if n > 0 and word + 1 < words:
                    reached |= at[last + 1] << np.uint64(64 - n)
                here = places[i * words + word] & reached
                places[i * words + word] = here
                free = here & ~taken[word]
                if free != 0 and not found:
                    taken[word] |= free & (~free + _ONE)
                    found = True
            if found:
                hits[n, i >> 6] |= _ONE << np.uint64(i & 63)
                some = True
        if not some:
            break
