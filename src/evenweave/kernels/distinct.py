"""Which rows of a table are equal: the distinct ones and how often each occurs, if they are few."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.kernels.compiled import kernel

_SPREAD = np.uint64(0x9E3779B97F4A7C15)


def table_for(room: int) -> NDArray[np.int64]:
    """Return an empty hash table for `room` rows, at most a quarter full."""
    return np.full(1 << max(3, (4 * room - 1).bit_length()), -1, dtype=np.int64)


@kernel
def add_distinct(
    values: NDArray[np.int64],
    table: NDArray[np.int64],
    rows: NDArray[np.int64],
    counts: NDArray[np.int64],
    found: int,
) -> Any:
    """Number the distinct rows of `values` `[n, K]` by first appearance.

    Args:
        values: compared bit by bit.
        table: of `table_for` as many rows as `rows` holds.
        rows, counts, found: int64 `[room, K]` and `[room]`, the rows known so far, how often each occurred,
            how many they are; added to.

    Returns:
        How many are known now; -1 as soon as they are more than there is room for.
    """
    n, width = values.shape
    last = np.uint64(len(table) - 1)
    known: Any
    for row in range(n):
        # The products are independent of each other, as steps of a chain would not be.
        key, factor = np.uint64(0), _SPREAD
        for column in range(width):
            key += np.uint64(values[row, column]) * factor
            factor *= _SPREAD
        slot = ((key ^ (key >> np.uint64(29))) * _SPREAD >> np.uint64(33)) & last
        while True:
            known = table[slot]
            if known < 0:
                if found == len(rows):
                    return -1
                table[slot] = known = found
                for column in range(width):
                    rows[found, column] = values[row, column]
                counts[found] = 0
                found += 1
                break
            same = True
            for column in range(width):
                same &= rows[known, column] == values[row, column]
            if same:
                break
            slot = (slot + np.uint64(1)) & last
        counts[known] += 1
    return found
