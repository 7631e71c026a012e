"""Many values at a time: an unaligned load of eight bytes, letters among 64 bytes, equals among eight keys.

LLVM cuts vectors wider than the machine's to what it has, so this is one code for all of them.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

BLOCK = 64  # bytes `letters` looks at
LANES = 8  # keys `equals` looks at


def _place(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    made = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(made.data, [arguments[1]])


def _load(_typing: Any, array: Any, index: Any) -> Any:
    """Return the bytes `array[index:index + 8]` as one little-endian uint64; no bounds are checked."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature, arguments)
        word = builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()))
        word.align = 1
        return word

    return types.uint64(array, types.int64), build


def _letters(_typing: Any, array: Any, index: Any, beyond: Any) -> Any:
    """Return a uint64 whose bit i says that `array[index + i]` is part of a word, for BLOCK bytes.

    That is an ASCII letter or digit. Where `beyond` has a bit, so is a byte of a character beyond ASCII,
    unless it leads one that might be white space: C2, E1, E2 or E3. No bounds are checked.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.VectorType(ir.IntType(8), BLOCK)

        def each(value: int) -> Any:
            return ir.Constant(kind, [value] * BLOCK)

        def within(values: Any, first: int, last: int) -> Any:
            past = builder.sub(values, each(first))
            return builder.icmp_unsigned("<=", past, each(last - first))

        def bits(found: Any) -> Any:
            return builder.bitcast(found, ir.IntType(64))

        place = _place(context, builder, signature, arguments)
        text = builder.load(builder.bitcast(place, kind.as_pointer()))
        text.align = 1
        letter = within(builder.or_(text, each(0x20)), ord("a"), ord("z"))
        ascii_words = bits(builder.or_(letter, within(text, ord("0"), ord("9"))))
        spaces = builder.or_(builder.icmp_unsigned("==", text, each(0xC2)), within(text, 0xE1, 0xE3))
        others = builder.and_(bits(within(text, 0x80, 0xFF)), builder.not_(bits(spaces)))
        return builder.or_(ascii_words, builder.and_(others, arguments[2]))

    return types.uint64(array, types.int64, types.uint64), build


def _equals(_typing: Any, array: Any, index: Any, key: Any) -> Any:
    """Return a uint64 whose bit i says that value `index + i` of an int64 array is `key`, for LANES values.

    No bounds are checked.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.VectorType(ir.IntType(64), LANES)
        place = _place(context, builder, signature, arguments)
        keys = builder.load(builder.bitcast(place, kind.as_pointer()))
        keys.align = 8
        one = builder.insert_element(ir.Constant(kind, ir.Undefined), arguments[2], ir.IntType(32)(0))
        alike = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        same = builder.icmp_unsigned("==", keys, builder.shuffle_vector(one, one, alike))
        return builder.zext(builder.bitcast(same, ir.IntType(LANES)), ir.IntType(64))

    return types.uint64(array, types.int64, types.int64), build


def _lowest_bit(_typing: Any, word: Any) -> Any:
    """Return the index of the lowest set bit of a uint64 that is not 0, as int64."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        undefined_for_zero = ir.IntType(1)(1)
        return builder.cttz(arguments[0], undefined_for_zero)

    return types.int64(types.uint64), build


load: Any = intrinsic(_load)
letters: Any = intrinsic(_letters)
lowest_bit: Any = intrinsic(_lowest_bit)
equals: Any = intrinsic(_equals)
