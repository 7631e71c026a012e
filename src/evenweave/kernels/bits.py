"""Two machine instructions Numba has no name for: population count and leading zeros of a 64-bit word."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def popcount(_typing: Any, word: Any) -> Any:
    """Return the number of set bits of a uint64, as int64."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), build


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def highest_bit(_typing: Any, word: Any) -> Any:
    """Return the index of the highest set bit of a uint64 that is not 0, as int64."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word = arguments[0]
        undefined_for_zero = ir.IntType(1)(1)
        return builder.sub(word.type(63), builder.ctlz(word, undefined_for_zero))

    return types.int64(types.uint64), build
