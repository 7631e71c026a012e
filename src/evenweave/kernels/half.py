"""Between bfloat16, as bits in uint16, and float32: the former is the upper half of the latter.

`widen` and `narrow` also take float32 on both sides, and copy it; `read` and `write` take addresses, and
whether what lies there is bfloat16.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

from evenweave.kernels.compiled import inner
from evenweave.kernels.memory import numbers


def _build_single(_typing: Any, half: Any) -> Any:
    """Return the number whose bits of bfloat16 are `half`, uint16, as float32."""

    def build(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        wide = builder.zext(given[0], ir.IntType(32))
        return builder.bitcast(builder.shl(wide, ir.IntType(32)(16)), ir.FloatType())

    return types.float32(types.uint16), build


single: Any = intrinsic(_build_single)


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
        for j in range(len(source)):
            out[j] = single(source[j])

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


@inner(error_model="numpy")
def read(half: int, source: int, size: int, out: NDArray[np.float32]) -> None:
    """Write the `size` numbers at an address to `out`."""
    if half:
        widen(numbers(source, size, np.uint16), out)
    else:
        widen(numbers(source, size, np.float32), out)


@inner(error_model="numpy")
def write(half: int, source: NDArray[np.float32], out: int) -> None:
    """Write `source` to an address."""
    if half:
        narrow(source, numbers(out, len(source), np.uint16))
    else:
        narrow(source, numbers(out, len(source), np.float32))
