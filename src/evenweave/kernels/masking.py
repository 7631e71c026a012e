"""Kernels that choose targets for masked language modelling and overwrite the inputs there.

A batch is one flat array of tokens and, for each row, where it starts and how long it is: that covers padded
batches on either side and flat ones alike, and the same row gets the same mask in all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from evenweave import rng

mix = njit(inline="always")(rng.mix)

IGNORED = -100
_KEY = np.uint64(0x5EED)
_SELECT, _REPLACE, _WHICH = np.uint64(0), np.uint64(1), np.uint64(2)
_SHIFT = np.uint64(11)
# No draw is as large: they have 53 bits.
_NEVER = np.uint64(2**64 - 1)


@njit(cache=True, nogil=True)
def row_keys(
    ids: NDArray[np.int64], starts: NDArray[np.int64], sizes: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Return a name for each row that depends on its ids alone, uint64 `[B]`.

    It is a sum of products with pseudo-random odd numbers (multilinear hashing), which vectorises.
    """
    longest = 0
    for i in range(len(sizes)):
        longest = max(longest, sizes[i])
    factors = np.empty(longest, np.uint64)
    for j in range(longest):
        factors[j] = mix(_KEY, np.uint64(j)) | np.uint64(1)
    keys = np.empty(len(starts), np.uint64)
    for i in range(len(starts)):
        row = ids[starts[i] : starts[i] + sizes[i]]
        key = np.uint64(0)
        for j in range(len(row)):
            key += factors[j] * np.uint64(row[j])
        keys[i] = mix(key, np.uint64(sizes[i]))
    return keys


@njit(cache=True, nogil=True)
def lookup(ids: NDArray[np.int64], table: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Write `table[id]` for each id, 0 for ids beyond the table."""
    for i in range(len(ids)):
        out[i] = table[ids[i]] if 0 <= ids[i] < len(table) else 0


@njit(cache=True, nogil=True)
def number_words(
    spans: NDArray[np.int64], ids: NDArray[Any], table: NDArray[np.uint8], out: NDArray[np.int64]
) -> None:
    """Number the words of tokens that cover `spans` `[N, 2]` of their text into `out` `[N]`.

    A word starts behind a gap or a step back, where the rows' next text begins; and where `table`, if it has
    entries, is 1 at the token's id. Pieces of one character (its bytes, or a space put before it) cover the
    same place.
    """
    number = 0
    begin, end = np.int64(0), np.int64(0)
    for i in range(len(spans)):
        starts = spans[i, 0] > end or spans[i, 0] < begin
        if len(table) > 0 and 0 <= ids[i] < len(table):
            starts |= table[ids[i]] == 1
        begin, end = spans[i, 0], spans[i, 1]
        number += starts
        out[i] = number


@njit(cache=True, nogil=True)
def find_heads(
    words: NDArray[np.int64], special: NDArray[Any], heads: NDArray[np.uint8], barred: NDArray[np.uint8]
) -> None:
    """Mark in `heads` the first token of each word of `words` `[B, T]`, and in `barred` special tokens.

    Special are tokens of a negative word, and those where `special` `[B, T]` is not zero.
    """
    for i in range(len(words)):
        row, out = words[i], heads[i]
        for j in range(len(row)):
            out[j] = 1
            barred[i, j] = (row[j] < 0) | (special[i, j] != 0)
        for j in range(1, len(row)):
            out[j] = row[j] != row[j - 1]


@njit(cache=True, nogil=True)
def mask_rows(
    ids: NDArray[np.int64],
    labels: NDArray[np.int64],
    starts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    special: NDArray[np.uint8],
    heads: NDArray[np.uint8],
    keys: NDArray[np.uint64],
    state: NDArray[np.uint64],
    probability: float,
    replace: float,
    random: float,
    mask_id: int,
    vocab_size: int,
    min_masked: int,
) -> None:
    """Choose targets, write their ids to `labels` (which holds IGNORED), and overwrite them in `ids`.

    `special` is non-zero where a token is never a target. `heads` is non-zero where a token starts a unit
    that is masked as a whole (a word); empty means that every token is a unit. `state` `[3]` is the random
    state of (seed, epoch, draw) for the draws: which units, what becomes of a target, which random token.
    """
    longest = 0
    for i in range(len(sizes)):
        longest = max(longest, sizes[i])
    draws = np.empty(longest, np.uint64)
    # A uniform draw u is below p where its 53 bits are below p * 2**53, rounded up.
    whole = np.uint64(np.ceil(probability * 2.0**53))
    words = len(heads) > 0
    for i in range(len(starts)):
        start, size = starts[i], sizes[i]
        select = mix(state[_SELECT], keys[i])
        for j in range(size):
            draws[j] = mix(select, np.uint64(j)) >> _SHIFT
        # A unit's draw stands at its first token.
        chosen = 0
        inside = False
        for j in range(size):
            if special[start + j]:
                inside = False
                draws[j] = _NEVER
            elif words and inside and not heads[start + j]:
                draws[j] = _NEVER
            else:
                inside = True
                chosen += draws[j] < whole
        bound = whole
        while chosen < min_masked:
            # The next smallest draw joins the targets.
            smallest = _NEVER
            for j in range(size):
                if bound <= draws[j] < smallest:
                    smallest = draws[j]
            if smallest == _NEVER:
                break
            bound = smallest + np.uint64(1)
            chosen += 1
        if chosen == 0:
            continue
        fate = mix(state[_REPLACE], keys[i])
        which = mix(state[_WHICH], keys[i])
        taken = False
        for j in range(size):
            at = start + j
            if draws[j] != _NEVER:
                taken = draws[j] < bound
            if not taken or special[at]:
                continue
            labels[at] = ids[at]
            share = np.float64(mix(fate, np.uint64(j)) >> _SHIFT) * 2.0**-53
            if share < replace:
                ids[at] = mask_id
            elif share < replace + random:
                unit = np.float64(mix(which, np.uint64(j)) >> _SHIFT) * 2.0**-53
                ids[at] = np.int64(unit * vocab_size)


@njit(cache=True, nogil=True)
def ignore_padding(
    labels: NDArray[np.int64], starts: NDArray[np.int64], sizes: NDArray[np.int64], width: int
) -> None:
    """Write IGNORED into `labels` (flat, rows of `width`) wherever no row has a token."""
    for i in range(len(starts)):
        line = labels[i * width : (i + 1) * width]
        first = starts[i] - i * width
        line[:first] = IGNORED
        line[first + sizes[i] :] = IGNORED
