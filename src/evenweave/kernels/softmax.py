"""Softmax of rows of scores that lie in the first cache, in vectors of eight."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

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


def _build_row(typing: Any, scores: Any, width: Any, low: Any, high: Any) -> Any:
    """Put the softmax of 2**scores, from `low` to `high`, in their place, and 0 elsewhere.

    Args:
        scores: address of `width` numbers, a multiple of LANES.
    """

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        _fill_row(builder, *given)
        return context.get_dummy_value()

    return types.none(*[types.int64] * 4), build


def _fill_row(builder: Any, scores: Any, width: Any, low: Any, high: Any) -> None:
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
        store(builder, made, scores, offset)
        return [builder.fadd(values[0], made)]

    (total,) = over(builder, width, LANES, [constant(0.0, LANES)], raised)
    share = builder.fdiv(constant(1.0, LANES), across(builder, total, builder.fadd))

    def shared(offset: Any, _: list[Any]) -> list[Any]:
        store(builder, builder.fmul(load(builder, scores, offset, LANES), share), scores, offset)
        return []

    over(builder, width, LANES, [], shared)


_row: Any = intrinsic(_build_row)


@inner(error_model="numpy")
def softmax(scores: int, rows: int, width: int, first: int, size: int, before: int, after: int) -> None:
    """Put the softmax of 2**scores in their place, each row within the tokens that it sees.

    Args:
        scores: address of `[rows, width]` numbers, of the tokens from `first` on of a sequence.
        width: a multiple of LANES.
        size: of the sequence; columns beyond it get 0.
        before, after: the token at t sees those from t - before to t + after.
    """
    for r in range(rows):
        low, high = max(0, first + r - before), min(size, first + r + after + 1)
        _row(scores + 4 * r * width, width, low, high)
