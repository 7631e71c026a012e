"""Bootstrap sums by Poisson counts: three rows are drawn by one look-up, for all resamples in a sweep.

Independent Poisson(m) counts of n rows, given their sum M, are M draws with replacement. So a resample with
m a little below 1 is topped up to n by n - M single draws; one with M > n is thrown away and drawn anew.
Both leave the law of n draws as it is. The counts of a block of three rows are one of a few outcomes, told
by 16 random bits; the sums of the block's rows under each are laid in a table before the resamples pass.

Shape legend: n rows, R resamples, G groups of LANES statistics, O outcomes in tables, A outcomes in all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from evenweave.kernels.compiled import inner, kernel
from evenweave.kernels.resample import LANES
from evenweave.rng import mix

ROWS = 3  # of a block
_BLOCKS = 4  # of a tile: one random word, 16 bits each
TILE = ROWS * _BLOCKS
# A counter of a resample's key beside those of its tiles, which stay below 2**32.
_RARE = np.uint64(1 << 40)
# Of a word of four lanes: the high byte of each, 1 in each of those, the top bit of each. A lane whose high
# byte is all ones may be beyond those that tell an outcome.
_HIGH, _ONES = np.uint64(0xFF00FF00FF00FF00), np.uint64(0x0100010001000100)
_TOPS = np.uint64(0x8000800080008000)

_mix = njit(inline="always")(mix)


def _vectors(context: Any, builder: Any, signature: Any, arguments: Any) -> tuple[list[Any], Any, Any, Any]:
    """Return arguments with arrays as their data, and how to load, add and store LANES numbers of one."""
    found = [
        context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
        for kind, value in zip(signature.args, arguments, strict=True)
    ]
    real = signature.args[0].dtype == types.float64
    vector = ir.VectorType(ir.DoubleType() if real else ir.IntType(64), LANES).as_pointer()

    def place(data: Any, index: Any) -> Any:
        return builder.bitcast(builder.gep(data, [builder.mul(index, ir.IntType(64)(LANES))]), vector)

    def load(data: Any, index: Any) -> Any:
        value = builder.load(place(data, index))
        value.align = 8
        return value

    def store(value: Any, data: Any, index: Any) -> None:
        builder.store(value, place(data, index)).align = 8

    return found, load, builder.fadd if real else builder.add, store


def _build_sum_of_two(_typing: Any, table: Any, at: Any, one: Any, values: Any, other: Any) -> Any:
    """Set `table[at] = table[one] + values[other]`, LANES numbers each. No bounds are checked."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given, load, add, store = _vectors(context, builder, signature, arguments)
        store(add(load(given[0], given[2]), load(given[3], given[4])), given[0], given[1])
        return context.get_dummy_value()

    return types.none(table, types.int64, types.int64, values, types.int64), build


