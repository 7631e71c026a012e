"""Sums over n draws with replacement from a few kinds of rows: one random number a kind, not a draw a row.

Independent Poisson numbers with means c_0, c_1, ... (how many rows each kind has, n in all), given that they
add up to n, are how often each kind is among n draws of rows. So kinds 1, 2, ... draw their numbers freely,
kind 0 takes what is left up to n, and the whole is accepted with the probability, relative to the largest,
that a Poisson number of mean c_0 is that: an accepted outcome has the joint probability of all the
numbers, up to a factor that is the same for all, which is their law given the sum. One trial in
sqrt(n / c_0) is accepted, so kind 0 is to be the commonest. Of two kinds, these joint probabilities are the
table that kind 1 draws from, and every trial is accepted.

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
_TOO_MUCH = 2.0**62


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
def _guided(shares: NDArray[np.float64], guide: NDArray[np.uint32]) -> None:
    """Sum up `shares` in place, and write the first place where the sum exceeds i / len(guide) of all."""
    for place in range(1, len(shares)):
        shares[place] += shares[place - 1]
    place, step = 0, shares[-1] / len(guide)
    for index in range(len(guide)):
        while shares[place] <= index * step:
            place += 1
        guide[index] = place


@inner
def _joint(
    first: NDArray[np.float64],
    start: int,
    stop: int,
    second: NDArray[np.float64],
    begin: int,
    end: int,
) -> None:
    """Multiply the second kind's probabilities by those that the first kind makes up the rest."""
    for place in range(begin, end):
        rest = len(first) - place
        second[place] *= first[rest] if start <= rest < stop else 0.0


@inner
def _descending(numbers: NDArray[np.int64], order: NDArray[np.int64], out: NDArray[np.int64]) -> None:
    """Write the numbers in descending order, those that are equal as they stood, and where each stood."""
    for index in range(len(numbers)):
        place = index
        while place and out[place - 1] < numbers[index]:
            out[place], order[place] = out[place - 1], order[place - 1]
            place -= 1
        out[place], order[place] = numbers[index], index


@inner
def _worth_it(values: NDArray[Any], sizes: NDArray[np.int64], cell: int) -> bool:
    """Whether a number for each kind of rows, most in vain, costs less than a look-up for each cell.

    Also whether no sum of products leaves 64 bits.
    """
    kinds, n, most = len(sizes), 0, 0
    for kind in range(kinds):
        n += sizes[kind]
        most = max(most, sizes[kind])
    if 16 * kinds * math.sqrt(n / most) > kinds + n / cell + 3.5 * math.sqrt(n):
        return False
    largest = 0.0
    for kind in range(kinds):
        for column in range(values.shape[1]):
            largest = max(largest, abs(float(values[kind, column])))
    return values.dtype.kind != "i" or largest * n < _TOO_MUCH


@kernel
def kind_sums(values: NDArray[Any], sizes: NDArray[np.int64], seed: np.uint64, cell: int, out: Any) -> bool:
    """Set `out` `[K, R]` to the column sums of n draws of rows with replacement.

    Args:
        values: int64 or float64 `[D, K]`, the kinds of rows.
        sizes: `[D]`, how many rows each has, n in all; none has 0.
        seed: of the resamples' keys, as `resample.resample_keys` makes them.
        cell: how many equal rows `resample_blocks` draws as one at most.

    Returns:
        Whether it did: not where to draw cells costs less, or integers grow too large to be multiplied.
    """
    if not _worth_it(values, sizes, cell):
        return False
    kinds, resamples, n = len(sizes), out.shape[1], 0
    order, counts = np.empty(kinds, dtype=np.int64), np.empty(kinds, dtype=np.int64)
    _descending(sizes, order, counts)
    for kind in range(kinds):
        n += counts[kind]
    # Ten standard deviations to either side reach _LEAST, and 30 more where the mean is small.
    middle = 10 * int(math.sqrt(counts[0])) + 40
    shares, guides = np.empty((kinds, 2 * middle)), np.empty((kinds, 2 * middle), dtype=np.uint32)
    starts, widths = np.empty(kinds, dtype=np.int64), np.empty(kinds, dtype=np.int64)
    for kind in range(kinds):
        start, stop = _relative(counts[kind], middle, shares[kind])
        starts[kind], widths[kind] = start, stop - start
        if kinds == 2 and kind:
            _joint(shares[0], starts[0], starts[0] + widths[0], shares[1], start, stop)
        if kind:
            _guided(shares[kind, start:stop], guides[kind, : stop - start])
    drawn = np.empty((kinds, resamples), dtype=np.int64)
    for resample in range(np.uint64(resamples)):
        key, counter = _mix(seed, resample), _KINDS
        while True:
            left = n
            for kind in range(1, kinds):
                counter += np.uint64(1)
                share = np.float64(_mix(key, counter) >> np.uint64(11)) * _UNIT
                place = starts[kind] + guides[kind, int(share * widths[kind])]
                wanted = share * shares[kind, starts[kind] + widths[kind] - 1]
                while shares[kind, place] <= wanted:
                    place += 1
                number = counts[kind] + place - middle
                drawn[kind, resample] = number
                left -= number
            if kinds == 2:
                break
            counter += np.uint64(1)
            place = left - counts[0] + middle
            share = np.float64(_mix(key, counter) >> np.uint64(11)) * _UNIT
            if starts[0] <= place < starts[0] + widths[0] and share < shares[0, place]:
                break
        drawn[0, resample] = left
    for column in range(values.shape[1]):
        for resample in range(resamples):
            out[column, resample] = 0
        for kind in range(kinds):
            value = values[order[kind], column]
            if value == 0:
                continue
            for resample in range(resamples):
                times = drawn[kind, resample]
                # Not a plain product: 0 times infinity is no number.
                out[column, resample] += times * value if times else values.dtype.type(0)
    return True
