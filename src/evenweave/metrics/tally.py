"""Rows of statistics with equal ones given once: all that resampling needs of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evenweave.kernels.distinct import add_distinct, table_for

# Fewer rows are drawn as they come: a function that needs all of them then sees the very same draws.
FEWEST = 256


class Tally(NamedTuple):
    """The distinct ones of n rows, in order of first appearance.

    Attributes:
        names: what each of the K columns counts.
        values: int64 `[D, K]`.
        counts: int64 `[D]`, how many rows are equal to each, n in all.
    """

    names: tuple[str, ...]
    values: NDArray[Any]
    counts: NDArray[np.int64]

    def totals(self) -> dict[str, float]:
        """Return the sum of each column over the n rows."""
        return dict(zip(self.names, self.counts.dot(self.values).tolist(), strict=True))


def room_for(n: int) -> int:
    """Return how many distinct rows among n are worth telling apart; of fewer than FEWEST none."""
    return n // 2 if n >= FEWEST else 0


def distinct(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]] | None:
    """Return the distinct rows of int64 or float64 `[n, K]` and their counts; None if too many differ.

    Rows are equal if their bits are.
    """
    room = room_for(len(values))
    if not room:
        return None
    rows, counts = np.empty((room, values.shape[1]), dtype=np.int64), np.empty(room, dtype=np.int64)
    found = add_distinct(values.view(np.int64), table_for(room), rows, counts, 0)
    return None if found < 0 else (rows[:found].view(values.dtype), counts[:found])
