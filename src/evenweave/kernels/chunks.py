"""Chunks (entities) of tag sequences: counting those two sequences share, and listing those of one.

What a tag does to the chunk before it is looked up, for each pair of neighbouring tags, in a table of
actions; so one kernel serves conlleval's rules and every strict scheme, and never sees a string.

Shape legend: B rows, N tags in all, L distinct tags, T types.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from evenweave.kernels.bits import popcount
from evenweave.kernels.compiled import inner, kernel

# What happens between two neighbouring tags, as bits of the action table.
END = 1  # an open chunk ends with the first tag, and counts
START = 2  # a chunk starts with the second tag, unless INSIDE says that an open one goes on
INSIDE = 4  # an open chunk goes on
KEEP = 8  # if a chunk is open, one is open afterwards too: that one or one that starts

# Columns of the counts before those of the types.
TOKENS, RIGHT, FIRST_TYPE = 0, 1, 2
# Of each type: chunks in both, in the first (gold), in the second (predicted).
BOTH, GOLD, PREDICTED, PER_TYPE = 0, 1, 2, 3


# Tags looked at in one go: small enough for what is noted of them to stay in the first cache.
_BLOCK = 1024
_LINE = 8  # tags in a line of the cache
_LANES = 8  # tags compared at once
_INDEX = ir.IntType(32)  # of the index of a lane


def _build_prefetch(_typing: Any, tags: Any, at: Any) -> Any:
    """Have the line of the cache fetched that holds `tags[at]`; a place behind the end does no harm."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        flag = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, flag, flag, flag])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind)
        builder.call(fetch, [place, flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    return types.none(tags, at), build


_prefetch: Any = intrinsic(_build_prefetch)


def _each(builder: Any, value: Any) -> Any:
    """Return a vector of _LANES times the value."""
    one = builder.insert_element(
        ir.Constant(ir.VectorType(value.type, _LANES), ir.Undefined), value, _INDEX(0)
    )
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_INDEX, _LANES), [0] * _LANES))


def _build_marks(_typing: Any, gold: Any, predicted: Any, at: Any, outside: Any) -> Any:
    """Return the bits of those of _LANES places from `at` on where a side is not `outside`; unchecked."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        outside = _each(builder, arguments[3])
        marks = []
        for array, values in zip(signature.args[:2], arguments[:2], strict=True):
            data = context.make_array(array)(context, builder, values).data
            tags = builder.load(builder.bitcast(builder.gep(data, [arguments[2]]), outside.type.as_pointer()))
            tags.align = 8
            marks.append(builder.icmp_unsigned("!=", tags, outside))
        return builder.zext(builder.bitcast(builder.or_(*marks), ir.IntType(_LANES)), ir.IntType(64))

    return types.uint64(gold, predicted, types.int64, types.int64), build


def _build_put(_typing: Any, places: Any, found: Any, eight: Any, first: Any) -> Any:
    """Write the bytes of `eight`, each plus `first`, to `places[found:found + _LANES]`; unchecked."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first = _each(builder, builder.trunc(arguments[3], ir.IntType(16)))
        steps = builder.bitcast(arguments[2], ir.VectorType(ir.IntType(8), _LANES))
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), first.type.as_pointer())
        builder.store(builder.add(builder.zext(steps, first.type), first), place).align = 2
        return context.get_dummy_value()

    return types.none(places, types.int64, types.uint64, types.uint64), build


_marks: Any = intrinsic(_build_marks)
_put: Any = intrinsic(_build_put)


def _places() -> NDArray[np.uint64]:
    """Return for each eight bits which of them are set, one byte each, from the lowest on."""
    bits = np.arange(256)[:, None] >> np.arange(_LANES) & 1
    return np.argsort(1 - bits, axis=1, kind="stable").astype(np.uint8).view(np.uint64).reshape(-1)


_PLACES = _places()


