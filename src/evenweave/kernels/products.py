"""Products of small float32 matrices within one thread, for kernels alone.

A library's call costs as much as a product of 30 x 32 by 32 x 30 numbers, of which attention has hundreds
in a step. Here a tile of the result stays in registers while the depth runs: four rows of two vectors, as
many sums as two units of four cycles each can be at.

Shape legend: R rows, C columns, K depth.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from evenweave.kernels.compiled import inner
from evenweave.kernels.vectors import (
    FUSED,
    LANES,
    SINGLE,
    WIDE,
    constant,
    floats,
    load,
    over,
    place,
    spread,
    store,
)

# Rows of a tile; those of a product are computed in such blocks.
ROWS = 4
# Columns come in multiples of this.
COLUMNS = 8


def _build_tile(lanes: int, vectors: int) -> Any:
    """Return an intrinsic that computes ROWS rows and lanes * vectors columns as `product` does."""

    def tile(
        typing: Any, a: Any, a_row: Any, a_step: Any, b: Any, b_step: Any, c: Any, c_row: Any, depth: Any,
        adds: Any,
    ) -> Any:  # fmt: skip
        def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            _fill_tile(builder, lanes, vectors, given)
            return context.get_dummy_value()

        return types.none(*[types.int64] * 9), build

    return intrinsic(tile)


def _fill_tile(builder: Any, lanes: int, vectors: int, given: Any) -> None:
    a, a_row, a_step, b, b_step, c, c_row, depth, adds = given

    def deeper(step: Any, sums: list[Any]) -> list[Any]:
        row = builder.mul(step, b_step)
        others = [load(builder, b, builder.add(row, WIDE(v * lanes)), lanes) for v in range(vectors)]
        column = builder.mul(step, a_step)
        made = []
        for r in range(ROWS):
            at = builder.add(column, builder.mul(a_row, WIDE(r)))
            own = spread(builder, builder.load(place(builder, a, at, SINGLE), align=4), floats(lanes))
            for before, other in zip(sums[r * vectors : (r + 1) * vectors], others, strict=True):
                made.append(builder.fadd(before, builder.fmul(own, other, flags=FUSED), flags=FUSED))
        return made

    made = over(builder, depth, 1, [constant(0.0, lanes)] * (ROWS * vectors), deeper)
    cells = [
        builder.add(builder.mul(c_row, WIDE(r)), WIDE(v * lanes)) for r in range(ROWS) for v in range(vectors)
    ]
    with builder.if_else(builder.icmp_signed("!=", adds, WIDE(0))) as (then, otherwise):
        with then:
            for cell, new in zip(cells, made, strict=True):
                store(builder, builder.fadd(new, load(builder, c, cell, lanes)), c, cell)
        with otherwise:
            for cell, new in zip(cells, made, strict=True):
                store(builder, new, c, cell)


_double, _simple, _narrow = _build_tile(LANES, 2), _build_tile(LANES, 1), _build_tile(COLUMNS, 1)


@inner(error_model="numpy")
def product(
    a: int, a_row: int, a_step: int, b: int, b_step: int, c: int, c_row: int, rows: int, columns: int,
    depth: int, adds: int,
) -> None:  # fmt: skip
    """Write `[R, C]`, the sums over K of A `[R, K]` times B `[K, C]`. Nothing is checked.

    Args:
        a, b, c: addresses of the first elements; strides beside them are in elements. B's and C's columns lie
            one after another.
        rows: R; read and written are whole blocks of ROWS.
        columns: C, a multiple of COLUMNS.
        depth: K, above 0.
        adds: not 0 to add to what is there.
    """
    for j in range(0, columns, 2 * LANES):
        left = columns - j
        for i in range(0, rows, ROWS):
            own, other, made = a + 4 * i * a_row, b + 4 * j, c + 4 * (i * c_row + j)
            if left >= 2 * LANES:
                _double(own, a_row, a_step, other, b_step, made, c_row, depth, adds)
                continue
            done = 0
            if left >= LANES:
                _simple(own, a_row, a_step, other, b_step, made, c_row, depth, adds)
                done = LANES
            if left > done:
                _narrow(own, a_row, a_step, other + 4 * done, b_step, made + 4 * done, c_row, depth, adds)
