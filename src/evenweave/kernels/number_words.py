"""Words to numbers: equal words, and only equal words, get the same.

A word of up to 16 letters is its own key: its bytes in two uint64, so that one cache line tells whether a
slot of the hash table holds it. Of a longer one the second is a hash with the top bit set, and its letters
are compared.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evenweave.kernels.bits import eight_bytes
from evenweave.kernels.compiled import kernel

_EXACT = 16
_LONG = np.uint64(1 << 63)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_OTHER = np.uint64(0xBF58476D1CE4E5B9)
_THIRTY = np.uint64(30)
# The bytes of a word of n letters among its first eight and its second.
_FIRST, _SECOND = (
    np.array([(1 << 8 * min(max(size - skip, 0), 8)) - 1 for size in range(17)], dtype=np.uint64)
    for skip in (0, 8)
)


def number_words(letters: Any, begins: Any, sizes: Any, ids: Any, firsts: Any) -> int:
    """Number words in order of first appearance; return how many distinct ones there are.

    Args:
        letters: uint8, each below 128, with 16 bytes behind every word's beginning.
        begins: int64 `[N]`, sizes: int32 `[N]`: where in `letters` each word stands, at least 1 letter.
        ids: int32 `[N]`, receives each word's number.
        firsts: int64, receives for each number the first word that has it.
    """
    state = np.zeros(2, dtype=np.int64)
    # Pairs of keys (the first 0 where free), the number, and nothing: half a cache line.
    table = np.zeros(4 << 12, dtype=np.uint64)
    while True:
        _number_some(letters, begins, sizes, ids, firsts, table, state)
        if state[0] == len(begins):
            return int(state[1])
        bigger = np.zeros(2 * len(table), dtype=np.uint64)
        _move(table, bigger)
        table = bigger


@kernel
def _move(table: Any, bigger: Any) -> None:
    last_slot = (len(bigger) >> 2) - 1
    for old in range(0, len(table), 4):
        if table[old]:
            spread = (table[old] ^ (table[old + 1] * _OTHER)) * _SPREAD
            slot = np.int64(spread ^ (spread >> _THIRTY)) & last_slot
            while bigger[4 * slot]:
                slot = (slot + 1) & last_slot
            for i in range(3):
                bigger[4 * slot + i] = table[old + i]


@kernel
def _number_some(letters: Any, begins: Any, sizes: Any, ids: Any, firsts: Any, table: Any, state: Any) -> Any:
    """Go on at word `state[0]` with `state[1]` numbers given, until the table is half full.

    It calls nothing: that would count the references of the arrays handed over, at every word.
    """
    word, known = state[0], state[1]
    last_slot = (len(table) >> 2) - 1
    room = len(table) >> 3
    while word < len(begins) and known < room:
        begin = begins[word]
        size: Any = np.int64(sizes[word])
        exact = size if size < _EXACT else _EXACT
        first = eight_bytes(letters, begin) & _FIRST[exact]
        second = eight_bytes(letters, begin + 8) & _SECOND[exact]
        if size > _EXACT:
            second = ((second * _SPREAD) ^ eight_bytes(letters, begin + size - 8)) * _SPREAD | _LONG
        # Only the highest bits of a product depend on all bits of its factors.
        spread = (first ^ (second * _OTHER)) * _SPREAD
        slot = np.int64(spread ^ (spread >> _THIRTY)) & last_slot
        while True:
            held = table[4 * slot]
            number = np.int64(table[4 * slot + 2])
            if held == first and table[4 * slot + 1] == second:
                if size <= _EXACT:
                    break
                other = firsts[number]
                same = np.int64(sizes[other]) == size
                for i in range(16, size):
                    if not same:
                        break
                    same = letters[begin + i] == letters[begins[other] + i]
                for i in range(8, 16):
                    same = same and letters[begin + i] == letters[begins[other] + i]
                if same:
                    break
            elif held == 0:
                table[4 * slot] = first
                table[4 * slot + 1] = second
                table[4 * slot + 2] = np.uint64(known)
                firsts[known] = word
                number = known
                known += 1
                break
            slot = (slot + 1) & last_slot
        ids[word] = number
        word += 1
    state[0], state[1] = word, known
