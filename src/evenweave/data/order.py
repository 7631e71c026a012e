"""In which order an epoch takes the rows, and where it cuts them into batches: functions of numbers alone.

No row is read for it: a plan follows from the row lengths, the seed and the epoch, so every worker and
every resumed run makes the same one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError, DataError
from evenweave.ragged import Ragged, offsets_of
from evenweave.rng import permutation

Ints = NDArray[np.int64]

# Rows are shuffled first and sorted by length within stretches of this many batches: enough that a batch's
# rows are of about one length, and few enough that batches differ from epoch to epoch.
_STRETCH = 50


def epoch_order(n: int, seed: int, epoch: int) -> Ints:
    """Return the order of `n` rows in an epoch, int64 `[n]`.

    >>> sorted(epoch_order(4, seed=1, epoch=0).tolist())
    [0, 1, 2, 3]
    """
    if n < 0:
        raise ArgumentError(f"n: {n} rows; give 0 or more")
    return permutation(seed, epoch, n)


def group_by_length(lengths: Any, batch_size: int, seed: int, epoch: int) -> Ints:
    """Return an order in which rows that follow each other are of about one length, int64 `[B]`.

    Cut into batches of `batch_size`, it pads little; which rows meet, and the order of the batches, still
    change with every epoch. The batch with the longest row comes first, so that a run too large for its
    memory fails at once.

    Args:
        lengths: int64 `[B]`.
        batch_size: rows of a batch.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    if batch_size < 1:
        raise ArgumentError(f"batch_size: {batch_size}; give at least 1")
    order = permutation(seed, epoch, len(sizes))
    stretch = np.arange(len(sizes)) // (batch_size * _STRETCH)
    order = order[np.lexsort((-sizes[order], stretch))]
    full = len(order) // batch_size
    if full < 2:
        return order
    # Full batches change places; the rest, which makes the last and smaller batch, stays last.
    mixed = order[: full * batch_size].reshape(full, batch_size)
    mixed = mixed[permutation(seed, epoch + (1 << 32), full)]
    longest = int(sizes[mixed].max(axis=1).argmax())
    mixed[[0, longest]] = mixed[[longest, 0]]
    return np.concatenate([mixed.ravel(), order[full * batch_size :]])


def batches(
    order: Any,
    lengths: Any = None,
    *,
    batch_size: int | None = None,
    max_tokens: int | None = None,
    drop_last: bool = False,
) -> Ragged:
    """Cut an order of rows into batches of so many rows, or of so many tokens.

    Args:
        order: int64 `[B]`, row numbers in the order to take them.
        lengths: int64, tokens of each row by row number; needed with `max_tokens`.
        batch_size: rows of a batch.
        max_tokens: real tokens of a batch, at most: rows are taken in order until the next does not fit.
        drop_last: leave out a last batch of fewer than `batch_size` rows; with `max_tokens`, the last one.

    Returns:
        Ragged of row numbers, one batch a row.

    Raises:
        ArgumentError: not exactly one of `batch_size` and `max_tokens`, or no lengths where needed.
        DataError: a row longer than `max_tokens`; names it.

    >>> batches([2, 0, 1], [3, 1, 4], max_tokens=5).to_lists()
    [[2], [0, 1]]
    """
    rows = np.asarray(order, dtype=np.int64)
    if (batch_size is None) == (max_tokens is None):
        raise ArgumentError("batch_size, max_tokens: give one of the two")
    if batch_size is not None:
        if batch_size < 1:
            raise ArgumentError(f"batch_size: {batch_size}; give at least 1")
        bounds = np.append(np.arange(0, len(rows), batch_size), len(rows))
        if drop_last and len(rows) % batch_size:
            bounds = bounds[:-1]
        return Ragged.trusted(rows, bounds)
    if lengths is None:
        raise ArgumentError("lengths: needed to fill batches up to max_tokens")
    assert max_tokens is not None
    return Ragged.trusted(
        rows, _token_bounds(rows, np.asarray(lengths, dtype=np.int64), max_tokens, drop_last)
    )


def _token_bounds(rows: Ints, lengths: Ints, max_tokens: int, drop_last: bool) -> Ints:
    sizes = lengths[rows]
    if len(sizes) and sizes.max() > max_tokens:
        at = int(sizes.argmax())
        raise DataError(
            f"row {rows[at]}: {sizes[at]} tokens, max_tokens is {max_tokens}; raise it or window the data"
        )
    ends = offsets_of(sizes)
    # following[i]: where the batch that begins at place i ends.
    following = np.searchsorted(ends, ends[:-1] + max_tokens, side="right") - 1
    steps = following.tolist()
    bounds, place = [0], 0
    while place < len(steps):
        place = steps[place]
        bounds.append(place)
    if drop_last and len(bounds) > 1:
        bounds.pop()
    return np.array(bounds, dtype=np.int64)
