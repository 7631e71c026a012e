"""Longest common subsequences, 64 table cells an instruction.

The table t[i][j] of reference x candidate is kept as differences along the reference: bit i of column j is
0 where t[i + 1][j] = t[i][j] + 1 (Crochemore et al. 2001; Hyyrö 2004, "Bit-parallel LCS-length computation
revisited"). A column is W words of 64 bits.

ROUGE's union needs the very subsequence that rouge_score's walk back through the table finds: at (i, j) a
match goes diagonally, else left if t[i][j - 1] > t[i - 1][j], else up. Without a match that comparison
holds exactly where t[i][j] > t[i - 1][j], which is the column's own bit. So within a column the walk stops
at the highest set bit of (match or difference), and costs one step a candidate token.

Tokens are local ids, -1 for a candidate's token that the reference lacks. `masks` is uint64
`[W * (local ids + 1)]`: where each token stands in the reference, in row token + 1, so that row 0 is empty.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from evenweave.kernels.bits import highest_bit, popcount

FULL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ONE = np.uint64(1)


@njit(cache=True, nogil=True, inline="always")
def lowest(count: Any) -> Any:
    """Return a uint64 whose lowest `count` bits are set; 1..64."""
    return FULL >> np.uint64(64 - count)


@njit(cache=True, nogil=True)
def set_masks(reference: Any, first: int, last: int, masks: Any, words: int) -> Any:
    """Set in `masks`, clear before, where each token stands in `reference[first:last]`."""
    for i in range(first, last):
        at = i - first
        masks[(reference[i] + 1) * words + (at >> 6)] |= _ONE << np.uint64(at & 63)


@njit(cache=True, nogil=True)
def clear_masks(reference: Any, first: int, last: int, masks: Any, words: int) -> Any:
    """Undo `set_masks`."""
    for i in range(first, last):
        for word in range(words):
            masks[(reference[i] + 1) * words + word] = 0


@njit(cache=True, nogil=True)
def advance(token: Any, masks: Any, words: int, columns: Any, before: int, after: int) -> Any:
    """Write the column of a further candidate token at `after`, from the one at `before`."""
    carry = np.uint64(0)
    row = (token + 1) * words
    for word in range(words):
        column = columns[before + word]
        matched = column & masks[row + word]
        total = column + matched
        carried = np.uint64(total < column)
        total += carry
        carry = carried | np.uint64(total < carry)
        columns[after + word] = total | (column - matched)


@njit(cache=True, nogil=True)
def lcs_length(size: int, candidate: Any, masks: Any, words: int, columns: Any) -> Any:
    """Return the length of the longest common subsequence with a reference of `size` tokens.

    `columns` is uint64 scratch of at least `words`.
    """
    if words == 1:
        column = FULL
        for j in range(len(candidate)):
            matched = column & masks[candidate[j] + 1]
            column = (column + matched) | (column - matched)
        return popcount(~column & lowest(size))
    columns[:words] = FULL
    for j in range(len(candidate)):
        advance(candidate[j], masks, words, columns, 0, 0)
    length = 0
    for word in range(words):
        length += popcount(~columns[word] & lowest(min(size - 64 * word, 64)))
    return length


@njit(cache=True, nogil=True)
def mark_short(size: int, candidate: Any, start: int, stop: int, masks: Any, columns: Any) -> Any:
    """Return, as bits, the reference positions of the subsequence with `candidate[start:stop]`.

    The reference has at most 64 tokens. `columns` is uint64 scratch of `stop - start`.
    """
    column = FULL
    for j in range(start, stop):
        matched = column & masks[candidate[j] + 1]
        column = (column + matched) | (column - matched)
        columns[j - start] = column
    below = lowest(size)
    marked = np.uint64(0)
    # Nothing in this loop waits for a guess: whether a token matches is anyone's.
    for j in range(stop - 1, start - 1, -1):
        matches = masks[candidate[j] + 1]
        stops = (matches | ~columns[j - start]) & below
        if stops == 0:
            break
        bit = _ONE << np.uint64(highest_bit(stops))
        marked |= bit & matches
        below = (bit - _ONE) | (bit & ~matches)
    return marked


@njit(cache=True, nogil=True)
def mark_long(
    size: int, candidate: Any, start: int, stop: int, masks: Any, words: int, columns: Any, marked: Any
) -> Any:
    """Set in `marked` (uint64 `[words]`) what `mark_short` returns, for a reference of any length.

    `columns` is uint64 scratch of `(stop - start + 1) * words`.
    """
    columns[:words] = FULL
    for j in range(start, stop):
        before = (j - start) * words
        advance(candidate[j], masks, words, columns, before, before + words)
    word = words - 1
    below = lowest(size - 64 * word)
    for j in range(stop - 1, start - 1, -1):
        row, column = (candidate[j] + 1) * words, (j - start + 1) * words
        stops = (masks[row + word] | ~columns[column + word]) & below
        while stops == 0:
            if word == 0:
                return
            word -= 1
            below = FULL
            stops = masks[row + word] | ~columns[column + word]
        bit = _ONE << np.uint64(highest_bit(stops))
        matches = masks[row + word]
        marked[word] |= bit & matches
        below = (bit - _ONE) | (bit & ~matches)
