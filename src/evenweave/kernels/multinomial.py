"""Sums over n draws with replacement from a few kinds of rows: one random number a kind, not a draw a row.

Independent Poisson numbers with means c_0, c_1, ... (how many rows each kind has, n in all), given that they
add up to n, are how often each kind is among n draws of rows. So kinds 1, 2, ... draw their numbers freely,
kind 0 takes what is left up to n, and the whole is accepted with the probability, relative to the largest,
that a Poisson number of mean c_0 is that: an accepted outcome has the joint probability of all the
numbers, up to a factor that is the same for all, which is their law given the sum. One trial in
sqrt(n / c_0) is accepted, so kind 0 is to be the commonest.

Shape legend: D kinds of rows, K statistics, R resamples.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from evenweave.kernels.compiled import inner, kernel
from evenweave.rng import mix

_mix = njit(inline="always")(mix)

# Counters of a resample's key, above those of other draws.
_KINDS = np.uint64(1 << 42)
# Numbers less probable than this, relative to the commonest, are left out: together far below 2**-53.
_LEAST = 2.0**-64
_UNIT = 2.0**-53


@inner
def _relative(mean: int, middle: int, out: NDArray[np.float64]) -> Any:
    """Write the probability of a Poisson number k, over that of its mean, at `middle + k - mean` of `out`.

    Returns the first place written and the one past the last.
    """
    out[middle] = 1.0
    first, share = middle, 1.0
    for number in range(mean, 0, -1):
        share *= number / mean
        if share < _LEAST:
            break
        first -= 1
        out[first] = share
    stop, share = middle + 1, 1.0
    while True:
        share *= mean / (mean + stop - middle)
        if share < _LEAST:
            return first, stop
        out[stop] = share
        stop += 1


@inner
def _guided(shares: NDArray[np.float64], guide: NDArray[np.int64]) -> None:
    """Sum up `shares` in place, and write the first place where the sum exceeds i / len(guide) of all."""
    for place in range(1, len(shares)):
        shares[place] += shares[place - 1]
    place = 0
    for index in range(len(guide)):
        while shares[place] <= index / len(guide) * shares[-1]:
            place += 1
        guide[index] = place


@kernel
def kind_sums(values: NDArray[Any], counts: NDArray[np.int64], keys: NDArray[np.uint64], out: Any) -> None:
    """Set `out` `[K, R]` to the column sums of n draws of rows with replacement.

    Args:
        values: int64 or float64 `[D, K]`, the kinds of rows.
        counts: `[D]`, how many rows each has, n in all; the first has most, none has 0.
        keys: of the resamples `[R]`.
    """
    kinds, resamples, n = len(counts), len(keys), 0
    for kind in range(kinds):
        n += counts[kind]
    # Ten standard deviations to either side reach _LEAST, and 30 more where the mean is small.
    middle = 10 * int(math.sqrt(counts[0])) + 40
    shares, guides = np.empty((kinds, 2 * middle)), np.empty((kinds, 2 * middle), dtype=np.int64)
    starts, sizes = np.empty(kinds, dtype=np.int64), np.empty(kinds, dtype=np.int64)
    for kind in range(kinds):
        start, stop = _relative(counts[kind], middle, shares[kind])
        starts[kind], sizes[kind] = start, stop - start
        if kind:
            _guided(shares[kind, start:stop], guides[kind, : stop - start])
    drawn = np.empty((kinds, resamples), dtype=np.int64)
    for resample in range(resamples):
        counter = _KINDS
        while True:
            left = n
            for kind in range(1, kinds):
                counter += np.uint64(1)
                share = np.float64(_mix(keys[resample], counter) >> np.uint64(11)) * _UNIT
                place = starts[kind] + guides[kind, int(share * sizes[kind])]
                wanted = share * shares[kind, starts[kind] + sizes[kind] - 1]
                while shares[kind, place] <= wanted:
                    place += 1
                number = counts[kind] + place - middle
                drawn[kind, resample] = number
                left -= number
            counter += np.uint64(1)
            place = left - counts[0] + middle
            share = np.float64(_mix(keys[resample], counter) >> np.uint64(11)) * _UNIT
            if starts[0] <= place < starts[0] + sizes[0] and share < shares[0, place]:
                break
        drawn[0, resample] = left
    for column in range(values.shape[1]):
        for resample in range(resamples):
            out[column, resample] = 0
        for kind in range(kinds):
            value = values[kind, column]
            if value == 0:
                continue
            for resample in range(resamples):
                times = drawn[kind, resample]
                # Not a plain product: 0 times infinity is no number.
                out[column, resample] += times * value if times else values.dtype.type(0)
