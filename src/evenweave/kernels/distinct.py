"""Which rows of a table are equal: the distinct ones and how often each occurs, if they are few."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenweave.kernels.compiled import kernel

_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@kernel
def distinct_rows(values: NDArray[np.int64], firsts: NDArray[np.int64], counts: NDArray[np.int64]) -> int:
    """Number the distinct rows of `values` `[n, K]` by first appearance.

    Args:
        values: compared bit by bit.
        firsts: receives the first row of each.
        counts: zeros, receives how many rows are equal to it.

    Returns:
        How many differ; -1 as soon as they are more than `firsts` has room for.
    """
    n, width = values.shape
    slots = 8
    while slots < 4 * len(firsts):
        slots *= 2
    table = np.full(slots, -1, dtype=np.int64)
    found = 0
    for row in range(n):
        key = np.uint64(0)
        for column in range(width):
            key = (key ^ (key >> np.uint64(29))) * _SPREAD + np.uint64(values[row, column])
        slot = np.int64((key * _SPREAD) >> np.uint64(33)) & (slots - 1)
        while True:
            known = table[slot]
            if known < 0:
                if found == len(firsts):
                    return -1
                table[slot] = known = found
                firsts[found] = row
                found += 1
                break
            same = True
            for column in range(width):
                same &= values[firsts[known], column] == values[row, column]
            if same:
                break
            slot = (slot + 1) & (slots - 1)
        counts[known] += 1
    return found
