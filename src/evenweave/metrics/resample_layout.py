"""Tables of row statistics as the resampling kernels read them: groups of LANES numbers, one load each.

Small integers are laid side by side in words, so that a row of a dozen counts is one group.

Shape legend: n rows, K statistics, G groups, R resamples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError
from evenweave.kernels.resample import LANES, column_bounds, pack_rows
from evenweave.kernels.resample_blocks import BLOCKS, CELLS

_BITS = 63  # of a word; the sign stays free
TILE = BLOCKS * CELLS  # of rows that are cells of their own


def _groups(n: int, width: int, kind: Any) -> NDArray[Any]:
    """Return zeros `[G, more than n, LANES]`, in whole tiles."""
    return np.zeros((-(-width // LANES), (n // TILE + 1) * TILE, LANES), dtype=kind)


def lay_out(values: NDArray[Any]) -> NDArray[Any]:
    """Return `[n, K]` as `[G, a few more than n, LANES]`, filled up with zeros."""
    n, width = values.shape
    out = _groups(n, width, values.dtype)
    for group in range(len(out)):
        part = values[:, group * LANES : (group + 1) * LANES]
        out[group, :n, : part.shape[1]] = part
    return out


def columns_of(sums: NDArray[Any]) -> NDArray[Any]:
    """Return sums `[G, R, LANES]` as `[G * LANES, R]`."""
    return sums.swapaxes(1, 2).reshape(-1, sums.shape[1])


@dataclass(frozen=True)
class Fields:
    """Where things lie in a packed row: the lowest bits of its first word count the draws.

    Attributes:
        drawn: a mask of those bits.
        words, shifts, masks: of each column `[K]` the word, the first bit in it, and a mask of the width.
        low: the least value of each column `[K]`, which the packed ones lack.
    """

    drawn: int
    words: NDArray[np.int64]
    shifts: NDArray[np.int64]
    masks: NDArray[np.int64]
    low: NDArray[np.int64]

    def draws(self, sums: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many rows were drawn `[R]`; more than n if it was more, though columns then overflow."""
        return sums[0, :, 0] & self.drawn

    def unpack(self, sums: NDArray[np.int64], n: int) -> NDArray[np.int64]:
        """Return the column sums `[K, R]` from sums `[G, R, LANES]` of n rows each."""
        found: NDArray[np.int64] = columns_of(sums)[self.words]
        found >>= self.shifts[:, None]
        found &= self.masks[:, None]
        found += self.low[:, None] * n
        return found


def pack(values: NDArray[np.int64], n: int) -> tuple[NDArray[np.int64], Fields]:
    """Lay int64 columns `[D, K]` side by side in words, each field wide enough for a sum of n of these rows.

    Raises:
        ArgumentError: a column's sum may not fit into 63 bits.
    """
    width = values.shape[1]
    low, high = np.empty(width, dtype=np.int64), np.empty(width, dtype=np.int64)
    column_bounds(values, low, high)
    word, used = 0, (2 * n).bit_length()
    drawn = (1 << used) - 1
    places = []
    for least, most in zip(low.tolist(), high.tolist(), strict=True):
        size = max(1, ((most - least) * n).bit_length())
        if size > _BITS:
            raise ArgumentError("rows: counts too large to be resampled as 64-bit integers; use float64")
        if used + size > _BITS:
            word, used = word + 1, 0
        places.append((word, used, (1 << size) - 1))
        used += size
    words, shifts, masks = np.array(places, dtype=np.int64).reshape(width, 3).T.copy()
    out = _groups(len(values), word + 1, np.int64)
    pack_rows(values, low, words, shifts, out)
    return out, Fields(drawn, words, shifts, masks, low)
