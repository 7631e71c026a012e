"""The best sequence of labels among those whose every step is allowed."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def viterbi(
    scores: NDArray[np.float32],
    offsets: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    opens: NDArray[np.bool_],
    closes: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Return the labels int64 `[N]` with the greatest sum of `scores` float32 `[N, L]` in each row.

    Row `b` is `offsets[b]:offsets[b + 1]`. `allowed[i, j]` says that label `j` may follow `i`, `opens` and
    `closes` bool `[L]` which labels may begin and end a row. Of equal sums the lower label wins. If nothing
    is allowed, the row takes the best labels one by one.
    """
    count = scores.shape[1]
    out = np.empty(scores.shape[0], np.int64)
    best = np.empty(count, np.float64)
    following = np.empty(count, np.float64)
    back = np.empty((scores.shape[0], count), np.int64)
    for row in range(len(offsets) - 1):
        first, last = offsets[row], offsets[row + 1]
        if first == last:
            continue
        for label in range(count):
            best[label] = scores[first, label] if opens[label] else -np.inf
        for token in range(first + 1, last):
            for label in range(count):
                top, where = -np.inf, 0
                for before in range(count):
                    if allowed[before, label] and best[before] > top:
                        top, where = best[before], before
                following[label] = top + scores[token, label]
                back[token, label] = where
            best[:] = following
        top, where = -np.inf, -1
        for label in range(count):
            if closes[label] and best[label] > top:
                top, where = best[label], label
        if where < 0:
            for token in range(first, last):
                out[token] = np.argmax(scores[token])
            continue
        for token in range(last - 1, first - 1, -1):
            out[token] = where
            if token > first:
                where = back[token, where]
    return out