def _build_add_four(_typing: Any, table: Any, slots: Any, lanes: Any, size: Any, sums: Any, at: Any) -> Any:
    """Add to `sums[at]` the entries `j * size + slots[lanes[4 * at + j]]` of `table`, j from 0 to 3."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (table, slots, lanes, size, sums, at), load, add, store = _vectors(
            context, builder, signature, arguments
        )
        wide = ir.IntType(64)

        def look(data: Any, index: Any) -> Any:
            return builder.zext(builder.load(builder.gep(data, [index])), wide)

        first = builder.mul(at, wide(_BLOCKS))
        total, base = load(sums, at), wide(0)
        for block in range(_BLOCKS):
            found = look(slots, look(lanes, builder.add(first, wide(block))))
            total = add(total, load(table, builder.add(found, base)))
            base = builder.add(base, size)
        store(total, sums, at)
        return context.get_dummy_value()

    return types.none(table, slots, lanes, types.int64, sums, types.int64), build


_sum_of_two: Any = intrinsic(_build_sum_of_two)
_add_four: Any = intrinsic(_build_add_four)


@inner
def rare_outcome(key: np.uint64, place: int, rest: NDArray[np.float64], guide: NDArray[np.uint16]) -> int:
    """Return the outcome of a block whose 16 bits did not tell it, from the cumulated shares of the rest."""
    bits = _mix(_mix(key, _RARE), np.uint64(place)) >> np.uint64(11)
    share = np.float64(bits) * 2.0**-53
    outcome = np.int64(guide[np.int64(share * len(guide))])
    while rest[outcome] <= share:
        outcome += 1
    return int(outcome)


@inner
def _fill(
    table: NDArray[Any],
    parents: NDArray[np.uint8],
    grown: NDArray[np.uint8],
    values: NDArray[Any],
    first: int,
) -> None:
    """Set `table` `[4 O, LANES]` to the sums under each outcome of the blocks of the tile at row `first`."""
    size = len(parents)
    for block in range(_BLOCKS):
        base = size * block
        table[base] = 0
        for outcome in range(1, size):
            row = first + ROWS * block + np.int64(grown[outcome])
            _sum_of_two(table, base + outcome, base + np.int64(parents[outcome]), values, row)


@inner
def _find_odd(words: NDArray[np.uint64], odd: NDArray[np.uint32]) -> int:
    """Write which words may have a lane that tells no outcome; return how many."""
    found = np.uint64(0)
    for at in range(np.uint64(len(words))):
        zeros = ~words[at] & _HIGH
        odd[found] = at
        found += np.uint64(((zeros - _ONES) & ~zeros & _TOPS) != 0)
    return int(found)


@kernel
def block_sums(
    values: NDArray[Any],
    keys: NDArray[np.uint64],
    slots: NDArray[np.uint8],
    told: int,
    parents: NDArray[np.uint8],
    grown: NDArray[np.uint8],
    rest: NDArray[np.float64],
    guide: NDArray[np.uint16],
    counts: NDArray[np.uint8],
    out: NDArray[Any],
) -> None:
    """Add to `out` `[G, R, LANES]` the sums of rows of `values` `[G, n, LANES]` under Poisson counts.

    Args:
        values: n is a multiple of TILE; rows of zeros fill it up.
        keys: of the resamples `[R]`.
        slots, told, parents, grown, rest, guide, counts: of `Outcomes`.
    """
    zero = values.dtype.type(0)
    size = len(parents)
    table = np.empty((_BLOCKS * size, LANES), dtype=values.dtype)
    words = np.empty(len(keys), dtype=np.uint64)
    lanes = words.view(np.uint16)
    odd = np.empty(len(keys) + 1, dtype=np.uint32)
    for tile in range(values.shape[1] // TILE):
        for resample in range(len(keys)):
            words[resample] = _mix(keys[resample], np.uint64(tile))
        for group in range(values.shape[0]):
            _fill(table, parents, grown, values[group], TILE * tile)
            for resample in range(len(keys)):
                _add_four(table, slots, lanes, size, out[group], resample)
        for index in range(_find_odd(words, odd)):
            resample = int(odd[index])
            for block in range(_BLOCKS):
                if lanes[_BLOCKS * resample + block] >= told:
                    place = _BLOCKS * tile + block
                    outcome = rare_outcome(keys[resample], place, rest, guide)
                    for row in range(ROWS):
                        times = counts[outcome, row]
                        for group in range(values.shape[0]):
                            for lane in range(LANES):
                                value = values[group, ROWS * place + row, lane]
                                # Not a plain product: 0 times infinity is no number.
                                out[group, resample, lane] += times * value if times else zero


@kernel
def block_counts(
    key: np.uint64,
    slots: NDArray[np.uint8],
    told: int,
    rest: NDArray[np.float64],
    guide: NDArray[np.uint16],
    counts: NDArray[np.uint8],
    out: NDArray[np.int64],
) -> None:
    """Write how often `block_sums` draws each row `[n]` under a key."""
    sixteen, low = np.uint64(16), np.uint64(0xFFFF)
    for row in range(len(out)):
        block = row // ROWS
        word = _mix(key, np.uint64(block // _BLOCKS))
        bits = (word >> (sixteen * np.uint64(block % _BLOCKS))) & low
        outcome = np.int64(slots[bits]) if bits < np.uint64(told) else rare_outcome(key, block, rest, guide)
        out[row] = counts[outcome, row % ROWS]
