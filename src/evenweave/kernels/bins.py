"""Numbers in ascending order -> bins of neighbours so close that each may stand for the mean of its bin.

A bin is 1, 2, 4, ... or WIDEST numbers on end: halves of halves of a block of WIDEST. Where numbers are far
apart, bins are small, and an outlier has one of its own.

Shape legend: n numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.kernels.compiled import inner, kernel

WIDEST = 64
# Blocks left out at either end, one in so many, when the spread of all is measured.
_TAIL = 20
# Halvings of the greatest sum of squares a bin may have; beyond, numbers are no fewer than bins.
_HALVINGS = 40


@inner
def _grow(
    ordered: NDArray[np.float64], block: int, means: NDArray[np.float64], squares: NDArray[np.float64]
) -> None:
    """Write mean and squares about it of a block's numbers at 1, of its halves at 2 and 3, and so on."""
    for leaf in range(WIDEST):
        means[block, WIDEST + leaf], squares[block, WIDEST + leaf] = ordered[WIDEST * block + leaf], 0.0
    size = 1
    for node in range(WIDEST - 1, 0, -1):
        size *= 2 if node & (node + 1) == 0 else 1  # the last of a level
        left, right = means[block, 2 * node], means[block, 2 * node + 1]
        means[block, node] = left + (right - left) / 2
        # Chan, Golub and LeVeque 1979: nothing cancels.
        within = squares[block, 2 * node] + squares[block, 2 * node + 1]
        squares[block, node] = within + (right - left) * (right - left) * (size / 4)


@inner
def _middle(means: NDArray[np.float64], squares: NDArray[np.float64]) -> float:
    """Return the sum of squares about their mean of the numbers but for the blocks at both ends."""
    blocks = len(means)
    tail = (blocks + _TAIL - 1) // _TAIL
    total, middle = 0.0, 0.0
    for block in range(tail, blocks - tail):
        middle += means[block, 1] / (blocks - 2 * tail)
    for block in range(tail, blocks - tail):
        off = means[block, 1] - middle
        total += squares[block, 1] + WIDEST * off * off
    return total


@inner
def _lost(squares: NDArray[np.float64], most: float) -> float:
    """Return the squares within bins, if each is the largest whose own are at most `most`."""
    total = 0.0
    for block in range(len(squares)):
        if squares[block, 1] <= most:
            total += squares[block, 1]
            continue
        for node in range(2, WIDEST):
            if squares[block, node] <= most < squares[block, node >> 1]:
                total += squares[block, node]
    return total


@kernel
def bin_ordered(
    ordered: NDArray[np.float64], share: float, out: NDArray[np.float64], sizes: NDArray[np.int64]
) -> Any:
    """Write the mean and the size of each bin, in ascending order.

    Args:
        ordered: `[n]`, ascending.
        share: how much of the sum of squares of the middle nine tenths may be within bins.
        out, sizes: receive the bins.

    Returns:
        How many bins there are; -1 if they are more than there is room for, or numbers or squares are not
        finite.
    """
    n = len(ordered)
    blocks = n // WIDEST
    if n == 0 or not (np.isfinite(ordered[0]) and np.isfinite(ordered[-1])):
        return -1
    means, squares = np.empty((blocks, 2 * WIDEST)), np.empty((blocks, 2 * WIDEST))
    for block in range(blocks):
        _grow(ordered, block, means, squares)
    allowed = share * _middle(means, squares)
    if not np.isfinite(allowed):
        return -1
    most = 4 * allowed / max(blocks, 1)
    for _ in range(_HALVINGS):
        if _lost(squares, most) <= allowed:
            break
        most /= 2
    else:
        return -1
    found = 0
    for block in range(blocks):
        node = 1
        while True:
            while node < WIDEST and squares[block, node] > most:
                node *= 2
            if found == len(out):
                return -1
            level = node
            sizes[found] = WIDEST
            while level > 1:
                level >>= 1
                sizes[found] >>= 1
            out[found] = means[block, node]
            found += 1
            while node & 1:  # a right half: so are done all it is the end of
                node >>= 1
            if node == 0:
                break
            node += 1
    for row in range(WIDEST * blocks, n):
        if found == len(out):
            return -1
        out[found], sizes[found] = ordered[row], 1
        found += 1
    return found
