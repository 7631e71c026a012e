"""Softmax of rows of scores that lie in the first cache, in vectors of eight."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from evenweave.kernels.compiled import inner
from evenweave.kernels.vectors import (
    NARROW,
    SINGLE,
    WIDE,
    across,
    constant,
    floats,
    load,
    over,
    place,
    power,
    spread,
    store,
    wholes,
)

LOG2E = np.float32(math.log2(math.e))
LANES = 8


def _build_rows(fill: Callable[..., None]) -> Any:
    """Return an intrinsic of (scores, terms, width, low, high): addresses, and what `fill` does with them."""

    def rows(typing: Any, scores: Any, terms: Any, width: Any, low: Any, high: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            fill(builder, *given)
            return context.get_dummy_value()

        return types.none(*[types.int64] * 5), build

    return intrinsic(rows)


def _seen(builder: Any, low: Any, high: Any) -> Callable[[Any], Any]:
    """Return what says of an offset which lanes lie from `low` to `high`."""
    lower, upper = (spread(builder, builder.trunc(end, NARROW), wholes(LANES)) for end in (low, high))
    within = ir.Constant(wholes(LANES), list(range(LANES)))

    def seen(offset: Any) -> Any:
        at = builder.add(spread(builder, builder.trunc(offset, NARROW), wholes(LANES)), within)
        return builder.and_(builder.icmp_signed(">=", at, lower), builder.icmp_signed("<", at, upper))

    return seen


def _fill_row(builder: Any, scores: Any, terms: Any, width: Any, low: Any, high: Any) -> None:
    seen = _seen(builder, low, high)

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
    for which, term in enumerate((most, share)):
        first = builder.extract_element(term, NARROW(0))
        builder.store(first, place(builder, terms, WIDE(which), SINGLE), align=4)


def _fill_row_again(builder: Any, scores: Any, terms: Any, width: Any, low: Any, high: Any) -> None:
    seen = _seen(builder, low, high)
    most, share = (
        spread(builder, builder.load(place(builder, terms, WIDE(which), SINGLE), align=4), floats(LANES))
        for which in range(2)
    )

    def made_again(offset: Any, _: list[Any]) -> list[Any]:
        made = power(builder, builder.fsub(load(builder, scores, offset, LANES), most))
        made = builder.select(seen(offset), builder.fmul(made, share), constant(0.0, LANES))
        store(builder, made, scores, offset)
        return []

    over(builder, width, LANES, [], made_again)


_row, _row_again = _build_rows(_fill_row), _build_rows(_fill_row_again)


@inner(error_model="numpy")
def softmax(
    scores: int,
    terms: int,
    again: bool,
    rows: int,
    width: int,
    first: int,
    size: int,
    before: int,
    after: int,
) -> None:
    """Put the softmax of 2**scores in their place, each row within the tokens that it sees.

    Args:
        scores: address of `[rows, width]` numbers, of the tokens from `first` on of a sequence.
        terms: address of `[rows, 2]` numbers, which receive what it takes to make a row `again`, to the last
            bit: its highest score, and one over the sum of its powers.
        width: a multiple of LANES.
        size: of the sequence; columns beyond it get 0.
        before, after: the token at t sees those from t - before to t + after.
    """
    for r in range(rows):
        low, high = max(0, first + r - before), min(size, first + r + after + 1)
        if again:
            _row_again(scores + 4 * r * width, terms + 8 * r, width, low, high)
        else:
            _row(scores + 4 * r * width, terms + 8 * r, width, low, high)
