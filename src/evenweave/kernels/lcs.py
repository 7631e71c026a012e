"""Longest common subsequences, 64 table cells an instruction.

The table t[i][j] of reference x candidate is kept as differences along the reference: bit i of column j is
0 where t[i + 1][j] = t[i][j] + 1 (Crochemore et al. 2001; Hyyrö 2004, "Bit-parallel LCS-length computation
revisited"). A column is W words of 64 bits; candidate tokens the reference lacks leave it as it is, and one
copy stands for it and for the run of such tokens behind it.

ROUGE's union needs the very subsequence that rouge_score's walk back through the table finds: at (i, j) a
match goes diagonally, else left if t[i][j - 1] > t[i - 1][j], else up. Without a match that comparison
holds exactly where t[i][j] > t[i - 1][j], which is the column's own bit. So within a column the walk stops
at the highest set bit of (match or difference), and costs one step a candidate token.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from evenweave.kernels.bits import highest_bit, popcount

FULL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ONE = np.uint64(1)
_SIX = np.int64(6)


@njit(cache=True, nogil=True)
def set_masks(reference: Any, masks: Any, words: int) -> None:
    """Set in `masks` (uint64 `[local ids * words]`, clear) where each local id stands in the reference."""
    for i in range(len(reference)):
        masks[reference[i] * words + (i >> _SIX)] |= _ONE << np.uint64(i & 63)


@njit(cache=True, nogil=True)
def clear_masks(reference: Any, masks: Any, words: int) -> None:
    """Undo `set_masks`."""
    for i in range(len(reference)):
        for word in range(words):
            masks[reference[i] * words + word] = 0


@njit(cache=True, nogil=True)
def lcs_columns(
    size: int, candidate: Any, masks: Any, words: int, columns: Any, tokens: Any, keep: bool
) -> Any:
    """Compute the table of a reference of `size` tokens, of which `masks` says where each id stands.

    Args:
        candidate: local ids, -1 for a token that the reference text lacks.
        columns: uint64 scratch `[words]`; with `keep`, `[words * tokens of the candidate]`, and receives
            every column.
        tokens: int32, receives the token of each column, as ~token where further tokens share the column.
        keep: whether `mark_lcs` is to follow.

    Returns:
        The number of columns used, and the length of the longest common subsequence.
    """
    used = 0
    shared = False
    if words == 1:
        column = FULL
        for j in range(len(candidate)):
            token = candidate[j]
            if token < 0 or masks[token] == 0:
                shared = True
                continue
            if shared and keep and used:
                tokens[used - 1] = ~tokens[used - 1]
            shared = False
            matched = column & masks[token]
            column = (column + matched) | (column - matched)
            if keep:
                columns[used] = column
                tokens[used] = token
            used += 1
        if shared and keep and used:
            tokens[used - 1] = ~tokens[used - 1]
        below = FULL if size == 64 else (_ONE << np.uint64(size)) - _ONE
        return used, popcount(~column & below)
    for j in range(len(candidate)):
        token = candidate[j]
        if token < 0:
            shared = True
            continue
        if shared and keep and used:
            tokens[used - 1] = ~tokens[used - 1]
        shared = False
        carry = np.uint64(0)
        here = used * words if keep else 0
        before = here - words if keep else 0
        for word in range(words):
            column = columns[before + word] if used else FULL
            matched = column & masks[token * words + word]
            total = column + matched
            carried = np.uint64(total < column)
            total += carry
            carry = carried | np.uint64(total < carry)
            columns[here + word] = total | (column - matched)
        if keep:
            tokens[used] = token
        used += 1
    if shared and keep and used:
        tokens[used - 1] = ~tokens[used - 1]
    length = 0
    if used:
        last = (used - 1) * words if keep else 0
        for word in range(words):
            rest = min(size - 64 * word, 64)
            below = FULL if rest == 64 else (_ONE << np.uint64(rest)) - _ONE
            length += popcount(~columns[last + word] & below)
    return used, length


@njit(cache=True, nogil=True)
def mark_lcs(size: int, used: int, masks: Any, words: int, columns: Any, tokens: Any, marked: Any) -> None:
    """Set the bits of the subsequence that rouge_score's walk back finds, in `marked` (uint64 `[words]`).

    `columns` and `tokens` are what `lcs_columns` wrote for the same `size`, `masks` and `words`.
    """
    word = (size - 1) >> _SIX
    rest = size - 64 * word
    below = FULL if rest == 64 else (_ONE << np.uint64(rest)) - _ONE
    for j in range(used - 1, -1, -1):
        token = tokens[j]
        if token < 0:
            # The tokens that share this column match nothing: walk up to its first difference, then left.
            token = ~token
            while True:
                stops = ~columns[j * words + word] & below
                if stops:
                    break
                if word == 0:
                    return
                word -= 1
                below = FULL
            bit = _ONE << np.uint64(highest_bit(stops))
            below = bit | (bit - _ONE)
        while True:
            matches = masks[token * words + word] & below
            stops = matches | (~columns[j * words + word] & below)
            if stops:
                break
            if word == 0:
                return
            word -= 1
            below = FULL
        bit = _ONE << np.uint64(highest_bit(stops))
        if matches & bit:
            marked[word] |= bit
            below = bit - _ONE
        else:
            below = bit | (bit - _ONE)
