"""Two machine instructions Numba has no name for: population count and the highest set bit of a word."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic


def _popcount(_typing: Any, word: Any) -> Any:
    """Return the number of set bits of a uint64, as int64."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), build


def _highest_bit(_typing: Any, word: Any) -> Any:
    """Return the index of the highest set bit of a uint64 that is not 0, as int64."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word = arguments[0]
        undefined_for_zero = ir.IntType(1)(1)
        return builder.sub(word.type(63), builder.ctlz(word, undefined_for_zero))

    return types.int64(types.uint64), build


# Called from kernels alone, with one argument: the word.
popcount: Any = intrinsic(_popcount)
highest_bit: Any = intrinsic(_highest_bit)
