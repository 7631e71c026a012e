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
from evenweave.kernels.compiled import inner

FULL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ONE = np.uint64(1)


@njit(cache=True, nogil=True, inline="always")
def lowest(count: Any) -> Any:
    """Return a uint64 whose lowest `count` bits are set; 1..64."""
    return FULL >> np.uint64(64 - count)


@inner
def write_masks(reference: Any, first: Any, last: Any, words: Any, local: Any, masks: Any) -> Any:
    """Write to `masks` where each of the `local` tokens stands in `reference[first:last]`."""
    for i in range((local + 1) * words):
        masks[i] = 0
    for i in range(first, last):
        at = i - first
        masks[(reference[i] + 1) * words + (at >> 6)] |= _ONE << np.uint64(at & 63)


@inner
def lcs_short(
    size: Any, candidate: Any, bounds: Any, sentences: Any, masks: Any, columns: Any, walk: Any
) -> Any:
    """Compare a reference of `size` tokens, 1..64, with each of a candidate's sentences.

    Args:
        bounds: int64, where in `candidate` its `sentences` begin, and where the last ends.
        columns: uint64 scratch, as long as the longest sentence.
        walk: return, as bits, the reference positions of all the subsequences; else return the length of
            the last one.
    """
    marked = np.uint64(0)
    below = lowest(size)
    for sentence in range(sentences):
        start, stop = bounds[sentence], bounds[sentence + 1]
        column = FULL
        for j in range(start, stop):
            matched = column & masks[candidate[j] + 1]
            column = (column + matched) | (column - matched)
            columns[j - start] = column
        if not walk:
            marked = np.uint64(popcount(~column & below))
            continue
        # Nothing in this loop waits for a guess: whether a token matches is anyone's.
        rest = below
        for j in range(stop - 1, start - 1, -1):
            matches = masks[candidate[j] + 1]
            stops = (matches | ~columns[j - start]) & rest
            if stops == 0:
                break
            bit = _ONE << np.uint64(highest_bit(stops))
            marked |= bit & matches
            rest = (bit - _ONE) | (bit & ~matches)
    return marked


@inner
def lcs_long(
    size: Any,
    candidate: Any,
    start: Any,
    stop: Any,
    words: Any,
    masks: Any,
    columns: Any,
    marked: Any,
    walk: Any,
) -> Any:
    """Compare a reference of any length with `candidate[start:stop]`; return the subsequence's length.

    Args:
        columns: uint64 scratch of `words`, or with `walk` of `(stop - start + 1) * words`.
        marked: uint64 `[words]`; with `walk`, receives the positions besides those it holds.
    """
    for word in range(words):
        columns[word] = FULL
    before = after = 0
    for j in range(start, stop):
        row = (candidate[j] + 1) * words
        after = before + words if walk else 0
        carry = np.uint64(0)
        for word in range(words):
            column = columns[before + word]
            matched = column & masks[row + word]
            total = column + matched
            carried = np.uint64(total < column)
            total += carry
            carry = carried | np.uint64(total < carry)
            columns[after + word] = total | (column - matched)
        before = after
    word = words - 1
    below = lowest(size - 64 * word)
    length = popcount(~columns[after + word] & below)
    for other in range(word):
        length += popcount(~columns[after + other])
    for j in range(stop - 1, start - 1, -1):
        if not walk:
            break
        row, column_at = (candidate[j] + 1) * words, (j - start + 1) * words
        stops = (masks[row + word] | ~columns[column_at + word]) & below
        while stops == 0 and word > 0:
            word -= 1
            below = FULL
            stops = masks[row + word] | ~columns[column_at + word]
        if stops == 0:
            break
        bit = _ONE << np.uint64(highest_bit(stops))
        matches = masks[row + word]
        marked[word] |= bit & matches
        below = (bit - _ONE) | (bit & ~matches)
    return length