@inner
def _busy(
    gold: NDArray[np.int64],
    predicted: NDArray[np.int64],
    first: int,
    stop: int,
    outside: int,
    before: int,
    out: NDArray[np.uint16],
) -> Any:
    """Write the places where not both sides are outside, and those behind them; return how many.

    Places count from `first`; `before` is 1 if the one before it was busy. There is no branch to mispredict.
    """
    # Unsigned throughout the hot loops: a signed index is first tested for being negative.
    found, last, one = np.uint64(0), np.uint64(before), np.uint64(1)
    size = np.uint64(stop - first)
    whole = size - size % np.uint64(_LANES)
    for at in range(np.uint64(0), whole, np.uint64(_LANES)):
        now = _marks(gold, predicted, np.uint64(first) + at, outside)
        places = (now << one | last) & np.uint64(255) | now
        _put(out, found, _PLACES[places], at)
        found += np.uint64(popcount(places))
        last = now >> np.uint64(_LANES - 1)
    for at in range(whole, size):
        place = np.uint64(first) + at
        now = np.uint64((gold[place] != outside) | (predicted[place] != outside))
        out[found] = at
        found += now | last
        last = now
    return np.int64(found)


def scratch(types: NDArray[np.int64]) -> tuple[Any, Any, Any, Any]:
    """Return the memory `count_chunks` works in; made here because that compiles no code."""
    busy, starts = np.empty(_BLOCK + _LANES, dtype=np.uint16), np.empty(_BLOCK, dtype=np.bool_)
    # Where each tag's type is counted, and the counts of the row at hand.
    columns = np.empty(len(types), dtype=np.uint64)
    return busy, starts, columns, np.zeros(FIRST_TYPE + PER_TYPE * len(types), dtype=np.int64)


