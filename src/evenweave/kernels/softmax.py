"""Softmax of rows of scores that lie in the first cache, in vectors of eight."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from evenweave.kernels.compiled import inner
from evenweave.kernels.vectors import (
    NARROW,
    across,
    constant,
    load,
    over,
    power,
    spread,
    store,
    wholes,
)

LOG2E = np.float32(math.log2(math.e))
LANES = 8


def _build_row(typing: Any, scores: Any, out: Any, width: Any, low: Any, high: Any) -> Any:
    """Write the softmax of 2**scores, from `low` to `high`, to `out`, and 0 elsewhere.

    Args:
        scores, out: addresses of `width` numbers, a multiple of LANES; may be the same.
    """

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        _fill_row(builder, *given)
        return context.get_dummy_value()

    return types.none(*[types.int64] * 5), build


def _fill_row(builder: Any, scores: Any, out: Any, width: Any, low: Any, high: Any) -> None:
    lower, upper = (spread(builder, builder.trunc(end, NARROW), wholes(LANES)) for end in (low, high))
    within = ir.Constant(wholes(LANES), list(range(LANES)))

    def seen(offset: Any) -> Any:
        at = builder.add(spread(builder, builder.trunc(offset, NARROW), wholes(LANES)), within)
        return builder.and_(builder.icmp_signed(">=", at, lower), builder.icmp_signed("<", at, upper))

    def highest(offset: Any, values: list[Any]) -> list[Any]:
        score = load(builder, scores, offset, LANES)
        higher = builder.and_(builder.fcmp_ordered(">", score, values[0]), seen(offset))
        return [builder.select(higher, score, values[0])]

    (most,) = over(builder, width, LANES, [constant(-math.inf, LANES)], highest)
    most = across(builder, most, lambda a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b))

    def raised(offset: Any, values: list[Any]) -> list[Any]:
        made = power(builder, builder.fsub(load(builder, scores, offset, LANES), most))
        made = builder.select(seen(offset), made, constant(0.0, LANES))
        store(builder, made, out, offset)
        return [builder.fadd(values[0], made)]

    (total,) = over(builder, width, LANES, [constant(0.0, LANES)], raised)
    share = builder.fdiv(constant(1.0, LANES), across(builder, total, builder.fadd))

    def shared(offset: Any, _: list[Any]) -> list[Any]:
        store(builder, builder.fmul(load(builder, out, offset, LANES), share), out, offset)
        return []

    over(builder, width, LANES, [], shared)


_row: Any = intrinsic(_build_row)


@inner(error_model="numpy")
def softmax(
    scores: NDArray[np.float32], out: NDArray[np.float32], first: int, size: int, before: int, after: int
) -> None:
    """Write the softmax of 2**`scores`, `[R, W]`, to `out`, each row within the tokens that it sees.

    Args:
        scores: of the tokens from `first` on of a sequence; W is a multiple of LANES. May be `out`.
        size: of the sequence; columns beyond it get 0.
        before, after: the token at t sees those from t - before to t + after.
    """
    width = scores.shape[1]
    source, target = scores.ctypes.data, out.ctypes.data
    for r in range(len(scores)):
        low, high = max(0, first + r - before), min(size, first + r + after + 1)
        _row(source + 4 * r * width, target + 4 * r * width, width, low, high)
