"""Dropout in one pass, from a counter: what is dropped is a function of (key, place), not of a state.

Nothing is kept for the backward pass: called with the same key it drops the same places of the gradient.

Elements are float32, or bfloat16 as in `half.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from evenweave.kernels.compiled import inner, kernel
from evenweave.kernels.half import narrow, widen
from evenweave.kernels.threads import Team, in_parts
from evenweave.rng import mix

_mix = njit(cache=True, nogil=True, inline="always")(mix)
# Draws are made for so many elements at a time, four from each: they stay in the first cache.
_BLOCK = 1024
# Elements of a part: as many as are worth a thread's while.
_PART = 16 * _BLOCK


@inner
def draw(key: np.uint64, start: int, draws: NDArray[np.uint64]) -> None:
    """Fill `draws` with the random words of the elements from `start` on, a multiple of 4: one for four."""
    first = np.uint64(start // 4)
    for j in range(len(draws)):
        draws[j] = _mix(key, first + np.uint64(j))


@inner(error_model="numpy")
def _drop_part(
    part: int, parts: int, key: np.uint64, threshold: Any, scale: Any, x: NDArray[Any], out: NDArray[Any]
) -> None:
    draws = np.empty(_BLOCK // 4, np.uint64)
    lanes = draws.view(np.uint16)
    # Where `x` is `out`, a loop that reads the one and writes the other is not made vectors.
    values = np.empty(_BLOCK, np.float32)
    for start in range(part * _PART, min((part + 1) * _PART, len(x)), _BLOCK):
        stop = min(start + _BLOCK, len(x))
        draw(key, start, draws[: (stop - start + 3) // 4])
        block = values[: stop - start]
        widen(x[start:stop], block)
        for j in range(len(block)):
            block[j] = block[j] * scale if lanes[j] >= threshold else np.float32(0)
        narrow(block, out[start:stop])


@kernel(error_model="numpy")
def drop(team: Team, key: np.uint64, threshold: Any, scale: Any, x: NDArray[Any], out: NDArray[Any]) -> None:
    """Write `x` times `scale` to `out`, and 0 where the element's 16 bits are below `threshold`.

    An element is dropped with probability threshold / 65536; both uint16 and float32 scalars.
    """
    in_parts(team, (len(x) + _PART - 1) // _PART, _drop_part, (key, threshold, scale, x, out))
