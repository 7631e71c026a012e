"""What may happen to a block of three rows whose counts are independent Poisson numbers of one mean.

The commonest outcomes are told by 16 random bits, each owning as many of the 65,536 values as its
probability fills; the values left over, a few hundred, stand for the rest of every outcome's probability
together, and another 53 bits then tell which. So each outcome has its probability to 2**-53.

Shape legend: O outcomes told by 16 bits, A outcomes in all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from evenweave.kernels.resample_blocks import ROWS

_VALUES = 1 << 16
_TOLD = 160  # more would tell a thousandth more and lengthen every table
_GUIDE = 4096
_MOST = 19  # counts below this: a row of mean 1 is drawn more often once in 1e17
STEPS = 64  # means are multiples of 1 / STEPS, so that few sets of outcomes are ever made


@dataclass(frozen=True)
class Outcomes:
    """Outcomes, the most probable first.

    Attributes:
        slots: uint8 `[65536]`, the outcome of a value of 16 bits below `told`.
        told: how many values of 16 bits tell an outcome.
        parents, grown: uint8 `[O]`, the outcome with one draw less, and of which row less.
        rest: float64 `[A]`, cumulated shares of the outcomes where the value tells none; ends with 1.
        guide: uint16 `[4096]`, the first outcome whose cumulated share exceeds i / 4096.
        counts: uint8 `[A, ROWS]`, how often each row is drawn.
    """

    slots: NDArray[np.uint8]
    told: int
    parents: NDArray[np.uint8]
    grown: NDArray[np.uint8]
    rest: NDArray[np.float64]
    guide: NDArray[np.uint16]
    counts: NDArray[np.uint8]


@lru_cache(maxsize=STEPS)
def outcomes(step: int) -> Outcomes:
    """Return the outcomes of counts with mean `step / STEPS`, 0 < step < STEPS."""
    mean = step / STEPS
    factors = np.array([mean**count / math.factorial(count) for count in range(_MOST)])
    counts = np.indices((_MOST,) * ROWS).reshape(ROWS, -1).T
    # Multiplied in order of size, so that outcomes that differ by order alone are equal to the last bit
    # and the order of all is the same on every machine.
    weights = np.sort(factors[counts], axis=1).prod(axis=1)
    order = np.argsort(-weights, kind="stable")
    counts, exact = counts[order], weights[order] * math.exp(-ROWS * mean) * _VALUES
    own = np.floor(exact).astype(np.int64)
    own[_TOLD:] = 0
    told = int(own.sum())
    slots = np.zeros(_VALUES, dtype=np.uint8)
    slots[:told] = np.repeat(np.arange(_TOLD), own[:_TOLD])
    place = np.empty((_MOST,) * ROWS, dtype=np.int64)
    place[tuple(counts.T)] = np.arange(len(counts))
    # One draw less is always more probable, the mean being below 1: a parent comes before its outcome.
    some = counts[:_TOLD].copy()
    grown = (some > 0).argmax(axis=1)
    some[np.arange(1, _TOLD), grown[1:]] -= 1
    rest = np.cumsum(exact - own)
    rest /= rest[-1]
    return Outcomes(
        slots=slots,
        told=told,
        parents=place[tuple(some.T)].astype(np.uint8),
        grown=grown.astype(np.uint8),
        rest=rest,
        guide=np.searchsorted(rest, np.arange(_GUIDE) / _GUIDE, side="right").astype(np.uint16),
        counts=counts.astype(np.uint8),
    )
