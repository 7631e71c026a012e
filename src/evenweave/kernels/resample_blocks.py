"""Bootstrap sums by Poisson counts: a few cells are drawn by one look-up, for all resamples in a sweep.

A cell is a number of equal rows, c of n, drawn as one. Independent Poisson(c m) counts of the cells, given
their sum M, are M draws of rows with replacement. So a resample with m a little below 1 is topped up to n by
n - M single draws; one with M > n is thrown away and drawn anew. Both leave the law of n draws as it is.
The counts of a block of one to three cells are one of a few outcomes, told by 16 random bits; the sums of
the block's rows under each are laid in a table before the resamples pass.

Shape legend: P cells, n rows, R resamples, G groups of LANES statistics, M kinds of blocks, T tiles of four
blocks; O and A as in `Outcomes`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from evenweave.kernels.bits import lowest_bit
from evenweave.kernels.compiled import inner, kernel
from evenweave.kernels.resample import LANES
from evenweave.rng import mix

CELLS = 3  # of a block, at most
BLOCKS = 4  # of a tile: one random word, 16 bits each
# A counter of a resample's key beside those of its tiles, which stay below 2**32.
_RARE = np.uint64(1 << 40)
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

        first = builder.mul(at, wide(BLOCKS))
        total, base = load(sums, at), table
        for block in range(BLOCKS):
            found = look(slots, look(lanes, builder.add(first, wide(block))))
            total = add(total, load(base, found))
            base = builder.gep(base, [builder.mul(size, wide(LANES))])
        store(total, sums, at)
        return context.get_dummy_value()

    return types.none(table, slots, lanes, types.int64, sums, types.int64), build


_sum_of_two: Any = intrinsic(_build_sum_of_two)
_add_four: Any = intrinsic(_build_add_four)


Room = tuple[
    NDArray[np.uint64], NDArray[np.uint16], NDArray[np.uint8], NDArray[np.uint64], NDArray[np.uint32]
]
"""Random words and their lanes, flags and eight of them at once, and places: what a sweep writes to."""


def room_for(resamples: int) -> Room:
    """Return what `block_sums` writes to; made here, as Numba compiles its own for a quarter of a second."""
    words = np.zeros(resamples + resamples % 2, dtype=np.uint64)
    lanes = words.view(np.uint16)
    flags = np.empty(len(lanes), dtype=np.uint8)
    return words, lanes, flags, flags.view(np.uint64), np.empty(len(lanes), dtype=np.uint32)


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
    size: int,
    parents: NDArray[np.uint8],
    grown: NDArray[np.uint8],
    values: NDArray[Any],
    first: int,
    cells: int,
) -> None:
    """Set `table` `[4 size, LANES]` to the sums under each outcome of the four blocks from cell `first`."""
    for block in range(BLOCKS):
        base = size * block
        for lane in range(LANES):
            table[base, lane] = 0
        for outcome in range(1, size):
            cell = first + cells * block + np.int64(grown[outcome])
            _sum_of_two(table, base + outcome, base + np.int64(parents[outcome]), values, cell)


@inner
def _find_odd(lanes: Any, told: int, flags: Any, eights: Any, odd: Any) -> int:
    """Write to `odd` which lanes tell no outcome, one in some hundreds; return how many.

    `flags`: a byte for each lane; `eights` the same, eight at once.
    """
    least = np.uint16(told)  # compared as 16 bits, many at once
    for lane in range(np.uint64(len(lanes))):
        flags[lane] = lanes[lane] >= least
    found = 0
    for eight in range(len(eights)):
        left = eights[eight]
        while left:
            odd[found] = 8 * eight + (lowest_bit(left) >> 3)
            found += 1
            left &= left - np.uint64(1)
    return found


@kernel
def block_sums(
    values: NDArray[Any],
    kinds: NDArray[np.uint8],
    cells: NDArray[np.int64],
    keys: NDArray[np.uint64],
    slots: NDArray[np.uint8],
    told: NDArray[np.int64],
    sizes: NDArray[np.int64],
    parents: NDArray[np.uint8],
    grown: NDArray[np.uint8],
    starts: NDArray[np.int64],
    rest: NDArray[np.float64],
    guide: NDArray[np.uint16],
    counts: NDArray[np.uint8],
    room: Room,
    out: NDArray[Any],
) -> None:
    """Add to `out` `[G, R, LANES]` the sums of cells of `values` `[G, P, LANES]` under Poisson counts.

    Args:
        values: a cell's statistics are those of one of its rows; cells of zeros fill up tiles.
        kinds: the kind of each tile `[T]`.
        cells: of a block of each kind `[M]`.
        keys: of the resamples `[R]`.
        slots, told, sizes, parents, grown, starts, rest, guide, counts: of `Outcomes`.
        room: of `room_for` so many resamples.
    """
    words, lanes, flags, eights, odd = room
    zero = values.dtype.type(0)
    largest = 0  # not sizes.max(): Numba compiles its own for a third of a second
    for kind in range(len(sizes)):
        largest = max(largest, sizes[kind])
    table = np.empty((BLOCKS * largest, LANES), dtype=values.dtype)
    first = np.int64(0)  # not a literal, for which Numba would compile `_fill` a second time
    for tile in range(len(kinds)):
        kind = kinds[tile]
        size, width = sizes[kind], cells[kind]
        for resample in range(np.uint64(len(keys))):
            words[resample] = _mix(keys[resample], np.uint64(tile))
        for group in range(values.shape[0]):
            _fill(table, size, parents[kind], grown[kind], values[group], first, width)
            for resample in range(len(keys)):
                _add_four(table, slots[kind], lanes, size, out[group], resample)
        for index in range(_find_odd(lanes, told[kind], flags, eights, odd)):
            resample, block = odd[index] // BLOCKS, odd[index] % BLOCKS
            outcome = starts[kind] + rare_outcome(
                keys[resample], BLOCKS * tile + block, rest[starts[kind] :], guide[kind]
            )
            for cell in range(width):
                times = counts[outcome, cell]
                for group in range(values.shape[0]):
                    for lane in range(LANES):
                        value = values[group, first + width * block + cell, lane]
                        # Not a plain product: 0 times infinity is no number.
                        out[group, resample, lane] += times * value if times else zero
        first += BLOCKS * width


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
    """Write how often `block_sums` draws each row `[n]` under a key, if each is a cell of its own."""
    sixteen, low = np.uint64(16), np.uint64(0xFFFF)
    for row in range(len(out)):
        block = row // CELLS
        word = _mix(key, np.uint64(block // BLOCKS))
        bits = (word >> (sixteen * np.uint64(block % BLOCKS))) & low
        outcome = np.int64(slots[bits]) if bits < np.uint64(told) else rare_outcome(key, block, rest, guide)
        out[row] = counts[outcome, row % CELLS]


@kernel
def split_cells(
    counts: NDArray[np.int64], sizes: NDArray[np.int64], cells: NDArray[np.int64], kinds: Any, index: Any
) -> Any:
    """Put cells of any size together from cells of the sizes that kinds of blocks have.

    Args:
        counts: `[D]`, how many rows are equal to each of D rows.
        sizes, cells: `[M]`, of the kinds: rows of a cell, ascending from 1, and cells of a block.
        kinds: uint8, receives the kind of each tile.
        index: int64, receives which of the D rows each cell is of; D where it fills up a tile.

    Returns:
        How many tiles and how many cells there are; what is beyond the room given is counted, not written.
    """
    tiles, place = 0, 0
    left = counts.copy()
    for kind in range(len(sizes) - 1, -1, -1):
        first = place
        for row in range(len(left)):
            while left[row] >= sizes[kind]:
                left[row] -= sizes[kind]
                if place < len(index):
                    index[place] = row
                place += 1
        while (place - first) % (BLOCKS * cells[kind]):
            if place < len(index):
                index[place] = len(counts)
            place += 1
        for _ in range((place - first) // (BLOCKS * cells[kind])):
            if tiles < len(kinds):
                kinds[tiles] = kind
            tiles += 1
    return tiles, place
