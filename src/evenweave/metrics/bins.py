"""Rows that differ in one number alone, brought to bins of nearly equal ones, from which intervals are drawn.

Shape legend: n rows, K statistics, D bins.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.kernels.bins import bin_ordered
from evenweave.metrics.tally import room_for

# Of the sum of squares of the middle nine tenths, how much may be within bins: of a resampled sum's
# standard deviation half of that is lost at most, 6e-5. An interval's end at 95 % moves by twice as much,
# and is known to 2.7 / sqrt(R) standard deviations from R resamples, two hundred times that for the most.
SHARE = 2.0**-13
RESAMPLES = 10_000
# With more bins than one for so many rows, to draw the rows themselves is as fast.
_ROWS = 4


def binned(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]] | None:
    """Return a row for each bin `[D, K]`, the mean of its rows, and how many rows each has `[D]`.

    None where that will not do: integers, more than one column in which rows differ, few rows, a number that
    is not finite, nearly as many bins as rows.
    """
    if values.dtype != np.float64 or not room_for(len(values)):
        return None
    differing = [place for place, column in enumerate(values.T) if (column != column[0]).any()]
    if len(differing) != 1:
        return None
    (column,) = differing
    room = len(values) // _ROWS
    means, sizes = np.empty(room), np.empty(room, dtype=np.int64)
    found = bin_ordered(np.sort(values[:, column]), SHARE, means, sizes)
    if found < 0:
        return None
    rows = np.repeat(values[:1], found, axis=0)
    rows[:, column] = means[:found]
    return rows, sizes[:found]
