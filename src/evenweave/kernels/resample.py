"""Resampling of row statistics: sums over rows drawn with replacement, sums over rows drawn by coin.

The draws are a pure function of (seed, resample, position), so that two systems scored on the same rows are
resampled together without sharing an index table, and no table of `[R, n]` is ever held.

Shape legend: n rows, R resamples, G groups of LANES statistics (one 256-bit load each).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from evenweave.rng import mix

LANES = 4
# Draws are made a block at a time, so that the block's indices stay in L1 for every group.
_BLOCK = 512

_mix = njit(inline="always")(mix)


@njit(cache=True, nogil=True)
def draw_rows(key: np.uint64, start: int, n: int, out: NDArray[np.int64]) -> None:
    """Fill `out` with draws `start, start + 1, ...` from `0..n-1`; `start` is even, n < 2**32."""
    half = np.uint64(32)
    low = np.uint64(0xFFFFFFFF)
    many = np.uint64(n)
    for pair in range((len(out) + 1) // 2):
        bits = _mix(key, np.uint64(start // 2 + pair))
        out[2 * pair] = np.int64(((bits >> half) * many) >> half)
        if 2 * pair + 1 < len(out):
            out[2 * pair + 1] = np.int64(((bits & low) * many) >> half)


@njit(cache=True, nogil=True)
def toss_rows(key: np.uint64, start: int, stop: int, out: NDArray[np.int64]) -> Any:
    """Write those of the rows `start..stop-1` whose coin shows heads; return how many; `start` is 64-fold."""
    kept: Any = 0
    one = np.uint64(1)
    for word in range(start // 64, (stop + 63) // 64):
        bits = _mix(key, np.uint64(word))
        for row in range(64 * word, min(64 * word + 64, stop)):
            out[kept] = row
            kept += np.int64(bits & one)
            bits >>= one
    return kept


@njit(cache=True, nogil=True)
def _add_rows(values: NDArray[Any], rows: NDArray[np.int64], count: int, sums: NDArray[Any]) -> None:
    for group in range(values.shape[0]):
        block = values[group]
        a, b, c, d = sums[group, 0], sums[group, 1], sums[group, 2], sums[group, 3]
        for index in range(count):
            row = rows[index]
            a += block[row, 0]
            b += block[row, 1]
            c += block[row, 2]
            d += block[row, 3]
        sums[group, 0], sums[group, 1], sums[group, 2], sums[group, 3] = a, b, c, d


@njit(cache=True, nogil=True)
def bootstrap_sums(values: NDArray[Any], seed: np.uint64, out: NDArray[Any]) -> None:
    """Set `out` `[R, G, LANES]` to sums of n rows drawn with replacement from `values` `[G, n, LANES]`."""
    n = values.shape[1]
    rows = np.empty(_BLOCK, dtype=np.int64)
    for resample in range(out.shape[0]):
        key = _mix(seed, np.uint64(resample))
        for start in range(0, n, _BLOCK):
            count = min(_BLOCK, n - start)
            draw_rows(key, start, n, rows[:count])
            _add_rows(values, rows, count, out[resample])


@njit(cache=True, nogil=True)
def coin_sums(values: NDArray[Any], seed: np.uint64, out: NDArray[Any]) -> None:
    """Set `out[r]` `[R, G, LANES]` to the sum of the rows of `values` whose coin shows heads."""
    n = values.shape[1]
    rows = np.empty(_BLOCK + 1, dtype=np.int64)
    for resample in range(out.shape[0]):
        key = _mix(seed, np.uint64(resample))
        for start in range(0, n, _BLOCK):
            count = toss_rows(key, start, min(start + _BLOCK, n), rows)
            _add_rows(values, rows, count, out[resample])


@njit(cache=True, nogil=True)
def resample_key(seed: np.uint64, resample: int) -> np.uint64:
    """Return the key under which `bootstrap_sums` and `coin_sums` draw resample number `resample`."""
    key: np.uint64 = _mix(seed, np.uint64(resample))
    return key
