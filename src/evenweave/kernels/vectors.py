"""Vectors of LLVM's, for kernels whose loops its compiler does not make into vectors, or not well.

In loops of numbers the beginnings and ends of short rows cost several times as much as their elements, and
LLVM by itself takes half of a processor's 512 bits. What is written here runs anywhere: a vector wider than
the processor's becomes several.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import binding, ir

WIDE, NARROW, SINGLE = ir.IntType(64), ir.IntType(32), ir.FloatType()
# A product and a sum may be one instruction.
FUSED = ("contract",)
# Added to a small number it leaves the nearest whole one in the lowest bits, times 1.
_ROUND = 12582912.0
# ln(2)**k / k!
_SERIES = [math.log(2) ** k / math.factorial(k) for k in range(8)]


def _lanes() -> int:
    features = binding.get_host_cpu_features()
    return 16 if features.get("avx512f") else 8 if features.get("avx") else 4


LANES = _lanes()
"""float32 numbers of the processor's widest vector."""


def floats(lanes: int) -> Any:
    """Return the type of so many float32 numbers."""
    return ir.VectorType(SINGLE, lanes)


def wholes(lanes: int) -> Any:
    """Return the type of so many int32 numbers."""
    return ir.VectorType(NARROW, lanes)


def constant(number: float, lanes: int) -> Any:
    """Return a vector of one float32 number."""
    return ir.Constant(floats(lanes), [float(np.float32(number))] * lanes)


def whole(number: int, lanes: int) -> Any:
    """Return a vector of one int32 number."""
    return ir.Constant(wholes(lanes), [number] * lanes)


def spread(builder: Any, number: Any, kind: Any) -> Any:
    """Return a vector, of a type, of one number."""
    nothing = ir.Constant(kind, ir.Undefined)
    one = builder.insert_element(nothing, number, NARROW(0))
    return builder.shuffle_vector(one, nothing, whole(0, kind.count))


def place(builder: Any, base: Any, offset: Any, kind: Any) -> Any:
    """Return a pointer to what lies `offset` float32 numbers behind the address `base`."""
    return builder.inttoptr(builder.add(base, builder.shl(offset, WIDE(2))), kind.as_pointer())


def load(builder: Any, base: Any, offset: Any, lanes: int) -> Any:
    """Return float32 numbers from memory."""
    return builder.load(place(builder, base, offset, floats(lanes)), align=4)


def store(builder: Any, value: Any, base: Any, offset: Any) -> None:
    """Write float32 numbers to memory."""
    builder.store(value, place(builder, base, offset, value.type), align=4)


def power(builder: Any, exponent: Any) -> Any:
    """Return 2 to the power of `exponent`, none above 0; of what is no number, none.

    2**n times 2**r, n whole and |r| at most a half, the latter by Taylor's series to the seventh power
    (relative error 5e-9 before rounding). Below 2**-126 it is that.
    """
    lanes = exponent.type.count
    least = constant(-126.0, lanes)
    x = builder.select(builder.fcmp_ordered("<", exponent, least), least, exponent)
    rounded = builder.fadd(x, constant(_ROUND, lanes))
    rest = builder.fsub(x, builder.fsub(rounded, constant(_ROUND, lanes)))
    made = _polynomial(builder, rest, _SERIES)
    up = builder.shl(builder.bitcast(rounded, wholes(lanes)), whole(23, lanes))
    return builder.bitcast(builder.add(builder.bitcast(made, wholes(lanes)), up), floats(lanes))


def _polynomial(builder: Any, x: Any, terms: list[float]) -> Any:
    """Return the polynomial of these coefficients, that of 1 first, at `x`."""
    lanes = x.type.count
    made = constant(terms[-1], lanes)
    for term in reversed(terms[:-1]):
        product = builder.fmul(made, x, flags=FUSED)
        made = builder.fadd(product, constant(term, lanes), flags=FUSED)
    return made


def over(
    builder: Any, count: Any, lanes: int, starts: list[Any], body: Callable[[Any, list[Any]], list[Any]]
) -> list[Any]:
    """Return what `body(offset, values)` makes of `starts`, vector by vector of `count` numbers, above 0."""
    before = builder.block
    loop, after = (builder.append_basic_block(name) for name in ("vectors", "done"))
    builder.branch(loop)
    builder.position_at_end(loop)
    offset, values = builder.phi(WIDE), [builder.phi(start.type) for start in starts]
    made = body(offset, values)
    following = builder.add(offset, WIDE(lanes))
    offset.add_incoming(WIDE(0), before)
    offset.add_incoming(following, builder.block)
    for value, start, new in zip(values, starts, made, strict=True):
        value.add_incoming(start, before)
        value.add_incoming(new, builder.block)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, after)
    builder.position_at_end(after)
    return made


def across(builder: Any, vector: Any, merge: Callable[[Any, Any], Any]) -> Any:
    """Return a vector of what `merge` makes of all lanes."""
    lanes = vector.type.count
    apart = lanes // 2
    while apart:
        order = ir.Constant(wholes(lanes), [lane ^ apart for lane in range(lanes)])
        vector = merge(vector, builder.shuffle_vector(vector, vector, order))
        apart //= 2
    return vector
