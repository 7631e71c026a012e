"""Long sequences in windows: every token is scored once, from the window where it has most context.

Legend: B rows, W windows, all positions count body tokens (without the special ones around them).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Windows:
    """W windows over B rows, row by row and from left to right; all arrays int64 `[W]`.

    Window `w` covers the positions `start[w]:stop[w]` of row `row[w]`, and the scores it is asked for are
    those of `keep_from[w]:keep_to[w]`. The kept ranges of a row tile it.
    """

    row: Ints
    start: Ints
    stop: Ints
    keep_from: Ints
    keep_to: Ints

    def __len__(self) -> int:
        return len(self.row)


def plan_windows(lengths: NDArray[np.int64], *, limit: int, overlap: int) -> Windows:
    """Cover rows of `lengths` `[B]` by windows of at most `limit` tokens that share at least `overlap`.

    The windows of a long row have equal length and even spacing, so that none is left with a short,
    context-poor rest; of two neighbours each keeps half of what they share. An empty row has no window.

    Raises:
        ArgumentError: `limit` is not above `overlap`, or one of them is out of range.

    >>> plan = plan_windows(np.array([5, 0, 12]), limit=8, overlap=2)
    >>> list(zip(plan.row.tolist(), plan.start.tolist(), plan.stop.tolist()))
    [(0, 0, 5), (2, 0, 8), (2, 4, 12)]
    >>> list(zip(plan.keep_from.tolist(), plan.keep_to.tolist()))
    [(0, 5), (0, 6), (6, 12)]
    """
    if limit < 1:
        raise ArgumentError(f"max_length: leaves room for {limit} tokens beside the special ones; raise it")
    if not 0 <= overlap < limit:
        raise ArgumentError(f"stride: {overlap} shared tokens in windows of {limit}; give 0 to {limit - 1}")
    sizes = np.asarray(lengths, dtype=np.int64)
    counts = np.where(sizes <= limit, np.minimum(sizes, 1), -(-(sizes - overlap) // (limit - overlap)))
    row = np.repeat(np.arange(len(sizes)), counts)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    size, count = sizes[row], counts[row]
    start = np.where(count > 1, nth * (size - limit) // np.maximum(count - 1, 1), 0)
    stop = np.minimum(start + limit, size)
    keep_from = np.zeros_like(start)
    keep_to = size.copy()
    inner = np.flatnonzero(nth > 0)
    keep_from[inner] = (start[inner] + stop[inner - 1]) // 2
    keep_to[inner - 1] = keep_from[inner]
    return Windows(row=row, start=start, stop=stop, keep_from=keep_from, keep_to=keep_to)
