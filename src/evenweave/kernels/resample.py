"""Resampling of row statistics: sums over rows drawn with replacement, sums over rows drawn by coin.

The draws are a pure function of (seed, resample, position), so that two systems scored on the same rows are
resampled together without sharing an index table, and no table of `[R, n]` is ever held. Many rows are drawn
faster by `resample_blocks`; here they are drawn one by one.

Shape legend: n rows, R resamples, G groups of LANES statistics (one 256-bit load each).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from evenweave.kernels.compiled import inner, kernel
from evenweave.rng import mix

LANES = 4
# Draws are made a block at a time, so that the block's indices stay in L1 for every group.
_BLOCK = 512

_mix = njit(inline="always")(mix)


@kernel
def resample_keys(seed: np.uint64, out: NDArray[np.uint64]) -> None:
    """Write the key of each resample, under which all of its draws are made."""
    for resample in range(np.uint64(len(out))):
        out[resample] = _mix(seed, resample)


@inner
def _draw_block(key: np.uint64, start: int, n: int, out: NDArray[np.uint32]) -> None:
    """Fill `out` with draws from `0..n-1`, n < 2**32: those of the block that begins at `start`, even.

    A word of 64 bits makes two draws: one for the block's first half, one for its second.
    """
    half = np.uint64(32)
    low = np.uint64(0xFFFFFFFF)
    many = np.uint64(n)
    first = np.uint64(start // 2)
    size = len(out) // 2
    for pair in range(size):
        bits = _mix(key, first + np.uint64(pair))
        out[pair] = ((bits >> half) * many) >> half
        out[size + pair] = ((bits & low) * many) >> half
    if len(out) % 2:
        out[2 * size] = ((_mix(key, first + np.uint64(size)) >> half) * many) >> half


@kernel
def draw_rows(key: np.uint64, n: int, out: NDArray[np.uint32]) -> None:
    """Fill `out` with the rows, of n, that `bootstrap_sums` draws under this key."""
    for start in range(0, len(out), _BLOCK):
        _draw_block(key, start, n, out[start : start + _BLOCK])


@kernel
def toss_rows(key: np.uint64, start: int, stop: int, out: NDArray[np.uint32]) -> Any:
    """Write those of the rows `start..stop-1` whose coin shows heads; return how many; `start` is 64-fold."""
    kept: Any = 0
    one = np.uint64(1)
    for word in range(start // 64, (stop + 63) // 64):
        bits = _mix(key, np.uint64(word))
        for row in range(64 * word, min(64 * word + 64, stop)):
            out[kept] = row
            kept += np.int64(bits & one)
            bits >>= one
    return kept


def _build_add_rows(_typing: Any, block: Any, rows: Any, count: Any, sums: Any) -> Any:
    """Add the rows `block[rows[:count]]` of LANES int64 or float64 each to `sums`: one vector load a row.

    Written so because LLVM does not find the vectors in four scalar sums. No bounds are checked.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        arrays = [
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args, arguments, strict=True)
            if isinstance(kind, types.Array)
        ]
        block, rows, sums = (array.data for array in arrays)
        real = signature.args[0].dtype == types.float64
        vector = ir.VectorType(ir.DoubleType() if real else ir.IntType(64), LANES).as_pointer()
        add = builder.fadd if real else builder.add

        def row_at(data: Any, index: Any) -> Any:
            found = builder.load(builder.bitcast(builder.gep(data, [index]), vector))
            found.align = 8
            return found

        before = row_at(sums, ir.IntType(64)(0))
        total = cgutils.alloca_once_value(builder, before)  # type: ignore[no-untyped-call]
        with cgutils.for_range(builder, arguments[2]) as loop:
            row = builder.zext(builder.load(builder.gep(rows, [loop.index])), ir.IntType(64))
            place = builder.mul(row, ir.IntType(64)(LANES))
            builder.store(add(builder.load(total), row_at(block, place)), total)
        stored = builder.store(builder.load(total), builder.bitcast(sums, vector))
        stored.align = 8
        return context.get_dummy_value()

    return types.none(block, rows, types.int64, sums), build


_add_rows: Any = intrinsic(_build_add_rows)


@kernel
def bootstrap_sums(
    values: NDArray[Any], n: int, keys: NDArray[np.uint64], counts: NDArray[np.int64], out: NDArray[Any]
) -> None:
    """Add `counts[r]` draws from the first n rows of `values` `[G, >= n, LANES]` to `out` `[G, R, LANES]`."""
    rows = np.empty(_BLOCK, dtype=np.uint32)
    for resample in range(len(keys)):
        for start in range(0, counts[resample], _BLOCK):
            size = min(_BLOCK, counts[resample] - start)
            _draw_block(keys[resample], start, n, rows[:size])
            for group in range(values.shape[0]):
                _add_rows(values[group], rows, size, out[group, resample])


@kernel
def coin_sums(values: NDArray[Any], keys: NDArray[np.uint64], out: NDArray[Any]) -> None:
    """Set `out[:, r]` `[G, R, LANES]` to the sum of the rows of `values` whose coin shows heads."""
    n = values.shape[1]
    rows = np.empty(_BLOCK + 1, dtype=np.uint32)
    for resample in range(len(keys)):
        for start in range(0, n, _BLOCK):
            count = toss_rows(keys[resample], start, min(start + _BLOCK, n), rows)
            for group in range(values.shape[0]):
                _add_rows(values[group], rows, count, out[group, resample])


@kernel
def column_bounds(values: NDArray[np.int64], low: NDArray[np.int64], high: NDArray[np.int64]) -> None:
    """Write the least and the greatest value of each column of `values` `[n, K]`, n above 0."""
    for column in range(values.shape[1]):  # a slice takes a second and more to compile
        low[column] = high[column] = values[0, column]
    for row in range(1, values.shape[0]):
        for column in range(values.shape[1]):
            low[column] = min(low[column], values[row, column])
            high[column] = max(high[column], values[row, column])


@kernel
def pack_rows(
    values: NDArray[np.int64],
    low: NDArray[np.int64],
    words: NDArray[np.int64],
    shifts: NDArray[np.int64],
    out: NDArray[np.int64],
) -> None:
    """Put each column of `values` `[n, K]`, less `low`, at its word and bit of `out`, and 1 at the first bit.

    `out` is `[G, >= n, LANES]`, of zeros.
    """
    for row in range(values.shape[0]):
        out[0, row, 0] = 1
    for column in range(values.shape[1]):
        group, lane, shift = words[column] // LANES, words[column] % LANES, shifts[column]
        for row in range(values.shape[0]):
            out[group, row, lane] |= (values[row, column] - low[column]) << shift
