"""Machine instructions Numba has no name for: bits of a 64-bit word, and eight bytes at any address."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
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


def _lowest_bit(_typing: Any, word: Any) -> Any:
    """Return the index of the lowest set bit of a uint64 that is not 0, as int64."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        undefined_for_zero = ir.IntType(1)(1)
        return builder.cttz(arguments[0], undefined_for_zero)

    return types.int64(types.uint64), build


def _eight_bytes(_typing: Any, array: Any, index: Any) -> Any:
    """Return `array[index:index + 8]` of a contiguous uint8 array as a little-endian uint64, unchecked."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(64).as_pointer())
        return builder.load(place, align=1)

    return types.uint64(array, types.int64), build


# Called from kernels alone, without the first argument.
popcount: Any = intrinsic(_popcount)
highest_bit: Any = intrinsic(_highest_bit)
lowest_bit: Any = intrinsic(_lowest_bit)
eight_bytes: Any = intrinsic(_eight_bytes)
