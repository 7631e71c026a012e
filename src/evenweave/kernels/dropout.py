"""Dropout masks from a counter: which element is kept is a function of (key, place), not of a state."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from evenweave.rng import mix

_mix = njit(cache=True, nogil=True, inline="always")(mix)
_LANE = np.uint64(0xFFFF)


@njit(cache=True, nogil=True)
def fill_kept(key: np.uint64, threshold: np.uint64, kept: Any) -> None:
    """Write 1 where an element is kept and 0 where it is dropped into uint8 `kept`.

    Four elements share one 64-bit draw, 16 bits each: an element is dropped if its bits are below
    `threshold`, that is with probability threshold / 65536.
    """
    size = len(kept)
    for block in range(size // 4):
        draw = _mix(key, np.uint64(block))
        place = 4 * block
        kept[place] = np.uint8((draw & _LANE) >= threshold)
        kept[place + 1] = np.uint8(((draw >> np.uint64(16)) & _LANE) >= threshold)
        kept[place + 2] = np.uint8(((draw >> np.uint64(32)) & _LANE) >= threshold)
        kept[place + 3] = np.uint8((draw >> np.uint64(48)) >= threshold)
    draw = _mix(key, np.uint64(size // 4))
    for place in range(4 * (size // 4), size):
        kept[place] = np.uint8((draw & _LANE) >= threshold)
        draw = draw >> np.uint64(16)
