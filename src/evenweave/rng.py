"""Counter-based randomness: a draw is a pure function of (seed, epoch, row, position, draw).

No generator state exists, so the same row gets the same draws whichever worker, order, batch or resumed
run asks for it. The mixing function is SplitMix64's finaliser (Steele, Lea and Flood 2014, "Fast
splittable pseudorandom number generators", section 5), chained over the counters.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_UNIT = 2.0**-53


def mix(state: Any, counter: Any) -> Any:
    """Absorb one uint64 counter into a uint64 state, elementwise.

    Written in operators alone, so that kernels compile this same function for scalars.
    """
    z = (state + GOLDEN) ^ (counter * GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


def bits(seed: int, epoch: int, row: Any, position: Any, *, draw: int = 0) -> NDArray[np.uint64]:
    """Return 64 random bits for each broadcast (row, position), uint64."""
    rows = np.atleast_1d(np.asarray(row, dtype=np.int64)).astype(np.uint64)
    positions = np.atleast_1d(np.asarray(position, dtype=np.int64)).astype(np.uint64)
    with np.errstate(over="ignore"):
        state = mix(mix(np.uint64(int(seed) % 2**64), np.uint64(epoch)), np.uint64(draw))
        result: NDArray[np.uint64] = mix(mix(state, rows), positions)
    return result


def uniform(seed: int, epoch: int, row: Any, position: Any, *, draw: int = 0) -> NDArray[np.float64]:
    """Return a uniform float64 in [0, 1) for each broadcast (row, position).

    Args:
        seed, epoch: integers that name the run and the pass over the data.
        row, position: integers or arrays, broadcast together: the row of the data set, the place in it.
        draw: which of several independent draws at the same place.

    >>> bool((uniform(0, 1, 2, [3, 4]) == uniform(0, 1, 2, [3, 4])).all())
    True
    """
    high: NDArray[np.uint64] = bits(seed, epoch, row, position, draw=draw) >> np.uint64(11)
    return np.multiply(high, _UNIT, dtype=np.float64)


def permutation(seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    """Return the order of `n` rows in `epoch`, int64 `[n]`: a function of (seed, epoch) alone."""
    key = int(bits(seed, epoch, 0, 0)[0])
    order: NDArray[np.int64] = np.random.Generator(np.random.Philox(key=key)).permutation(n)
    return order