@kernel
def count_chunks(
    gold: NDArray[np.int64],
    predicted: NDArray[np.int64],
    offsets: NDArray[np.int64],
    actions: NDArray[np.uint8],
    types: NDArray[np.int64],
    outside: int,
    ignored: int,
    memory: Any,
    out: NDArray[np.int64],
) -> int:
    """Count tags and chunks of gold and predicted rows.

    Args:
        gold, predicted: tag ids `[N]`, 0 to L - 1; where gold is `ignored`, both are left out.
        offsets: row boundaries `[B + 1]`, from 0 to N.
        actions: `[(L + 1) * (L + 1)]`, by a tag and its successor; L stands for what is around a row.
        types: the type of each tag `[L + 1]`.
        outside: the id of tag O, -1 if there is none; long stretches of it cost 0.3 ns a tag.
        memory: of `scratch`.
        out: zeros `[B or 1, 2 + 3 T]`; one row is the sum of all, none is left as it is.

    Returns:
        -1, or the place of the first id that is not a tag.
    """
    if out.shape[0] == 0:
        return -1
    around, width = np.uint64(len(types) - 1), np.uint64(len(types))
    busy, starts, columns, counts = memory
    for tag in range(len(types)):
        columns[tag] = FIRST_TYPE + PER_TYPE * types[tag]
    each = out.shape[0] > 1
    total, row, next_start = len(gold), 0, 0
    # Whether a chunk is open on either side, and whether both began together and are of one type.
    open_g: Any
    open_p: Any
    alike: Any
    last_g, last_p, open_g, open_p, alike = around, around, 0, 0, 0
    for first in range(0, total + 1, _BLOCK):
        stop = first + _BLOCK if first + _BLOCK < total else total
        for place in range(_BLOCK):
            starts[place] = False
        while next_start < len(offsets) and offsets[next_start] < first + _BLOCK:
            starts[offsets[next_start] - first] = True
            next_start += 1
        before: Any = np.int64(last_g != around or last_p != around)
        found = _busy(gold, predicted, first, stop, outside, before, busy)
        if stop < first + _BLOCK:  # one step behind the last tag closes what is open
            busy[found] = total - first
            found += 1
        for index in range(np.uint64(found)):
            # The next block is on its way from memory while this one is counted. Each line is asked for once
            # where a tag in four is busy; asking twice costs more than asking for too few.
            if index & np.uint64(1):
                _prefetch(gold, np.uint64(stop) + np.uint64(_LINE // 2) * index)
            else:
                _prefetch(predicted, np.uint64(stop) + np.uint64(_LINE // 2) * index)
            near = np.uint64(busy[index])
            at = np.uint64(first) + near
            begins = starts[near]
            if begins and (open_g | open_p):
                # A row ended within a chunk: a step out of it, before the next row begins.
                _step(actions, width, columns, last_g, last_p, around, around, open_g, open_p, alike, counts)
            # What was open needs no reset: from `around`, nothing is kept.
            last_g, last_p = around if begins else last_g, around if begins else last_p
            if at == np.uint64(total):
                break
            if each and offsets[row + 1] <= np.int64(at):
                for column in range(out.shape[1]):
                    out[row, column] = counts[column]
                    counts[column] = 0
                while offsets[row + 1] <= np.int64(at):
                    row += 1
            if gold[at] == ignored:
                counts[TOKENS] -= 1
                counts[RIGHT] -= 1
                continue
            g, p = np.uint64(gold[at]), np.uint64(predicted[at])
            if g >= around or p >= around:
                return int(at)
            if g == p and last_g == last_p and alike == open_g and alike == open_p:
                # Both sides are and stay the same, as nearly always: one look-up serves both.
                do = np.int64(actions[last_g * width + g])
                counts[columns[last_g]] += do & alike
                alike = ((do >> 1) & 1) | (alike & (do >> 3))
                open_g, open_p, last_g, last_p = alike, alike, g, g
                continue
            counts[RIGHT] -= np.int64(g != p)
            open_g, open_p, alike = _step(
                actions, width, columns, last_g, last_p, g, p, open_g, open_p, alike, counts
            )
            last_g, last_p = g, p
    for column in range(out.shape[1]):
        out[row, column] = counts[column]
    for row in range(out.shape[0]):
        for first in range(FIRST_TYPE, out.shape[1], PER_TYPE):
            out[row, first + GOLD] += out[row, first + BOTH]
            out[row, first + PREDICTED] += out[row, first + BOTH]
    if each:
        for row in range(len(offsets) - 1):
            out[row, TOKENS] += offsets[row + 1] - offsets[row]
            out[row, RIGHT] += offsets[row + 1] - offsets[row]
    else:
        out[0, TOKENS] += total
        out[0, RIGHT] += total
    return -1


@inner
def _step(
    actions: Any,
    width: Any,
    columns: Any,
    last_g: Any,
    last_p: Any,
    g: Any,
    p: Any,
    open_g: Any,
    open_p: Any,
    alike: Any,
    counts: Any,
) -> Any:
    """Go on from one tag of either side to the next; without a branch, as none could be foreseen.

    Chunks of both sides count as BOTH alone here, and as GOLD and PREDICTED too in the end.
    """
    do_g, do_p = np.int64(actions[last_g * width + g]), np.int64(actions[last_p * width + p])
    ends_g, ends_p = do_g & open_g, do_p & open_p
    both = ends_g & ends_p & alike
    counts[columns[last_g]] += both
    counts[columns[last_g] + np.uint64(GOLD)] += ends_g - both
    counts[columns[last_p] + np.uint64(PREDICTED)] += ends_p - both
    start_g = (do_g >> 1) & ~((do_g >> 2) & open_g) & 1
    start_p = (do_p >> 1) & ~((do_p >> 2) & open_p) & 1
    open_g = start_g | (open_g & (do_g >> 3))
    open_p = start_p | (open_p & (do_p >> 3))
    begun = start_g & start_p & np.int64(columns[g] == columns[p])
    return open_g, open_p, begun | (alike & open_g & open_p & ~start_g & ~start_p)


@kernel
def list_chunks(
    tags: NDArray[np.int64],
    keep: NDArray[np.bool_],
    offsets: NDArray[np.int64],
    actions: NDArray[np.uint8],
    types: NDArray[np.int64],
    out: NDArray[np.int64],
) -> int:
    """Write each chunk's row, type, first tag, one past its last to `out` `[>= N, 4]`; return how many.

    Tags where `keep` is false are left out, as `ignored` in `count_chunks`; first and last count from the
    row's start.
    """
    size = len(types) - 1
    found = 0
    for row in range(len(offsets) - 1):
        last, final = size, offsets[row]
        begin = -1
        stop = offsets[row + 1]
        for at in range(offsets[row], stop + 1):
            if at < stop and not keep[at]:
                continue
            tag = tags[at] if at < stop else size
            do = actions[last, tag]
            inside = (do & INSIDE) != 0 and begin >= 0
            if (do & END) != 0 and begin >= 0:
                out[found, 0] = row
                out[found, 1] = types[last]
                out[found, 2] = begin - offsets[row]
                out[found, 3] = final + 1 - offsets[row]
                found += 1
            if not inside:
                if do & START:
                    begin = at
                elif not do & KEEP:
                    begin = -1
            last, final = tag, at
    return found
