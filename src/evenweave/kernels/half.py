"""Between bfloat16, as bits in uint16, and float32: the former is the upper half of the latter.

Both functions also take float32 on both sides, and copy it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray


def widen(source: NDArray[Any], out: NDArray[np.float32]) -> None:
    """Write `source`, bits of bfloat16 or float32, to `out`; for kernels alone."""
    raise NotImplementedError


def narrow(source: NDArray[np.float32], out: NDArray[Any]) -> None:
    """Write `source` to `out`, float32 or bits of bfloat16: the nearest, ties to even; for kernels alone."""
    raise NotImplementedError


@overload(widen, inline="always")
def _widen(source: Any, out: Any) -> Any:
    if source.dtype == types.float32:
        return _copy

    def widen_half(source: Any, out: Any) -> None:
        bits = out.view(np.uint32)
        for j in range(len(source)):
            bits[j] = np.uint32(source[j]) << np.uint32(16)

    return widen_half


@overload(narrow, inline="always")
def _narrow(source: Any, out: Any) -> Any:
    if out.dtype == types.float32:
        return _copy

    def narrow_single(source: Any, out: Any) -> None:
        bits = source.view(np.uint32)
        for j in range(len(bits)):
            up = bits[j] + np.uint32(0x7FFF) + ((bits[j] >> np.uint32(16)) & np.uint32(1))
            # Not-a-number stays one.
            nan = (bits[j] & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
            out[j] = np.uint16((bits[j] | np.uint32(0x400000) if nan else up) >> np.uint32(16))

    return narrow_single


def _copy(source: Any, out: Any) -> None:
    for j in range(len(source)):
        out[j] = source[j]
