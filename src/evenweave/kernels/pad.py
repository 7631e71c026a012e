"""Kernels that gather rows of a ragged column and write them into a rectangle, in one pass.

Legend: rows of a column are `values[offsets[i]:offsets[i + 1]]`; `indices` `[B]` chooses some of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def resolve(indices: NDArray[np.int64], count: int) -> int:
    """Make negative indices count from the end, in place; return the first bad one's place, or -1."""
    for i in range(len(indices)):
        if indices[i] < 0:
            indices[i] += count
        if indices[i] < 0 or indices[i] >= count:
            return i
    return -1


@njit(cache=True, nogil=True)
def measure(offsets: NDArray[np.int64], indices: NDArray[np.int64], sizes: NDArray[np.int64]) -> int:
    """Write the length of each chosen row to `sizes` `[B]`; return the longest, 0 for no rows.

    Returns `-1 - i` where `indices[i]` is none of the rows, which ends the work.
    """
    longest = 0
    for i in range(len(indices)):
        row = indices[i]
        if row < 0 or row >= len(offsets) - 1:
            return -1 - i
        size = offsets[row + 1] - offsets[row]
        sizes[i] = size
        longest = max(longest, size)
    return longest


@njit(cache=True, nogil=True)
def pad_rows(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    indices: NDArray[np.int64],
    sizes: NDArray[np.int64],
    out: NDArray[Any],
    fill: Any,
    left: bool,
) -> int:
    """Write the chosen rows into `out` `[B, T]`, `fill` elsewhere, widening values to out's dtype.

    Returns the place of the first row that is not there or whose length is not `sizes[i]`, which ends the
    work, or -1.
    """
    width = out.shape[1]
    for i in range(len(indices)):
        if indices[i] < 0 or indices[i] >= len(offsets) - 1:
            return i
        start = offsets[indices[i]]
        size = offsets[indices[i] + 1] - start
        if size != sizes[i] or size > width:
            return i
        # Loops over slices of known length compile to vector code; slice assignment checks for broadcasting
        # in each row, and indices computed inside a loop for wrapping around.
        source = values[start : start + size]
        first = width - size if left else 0
        body = out[i, first : first + size]
        for j in range(size):
            body[j] = source[j]
        rest = out[i, :first] if left else out[i, size:]
        for j in range(len(rest)):
            rest[j] = fill
    return -1


@njit(cache=True, nogil=True)
def pad_mask(sizes: NDArray[np.int64], out: NDArray[Any], left: bool) -> None:
    """Write 1 where a row of `sizes[i]` values stands in `out` `[B, T]` and 0 where padding does."""
    width = out.shape[1]
    for i in range(len(sizes)):
        first = width - sizes[i] if left else 0
        body = out[i, first : first + sizes[i]]
        for j in range(len(body)):
            body[j] = 1
        rest = out[i, :first] if left else out[i, sizes[i] :]
        for j in range(len(rest)):
            rest[j] = 0


@njit(cache=True, nogil=True)
def flat_rows(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    indices: NDArray[np.int64],
    sizes: NDArray[np.int64],
    out: NDArray[Any],
) -> int:
    """Write the chosen rows on end into `out` `[N]`; returns as `pad_rows` does."""
    place = 0
    for i in range(len(indices)):
        if indices[i] < 0 or indices[i] >= len(offsets) - 1:
            return i
        start = offsets[indices[i]]
        size = offsets[indices[i] + 1] - start
        if size != sizes[i]:
            return i
        source, target = values[start : start + size], out[place : place + size]
        for j in range(size):
            target[j] = source[j]
        place += size
    return -1


@njit(cache=True, nogil=True)
def flat_positions(sizes: NDArray[np.int64], first: int, out: NDArray[np.int64]) -> None:
    """Write positions that restart at `first` with every row into `out` `[N]`."""
    place = 0
    for i in range(len(sizes)):
        for j in range(sizes[i]):
            out[place + j] = first + j
        place += sizes[i]
