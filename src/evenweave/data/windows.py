"""Rows of sub-tokens longer than the model takes -> windows that overlap, none of their tokens lost.

A window is a stretch of a row. Its core are the tokens it answers for; what lies around the core is context
that another window answers for. The cores of a row, in order, are the row.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenweave.ragged import Ragged

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Windows:
    """W windows over rows of sub-tokens that lie end to end; all bounds int64 `[W]`, half-open.

    Attributes:
        row: the row a window is cut from, ascending.
        start, stop: the sub-tokens in it.
        core_start, core_stop: those it answers for.
        cut_words: words that no window could hold whole.
    """

    row: Ints
    start: Ints
    stop: Ints
    core_start: Ints
    core_stop: Ints
    cut_words: int

    def __len__(self) -> int:
        return len(self.row)


def plan_windows(words: Ragged, *, capacity: int | None, stride: int) -> Windows:
    """Cut rows that do not fit into windows that do.

    Windows begin and end between words, and so do their cores. Only a word longer than `capacity` is cut.

    Args:
        words: how many sub-tokens each word has: B rows of counts, each at least 1.
        capacity: sub-tokens a window holds; None for no limit.
        stride: sub-tokens of context wanted on each side of a core, at most.

    >>> plan = plan_windows(Ragged.from_rows([[1, 1, 1, 1, 1, 1]]), capacity=4, stride=1)
    >>> list(zip(plan.start.tolist(), plan.stop.tolist(), plan.core_start.tolist(), plan.core_stop.tolist()))
    [(0, 4, 0, 3), (2, 6, 3, 6)]
    """
    ends = np.concatenate([[0], np.cumsum(words.flat, dtype=np.int64)])
    bounds = ends[words.offsets - words.offsets[0]]
    rows = np.arange(len(words))
    start, stop = bounds[:-1], bounds[1:]
    too_long = np.zeros(len(words), bool) if capacity is None else stop - start > capacity
    if capacity is None or not too_long.any():
        return Windows(rows, start, stop, start, stop, 0)
    cut: list[tuple[int, int, int, int, int]] = []
    cut_words = 0
    for row in np.flatnonzero(too_long).tolist():
        sizes = words[row].astype(np.int64)
        giants = sizes > capacity
        if giants.any():
            cut_words += int(giants.sum())
            sizes = _in_portions(sizes, capacity)
        at = int(start[row])
        cut.extend((row, at + a, at + b, at + c, at + d) for a, b, c, d in _cut(sizes, capacity, stride))
    whole = np.stack([rows, start, stop, start, stop], axis=1)[~too_long]
    every = np.concatenate([whole, np.array(cut, dtype=np.int64)])
    every = every[np.argsort(every[:, 0], kind="stable")]
    row_of, *bound = (np.ascontiguousarray(column) for column in every.T)
    return Windows(row_of, bound[0], bound[1], bound[2], bound[3], cut_words)


def _cut(sizes: Ints, capacity: int, stride: int) -> list[tuple[int, int, int, int]]:
    """Return (start, stop, core start, core stop) of the windows of one row of words of these sizes."""
    # A list and bisect: ten times as fast as searchsorted is for one number at a time.
    ends = [0, *np.cumsum(sizes).tolist()]
    total, count = ends[-1], len(sizes)
    windows = []
    word = 0
    while word < count:
        left = bisect_left(ends, ends[word] - stride)
        if total - ends[left] <= capacity:
            windows.append((ends[left], total, ends[word], total))
            break
        behind = bisect_right(ends, ends[left] + capacity - stride) - 1
        if behind <= word:
            # The next word leaves no room for all the context: it goes first, the context gets the rest.
            behind = word + 1
            left = max(left, bisect_left(ends, ends[behind] - capacity))
        stop = bisect_right(ends, min(ends[left] + capacity, ends[behind] + stride)) - 1
        windows.append((ends[left], ends[stop], ends[word], ends[behind]))
        word = behind
    return windows


def _in_portions(sizes: Ints, capacity: int) -> Ints:
    """Return the sizes with every word above `capacity` in portions of at most that."""
    portions = -(-sizes // capacity)
    out = np.full(int(portions.sum()), capacity, dtype=np.int64)
    out[np.cumsum(portions) - 1] = sizes - (portions - 1) * capacity
    return out
