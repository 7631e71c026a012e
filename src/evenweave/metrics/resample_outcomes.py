"""What may happen to a block of a few cells whose counts are independent Poisson numbers of one mean.

A cell stands for a number of equal rows, and its count is how often they are drawn together. The commonest
outcomes are told by 16 random bits, each owning as many of the 65,536 values as its probability fills; the
values left over, a few hundred at most, stand for the rest of every outcome's probability together, and
another 53 bits then tell which. So each outcome has its probability to 2**-53.

Shape legend: M kinds of blocks, O outcomes told by 16 bits (at most WIDTH), A outcomes in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.kernels.resample_blocks import CELLS as MOST

# Kinds of blocks: how many equal rows a cell stands for, and how many cells a block has. Cells of other
# sizes are put together from these.
SIZES = np.array([1, 2, 3, 4, 8, 16, 32, 64])
CELLS = np.array([3, 2, 2, 2, 1, 1, 1, 1])
_VALUES = 1 << 16
_TOLD = 160  # more would tell a thousandth more and lengthen every table
WIDTH = 256
_GUIDE = 4096
_LEAST = 2.0**-57
STEPS = 1024  # means are multiples of 1 / STEPS, so that few sets of outcomes are ever made


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of the kinds of blocks; those told by 16 bits first, and each after its parent.

    Attributes:
        slots: uint8 `[M, 65536]`, the outcome of a value of 16 bits below `told`.
        told: int64 `[M]`, how many values of 16 bits tell an outcome.
        sizes: int64 `[M]`, how many outcomes they tell.
        parents, grown: uint8 `[M, WIDTH]`, the outcome with one draw less, and of which cell less.
        starts: int64 `[M]`, where a kind begins in `rest` and `counts`.
        rest: float64 `[A]`, cumulated shares of a kind's outcomes where the value tells none, up to 1.
        guide: uint16 `[M, 4096]`, the first outcome whose cumulated share exceeds i / 4096.
        counts: uint8 `[A, MOST]`, how often each cell is drawn.
    """

    slots: NDArray[np.uint8]
    told: NDArray[np.int64]
    sizes: NDArray[np.int64]
    parents: NDArray[np.uint8]
    grown: NDArray[np.uint8]
    starts: NDArray[np.int64]
    rest: NDArray[np.float64]
    guide: NDArray[np.uint16]
    counts: NDArray[np.uint8]


@lru_cache(maxsize=64)
def outcomes(step: int) -> Outcomes:
    """Return the outcomes of cells whose counts have mean `size * step / STEPS`, 0 < step < STEPS."""
    kinds = [_kind(size * step / STEPS, cells) for size, cells in zip(SIZES, CELLS, strict=True)]
    slots, told, sizes, parents, grown, rest, guide, counts = zip(*kinds, strict=True)
    return Outcomes(
        slots=np.stack(slots),
        told=np.array(told),
        sizes=np.array(sizes),
        parents=np.stack(parents),
        grown=np.stack(grown),
        starts=np.cumsum([0, *map(len, rest[:-1])]),
        rest=np.concatenate(rest),
        guide=np.stack(guide),
        counts=np.concatenate(counts),
    )


def _kind(mean: float, cells: int) -> tuple[Any, ...]:
    """Return the fields of `Outcomes` for one kind, but for `starts`."""
    factors = _poisson(mean)
    shape = (len(factors),) * cells
    counts = np.indices(shape).reshape(cells, -1).T
    # Multiplied in order of size, so that outcomes that differ by order alone are equal to the last bit
    # and the order of all is the same on every machine.
    weights = np.sort(factors[counts], axis=1).prod(axis=1)
    exact = weights / weights.sum() * _VALUES
    common = np.argsort(-exact, kind="stable")
    told = np.zeros(len(exact), dtype=bool)
    told[common[:_TOLD]] = exact[common[:_TOLD]] >= 1
    # With an outcome all that have fewer draws, so that a table of sums grows by one draw at a time.
    for axis in range(cells):
        told = np.flip(np.maximum.accumulate(np.flip(told.reshape(shape), axis), axis), axis)
    told = told.reshape(-1)
    order = np.lexsort((-exact, np.where(told, counts.sum(axis=1), len(exact))))
    size = int(told.sum())
    counts, exact = counts[order], exact[order]
    own = np.floor(exact[:size]).astype(np.int64)
    slots = np.zeros(_VALUES, dtype=np.uint8)
    slots[: own.sum()] = np.repeat(np.arange(size), own)
    place = np.empty(len(exact), dtype=np.int64)
    place[order] = np.arange(len(exact))
    grown = np.zeros(WIDTH, dtype=np.uint8)
    grown[:size] = (counts[:size] > 0).argmax(axis=1)
    some = counts[:size].copy()
    some[np.arange(1, size), grown[1:size]] -= 1
    parents = np.zeros(WIDTH, dtype=np.uint8)
    parents[:size] = place.reshape(shape)[tuple(some.T)]
    exact[:size] -= own
    rest = np.cumsum(exact)
    rest /= rest[-1]
    guide = np.searchsorted(rest, np.arange(_GUIDE) / _GUIDE, side="right").astype(np.uint16)
    padded = np.zeros((len(counts), MOST), dtype=np.uint8)
    padded[:, :cells] = counts
    return slots, int(own.sum()), size, parents, grown, rest, guide, padded


def _poisson(mean: float) -> NDArray[np.float64]:
    """Return the probabilities of 0, 1, ... over that of 0, up to where the rest is lost in rounding."""
    factors = [1.0]
    while len(factors) <= mean or factors[-1] > _LEAST * max(factors):
        factors.append(factors[-1] * mean / len(factors))
    return np.array(factors)
